"""Freed memory is kept: taking it again costs no new pages."""

import platform
import subprocess
import sys

import pytest

from modnav import cli

MEASURE = """
import ctypes, resource, sys
from modnav.machine import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]

def use(size=2**20, blocks=20):
    taken = [libc.malloc(size) for _ in range(blocks)]
    for block in taken:
        ctypes.memset(block, 1, size)
    for block in taken:
        libc.free(block)

use()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    use()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is another one")
def test_what_is_freed_is_taken_again_without_new_pages() -> None:
    def faults(how: str) -> int:
        command = [sys.executable, "-c", MEASURE, how]
        return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    assert faults("keep") < 0.05 * faults("leave")


def test_every_command_keeps_it(monkeypatch: pytest.MonkeyPatch):
    asked = []
    monkeypatch.setattr(cli, "keep_freed_memory", lambda: asked.append(True))
    with pytest.raises(SystemExit):
        cli.main(["evaluate", "nothing-is-here"])
    assert asked
