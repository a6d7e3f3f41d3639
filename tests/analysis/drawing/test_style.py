import warnings
from itertools import combinations

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb, to_rgba

from modnav.analysis.drawing import (
    BELIEF,
    COLOURS,
    KEY,
    MOTOR,
    OTHER,
    OTHERS,
    REWARDED,
    SEED_DOT,
    SENSORY,
    UNREWARDED,
    band,
    cell_text,
    colour_of,
    colours_of,
    contrast,
    heat_map,
    learning_curves,
    lighten,
    limits,
    mark,
    matrix_of,
    new_figure,
    plain_ticks,
    points,
    seen_on,
    side_by_side,
    styled,
    tick_label,
    violin,
)
from modnav.analysis.figures.fig6_behaviour import DIRECTIONS
from modnav.analysis.study import ANIMALS, MAIN, MODULAR, MODULAR_CRITIC, short


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.5, ".5"),
        (1.0, "1"),
        (0, "0"),
        (-0.25, "\N{MINUS SIGN}.25"),
        (100, "100"),
        (-1e-9, "0"),
        (2.5, "2.5"),
    ],
)
def test_tick_labels_drop_the_leading_zero(value, text):
    assert tick_label(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.5, ".500"),
        (0, "0"),
        (1.0, "1.000"),
        (-0.02, "-.020"),
        (0.9996, "1.000"),
        (-0.0001, "0"),
    ],
)
def test_text_of_cells(value, text):
    assert cell_text(value) == text


def test_text_of_an_empty_cell():
    assert cell_text(np.nan) == "n/a"


def test_all_main_architectures_have_colours_of_their_own():
    assert len({COLOURS[name] for name in MAIN}) == 4
    assert colour_of("Actor2Critic4") == OTHER
    assert short("Actor2Critic4") == "Actor2Critic4"
    several = colours_of(["a", MAIN[0], "b", "c"])
    assert len(set(several.values())) == 4
    assert several[MAIN[0]] == COLOURS[MAIN[0]]


def test_style_is_for_the_context_only_and_finds_its_fonts():
    before = mpl.rcParams["font.size"]
    with warnings.catch_warnings(), styled():
        warnings.simplefilter("error")
        assert mpl.rcParams["font.size"] == 7
        figure = new_figure((2, 2))
        figure.text(0.5, 0.5, "text")
        figure.canvas.draw()
    assert mpl.rcParams["font.size"] == before


def test_ticks_with_names_keep_them():
    axes = new_figure((2, 2)).subplots()
    axes.set_xticks([0, 1], ["a", "b"])
    plain_ticks(axes)
    assert [t.get_text() for t in axes.get_xticklabels()] == ["a", "b"]


def test_notes_are_wrapped_and_stand_one_below_the_other():
    figure = new_figure((1, 1))
    mark(
        figure, {"no holistic agents and no modular agents either": "red", "": "red", "b": "blue"}
    )
    assert [text.get_color() for text in figure.texts] == ["red", "blue"]
    assert figure.texts[0].get_text().count("\n") >= 1
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in figure.texts]
    assert boxes[0].y1 <= figure.bbox.y0
    assert boxes[1].y1 < boxes[0].y0


def test_numbers_stay_at_what_they_count():
    figure = new_figure((1, 1))
    mark(figure, {"of 8 seeds: Modular 1, mean, 95 % interval, Modular 2": "red"})
    lines = figure.texts[0].get_text().split("\n")
    assert len(lines) > 1
    assert not any(line.startswith(("1", "2", "8", "95", "%")) for line in lines)


def test_a_curve_of_one_seed_has_no_band():
    axes = new_figure((2, 2)).subplots()
    band(axes, [1, 2], [1, 2], [np.nan, np.nan], "red")
    assert len(axes.lines) == 1
    assert not axes.collections
    band(axes, [1, 2], [1, 2], [0.1, 0.1], "red")
    assert len(axes.collections) == 1


def test_every_seed_is_a_dot():
    axes = new_figure((2, 2)).subplots()
    points(axes, 1, [], "red")
    assert not axes.lines
    points(axes, 1, [0.5, 0.7, np.nan], "red")
    assert axes.lines[0].get_ydata() == pytest.approx([0.6, 0.6])
    assert axes.collections[-1].get_offsets().tolist() == [[1, 0.5], [1, 0.7]]


def test_violins_of_little_or_nothing():
    axes = new_figure((2, 2)).subplots()
    violin(axes, 0, [], "red")
    assert not axes.collections
    assert not axes.lines
    violin(axes, 0, [1.0, 1.0], "red")
    assert axes.lines[0].get_ydata().tolist() == [1, 1]


