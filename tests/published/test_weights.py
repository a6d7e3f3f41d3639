"""Checkpoints of the study: names, shapes, files, and the commands that read and write them."""

import re
from collections import OrderedDict

import pytest
import torch
import yaml
from same_weights import same
from torch import nn

from modnav.cli import main
from modnav.networks import ARCHITECTURES, build_agent, describe_agent
from modnav.published import architecture_of, places, write_published
from modnav.runs import load_agent

PARTS = {"actor_kalman": "ActorEKF", "critic_kalman": "CriticEKF"}


def published_parts(architecture):
    """Published names of an architecture's actor and critic."""
    return [PARTS.get(part, part.capitalize()) for part in ARCHITECTURES[architecture]]


@pytest.fixture
def ekf_file(tmp_path):
    """A published checkpoint of the smallest agent."""
    path = tmp_path / "ekf.pth.tar"
    write_published(build_agent("EKF"), path)
    return path


def rewrite(path, change):
    """Change what a published checkpoint holds."""
    content = torch.load(path)
    change(content)
    torch.save(content, path)


def test_names_shapes_and_order_are_the_published_ones(architecture, golden):
    actor, critic = published_parts(architecture)
    expected = {f"actor_dict.{k}": v for k, v in golden["actors"][actor]["parameters"].items()}
    of_critic = golden["critics"][critic]["parameters"]
    expected |= {f"critic_dict.{k}": v for k, v in of_critic.items()}
    found = {name: list(place.shape) for name, place in places(architecture).items()}
    assert list(found.items()) == list(expected.items())


def test_weights_return_bit_by_bit(architecture, agent, tmp_path):
    """From modnav to a published file, a checkpoint, and a published file again."""
    with torch.no_grad():
        next(agent.parameters()).view(-1)[:3] = torch.tensor([-0.0, 1e-42, 3e38])
    first, checkpoint, last = (tmp_path / name for name in ("a.pth.tar", "b.ckpt", "c.pth.tar"))
    write_published(agent, first)
    main(["import-published", str(first), "--out", str(checkpoint)])
    main(["export-published", str(checkpoint), "--out", str(last)])
    assert same(load_agent(checkpoint, architecture), agent)
    before, after = torch.load(first), torch.load(last)
    assert list(after) == ["actor_dict", "critic_dict"]
    for group, weights in before.items():
        assert list(after[group]) == list(weights)
        for name, value in weights.items():
            bits = after[group][name].view(torch.int32)
            assert torch.equal(bits, value.view(torch.int32))


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(
    "architecture",
    [
        "Actor1Critic1",
        "Actor2Critic2",
        "Actor3Critic3",
        "Actor1Critic4",
        "Actor3Critic5",
        "EKF",
        "ActorEKFCritic4",
    ],
)
def test_imported_agents_give_the_published_numbers(
    architecture, zipped, golden, golden_inputs, set_golden_weights, tmp_path
):
    """A file made of published names and reference weights alone, as by torch 1.10 or older."""
    content = {"episode": 499, "target_actor_dict": OrderedDict(x=torch.ones(1)), "it": None}
    for group, part in zip(("actor", "critic"), published_parts(architecture), strict=True):
        shapes = golden[f"{group}s"][part]["parameters"]
        weights = nn.ParameterList([torch.empty(shape) for shape in shapes.values()])
        set_golden_weights(weights, part)
        content[f"{group}_dict"] = OrderedDict(zip(shapes, weights, strict=True))
        content[f"{group}_optimizer_dict"] = torch.optim.Adam(weights).state_dict()
    path = tmp_path / "x.pth.tar"
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    agent = load_agent(path)
    assert agent.architecture == architecture
    inputs = {"observation": golden_inputs("state"), "kalman": golden_inputs("ekf_state")}
    actor, critic = published_parts(architecture)
    expected = torch.tensor(golden["actors"][actor]["action"])
    torch.testing.assert_close(agent.actions(inputs), expected, rtol=1e-5, atol=5e-7)
    expected = torch.tensor([golden["critics"][critic][q] for q in ("q1", "q2")])
    values = agent.values(inputs, golden_inputs("action"))
    torch.testing.assert_close(values, expected, rtol=1e-5, atol=1e-6)


