"""Results, from the folders of runs."""

import json

import pytest

from modnav.studies import JobEnd, StudyFolder, gather

pytest.importorskip("snakemake")


@pytest.mark.parametrize(
    ("best", "message"),
    [
        ({"checkpoint": "../outside.ckpt"}, "outside.ckpt is no checkpoint of runs/modular/seed0"),
        ({"checkpoint": "/etc/passwd"}, "passwd is no checkpoint of runs/modular/seed0"),
        ({"seed": "0/../../../x"}, "invalid literal"),
        ({"seed": 7}, "is no checkpoint of runs/modular/seed7"),
        ({"score": None}, "modular.json is damaged"),
        (7, "modular.json is damaged"),
    ],
)
def test_only_checkpoints_of_the_study_are_gathered(jobs_of, tmp_path, best, message):
    folder, job = StudyFolder(tmp_path / "s"), jobs_of()["select/modular"]
    folder.write_plan([job])
    folder.finish(job, JobEnd())
    (tmp_path / "outside.ckpt").write_text("x")
    own = {"seed": 0, "architecture": "a", "episode": 500, "score": 1.0, "checkpoint": "x.ckpt"}
    told = [{"seeds": [own | best if isinstance(best, dict) else best]}]
    (folder.path / "selected").mkdir()
    (folder.path / "selected/modular.json").write_text(json.dumps(told))
    with pytest.raises(ValueError, match=message):
        gather(folder)
    assert [x.name for x in (folder.path / "selected").rglob("*")] == ["modular.json"]
