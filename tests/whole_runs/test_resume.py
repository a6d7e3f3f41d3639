"""What becomes of a run whose state is lost, damaged, of another run, or taken away."""

import os
import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch

from modnav.callbacks.figures import save_figure
from modnav.cli import main
from modnav.networks import build_agent
from modnav.published import write_published
from modnav.runs import RunFolder, read

RUN = Path("runs/small/seed0")


def fit(*args: str) -> None:
    main(["fit", *args])


def refused(capsys, *args: str) -> str:
    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        main(list(args))
    assert end.value.code == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1, err
    return err


def content(path: Path = RUN / "last.ckpt"):
    return dict(read(path).content)


def files(run: Path = RUN) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in run.rglob("*") if p.is_file() and p.name != ".lock"}


@pytest.fixture
def run(small_run) -> Path:
    return small_run


def remove(last: Path) -> None:
    last.unlink()


def dangling(last: Path) -> None:
    last.unlink()
    last.symlink_to("nowhere")


def folder(last: Path) -> None:
    last.unlink()
    last.mkdir()


@pytest.mark.parametrize("lose", [remove, dangling, folder])
def test_a_run_without_its_state_keeps_its_checkpoints(lose, run, capsys):
    lose(run / "last.ckpt")
    before = files()
    told = refused(capsys, "fit", "--resume", str(run))
    assert "last.ckpt" in told
    assert f"modnav fit --resume {run / 'last-1.ckpt'}" in told
    (run / "last-1.ckpt").unlink()
    told = refused(capsys, "fit", "--resume", str(run))
    assert "last-1" not in told
    assert {k: v for k, v in before.items() if "last-1" not in k} == files()
    assert "holds a run already" in refused(capsys, "fit", "--config", "small.yaml")
    assert len(list((run / "checkpoints").iterdir())) == 3


def test_an_imported_run_cannot_be_resumed_and_is_kept(small, capsys):
    source = Path("agents/Actor3Critic5/gain/seed3/20220101-120000-499.pth.tar")
    source.parent.mkdir(parents=True)
    write_published(build_agent("modular"), source)
    main(["import-published", "agents", "--out", "runs"])
    (config,) = Path("runs").rglob("config.yaml")
    told = refused(capsys, "fit", "--resume", str(config.parent))
    assert f"modnav evaluate {config.parent}" in told
    assert len(list(config.parent.rglob("*.ckpt"))) == 1


def test_a_run_that_never_wrote_a_checkpoint_may_start_again(small, capsys):
    run = RUN
    fit("--config", "small.yaml", "--trainer.logger", "true", "--phases.trials", "20")
    whole = content()["state_dict"]
    for file in [*run.rglob("*.ckpt"), run / "validation.csv"]:
        file.unlink()
    fit("--resume", str(run))
    assert "has no checkpoint yet" in capsys.readouterr().out
    assert all(torch.equal(x, whole[k]) for k, x in content()["state_dict"].items())
    assert len(list(run.glob("events.out.tfevents*"))) == 1


def test_a_run_killed_between_its_first_checkpoint_and_its_first_state_starts_again(run, capsys):
    whole = content()["state_dict"]
    for file in [*run.glob("*.ckpt"), *sorted((run / "checkpoints").iterdir())[1:]]:
        file.unlink()
    (run / ".last.ckpt.half.ckpt").write_bytes(b"half")
    (run / ".begun").touch()  # as it is until the first state is written
    fit("--resume", str(run))
    assert all(torch.equal(x, whole[k]) for k, x in content()["state_dict"].items())
    assert len(list((run / "checkpoints").iterdir())) == 3


@pytest.mark.parametrize("kept", ["00019.ckpt", "00059.ckpt", "notes.txt", ".old", ""])
def test_a_run_that_lost_its_states_is_not_begun_anew(kept, run, capsys):
    """A checkpoint, or the table of validations, may be all that is left of a long training."""
    names = sorted(x.name for x in (run / "checkpoints").iterdir())
    for file in [*run.glob("*.ckpt"), *(run / "checkpoints" / x for x in names if x != kept)]:
        file.unlink()
    if kept and kept not in names:
        (run / "checkpoints" / kept).touch()
    before = files()
    told = refused(capsys, "fit", "--resume", str(run))
    assert "last.ckpt" in told
    assert "holds a run already" in refused(capsys, "fit", "--config", "small.yaml")
    assert "not finished" in refused(capsys, "fit", "--config", "small.yaml", "--seeds", "0")
    assert before == files()


REFUSED = {
    "optimizer": ["--model.optimizer", "torch.optim.SGD"],
    "constant": ["--data.replay.init_args.capacity", "150"],
    "replay": ["--data.replay.init_args.capacity", "1000000000000"],
}


def test_a_resume_that_is_refused_leaves_the_run_as_it_was(run, capsys):
    before = files()
    for options in REFUSED.values():
        refused(capsys, "fit", "--resume", str(run), "--phases.trials", "80", *options)
    assert {k: x for k, x in files().items() if "tfevents" not in k} == {
        k: x for k, x in before.items() if "tfevents" not in k
    }
    fit("--resume", str(run), "--phases.trials", "80")
    assert len(list((run / "checkpoints").iterdir())) == 4


