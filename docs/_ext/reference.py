"""Public names of the folders, as pages for Sphinx's autodoc."""

import ast
import importlib
import inspect
import pkgutil
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

FACES = (
    "modnav",
    "modnav.api",
    "modnav.task",
    "modnav.networks",
    "modnav.acting",
    "modnav.learning",
    "modnav.evaluation",
    "modnav.recording",
    "modnav.tables",
    "modnav.runs",
    "modnav.studies",
    "modnav.published",
    "modnav.callbacks",
    "modnav.gym",
    "modnav.analysis",
    "modnav.analysis.measures",
    "modnav.analysis.study",
    "modnav.analysis.published",
    "modnav.analysis.drawing",
    "modnav.bench",
    "modnav.files",
    "modnav.machine",
    "modnav.errors",
)
"""Folders and files whose names others may use, in the order of the pages."""

TITLES = ("Classes", "Functions", "Constants and types", "From other folders")
"""Parts of a page."""


def names(face: str) -> dict[str, str]:
    """Return the public names of a face, and the module that defines each."""
    module = importlib.import_module(face)
    found: dict[str, str] = {}
    for part in [module, *_files(module)]:
        found |= {name: part.__name__ for name in _public(part) if hasattr(module, name)}
    return {name: _home(module, name, found[name]) for name in found}


def _files(module: ModuleType) -> list[ModuleType]:
    if not hasattr(module, "__path__") or module.__name__ == "modnav":
        return []
    known = [x.name for x in pkgutil.iter_modules(module.__path__) if not x.ispkg]
    parts = [importlib.import_module(f"{module.__name__}.{name}") for name in sorted(known)]
    return [part for part in parts if hasattr(part, "__all__")]


def _public(module: ModuleType) -> list[str]:
    if hasattr(module, "__all__"):
        return list(module.__all__)
    constants = _constants(module.__name__)
    own = [
        name
        for name, value in vars(module).items()
        if getattr(value, "__module__", None) == module.__name__ or name in constants
    ]
    return [name for name in own if not name.startswith("_")]


def _home(module: ModuleType, name: str, part: str) -> str:
    value = getattr(module, name)
    return value.__module__ if inspect.isclass(value) or inspect.isfunction(value) else part


def _constants(module: str) -> dict[str, tuple[str, str]]:
    """Return what is assigned to each documented constant of a module, as it is written, and its text."""
    tree = ast.parse(
        Path(str(importlib.import_module(module).__file__)).read_text(encoding="utf-8")
    )
    found = {}
    for node, after in pairwise(tree.body):
        if not isinstance(node, ast.Assign | ast.AnnAssign) or not isinstance(after, ast.Expr):
            continue
        if node.value and isinstance(after.value, ast.Constant):
            text = inspect.cleandoc(str(after.value.value))
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [x.id for y in targets for x in ast.walk(y) if isinstance(x, ast.Name)]
            source = ast.unparse(node.value) if len(names) == 1 else ""
            found |= {name: (source, text) for name in names}
    return found


def write_all(folder: Path) -> None:
    """Write a page for each face, and the list of them."""
    folder.mkdir(parents=True, exist_ok=True)
    for face in FACES:
        (folder / f"{face}.rst").write_text(page(face), encoding="utf-8")


def page(face: str) -> str:
    """Return the page of a face."""
    lines = [face, "=" * len(face), "", f".. automodule:: {face}", "   :no-members:", ""]
    module = importlib.import_module(face)
    known = names(face)
    groups: dict[str, list[str]] = {title: [] for title in TITLES}
    for name in sorted(known, key=str.lower):
        kind, entry = _entry(face, name, getattr(module, name), known[name])
        groups[kind] += entry
    for title, entries in groups.items():
        if entries:
            lines += [title, "-" * len(title), "", *entries]
    return "\n".join(lines)


def _entry(face: str, name: str, value: Any, home: str) -> tuple[str, list[str]]:
    owner = home if home in FACES else home.rpartition(".")[0]
    if owner != face and owner in FACES:
        return "From other folders", [f"- ``{face}.{name}``: :py:obj:`{owner}.{name}`", ""]
    if inspect.isclass(value) and value.__name__ == name:  # no alias of a type
        lines = [f".. autoclass:: {face}.{name}", "   :members:", "   :show-inheritance:", ""]
        return "Classes", lines
    if inspect.isroutine(value):
        return "Functions", [f".. autofunction:: {face}.{name}", ""]
    source, text = _constants(home).get(name, ("", ""))
    shown = [f"   :value: {source}"] if source and len(source) <= 60 else []
    head = [f".. py:data:: {face}.{name}", *shown, ""]
    return "Constants and types", [*head, *(f"   {x}" for x in text.splitlines()), ""]