def test_the_order_of_names_does_not_matter(ekf_file):
    expected = load_agent(ekf_file)
    rewrite(ekf_file, lambda x: x.update(critic_dict=dict(reversed(x["critic_dict"].items()))))
    assert same(load_agent(ekf_file), expected)


def test_no_two_architectures_are_alike(architecture):
    weights = {name: torch.empty(place.shape) for name, place in places(architecture).items()}
    assert architecture_of(weights) == architecture


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda x: x["actor_dict"].update({"l2.weight": torch.zeros(300, 299)}),
            r"for EKF, actor_dict.l2.weight has shape [300, 299]; it must be [300, 300]",
        ),
        (
            lambda x: x["critic_dict"].pop("l4.bias"),
            "for EKF, critic_dict.l4.bias is missing; its shape must be [300]",
        ),
        (
            lambda x: x["critic_dict"].update({"l7.bias\n\x1b[31m": torch.zeros(1)}),
            "for EKF, critic_dict.l7.bias is none of its parameters",
        ),
        (
            lambda x: x["actor_dict"].update({"l1.bias": torch.zeros(300).double()}),
            "actor_dict.l1.bias is of kind torch.float64; it must be a plain tensor of float32",
        ),
        (
            lambda x: x["actor_dict"].update({"l1.bias": torch.zeros(300).to_sparse()}),
            "actor_dict.l1.bias is of kind torch.float32; it must be a plain tensor of float32",
        ),
        (
            lambda x: x["actor_dict"].update({"l1.bias": [0.0] * 300}),
            "actor_dict.l1.bias is of kind list; it must be a plain tensor of float32",
        ),
        (lambda x: x.pop("actor_dict"), "no weights in actor_dict"),
        (lambda x: x.update(critic_dict=None), "no weights in critic_dict"),
        (lambda x: x.clear(), "neither a checkpoint of modnav nor one of the study"),
    ],
)
def test_files_that_do_not_fit_are_refused(change, message, ekf_file, tmp_path, capsys):
    rewrite(ekf_file, change)
    with pytest.raises(SystemExit) as end:
        main(["import-published", str(ekf_file), "--out", str(tmp_path / "x.ckpt")])
    assert end.value.code == 2
    shown = capsys.readouterr().err
    assert message in shown
    assert shown.startswith(f"modnav: error: {ekf_file}")
    assert len(shown.splitlines()) == 1
    assert shown.isascii()
    assert "\x1b" not in shown
    assert not (tmp_path / "x.ckpt").exists()


