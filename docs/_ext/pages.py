"""Pages that are made from the code: options, commands, configs, panels, reference."""

import re
from pathlib import Path
from types import ModuleType

import options
import reference

import modnav.acting
import modnav.learning
import modnav.networks
from modnav.analysis import FIGURES, panels_of
from modnav.analysis.drawing import Panel
from modnav.commands import COMMANDS, LIGHTNING
from modnav.commands.configs import about, shipped_configs
from modnav.commands.pages import GROUPS

CLASSES: tuple[tuple[ModuleType, str], ...] = (
    (modnav.networks, "Actor"),
    (modnav.networks, "Critic"),
    (modnav.networks, "RecurrentBelief"),
    (modnav.networks, "KalmanBelief"),
    (modnav.networks, "Feedforward"),
    (modnav.networks, "Recurrent"),
    (modnav.networks, "Chain"),
    (modnav.learning, "TrialReplay"),
    (modnav.learning, "StepReplay"),
    (modnav.acting, "Warmup"),
)
"""Classes that a config names by ``class_path``."""

RESULTS = Path(__file__).parents[2] / "analysis" / "results" / "figures"


def write_all(folder: Path) -> None:
    """Write them to a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, lines in (
        ("options", training_options()),
        ("commands", command_options()),
        ("configs", configs()),
        ("gallery", gallery()),
    ):
        (folder / f"{name}.inc.md").write_text("\n".join(lines), encoding="utf-8")
    reference.write_all(folder / "api")


def training_options() -> list[str]:
    """Return every option of ``modnav fit`` in groups, Lightning's trainer last, then the classes."""
    groups = list(options.rows(options.lightning_parser("fit")))
    trainer, lines = [], ["## Options of modnav", ""]
    for title, found in groups:
        if any("--trainer" in row[0] for row in found):
            trainer += [row for row in found if "--trainer" in row[0]]
            found = [row for row in found if "--trainer" not in row[0]]
        if found and title != "Linked arguments":
            lines += [f"### {_heading(title, found)}", "", *options.table(found)]
    lines += ["## Classes that a config names", ""]
    for module, name in CLASSES:
        lines += [f"### {module.__name__}.{name}", "", _first(getattr(module, name)), ""]
        for _, found in options.rows(options.class_parser(getattr(module, name))):
            lines += options.table([[x.replace("`--", "`") for x in row] for row in found])
    lines += ["## Options of Lightning's trainer", ""]
    return [*lines, *options.table(trainer)]


def _heading(title: str, found: list[list[str]]) -> str:
    key = found[-1][0].strip("`").lstrip("-").rpartition(".")[0]
    plain = {"options": "The run", "Runs the full optimization routine": "Going on"}
    title = plain.get(title, title.replace("``", "`"))
    return f"{title}: `{key}`" if key else title


def _first(kind: type) -> str:
    return " ".join((kind.__doc__ or "").split("\n\n")[0].split()).replace("``", "`")


def command_options() -> list[str]:
    """Return the options of all other commands, in the groups of ``modnav --help``."""
    known, lines = options.parsers(), []
    for group, commands in GROUPS.items():
        lines += [f"## {group[0].upper()}{group[1:]}", ""]
        for command in commands:
            told = {**LIGHTNING, **COMMANDS}[command]
            lines += [f"### modnav {command}", "", f"{told[0].upper()}{told[1:]}.", ""]
            if command not in known:
                lines += ["Its options are on the page [Configuration](configuration.md).", ""]
                continue
            usage = known[command].format_usage().replace("usage: ", "")
            lines += ["```text", " ".join(usage.split()), "```", ""]
            found = [row for _, group in options.rows(known[command]) for row in group]
            lines += options.table(found) if found else []
    return lines


def configs() -> list[str]:
    """Return a table of the configs that came with modnav."""
    rows = [f"| `{name}` | {about(file)} |" for name, file in shipped_configs().items()]
    return ["| config | what it is |", "|---|---|", *rows, ""]


OTHERS = {"seeds": "Statistics over seeds", "units": "Units", "effects": "Effects"}
"""Titles of what is not of the study."""


def gallery() -> list[str]:
    """Return the panels of each figure of which there is a picture."""
    lines = []
    for figure in FIGURES:
        shown = [panel for panel in panels_of(figure) if (RESULTS / f"{panel.name}.png").exists()]
        if shown:
            title = f"Figure {figure}" if figure.isdigit() else OTHERS[figure]
            lines += [f"## {title}", "", "::::{container} gallery"]
            lines += [line for panel in shown for line in _picture(panel)]
            lines += ["::::", ""]
    return lines


def _picture(panel: Panel) -> list[str]:
    title = re.sub(r"\s+", " ", panel.title)
    return [
        f":::{{figure}} ../analysis/results/figures/{panel.name}.png",
        f":alt: {title}",
        f"{panel.name}: {title}",
        ":::",
    ]