@pytest.mark.parametrize(
    "options",
    [
        ["--data.replay.init_args.capacity", "1000000000000"],
        ["--model.actor.belief", "refused_by_contract.Unstable"],
    ],
)
@pytest.mark.parametrize("seeds", [[], ["--seeds", "0-1"]])
def test_an_overwrite_that_is_refused_deletes_nothing(options, seeds, run, capsys, monkeypatch):
    Path("refused_by_contract.py").write_text(UNSTABLE)
    monkeypatch.syspath_prepend(Path.cwd())
    before = files()
    told = ["--import", "refused_by_contract", "--config", "small.yaml", "--overwrite", "true"]
    refused(capsys, "fit", *told, *options, *seeds)
    assert before == {k: x for k, x in files().items() if k in before}


UNSTABLE = """
import own_modules

class Unstable(own_modules.Cell):
    def forward(self, x, memory=None):
        return super().forward(x / 0, memory)
"""


def test_the_state_before_the_last_is_there_if_the_last_is_damaged(run, capsys):
    whole = content()["state_dict"]
    last = run / "last.ckpt"
    data = last.read_bytes()
    for damaged in (b"", data[:100], data[:20_000], bytes(len(data))):
        last.write_bytes(damaged)
        told = refused(capsys, "fit", "--resume", str(run))
        assert f"modnav fit --resume {run / 'last-1.ckpt'}" in told
    fit("--resume", str(run / "last-1.ckpt"))
    assert all(torch.equal(x, whole[k]) for k, x in content()["state_dict"].items())
    assert content(run / "last-1.ckpt")  # was not replaced by the damaged one


def with_nan(state):
    x = state["experience"]["replay"]["items"]["observation"]
    x[0, 0, 0] = float("nan")


def weights_with_nan(state):
    next(iter(state["state_dict"].values()))[0] = float("nan")


def moments_with_nan(state):
    state["optimizer_states"][0]["state"][0]["exp_avg"][0] = float("nan")


def no_optimizers(state):
    state["optimizer_states"] = []


def empty_optimizer(state):
    state["optimizer_states"][1]["state"] = {}


def old_lightning(state):
    state["pytorch-lightning_version"] = "0.0.1"


def set_saves(state):
    state["callbacks"]["LastCheckpoint"]["saves"] = "x"


def odd_row(state):
    state["callbacks"]["Monitor"]["rows"][0] = {"trials": "many"}


def wrong_count(state):
    state["experience"]["counters"]["trials"] = -5.5


def odd_phase(state):
    state["callbacks"]["TrainingPhases"]["phase"] = 0


def no_list(state):
    state["optimizer_states"] = 5


def loop_counts_back(state):
    state["loops"]["fit_loop"]["epoch_progress"]["current"]["completed"] = -1


def loop_counts_words(state):
    state["loops"]["fit_loop"]["epoch_loop.batch_progress"]["total"]["ready"] = "x"


def counter(key, value):
    def change(state):
        (state["modnav"] if key == "updates" else state)[key] = value

    return change


COUNTERS = [
    counter("epoch", "x"),
    counter("epoch", -1),
    counter("epoch", [1]),
    counter("global_step", float("nan")),
    counter("global_step", 1e300),
    counter("processes", 0),
    counter("updates", 2.5),
    loop_counts_back,
    loop_counts_words,
]


DAMAGED = {
    **dict.fromkeys(COUNTERS, "it must be a whole number"),
    weights_with_nan: "state_dict holds numbers that are none (NaN)",
    moments_with_nan: "optimizer_states holds numbers that are none (NaN)",
    no_optimizers: "no whole states of actor and critic optimizers",
    empty_optimizer: "no whole states of actor and critic optimizers",
}


@pytest.mark.parametrize(("change", "reason"), DAMAGED.items())
def test_states_that_no_run_wrote_are_damaged_and_the_one_before_is_named(
    change, reason, run, capsys
):
    state = content()
    change(state)
    torch.save(state, run / "last.ckpt")
    told = refused(capsys, "fit", "--resume", str(run), "--phases.trials", "100")
    assert "last.ckpt is damaged" in told
    assert reason in told
    assert f"the state before it: modnav fit --resume {run / 'last-1.ckpt'}" in told


def test_a_run_that_the_trainer_ends_says_so(small, capsys):
    fit("--config", "small.yaml", "--trainer.max_steps", "45", "--trainer.logger", "true")
    told = " ".join(capsys.readouterr().out.split())
    assert "ended by the trainer" in told
    assert f"modnav fit --resume {RUN}" in told
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    validated = set(pd.read_csv(f"{RUN}/validation.csv")["total_trials"])
    events = EventAccumulator(str(RUN)).Reload()
    assert {picture.step for picture in events.Images("trajectories")} <= validated


NO_SENSE = (with_nan, set_saves, odd_row, wrong_count, odd_phase, no_list, old_lightning)


