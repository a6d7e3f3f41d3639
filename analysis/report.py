"""One self-contained HTML page of what :mod:`.panel` drew: figures, tables, published values."""

import base64
import html
import json
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from modnav.files import write_text_atomically

from . import panels_of
from .comparison import side_of, study_side
from .comparison_figure import write_comparison
from .drawing import KINDS, Panel, comparison
from .pages import APART, FAR, html_page, html_table
from .study import DEFAULT, Member, Training, config_of, entry_of, short

INDEX = "figures.json"
"""What ``modnav figures`` says of the panels that it drew."""

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
    index: Mapping[str, Any], folder: Path, members: Sequence[Member], learning: str = ""
) -> str:
    """Return the page.

    Args:
        index: What ``modnav figures`` says of the panels, see :data:`INDEX`.
        folder: Where they are.
        members: The runs that they were drawn from.
        learning: The section on how they learned.
    """
    found = {panel.name: panel for name in _figures(index) for panel in panels_of(name)}
    compared = {
        about["panel"]: table
        for about in index["panels"]
        if about["drawn"]
        and len(table := _compared(found[about["panel"]], folder / f"{about['panel']}.csv"))
    }
    links = "".join(
        f'<a href="#figure{name}">{html.escape(_title(name))}</a>' for name in _figures(index)
    )
    first = '<a href="#learning">Learning</a>' if learning else ""
    parts = [
        f'<h1 id="top">Modular navigation agents: {len(members)} runs</h1>',
        f'<nav><a href="#runs">Runs</a><a href="#published">Published values</a>{first}{links}</nav>',
        _about(index, members),
        _published(compared),
        learning,
        *(_figure(name, index, folder, compared) for name in _figures(index)),
    ]
    return html_page("modnav report", "\n".join(parts))


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


def _about(index: Mapping[str, Any], members: Sequence[Member]) -> str:
    rows = []
    for member in members:
        config = config_of(member.run.folder)
        row = {
            "architecture": member.architecture,
            "agent": short(member.architecture),
            "trained as": member.group,
            "seed": member.run.seed,
            "last trial": max(member.run.checkpoints, default=-1) + 1,
        }
        rows.append(row | {name: entry_of(config, keys) for name, keys in OPTIONS.items()})
    table = pd.DataFrame(rows).dropna(axis="columns", how="all")
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    trials = index["trials"]
    how = "as published, flaws included" if index["published"] else "with known flaws mended"
    fewer = f", at most {trials} trials per condition (a quick look)" if trials else ""
    return (
        '<h2 id="runs">Runs</h2>'
        f"<p>Panels are computed {how}{fewer}. Python {platform.python_version()}, {versions}.</p>"
        + html_table(table)
    )


def _published(compared: Mapping[str, pd.DataFrame]) -> str:
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
            }
        )
    text = (
        "<p>Differences are ours less published, in units of the standard error of both where "
        "both are known, else of the one that is; relative ones are parts of the published value. What lies far off "
        "is marked in each panel's table, below its picture.</p>"
    )
    table = pd.DataFrame(rows).astype({name: float for name in list(rows[0])[1:]} if rows else {})
    return f'<h2 id="published">Published values</h2>{text}{html_table(table)}'


def _learning(folder: Path, trainings: Sequence[Training]) -> str:
    """Compare runs with the study's seeds; empty if they have no architecture in common."""
    default = {x.member.architecture for x in trainings if x.member.group == DEFAULT}
    taken = [
        x for x in trainings if x.member.group == DEFAULT or x.member.architecture not in default
    ]
    study = study_side()
    if not {x.member.architecture for x in taken} & set(study.summary["architecture"]):
        return ""
    heading = '<h2 id="learning">Learning</h2>'
    try:
        table, files = write_comparison(side_of("runs", taken), study, folder)
    except ValueError as error:
        return f'{heading}<p class="missing">{html.escape(str(error))}</p>'
    told = table.dropna(axis="columns", how="all")
    text = (
        "<p>Phase I and some ages after it, beside the seeds of the study's first version, which was "
        "trained with RAdam and phase III from 0.95 rewarded. Its seeds that failed phase I are not "
        "known. Differences are ours less the study's, in standard errors of both means.</p>"
    )
    image = _image(files[-1], "Every seed before the study's mean and SD")
    return f"{heading}{text}<figure>{image}</figure>{html_table(told)}"


def _figure(
    name: str, index: Mapping[str, Any], folder: Path, compared: Mapping[str, pd.DataFrame]
) -> str:
    mine = [about for about in index["panels"] if about["figure"] == name]
    panels = "".join(
        _panel(about, folder, compared.get(about["panel"])) for about in mine if about["drawn"]
    )
    heading = f'<h2 id="figure{name}">{html.escape(_title(name))}</h2>'
    empty = "".join(
        f'<li id="panel{html.escape(about["panel"])}"><b>{html.escape(about["panel"])}</b> '
        f"{html.escape(about['title'])}: {html.escape('; '.join(_notes(about)))}</li>"
        for about in mine
        if not about["drawn"]
    )
    missing = f'<p>Not drawn:</p><ul class="missing">{empty}</ul>' if empty else ""
    return f'{heading}<div class="panels">{panels}</div>{missing}'


def _notes(about: Mapping[str, Any]) -> list[str]:
    return [*about["missing"], *([f"failed: {about['error']}"] if about["error"] else [])]


def _panel(about: Mapping[str, Any], folder: Path, table: pd.DataFrame | None) -> str:
    name, title = html.escape(about["panel"]), html.escape(about["title"])
    image = _image(folder / f"{about['panel']}.png", f"{name}: {title}")
    notes = html.escape("; ".join(_notes(about)))
    told = f'<div class="missing">{notes}</div>' if notes else ""
    links = " ".join(
        f'<a href="{name}.{kind}">{kind.upper()}</a>'
        for kind in KINDS
        if (folder / f"{about['panel']}.{kind}").is_file()
    )
    numbers = ""
    if table is not None:
        numbers = f"<details><summary>published values</summary>{html_table(table)}</details>"
    top = '<a href="#top">top</a>'
    caption = f"<figcaption><b>{name}</b> {title} {links} {top}{told}{numbers}</figcaption>"
    return f'<figure id="panel{name}">{image}{caption}</figure>'


def _image(picture: Path, title: str) -> str:
    """Return a PNG file as a part of the page; empty if there is none."""
    if not picture.is_file():
        return ""
    content = picture.read_bytes()
    width = int.from_bytes(content[16:20], "big") // 2  # of a PNG; 300 dots per inch
    data = base64.b64encode(content).decode("ascii")
    return f'<img alt="{title}" width="{width}" src="data:image/png;base64,{data}">'
