"""Panels of figures 4 to 8 (action), on runs of agents that steer by hand-set weights."""

import numpy as np
import pandas as pd
import panel_tables
import pytest
from analysis_animals import make_animals
from analysis_runs import make_run, steering_agent
from matplotlib.figure import Figure

from modnav.analysis import panels_of
from modnav.analysis.drawing import LEAST_TEXT, comparison, draw, missing_of, picture
from modnav.analysis.figures import fig4, fig5, fig6_behaviour
from modnav.analysis.figures.gain_task import DATA, NO_GENERALIZATION
from modnav.analysis.study import HOLISTIC, MAIN, MODULAR, Missing, Selection, Study
from modnav.runs import load_agent, save_agent

BELIEF = ("7a", "7b", "7cd", "S7a", "S7b", "S7c")  # of test_figures_1_2_3_7
PANELS = {
    panel.name: panel
    for figure in "45678"
    for panel in panels_of(figure)
    if panel.name not in BELIEF
}
OF_ANIMALS = ("4d", "6c")
WITH_ANIMALS = ("4b", *OF_ANIMALS, "4e", "S4a", "S4b", "S4c", "6a", "6d", "S6a")
CURVES = ("4g", "4h", "S6c", "S6d")  # tiny runs end before the checkpoints that were read off
COMPARED = [
    name for name, panel in PANELS.items() if panel.published is not None and name not in CURVES
]


@pytest.fixture(scope="module")
def with_animals(tiny_runs, tmp_path_factory):
    """A study of the tiny runs and of two animals."""
    folder = tmp_path_factory.mktemp("with animals")
    with Study([tiny_runs], folder / "cache", make_animals(folder / "monkey"), trials=20) as study:
        yield study


def table_of(name, study):
    return panel_tables.table_of(PANELS[name].compute, study)


def drawn_whole(panel, table):
    """Draw a panel and lay it out, which fails where a text or tick cannot be drawn."""
    figure = picture(panel, table)
    figure.draw_without_rendering()
    assert panel_tables.least_text(figure) >= LEAST_TEXT
    return figure


@pytest.mark.parametrize("name", [name for name in PANELS if name not in OF_ANIMALS])
def test_panels_are_drawn_without_animals(name, tiny_study):
    table = table_of(name, tiny_study)
    assert drawn_whole(PANELS[name], table).axes
    assert len(table)
    if name not in ("4a", "5a", "5b", "5c", "6f", "S9a"):
        assert missing_of(table)


def test_files_of_a_panel(tiny_study, tmp_path):
    drawn = draw(PANELS["4f"], tiny_study, tmp_path)
    assert [file.name for file in drawn.files] == ["4f.csv", "4f.pdf", "4f.png"]
    table = pd.read_csv(drawn.files[0])
    assert table["value"].tolist() == pytest.approx(table_of("4f", tiny_study)["value"], rel=1e-5)


@pytest.mark.parametrize("name", OF_ANIMALS)
def test_panels_of_animals_say_that_there_are_none(name, tiny_study):
    with pytest.raises(Missing, match="no animal data"):
        table_of(name, tiny_study)


@pytest.mark.parametrize("name", WITH_ANIMALS)
def test_panels_are_drawn_with_animals(name, with_animals):
    table = table_of(name, with_animals)
    assert drawn_whole(PANELS[name], table).axes
    assert not any("animal" in note for note in missing_of(table))


@pytest.mark.parametrize("name", COMPARED)
def test_published_values_meet_those_of_the_table(name, tiny_study, with_animals):
    panel = PANELS[name]
    animals = name in (*OF_ANIMALS, "S4a", "S4b", "S4c")
    table = table_of(name, with_animals if animals else tiny_study)
    found = comparison(panel, table)
    assert len(found) == len(panel.published)
    here = (
        found["architecture"].isin(table["architecture"])
        if "architecture" in found
        else slice(None)
    )
    finite = found.loc[here, "ours"].notna()
    assert finite.mean() > 0.7
    assert set(panel.published.columns) - {"published", "published_sem"} <= set(table.columns)


