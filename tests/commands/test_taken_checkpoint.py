"""Every command that takes a checkpoint takes a run in its place, and says which was taken."""

import shutil
from pathlib import Path

import pytest
import torch

import modnav
from modnav.cli import main
from modnav.commands.arguments import taken_checkpoint
from modnav.tables import read_tables


@pytest.fixture
def best(small_run: Path) -> Path:
    """The run's best checkpoint, made one that is not the last, nor the first."""
    table = (small_run / "validation.csv").read_text().splitlines()
    head = table[0].split(",")
    trial, rate, kind = (head.index(x) for x in ("trials", "reward_rate", "validation"))
    rows = [line.split(",") for line in table[1:]]
    middle = sorted({int(float(row[trial])) for row in rows})[1]
    for row in rows:
        row[rate] = (
            "1.0" if row[kind] == "selection" and int(float(row[trial])) == middle else "0.0"
        )
    (small_run / "validation.csv").write_text("\n".join(map(",".join, [head, *rows])))
    return small_run / f"checkpoints/{middle - 1:05d}.ckpt"


COMMANDS = {
    "record": "record {} --trials 2 --no-units --out out",
    "watch": "watch {} --trials 1 --no-belief --dpi 20 --out out.gif",
    "export": "export {} --to safetensors --out out.safetensors",
    "validate": "validate --ckpt_path {}",
    "predict": "predict --ckpt_path={}",
}


def test_a_folder_is_read_in_python_as_well(best):
    taken, expected = modnav.load_agent("runs"), modnav.load_agent(best)
    other = modnav.load_agent(best.parent.parent / "last.ckpt")
    for key, weight in taken.state_dict().items():
        assert torch.equal(weight, expected.state_dict()[key])
    assert any(not torch.equal(w, other.state_dict()[k]) for k, w in taken.state_dict().items())


@pytest.mark.parametrize("command", COMMANDS)
def test_the_best_checkpoint_of_a_run_is_taken(best, command, capsys):
    main(COMMANDS[command].format("runs").split())
    assert f"runs: its best checkpoint is {best}" in capsys.readouterr().out.replace(
        str(Path.cwd()) + "/", ""
    )
    if command == "record":
        _, about = read_tables("out"), Path("out")
        assert str(best) in "".join(x.read_bytes().decode("latin1") for x in about.glob("trials*"))
    assert modnav.open_runs("runs").best().checkpoint().name == best.name


def test_a_run_whose_validations_are_lost_is_named(best, capsys):
    """Its last checkpoint is not called the best, and among other runs it does not stand back unsaid."""
    run = best.parents[1]
    shutil.copytree(run, run.parent / "seed1")
    lost = run.parent / "seed1" / "validation.csv"
    lost.write_bytes(b"")
    taken = {path: str(taken_checkpoint(path)) for path in (lost.parent, run, run.parent)}
    assert [Path(x).name for x in taken.values()] == ["00059.ckpt", best.name, best.name]
    told = capsys.readouterr().out.splitlines()
    damaged = f"{lost.absolute()} is missing, damaged or tells of none of its checkpoints"
    kinds = ("last", "best", "best")
    first, second, third = (
        f"{path}: its {kind} checkpoint is {x}"
        for kind, (path, x) in zip(kinds, taken.items(), strict=True)
    )
    assert told == [first, damaged, second, third, damaged]
    with pytest.warns(UserWarning, match="validation.csv is missing"):
        modnav.load_agent(lost.parent)


def test_parts_of_a_runs_task_need_not_be_imported(best, capsys):
    config = best.parents[1] / "config.yaml"
    config.write_text(
        config.read_text().replace(
            "reward: mixed", "reward: {class_path: absent.Reward, init_args: {}}"
        )
    )
    assert "absent.Reward" in config.read_text()
    main(COMMANDS["record"].format("runs").split())
    assert f"best checkpoint is {best}" in capsys.readouterr().out


def test_a_folder_without_checkpoints_is_told(tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        main(["record", str(tmp_path), "--out", str(tmp_path / "out")])
    assert end.value.code == 2
    assert "holds no checkpoints" in capsys.readouterr().err
