"""Pictures of agents, drawn from the modules that they are made of."""

from pathlib import Path

from torch import nn

from modnav import build_agent
from modnav.networks import (
    ARCHITECTURES,
    NICKNAMES,
    Actor,
    Agent,
    Chain,
    Critic,
    Feedforward,
    KalmanBelief,
    Linear,
    Recurrent,
)

MAIN = ("modular", "holistic", "Actor3Critic1", "Actor1Critic5", "ekf", "holistic_ekf")
"""Agents with a picture of their own; the others are shown folded."""

STEP, HIGH, ROW, LEFT = 34, 44, 100, 116  # px

Block = tuple[str, int, str]  # label, width in px, kind: belief, head or part


def write_all(folder: Path) -> None:
    """Write a page of pictures of all agents to a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    nicknames = {full: short for short, full in NICKNAMES.items()}
    own = {NICKNAMES.get(name, name) for name in MAIN}
    lines = []
    for name in MAIN:
        full = NICKNAMES.get(name, name)
        lines += [*_section(full, f"### {full}" + (f" (`{name}`)" if name != full else ""))]
    lines += ["", "### The others", ""]
    for full in ARCHITECTURES:
        if full not in own:
            short = f" ({nicknames[full]})" if full in nicknames else ""
            lines += [
                f"<details><summary>{full}{short}</summary>",
                *_section(full),
                "",
                "</details>",
                "",
            ]
    text = "\n".join(lines)
    (folder / "agents.inc.md").write_text(text, encoding="utf-8")


def _section(name: str, heading: str = "") -> list[str]:
    agent = build_agent(name)
    actor, critic = (
        f"{sum(x.numel() for x in part.parameters()):,}"
        for part in (agent.actor, agent.critic.first)
    )
    counts = f"{actor} parameters in the actor, {critic} in each of the two critics."
    return [
        heading,
        "",
        "```{raw} html",
        f'<div class="picture">{drawn(agent)}</div>',
        "```",
        counts,
        "",
    ]


def drawn(agent: Agent) -> str:
    """Return a picture of an agent as SVG: its actor above, its critic below."""
    rows = [("actor", _actor(agent.actor)), ("critic", _critic(agent.critic.first))]
    width = max(LEFT + sum(block[1] + STEP for block in row) + 80 for _, row in rows)
    shapes = [_row(label, row, ROW * k) for k, (label, row) in enumerate(rows)]
    size = f'viewBox="0 0 {width} {2 * ROW}" width="{width}" height="{2 * ROW}"'
    told = f"actor and critic of {agent.architecture}"
    return f'<svg class="agent" role="img" aria-label="{told}" {size}>{"".join(shapes)}</svg>'


def _actor(actor: Actor) -> list[Block]:
    parts = [*_blocks(actor.belief, "belief"), *_blocks(actor.action, "head")]
    return [(_input(actor.belief), 0, "in"), *parts, ("action (tanh)", 0, "out")]


def _critic(critic: Critic) -> list[Block]:
    belief, value = _blocks(critic.belief, "belief"), _blocks(critic.value, "head")
    told = _input(critic.belief)
    if critic.action_enters == "belief":
        told += " + action"
    else:
        value[0] = (value[0][0], value[0][1], "head action")
    return [(told, 0, "in"), *belief, *value, ("value", 0, "out")]


def _input(belief: nn.Module) -> str:
    return "filter" if isinstance(belief, KalmanBelief) else "input"


def _blocks(module: nn.Module, kind: str) -> list[Block]:
    """Return a block for each layer of a module."""
    if isinstance(module, KalmanBelief):
        return [("13 numbers", 92, kind)]
    if isinstance(module, Chain):
        return [block for part in module.parts for block in _blocks(part, kind)]
    if isinstance(module, Feedforward):
        layers = [x for x in module.mlp if isinstance(x, nn.Linear | Linear)]
        hidden = [(f"{x.out_features} ReLU", 84, kind) for x in layers[:-1]]
        return [*hidden, (f"linear {layers[-1].out_features}", 76, kind)]
    units = module if isinstance(module, Recurrent) else module.units
    return [(f"{units.cell.upper()} {units.out_features}", 92, f"{kind} loop")]


def _row(label: str, row: list[Block], top: int) -> str:
    y = top + 56
    shapes = [f'<text class="start" x="0" y="{top + 14}">{label}</text>']
    shapes.append(f'<text class="start small" x="0" y="{y + 4}">{row[0][0]}</text>')
    x, end = LEFT, LEFT - STEP
    for text, width, kind in row[1:-1]:
        shapes.append(_arrow(end, x, y))
        look = "belief" if "belief" in kind else "head"
        shapes.append(
            f'<rect class="{look}" x="{x}" y="{y - HIGH // 2}" width="{width}" height="{HIGH}" rx="6"/>'
            f'<text x="{x + width / 2}" y="{y + 4}">{text}</text>'
        )
        if "loop" in kind:
            a, b, above = x + width * 0.7, x + width * 0.3, y - HIGH // 2
            shapes.append(
                f'<path class="loop" d="M{a} {above} C{a + 8} {above - 22} {b - 8} {above - 22} {b} {above}"/>'
            )
        if "action" in kind:
            shapes.append(
                f'<text class="small" x="{x - 15}" y="{y - HIGH // 2 - 4}">+ action</text>'
            )
        end, x = x + width, x + width + STEP
    shapes.append(_arrow(end, x, y))
    shapes.append(f'<text class="start small" x="{x + 4}" y="{y + 4}">{row[-1][0]}</text>')
    return "".join(shapes)


def _arrow(start: float, end: float, y: float) -> str:
    tip = f'<path class="tip" d="M{end} {y} l-7 -4 v8 z"/>'
    return f'<path d="M{start} {y} H{end - 6}"/>{tip}'
