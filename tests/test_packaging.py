"""The package is what setup.cfg and docs/architecture.md say: all modules listed, arrows down."""

import configparser
import importlib
import subprocess
import sys
from importlib import resources
from pathlib import Path

import layout
import pytest
from setuptools import Distribution

ROOT = Path(__file__).parents[1]
FOLDERS = {
    "modnav.callbacks": "callbacks",
    "modnav.configs": "configs",
    "modnav.analysis": "analysis",
}

MAY_IMPORT = {
    "modnav": {
        "api",
        "networks",
        "recording",
        "runs",
        "studies",
    },  # what it hands on, when it is asked for
    "modnav.__main__": {"cli"},
    "modnav.api": {"cli", "errors", "evaluation", "networks", "recording", "runs", "tables"},
    "modnav.cli": {"commands", "commands.population", "errors", "machine"},
    "modnav.gym": {"task"},
    "modnav.errors": set(),
    "modnav.machine": set(),
    "modnav.files": {"errors", "machine"},
    "modnav.task": {"errors"},
    "modnav.networks": {"task", "files", "machine", "errors"},
    "modnav.tables": {"task", "files", "errors", "machine"},
    "modnav.acting": {"networks", "task", "errors"},
    "modnav.published": {"networks", "tables", "task", "files", "errors"},
    "modnav.evaluation": {"acting", "networks", "task", "errors"},
    "modnav.learning": {"evaluation", "acting", "networks", "task", "files", "errors", "machine"},
    "modnav.recording": {"evaluation", "acting", "networks", "tables", "task", "files", "errors"},
    "modnav.runs": {
        "evaluation",
        "published",
        "acting",
        "networks",
        "tables",
        "task",
        "files",
        "errors",
        "machine",
    },
    "modnav.studies": {"runs", "evaluation", "networks", "files"},
    "modnav.callbacks": {
        "learning",
        "recording",
        "runs",
        "evaluation",
        "acting",
        "task",
        "files",
        "errors",
        "machine",
    },
    "modnav.bench": {
        "callbacks",
        "learning",
        "runs",
        "evaluation",
        "acting",
        "networks",
        "task",
        "errors",
        "machine",
    },
    "modnav.commands.population": {
        "callbacks",
        "learning",
        "networks",
        "runs",
        "files",
        "errors",
        "machine",
    },
    "modnav.commands.study": {
        "cli",  # a job is a command
        "commands.population",
        "analysis",
        "bench",
        "studies",
        "runs",
        "networks",
        "files",
        "errors",
        "machine",
    },
    "modnav.commands": {
        "commands.population",
        "acting",  # what doctor times
        "bench",
        "callbacks",
        "analysis",
        "analysis.drawing",
        "analysis.study",
        "learning",
        "recording",
        "runs",
        "evaluation",
        "published",
        "networks",
        "tables",
        "task",
        "files",
        "errors",
        "machine",
    },
    "modnav.analysis.measures": {"tables"},
    "modnav.analysis.study": {
        "runs",
        "recording",
        "evaluation",
        "published",
        "networks",
        "tables",
        "task",
        "files",
        "machine",
    },
    "modnav.analysis.published": set(),
    "modnav.analysis.drawing": {"analysis.measures", "analysis.study", "task", "files"},
    "modnav.analysis.figures": {
        "analysis.drawing",
        "analysis.measures",
        "analysis.published",
        "analysis.study",
        "networks",
        "tables",
        "task",
    },
    "modnav.analysis": {
        "analysis.drawing",
        "analysis.measures",
        "analysis.published",
        "analysis.study",
        "analysis.figures",
        "files",
    },
}
"""Rooms that each room may import, ``modnav.`` left out; a room is a folder, or a file of `modnav/`."""

FACES = MAY_IMPORT.keys() - {
    "modnav",
    "modnav.commands",  # one module each, found by the command's name
    "modnav.commands.population",  # it loads matplotlib
    "modnav.commands.study",  # likewise
    "modnav.analysis",
    "modnav.analysis.figures",  # one module each, found by the figure's name
    "modnav.callbacks",  # names those that YAML may use
}
"""Rooms whose face hands on all that its files list."""

WITH_LIGHTNING = {
    "modnav.bench.host",
    "modnav.bench.measurements",
    "modnav.bench.updates",
    "modnav.learning.learner",
    "modnav.learning.experience",
    "modnav.learning.population",
    "modnav.commands.checks",
    "modnav.commands.keeping",
    "modnav.commands.lightning_errors",
    "modnav.commands.population.stacked",
    "modnav.commands.training",
}


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


def test_rooms_import_only_what_they_may():
    arrows = layout.room_arrows()
    assert arrows.keys() == MAY_IMPORT.keys()
    for name, others in arrows.items():
        allowed = {f"modnav.{other}" for other in MAY_IMPORT[name]}
        assert others <= allowed, f"{name} imports {sorted(others - allowed)}"


