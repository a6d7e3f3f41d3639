"""Panels that the study lacks: similarity, careful decoding, geometry, dynamics, effects."""

from itertools import combinations, product

import job_calls  # noqa: F401  # classes that checkpoints name
import numpy as np
import pandas as pd
import pytest
from analysis_runs import make_run
from matplotlib.colors import to_hex
from panel_tables import least_text, table_of

from modnav.analysis.drawing import LEAST_TEXT, OTHERS, missing_of, picture
from modnav.analysis.figures import effects, seeds, units, units_dynamics
from modnav.analysis.measures import checked
from modnav.analysis.study import HOLISTIC, MAIN, MODULAR, Missing, Study, strangers
from modnav.networks import describe_agent, rebuild_agent
from modnav.runs import load_agent, save_agent

PANELS = {
    panel.name: panel for module in (units, units_dynamics, effects) for panel in module.PANELS
}


@pytest.fixture(autouse=True, scope="module")
def small_nulls():
    """Shuffle a few times only: nulls are most of the work."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(units, "SHUFFLES", 3)
        patch.setattr(units, "SHARED", 10)
        patch.setattr(checked, "__defaults__", (3,))
        yield


@pytest.mark.parametrize("name", PANELS)
def test_panels_are_drawn(name, tiny_study):
    table = table_of(PANELS[name].compute, tiny_study)
    figure = picture(PANELS[name], table)
    figure.draw_without_rendering()
    assert least_text(figure) >= LEAST_TEXT
    assert any("of 8 seeds" in note for note in missing_of(table))


def test_all_pairs_are_compared_with_their_null(tiny_study):
    table = table_of(units.compute_likeness, tiny_study)
    assert len(table) == 3 * 6
    assert (table["p"] >= 1 / (1 + units.SHUFFLES)).all()
    axes = picture(PANELS["units-likeness"], table).axes[0]
    cells = np.array([text.get_text() for text in axes.texts]).reshape(4, 4)
    assert list(np.diag(cells)) == ["1.00"] * 4
    row = table[(table["measure"] == "CKA") & (table["second"] == MODULAR)].iloc[0]
    assert row["first"] == HOLISTIC
    assert float(cells[0, 3]) == pytest.approx(row["value"], abs=0.01)
    assert float(cells[3, 0]) == pytest.approx(row["null_high"], abs=0.01)


def test_one_agent_is_like_nobody(tiny_runs, tmp_path):
    study = Study([tiny_runs / MODULAR], tmp_path, trials=8)
    with pytest.raises(Missing, match="likeness needs two agents"):
        units.compute_likeness(study)


def test_position_is_read_from_units_that_hold_it_and_not_by_chance(tiny_study):
    table = table_of(units.compute_decoding, tiny_study)
    assert len(table) == len(MAIN) * 2 * 2
    rows = table[
        table["variable"] == "x_cm"
    ]  # how far ahead one is, all trials tell by their time
    assert (rows["r2"] > rows["null_high"]).all()


def test_decoders_are_tested_in_all_conditions(tiny_study):
    table = table_of(units.compute_transfer, tiny_study)
    assert len(table) == len(MAIN) * 4 * 4
    assert (table["count"] == 2).all()


def test_conditions_share_their_targets(tiny_study):
    conditions, base = units.gains_and_pushes(tiny_study)
    places = conditions.targets[["target_x_cm", "target_y_cm"]].to_numpy().reshape(4, base, 2)
    assert (places == places[0]).all()
    pushed = (conditions.targets[list(units.PEAKS)] != 0).all(axis=1).to_numpy().reshape(4, base)
    assert pushed.all(axis=1).tolist() == [False, False, False, True]
    assert not pushed[:3].any()
    assert conditions.targets["gain"].to_numpy()[::base].tolist() == [1, 1.5, 2, 1]


def test_sizes_of_two_seeds_have_no_interval(tiny_study):
    table = table_of(effects.compute_sizes, tiny_study)
    assert set(table["architecture"]) == set(MAIN) - {MODULAR}
    assert table[["low", "high"]].isna().all(axis=None)
    assert (table[["modular_seeds", "seeds"]] == 2).all(axis=None)


def test_the_mixed_model_is_of_all_trials_and_seeds(tiny_study):
    table = table_of(effects.compute_mixed, tiny_study)
    assert len(table) == 2 * len(MAIN)
    assert set(table["groups"]) == {2 * len(MAIN)}
    assert set(table["rows"]) == {24 * 3 * 2 * len(MAIN)}
    first = table.set_index("effect").loc["Intercept"]
    assert first["low"] < first["estimate"] < first["high"]
    figure = picture(PANELS["effects-mixed"], table)
    figure.draw_without_rendering()
    labels = figure.axes[0].get_yticklabels()
    assert [label.get_text() for label in labels[:2]] == ["Modular", "Holistic less it"]
    boxes = [label.get_window_extent() for label in labels]
    assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))
    drawn = [line.get_xdata() for axes in figure.axes for line in axes.lines]
    dots = [float(x[0]) for x in drawn if len(x) == 1]
    assert np.allclose(sorted(dots), sorted(table["estimate"]))


def test_measures_without_a_size_are_named(monkeypatch):
    """Seeds that are alike have no SD, and no dot."""
    rows = [
        (measure, name, seed, float(seed if measure == "auc" else 1))
        for measure in ("auc", "reward_rate gain1x", "reward_rate gain2x")
        for name in (HOLISTIC, MODULAR)
        for seed in (0, 1)
    ]
    table = pd.DataFrame(rows, columns=["measure", "architecture", "seed", "value"])
    table.attrs["missing"] = []
    monkeypatch.setattr(effects, "by_seed", lambda study: table)
    assert missing_of(effects.compute_sizes(None)) == (
        "no size where seeds are all alike or one: Holistic (Reward rate (1/s), Reward rate, gain 2 (1/s))",
    )
    table["value"] = 1.0
    with pytest.raises(Missing, match="seeds are all alike, or one"):
        effects.compute_sizes(None)


@pytest.fixture
def with_own(tmp_path):
    """A study of two agents of modules of the user's own beside the modular one, two seeds each."""
    for seed, name in product(range(2), ("Own", "Other", MODULAR)):
        run = make_run(tmp_path / f"{name}{seed}", MODULAR, seed, (999,), skill=0.8)
        if name != MODULAR:
            description = describe_agent(load_agent(run / "checkpoints" / "00999.ckpt"))
            description["actor"]["belief"]["class_path"] = f"job_calls.{name}RecurrentBelief"
            save_agent(rebuild_agent(description), run / "checkpoints" / "00999.ckpt")
    with Study([tmp_path], tmp_path / "cache", trials=8) as study:
        yield study


@pytest.mark.parametrize(
    "name", ["seeds-iqm", "seeds-improvement", "effects-size", "effects-mixed"]
)
@pytest.mark.filterwarnings("ignore")  # of statsmodels, of two seeds
def test_agents_of_ones_own_stand_beside_the_others_in_colours_of_their_own(with_own, name):
    panel = next(x for x in (*seeds.PANELS, *effects.PANELS) if x.name == name)
    own = strangers(with_own.members)
    assert len(own) == 2
    table = panel.compute(with_own)
    column = table["architecture" if "architecture" in table else "effect"]
    assert all(column.str.contains(each, regex=False).any() for each in own)
    figure = picture(panel, table)
    figure.draw_without_rendering()
    drawn = {to_hex(line.get_color()) for axes in figure.axes for line in axes.lines}
    assert set(OTHERS[:2]) <= drawn