def test_another_architecture_than_expected_is_refused(tmp_path):
    path = tmp_path / "x.pth.tar"
    write_published(build_agent("Actor1Critic1"), path)
    message = (
        "does not hold Actor3Critic5, but Actor1Critic1: "
        "actor_dict.rnn.weight_ih_l0 has shape [880, 6]; it must be [512, 6]"
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        load_agent(path, "modular")
    with pytest.raises(ValueError, match="'Actor4Critic1'; it must be one of Actor1Critic1, "):
        load_agent(path, "Actor4Critic1")
    assert load_agent(path, "holistic").architecture == "Actor1Critic1"


def test_agents_of_other_sizes_are_not_exported(tmp_path):
    agent = build_agent("EKF")
    agent.actor.action.mlp[0] = nn.Linear(13, 300)
    write_published(agent, tmp_path / "x.pth.tar")
    agent.actor.action.hidden_features = (300, 200)
    with pytest.raises(ValueError, match="the agent is of architecture ActorCriticEKF-"):
        write_published(agent, tmp_path / "y.pth.tar")
    assert not (tmp_path / "y.pth.tar").exists()


def test_nothing_is_replaced_unasked(ekf_file, tmp_path, capsys):
    checkpoint, published = tmp_path / "x.ckpt", tmp_path / "y.pth.tar"
    commands = (
        ["import-published", str(ekf_file), "--out", str(checkpoint)],
        ["export-published", str(checkpoint), "--out", str(published)],
    )
    for command, out in zip(commands, (checkpoint, published), strict=True):
        main(command)
        out.write_bytes(b"precious" if out is published else out.read_bytes())
        before = out.read_bytes()
        with pytest.raises(SystemExit):
            main(command)
        assert "exists; choose another --out" in capsys.readouterr().err
        assert out.read_bytes() == before
        main([*command, "--overwrite"])
    assert same(load_agent(published), load_agent(ekf_file))
    for command in (commands[0][:2], [*commands[0][:3], str(tmp_path)]):
        with pytest.raises(SystemExit):
            main(command)
        assert "must name" in capsys.readouterr().err


@pytest.fixture
def study(tmp_path):
    """A folder as the study's data, with the small EKF agent in most places."""
    trained = {
        "agents/EKF/gain/seed0": (("499_pre", 0), ("499", 1), ("9999", 2)),
        "agents/EKF/gain_control/0_0.3/seed12": (("999", 3),),
        "agents_all/EKF/gain/seed0": (("499", 4), ("99999", 5)),
        "agents/Actor3Critic5/gain_control/0.4_0.1/seed1": (("999", 6),),
    }
    for place, files in trained.items():
        folder = tmp_path / "data" / place
        folder.mkdir(parents=True)
        (folder / "20220101-120000_arg.pkl").write_bytes(b"the study's, which is not read")
        (folder / "20220101-120000.csv").write_text("episode,task\n")
        for name, seed in files:
            torch.manual_seed(seed)
            agent = build_agent(place.split("/")[1])
            write_published(agent, folder / f"20220101-120000-{name}.pth.tar")
    return tmp_path / "data"


IMPORTED = {
    "EKF-gain-0.2_0.1/seed0/checkpoints/00499_pre.ckpt": ("EKF", 0, "gain", 0.2, 0.1),
    "EKF-gain-0.2_0.1/seed0/checkpoints/00499.ckpt": ("EKF", 1, "gain", 0.2, 0.1),
    "EKF-gain-0.2_0.1/seed0/checkpoints/09999.ckpt": ("EKF", 2, "gain", 0.2, 0.1),
    "EKF-gain_control-0_0.3/seed12/checkpoints/00999.ckpt": ("EKF", 3, "gain_control", 0.0, 0.3),
    "EKF-gain-0.2_0.1-extensive/seed0/checkpoints/00499.ckpt": ("EKF", 4, "gain", 0.2, 0.1),
    "EKF-gain-0.2_0.1-extensive/seed0/checkpoints/99999.ckpt": ("EKF", 5, "gain", 0.2, 0.1),
    "Actor3Critic5-gain_control-0.4_0.1/seed1/checkpoints/00999.ckpt": (
        "Actor3Critic5",
        6,
        "gain_control",
        0.4,
        0.1,
    ),
}


def test_a_folder_becomes_runs(study, tmp_path, capsys):
    runs = tmp_path / "runs"
    main(["import-published", str(study), "--out", str(runs)])
    shown = capsys.readouterr()
    assert shown.err == ""
    assert f"{runs / 'EKF-gain-0.2_0.1/seed0'}: 3 checkpoints" in shown.out
    assert {str(p.relative_to(runs)) for p in runs.rglob("*.ckpt")} == IMPORTED.keys()
    for name, (architecture, seed, task, process, observation) in IMPORTED.items():
        torch.manual_seed(seed)
        assert same(load_agent(runs / name, architecture), build_agent(architecture))
        about = torch.load(runs / name)["modnav"]
        noise = {"process_noise": process, "observation_noise": observation}
        assert about["task"] == {"name": task, **noise}
        config = yaml.safe_load((runs / name).parents[1].joinpath("config.yaml").read_text())
        assert config["data"]["task"] == about["task"]
        assert config["model"] == about["agent"] == describe_agent(build_agent(architecture))


def test_parts_of_the_folder_mean_the_same(study, tmp_path, monkeypatch):
    monkeypatch.chdir(study / "agents/EKF/gain_control/0_0.3/seed12")
    main(["import-published", ".", "--out", str(tmp_path / "runs")])
    names = {str(p.relative_to(tmp_path / "runs")) for p in (tmp_path / "runs").rglob("*.ckpt")}
    assert names == {"EKF-gain_control-0_0.3/seed12/checkpoints/00999.ckpt"}


def test_a_file_of_the_layout_tells_its_task(study, tmp_path):
    file = study / "agents/EKF/gain_control/0_0.3/seed12/20220101-120000-999.pth.tar"
    main(["import-published", str(file), "--out", str(tmp_path / "x.ckpt")])
    about = torch.load(tmp_path / "x.ckpt")["modnav"]
    assert about["task"]["observation_noise"] == 0.3
    assert (about["origin"]["seed"], about["origin"]["trial"]) == (12, 999)
    write_published(build_agent("ActorEKFCritic1"), file)
    with pytest.raises(SystemExit):
        main(["import-published", str(file), "--out", str(tmp_path / "y.ckpt")])
    assert not (tmp_path / "y.ckpt").exists()


def test_a_run_that_is_there_is_not_touched(study, tmp_path, capsys):
    runs = tmp_path / "runs"
    main(["import-published", str(study), "--out", str(runs)])
    (runs / "EKF-gain-0.2_0.1-extensive/seed0/config.yaml").unlink()
    before = {path: path.stat().st_mtime_ns for path in runs.rglob("*")}
    with pytest.raises(SystemExit):
        main(["import-published", str(study), "--out", str(runs)])
    assert "exists; choose another --out" in capsys.readouterr().err
    assert before == {path: path.stat().st_mtime_ns for path in runs.rglob("*")}
    (runs / "EKF-gain-0.2_0.1/seed0/last.ckpt").touch()
    with pytest.raises(SystemExit):
        main(["import-published", str(study), "--out", str(runs), "--overwrite"])
    assert "holds a run that modnav trained" in capsys.readouterr().err
    (runs / "EKF-gain-0.2_0.1/seed0/last.ckpt").unlink()
    main(["import-published", str(study), "--out", str(runs), "--overwrite"])


def test_what_is_refused_is_told_and_the_rest_imported(study, tmp_path, capsys):
    runs = tmp_path / "runs"
    seed0 = study / "agents/EKF/gain/seed0"
    (seed0 / "20220101-120000-499.pth.tar").write_bytes(b"damaged")
    (study / "agents/EKF/gain/stray.pth.tar").touch()
    (study / "agents/Actor4Critic1/gain/seed0").mkdir(parents=True)
    (study / "agents/Actor4Critic1/gain/seed0/20220101-120000-499.pth.tar").touch()
    mixed = study / "agents/Actor3Critic5/gain_control/0.4_0.1/seed1"
    (mixed / "20230101-120000-1499.pth.tar").touch()
    wrong = study / "agents_all/EKF/gain/seed0/20220101-120000-499.pth.tar"
    write_published(build_agent("ActorEKFCritic1"), wrong)
    with pytest.raises(SystemExit) as end:
        main(["import-published", str(study), "--out", str(runs)])
    assert end.value.code == 2
    shown = capsys.readouterr().err
    for message in (
        "20220101-120000-499.pth.tar is damaged or of another kind",
        "stray.pth.tar is not in the published layout",
        "architecture is 'Actor4Critic1'",
        "are of two training runs; import them apart",
        "does not hold EKF, but ActorEKFCritic1",
        "modnav: error: 5 refused; the first: ",
    ):
        assert message in shown
    left = [
        "EKF-gain-0.2_0.1/seed0/checkpoints/00499.ckpt",
        "EKF-gain-0.2_0.1-extensive/seed0/checkpoints/00499.ckpt",
        "Actor3Critic5-gain_control-0.4_0.1/seed1/checkpoints/00999.ckpt",
    ]
    names = {str(p.relative_to(runs)) for p in runs.rglob("*.ckpt")}
    assert names == IMPORTED.keys() - set(left)
    assert not (runs / "Actor3Critic5-gain_control-0.4_0.1").exists()


def test_folders_without_checkpoints_are_refused(tmp_path, capsys):
    for more, message in (
        ([], "holds no published checkpoints"),
        (["--architecture", "EKF"], "--architecture goes with a file"),
    ):
        with pytest.raises(SystemExit):
            main(["import-published", str(tmp_path), "--out", str(tmp_path / "runs"), *more])
        assert message in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_an_imported_run_validates_by_its_checkpoint_alone(study, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    main(["import-published", str(study / "agents/EKF/gain_control"), "--out", "runs"])
    checkpoint = "runs/EKF-gain_control-0_0.3/seed12/checkpoints/00999.ckpt"
    few = {"data.validation.trials": 2, "data.validation.selection_trials": 2}
    few |= {"trainer.enable_progress_bar": "false", "trainer.accelerator": "cpu"}
    options = [word for key, value in few.items() for word in (f"--{key}", str(value))]
    main(["validate", "--ckpt_path", checkpoint, *options])
    assert "selection/reward_rate" in capsys.readouterr().out