def test_violins_show_mean_and_extremes_of_all_values():
    axes = new_figure((2, 2)).subplots()
    violin(axes, 0, [1, 2, 3, 4, 20, np.nan], "red")
    means = [c.get_segments()[0][0, 1] for c in axes.collections[1:] if len(c.get_segments())]
    assert {1.0, 6.0, 20.0} <= set(means)


def test_matrix_of_a_table():
    table = pd.DataFrame({"o": [1, 0, 0], "p": [0, 1, 0], "v": [3.0, 2.0, 1.0]})
    found = matrix_of(table, "o", "p", "v")
    assert found.loc[0].tolist() == [1, 2]
    assert np.isnan(found.loc[1, 1])


def test_heat_map_writes_dark_text_on_light_cells():
    figure = new_figure((2, 2))
    axes = figure.subplots()
    matrix = pd.DataFrame([[0.0, 1.0], [np.nan, 0.2]], index=[0, 0.2], columns=[0, 0.2])
    heat_map(axes, matrix, figure=figure, cmap="BuPu_r")
    texts = {t.get_text(): t.get_color() for t in axes.texts}
    assert texts == {"0": "white", "1.000": "black", ".200": "white"}
    assert [t.get_text() for t in axes.get_yticklabels()] == ["0", ".2"]
    assert len(figure.axes) == 2


def scale(values):
    """Return what the colour bar of a map says."""
    figure = new_figure((2, 2))
    heat_map(figure.subplots(), pd.DataFrame(values), figure=figure, label="AUC")
    return [text.get_text() for axes in figure.axes[1:] for text in axes.get_xticklabels()]


def test_scales_tell_their_ends_apart():
    assert scale([[0.0, 0.003]]) == ["0", ".0015", ".003"]
    assert scale([[0.011, 0.014]]) == [".011", ".0125", ".014"]
    assert scale([[16.62, 98.73]]) == ["17", "58", "99"]
    assert scale([[-0.171, 0.0]]) == ["\N{MINUS SIGN}.17", "\N{MINUS SIGN}.09", "0"]
    assert scale([[0.5, np.nan]]) == []


def test_one_value_has_no_colour_of_a_scale_unless_the_scale_is_given():
    colours = []
    for ends in (None, (0.0, 1.0)):
        figure = new_figure((2, 2))
        axes = figure.subplots()
        heat_map(axes, pd.DataFrame([[0.5]]), figure=figure, ends=ends)
        colours.append(list(axes.images[0].to_rgba(0.5)))
    gray, blue = colours
    assert gray[0] == gray[1] == gray[2]
    assert blue == list(mpl.colormaps["BuPu_r"](0.5))


def test_few_axes_make_a_narrow_figure():
    figure = new_figure((8, 2))
    assert len(side_by_side(figure, 2, sharey=True)) == 2
    assert figure.get_figwidth() == 4


def test_heat_map_of_nothing_says_so():
    figure = new_figure((2, 2))
    axes = figure.subplots()
    empty = pd.DataFrame(np.full((2, 2), np.nan))
    heat_map(axes, empty, figure=figure, label="AUC")
    assert figure.axes[1].get_xlabel() == "AUC: none"


def test_maps_with_and_without_a_scale_are_of_one_height_and_their_labels_apart():
    figure = new_figure((3.2, 2.3))
    panels = figure.subplots(1, 3)
    for axes, values in zip(panels, ([[0.0, 0.0]], [[0.1, 0.2]], [[np.nan, np.nan]]), strict=True):
        heat_map(axes, pd.DataFrame(values), figure=figure, label="Rate")
    figure.draw_without_rendering()
    assert len({round(axes.get_position().y0, 3) for axes in panels}) == 1
    for axes, bar in zip(panels, figure.axes[3:], strict=True):
        assert bar.xaxis.label.get_window_extent().y1 < axes.get_window_extent().y0


def test_marks_beyond_the_published_range_are_not_cut():
    axes = new_figure((2, 2)).subplots()
    axes.margins(0)
    axes.plot([0.3, 0.8], [0.46, 0.7], "o")
    limits(axes, x=(0, 0.5), y=(0.5, 0.9))
    assert axes.get_ylim()[0] < 0.45
    assert axes.get_xlim()[1] > 0.81
    assert axes.get_xlim()[0] == 0
    assert axes.get_ylim()[1] == 0.9


@pytest.mark.parametrize(("last", "ends"), [(39, 0.004), (999, 0.1), (3999, 1.0)])
def test_curves_that_end_early_fill_their_axis(last, ends):
    axes = new_figure((2, 2)).subplots()
    table = pd.DataFrame({"episode": [19, last], "mean": 0.0, "sem": np.nan})
    learning_curves(axes, table.assign(architecture=MAIN[0]), {MAIN[0]: "a"})
    assert axes.get_xlim() == (0, ends)


