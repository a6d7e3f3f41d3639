"""Every file of configs/ is run: parsed, built, trained for seconds, saved, loaded, validated."""

from pathlib import Path

import pytest
import torch
import yaml
from same_weights import same_runs

from modnav.cli import main
from modnav.commands.arguments import with_config_paths
from modnav.commands.population.checked import checked
from modnav.networks import (
    ARCHITECTURES,
    NICKNAMES,
    describe_agent,
    description_of,
    rebuild_agent,
)
from modnav.runs import read

CONFIGS = Path(__file__).parents[1] / "configs"
WHOLE = [
    "modular",
    "holistic",
    "modular_actor_holistic_critic",
    "holistic_actor_modular_critic",
    "ekf",
    "holistic_ekf",
    "quickstart",
]
TASKS = {
    "gain_control": "Actor3Critic5-gain_control-0.4_0.1",
    "gain_range": "Actor3Critic5-gain1to2-0.2_0.1",
    "perturbation": "Actor3Critic5-perturbation-0.2_0.1",
}
TRAINED = [
    "Actor1Critic4",
    "Actor2Critic2",
    "Actor2Critic5",
    "Actor3Critic3",
    "ActorEKFCritic1",
    "EKF",
]
"""Agents that have all parts among them."""
OVERLAYS = {"ddp", "debug", "extensive", "fast", "first_version", "train", "warmup"}


def parts(architecture: str) -> list[str]:
    actor, critic = ARCHITECTURES[architecture]
    names = ["train", f"actors/{actor}", f"critics/{critic}"]
    return [word for name in names for word in ("--config", name)]


def run(arguments: list[str], folder: Path, name: str, *more: str) -> Path:
    main(
        [
            "fit",
            *arguments,
            "--config",
            "debug",
            "--runs",
            str(folder),
            "--name",
            name,
            "--trainer.accelerator",
            "cpu",
            "--trainer.logger",
            "false",
            *more,
        ]
    )
    return folder / name / "seed0"


def test_warmup_acts_in_phase_one_only(tmp_path: Path, capsys):
    folder = run(["--config", "modular", "--config", "warmup"], tmp_path, "warmup")
    config = yaml.safe_load((folder / "config.yaml").read_text())
    capsys.readouterr()
    with pytest.raises(SystemExit):
        main(["fit", "--config", "modular", "--config", "debug", "--print_config"])
    published = yaml.safe_load(capsys.readouterr().out)
    assert config["data"]["warmup"]["trials"] == 2000
    assert config["phases"]["one"].pop("action_penalty") == 1.0
    published["phases"]["one"].pop("action_penalty")
    assert (
        config["phases"] == published["phases"]
    )  # the memory is emptied, phases II and III as published
    last = read(folder / "last.ckpt").content["experience"]
    assert len(last["replay"]["items"]["action"]) < 2000  # no scripted trial is left


def test_first_version_runs_says_so_and_resumes_bit_for_bit(tmp_path: Path):
    words = ["--config", "modular", "--config", "first_version"]
    whole = run(words, tmp_path, "whole")
    config = yaml.safe_load((whole / "config.yaml").read_text())
    optimizer = config["model"]["optimizer"]
    assert optimizer["class_path"] == "torch.optim.RAdam"
    assert (optimizer["init_args"]["lr"], optimizer["init_args"]["eps"]) == (3e-4, 1.5e-4)
    assert config["phases"]["refine_fraction"] == 0.95
    assert config["data"]["validation"]["gains"] == [1, 2, 3, 4]
    half = run(words, tmp_path, "half", "--phases.trials", "20")
    main(["fit", "--resume", str(half), "--phases.trials", "40"])
    assert same_runs(whole, half)
    states = read(half / "last.ckpt").content["optimizer_states"]
    assert min(x["step"] for state in states for x in state["state"].values()) > 5  # rectified


def test_another_optimizer_has_its_own_defaults(capsys):
    def asked(*words):
        with pytest.raises(SystemExit):
            main(["fit", "--config", "modular", *words, "--print_config"])
        return yaml.safe_load(capsys.readouterr().out)["model"]["optimizer"]["init_args"]

    given = {"lr": 3e-4, "eps": 1.5e-4, "fused": True}
    for words, decay in ((), 0), (("--model.optimizer", "torch.optim.AdamW"), 0.01):
        assert asked(*words).items() >= (given | {"weight_decay": decay}).items()
    assert asked("--model.optimizer.init_args.weight_decay", "0.1")["weight_decay"] == 0.1


def test_a_config_without_an_optimizer_is_refused_in_a_line(tmp_path, capsys):
    config = tmp_path / "none.yaml"
    config.write_text("model: {optimizer: null}")
    with pytest.raises(SystemExit) as end:
        main(["fit", "--config", "modular", "--config", str(config)])
    assert end.value.code == 2
    assert "model.optimizer is null; it must be a class" in capsys.readouterr().err


