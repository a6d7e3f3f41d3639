"""What the engine is asked, checked before it starts."""

import sys

import pytest

from modnav.commands.study.engine import check_engine

pytest.importorskip("snakemake")


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["--executor", "nothing"], "nothing, which is not installed: pip install snakemake-ex"),
        (["--executor=nothing"], "nothing, which is not installed"),
        (["--nonsense"], "after --, --nonsense: unrecognized arguments: --nonsense"),
        (["--profile", "nowhere"], "after --, --profile nowhere: .*specify a path"),
        (["--help"], "after --, --help: Snakemake only shows its help"),
    ],
)
def test_what_no_engine_can_be_asked_is_told(extra, message):
    with pytest.raises(ValueError, match=message):
        check_engine(extra)


def test_a_cluster_that_is_missing_or_does_not_answer_is_told(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "snakemake_executor_plugin_slurm", pytest)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ValueError, match="slurm, but there is no sbatch here"):
        check_engine(["--executor", "slurm"])
    for name in ("sbatch", "sinfo"):
        (tmp_path / name).write_text("#!/bin/sh\necho cannot contact the controller >&2; exit 1\n")
        (tmp_path / name).chmod(0o755)
    with pytest.raises(ValueError, match="sinfo fails: cannot contact the controller"):
        check_engine(["-e", "slurm"])
