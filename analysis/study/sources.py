"""What a result depends on in code: the sources of modules and of all that they import."""

import ast
import hashlib
import sys
from collections.abc import Iterator
from functools import cache, lru_cache
from importlib.util import find_spec, resolve_name
from pathlib import Path

__all__ = ["hashed", "sources_of"]


def hashed(*texts: str) -> str:
    """Return a short text that tells some texts from all others."""
    return hashlib.blake2b("\n".join(texts).encode(), digest_size=16).hexdigest()


@lru_cache(maxsize=64)
def sources_of(*modules: str) -> str:
    """Return a text that changes with the source of some modules, or of one that they import.

    Followed are imports of modnav and of the packages of ``modules``, in sub-folders too, and also
    those inside functions. ``from package import name`` is the module of that name if there is one,
    else the package, which is its face.

    Raises:
        ValueError: If one of the modules has no source.
    """
    packages = {"modnav", *map(_package, modules)}
    found: dict[str, str] = {}
    todo = list(modules)
    while todo:
        name = todo.pop()
        file = None if name in found else _file(name)
        if file is None:
            if name in modules and name not in found:
                raise ValueError(f"{name} has no source; what makes a result must be in a file")
            continue
        found[name] = file.read_text(encoding="utf-8")
        inside = name if file.name == "__init__.py" else name.rpartition(".")[0]
        for base, part in _imports(found[name], inside):
            if _package(base) in packages:
                whole = f"{base}.{part}"
                todo.append(whole if part and _file(whole) else base)
    return hashed(*(f"{name}\n{found[name]}" for name in sorted(found)))


def _package(module: str) -> str:
    return module.partition(".")[0]


def _imports(source: str, package: str) -> Iterator[tuple[str, str]]:
    """Yield each import as a module and the name that is taken from it, which may be empty."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = resolve_name("." * node.level + (node.module or ""), package)
            yield from ((base, alias.name) for alias in node.names)


@cache
def _file(module: str) -> Path | None:
    """Return the file of a module; None if there is no such module, or no source of it."""
    loaded = sys.modules.get(module)
    if loaded is None:
        try:
            spec = find_spec(module)
        except ImportError:  # a name of a module that is no package
            return None
        origin = spec.origin if spec else None
    else:
        origin = getattr(loaded, "__file__", None)
    return Path(origin) if origin and origin.endswith(".py") else None
