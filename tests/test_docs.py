"""Pages of the documentation, without building the site: names, commands, links, the list of pages."""

import argparse
import ast
import importlib
import re
import shlex
from itertools import pairwise
from pathlib import Path

import diagrams
import links
import mermaid
import options
import pytest
import reference

from modnav import build_agent
from modnav.commands import COMMANDS, LIGHTNING
from modnav.commands.configs import shipped_configs
from modnav.networks import ARCHITECTURES

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(file for file in DOCS.rglob("*.md") if "made" not in file.parts)
OF_CLI = {"--resume", "--import", "--seeds", "--sweep", "--cores", "--help.all", "--help"}
"""Options of ``modnav fit`` that are read before LightningCLI reads the others."""


def commands():
    """Each ``modnav ...`` of a fenced block, as words, with the page that has it."""
    for file in [ROOT / "README.md", *PAGES]:
        text = file.read_text(encoding="utf-8")
        blocks = re.findall(
            r"```(?:bash|\{code-cell\} ipython3\n%%bash)\n(.*?)```", text, re.DOTALL
        )
        for line in "\n".join(blocks).replace("\\\n", " ").splitlines():
            for part in line.split("&&"):
                words = shlex.split(part, comments=True)
                if words and Path(words[0]).name == "modnav":
                    yield file.name, words[1:]


@pytest.fixture(scope="module")
def parsers():
    found = options.parsers()
    return found | {"fit": options.lightning_parser("fit")}


def test_documented_commands_and_their_options_exist(parsers):
    found = list(commands())
    assert len(found) > 40
    for page, words in found:
        name = words[0]
        if name == "--version":
            continue
        assert name in {**COMMANDS, **LIGHTNING}, (page, words)
        known = parsers[name if name in COMMANDS else "fit"]._option_string_actions
        own = (
            words[1 : words.index("--")] if "--" in words else words[1:]
        )  # Snakemake's come after
        given = [word.partition("=")[0] for word in own if word.startswith("--")]
        unknown = [
            x for x in given if x not in known and x not in OF_CLI and ".init_args." not in x
        ]
        assert not unknown, f"{page}: modnav {' '.join(words)}: {unknown}"


def test_documented_configs_exist():
    known = shipped_configs()
    for page, words in commands():
        named = [after for word, after in pairwise(words) if word == "--config"]
        assert all(name in known for name in named if name.islower()), (page, words)


def test_every_public_name_is_in_the_reference():
    for face in reference.FACES:
        module, text = importlib.import_module(face), reference.page(face)
        handed_on = getattr(module, "__all__", None) or [
            name for part in reference._files(module) for name in part.__all__
        ]
        missing = [
            x for x in handed_on if hasattr(module, x) and not re.search(rf"{face}.{x}\b", text)
        ]
        assert not missing, (face, missing)


def test_every_face_is_in_the_reference():
    layout = importlib.import_module("layout")
    faces = {name for name, file in layout.modules().items() if file.name == "__init__.py"}
    left_out = {x for x in faces if x.startswith("modnav.commands")} | {"modnav.analysis.figures"}
    assert faces - left_out <= set(reference.FACES)
    listed = set(
        re.findall(r"^made/api/(\S+)$", (DOCS / "reference.md").read_text("utf-8"), re.MULTILINE)
    )
    assert listed == set(reference.FACES)


def test_every_page_is_in_a_toctree():
    trees = [
        (file, tree)
        for file in PAGES
        for tree in re.findall(r"```\{toctree\}\n(.*?)```", file.read_text("utf-8"), re.DOTALL)
    ]
    listed = {
        (file.parent / line).with_suffix(".md")
        for file, tree in trees
        for line in tree.splitlines()
        if line and not line.startswith((":", "made/"))
    }
    assert listed == {file for file in PAGES if file != DOCS / "index.md"}


@pytest.mark.parametrize("file", [ROOT / "README.md", *PAGES], ids=lambda file: file.stem)
def test_links_to_files_lead_somewhere(file):
    text = re.sub(r"```(python|bash).*?```", "", file.read_text(encoding="utf-8"), flags=re.DOTALL)
    found = re.findall(r"\]\(([^)\s]+)\)|^```\{(?:figure|include)\} (\S+)", text, re.MULTILINE)
    for link in filter(None, (a or b for a, b in found)):
        if not links.is_outside(link) and not link.startswith(("#", "made/")):
            assert (file.parent / link.partition("#")[0]).exists(), link


@pytest.mark.parametrize("file", [ROOT / "README.md", *PAGES], ids=lambda file: file.stem)
def test_python_in_pages_imports_what_there_is(file):
    text = file.read_text(encoding="utf-8")
    for code in re.findall(r"```(?:python|\{code-cell\} ipython3)\n(.*?)```", text, re.DOTALL):
        if re.search(r"^%%(?!writefile .*\.py$)", code, re.MULTILINE):
            continue  # a cell in another language
        lines = [x for x in code.splitlines() if not x.startswith((":tags:", "%%"))]
        for node in ast.walk(ast.parse("\n".join(lines))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("modnav"):
                module = importlib.import_module(node.module)
                for alias in node.names:
                    name = f"{node.module}.{alias.name}"
                    assert hasattr(module, alias.name) or importlib.import_module(name), name


def test_agents_are_drawn_as_they_are():
    for name in ARCHITECTURES:
        agent = build_agent(name)
        picture = diagrams.drawn(agent)
        layers = [x for x in agent.actor.modules() if type(x).__name__ in ("LSTM", "Linear")]
        assert len(layers) == len(re.findall(r"LSTM|ReLU|linear", picture.split(">critic<")[0]))
        enters = "input + action" if agent.critic.first.action_enters == "belief" else ">+ action<"
        assert (
            enters.replace("input", "filter" if "filter + action" in picture else "input")
            in picture
        )


def test_a_graph_has_each_box_below_what_points_to_it():
    picture = mermaid.drawn("a[one]\nb[two]\nc[<three>]\na --> b\nb --> c\na --> c\n")
    heights = dict(re.findall(r'y="([\d.]+)">(one|two|&lt;three&gt;)<', picture))
    assert [heights[y] for y in sorted(heights, key=float)] == ["one", "two", "&lt;three&gt;"]
    assert picture.count("<path") == 3


def test_the_link_checker_finds_what_is_missing(tmp_path):
    (tmp_path / "b.html").write_text('<p id="here"></p>', encoding="utf-8")
    text = '<a href="b.html#here"></a><a href="b.html#gone"></a><img src="x.png"><a href="https://x.org/">'
    (tmp_path / "a.html").write_text(text, encoding="utf-8")
    pages = links.read_site(tmp_path)
    assert [line.split(": ")[1:] for line in links.broken(pages)] == [
        ["b.html#gone", "no such anchor"],
        ["x.png", "no such file"],
    ]
    assert links.outside(pages) == {"https://x.org/"}
    assert links.main(tmp_path) == 1


def test_kinds_of_options_are_told_in_short():
    parser = argparse.ArgumentParser()
    switch = parser.add_argument("--all", action="store_true")
    assert options.kind_of(switch) == "`switch`"
    some = parser.add_argument("--gain", type=float, nargs="+")
    assert options.kind_of(some) == "`float`, one or more"
