"""Threads of a run."""

from pathlib import Path

import pytest
import torch
import yaml

from modnav.cli import main
from modnav.learning import TD3
from modnav.runs import read


@pytest.fixture
def used(monkeypatch: pytest.MonkeyPatch):
    """Numbers of threads that updates were made with."""
    found, update, before = [], TD3.update, torch.get_num_threads()
    monkeypatch.setattr(
        TD3, "update", lambda self, x: found.append(torch.get_num_threads()) or update(self, x)
    )
    yield found
    torch.set_num_threads(before)


def kept(run: str = "runs/small/seed0") -> int:
    return yaml.safe_load(Path(run, "config.yaml").read_text())["threads"]


def test_the_number_of_threads_is_kept_with_the_run(small: Path, monkeypatch, used):
    """So that a run is resumed with as many, whatever the environment then says."""
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    torch.set_num_threads(2)  # what torch makes of it at its start
    main(["fit", "--config", str(small)])
    assert set(used) == {2}
    assert kept() == 2
    monkeypatch.delenv("OMP_NUM_THREADS")
    torch.set_num_threads(1)
    main(["fit", "--resume", "runs/small/seed0", "--phases.trials", "80"])
    assert set(used) == {2}
    assert read(Path("runs/small/seed0/last.ckpt")).about["updates"] == len(used)


@pytest.mark.parametrize(
    ("options", "count"), [([], 1), (["--config", "fast"], 1), (["--threads", "3"], 3)]
)
def test_a_run_has_one_thread_or_those_asked_for(
    small: Path, monkeypatch, used, options: list[str], count: int
):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    torch.set_num_threads(2)
    main(["fit", "--config", str(small), *options, "--phases.trials", "20"])
    assert set(used) == {count}
    assert kept() == count
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize("threads", ["0", "auto"])
def test_what_is_no_number_of_threads_is_refused(small: Path, capsys, threads: str):
    with pytest.raises(SystemExit) as exit_info:
        main(["fit", "--config", str(small), "--threads", threads])
    assert exit_info.value.code == 2
    assert f"threads is {threads}; it must be a number, 1 or more" in capsys.readouterr().err
    assert not Path("runs").exists()


def test_a_run_that_had_auto_is_told_what_to_write(small: Path, capsys):
    main(["fit", "--config", str(small)])
    config = Path("runs/small/seed0/config.yaml")
    config.write_text(config.read_text().replace("\nthreads: 1\n", "\nthreads: auto\n"))
    again = ["fit", "--resume", "runs/small/seed0", "--phases.trials", "80"]
    capsys.readouterr()
    with pytest.raises(SystemExit) as exit_info:
        main(again)
    assert exit_info.value.code == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "say --threads 1, or write threads: 1 in the run's config.yaml" in err
    main(["validate", "--ckpt_path", "runs/small/seed0/checkpoints/00059.ckpt"])
    main([*again, "--threads", "1"])
    assert kept() == 1
