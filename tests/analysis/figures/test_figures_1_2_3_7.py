"""Every panel of figures 1, 2, 3 and the belief half of 7 is drawn from tiny runs."""

from io import BytesIO
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from analysis_runs import make_run
from matplotlib.collections import LineCollection
from panel_tables import least_text, table_of

from modnav.analysis import panels_of
from modnav.analysis.drawing import LEAST_TEXT, comparison, missing_of, picture
from modnav.analysis.figures import (
    fig1,
    fig1_decoding,
    fig1_stops,
    fig2,
    fig2_cues,
    fig3,
    fig7_belief,
    noise_sets,
    seeds,
    training_noise,
)
from modnav.analysis.measures import CELL
from modnav.analysis.study import HOLISTIC, HOLISTIC_EKF, MAIN, MODULAR, Missing, Study

ACTION = ("S8a", "S8b")  # of test_figures_4_5_6_8
PANELS = {
    panel.name: panel
    for figure in (*"1237", "seeds")
    for panel in panels_of(figure)
    if panel.name not in ACTION
}
ANIMALS_ONLY = {"3a", "3b"}
OTHER_TRAINING = {"S2c", "S2e", "7cd", "S7a", "S7b", "S7c"}


@pytest.fixture(scope="module")
def with_animals(tiny_runs, tiny_monkey, tmp_path_factory):
    with Study([tiny_runs], tmp_path_factory.mktemp("cache"), tiny_monkey, trials=24) as study:
        yield study


def test_all_panels_of_the_specification_are_there():
    wanted = (
        "1f 1g 1h 1i 1j 1k 1l S1c S1d S1e S1f 2a 2b 2c 2d 2e S2b S2c S2d S2e S2f S2g S2h S2i "
        "3a 3b 3c 3d S3a S3b S3d S3e S3f S3g 7a 7b 7cd S7a S7b S7c seeds-iqm seeds-improvement"
    )
    assert set(PANELS) == set(wanted.split())


def drawn(name, study):
    """Return the table of a panel after it was drawn, at a low resolution."""
    table = table_of(PANELS[name].compute, study)
    figure = picture(PANELS[name], table)
    figure.savefig(BytesIO(), format="png", dpi=50)
    assert least_text(figure) >= LEAST_TEXT
    return table


@pytest.mark.parametrize("name", sorted(set(PANELS) - ANIMALS_ONLY - OTHER_TRAINING))
def test_panels_are_drawn_without_animals(name, tiny_study):
    panel, table = PANELS[name], drawn(name, tiny_study)
    assert len(table)
    assert (missing_of(table) == ()) == (name == "2a")
    if panel.published is not None:
        keys = [c for c in panel.published.columns if not c.startswith("published")]
        assert set(keys) <= set(table.columns)
        late = name in ("3d", "S3g")  # their published values begin where the tiny runs end
        assert comparison(panel, table)["ours"].notna().any() != late


@pytest.mark.parametrize("name", sorted(ANIMALS_ONLY | OTHER_TRAINING))
def test_panels_that_cannot_be_made_say_why(name, tiny_study):
    with pytest.raises(Missing, match=r"no animal data|training"):
        drawn(name, tiny_study)


@pytest.mark.parametrize("name", ["1g", "1i", "1j", "1k", "S1d", "S1e", "3a", "3b", "S3a"])
def test_panels_are_drawn_with_animals(name, with_animals):
    table = drawn(name, with_animals)
    assert not any("animal" in note for note in missing_of(table))
    column = "subject" if name == "1g" else "architecture"
    assert ("Schro" in set(table[column])) == (name != "S3a")


@pytest.mark.parametrize("name", ["1f", "2c", "3c"])
def test_one_seed_of_one_architecture_is_drawn(name, tmp_path):
    make_run(tmp_path / "runs" / "seed0", MODULAR, 0)
    table = drawn(name, Study([tmp_path / "runs"], tmp_path / "cache", trials=8))
    assert any("no Holistic" in note for note in missing_of(table))
    assert "of 8 seeds: Modular 1" in missing_of(table)
    assert table["sem"].isna().all()


