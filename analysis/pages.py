"""HTML pages: their looks, and tables of numbers."""

import html
from typing import Any

import pandas as pd

__all__ = ["APART", "FAR", "html_page", "html_table"]

FAR = 3.0
"""Difference from a published value, in SEM, from which it is marked."""

APART = 0.5
"""Relative difference from which it is marked where no SEM is known."""

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #222; max-width: 76rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.6rem } h2 { border-bottom: 1px solid #ccc; margin-top: 2.5rem }
nav a { margin-right: .9rem } table { border-collapse: collapse; font-size: 13px; margin: .5rem 0 }
th, td { padding: .15rem .6rem; text-align: right; border-bottom: 1px solid #eee }
th { background: #f6f6f6; position: sticky; top: 0 } td.text, th.text { text-align: left }
td.far { background: #fdecea } .panels { display: flex; flex-wrap: wrap; gap: 1rem; align-items: flex-start }
figure { margin: 0; border: 1px solid #eee; border-radius: 6px; padding: .6rem; max-width: 100%; box-sizing: border-box }
figure img { max-width: 100%; display: block } figcaption { font-size: 13px; margin-top: .3rem; max-width: 34rem }
.missing { color: #a33 } .scroll { overflow-x: auto; max-height: 30rem } details summary { cursor: pointer }
"""


def html_page(title: str, body: str, head: str = "") -> str:
    """Return a page.

    Args:
        title: Its title.
        body: What is on it, in HTML.
        head: What else its head holds.
    """
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"{head}<title>{html.escape(title)}</title><style>{_STYLE}</style></head>\n<body>\n"
        f"{body}\n</body></html>\n"
    )


def html_table(table: pd.DataFrame) -> str:
    """Return a table, numbers to four digits, those far from published ones marked."""
    words = [not pd.api.types.is_numeric_dtype(table[name]) for name in table]
    head = "".join(
        f"<th{_class(word and 'text')}>{html.escape(str(name))}</th>"
        for name, word in zip(table, words, strict=True)
    )
    rows = []
    for row in table.itertuples(index=False):
        cells = []
        unknown = pd.isna(getattr(row, "in_sem", None))
        marks = {"relative": APART} if unknown else {"in_sem": FAR}
        for name, word, value in zip(table, words, row, strict=True):
            far = abs(value) > marks[name] if name in marks else False
            kind = "text" if word else "far" if far else ""
            cells.append(f"<td{_class(kind)}>{html.escape(_shown(value))}</td>")
        rows.append(f"<tr>{''.join(cells)}</tr>")
    body = "\n".join(rows)
    return f'<div class="scroll"><table><tr>{head}</tr>\n{body}</table></div>'


def _class(name: str | bool) -> str:
    return f' class="{name}"' if name else ""


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return "" if pd.isna(value) else f"{value:.4g}"
    return "" if value is None else str(value)
