from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from modnav.analysis import FIGURES, panels_of
from modnav.analysis.drawing import (
    SAMPLE,
    Panel,
    blank,
    comparison,
    draw,
    missing_of,
    picture,
    samples,
    widened,
    with_missing,
)
from modnav.analysis.figures.captions import CAPTIONS
from modnav.analysis.study import MODULAR, Conditions, Missing, trials_of


def plot(table, figure):
    figure.subplots().plot(table["x"], table["mean"])


def panel_of(table, published=None, value="mean"):
    return Panel("9z", "A test", (2, 1.5), lambda study: table, plot, published, value)


@pytest.fixture
def table():
    return with_missing(pd.DataFrame({"x": [1, 2], "mean": [0.25, 1 / 3]}), ["no monkeys"])


def test_notes_are_kept_once_and_seeds_are_told_together():
    notes = ["no a", "of 8 seeds: b 1", "no a", "of 8 seeds: c 2, b 1"]
    assert missing_of(with_missing(pd.DataFrame(), notes)) == ("no a", "of 8 seeds: b 1, c 2")


def test_a_note_that_another_says_and_goes_on_is_left_out():
    notes = ["no animal data, targets drawn", "no animal data", "no animal data: b"]
    assert missing_of(with_missing(pd.DataFrame(), notes)) == (notes[0], notes[2])


def test_notes_do_not_change_the_table_they_are_put_on():
    table = pd.DataFrame({"x": [1]})
    with_missing(table, ["no a"])
    assert table.attrs == {}


def test_draw_writes_numbers_and_pictures(table, tiny_study, tmp_path):
    found = draw(panel_of(table), tiny_study, tmp_path / "out")
    assert [f.name for f in found.files] == ["9z.csv", "9z.pdf", "9z.png"]
    assert all(f.stat().st_size for f in found.files)
    assert found.missing == ("no monkeys",)
    back = pd.read_csv(found.files[0])
    assert back["mean"].tolist() == pytest.approx(table["mean"].tolist(), rel=1e-5)


def test_what_is_missing_is_written_on_the_picture(table):
    texts = [t.get_text() for t in picture(panel_of(table), table).texts]
    assert texts == ["9z: A test.", "incomplete: no monkeys"]


def test_captions_say_what_is_drawn_and_of_how_many(table, tiny_study, tmp_path):
    def compute(study):
        study.measure(study.agents(MODULAR), Conditions("a", study.prior_targets(4)), trials_of)
        return with_missing(table, [])

    panel = replace(panel_of(table), compute=compute, caption="Band: SEM.")
    tiny_study.subjects.note("Bruno", "Bruno", "normal", 9)  # of another panel
    found = draw(panel, tiny_study, tmp_path)
    assert found.caption == "Band: SEM. Agents (a seed each): Modular 2; 4 trials of each."
    assert tiny_study.subjects.taken() == ""
    for subject in ("Bruno", "Schro"):
        tiny_study.subjects.note(subject, subject, "normal", 9)
    assert tiny_study.subjects.taken() == "Animals: Monk. B, Monk. S; 9 trials of each."
    tiny_study.subjects.note("Bruno", "Bruno", "normal", 9)
    tiny_study.subjects.note(MODULAR, "a", "normal", 9)
    assert (
        tiny_study.subjects.taken()
        == "Agents (a seed each) and animals: Monk. B, Modular 1; 9 trials of each."
    )
    found = draw(replace(panel, example=True), tiny_study, tmp_path)
    assert found.caption.endswith("Modular 2; one trial of 4 is shown.")


def test_panels_of_one_trial_do_not_say_that_they_show_all():
    panels = [panel for figure in FIGURES for panel in panels_of(figure)]
    assert {panel.name for panel in panels if panel.example} == {
        "1g",
        "4b",
        "5c",
        "6a",
        "6b",
        "6f",
    }


def test_axes_reach_as_far_as_what_is_drawn():
    assert widened((0, 400), [10, 512.5, np.nan], []) == (0, 512.5)
    assert widened((-60, 60), [-61]) == (-61, 60)


def test_seeds_that_do_not_differ_have_no_difference_in_sem():
    ours = pd.DataFrame({"x": ["a", "a"], "seed": [0, 1], "mean": [0.0, 0.0]})
    published = pd.DataFrame({"x": ["a"], "published": [0.25]})
    found = comparison(panel_of(ours, published), ours).iloc[0]
    assert (found["sem"], found["difference"]) == (0, -0.25)
    assert np.isnan(found["in_sem"])


def test_every_panel_says_what_its_marks_mean():
    panels = [panel for figure in FIGURES for panel in panels_of(figure)]
    assert [panel.name for panel in panels if not panel.caption.endswith(".")] == []
    assert {panel.name for panel in panels} == set(CAPTIONS)
    seeds = [CAPTIONS[name] for name in ("seeds-iqm", "seeds-improvement", "effects-size")]
    assert all("At gain 1" in caption for caption in seeds)  # their axes do not say it


