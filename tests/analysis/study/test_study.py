import os
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from analysis_runs import EPISODES, SEEDS, die, make_animal, make_run, steering_agent
from job_calls import own_agent

from modnav.analysis.figures.extensive import cohort
from modnav.analysis.measures import outcomes, performance_of
from modnav.analysis.study import (
    Conditions,
    Missing,
    Selection,
    Simulation,
    Study,
    curves,
    find_members,
    group_of,
    identity,
    noise_group,
    renumbered,
    shortfall,
    simulation,
    trials_of,
)
from modnav.errors import ProcessLostError
from modnav.evaluation import fixed_gain_conditions, run, score
from modnav.published import monkey_recordings, write_published
from modnav.runs import COLUMNS, CurveLocation, save_agent
from modnav.tables import check
from modnav.task import TaskParameters

MODULAR, HOLISTIC = "Actor3Critic5", "Actor1Critic1"


@pytest.fixture
def conditions(tiny_study):
    return Conditions("normal", tiny_study.prior_targets(2000))


@pytest.fixture
def own(tmp_path):
    """A study of one run, of its own."""
    make_run(tmp_path / "runs" / "seed0", "EKF", 0)
    with Study([tmp_path / "runs"], tmp_path / "cache", trials=8) as study:
        yield study


# --- groups and runs ----------------------------------------------------------------------


def test_groups_are_named_after_the_training():
    task = TaskParameters()
    assert group_of(task, extensive=False) == "default"
    assert group_of(task, extensive=True) == "extensive"
    other = TaskParameters(process_noise=0.1, observation_noise=0.2)
    assert group_of(other, extensive=False) == "noise 0.1_0.2" == noise_group(0.1, 0.2)
    assert group_of(other, extensive=True) == "extensive noise 0.1_0.2"
    assert noise_group(0.2, 0.1, extensive=True) == "extensive"


@pytest.mark.parametrize(
    "task",
    [
        TaskParameters(gain=(1.0, 2.0)),
        TaskParameters(process_noise=(0.0, 0.2)),
        TaskParameters(name="perturbation"),
    ],
)
def test_other_tasks_are_in_no_group_of_the_study(task):
    assert group_of(task, extensive=False).startswith(("gain gain", "perturbation gain"))


def test_runs_are_found_with_architecture_group_and_seed(tiny_runs):
    members = find_members([tiny_runs])
    found = {(m.architecture, m.group, m.run.seed) for m in members}
    assert (MODULAR, "default", 1) in found
    assert ("EKF", "noise 0.1_0.2", 0) in found
    assert len(found) == len(members)


def test_long_runs_are_extensive(tmp_path):
    make_run(tmp_path / "seed0", "EKF", 0, (499,), trials=100_000)
    assert [m.group for m in find_members([tmp_path])] == ["extensive"]


def test_a_folder_without_runs_is_refused(tmp_path):
    with pytest.raises(ValueError, match="holds no checkpoints"):
        Study([tmp_path], tmp_path / "cache")


def test_two_runs_of_one_seed_are_both_named_and_neither_is_taken(tmp_path):
    first = make_run(tmp_path / "a" / "seed0", "EKF", 0, (499,))
    second = make_run(tmp_path / "b" / "seed0", "EKF", 0, (499,))
    with pytest.raises(ValueError, match=r"a/seed0 and .*b/seed0 are both EKF, default, seed 0"):
        Study([tmp_path], tmp_path / "cache")
    study = Study([first, tmp_path / "a"], tmp_path / "cache")  # one run, found twice
    assert [m.run.folder for m in study.members_of("EKF")] == [first]
    assert Study([second], tmp_path / "cache").members_of("EKF")


@pytest.fixture
def published(tmp_path):
    """The study's layout, with an agent and its training curve."""
    data = tmp_path / "data"
    for name, folder in (("agents", "gain"), ("agents", "gain_control/0.1_0.2")):
        seed = data / name / "EKF" / folder / "seed3"
        seed.mkdir(parents=True)
        for k, episode in enumerate((499, 999)):
            agent = steering_agent("EKF", 3, (k + 1) / 2)
            write_published(agent, seed / f"20220101-000000-{episode}.pth.tar")
    rows = [
        (e, t, 0.5, 1, 1, e / 1000, 0, 0, 0, e) for e in (499, 999) for t in ("gain1x", "gain2x")
    ]
    path = CurveLocation("gain", TaskParameters()).file(data, "EKF", 3)
    path.parent.mkdir(parents=True)
    pd.DataFrame(rows, columns=list(COLUMNS)).to_csv(path, index=False)
    return data