def test_agents_that_never_stop_are_drawn_and_told(tmp_path):
    make_run(tmp_path / "runs" / "seed0", HOLISTIC, 0, (499,), skill=-1.0)
    study = Study([tmp_path / "runs"], tmp_path / "cache", trials=8)
    for name in ("1i", "1k", "S3a", "S2g"):
        notes = missing_of(drawn(name, study))
        assert any("all trials timed out" in note for note in notes), name
    assert "Holistic agent: all trials timed out" in notes
    for name, why in (
        ("2d", "no EKF"),
        ("3d", "no checkpoint is rewarded in 60% of trials: Holistic"),
    ):
        with pytest.raises(Missing) as reason:
            drawn(name, study)
        assert str(reason.value) == why


@pytest.mark.parametrize("target", [(180, 265), (-180, 265), (-15, 350), (-60, 90)])
@pytest.mark.parametrize(
    "end", [(1.05, 0.95), (0.9, 1.08), (0.98, 0.99), (0.6, 0.75), (0.003, 0.01)]
)
def test_labels_of_the_example_stand_apart(target, end):
    part = np.linspace(0, 1, 25)[:, None]
    paths = [
        pd.DataFrame(part * place * target, columns=["x_cm", "y_cm"]).assign(subject=name)
        for name, place in ((MODULAR, (1.0, 0.97)), (HOLISTIC, end))
    ]
    about = {"target_x_cm": target[0], "target_y_cm": target[1]}
    figure = picture(PANELS["1g"], pd.concat(paths).assign(**about))
    figure.draw_without_rendering()
    axes, beside = figure.axes
    boxes = [text.get_window_extent() for text in beside.texts]
    assert len(boxes) == (2 if max(end) < 0.02 else 4)  # who stays has no direction
    assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))
    lines = [line.get_window_extent() for line in axes.lines]
    assert not any(a.overlaps(b) for a in boxes for b in lines)


# --- numbers ------------------------------------------------------------------------------


def test_learning_tables_are_means_over_seeds(tiny_study):
    table = table_of(fig1.compute_1f, tiny_study)
    curves = tiny_study.curves([MODULAR])
    rows = curves[(curves["task"] == "gain1x") & (curves["episode"] == 999)]
    found = table[(table["architecture"] == MODULAR) & (table["episode"] == 999)].iloc[0]
    assert found["mean"] == pytest.approx(rows["reward_fraction"].mean())
    assert found["sem"] == pytest.approx(rows["reward_fraction"].sem())
    assert found["count"] == 2


def test_td_errors_begin_where_agents_have_learned(tiny_study):
    learned = table_of(fig1.compute_1f, tiny_study)
    begun = learned[learned["mean"] > 0.6].groupby("architecture")["episode"].min()
    table = table_of(fig3.compute_3d, tiny_study)
    assert table.groupby("architecture")["episode"].min().to_dict() == begun.to_dict()


def test_bands_are_not_cut(tiny_study):
    table = table_of(fig3.compute_3d, tiny_study).assign(mean=0.4, sem=0.3)
    assert picture(PANELS["3d"], table).axes[0].get_ylim()[1] > 0.7


def test_stops_are_told_by_distance_and_angle(tiny_study):
    table, _ = fig1_stops.stops(tiny_study, (MODULAR,))
    assert len(table) == 24
    assert table["target_r_cm"].between(100, 400).all()
    assert table["target_eccentricity_deg"].abs().max() <= 35


def test_published_paths_that_turn_back_a_little_are_smoothed():
    y = [0.0, 1, 2, 3, 2.5, 2.6, 4, 5, 6, 7, 8, 9]
    path = pd.DataFrame({"x_cm": np.arange(12.0), "y_cm": y})
    found = fig1._smooth(path)
    assert len(found) == 50
    assert (found["y_cm"].diff().dropna() > 0).all()
    assert found["y_cm"].iloc[-1] == 9


