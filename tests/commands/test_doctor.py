"""What `modnav doctor` says of this machine, and of machines as they might be."""

import json

from modnav.cli import main
from modnav.commands.doctor import advice, examined, page


def test_it_measures_and_tells_as_a_page_and_as_json(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    main(["doctor", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found["packages"]["modnav"]
    assert found["folder"]["writable"]
    assert found["measured"]["update_ms"] > 0 < found["measured"]["steps_per_s"]
    told = page(found)
    assert f"{found['measured']['update_ms']:.1f} ms in 32-true" in told
    assert all(line in told for line in found["advice"])
    assert not list(tmp_path.iterdir())

    (tmp_path / "file").touch()
    monkeypatch.setattr("modnav.commands.doctor._measured", lambda bf16: found["measured"])
    where = examined(tmp_path / "file" / "runs")["folder"]  # nothing can be made below a file
    assert not where["writable"]

    bad = {
        **found,
        "folder": {"path": "/there", "writable": False, "free_gb": 9.0},
        "processor": found["processor"] | {"bf16": False, "cores": 4, "load": 9.0},
        "missing": {"export": ["onnx"]},
        "gpus": ["X"],
        "measured": {"update_ms": 40.0, "update_bf16_ms": None, "steps_per_s": 1.0},
    }
    lines = "\n".join(advice(bad))
    for part in (
        "/there cannot be written",
        "45,000 updates after phase I: 0.5 h here",
        "bf16 is not used",
        "all 4 cores",
        "load 9.0 on 4 cores",
        'pip install "modnav[export]"',
    ):
        assert part in lines
