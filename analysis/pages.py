"""HTML pages: their templates, and tables of numbers."""

from numbers import Integral
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup

__all__ = ["APART", "FAR", "html_page", "html_table", "rendered"]

FAR = 3.0
"""Difference from a published value, in SEM, from which it is marked."""

APART = 0.5
"""Relative difference from which it is marked where no SEM is known."""

HEADS = {"in_sem": "in SEM"}
"""What stands above columns that are not called as people say."""

_TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def rendered(template: str, **content: Any) -> str:
    """Return a template of this folder with its content; texts are escaped, but not markup.

    Args:
        template: Its file in ``templates``.
        content: What stands in it.
    """
    return _TEMPLATES.get_template(template).render(content)


def html_page(title: str, body: str, head: str = "") -> str:
    """Return a page.

    Args:
        title: Its title.
        body: What is on it, in HTML.
        head: What else its head holds.
    """
    return rendered("page.html", title=title, body=Markup(body), head=Markup(head))


def html_table(table: pd.DataFrame) -> str:
    """Return a table, numbers to four digits, large ones whole and with commas (but seeds), those far from published ones marked."""
    words = [not pd.api.types.is_numeric_dtype(table[name]) for name in table]
    heads = [
        (HEADS.get(str(name), str(name)), "text" if word else "")
        for name, word in zip(table, words, strict=True)
    ]
    rows = []
    for row in table.itertuples(index=False):
        unknown = pd.isna(getattr(row, "in_sem", None))
        marks = {"relative": APART} if unknown else {"in_sem": FAR}
        cells = []
        for name, word, value in zip(table, words, row, strict=True):
            far = abs(value) > marks[name] if name in marks else False
            cells.append((_shown(name, value), "text" if word else "far" if far else ""))
        rows.append(cells)
    return rendered("table.html", heads=heads, rows=rows)


def _shown(name: Any, value: Any) -> str:
    if isinstance(value, Integral) and not isinstance(value, bool) and name != "seed":
        return f"{value:,}"
    if isinstance(value, float):
        if pd.isna(value):
            return ""
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return "" if value is None else str(value)
