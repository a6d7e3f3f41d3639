"""What is read is a file, or nothing."""

import os
from pathlib import Path

import pytest

from modnav.files import is_regular, plain_target, read_text, regular


def test_pipes_and_folders_are_refused_and_what_is_not_there_passes(tmp_path):
    file, pipe = tmp_path / "file", tmp_path / "pipe"
    file.write_text("x")
    os.mkfifo(pipe)
    assert is_regular(file)
    assert regular(file) == file
    assert regular(tmp_path / "none") == tmp_path / "none"
    assert not is_regular(tmp_path / "none")
    for other in (pipe, tmp_path):
        assert not is_regular(other)
        with pytest.raises(ValueError, match="must be a file"):
            regular(other)


def test_a_text_that_is_too_large_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "table.csv"
    with path.open("wb") as file:
        file.truncate(2**34)  # takes no room on the disk
    for read in (read_text, lambda path: regular(path, text=True)):
        with pytest.raises(ValueError, match="is larger than 268,435,456 bytes"):
            read(path)
    assert regular(path) == path


def test_links_and_devices_are_no_plain_targets(tmp_path):
    assert plain_target(tmp_path / "new.json") == tmp_path / "new.json"
    (tmp_path / "link.json").symlink_to(tmp_path / "elsewhere")
    for path in (tmp_path / "link.json", Path(os.devnull), tmp_path):
        with pytest.raises(ValueError, match=r"is a link|is a folder, a pipe or a device"):
            plain_target(path)
