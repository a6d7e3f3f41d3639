"""The package is what setup.cfg and design say: all modules listed, imports pointing down."""

import ast
import configparser
import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = {
    "modnav.callbacks": "callbacks",
    "modnav.configs": "configs",
    "modnav.analysis": "analysis",
}
WITH_LIGHTNING = {
    "bench_figures.py",
    "learner.py",
    "experience.py",
    "training.py",
    "checkpoint_io.py",
}

WITH_CALLBACKS = {"bench_figures.py", "training.py"}


def imports(path: Path) -> set[str]:
    """Return every module that a file imports, wherever in the file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
    return found


def listed() -> set[str]:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    return set(config["options"]["packages"].split())


def test_every_package_is_listed():
    folders = [ROOT / "modnav", *(ROOT / folder for folder in FOLDERS.values())]
    names = {folder: name for name, folder in FOLDERS.items()}
    found = set()
    for folder in folders:
        for file in folder.rglob("__init__.py"):
            parts = file.parent.relative_to(ROOT).parts
            found.add(".".join((names.get(parts[0], parts[0]), *parts[1:])))
    assert found == listed()


@pytest.mark.parametrize("path", sorted((ROOT / "modnav").rglob("*.py")), ids=lambda p: p.name)
def test_the_library_imports_no_lightning_and_no_callbacks_but_where_it_must(path: Path):
    names = imports(path)
    if path.name not in WITH_LIGHTNING:
        assert not any(name.split(".")[0] == "pytorch_lightning" for name in names)
    assert not any(name.split(".")[0] == "lightning" for name in names)
    if path.name not in WITH_CALLBACKS:
        assert not any(name.startswith("modnav.callbacks") for name in names)


@pytest.mark.parametrize("path", sorted((ROOT / "callbacks").glob("*.py")), ids=lambda p: p.name)
def test_callbacks_do_not_import_analysis(path: Path):
    assert not any(name.startswith("modnav.analysis") for name in imports(path))


@pytest.mark.parametrize("path", sorted((ROOT / "analysis").glob("*.py")), ids=lambda p: p.name)
def test_analysis_imports_neither_callbacks_nor_lightning(path: Path):
    banned = ("modnav.callbacks", "modnav.cli", "modnav.learner", "pytorch_lightning", "lightning")
    assert not any(name.startswith(banned) for name in imports(path))


def test_importing_modnav_is_light():
    heavy = [
        "torch",
        "pandas",
        "seaborn",
        "matplotlib",
        "pytorch_lightning",
        "gymnasium",
        "scipy",
        "sklearn",
    ]
    code = f"import modnav, modnav.cli, sys; print([m for m in {heavy} if m in sys.modules])"
    out = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True
    )
    assert out.stdout.strip() == "[]"


def test_configs_travel_with_the_package():
    shipped = {path.name for path in Path(str(resources.files("modnav.configs"))).glob("*.yaml")}
    assert {path.name for path in (ROOT / "configs").glob("*.yaml")} == shipped