def test_the_published_layout_is_read(published, tmp_path):
    study = Study([published], tmp_path / "cache", trials=4)
    assert [(m.group, m.run.seed) for m in study.members] == [("default", 3), ("noise 0.1_0.2", 3)]
    (chosen,) = study.agents("EKF", Selection(on=("gain1x",)))
    assert (chosen.episode, chosen.seed, chosen.score) == (999, 3, 0.999)
    assert chosen.agent().architecture == "EKF"
    table = study.measure([chosen], Conditions("c", study.prior_targets(4)), trials_of)
    assert len(table) == 4


def test_published_agents_without_a_curve_are_missing(published, tmp_path):
    study = Study([published], tmp_path / "cache", trials=4)
    with pytest.raises(Missing, match="no training curve"):
        study.agents("EKF", Selection("noise 0.1_0.2"))


# --- curves -------------------------------------------------------------------------------


def test_curves_are_those_of_the_training(tiny_study):
    table = tiny_study.curves([MODULAR])
    assert list(table.columns) == [*COLUMNS, "architecture", "seed"]
    assert sorted(set(table["episode"])) == list(EPISODES)
    assert table["seed"].nunique() == SEEDS
    log = pd.read_csv(tiny_study.members_of(MODULAR)[0].run.folder / "validation.csv")
    ours = table[(table["seed"] == 0) & (table["task"] == "gain2x")]
    theirs = log[log["task"] == "gain2x"]
    assert ours["reward_rate"].tolist() == theirs["reward_rate"].tolist()


def test_curves_that_the_training_lacks_are_made(own):
    member = own.members[0]
    table = own.curve(member, Selection(test="perturbation"))
    assert set(table["task"]) == {"perturbation0", "perturbation1"}
    extensive = own.curve(member, Selection(extensive=True))
    assert set(extensive["task"]) == {"gain1x", "gain2x", "gain3x", "gain4x"}


def test_curves_that_are_made_are_those_of_the_fixed_trials(own):
    member = own.members[0]
    (member.run.folder / "validation.csv").unlink()
    table = own.curve(member)
    conditions = fixed_gain_conditions(TaskParameters(), count=8)
    agent = steering_agent("EKF", 0, 1.0)
    expected = score(agent, conditions, run(agent, conditions))["gain1.5x"]["reward_rate"]
    last = table[(table["episode"] == EPISODES[-1]) & (table["task"] == "gain1.5x")]
    assert last["reward_rate"].item() == pytest.approx(expected)


def test_curves_are_not_made_twice(own, monkeypatch):
    made = own.curve(own.members[0], Selection(test="perturbation"))
    again = Study([own.members[0].run.folder], own.cache.folder, trials=8)
    monkeypatch.setattr(curves, "evaluate_checkpoint", None)
    assert again.curve(again.members[0], Selection(test="perturbation")).equals(made)


def test_a_log_with_gaps_is_not_used(own):
    path = own.members[0].run.folder / "validation.csv"
    log = pd.read_csv(path)
    log[log["trials"] != 500].to_csv(path, index=False)
    assert sorted(set(own.curve(own.members[0])["episode"])) == list(EPISODES)


def test_phase_one_is_not_in_a_curve(own):
    path = own.members[0].run.folder / "validation.csv"
    log = pd.read_csv(path)
    early = log.assign(phase=1, reward_rate=99.0)
    pd.concat([early, log]).to_csv(path, index=False)
    assert (own.curve(own.members[0])["reward_rate"] < 99).all()


def test_curves_of_nothing_are_missing(tiny_study):
    with pytest.raises(Missing, match="no extensive runs of Modular"):
        tiny_study.curves([MODULAR], Selection("extensive"))


def test_curves_end_where_the_default_training_does(tmp_path):
    make_run(tmp_path / "seed0", "EKF", 0, (499, 9999, 10499), trials=10_000)
    study = Study([tmp_path], tmp_path / "cache")
    assert study.members[0].group == "extensive"
    table = study.curves(None, Selection("extensive", before=10_000, extensive=False))
    assert table["episode"].max() == 9999


# --- selection ----------------------------------------------------------------------------


def test_agents_are_the_best_checkpoints_by_seed(tiny_study):
    found = tiny_study.agents(MODULAR, Selection(on=("gain1x",)))
    assert [agent.seed for agent in found] == list(range(SEEDS))
    curves = tiny_study.curves([MODULAR])
    one = curves[(curves["task"] == "gain1x") & (curves["seed"] == 0)]
    assert found[0].score == one["reward_rate"].max()
    assert found[0].episode == one.loc[one["reward_rate"].idxmax(), "episode"]


def test_best_is_the_best_seed(tiny_study):
    found = tiny_study.agents(MODULAR)
    assert tiny_study.best(MODULAR).score == max(agent.score for agent in found)