@pytest.mark.parametrize("name", ["S3a", "S3b"])
def test_violins_reach_to_the_extremes_of_their_table(name, tiny_study):
    table = table_of(PANELS[name].compute, tiny_study)
    axes = picture(PANELS[name], table).axes[0]
    whole = [c.get_paths() for c in axes.collections if isinstance(c, LineCollection)]
    tops = [paths[0].vertices[0, 1] for paths in whole]
    for _, values in table.groupby("architecture")["value"]:
        assert values.max() in tops
        assert values.min() in tops


def test_correlation_and_slope_of_agents_that_steer(tiny_study):
    r = table_of(fig1_stops.compute_S1d, tiny_study).set_index(["architecture", "variable"])[
        "value"
    ]
    assert r[(MODULAR, "radial")] > 0.9
    assert r[(MODULAR, "angular")] > 0.8


def test_psychometric_curves_rise(tiny_study):
    table = table_of(fig1_stops.compute_1j, tiny_study)
    part = table[table["architecture"] == MODULAR]
    assert part["boundary_cm"].tolist() == list(range(400))
    assert (part["mean"].diff().dropna() >= 0).all()
    assert part["mean"].iloc[0] == 0
    assert (part["mean"] >= part["shuffled"] - 1e-9).mean() > 0.9


def test_animals_and_agents_have_targets_shuffled_by_one_generator(with_animals):
    from modnav.analysis.measures import psychometric

    bruno, schro = with_animals.matched_animals("normal", 2000)
    random = np.random.default_rng(1)
    first = psychometric(bruno.trials, fig1_stops.BOUNDARIES, random)
    second = psychometric(schro.trials, fig1_stops.BOUNDARIES, random)
    table = fig1_stops.psychometrics(with_animals)
    for name, expected in (("Bruno", first), ("Schro", second)):
        found = table[table["architecture"] == name]
        assert found["shuffled"].tolist() == expected["shuffled"].tolist()


def test_animals_that_go_straight_have_an_area_near_one(with_animals):
    table = table_of(fig1_stops.compute_1k, with_animals)
    areas = table[table["quantity"] == "auc"].set_index("architecture")["auc"]
    assert areas["Bruno"] > 0.95


def test_decoders_read_the_actions_of_hand_set_units(tiny_study):
    table = table_of(fig1_decoding.compute_1l, tiny_study)
    assert set(table["layer"]) == {"hol", "mod RNN", "mod MLP"}
    assert len(table) == 18
    action = table[(table["layer"] == "mod MLP") & (table["variable"] == "action_v")]
    assert action["value"].item() > 0.8


def test_the_published_angle_is_another(tiny_runs, tmp_path):
    angles = []
    for published in (False, True):
        study = Study([tiny_runs], tmp_path, published=published, trials=24)
        table = fig1_decoding.compute_1l(study).set_index(["layer", "variable"])["value"]
        angles.append(table[("hol", "relative_angle_deg")])
    assert angles[0] != angles[1]


def test_differences_are_from_monkey_b(with_animals):
    plain = fig3.shapes(with_animals, fig3.LENGTH, MAIN)
    apart = fig3.differences(with_animals, fig3.LENGTH)
    from modnav.analysis.figures.cohorts import animal_paths

    bruno = animal_paths(with_animals.matched_animals("normal", 2000)[0])[fig3.LENGTH]
    one = plain.iloc[0]
    other = apart.iloc[0]
    assert other["value"] == pytest.approx(abs(one["value"] - bruno[one["trial"]]))


def test_cues_are_those_of_the_sketch():
    found = {name: fig2_cues.cue_filter(*noises) for name, noises in fig2_cues.CUES.items()}
    assert found["prior"] == pytest.approx((-3, 1.5), abs=1e-3)
    assert found["likelihood"] == pytest.approx((3, 1), abs=1e-3)
    assert found["posterior"] == pytest.approx((1.15, 0.832), abs=0.01)
    assert fig2_cues.compute_2a()["mean"].tolist() == [-3.0, 3.0, 1.2]


