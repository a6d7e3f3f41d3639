import gc
import os
import platform
import subprocess
import sys

import pytest

from modnav import machine
from modnav.machine import keep_freed_memory, memory_bytes, nothing_collected, open_files


@pytest.mark.skipif(not hasattr(os, "sysconf"), reason="this system has no sysconf")
def test_memory_is_all_that_the_system_knows_of():
    assert memory_bytes() == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def test_freed_memory_is_kept_where_the_c_library_can_be_told_so():
    assert keep_freed_memory() == (platform.libc_ver()[0] == "glibc")


def test_nothing_is_collected_for_a_while():
    with nothing_collected():
        assert not gc.isenabled()
    assert gc.isenabled()


@pytest.mark.skipif(machine.resource is None, reason="there is no such limit here")
def test_as_many_files_may_be_open_as_the_system_allows(monkeypatch):
    limits = [100, 150]
    kind = machine.resource.RLIMIT_NOFILE

    def set_limits(asked: int, both: tuple[int, int]) -> None:
        assert asked == kind
        limits[:] = both

    monkeypatch.setattr(machine.resource, "getrlimit", lambda asked: tuple(limits))
    monkeypatch.setattr(machine.resource, "setrlimit", set_limits)
    assert (open_files(50), limits) == (50, [100, 150])
    assert (open_files(120), limits) == (120, [120, 150])
    assert (open_files(1000), limits) == (150, [150, 150])


def test_a_process_of_one_command_goes_through_its_imports_no_more():
    """Not so where the command is called from Python: what there is stays as it was."""
    words = ["modnav", "configs"]
    code = f"""
import gc, sys
from modnav.cli import main
counts = [gc.get_freeze_count()]
main({words[1:]})
counts.append(gc.get_freeze_count())
sys.argv = {words}
main()
print(*counts, gc.get_freeze_count())
"""
    output = subprocess.check_output([sys.executable, "-c", code], text=True)
    before, called, after = map(int, output.splitlines()[-1].split())
    assert before == called
    assert after > before + 10_000