def test_checkpoints_before_a_trial(tiny_study):
    assert {a.episode for a in tiny_study.agents(MODULAR, Selection(before=999))} == {499}
    assert tiny_study.agents(MODULAR, Selection(before=499)) == []


def test_architectures_that_are_not_there(tiny_study):
    assert tiny_study.agents("Actor2Critic2") == []
    with pytest.raises(Missing, match="no default runs of Actor2Critic2"):
        tiny_study.best("Actor2Critic2")
    agents, missing = tiny_study.cohort([MODULAR, "Actor2Critic2"])
    assert {a.architecture for a in agents} == {MODULAR}
    unfinished = "some runs end before 10,000 trials"
    assert missing == ["no Actor2Critic2", "of 8 seeds: Modular 2", unfinished]
    with pytest.raises(Missing, match="no Actor2Critic2"):
        tiny_study.cohort(["Actor2Critic2"])


def test_runs_that_ended_are_not_told(tmp_path):
    make_run(tmp_path / "seed0", "EKF", 0, (499, 9999))
    study = Study([tmp_path], tmp_path / "cache")
    assert study.cohort(["EKF"])[1] == ["of 8 seeds: EKF 1"]


def test_each_architecture_has_its_own_stand_in(tmp_path):
    make_run(tmp_path / "a" / "seed0", MODULAR, 0, (499,), trials=100_000)
    make_run(tmp_path / "b" / "seed0", HOLISTIC, 0, (9999,))
    make_run(tmp_path / "c" / "seed0", MODULAR, 0, (9999,))
    study = Study([tmp_path], tmp_path / "cache", trials=4)
    agents, missing = cohort(study, [HOLISTIC, MODULAR, "EKF"], "training")
    assert [(a.architecture, a.episode) for a in agents] == [(HOLISTIC, 9999), (MODULAR, 499)]
    assert missing[0] == (
        "no extensive training (100,000 trials) of Holistic: agents of the default training "
        "stand in, chosen by its tests"
    )
    assert "some runs end before 100,000 trials" in missing
    assert "some runs end before 10,000 trials" not in missing
    assert any(note.startswith("no EKF") for note in missing)


def test_shortfall_in_words():
    assert shortfall({MODULAR: 8}) == []
    assert shortfall({MODULAR: 0, HOLISTIC: 3}, "extensive") == [
        "no Modular (extensive training)",
        "of 8 seeds: Holistic (extensive training) 3",
    ]


# --- simulations --------------------------------------------------------------------------


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


# --- animals ------------------------------------------------------------------------------


def test_without_animals_they_are_missing(tiny_study):
    with pytest.raises(Missing, match="no animal data"):
        tiny_study.animals("normal", "Bruno")


def test_animals_are_matched_by_target(tiny_runs, tiny_monkey, tmp_path):
    study = Study([tiny_runs], tmp_path, tiny_monkey, trials=24)
    bruno, schro = study.matched_animals("normal")
    assert len(bruno.trials) == len(schro.trials) == 24
    places = ["target_x_cm", "target_y_cm"]
    apart = np.linalg.norm(bruno.trials[places].to_numpy() - schro.trials[places], axis=1)
    assert (np.diff(apart) >= 0).all()
    check(bruno)
    assert bruno.trials["trial"].tolist() == list(range(24))
    with pytest.raises(Missing, match=r"no animal data \(Bruno, gain\)"):
        study.animals("gain", "Bruno")


def test_files_of_the_study_are_read_once(tiny_runs, tmp_path):
    folder = tmp_path / "monkey" / "Bruno"
    folder.mkdir(parents=True)
    make_animal(5).to_pickle(folder / "bruno_normal_trajectory_paper.pkl")
    found = Study([tiny_runs], tmp_path / "cache", tmp_path / "monkey").animals("normal", "Bruno")
    assert len(found.trials) == 5
    assert len(list((tmp_path / "cache" / "animals").iterdir())) == 1
    again = Study([tiny_runs], tmp_path / "cache", tmp_path / "monkey").animals("normal", "Bruno")
    assert again.steps.equals(found.steps)


def test_renumbered_trials_keep_their_steps():
    recording = next(iter(monkey_recordings(make_animal(6), "Bruno")))
    found = renumbered(recording, [4, 1])
    check(found)
    assert found.trials["target_x_cm"].tolist() == (
        recording.trials["target_x_cm"].iloc[[4, 1]].tolist()
    )
    first = found.steps[found.steps["trial"] == 0]["x_cm"]
    assert first.tolist() == recording.steps[recording.steps["trial"] == 4]["x_cm"].tolist()
