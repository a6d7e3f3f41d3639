"""Files that are written whole or not at all."""

import errno
import os
import signal
import stat
import threading
from pathlib import Path

import job_calls
import pytest
import torch
from forked import Forked
from matplotlib.figure import Figure

from modnav.files import check_writable, replacing, write_atomically, write_text_atomically


def test_every_kind_of_content_takes_the_place_of_the_former(tmp_path):
    folder = tmp_path / "made" / "anew"
    for k in (1, 2):
        write_atomically({"a": k}, folder / "x.ckpt")
        write_text_atomically(f"é{k}\n", folder / "x.txt")
        with replacing(folder / "x.png") as temporary:
            Figure(figsize=(k, 1)).savefig(temporary, dpi=10)
        assert torch.load(folder / "x.ckpt") == {"a": k}
        assert (folder / "x.txt").read_bytes() == f"é{k}\n".encode()
        content = (folder / "x.png").read_bytes()
        assert int.from_bytes(content[16:20], "big") == 10 * k
    assert {path.name for path in folder.iterdir()} == {"x.ckpt", "x.txt", "x.png"}


@pytest.mark.parametrize("error", [OSError("full"), ValueError("x"), KeyboardInterrupt()])
def test_after_an_error_all_is_as_it_was(error, tmp_path):
    path = tmp_path / "x.txt"
    write_text_atomically("former", path)
    with pytest.raises(type(error)), replacing(path) as temporary:  # noqa: PT012 - it must write
        temporary.write_text("half")
        raise error
    assert path.read_text() == "former"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_names_the_file_and_not_that_beside_it(tmp_path):
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # of a write, which knows no name
    told = r"x\.csv could not be written and is as it was: No space left on device$"
    with pytest.raises(OSError, match=told), replacing(tmp_path / "x.csv"):
        raise full
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"file/x\.csv could not be written"):
        write_text_atomically("", tmp_path / "file" / "x.csv")
    with pytest.raises(FileNotFoundError, match="other"), replacing(tmp_path / "x.csv"):
        (tmp_path / "other").read_text()
    with pytest.raises(TimeoutError, match=r"^slow$"), replacing(tmp_path / "x.csv"):
        raise TimeoutError("slow")  # of what was to be written


def test_a_large_tensor_that_cannot_be_written_is_told_as_what_was_wrong(tmp_path):
    """Torch complains of positions in its archive, and not of the disk, which is what one can mend."""
    resource = pytest.importorskip("resource")
    path = tmp_path / "x.ckpt"
    write_atomically({"a": 1}, path)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, before[1]))
    try:
        with pytest.raises(OSError, match=r"x\.ckpt could not be .* as it was: File too large$"):
            write_atomically({"a": torch.zeros(1_000_000)}, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert torch.load(path) == {"a": 1}


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_the_umask_tells_who_may_read(umask, mode, tmp_path):
    before = os.umask(umask)
    try:
        write_text_atomically("x", tmp_path / "x")
        assert os.umask(umask) == umask
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == mode


@pytest.mark.parametrize("form", [".x.csv", ".x.csv.{}", ".x.{}.csv"])
def test_a_link_under_a_name_that_could_be_foreseen_is_not_followed(form, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    (tmp_path / form.format(os.getpid())).symlink_to(victim)
    (tmp_path / "x.csv").symlink_to(victim)
    write_text_atomically("new", tmp_path / "x.csv")
    assert victim.read_text() == "untouched"
    assert (tmp_path / "x.csv").read_text() == "new"
    assert not (tmp_path / "x.csv").is_symlink()


def test_no_two_writers_share_a_file(tmp_path):
    path, texts = tmp_path / "x.txt", [str(k) * 10_000 for k in range(8)]
    writers = [threading.Thread(target=write_text_atomically, args=(x, path)) for x in texts]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert path.read_text() in texts
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_writer_left_is_swept_by_the_next_and_what_others_write_is_not(tmp_path):
    path = tmp_path / "table.csv"
    for _ in range(2):
        assert Forked(str(path), call=job_calls.die_amid_a_file).wait() == -signal.SIGKILL
        assert len(list(tmp_path.iterdir())) == 1  # that of the last
    other = tmp_path / f".table.csv.0123abcd-{os.getpid()}.xyz.csv"  # of another machine
    other.touch()
    with replacing(path) as mine:
        write_text_atomically("by another of this process", path)
        assert mine.exists()
    assert {x.name for x in tmp_path.iterdir()} == {"table.csv", other.name}


def test_whether_a_file_can_be_written_is_known_before(tmp_path):
    check_writable(tmp_path / "new" / "x.gif")
    assert not list((tmp_path / "new").iterdir())
    with pytest.raises(OSError, match=r"x\.gif could not be written"):
        check_writable(Path("/proc/nope/x.gif"))
