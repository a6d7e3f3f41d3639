"""What is told before any job starts."""

import re

import pytest
import torch

from modnav.cli import main

pytest.importorskip("snakemake")


def test_a_folder_of_another_study_or_that_cannot_be_written_is_refused(spec_of, capsys, tmp_path):
    spec_of()
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "about.json").write_text('{"name": "other"}')
    (tmp_path / "t" / "runs" / "x").mkdir(parents=True)
    (tmp_path / "t" / "study.yaml").write_text("name: third")
    for place, message in {
        "s": "is the folder of study other; name is small: choose another --folder",
        "t": "is the folder of study third; name is small",
        "study.yaml": "study.yaml/runs cannot be written: Not a directory",
    }.items():
        with pytest.raises(SystemExit) as error:
            main(["study", "study.yaml", "--folder", place])
        assert error.value.code == 2
        told = capsys.readouterr().err
        assert message in told
        assert told.count("\n") == 1


def test_a_training_that_would_not_start_is_told_before_any_job(spec_of, capsys, tmp_path):
    spec_of(options={"phases.trails": 50})
    with pytest.raises(SystemExit):
        main(["study", "study.yaml", "--cores", "1"])
    assert "phases.trails is not known; did you mean phases.trials?" in capsys.readouterr().err
    assert not (tmp_path / "studies").exists()


def test_a_module_that_fails_when_imported_is_told_with_its_place(spec_of, capsys, tmp_path):
    spec_of(import_=["broken_on_purpose"])
    for text, told in {
        "\nraise RuntimeError('boom')": "RuntimeError: boom",
        "\ndef f(:": "SyntaxError: invalid syntax",
        "\nimport sys\nsys.exit(3)": "SystemExit: 3",
        "\nimport there_is_none": "No module named 'there_is_none'",
    }.items():
        (tmp_path / "broken_on_purpose.py").write_text(text)
        for words in (
            ["study", "study.yaml", "--dry-run"],
            ["fit", "--import", "broken_on_purpose"],
        ):
            with pytest.raises(SystemExit) as error:
                main(words)
            assert error.value.code == 2
            assert re.search(
                rf"broken_on_purpose fails when imported: .*{told}.*\.py, line [23]\)",
                capsys.readouterr().err,
            )


def test_what_experience_refuses_is_told_before_any_job(spec_of, capsys):
    spec_of(architectures=["modular"], options={"data.replay": "modnav.learning.StepReplay"})
    with pytest.raises(SystemExit):
        main(["study", "study.yaml", "--dry-run"])
    assert "data.replay holds single steps, but the agent is recurrent" in capsys.readouterr().err


def test_what_makes_one_published_agent_of_another_is_told_before_any_job(spec_of, capsys):
    spec_of(architectures=["modular", "holistic"], protocol=["modular", "debug"])
    with pytest.raises(SystemExit):
        main(["study", "study.yaml", "--dry-run"])
    assert (
        "architectures has holistic, but with its protocol and options it is Actor3Critic5"
        in capsys.readouterr().err
    )


def test_a_dry_run_checks_what_the_next_step_would(spec_of, capsys):
    spec_of(protocol=["modulr"])
    with pytest.raises(SystemExit):
        main(["study", "study.yaml", "--dry-run"])
    assert "modulr" in capsys.readouterr().err


@pytest.mark.skipif(torch.cuda.is_available(), reason="what is checked is a machine without one")
def test_a_gpu_is_wanted_where_jobs_run_and_not_where_they_are_sent_from(
    spec_of, capsys, tmp_path
):
    spec_of(
        accelerator="gpu", architectures=["modular"], options={"trainer.precision": "16-mixed"}
    )
    with pytest.raises(SystemExit):
        main(["study", "study.yaml", "--dry-run"])
    (tmp_path / "config.yaml").write_text("jobs: 3")
    main(["study", "study.yaml", "--dry-run", "--", "--profile", str(tmp_path)])
    assert "what would be done" in capsys.readouterr().out


def test_a_dry_run_shows_what_is_to_do_and_costs_nothing(spec_of, capsys, tmp_path):
    spec_of(trials=1000, protocol=["warmup"])
    folder = tmp_path / "studies" / "small"
    main(["study", "study.yaml", "--dry-run", "--cores", "2"])
    assert "not known (--measure)" in capsys.readouterr().out
    assert not folder.exists()
    folder.mkdir(parents=True)
    (folder / "costs.json").write_text('{"update_ms": {"modular": 36.0, "ekf": 7.2}}')
    main(["study", "study.yaml", "--dry-run", "--cores", "2"])
    out = capsys.readouterr().out
    hours = 2 * 5 * (1000 + 1500) * (0.036 + 0.0072) / 3600
    row = next(line for line in out.splitlines() if " train " in line)
    assert f"{hours:.2f}" in row
