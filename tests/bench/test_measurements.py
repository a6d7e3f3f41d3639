import json
from pathlib import Path

import numpy as np
import pytest
import torch

from modnav.bench import BENCHES, BenchSettings, short_run
from modnav.cli import main
from modnav.learning import HALF, SINGLE, UPDATES_PER_STEP, runs_bf16

BRIEF = {"seconds": 0.02, "parallel_trials": 4, "stored": 100, "trials": 2}


@pytest.mark.parametrize("agent", ["modular", "ekf"])
@pytest.mark.parametrize("name", list(BENCHES))
def test_everything_is_measured(name: str, agent: str):
    result = BENCHES[name](BenchSettings(agent, **BRIEF))
    assert result.name == name
    spreads = [result.milliseconds]
    if name in ("acting", "update", "evaluate"):
        spreads += [result.plain_milliseconds, result.times_faster]
    for spread in spreads:
        assert 0 < spread.low <= spread.median <= spread.high
    numbers = result.more | result.shares
    assert numbers
    assert all(np.isfinite(x) for x in numbers.values())


def test_a_short_run_is_split_into_its_parts():
    clock = short_run(BenchSettings("ekf", **BRIEF))
    updates = [count for _, count in clock.ends]
    assert len(clock.milliseconds) == len(updates) - 1 >= 1
    assert list(np.diff(updates)) == [UPDATES_PER_STEP] * len(clock.milliseconds)
    (first, _), (last, _) = clock.ends[0], clock.ends[-1]
    mean = clock.milliseconds.mean() * (updates[-1] - updates[0]) / 1000
    assert mean == pytest.approx(last - first)
    assert set(clock.shares) == {"update", "acting", "sampling", "rest"}
    assert all(share > 0 for share in clock.shares.values())
    assert sum(clock.shares.values()) == pytest.approx(1)


def test_the_command_prints_a_table_and_writes_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    path = tmp_path / "new" / "bench.json"
    precision = HALF if runs_bf16() else SINGLE
    options = ["--seconds", "0.02", "--agent", "ekf", "--precision", precision]
    main(["bench", "update", *options, "--json", str(path)])
    out = capsys.readouterr().out
    assert f"agent ekf, {precision}, threads: 1" in out
    assert "| TD3 update, 1 x 256 |" in out
    assert "% of the products' rate" in out
    written = json.loads(path.read_text())
    assert written["settings"]["agent"] == "ekf"
    assert written["machine"]["torch"] == torch.__version__
    (result,) = written["results"]
    assert result["name"] == "update"
    assert set(result["times_faster"]) == {"median", "low", "high"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--agent", "modulor"], "architecture is 'modulor'; it must be one of"),
        (["--threads", "0"], "threads is 0; it must be above 0"),
        (["--seconds", "-1"], "seconds is -1.0; it must be above 0"),
        (["update", "--population", "0"], "population is 0; it must be above 0"),
        (["--population", "2"], "--population is for `modnav bench update`"),
        (["run", "--population", "2"], "--population is for `modnav bench update`"),
        (["host"], "`modnav bench host` needs --population"),
        (["update", "--tf32"], "--device and --tf32 are for --population"),
        (["update", "--population", "2", "--tf32"], "tf32 is for GPUs; device is cpu"),
    ],
)
def test_mistakes_are_told_before_anything_is_timed(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit) as exit_info:
        main(["bench", *options])
    assert exit_info.value.code == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert not captured.out