def test_more_noise_costs_performance(tiny_study):
    table = table_of(PANELS["2c"].compute, tiny_study)
    part = table[table["set"] == "mod"].set_index(CELL)
    assert len(part) == 25
    assert part.loc[(0.0, 0.0), "drop"] == 0
    assert part.loc[(0.8, 0.8), "drop"] < -0.02


def test_likeness_to_oneself_is_one(tiny_study):
    compute = fig2._correlations("mod", ["mod", "hol"])
    table = compute(tiny_study).set_index("set")
    assert table["r"]["mod"] == pytest.approx(1)
    assert table["r"]["hol"] < 1


def test_correlations_are_of_all_sets(tiny_study):
    table = table_of(PANELS["2d"].compute, tiny_study)
    assert list(table["set"]) == ["hol", "moho", "homo", "mod", "mod alternative"]
    assert table["r"].between(-1, 1).all()
    assert (table["low"] <= table["high"]).all()


def test_mann_whitney_of_two_seeds_each(tiny_study):
    table = table_of(fig2.compute_S2i, tiny_study)
    assert len(table) == 4
    areas = {name: part["auc"].tolist() for name, part in table.groupby("architecture")}
    wins = [(x > y) + (x == y) / 2 for x in areas[HOLISTIC] for y in areas[MODULAR]]
    assert set(table["u"]) == {sum(wins)}
    expected = {0: 1 / 3, 1: 2 / 3, 2: 1, 3: 2 / 3, 4: 1 / 3}  # exact, without ties
    assert len(set(table["auc"])) == 4
    assert table["p"].tolist() == pytest.approx([expected[sum(wins)]] * 4)


def test_larger_noise_is_tested_from_its_training_on_unless_as_published(tmp_path):
    make_run(tmp_path / "runs" / "seed0", HOLISTIC, 0, (499,), process_noise=0.4)
    areas = []
    for published in (True, False):
        study = Study([tmp_path / "runs"], tmp_path / "cache", published=published, trials=24)
        areas.append(noise_sets.tested(study, "hol larger")["auc"].tolist())
    assert areas[0] != areas[1]


def test_generalisation_and_likeness_over_training_noise(tiny_study):
    table = table_of(fig7_belief.compute_7b, tiny_study)
    places = table[table["agent"] == "mod"][training_noise.TRAINED].drop_duplicates()
    assert sorted(map(tuple, places.to_numpy())) == [(0.1, 0.2), (0.2, 0.1)]
    assert set(table["task"]) == {"gain", "perturbation"}
    assert table["auc"].between(0, 1).all()
    assert (
        "extensive training (100,000 trials) of Modular absent or unfinished"
        in table.attrs["missing"]
    )
    assert "no Modular at 14 of 16 training noises" in table.attrs["missing"]
    assert "no Holistic at 15 of 16 training noises" in table.attrs["missing"]


def test_perturbations_begin_with_the_trial_but_in_the_hardest_task(tiny_study):
    trained = training_noise.Trained(0.2, 0.1, [], False, False)
    easy = fig7_belief._unseen(tiny_study, "perturbation", "E", trained)
    hard = fig7_belief._unseen(tiny_study, "perturbation", "LH", trained)
    assert (easy.targets["perturbation_onset_s"] == 0).all()
    assert hard.targets["perturbation_onset_s"].nunique() > 3
    places = ["target_x_cm", "target_y_cm"]
    expected = tiny_study.prior_targets(2000)[places]
    assert easy.targets[places].equals(expected)
    assert hard.targets[places].equals(expected)


def test_likeness_predicts_generalisation_where_there_are_training_noises(tmp_path):
    for k, noise in enumerate(((0.2, 0.1), (0.1, 0.2), (0.3, 0.3), (0.0, 0.1))):
        task = {"process_noise": noise[0], "observation_noise": noise[1]}
        make_run(tmp_path / "runs" / f"mod{k}" / "seed0", MODULAR, 0, (499,), **task)
        if k < 2:
            make_run(tmp_path / "runs" / f"ekf{k}" / "seed0", "EKF", 0, (499,), **task)
    study = Study([tmp_path / "runs"], tmp_path / "cache", trials=12)
    table = fig7_belief.compute_7cd(study)
    assert set(table["agent"]) == {"mod"}
    assert (table["count"] == 4).all()
    titles = [axes.get_title() for axes in picture(PANELS["7cd"], drawn("7cd", study)).axes]
    assert titles[:2] == ["Gain,\nholistic, n < 3", "Gain,\nmodular, n = 4"]


