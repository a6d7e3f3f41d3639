"""One self-contained HTML page of what :mod:`.panel` drew: figures, tables, published values."""

import base64
import json
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup

from modnav.files import write_text_atomically

from . import panels_of
from .comparison_figure import write_comparison
from .drawing import KINDS, Panel, comparison
from .pages import APART, FAR, html_table, rendered
from .sides import side_of, study_side
from .study import DEFAULT, FEW, Member, Training, config_of, entry_of, short, strangers

INDEX = "figures.json"
"""What ``modnav figures`` says of the panels that it drew."""

LEARNED = {
    "architecture": "agent",
    "trials": "trials after phase\N{NO-BREAK SPACE}I",
    "quantity": "quantity",
    "mean": "mean",
    "sd": "SD",
    "n": "n",
    "mean_other": "study's mean",
    "sd_other": "study's SD",
    "n_other": "study's n",
    "difference": "difference",
    "in_sem": "in_sem",
}
"""Columns of the table of learning, by those of a comparison; all are in its CSV."""

OPTIONS = {
    "precision": ("trainer", "precision"),
    "scripted trials": ("data", "warmup", "trials"),
    "action penalty": ("phases", "one", "action_penalty"),
    "parallel trials": ("data", "parallel_trials"),
    "process noise": ("data", "task", "process_noise"),
    "observation noise": ("data", "task", "observation_noise"),
    "trials planned": ("phases", "trials"),
}
"""What is told of a run's configuration, and where it is."""

PACKAGES = ("modnav", "torch", "pytorch-lightning", "numpy", "pandas", "scipy", "scikit-learn")


def write_report(
    folder: Path, members: Sequence[Member], trainings: Sequence[Training] = ()
) -> Path:
    """Write ``report.html`` beside the panels of a folder, and the comparison with the study.

    Args:
        folder: Where ``modnav figures`` put its panels.
        members: The runs that they were drawn from.
        trainings: How runs learned, to compare with the study's seeds; of an architecture with runs
            of the default and of the extensive training, the default ones are taken.

    Raises:
        ValueError: If the folder holds no panels.
    """
    file = folder / INDEX
    if not file.is_file():
        raise ValueError(f"{folder} holds no {INDEX}; `modnav figures` writes it")
    index = json.loads(file.read_text(encoding="utf-8"))
    path = folder / "report.html"
    write_text_atomically(page(index, folder, members, _learning(folder, trainings)), path)
    return path


def page(
    index: Mapping[str, Any],
    folder: Path,
    members: Sequence[Member],
    learning: Mapping[str, Any] | None = None,
) -> str:
    """Return the page.

    Args:
        index: What ``modnav figures`` says of the panels, see :data:`INDEX`.
        folder: Where they are.
        members: The runs that they were drawn from.
        learning: How they learned.
    """
    found = {panel.name: panel for name in _figures(index) for panel in panels_of(name)}
    compared = {
        about["panel"]: table
        for about in index["panels"]
        if about["drawn"]
        and len(table := _compared(found[about["panel"]], folder / f"{about['panel']}.csv"))
    }
    shown = [_panel(about, folder, compared.get(about["panel"])) for about in index["panels"]]
    figures = [
        {"name": name, "title": _title(name), "panels": panels}
        for name in _figures(index)
        if (panels := [panel for panel in shown if panel["drawn"] and panel["figure"] == name])
    ]
    return rendered(
        "report.html",
        title=f"Modular navigation agents: {len(members)} runs",
        head="",
        how=_how(index),
        drawn=sum(panel["drawn"] for panel in shown),
        count=len(shown),
        runs=_table(_runs(members)),
        strangers=", ".join(strangers(members)),
        versions=", ".join(
            [f"Python {platform.python_version()}", *(f"{x} {version(x)}" for x in PACKAGES)]
        ),
        published=_table(_published(compared, index["panels"])),
        learning=learning,
        figures=figures,
        missing=[panel for panel in shown if not panel["drawn"]],
    )


def _table(table: pd.DataFrame) -> Markup:
    return Markup(html_table(table))


def _figures(index: Mapping[str, Any]) -> list[str]:
    return list(dict.fromkeys(about["figure"] for about in index["panels"]))


def _title(figure: str) -> str:
    return f"Figure {figure}" if figure.isdigit() else figure.capitalize()


def _compared(panel: Panel, numbers: Path) -> pd.DataFrame:
    """Return the panel's published values beside ours, of what there is of ours."""
    if panel.published is None:
        return pd.DataFrame()
    found = comparison(panel, pd.read_csv(numbers)).dropna(subset=["ours"])
    published = found["published"].abs()
    return found.assign(relative=found["difference"] / published.where(published > 0))