def test_options_before_the_command_decide_the_optimizer(tmp_path, capsys):
    config = tmp_path / "top.yaml"
    config.write_text("fit: {model: {optimizer: torch.optim.RAdam}}")
    for words, kind in (([], "Adam"), (["--config", str(config)], "RAdam")):
        with pytest.raises(SystemExit) as end:
            main([*words, "--print_config", "fit"])
        assert end.value.code == 0
        found = yaml.safe_load(capsys.readouterr().out)["fit"]["model"]["optimizer"]
        assert found["class_path"] == f"torch.optim.{kind}"
        assert found["init_args"]["eps"] == 1.5e-4


def test_every_config_is_tried_here():
    files = {path.stem for path in CONFIGS.glob("*.yaml")}
    assert files == {*WHOLE, *OVERLAYS}
    pairs = {stem for path in ARCHITECTURES.values() for stem in path}
    parts = {path for path in CONFIGS.glob("*/*.yaml") if path.parent.name != "studies"}
    assert {path.stem for path in parts} == pairs | TASKS.keys()


def test_agents_of_all_parts_are_trained_here():
    """Each pair is tried by the tests of networks and of stacks; here each part once at least."""
    assert {part for name in TRAINED for part in parts(name)} == {
        part for name in ARCHITECTURES for part in parts(name)
    }


@pytest.mark.parametrize("architecture", TRAINED)
def test_every_part_trains_saves_loads_and_validates(architecture: str, tmp_path: Path, capsys):
    folder = run(parts(architecture), tmp_path, architecture, "--phases.trials", "20")
    last = read(folder / "last.ckpt").content
    assert last["modnav"]["architecture"] == architecture
    assert last["modnav"]["updates"] > 0
    kept = read(folder / "checkpoints" / "00019.ckpt").content
    agents = []
    for checkpoint in (last, kept):
        agent = rebuild_agent(checkpoint["modnav"]["agent"])
        weights = checkpoint["state_dict"].items()
        agent.load_state_dict({k[6:]: x for k, x in weights if k.startswith("agent.")})
        agents.append(agent)
    inputs = {"observation": torch.randn(5, 3, 6), "kalman": torch.randn(5, 3, 13)}
    first, second = (agent.actions(inputs) for agent in agents)
    assert torch.equal(first, second)
    first, second = (agent.values(inputs, first) for agent in agents)
    assert torch.equal(first, second)
    capsys.readouterr()
    main(["validate", "--ckpt_path", str(folder / "checkpoints" / "00019.ckpt")])
    assert "selection/reward_rate" in capsys.readouterr().out


@pytest.mark.parametrize("name", WHOLE)
def test_every_whole_config_makes_its_agent(name: str):
    """All parts of its training are made, too; agents of these parts are trained above."""
    words = with_config_paths(["fit", "--config", name, "--config", "debug"])
    agent = checked(words, quiet=True).model.agent
    assert describe_agent(agent) == description_of(NICKNAMES.get(name, agent.architecture))
    assert agent.architecture in ARCHITECTURES


def test_the_quickstart_trains(tmp_path: Path):
    assert (run(["--config", "quickstart"], tmp_path, "quick") / "last.ckpt").is_file()


@pytest.mark.parametrize("name", TASKS)
def test_every_task_config_trains_and_names_its_run(name: str, tmp_path: Path):
    words = ["--config", "modular", "--config", f"tasks/{name}", "--config", "debug"]
    words += ["--phases.trials", "20"]
    main(["fit", *words, "--runs", str(tmp_path), "--trainer.logger", "false"])
    assert (tmp_path / TASKS[name] / "seed0" / "last.ckpt").is_file()


def test_actor_with_observations_and_kalman_critic_is_refused(tmp_path: Path, capsys):
    arguments = ["--config", "train", "--config", "actors/actor3"]
    with pytest.raises(SystemExit) as exit_info:
        run([*arguments, "--config", "critics/critic_kalman"], tmp_path, "x")
    assert exit_info.value.code == 2
    assert "Kalman critic" in capsys.readouterr().err


def test_extensive_training_is_ten_times_longer_and_tests_more_gains(capsys):
    with pytest.raises(SystemExit):
        main(["fit", "--config", "modular", "--config", "extensive", "--print_config"])
    out = capsys.readouterr().out
    assert "trials: 100000" in out
    assert "- 4.0" in out


@pytest.mark.parametrize("cell", ["gru", "rnn"])
def test_other_cells_and_sizes_by_yaml_alone(cell: str, tmp_path: Path):
    more = {
        "actor.init_args.belief.init_args.cell": cell,
        "actor.init_args.belief.init_args.num_layers": "2",
        "actor.init_args.action.init_args.hidden_features": "[20, 10, 5]",
        "critic.init_args.belief.init_args.cell": cell,
        "critic.init_args.belief.init_args.out_features": "16",
        "critic.init_args.value.init_args.in_features": "18",
    }
    words = [word for key, x in more.items() for word in (f"--model.{key}", x)]
    folder = run(["--config", "modular", *words], tmp_path, cell, "--phases.trials", "20")
    belief = read(folder / "last.ckpt").content["modnav"]["agent"]["actor"]["belief"]
    assert belief["init_args"]["cell"] == cell
    assert belief["init_args"]["num_layers"] == 2
