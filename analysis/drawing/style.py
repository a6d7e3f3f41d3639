"""How all figures look: colours, names, fonts, tick labels, and what is written on a panel.

Panels are drawn in the size in which they stand in a journal (two columns: 7.2 inches), so sizes of text
are those that readers see.
"""

import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import cycle
from types import MappingProxyType
from typing import Any

import matplotlib as mpl
import seaborn as sns
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, ScalarFormatter

from ..study import EKF, HOLISTIC, HOLISTIC_EKF, MODULAR, MODULAR_ACTOR, MODULAR_CRITIC

__all__ = [
    "BELIEF",
    "COLOURS",
    "KEY",
    "LEAST_TEXT",
    "MOTOR",
    "NO_STYLE",
    "OTHER",
    "OTHERS",
    "REWARDED",
    "SEED_DOT",
    "SENSORY",
    "UNREWARDED",
    "colour_of",
    "colours_of",
    "mark",
    "new_figure",
    "plain_ticks",
    "side_by_side",
    "styled",
    "tick_label",
]

COLOURS = {
    HOLISTIC: "#ff8c69",
    MODULAR_ACTOR: "#8e3a8a",
    MODULAR_CRITIC: "#183319",
    MODULAR: "#20B2AA",
    HOLISTIC_EKF: "#000000",
    EKF: "#000000",
    "Bruno": "#00008B",
    "Schro": "#6b6b00",
}
"""Colour of each architecture and animal: the study's, some a little moved for the colour-blind to tell apart."""

SENSORY, BELIEF, MOTOR = "#662f8e", "#ff343c", "#e867c7"
REWARDED, UNREWARDED = "rosybrown", "dodgerblue"
SEED_DOT = "crimson"

NO_STYLE: Mapping[str, Any] = MappingProxyType({})
"""Settings of matplotlib on top of the study's style: none."""

OTHERS = ("#8060ff", "#dfbf00", "#60a8f0")
"""Colours of architectures that have none of their own: the colour-blind tell them from those, and from one another."""

OTHER = OTHERS[0]
"""Colour of such an architecture where all have one in common."""

KEY = "#5c5c5c"
"""Colour of line styles in legends: a gray that the colour-blind tell from the modular agent's colour."""

LEAST_TEXT = 7
"""Size of the smallest text, points; sub- and superscripts are smaller."""

_FONTS = ("Arial", "Liberation Sans", "Helvetica", "DejaVu Sans")


def colour_of(name: str) -> str:
    """Return the colour of an architecture or animal; others have one in common."""
    return COLOURS.get(name, OTHER)


def colours_of(names: Iterable[str]) -> dict[str, str]:
    """Return a colour of each architecture or animal; others differ from one another while there are :data:`OTHERS`."""
    others = cycle(OTHERS)
    return {name: COLOURS.get(name) or next(others) for name in dict.fromkeys(names)}


@contextmanager
def styled(style: Mapping[str, Any] = NO_STYLE) -> Iterator[None]:
    """Draw in the style of the study while the context lasts; then all is as it was.

    Args:
        style: Settings of matplotlib instead of the study's.
    """
    known = set(font_manager.get_font_names())
    fonts = [name for name in _FONTS if name in known]  # a missing one warns at each text
    changes: Any = {
        "font.family": "sans-serif",
        "font.sans-serif": fonts,
        "mathtext.default": "regular",
        "font.size": LEAST_TEXT,
        "axes.labelsize": 8,
        "axes.titlesize": LEAST_TEXT,
        "xtick.labelsize": LEAST_TEXT,
        "ytick.labelsize": LEAST_TEXT,
        "legend.fontsize": LEAST_TEXT,
        "legend.frameon": False,
        "legend.handlelength": 1.2,
        "lines.linewidth": 1,
        "axes.linewidth": 0.6,
        "xtick.major.width": 0.6,
        "ytick.major.width": 0.6,
        "xtick.major.size": 2.5,
        "ytick.major.size": 2.5,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "pdf.fonttype": 42,  # text stays text
    } | dict(style)
    whole = {"figure.labelsize": "axes.labelsize", "figure.titlesize": "axes.labelsize"}
    changes |= {name: style.get(name, changes[like]) for name, like in whole.items()}
    with sns.axes_style("ticks"), mpl.rc_context(changes):
        yield


def tick_label(value: float, position: int | None = None) -> str:
    """Return a number as it stands at a tick: ``.5`` for 0.5, ``2`` for 2.0, with a true minus."""
    text = f"{value:.6f}".rstrip("0").rstrip(".")
    sign = "\N{MINUS SIGN}" if text.startswith("-") and float(text) else ""
    text = text.removeprefix("-")
    return sign + (text[1:] if text.startswith("0.") else text)


def plain_ticks(axes: Axes, which: str = "both") -> None:
    """Label the ticks of an axis (``x``, ``y`` or ``both``) with :func:`tick_label`.

    Ticks that have labels of their own keep them.
    """
    for name in "xy" if which == "both" else which:
        axis = getattr(axes, f"{name}axis")
        if isinstance(axis.get_major_formatter(), ScalarFormatter):
            axis.set_major_formatter(FuncFormatter(tick_label))


def new_figure(size: tuple[float, float]) -> Figure:
    """Return an empty figure of a size in inches, which no window keeps."""
    return Figure(figsize=size, layout="constrained")


def side_by_side(figure: Figure, count: int, of: int = 4, **options: Any) -> list[Axes]:
    """Return axes beside one another, in a figure as narrow as there are few of them.

    Args:
        figure: An empty figure, as wide as all need.
        count: How many there are.
        of: How many there may be.
        options: Options of ``Figure.subplots``.
    """
    figure.set_figwidth(figure.get_figwidth() * max(count, 2 if of > 2 else 1) / of)
    return list(figure.subplots(1, count, squeeze=False, **options)[0])


def mark(figure: Figure, notes: Mapping[str, str]) -> None:
    """Write notes below a panel, one below the other.

    Args:
        figure: The panel.
        notes: Their colours, by text; empty texts are left out.
    """
    width = max(30, int(19 * figure.get_figwidth()))
    line = 1.25 * LEAST_TEXT / 72 / figure.get_figheight()
    place = -0.5 * line
    for text, colour in notes.items():
        if text:
            text = re.sub(r" (?=%|\d)", "\N{NO-BREAK SPACE}", text)  # a number stays at its name
            lines = textwrap.fill(text, width, break_long_words=False)
            figure.text(0.02, place, lines, ha="left", va="top", size=LEAST_TEXT, color=colour)
            place -= (lines.count("\n") + 1.5) * line