@pytest.mark.parametrize("arrows", [MAY_IMPORT, layout.file_arrows()], ids=["rooms", "files"])
def test_nothing_imports_in_a_circle(arrows):
    absolute = {name: {f"modnav.{o}" for o in others} for name, others in arrows.items()}
    layout.order(absolute if arrows is MAY_IMPORT else arrows)  # raises


def test_lightning_is_known_where_it_must_be_and_nowhere_else():
    for module, file in layout.modules().items():
        tops = {name.split(".")[0] for name in layout.imports(file, module)}
        assert "lightning" not in tops, module
        if not module.startswith("modnav.callbacks") and module not in WITH_LIGHTNING:
            assert "pytorch_lightning" not in tops, module


def test_every_name_that_is_imported_is_there():
    """Also those that a function imports, which no other test and no type checker may meet."""
    known = layout.modules()
    for module, file in known.items():
        for name in layout.imports(file, module):
            if name.startswith("modnav.") and name not in known and not name.endswith(".*"):
                package, _, attribute = name.rpartition(".")
                found = importlib.import_module(package)
                assert hasattr(found, attribute), f"{module} imports {name}, which is not there"


def test_faces_are_short():
    for name, file in layout.modules().items():
        if file.name == "__init__.py" and name not in (
            "modnav",
            "modnav.commands",
            "modnav.analysis",
        ):
            assert len(file.read_text(encoding="utf-8").splitlines()) <= 20, name


def test_faces_hand_on_every_file():
    known = layout.modules()
    not_handed_on = {
        "modnav.recording.animation",  # it loads matplotlib
        "modnav.evaluation.metrics",  # it loads torchmetrics
    }
    for name, file in known.items():
        handed_on = {f"{name}.{other.stem}" for other in file.parent.glob("[!_]*.py")}
        if file.name == "__init__.py" and f"{name}" in FACES:
            assert handed_on - not_handed_on <= layout.imports(file, name), name


def test_the_picture_of_the_rooms_is_that_of_the_code():
    """Made by ``python tests/tools/layout.py``."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert f"```mermaid\n{layout.picture()}\n```" in page


def test_importing_modnav_and_asking_for_help_is_light():
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
    code = (
        "import modnav, modnav.cli, sys\n"
        "for args in (['--help'], ['fit', '--help'], ['predict', '-h'], ['configs']):\n"
        "    modnav.cli.main(args)\n"
        f"print([m for m in {heavy} if m in sys.modules])"
    )
    out = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True
    )
    assert out.stdout.splitlines()[-1] == "[]"


def test_commands_that_train_nothing_load_no_lightning_and_agents_no_compiler(tmp_path):
    heavy = ["pytorch_lightning", "torchmetrics", "torch._dynamo"]
    code = (
        "import sys\n"
        "from modnav.commands import COMMANDS, load\n"
        "for name in COMMANDS.keys() - {'bench'}:\n"
        "    load(name)\n"
        "from modnav.networks import build_agent\n"
        "from modnav.runs import load_agent, save_agent\n"
        "save_agent(build_agent('modular'), sys.argv[1])\n"
        "load_agent(sys.argv[1])\n"
        f"print([m for m in {heavy} if m in sys.modules])"
    )
    command = [sys.executable, "-P", "-c", code, str(tmp_path / "agent.ckpt")]
    out = subprocess.run(command, capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_faces_that_do_not_draw_import_no_matplotlib():
    known = layout.modules()
    faces = {name for name, file in known.items() if file.name == "__init__.py"}
    drawing = {"callbacks", "bench", "analysis.drawing", "analysis.figures"}
    for face in faces - {f"modnav.{name}" for name in drawing}:
        seen, todo = set(), [face]
        while todo:
            name = todo.pop()
            seen.add(name)
            if name in known:
                todo += layout.imports(known[name], name, lazy=False) - seen
        assert not any(name.startswith("matplotlib") for name in seen), face


def test_configs_and_published_values_travel_with_the_package(monkeypatch):
    monkeypatch.chdir(ROOT)
    distribution = Distribution()
    distribution.parse_config_files()
    build = distribution.get_command_obj("build_py")
    build.ensure_finalized()
    found = build.get_data_files_without_manifest()  # what goes into a wheel
    shipped = {Path(folder, name) for _, folder, _, names in found for name in names}
    for folder, pattern in (
        ("configs", "**/*.yaml"),
        ("analysis/published", "*.csv"),
        ("analysis/templates", "*"),
    ):
        assert {path.relative_to(ROOT) for path in (ROOT / folder).glob(pattern)} <= shipped


def test_configs_are_found_in_their_package():
    shipped = {path.name for path in Path(str(resources.files("modnav.configs"))).glob("*.yaml")}
    assert {path.name for path in (ROOT / "configs").glob("*.yaml")} == shipped
