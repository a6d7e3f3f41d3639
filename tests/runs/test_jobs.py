import os
import signal
import subprocess
import sys
import time
from multiprocessing import get_context

import job_calls
import pytest
import torch
from job_calls import running

from modnav.errors import ProcessLostError
from modnav.machine import threads
from modnav.runs import WorkerPool


@pytest.fixture(scope="module")
def pool():
    """Two processes, which the tests share, started as users have them."""
    with WorkerPool(2, ["job_calls", "a_module_that_was_not_imported"]) as pool:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("modnav.runs.jobs.get_context", get_context)
            list(pool.results(job_calls.wait_for, {0: (None,), 1: (None,)}))
        yield pool


def test_processes_are_ready_for_work(pool):
    found = dict(pool.results(job_calls.about_process, {k: ("job_calls",) for k in range(2)}))
    assert set(found) == {0, 1}
    for process, count, interrupts_are_ignored, imported in found.values():
        assert process != os.getpid()
        assert (count, interrupts_are_ignored, imported) == (1, True, True)


def test_modules_of_the_user_are_imported_before_any_call(tmp_path, monkeypatch):
    (tmp_path / "users_own.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    calls = {k: ("users_own",) for k in range(2)}
    for known in (False, True):
        if known:
            __import__("users_own")
        with WorkerPool(2, ["users_own"]) as pool:
            imported = [x[-1] for _, x in pool.results(job_calls.about_process, calls)]
        assert imported == [known, known]
    del sys.modules["users_own"]


def test_results_come_when_they_are_there(pool, tmp_path):
    told = tmp_path / "told"
    found = []
    for key, result in pool.results(job_calls.wait_for, {"slow": (told,), "fast": (None,)}):
        found.append((key, result))
        told.touch()
    assert found == [("fast", True), ("slow", True)]


def test_one_worker_is_this_process():
    with threads(2), WorkerPool(1) as pool:
        for _, (process, count, *_) in pool.results(job_calls.about_process, {0: ("",), 1: ("",)}):
            assert (process, count) == (os.getpid(), 1)
            assert torch.get_num_threads() == 2
        assert torch.get_num_threads() == 2


def test_one_call_starts_no_process(pool):
    ((_, (process, *_)),) = pool.results(job_calls.about_process, {0: ("",)})
    assert process == os.getpid()
    assert list(pool.results(job_calls.about_process, {})) == []


def test_what_a_call_raises_is_raised_here(pool):
    with pytest.raises(ValueError, match="it is 7"):
        list(pool.results(job_calls.refuse, {0: (7,), 1: (7,)}))
    assert len(list(pool.results(job_calls.wait_for, {0: (None,), 1: (None,)}))) == 2


def test_a_process_that_dies_is_told_and_later_calls_get_new_ones(pool):
    with pytest.raises(ProcessLostError, match="a process died; was there enough"):
        list(pool.results(job_calls.end, {0: (3,), 1: (3,)}))
    assert len(list(pool.results(job_calls.wait_for, {0: (None,), 1: (None,)}))) == 2


SLOW_TORCH = """
import os, sys, time
from pathlib import Path

class Slow:
    def find_spec(self, name, *_):
        if name == "torch":
            Path(f"worker{os.getpid()}").touch()
            time.sleep(600)

if any("multiprocessing" in word for word in sys.orig_argv):
    sys.meta_path.insert(0, Slow())
"""
PARENT = """
from modnav.runs import WorkerPool
list(WorkerPool(2).results(print, {0: (), 1: ()}))
"""


def test_processes_that_are_still_importing_end_with_their_parent(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(SLOW_TORCH)
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    words = [sys.executable, "-c", PARENT]
    parent = subprocess.Popen(words, cwd=tmp_path, env=os.environ | {"PYTHONPATH": path})
    workers = []
    try:
        while len(workers) < 2:
            assert parent.poll() is None
            time.sleep(0.05)
            workers = [int(file.name[len("worker") :]) for file in tmp_path.glob("worker*")]
        assert all(map(running, workers))
        parent.kill()
        parent.wait()
        until = time.monotonic() + 60  # of those 600 s that the import takes
        while any(map(running, workers)) and time.monotonic() < until:
            time.sleep(0.05)
        assert not any(map(running, workers))
    finally:
        for process in filter(running, [parent.pid, *workers]):
            os.kill(process, signal.SIGTERM)
