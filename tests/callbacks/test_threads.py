"""Threads of a run: fixed ones, and those it takes with regard to others."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
import yaml
from pytorch_lightning import Trainer

from modnav.callbacks import threads
from modnav.callbacks.threads import ProcessorThreads, Seats
from modnav.cli import main
from modnav.learning import TD3
from modnav.runs import read

SITTER = """
import sys, time
from pathlib import Path
from modnav.callbacks.threads import Seats
seats = Seats(Path(sys.argv[1]), [3, 5, 6, 7])
seats.take(int(sys.argv[2]))
print(len(seats.mine), flush=True)
time.sleep(60)
"""


@pytest.fixture(autouse=True)
def four_cores(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Let a machine seem to have four cores, and keep its seats to the test."""
    monkeypatch.setattr(threads, "_cores", lambda: [3, 5, 6, 7])
    monkeypatch.setattr(threads, "_shared_folder", lambda: tmp_path / "seats")
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@contextmanager
def other_run(folder: Path, seats: int) -> Iterator[None]:
    """Let a process have some of four seats; it is killed, so that it leaves no word."""
    command = [sys.executable, "-c", SITTER, str(folder), str(seats)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == f"{seats}\n"
            yield
        finally:
            process.kill()


def started(callback: ProcessorThreads) -> int:
    """Return the threads that a run has after its start."""
    callback.setup(Trainer(barebones=True), TD3.__new__(TD3), "fit")
    return torch.get_num_threads()


def test_a_run_alone_uses_two_threads_and_one_among_others(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(threads, "LOOK_EVERY_S", -1.0)
    callback, trainer = ProcessorThreads("auto"), Trainer(barebones=True)
    assert started(callback) == 2
    with other_run(tmp_path / "seats", 3):
        callback.on_train_batch_end(trainer)
        assert torch.get_num_threads() == 1
    callback.on_train_batch_end(trainer)
    assert torch.get_num_threads() == 2
    callback.teardown(trainer, TD3.__new__(TD3), "fit")


def test_a_run_of_several_threads_has_as_many_seats(tmp_path: Path):
    fixed, auto = ProcessorThreads(3), ProcessorThreads("auto")
    assert started(fixed) == 3
    assert started(auto) == 1
    fixed.teardown(Trainer(barebones=True), TD3.__new__(TD3), "fit")
    assert Seats(tmp_path / "seats", [3, 5, 6, 7]).others() == 1  # of the other one


def test_threads_are_given_back_however_a_run_ends():
    module, trainer = TD3.__new__(TD3), Trainer(barebones=True)
    for end in ("teardown", "on_exception"):
        torch.set_num_threads(1)
        callback = ProcessorThreads(2)
        assert started(callback) == 2
        getattr(callback, end)(trainer, module, KeyboardInterrupt())
        assert torch.get_num_threads() == 1
        assert not callback.seats.mine


@pytest.mark.parametrize("count", range(1, 7))
def test_runs_that_look_at_each_other_share_the_cores(monkeypatch, count: int):
    """Six have no room: there the fifth and the sixth look for seats in vain."""
    monkeypatch.setattr(threads, "LOOK_EVERY_S", -1.0)
    trainer, found = Trainer(barebones=True), []
    runs = [ProcessorThreads("auto") for _ in range(count)]
    for run in runs:
        started(run)
    for run in runs:
        run.on_train_batch_end(trainer)
        found.append(torch.get_num_threads())
    assert found == [2 if count <= 2 else 1] * count
    for run in reversed(runs):
        run.teardown(trainer, TD3.__new__(TD3), "fit")


def test_runs_on_other_cores_have_other_seats(tmp_path: Path):
    here, there = (Seats(tmp_path / "seats", cores) for cores in ([3, 5], [6, 7]))
    here.take(2)
    there.take(1)
    assert (here.others(), there.others()) == (0, 0)
    assert len(here.mine) == 2


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="users have names, not numbers")
def test_a_user_without_a_name_has_a_folder(monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr("getpass.getuser", lambda: pytest.fail("asked for a name"))
    assert threads._shared_folder().name == f"modnav-{os.getuid()}"


def test_more_runs_than_cores_have_one_thread_each(tmp_path: Path):
    held = Seats(tmp_path / "seats", [3, 5, 6, 7])
    held.take(4)
    callback = ProcessorThreads("auto")
    assert started(callback) == 1
    held.leave()


def test_where_seats_cannot_be_kept_a_run_has_one_thread():
    assert started(ProcessorThreads("auto", Path("/proc/none"))) == 1


def test_the_number_of_threads_is_kept_with_the_run(small: Path, monkeypatch):
    """So that a run is resumed with as many, whatever the environment then says."""
    found = []
    update = TD3.update
    monkeypatch.setattr(
        TD3, "update", lambda self, x: found.append(torch.get_num_threads()) or update(self, x)
    )
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    torch.set_num_threads(2)  # what torch makes of it at its start
    main(["fit", "--config", str(small)])
    assert set(found) == {2}
    monkeypatch.delenv("OMP_NUM_THREADS")
    torch.set_num_threads(1)
    main(["fit", "--resume", "runs/small/seed0", "--phases.trials", "80"])
    assert set(found) == {2}
    assert torch.get_num_threads() == 1
    assert read(Path("runs/small/seed0/last.ckpt")).content["modnav"]["updates"] == len(found)


@pytest.mark.parametrize(("options", "kept"), [([], 1), (["--config", "fast"], "auto")])
def test_published_runs_have_one_thread_and_fast_ones_look_around(
    small: Path, monkeypatch, options: list[str], kept: int | str
):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    main(["fit", "--config", str(small), *options, "--phases.trials", "20"])
    assert yaml.safe_load(Path("runs/small/seed0/config.yaml").read_text())["threads"] == kept


def test_no_threads_are_refused(small: Path, capsys):
    with pytest.raises(SystemExit) as exit_info:
        main(["fit", "--config", str(small), "--threads", "0"])
    assert exit_info.value.code == 2
    assert "threads is 0; it must be 1 or more, or auto" in capsys.readouterr().err
