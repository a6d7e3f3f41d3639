"""``modnav configs``: the configs that came with modnav, and what each is for."""

from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from .refused import Parser

OVERLAY = "Overlay: "
"""Begins the first line of a config that changes another and is none by itself."""


def shipped_configs() -> dict[str, Path]:
    """Return the configs that came with modnav, by the names ``--config`` takes: all but studies."""
    folder = Path(str(resources.files("modnav.configs")))
    files = [x for x in sorted(folder.rglob("*.yaml")) if x.parent.name != "studies"]
    return {file.relative_to(folder).with_suffix("").as_posix(): file for file in files}


def about(config: Path) -> str:
    """Return the first sentence of the comment that a config begins with, without the full stop."""
    lines = []
    with config.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            if not line.startswith("#"):
                break
            lines.append(line.lstrip("#").strip())
    return " ".join(lines).partition(". ")[0].rstrip(".")


def is_overlay(config: Path) -> bool:
    """Return whether a config changes another and is none by itself."""
    return about(config).startswith(OVERLAY)


def listing() -> str:
    """Return a line for each config, in groups."""
    groups: dict[str, list[str]] = {
        "agents, and the training of agents of your own parts:": [],
        "overlays, given after an agent:": [],
        "parts, given after `train`, an actor and a critic:": [],
    }
    agents, overlays, parts = groups.values()
    for name, file in shipped_configs().items():
        text = about(file)
        overlay = text.startswith(OVERLAY)
        group = overlays if overlay else parts if "/" in name else agents
        group.append(f"  {name:31}{text.removeprefix(OVERLAY)}")
    return "\n\n".join("\n".join([head, *lines]) for head, lines in groups.items())


def main(args: Sequence[str]) -> None:
    """List the configs."""
    parser = Parser(prog="modnav configs", description=__doc__)
    parser.parse_args(args)
    print(listing())