def _runs(members: Sequence[Member]) -> pd.DataFrame:
    rows = []
    for member in members:
        config = config_of(member.run.folder)
        row = {
            "run": "/".join(member.run.folder.parts[-2:]),  # no one's machine
            "architecture": member.architecture,
            "agent": short(member.architecture),
            "trained as": member.group,
            "seed": member.run.seed,
            "last trial": max(member.run.checkpoints, default=-1) + 1,
        }
        rows.append(row | {name: entry_of(config, keys) for name, keys in OPTIONS.items()})
    return pd.DataFrame(rows).dropna(axis="columns", how="all")


def _how(index: Mapping[str, Any]) -> str:
    trials = index["trials"]
    how = "as published, flaws included" if index["published"] else "with known flaws mended"
    return how + (f", at most {trials} trials per condition (a quick look)" if trials else "")


def _published(
    compared: Mapping[str, pd.DataFrame], panels: Sequence[Mapping[str, Any]]
) -> pd.DataFrame:
    """Return how far each panel lies from its published values, and what else it lacks than seeds."""
    lacks = {about["panel"]: about["missing"] for about in panels}
    rows = []
    for name, table in compared.items():
        unknown = table["in_sem"].isna()
        apart, relative = table["in_sem"].abs()[~unknown], table["relative"].abs()
        rows.append(
            {
                "panel": name,
                "values": len(table),
                "with SEM": len(apart),
                "median |difference| in SEM": apart.median(),
                f"beyond {FAR:g} SEM": (apart > FAR).sum() if len(apart) else None,
                "median |relative difference|": relative.median(),
                f"without SEM, beyond {APART:.0%}": (relative[unknown] > APART).sum()
                if unknown.any()
                else None,
                "incomplete": "; ".join(x for x in lacks[name] if not x.startswith(FEW)),
            }
        )
    numbers = list(rows[0])[1:-1] if rows else []
    return pd.DataFrame(rows).astype(dict.fromkeys(numbers, float))


def _learning(folder: Path, trainings: Sequence[Training]) -> dict[str, Any] | None:
    """Compare runs with the study's seeds; None if they have no architecture in common."""
    default = {x.member.architecture for x in trainings if x.member.group == DEFAULT}
    taken = [
        x for x in trainings if x.member.group == DEFAULT or x.member.architecture not in default
    ]
    study = study_side()
    if not {x.member.architecture for x in taken} & set(study.summary["architecture"]):
        return None
    try:
        table, files = write_comparison(side_of("runs", taken), study, folder)
    except ValueError as error:
        return {"error": str(error)}
    return {
        "error": "",
        "picture": _picture(files[-1], "Every seed before the study's mean and SD"),
        "table": _table(_learned(table)),
    }


def _learned(table: pd.DataFrame) -> pd.DataFrame:
    """Return what the page shows of a comparison with the study: means, SDs, numbers of seeds."""
    agents = table["architecture"].map(short)
    quantities = table["quantity"].str.replace("phase1", "phase I").str.replace("_", " ")
    shown = table.assign(architecture=agents, quantity=quantities)
    return shown[list(LEARNED)].rename(columns=LEARNED)


def _panel(about: Mapping[str, Any], folder: Path, table: pd.DataFrame | None) -> dict[str, Any]:
    """Return what the page says of a panel."""
    name = about["panel"]
    notes = [*about["missing"], *([f"failed: {about['error']}"] if about["error"] else [])]
    files = [f"{name}.{kind}" for kind in KINDS]
    return {
        "name": name,
        "figure": about["figure"],
        "title": about["title"],
        "drawn": about["drawn"],
        "notes": "; ".join(notes),
        "files": [file for file in files if (folder / file).is_file()],
        "picture": _picture(folder / f"{name}.png", _said(about, notes)),
        "published": None if table is None else _table(table),
    }


def _said(about: Mapping[str, Any], notes: Sequence[str]) -> str:
    """Return in words what stands on a panel, for those who do not see it."""
    lacks = f"Incomplete: {'; '.join(notes)}." if notes else ""
    parts = (f"{about['panel']}: {about['title']}.", about.get("caption", ""), lacks)
    return " ".join(filter(None, parts))


def _picture(file: Path, alt: str) -> dict[str, Any] | None:
    """Return a PNG file as a part of the page; None if there is none."""
    if not file.is_file():
        return None
    content = file.read_bytes()
    width = int.from_bytes(content[16:20], "big") // 2  # of a PNG; 300 dots per inch
    return {"alt": alt, "width": width, "data": base64.b64encode(content).decode("ascii")}