SIMULATED = {
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
}
"""How linear RGB looks without one kind of cone, Machado, Oliveira & Fernandes (2009), severity 1."""

TO_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)
"""From linear sRGB to CIE XYZ, white D65."""


def seen(colour, eye):
    """Return CIELAB of a colour as it is seen."""
    rgb = np.array(to_rgb(colour))
    rgb = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    xyz = TO_XYZ @ np.clip(np.array(eye) @ rgb, 0, 1) / [0.95047, 1, 1.08883]
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("eye", [np.eye(3), *SIMULATED.values()], ids=["all", *SIMULATED])
@pytest.mark.parametrize(
    "together",
    [
        [*(COLOURS[name] for name in (*MAIN, *ANIMALS)), *OTHERS],
        [*OTHERS, SEED_DOT],
        [COLOURS[MODULAR], KEY],
        [REWARDED, UNREWARDED],
        [SENSORY, BELIEF, MOTOR],
        *(list(colours.values()) for colours in DIRECTIONS.values()),
    ],
    ids=lambda x: f"{len(x)} colours",
)
def test_the_colour_blind_tell_colours_apart_that_stand_together(eye, together):
    """About 2 is just seen, 10 at a glance; colours of thin lines are further apart."""
    found = [seen(colour, eye) for colour in together]
    assert min(np.linalg.norm(a - b) for a, b in combinations(found, 2)) > 25


def test_the_white_of_a_simulation_stays_white():
    for eye in (np.eye(3), *SIMULATED.values()):
        assert seen("white", eye) == pytest.approx([100, 0, 0], abs=0.1)


def test_colours_are_colours():
    assert all(to_rgba(colour) for colour in COLOURS.values())


def test_contrast_is_that_of_the_guidelines():
    assert contrast("black", "white") == pytest.approx(21)
    assert contrast("#777777", "white") == pytest.approx(4.48, abs=0.01)


def test_on_a_dark_background_all_is_seen_and_numbers_keep_the_colour_of_their_cell():
    with styled({"figure.facecolor": "black", "axes.facecolor": "black", "text.color": "white"}):
        figure = new_figure((2, 2))
        axes, cells = figure.subplots(1, 2)
        (line,) = axes.plot([0, 1], color=COLOURS[MODULAR_CRITIC])
        points(axes, 0, [1.0, 2.0], "black")
        mark(figure, {"said": "dimgray"})
        heat_map(cells, pd.DataFrame([[0.0, 1.0]]), figure=figure)
        before = [text.get_color() for text in cells.texts]
        lighten(figure)
    assert contrast(line.get_color(), "black") >= 3
    assert to_rgb(axes.lines[1].get_color()) == (1, 1, 1)
    assert to_rgba(axes.collections[0].get_facecolor()[0]) == (1, 1, 1, 0.3)
    assert contrast(figure.texts[0].get_color(), "black") >= 4.5
    assert [text.get_color() for text in cells.texts] == before == ["white", "black"]
    assert to_rgb(axes.patch.get_facecolor()) == (0, 0, 0)


def test_on_a_light_background_nothing_is_lighter():
    figure = new_figure((2, 2))
    (line,) = figure.subplots().plot([0, 1], color="beige")
    lighten(figure)
    assert line.get_color() == "beige"


@pytest.mark.parametrize("eye", SIMULATED.values(), ids=SIMULATED)
def test_the_colour_blind_tell_architectures_apart_on_a_dark_background(eye):
    found = [seen(seen_on(COLOURS[name], "black")[:3], eye) for name in MAIN]
    assert min(np.linalg.norm(a - b) for a, b in combinations(found, 2)) > 25


def test_a_grid_of_a_style_does_not_strike_through_numbers():
    with styled({"axes.grid": True}):
        figure = new_figure((2, 2))
        axes = figure.subplots()
        heat_map(axes, pd.DataFrame([[0.0, 1.0]]), figure=figure)
    assert not any(line.get_visible() for line in (*axes.get_xgridlines(), *axes.get_ygridlines()))


def test_titles_of_whole_figures_grow_with_those_of_axes():
    with styled():
        assert mpl.rcParams["figure.labelsize"] == mpl.rcParams["axes.labelsize"] == 8
    with styled({"axes.labelsize": 12.0, "figure.titlesize": 9.0}):
        assert mpl.rcParams["figure.labelsize"] == 12
        assert mpl.rcParams["figure.titlesize"] == 9