def test_later_training_is_shown_only_where_there_is_some_and_stand_ins_are_named(tmp_path):
    planned = tmp_path / "planned"
    make_run(planned / "seed0", MODULAR, 0, (499,), trials=100_000)  # and ended at 500
    with pytest.raises(Missing, match="no extensive training"):
        fig7_belief.compute_S7b(Study([planned], tmp_path / "cache", trials=8))
    make_run(tmp_path / "long" / "seed0", MODULAR, 0, (499, 10_499), trials=100_000)
    other = {"process_noise": 0.3, "observation_noise": 0.1}
    make_run(tmp_path / "other" / "seed0", MODULAR, 0, (499,), **other)
    runs = [tmp_path / "long", tmp_path / "other"]
    study = Study(runs, tmp_path / "cache", trials=8)
    table = fig7_belief.compute_S7b(study)
    assert "Modular of the default training stands in at 0.3/0.1" in missing_of(table)
    assert "extensive training) 1, Modular (noise 0.3/0.1 training) 1;" in study.subjects.taken()
    assert not any("stands in" in note for note in missing_of(fig7_belief.compute_7b(study)))


def test_the_line_of_equal_noises_does_not_run_over_numbers():
    rows = [("mod", "observation", x, x, 0.5, 1) for x in (0.0, 0.1)]
    columns = ["agent", "favour", *training_noise.TRAINED, "r", "seeds"]
    axes = picture(PANELS["7a"], pd.DataFrame(rows, columns=columns)).axes[0]
    along = [line.get_xdata() for line in axes.lines]
    for x, crossed in ((0, False), (1, False), (2, True), (3, True)):
        assert any(low < x < high for low, high in along) == crossed


def test_the_holistic_ekf_agent_is_dashed_also_in_the_legend():
    rows = [(name, 999, 0.5, np.nan, 1) for name in (HOLISTIC_EKF, MODULAR)]
    table = pd.DataFrame(rows, columns=["architecture", "episode", "mean", "sem", "count"])
    axes = picture(PANELS["S3f"], table).axes[0]
    assert [line.get_linestyle() for line in axes.get_legend().get_lines()] == ["--", "-"]


def test_every_seed_is_compared(tiny_study):
    table = table_of(seeds.compute_seeds, tiny_study)
    each = table[table["quantity"] == "seed"]
    assert len(each) == len(seeds.MEASURES) * len(MAIN) * 2
    rates = tiny_study.curves(MAIN).query("task == 'gain2x' and episode == 999")
    found = each[each["measure"] == "reward_rate gain2x"]["value"]
    assert found.tolist() == rates["reward_rate"].tolist()
    modular = table[(table["quantity"] == "comparison") & (table["architecture"] == MODULAR)]
    assert (modular["improvement"] == 0.5).all()
    assert modular["improvement_low"].isna().all()
    other = table[(table["quantity"] == "comparison") & (table["architecture"] == HOLISTIC)]
    assert other["improvement"].between(0, 1).all()
    assert other[["iqm_low", "improvement_low"]].isna().all(axis=None)  # of two seeds
    figure = picture(PANELS["seeds-improvement"], table)
    assert "Holistic (n = 2)" in [t.get_text() for t in figure.axes[0].get_legend().get_texts()]


def test_controls_below_zero_are_seen_unless_as_published(tiny_study):
    table = table_of(PANELS["2d"].compute, tiny_study)
    bottoms = []
    for published in (True, False):
        table.attrs["published"] = published
        bottoms.append(picture(PANELS["2d"], table).axes[0].get_ylim()[0])
    assert bottoms[0] == 0
    assert bottoms[1] < min(table["low"].min(), table["shuffled_low"].min()) < 0
