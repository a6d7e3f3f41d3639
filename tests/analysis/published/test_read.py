"""The published values: CSV files that hold what their panels compare with."""

import csv
from collections import defaultdict
from pathlib import Path

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from modnav.analysis import FIGURES, panels_of
from modnav.analysis.measures import CELL, pearson
from modnav.analysis.published import published, study_curves
from modnav.networks import ARCHITECTURES

FILES = Path(__file__).parents[3] / "analysis" / "published"
PANELS = {panel.name: panel for figure in FIGURES for panel in panels_of(figure)}
SAME = {"8e": "8c", "8f": "8d"}
"""Panels that show the values of another."""


def panels_by_file():
    found = defaultdict(set)
    for file in FILES.glob("fig*.csv"):
        with file.open(encoding="utf-8", newline="") as stream:
            found[file.name] |= {row["panel"] for row in csv.DictReader(stream)}
    return found


def test_every_published_panel_is_in_one_file_and_is_compared():
    written = [panel for panels in panels_by_file().values() for panel in panels]
    compared = {name for name, panel in PANELS.items() if panel.published is not None}
    assert len(written) == len(set(written)) == 63
    assert compared - SAME.keys() == set(written)


@pytest.mark.parametrize(
    "name", [name for name, panel in PANELS.items() if panel.published is not None]
)
def test_a_panel_has_its_own_values(name):
    table = published(SAME.get(name, name))
    assert_frame_equal(PANELS[name].published, table, check_exact=True)
    assert table.notna().all(axis=None)
    assert pd.api.types.is_numeric_dtype(table["published"])
    keys = [column for column in table if not column.startswith("published")]
    assert not table.duplicated(keys).any()


def test_cells_are_where_they_were_printed():
    table = published("7a")
    assert len(table) == 4 * 16
    cell = table.set_index(["agent", "favour", "observation_noise", "process_noise"])["published"]
    assert cell[("hol", "observation", 0.0, 0.3)] == 0.802
    assert cell[("mod", "prediction", 0.3, 0.0)] == 0.989


def test_values_have_the_types_of_their_own_panel():
    expected = pd.DataFrame(
        {
            "architecture": "Actor1Critic1",
            "gain": [1.0, 1.5, 2.0],
            "published": [0.962, 0.851, 0.729],
            "published_sem": [0.003, 0.010, 0.013],
        }
    )
    assert_frame_equal(published("4f").head(3), expected, check_exact=True)
    curve = pd.DataFrame(
        {"architecture": ["Actor1Critic1"], "episode": [499], "published": [0.033]}
    )
    assert_frame_equal(published("4g").head(1), curve, check_exact=True)
    assert published("S4b")["difference"].dtype == bool
    assert published("S9a")["published"].dtype == "int64"


@pytest.mark.parametrize("name", ["1i", "4", "seeds-iqm", "panel", ""])
def test_what_was_not_published_is_none(name):
    assert published(name) is None


# --- what the values say of each other ----------------------------------------------------


@pytest.mark.parametrize(("panel", "name"), [("S2g", "hol"), ("S2h", "mod")])
def test_drops_follow_from_areas(panel, name):
    areas = published(panel).set_index(CELL)["published"]
    drops = published("2c").query("set == @name").set_index(CELL)["published"]
    assert (areas - areas[(0.0, 0.0)]).to_numpy() == pytest.approx(drops.to_numpy(), abs=1.1e-3)


@pytest.mark.parametrize("panel", ["2d", "2e", "S2d", "S2f"])
def test_correlations_follow_from_drops(panel):
    reference = "EKF alternative" if panel == "2e" else "EKF"
    drops = pd.concat([published(name) for name in ("2b", "2c", "S2b", "S2c", "S2e")])
    grids = {name: part.sort_values(CELL)["published"] for name, part in drops.groupby("set")}
    for name, r in published(panel).set_index("set")["published"].items():
        assert pearson(grids[reference], grids[name]) == pytest.approx(r, abs=6e-3), name


def test_correlations_of_figure_7_follow_from_its_grids():
    keys = ["agent", "observation_noise", "process_noise"]
    reached = published("7b").merge(published("7a"), on=keys, suffixes=("", "_likeness"))
    expected = published("7cd").set_index(["task", "agent", "favour"])["published"]
    for key, part in reached.groupby(["task", "agent", "favour"]):
        r = pearson(part["published"], part["published_likeness"])
        assert r == pytest.approx(expected[key], abs=2e-3), key


def test_maps_reproduce_the_printed_correlations():
    for name, r in (("8c", -0.894), ("8d", -0.922), ("S9b", -0.929)):
        wide = published(name).pivot(index="architecture", columns="quantity", values="published")
        assert wide.corr().iloc[0, 1] == pytest.approx(r, abs=0.002)


# --- curves of the study's first version --------------------------------------------------


def test_curves_are_there_for_all_recurrent_architectures():
    table = study_curves()
    assert set(table["architecture"]) == {x for x in ARCHITECTURES if "EKF" not in x}
    assert not table.duplicated(["architecture", "trials", "quantity"]).any()
    assert table.notna().all(axis=None)
    assert table["n"].isin([3, 4, 8]).all()
    later = table[table["trials"] > 0]
    assert (later.groupby("architecture").size() == 3 * 7).all()
    assert (table.loc[table["trials"] == 0, "quantity"] == "phase1_trials").all()


@pytest.mark.parametrize(
    ("architecture", "quantity", "trials", "mean", "sd"),
    [
        ("Actor1Critic1", "phase1_trials", 0, 16_875, 3_720),
        ("Actor3Critic1", "phase1_trials", 0, 22_062, 7_641),
        ("Actor1Critic1", "reward_fraction gain1x", 2500, 0.62, 0.45),
        ("Actor1Critic5", "reward_fraction gain1x", 500, 0.10, 0.12),
        ("Actor3Critic5", "reward_rate gain1x", 10_000, 0.72, 0.02),
        ("Actor3Critic5", "reward_rate gain2x", 10_000, 0.68, 0.20),
    ],
)
def test_curves_are_those_that_are_known(architecture, quantity, trials, mean, sd):
    keys = ["architecture", "quantity", "trials"]
    row = study_curves().set_index(keys).loc[(architecture, quantity, trials)]
    assert row["n"] == 8
    near = 0.0051 if trials else 1
    assert row[["mean", "sd"]].tolist() == pytest.approx([mean, sd], abs=near)
