"""Faults while a run is under way: what was saved stays, and the user is told in one line."""

import errno
import functools
import os
import re
import resource
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
import torch
from forked import Forked
from same_weights import same
from small_runs import weights

from modnav.cli import main
from modnav.files import write_atomically
from modnav.networks import build_agent
from modnav.published import write_published
from modnav.runs import save_agent


@pytest.fixture
def mount(tmp_path):
    """Function that mounts a small file system, and mounts it anew with other options."""
    place = tmp_path / "small_disk"
    place.mkdir()

    def mounted(options):
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
        try:
            done = subprocess.run(command, capture_output=True, check=False)
        except OSError:
            done = None
        if done is None or done.returncode:
            pytest.skip("file systems cannot be mounted here")
        return place

    yield mounted
    subprocess.run(["umount", str(place)], capture_output=True, check=False)


def ended(*words, begin=None):
    """Run a command in a process of its own; return its status and what it said was wrong."""
    process = Forked(*map(str, words), begin=begin)
    _, stderr = process.communicate()
    return process.returncode, _told(stderr)


def _told(stderr):
    told = re.findall("^modnav: error: (.+)$", stderr, re.MULTILINE)
    assert len(told) == 1, stderr
    return told[0]


def test_a_full_disk_leaves_the_former_checkpoint_and_room_lets_the_run_go_on(small, mount):
    disk = mount("size=4m")
    main(["fit", "--config", str(small), "--phases.trials", "60"])
    main(["fit", "--config", str(small), "--phases.trials", "20", "--runs", str(disk)])
    run = disk / "small" / "seed0"
    before, filler = (run / "last.ckpt").read_bytes(), disk / "filler"
    filler.write_bytes(bytes(shutil.disk_usage(disk).free - 130_000))  # less than a checkpoint
    status, told = ended("fit", "--resume", run, "--phases.trials", "60")
    assert status == 2
    assert told.startswith(str(run))
    assert told.endswith("could not be written and is as it was: No space left on device")
    assert (run / "last.ckpt").read_bytes() == before
    assert not list(run.glob(".last.ckpt*"))  # nothing half written
    filler.unlink()
    main(["fit", "--resume", str(run), "--phases.trials", "60"])
    assert same(weights(run), weights(Path("runs/small/seed0")))


def test_a_write_that_fails_leaves_the_former_checkpoint(small):
    """Also without the right to mount: no file may grow beyond a half of ``last.ckpt``."""
    main(["fit", "--config", str(small), "--phases.trials", "20"])
    run = Path("runs/small/seed0")
    before = (run / "last.ckpt").read_bytes()
    limit = len(before) // 2
    limited = functools.partial(resource.setrlimit, resource.RLIMIT_FSIZE, (limit, limit))
    status, told = ended("fit", "--resume", run, "--phases.trials", "60", begin=limited)
    assert status == 2
    assert told == f"{run}/last.ckpt could not be written and is as it was: File too large"
    assert (run / "last.ckpt").read_bytes() == before
    main(["fit", "--resume", str(run), "--phases.trials", "60"])
    assert (run / "checkpoints/00059.ckpt").is_file()


@pytest.mark.parametrize(
    ("module", "function"), [(tempfile, "mkstemp"), (os, "fsync"), (os, "replace")]
)
def test_any_step_of_a_write_may_fail(module, function, tmp_path, monkeypatch):
    path = tmp_path / "x.ckpt"
    write_atomically({"a": 1}, path)

    def fails(*args, **kwargs):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(module, function, fails)
    with pytest.raises(OSError, match=f"^{path} could not be written .* No space left on device$"):
        write_atomically({"a": 2}, path)
    assert torch.load(path) == {"a": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_a_read_only_folder_is_refused_before_any_work(small, mount):
    disk = mount("size=1m")
    agent = build_agent("EKF")
    save_agent(agent, small.with_name("a.ckpt"))
    write_published(agent, small.with_name("a.pth.tar"))
    mount("remount,ro")
    for words in (
        ["fit", "--config", small, "--runs", disk],
        ["record", "a.ckpt", "--out", disk / "tables", "--trials", "3"],
        ["import-published", "a.pth.tar", "--out", disk / "b.ckpt"],
        ["export-published", "a.ckpt", "--out", disk / "b.pth.tar"],
    ):
        status, told = ended(*words)
        assert status == 2
        assert str(disk) in told
        assert "Read-only file system" in told


def test_a_run_whose_folder_is_removed_stops_and_says_so(small):
    run = Path("runs/small/seed0")
    process = Forked("fit", "--config", str(small), "--phases.trials", "100000")
    while not (run / "last.ckpt").exists() and process.poll() is None:
        time.sleep(0.05)
    shutil.rmtree(run.parent, ignore_errors=True)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 2
    assert str(run) in _told(stderr)


def test_a_replay_beyond_memory_is_refused_and_leaves_no_run(small):
    words = ["fit", "--config", str(small), "--phases.trials", "20"]
    status, told = ended(*words, "--data.replay.init_args.capacity", "1000000000000")
    assert status == 2
    assert re.search(r"takes [\d.]+ GiB; it must fit into the [\d.]+ GiB of this machine", told)
    assert not Path("runs/small/seed0/last.ckpt").exists()
    main(words)