# --- figure 4 -------------------------------------------------------------------------------


def test_agents_that_integrate_their_velocity_generalise(tiny_study):
    errors = table_of("4c", tiny_study).groupby("gain")["value"].mean()
    assert abs(errors).max() < 100
    again = fig4.signed(tiny_study, fig4.agent_trials(tiny_study)[0])
    replay = again[again["kind"] == NO_GENERALIZATION].groupby("gain")["error_cm"].mean()
    assert replay[1.5] > 80
    assert replay[2.0] > 180


def test_auc_of_agents_is_that_of_their_trials(tiny_study):
    table = table_of("4f", tiny_study)
    assert len(table) == len(MAIN) * 2 * 3
    assert table["value"].between(0.6, 1).all()
    curve = table_of("4e", tiny_study)
    rows = curve[
        (curve["architecture"] == MODULAR) & (curve["gain"] == 2) & (curve["kind"] == DATA)
    ]
    area = np.trapezoid(rows["true"], rows["shuffled"])
    mine = table[(table["architecture"] == MODULAR) & (table["gain"] == 2)]
    assert area == pytest.approx(mine["value"].mean(), abs=0.02)


def test_example_paths_are_as_they_were(tiny_study):
    """Of both agents alike: no spline leads anywhere that the agent was not."""
    for name in ("4b", "6b"):
        table = table_of(name, tiny_study)
        for _, path in table.groupby(["architecture", "kind"]):
            assert (path[["x_cm", "y_cm"]].iloc[:2] == 0).all(axis=None)


def test_notes_name_only_what_is_shown(tmp_path):
    make_run(tmp_path / "runs" / "seed0", MODULAR, 0, (499,))
    study = Study([tmp_path / "runs"], tmp_path / "cache", trials=8)
    for name in ("4e", "S4a"):
        notes = missing_of(PANELS[name].compute(study))
        assert "no Holistic" in notes
        assert not any("critic" in note for note in notes)


def test_example_perturbation_moves_who_does_not_answer(tiny_study):
    table = table_of("6b", tiny_study)
    again = table[table["kind"] == NO_GENERALIZATION].groupby("architecture").last()
    plain, base, _ = fig6_behaviour.task.perturbed_conditions(tiny_study)
    for name, end in again.iterrows():
        recording = tiny_study.simulate(
            [tiny_study.best(name, Selection(test="perturbation"))], plain
        )[0]
        trials = recording.trials.iloc[:base]
        here = np.isclose(trials["target_x_cm"], end["target_x_cm"])
        unpushed = trials.loc[here, ["end_x_cm", "end_y_cm"]].to_numpy(float)[0]
        assert np.linalg.norm(end[["x_cm", "y_cm"]].to_numpy(float) - unpushed) > 65


def test_learning_curves_are_of_the_gains_that_were_not_trained(tiny_study):
    table = table_of("4g", tiny_study)
    curves = tiny_study.curves([HOLISTIC])
    rows = curves[(curves["seed"] == 1) & (curves["episode"] == 999)].set_index("task")
    expected = rows.loc[["gain1.5x", "gain2x"], "reward_rate"].mean()
    mine = table[(table["architecture"] == HOLISTIC) & (table["seed"] == 1)]
    assert mine.set_index("episode")["value"][999] == pytest.approx(expected)


def test_animals_that_overshoot_at_higher_gains_do_so_in_the_panel(with_animals):
    table = table_of("4d", with_animals).set_index(["architecture", "gain", "kind"])["value"]
    for name in ("Bruno", "Schro"):
        assert table[name, 1.0, DATA] == pytest.approx(0, abs=3)
        assert 5 < table[name, 2.0, DATA] < table[name, 2.0, NO_GENERALIZATION]


