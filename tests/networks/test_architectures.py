import re

import pytest
import torch

from modnav.networks import (
    ACTORS,
    ARCHITECTURES,
    CRITICS,
    NICKNAMES,
    build_agent,
    description_of,
    name_of,
)

COUNTS = {
    "actor1": 201_082,
    "actor2": 201_986,
    "actor3": 199_234,
    "actor_kalman": 95_102,
    "critic1": 202_621,
    "critic2": 202_881,
    "critic3": 199_957,
    "critic4": 202_881,
    "critic5": 199_533,
    "critic_kalman": 95_401,
}
"""Published numbers of parameters of one network."""


def count(module):
    return sum(p.numel() for p in module.parameters())


def test_parameter_counts_are_the_published_ones(architecture, agent):
    actor, critic = ARCHITECTURES[architecture]
    assert count(agent.actor) == COUNTS[actor]
    assert count(agent.critic.first) == COUNTS[critic]
    assert count(agent.critic.second) == COUNTS[critic]


def test_every_part_is_counted():
    assert COUNTS.keys() == ACTORS.keys() | CRITICS.keys()


def test_there_are_21_agents():
    assert len(ARCHITECTURES) == 21
    assert len(set(ARCHITECTURES.values())) == 21
    with_kalman = [name for name in ARCHITECTURES if "EKF" in name]
    assert len(with_kalman) == 6


def test_an_agent_knows_its_name(architecture, agent):
    assert agent.architecture == architecture
    assert name_of(description_of(architecture)) == architecture


def test_streams_follow_the_parts(architecture, agent):
    actor, critic = ARCHITECTURES[architecture]
    sources = {"kalman" if "kalman" in part else "observation" for part in (actor, critic)}
    assert agent.sources == sources
    assert agent.recurrent == (architecture != "EKF")


@pytest.mark.parametrize("nickname", list(NICKNAMES))
def test_nicknames_are_understood(nickname):
    assert description_of(nickname) == description_of(NICKNAMES[nickname])


@pytest.mark.parametrize(
    "spelling", ["actor3critic5", "ACTOR3-CRITIC5", "Actor3_Critic5", "actor3 critic5", "Modular"]
)
def test_case_and_separators_do_not_matter(spelling):
    assert name_of(description_of(spelling)) == "Actor3Critic5"


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="architecture is 'modlar'") as error:
        build_agent("modlar")
    assert all(name in str(error.value) for name in (*ARCHITECTURES, *NICKNAMES))


def test_other_agents_are_named_by_their_parts_and_told_apart():
    description = description_of("modular")
    critic = {**description["critic"], "action_enters": "belief"}
    changed = name_of({**description, "critic": critic})
    assert re.fullmatch(r"Actor3Critic-[0-9a-f]{6}", changed)
    own = {"class_path": "my_lab.LeakyBelief", "init_args": {"leak": 0.1}}
    named = name_of({**description, "actor": {**description["actor"], "belief": own}})
    assert re.fullmatch(r"LeakyBeliefCritic5-[0-9a-f]{6}", named)
    own["init_args"]["leak"] = 0.2
    again = name_of({**description, "actor": {**description["actor"], "belief": own}})
    assert again[:-6] == named[:-6]
    assert again != named


def test_any_name_of_a_class_is_fit_for_a_folder():
    description = description_of("modular")
    own = {"class_path": f"my_lab.\u00dcberzeugung{'x' * 300}", "init_args": {}}
    named = name_of({**description, "actor": {**description["actor"], "belief": own}})
    assert re.fullmatch(r"[A-Za-z0-9_]{1,60}-[0-9a-f]{6}", named)


def test_weights_come_from_the_global_generator(architecture):
    torch.manual_seed(3)
    first = build_agent(architecture).state_dict()
    torch.manual_seed(3)
    again = build_agent(architecture).state_dict()
    other = build_agent(architecture).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_biases_start_at_zero(agent):
    for name, parameter in agent.named_parameters():
        assert parameter.any() != ("bias" in name), name


def test_what_is_no_architecture_is_told():
    with pytest.raises(ValueError, match="architecture is None; it must be one of"):
        build_agent(None)
