"""Exploration noise of a user's own."""

import pytest
import torch
from own_parts import Slow

from modnav.acting import ROLES, AbstractExploration, Collector
from modnav.networks import build_agent
from modnav.task import TaskParameters

TASK = TaskParameters(stop_threshold=0.0)


def collector(exploration: AbstractExploration | None, seed: int = 0) -> Collector:
    made = {role: torch.Generator().manual_seed(seed + k) for k, role in enumerate(ROLES)}
    found = Collector(TASK, {"observation"}, 5, made, exploration=exploration)
    found.restart(TASK)
    return found


class Quiet(AbstractExploration):
    def noise(self, draws, std, former):
        return 0.0 * draws


class Plain(AbstractExploration):
    def noise(self, draws, std, former):
        return std * draws


def test_noise_is_the_one_that_is_asked_for():
    actor = build_agent("modular").actor
    quiet, plain, none = (collector(x) for x in (Quiet(), Plain(), None))
    for _ in range(40):
        action = quiet.sweep(actor, 0.5).action
        greedy, _ = actor({"observation": torch.zeros(1, 5, 6)})
        assert action.abs().max() < 0.2 < greedy.numel()  # nothing but the untrained policy
        assert torch.equal(plain.sweep(actor, 0.5).action, none.sweep(actor, 0.5).action)


def test_noise_that_lasts_begins_anew_with_each_trial_and_is_saved():
    actor, one, other = build_agent("modular").actor, collector(Slow()), collector(Slow(), 7)
    sweeps = [one.sweep(actor, 0.5) for _ in range(40)]
    ended = [sweep.terminal for sweep in sweeps]
    assert any(x.any() for x in ended)
    for k in range(40):
        assert torch.equal((one.explored == 0).all(dim=1), ended[-1])
        if k == 20:
            other.load_state_dict(one.state_dict())
            for role, generator in other.generators.items():
                generator.set_state(one.generators[role].get_state())
        ended.append(one.sweep(actor, 0.5).terminal)
        if k >= 20:
            other.sweep(actor, 0.5)
            assert torch.equal(one.explored, other.explored)
    assert "explored" not in collector(None).state_dict()


def test_noise_of_another_shape_is_refused():
    class Wrong(Plain):
        def noise(self, draws, std, former):
            return std * draws[:, :1]

    with pytest.raises(ValueError, match=r"data.exploration gave \[5, 1\]; it must be \[5, 2\]"):
        collector(Wrong()).sweep(build_agent("modular").actor, 0.5)
