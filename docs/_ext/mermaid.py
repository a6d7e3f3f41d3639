"""Draws ``mermaid`` blocks of the form ``graph TD`` (boxes and arrows) as SVG, without a script."""

import re
from graphlib import TopologicalSorter
from typing import Any
from xml.sax.saxutils import escape

from docutils import nodes
from docutils.parsers.rst import Directive

BOX, GAP, ROW, CHARACTER = 26, 14, 62, 6.7  # px


def drawn(text: str) -> str:
    """Return a picture of a graph: each box a row below all that point to it.

    Args:
        text: Lines ``name[label]`` and ``name --> name``; others are passed over.
    """
    labels = dict(re.findall(r"^\s*(\w+)\[(.+?)\]\s*$", text, re.MULTILINE))
    arrows = re.findall(r"^\s*(\w+) --> (\w+)\s*$", text, re.MULTILINE)
    rows = _rows(labels, arrows)
    wide = {name: CHARACTER * len(labels[name]) + 2 * GAP for name in labels}
    width = max(sum(wide[x] + GAP for x in row) for row in rows)
    places = {}
    for k, row in enumerate(rows):
        x = (width - sum(wide[name] + GAP for name in row)) / 2
        for name in row:
            places[name] = (x + wide[name] / 2, ROW * k + BOX)
            x += wide[name] + GAP
    shapes = [_arrow(*places[a], *places[b]) for a, b in arrows]
    shapes += [_box(labels[name], *places[name], wide[name]) for name in labels]
    size = f'viewBox="0 0 {width:.0f} {ROW * len(rows):.0f}" width="{width:.0f}"'
    return f'<svg class="graph" role="img" {size}>{"".join(shapes)}</svg>'


def _rows(labels: dict[str, str], arrows: list[tuple[str, str]]) -> list[list[str]]:
    above: dict[str, list[str]] = {name: [] for name in labels}
    for a, b in arrows:
        above[b].append(a)
    depth: dict[str, int] = {}
    for name in TopologicalSorter(above).static_order():
        depth[name] = 1 + max((depth[x] for x in above[name]), default=-1)
    rows: list[list[str]] = [[] for _ in range(1 + max(depth.values()))]
    for name in labels:
        rows[depth[name]].append(name)
    place: dict[str, float] = {}
    for row in rows:  # below the middle of what points to them
        middle = {x: sum(place[a] for a in above[x]) / max(1, len(above[x])) for x in row}
        row.sort(key=lambda x: middle[x])
        place |= {name: (k + 0.5) / len(row) for k, name in enumerate(row)}
    return rows


def _box(label: str, x: float, y: float, width: float) -> str:
    return (
        f'<rect x="{x - width / 2:.1f}" y="{y - BOX / 2:.1f}" width="{width:.1f}" height="{BOX}" rx="5"/>'
        f'<text x="{x:.1f}" y="{y + 4:.1f}">{escape(label)}</text>'
    )


def _arrow(x: float, y: float, to_x: float, to_y: float) -> str:
    y, to_y = y + BOX / 2, to_y - BOX / 2
    bend = (to_y - y) / 2
    curve = f"M{x:.1f} {y:.1f} C{x:.1f} {y + bend:.1f} {to_x:.1f} {to_y - bend:.1f} {to_x:.1f} {to_y:.1f}"
    return f'<path d="{curve}"/>'


class Mermaid(Directive):
    """A ``mermaid`` block."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """Return its picture."""
        html = f'<div class="picture">{drawn(chr(10).join(self.content))}</div>'
        return [nodes.raw("", html, format="html")]


def setup(app: Any) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("mermaid", Mermaid)
    return {"parallel_read_safe": True}
