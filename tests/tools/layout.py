"""What imports what, read from the sources: rooms (folders) and files, and a picture of the rooms.

``python tests/tools/layout.py`` writes the picture of docs/architecture.md anew, in Mermaid's language.
"""

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[2]
PLACES = {"modnav": "modnav", "modnav.callbacks": "callbacks", "modnav.analysis": "analysis"}
"""Folder of each package that lies at the top of the repository."""


def modules() -> dict[str, Path]:
    """Return the file of each module, faces included."""
    found = {}
    for package, folder in PLACES.items():
        for file in sorted((ROOT / folder).rglob("*.py")):
            parts = file.relative_to(ROOT / folder).with_suffix("").parts
            parts = parts[:-1] if parts[-1] == "__init__" else parts
            found[".".join((package, *parts))] = file
    return found


def imports(file: Path, module: str, *, lazy: bool = True) -> set[str]:
    """Return every module that a file imports, by absolute name.

    Args:
        file: The file.
        module: Its name.
        lazy: Whether imports inside of functions count too.
    """
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    tree = ast.parse(file.read_text(encoding="utf-8"))
    found: set[str] = set()
    for node in ast.walk(tree) if lazy else tree.body:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= set(_from(node, package))
    return found


def _from(node: ast.ImportFrom, package: str) -> Iterator[str]:
    above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
    base = ".".join([*above, *([node.module] if node.module else [])])
    yield base
    for alias in node.names:  # a name may be a module
        yield f"{base}.{alias.name}"


def room(module: str, known: dict[str, Path]) -> str:
    """Return the room of a module: its folder, or itself at the top of ``modnav``."""
    if known[module].name == "__init__.py":
        return module
    package = module.rpartition(".")[0]
    return module if package == "modnav" else package


def room_arrows() -> dict[str, set[str]]:
    """Return the rooms that each room imports."""
    known = modules()
    arrows: dict[str, set[str]] = {room(module, known): set() for module in known}
    for module, file in known.items():
        for name in imports(file, module) & known.keys():
            here, there = room(module, known), room(name, known)
            if here != there and not here.startswith(there + "."):
                arrows[here].add(there)
    return arrows


def file_arrows() -> dict[str, set[str]]:
    """Return the files that each file imports when it is imported; a face is a file too."""
    known = modules()
    arrows = {}
    for module, file in known.items():
        found = imports(file, module, lazy=False) & known.keys()
        inside = {name for name in found if name.startswith(module + ".")}
        above = {name for name in found if module.startswith(name + ".")}
        arrows[module] = (inside if file.name == "__init__.py" else found - above) - {module}
    return arrows


def order(arrows: dict[str, set[str]]) -> list[str]:
    """Return all names, those that others import first.

    Raises:
        graphlib.CycleError: If there is a circle; it names its members.
    """
    return list(TopologicalSorter(arrows).static_order())


def without_shortcuts(arrows: dict[str, set[str]]) -> dict[str, set[str]]:
    """Return the arrows that no longer way replaces."""

    def below(name: str) -> set[str]:
        return arrows[name].union(*(below(other) for other in arrows[name]))

    return {
        name: others - set().union(*(below(other) for other in others))
        for name, others in arrows.items()
    }


def picture() -> str:
    """Return the rooms and the arrows between them; ways that others imply are left out."""
    arrows = without_shortcuts(room_arrows())

    def node(name: str) -> str:
        return name.replace(".", "_")

    lines = ["graph TD"]
    for package in ("modnav", "modnav.analysis"):
        inside = [x for x in arrows if x.startswith("modnav.analysis") == (package != "modnav")]
        lines.append(f"  subgraph {node(package)}_ [{package}]")
        lines += [f"    {node(x)}[{x.removeprefix(package + '.')}]" for x in sorted(inside)]
        lines.append("  end")
    lines += [
        f"  {node(name)} --> {node(other)}"
        for name in sorted(arrows)
        for other in sorted(arrows[name])
    ]
    return "\n".join(lines)


def write_picture() -> None:
    """Write the picture into the page that shows it."""
    page = ROOT / "docs" / "architecture.md"
    before, _, rest = page.read_text(encoding="utf-8").partition("```mermaid\n")
    after = rest.partition("\n```\n")[2]
    page.write_text(f"{before}```mermaid\n{picture()}\n```\n{after}", encoding="utf-8")


if __name__ == "__main__":
    write_picture()
