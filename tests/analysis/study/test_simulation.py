"""Simulations of a study: what they depend on, and that none is made twice."""

import os
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from analysis_runs import die, make_run, steering_agent
from job_calls import own_agent

from modnav.analysis.measures import outcomes, performance_of
from modnav.analysis.study import (
    HOLISTIC,
    MODULAR,
    Conditions,
    Simulation,
    Study,
    identity,
    simulation,
    trials_of,
)
from modnav.errors import ProcessLostError
from modnav.runs import save_agent
from modnav.tables import check


def test_simulations_give_tables_of_the_schema(tiny_study, conditions):
    agents = tiny_study.agents(MODULAR)
    found = tiny_study.simulate(agents, conditions, ["actor.belief"])
    assert len(found) == len(agents)
    check(found[0])
    assert len(found[0].trials) == 24
    targets = conditions.targets
    assert found[0].trials["target_x_cm"].to_numpy() == pytest.approx(
        targets["target_x_cm"].to_numpy(), rel=1e-5
    )
    assert "actor.belief.0" in found[0].units
    assert "critic.belief.0" not in found[0].units


def test_layers_that_an_agent_has_not_are_left_out(tiny_study, conditions):
    (ekf, _) = tiny_study.agents("EKF")
    found = tiny_study.simulate([ekf], conditions, ["actor.action.mlp.1", "critic.value.mlp.9"])
    assert {c.rpartition(".")[0] for c in found[0].units.columns[2:]} == {"actor.action.mlp.1"}


def test_measures_are_tables_with_their_origin(tiny_study, conditions):
    agents = tiny_study.agents(MODULAR) + tiny_study.agents(HOLISTIC)
    harder = Conditions("harder", conditions.targets, 0.8, 0.1)
    table = tiny_study.measure(agents, [conditions, harder], performance_of)
    assert list(table.columns[:3]) == ["architecture", "seed", "condition"]
    assert len(table) == 2 * len(agents)
    means = table.groupby("condition")["reward_fraction"].mean()
    assert means["normal"] > means["harder"]


def ends_off_training(recording):
    """Return where trials of other gains end."""
    rows = recording.trials.loc[recording.trials["gain"] != 1, ["end_x_cm"]]
    return rows if len(rows) else pd.DataFrame(columns=["end_x_cm"])


def test_an_agent_of_whom_nothing_is_measured_leaves_numbers_numbers(tiny_study, conditions):
    agents = tiny_study.agents(MODULAR)[:1]
    faster = Conditions("faster", conditions.targets.head(4), gain=2.0)
    table = tiny_study.measure(agents, [conditions, faster], ends_off_training)
    assert set(table["condition"]) == {"faster"}
    assert table["end_x_cm"].dtype.kind == "f"
    none = tiny_study.measure(agents, conditions, ends_off_training)
    assert none.empty
    assert list(none) == ["architecture", "seed", "condition", "end_x_cm"]


def test_nothing_is_simulated_twice(own, monkeypatch):
    agents = own.agents("EKF")
    conditions = Conditions("c", own.prior_targets(2000))
    first = own.measure(agents, conditions, trials_of)
    monkeypatch.setattr(simulation, "record", None)
    renamed = Conditions("other name", own.prior_targets(2000))
    again = Study([own.members[0].run.folder], own.cache.folder, trials=8)
    second = again.measure(again.agents("EKF"), renamed, trials_of)
    assert second["end_x_cm"].equals(first["end_x_cm"])
    assert set(second["condition"]) == {"other name"}


@pytest.mark.parametrize(
    "change",
    [
        {"process_noise": 0.3},
        {"observation_noise": 0.3},
        {"gain": 2.0},
        {"seed": 1},
        {"filter_noise": (0.1, 0.2)},
    ],
)
def test_what_the_trials_depend_on_is_in_the_key(own, change):
    targets = own.prior_targets(2000)
    assert Conditions("c", targets, **change).key() != Conditions("c", targets).key()
    assert Conditions("c", targets.head(3)).key() != Conditions("c", targets).key()


def test_another_checkpoint_at_the_same_path_is_simulated_anew(own):
    (agent,) = own.agents("EKF")
    wanted = Simulation(agent, Conditions("c", own.prior_targets(2000)), (), trials_of)
    before = wanted.key()
    save_agent(steering_agent("EKF", 5), agent.checkpoint)
    assert wanted.key() != before


def test_identities_tell_functions_and_their_arguments_apart():
    assert identity(trials_of) != identity(performance_of)
    one, two = partial(outcomes, base=1), partial(outcomes, base=2)
    assert identity(one) != identity(two) != identity(outcomes)
    assert identity(partial(outcomes, base=1)) == identity(one)