def test_path_lengths_are_compared_trial_by_trial(with_animals):
    table = table_of("S4c", with_animals)
    assert set(table["architecture"]) == {*MAIN, "Schro"}
    assert table["difference"].all()
    assert table.loc[table["architecture"] == "Schro", "value"].max() < 400


# --- figure 5 -------------------------------------------------------------------------------


def test_position_is_decoded_from_units_that_integrate(tiny_study):
    table = table_of("5d", tiny_study)
    assert len(table) == len(MAIN) * 2 * 3
    assert table["value"].between(0, 80).all()


def test_maps_are_of_three_unlike_units_at_three_gains(tiny_study):
    table = table_of("5b", tiny_study)
    assert table["unit"].nunique() == 3
    assert set(table["gain"]) == {1, 1.5, 2}
    assert table["activity"].notna().all()


def test_an_agent_without_space_to_map_is_told(tiny_study, monkeypatch):
    """As of one whose positions lie on a line: there is no triangle to interpolate in."""
    nowhere = {"condition": ["1", "2"], "x_cm": 5.0, "y_cm": 5.0, "0": np.nan, "1": np.nan}
    monkeypatch.setattr(tiny_study, "measure", lambda *_: pd.DataFrame(nowhere))
    with pytest.raises(Missing, match=r"Modular hardly moves"):
        fig5.compute_maps(tiny_study, MODULAR)


def test_maps_of_an_agent_that_hardly_moves_say_so(tiny_study, monkeypatch):
    """Noise alone moves it, and that is mapped."""
    whole = tiny_study.measure

    def near(agents, conditions, measure, layers):
        table = whole(agents, conditions, measure, layers)
        mapped = (table["condition"] == "1") & table["0"].notna()
        share = 40 / np.hypot(table["x_cm"], table["y_cm"])[mapped].max()
        return table.assign(x_cm=table["x_cm"] * share, y_cm=table["y_cm"] * share)

    assert not any("hardly" in note for note in missing_of(table_of("5b", tiny_study)))
    monkeypatch.setattr(tiny_study, "measure", near)
    (note,) = missing_of(fig5.compute_maps(tiny_study, MODULAR))
    assert note == "Modular hardly moves: 40 cm from the start at most"


def test_crosses_hold_error_and_performance_of_test_trials(tiny_study):
    table = table_of("5e", tiny_study)
    assert set(table["quantity"]) == {"error_cm", "auc"}
    last = table_of("S5b", tiny_study)
    trials = last[last["quantity"] == "trial"]
    assert set(trials["trial"]) == set(range(17, 24))  # the last 30 % of 24
    r = last[last["quantity"] == "r"].set_index("architecture")["value"]
    assert list(r.index) == list(MAIN)
    part = trials[trials["architecture"] == MODULAR]
    assert r[MODULAR] == pytest.approx(part["error_cm"].corr(part["radial_error_cm"]), abs=0.01)


# --- figure 6 -------------------------------------------------------------------------------


def test_agents_compensate_for_what_they_observe(tiny_study):
    table = table_of("S6a", tiny_study)
    assert set(table["direction"]) == {"forward", "backward"}
    late = table[table["time_s"].round(6) == 1.0]
    assert set(late["direction"]) == {"forward", "backward"}
    assert (late.loc[late["direction"] == "forward", "value"] < 0).all()
    assert (late.loc[late["direction"] == "backward", "value"] > 0).all()


def test_an_agent_that_does_nothing_leaves_the_others_their_panel(tiny_runs, tmp_path):
    idle = make_run(tmp_path / "idle", MODULAR, 0, (999,))
    agent = load_agent(idle / "checkpoints" / "00999.ckpt")
    for weights in agent.actor.action.parameters():
        weights.data.zero_()
    save_agent(agent, idle / "checkpoints" / "00999.ckpt")
    study = Study([idle, tiny_runs / HOLISTIC], tmp_path / "cache", trials=8)
    for name in ("S6a", "S6b"):
        table = PANELS[name].compute(study)
        picture(PANELS[name], table).draw_without_rendering()
        assert set(table["architecture"]) == {HOLISTIC}
        assert "seeds that felt no perturbation or did not answer: Modular 0" in missing_of(table)


