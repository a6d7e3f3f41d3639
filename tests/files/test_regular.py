"""What is read is a file, or nothing."""

import os

import pytest

from modnav.files import is_regular, regular


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