def test_filters_assume_what_they_are_told(own):
    (agent,) = own.agents("EKF")
    targets = own.prior_targets(2000)
    blind = Conditions("blind", targets, 0.2, 0.1, filter_noise=(0.2, 50.0))
    table = own.measure([agent], [Conditions("true", targets), blind], trials_of)
    ends = [part["end_x_cm"].to_numpy() for _, part in table.groupby("condition")]
    assert not np.allclose(*ends)


def test_assumed_noise_is_nothing_to_agents_without_a_filter(tiny_study):
    targets = tiny_study.prior_targets(2000)
    (agent, _) = tiny_study.agents(MODULAR)
    both = [Conditions("a", targets), Conditions("b", targets, filter_noise=(0.1, 0.2))]
    table = tiny_study.measure([agent], both, trials_of)
    one, two = (part["end_x_cm"].to_numpy() for _, part in table.groupby("condition"))
    assert np.array_equal(one, two)


def test_perturbations_are_delivered(tiny_study):
    (agent, _) = tiny_study.agents(MODULAR)
    (drawn,) = tiny_study.prior_perturbations(100)
    assert len(drawn) == 24
    recording = tiny_study.simulate([agent], Conditions("p", drawn, perturbed=True))[0]
    peaks = recording.trials["perturbation_peak_v_cm_s"].to_numpy()
    assert peaks == pytest.approx(drawn["perturbation_peak_v_cm_s"].to_numpy(), rel=1e-5)
    assert recording.steps["perturbation_v_cm_s"].abs().max() > 50


def test_several_processes_find_the_same(tiny_study, tmp_path):
    folders = [m.run.folder for m in tiny_study.members_of(MODULAR)]
    seen = []
    conditions = Conditions("c", tiny_study.prior_targets(2000))
    with Study(
        folders, tmp_path, trials=24, workers=2, progress=lambda *words: seen.append(words)
    ) as study:
        table = study.measure(study.agents(MODULAR), conditions, trials_of)
    alone = tiny_study.measure(tiny_study.agents(MODULAR), conditions, trials_of)
    assert table["end_x_cm"].to_numpy() == pytest.approx(alone["end_x_cm"].to_numpy(), abs=1e-2)
    assert seen == [("simulations", 1, 2), ("simulations", 2, 2)]


def test_processes_know_modules_of_the_users_own(tmp_path):
    for seed in range(2):
        run = make_run(tmp_path / "runs" / f"seed{seed}", "EKF", seed, (499,))
        save_agent(own_agent(), run / "checkpoints" / "00499.ckpt")
    with Study([tmp_path / "runs"], tmp_path / "cache", trials=4, workers=2) as study:
        conditions = Conditions("c", study.prior_targets(4))
        agents = study.agents(own_agent().architecture)
        assert len(study.measure(agents, conditions, trials_of)) == 8
    assert [agent.modules for agent in agents] == [("job_calls",)] * 2
    alone = replace(agents[0], modules=())
    assert Simulation(alone, conditions).key() != Simulation(agents[0], conditions).key()


def test_what_killed_processes_left_is_in_nobodys_way_and_goes(own):
    (agent,) = own.agents("EKF")
    conditions = Conditions("c", own.prior_targets(4))
    path = own.cache.path(Simulation(agent, conditions))
    for name in (str(os.getpid()), "old.part", "new.part"):
        left = path.with_name(f".{path.name}.{name}") / path.name
        left.mkdir(parents=True)
        for folder in (left, left.parent):
            (folder / "trials.parquet").write_text("half")
    os.utime(path.with_name(f".{path.name}.old.part"), (0, 0))
    assert len(own.simulate([agent], conditions)[0].trials) == 4
    Study([own.members[0].run.folder], own.cache.folder)
    assert path.with_name(f".{path.name}.new.part").exists()
    assert not path.with_name(f".{path.name}.old.part").exists()


def test_a_process_that_dies_is_told_and_the_next_jobs_are_done(tiny_study, tmp_path):
    folders = [m.run.folder for m in tiny_study.members_of(MODULAR)]
    with Study(folders, tmp_path, trials=4, workers=2) as study:
        agents, conditions = study.agents(MODULAR), Conditions("c", study.prior_targets(4))
        with pytest.raises(ProcessLostError, match="a process died"):
            study.measure(agents, conditions, die)
        assert len(study.measure(agents, conditions, trials_of)) == 8


def test_a_damaged_checkpoint_is_one_line(own):
    (agent,) = own.agents("EKF")
    agent.checkpoint.write_bytes(b"nothing")
    with pytest.raises(ValueError, match=agent.checkpoint.name):
        own.measure([agent], Conditions("c", own.prior_targets(2000)), trials_of)


def test_agents_are_as_they_were_after_a_simulation(tiny_study, conditions):
    (chosen, _) = tiny_study.agents(MODULAR)
    weights = chosen.agent().state_dict()
    tiny_study.simulate([chosen], conditions)
    after = chosen.agent().state_dict()
    assert all(torch.equal(weights[k], after[k]) for k in weights)