@pytest.mark.parametrize("change", NO_SENSE)
def test_states_that_make_no_sense_are_refused_in_a_line(change, run, capsys):
    state = content()
    change(state)
    torch.save(state, run / "last.ckpt")
    before = files()
    assert "object" not in refused(capsys, "fit", "--resume", str(run), "--phases.trials", "100")
    after = files()
    assert {k for k in before if k.endswith(".ckpt") and before[k] != after[k]} == set()


def test_files_of_others_with_names_like_ours_do_no_harm(run):
    (run / "a.b.rank0.ckpt").write_bytes(b"")
    fit("--resume", str(run), "--phases.trials", "80")
    assert (run / "a.b.rank0.ckpt").exists()


def test_the_state_of_another_seed_is_refused(run, capsys):
    fit("--config", "small.yaml", "--seed_everything", "1", "--phases.trials", "20")
    shutil.copy("runs/small/seed1/last.ckpt", run / "last.ckpt")
    told = refused(capsys, "fit", "--resume", str(run), "--phases.trials", "80")
    assert "seed 1" in told


def test_constants_of_the_task_that_change_are_named(run, capsys):
    fit("--resume", str(run), "--phases.trials", "80", "--data.task.process_noise", "0.3")
    assert "data.task.process_noise was 0.2 until now and is 0.3" in capsys.readouterr().out


def test_links_in_the_place_of_our_folders_are_refused(small, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("modnav.callbacks.monitor.save_figure", save_figure)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    RUN.mkdir(parents=True)
    (RUN / "checkpoints").symlink_to(elsewhere)
    assert "is a link" in refused(capsys, "fit", "--config", "small.yaml")
    (RUN / "checkpoints").unlink()
    targets = {}
    for name in ("config.yaml", "validation.csv", "learning_curve.png", "last.ckpt"):
        target = elsewhere / name
        target.write_text("mine")
        targets[name] = target
        (RUN / name).symlink_to(target)
    fit("--config", "small.yaml", "--overwrite", "true")
    assert all(target.read_text() == "mine" for target in targets.values())


def test_things_in_the_place_of_our_files_are_named(small, tmp_path, capsys):
    RUN.mkdir(parents=True)
    (RUN / ".lock").symlink_to(".lock")
    told = refused(capsys, "fit", "--config", "small.yaml")
    assert f"{RUN / '.lock'} is a link; it must be a file of the run: remove it" in told
    (RUN / ".lock").unlink()
    for name in ("config.yaml", "validation.csv", "last.ckpt", ".lock"):
        (RUN / name).mkdir()
        args = ["fit", "--config", "small.yaml", "--overwrite", "true"]
        assert f"{RUN / name} must be a file: remove what is there" in refused(capsys, *args)
        (RUN / name).rmdir()


def test_a_state_that_is_a_link_is_gone_on_from(run, tmp_path):
    elsewhere = tmp_path / "elsewhere.ckpt"
    shutil.move(run / "last.ckpt", elsewhere)
    (run / "last.ckpt").symlink_to(elsewhere)
    before = elsewhere.read_bytes()
    fit("--resume", str(run), "--phases.trials", "80")
    assert elsewhere.read_bytes() == before
    assert (run / "checkpoints/00079.ckpt").exists()


def test_links_are_no_hindrance_to_a_look(run, tmp_path, capsys):
    for name in ("checkpoints", "config.yaml"):
        shutil.move(run / name, tmp_path / name)
        (run / name).symlink_to(tmp_path / name)
    main(["validate", "--ckpt_path", str(run / "checkpoints/00059.ckpt")])
    (run / "config.yaml").unlink()
    (tmp_path / "config.yaml").unlink()
    (run / "config.yaml").symlink_to("nowhere")
    told = refused(capsys, "validate", "--ckpt_path", str(run / "checkpoints/00059.ckpt"))
    assert "which lies in no run: no file config.yaml" in told


def test_a_folder_made_anew_by_another_is_not_written_to(tmp_path):
    first = RunFolder(tmp_path / "run")
    first.claim(overwrite=False, resume=False)
    first.lock()
    first.check_held()
    shutil.rmtree(first.path)
    with pytest.raises(OSError, match="was removed while it was trained"):
        first.check_held()
    second = RunFolder(first.path)
    second.claim(overwrite=False, resume=False)
    second.lock()
    second.check_held()
    with pytest.raises(OSError, match="was removed"):
        first.check_held()
    second.unlock()


def test_a_run_that_finished_while_another_waited_is_kept(run, capsys):
    """The check is made again under the lock."""
    folder = RunFolder(run)
    claim, calls = RunFolder.claim, []

    def late(self, **options):
        calls.append(1)
        if len(calls) == 1:  # the first look: the other has not begun
            return
        claim(self, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RunFolder, "claim", late)
        assert "holds a run already" in refused(capsys, "fit", "--config", "small.yaml")
    assert folder.has_checkpoints()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes in folders")
def test_a_pipe_in_the_place_of_the_state(run, capsys):
    (run / "last.ckpt").unlink()
    os.mkfifo(run / "last.ckpt")
    assert "is not a regular file" in refused(capsys, "fit", "--resume", str(run))
