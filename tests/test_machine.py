import platform

from modnav.machine import keep_freed_memory


def test_freed_memory_is_kept_where_the_c_library_can_be_told_so():
    assert keep_freed_memory() == (platform.libc_ver()[0] == "glibc")
