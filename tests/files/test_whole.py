import os
import time

import job_calls
import pytest
from forked import Forked

from modnav.files import sweep, written_whole


def test_a_file_takes_the_place_of_the_former(tmp_path):
    path = tmp_path / "made" / "x.txt"
    for text in ("one", "two"):
        with written_whole(path) as part:
            assert part.name == "x.txt"
            part.write_text(text)
        assert path.read_text() == text
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_appears_with_all_that_is_in_it(tmp_path):
    with written_whole(tmp_path / "x") as part:
        (part / "deep").mkdir(parents=True)
        (part / "deep" / "y.txt").write_text("y")
        assert not (tmp_path / "x").exists()
    assert (tmp_path / "x" / "deep" / "y.txt").read_text() == "y"
    with pytest.raises(OSError), written_whole(tmp_path / "x") as part:  # noqa: PT011 - of many kinds
        part.mkdir()
    assert (tmp_path / "x" / "deep" / "y.txt").read_text() == "y"
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_after_an_error_all_is_as_it_was(tmp_path):
    (tmp_path / "x").write_text("former")
    with pytest.raises(KeyboardInterrupt), written_whole(tmp_path / "x") as part:  # noqa: PT012
        part.write_text("half")
        raise KeyboardInterrupt
    assert (tmp_path / "x").read_text() == "former"
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_what_a_killed_process_leaves_is_in_nobodys_way_and_swept(tmp_path):
    path = tmp_path / "a" / "x"
    for _ in range(2):
        assert Forked(str(path), call=job_calls.end_amid_a_folder).wait() == 9
    old, new = path.parent.iterdir()
    assert not path.exists()
    long_ago = time.time() - 48 * 3600
    os.utime(old, (long_ago, long_ago))
    with written_whole(path) as part:
        part.write_text("whole")
    sweep(tmp_path)
    assert set(path.parent.iterdir()) == {path, new}
    sweep(tmp_path, older_than_s=-1)
    assert list(path.parent.iterdir()) == [path]
    sweep(tmp_path / "nowhere")