def test_a_picture_that_lacks_nothing_says_what_it_is_and_no_more(table):
    texts = picture(panel_of(table), with_missing(table, [])).texts
    assert [text.get_text() for text in texts] == ["9z: A test."]


def test_drawing_leaves_the_settings_of_matplotlib_alone(table, tiny_study, tmp_path):
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    draw(panel_of(table), tiny_study, tmp_path)
    assert dict(mpl.rcParams) == before


def test_a_blank_panel_says_why(tmp_path):
    found = blank(panel_of(None), "no EKF agents", tmp_path)
    assert [f.name for f in found.files] == ["9z.pdf", "9z.png"]
    assert found.missing == ("no EKF agents",)


def test_comparison_with_means_that_have_errors():
    ours = pd.DataFrame(
        {"a": ["x", "y"], "mean": [1.0, 4.0], "sem": [0.5, np.nan], "count": [8, 1]}
    )
    published = pd.DataFrame({"a": ["x", "y", "z"], "published": [2.0, 3.0, 9.0]})
    found = comparison(panel_of(ours, published), ours).set_index("a")
    assert found.loc["x", ["ours", "difference", "in_sem"]].tolist() == [1, -1, -2]
    assert found.loc["x", "count"] == 8
    assert found.loc["y", "difference"] == 1
    assert np.isnan(found.loc["y", "in_sem"])
    assert np.isnan(found.loc["z", "ours"])


def test_comparison_with_seeds():
    ours = pd.DataFrame({"a": ["x"] * 4, "seed": [0, 0, 1, 1], "value": [1.0, 3, 4, 4]})
    published = pd.DataFrame({"a": ["x"], "published": [2.0], "published_sem": [1.0]})
    found = comparison(panel_of(ours, published, "value"), ours).iloc[0]
    assert (found["ours"], found["sem"], found["count"]) == (3, 1, 2)
    assert found["in_sem"] == pytest.approx(1 / np.sqrt(2))


def test_comparison_of_one_seed_has_no_error():
    ours = pd.DataFrame({"a": ["x"] * 3, "seed": [0] * 3, "value": [1.0, 2, 3]})
    published = pd.DataFrame({"a": ["x"], "published": [1.0]})
    found = comparison(panel_of(ours, published, "value"), ours).iloc[0]
    assert (found["ours"], found["count"]) == (2, 1)
    assert np.isnan(found["sem"])
    assert np.isnan(found["in_sem"])


def test_comparison_takes_the_error_of_what_is_compared():
    ours = pd.DataFrame({"a": ["x"], "auc": [0.5], "sem": [0.3], "drop": [1.0], "drop_sem": [0.1]})
    published = pd.DataFrame({"a": ["x"], "published": [0.8]})
    assert comparison(panel_of(ours, published, "drop"), ours)["in_sem"][0] == pytest.approx(2)
    published = pd.DataFrame({"a": ["x"], "published": [0.2]})
    assert comparison(panel_of(ours, published, "auc"), ours)["in_sem"][0] == pytest.approx(1)


def test_samples_for_violins_have_the_error_over_seeds():
    trials = np.tile(np.linspace(-1, 1, 1000), 3)
    seeds = np.repeat([0.0, 1.0, 2.0], 1000)
    table = pd.DataFrame({"a": "x", "seed": seeds, "cm": trials + seeds})
    animal = pd.DataFrame({"a": "y", "seed": np.nan, "cm": trials})
    ours = samples(pd.concat([table, animal]), ["a"], "cm")
    assert len(ours) == 2 * SAMPLE
    published = pd.DataFrame({"a": ["x", "y"], "published": [0.0, 1.0]})
    found = comparison(panel_of(ours, published, "value"), ours).set_index("a")
    assert found["count"].tolist() == [3, 1]
    assert found.loc["x", "sem"] == pytest.approx(1 / np.sqrt(3))
    assert np.isnan(found.loc["y", "in_sem"])


def test_comparison_with_nothing(table):
    assert comparison(panel_of(table), table).empty


def test_a_figure_that_is_not_there():
    with pytest.raises(ValueError, match="figure is '9'; it must be one of 1, 2"):
        panels_of("9")


def test_panels_have_names_of_their_own_and_published_values_that_fit():
    panels = [panel for figure in FIGURES for panel in panels_of(figure)]
    names = [panel.name for panel in panels]
    assert len(set(names)) == len(names)
    for panel in panels:
        assert min(panel.size) > 0.5, panel.name
        if panel.published is not None:
            keys = [c for c in panel.published.columns if not c.startswith("published")]
            assert len(panel.published), panel.name
            assert not panel.published.duplicated(keys).any(), panel.name
            assert panel.published["published"].notna().all(), panel.name


def test_missing_is_a_value_error():
    assert issubclass(Missing, ValueError)


def test_figures_are_not_kept_by_pyplot(table):
    import matplotlib.pyplot as plt

    assert isinstance(picture(panel_of(table), table), Figure)
    assert plt.get_fignums() == []