def test_belief_errors_are_summarised_for_each_axis(tiny_study):
    table = table_of("6g", tiny_study)
    assert len(table) == len(MAIN) * 2 * 6
    assert table.loc[table["quantity"] == "r", "value"].between(-1, 1).all()


def test_example_perturbation_is_over_before_the_trial_ends(tiny_study):
    table = table_of("6a", tiny_study)
    assert table["time_s"].max() >= table["onset_s"].iloc[0] + 1.0  # how long it lasts


# --- figures 7 and 8 ------------------------------------------------------------------------


def test_default_training_stands_in_for_extensive_training(tiny_study):
    table = table_of("S8a", tiny_study)
    assert any("no extensive training" in note for note in missing_of(table))
    assert set(table["quantity"]) == {"reward_rate", "auc", "curvature_per_cm", "path_cm"}
    assert set(table["architecture"]) == {HOLISTIC, "ActorEKFCritic1", MODULAR}


def test_maps_of_architectures_hold_those_that_there_are(tiny_study):
    table = table_of("8c", tiny_study)
    assert set(table["architecture"]) == set(MAIN)
    assert any("11 of 15 architectures" in note for note in missing_of(table))
    rows = table[table["architecture"] == "Actor3Critic1"]
    assert set(rows["actor"]) == {3}
    assert set(rows["critic"]) == {1}


def test_sizes_are_the_published_ones(tiny_study):
    found = comparison(PANELS["S9a"], table_of("S9a", tiny_study))
    assert (found["difference"] == 0).all()


def test_one_seed_is_drawn_without_errors():
    table = pd.DataFrame({"architecture": [MODULAR], "seed": [0], "gain": [1.0], "value": [0.9]})
    figure = Figure(layout="constrained")
    fig4.plot_4f(table, figure)
    assert figure.axes


# --- agents that do nothing -----------------------------------------------------------------


@pytest.fixture(scope="module")
def idle_study(tmp_path_factory):
    """A study of two agents that never move, so that all their trials time out at the start."""
    folder = tmp_path_factory.mktemp("idle")
    for name in (HOLISTIC, MODULAR):
        run = make_run(folder / "runs" / name / "seed0", name, 0, episodes=(499,))
        agent = steering_agent(name)
        for parameter in agent.actor.action.parameters():
            parameter.data.zero_()
        save_agent(agent, run / "checkpoints" / "00499.ckpt")
    with Study([folder / "runs"], folder / "cache", trials=12) as study:
        yield study


@pytest.mark.parametrize(
    "name", [name for name in PANELS if name not in (*OF_ANIMALS, "S9a", "4a")]
)
def test_agents_that_do_nothing_are_drawn_or_refused_with_a_reason(name, idle_study):
    if name in ("S6a", "S6b", "S6d"):
        with pytest.raises(Missing, match=r"no agent|no checkpoint"):
            table_of(name, idle_study)
        return
    table = table_of(name, idle_study)
    assert drawn_whole(PANELS[name], table).axes
    assert missing_of(table) or name in ("5a", "5b", "5c", "6f")
    if name in ("4c", "4f", "6d", "6e", "S8a", "8c"):
        assert any("all trials timed out" in note for note in missing_of(table))
    if name == "6d":
        assert "too few trials: rolling means take in most of them" in missing_of(table)


def test_dots_at_the_ends_of_the_axes_are_whole():
    rows = [(MODULAR, 0, k, x, x) for k, x in enumerate((0.0, 200.0, 900.0))]
    columns = ["architecture", "seed", "trial", "error_cm", "radial_error_cm"]
    axes = drawn_whole(PANELS["S5b"], pd.DataFrame(rows, columns=columns)).axes[0]
    assert axes.get_xlim() == (0, 900)
    assert not axes.lines[0].get_clip_on()
