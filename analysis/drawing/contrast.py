"""Panels on a dark background: what would not be seen there becomes lighter."""

from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.artist import Artist
from matplotlib.collections import Collection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.text import Text

__all__ = ["contrast", "lighten", "seen_on"]

LEAST, LEAST_OF_TEXT = 3.0, 4.5
"""Least contrast of marks and of text (WCAG 2.2, AA)."""

DARK = 0.18
"""Luminance below which a background is dark: there white has more contrast than black."""

GRAY = 0.06
"""Colours whose red, green and blue differ less have no hue to keep."""


def contrast(one: Any, other: Any) -> float:
    """Return the contrast of two colours, 1 to 21 (WCAG 2.2)."""
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def seen_on(colour: Any, ground: Any, least: float = LEAST) -> tuple[float, float, float, float]:
    """Return a colour, as much lighter as it must be to be seen on a dark background.

    Grays become the colour of text, so that black is as strong there as on white.

    Args:
        colour: The colour; its opacity stays.
        ground: The background.
        least: The contrast that it must have.
    """
    *rgb, alpha = to_rgba(colour)
    if contrast(rgb, ground) >= least:
        return to_rgba(colour)
    if np.ptp(rgb) < GRAY:
        return to_rgba(mpl.rcParams["text.color"], alpha)
    mixed = (np.array(rgb) * (1 - part) + part for part in np.linspace(0, 1, 41))
    return to_rgba(next(mix for mix in mixed if contrast(mix, ground) >= least), alpha)


def lighten(figure: Figure) -> None:
    """Make what is drawn in a figure lighter where it would not be seen; on a light background nothing changes.

    Numbers in cells of maps keep the colour that suits their cell.
    """
    ground = figure.get_facecolor()
    if _luminance(ground) >= DARK:
        return
    grounds = [figure.patch, *(axes.patch for axes in figure.axes)]
    cells = [text for axes in figure.axes if axes.images for text in axes.texts]
    kept = {id(artist) for artist in (*grounds, *cells)}
    for artist in figure.findobj(lambda artist: id(artist) not in kept):
        _lighten(artist, ground)


def _lighten(artist: Artist, ground: Any) -> None:
    if isinstance(artist, Text):
        artist.set_color(seen_on(artist.get_color(), ground, LEAST_OF_TEXT))
    elif isinstance(artist, Line2D):
        artist.set(
            markerfacecolor=_shown(artist.get_markerfacecolor(), ground),
            markeredgecolor=_shown(artist.get_markeredgecolor(), ground),
            color=seen_on(artist.get_color(), ground),
        )
    elif isinstance(artist, Patch):
        artist.set(
            facecolor=_shown(artist.get_facecolor(), ground),
            edgecolor=_shown(artist.get_edgecolor(), ground),
        )
    elif isinstance(artist, Collection) and artist.get_array() is None:
        artist.set_facecolor([_shown(one, ground) for one in artist.get_facecolor()])
        artist.set_edgecolor([_shown(one, ground) for one in artist.get_edgecolor()])


def _shown(colour: Any, ground: Any) -> Any:
    """Return :func:`seen_on` of a colour; what is not drawn stays so."""
    return seen_on(colour, ground) if to_rgba(colour)[3] else colour


def _luminance(colour: Any) -> float:
    """Return the relative luminance of a colour, 0 to 1 (WCAG 2.2)."""
    rgb = np.array(to_rgba(colour)[:3])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))
