"""Configurations in YAML, from anywhere: only plain values, and not without end."""

import re
from pathlib import Path
from typing import Any

import yaml

from .pickles import refuse_endless

__all__ = ["parse_yaml", "plain_values", "read_yaml"]

LARGEST_BYTES = 1_000_000
"""Size above which a file is not taken for a configuration."""

_NUMBERS = {
    "int": r"[-+]?(0|[1-9][0-9_]*)|0x[0-9a-fA-F]+",
    "float": r"[-+]?([0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)([eE][-+]?[0-9]+)?"
    r"|[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
}
"""What is a number; YAML 1.1 also has 1:30 for 90, 010 for 8, and not 1e-3."""


def plain_values(loader: Any) -> None:
    """Let a class that loads YAML take values only as everybody would read them.

    What looks like a number to few is a text, which is no value where a number is due. A key that
    is there twice in a mapping is refused, where YAML takes the last.
    """
    resolvers = {
        first: [(tag, rule) for tag, rule in rules if tag.rpartition(":")[2] not in _NUMBERS]
        for first, rules in loader.yaml_implicit_resolvers.items()
    }
    loader.yaml_implicit_resolvers = resolvers
    for name, rule in _NUMBERS.items():
        whole = re.compile(f"(?:{rule})$")
        loader.add_implicit_resolver(f"tag:yaml.org,2002:{name}", whole, list("-+0123456789."))
    loader.construct_document = _construct_document


def _construct_document(loader: Any, node: Any) -> Any:
    _refuse_twice(node, set())
    return yaml.constructor.BaseConstructor.construct_document(loader, node)


def _refuse_twice(node: Any, seen: set[int]) -> None:
    """Refuse keys that are there twice in a mapping below a node; what it merges (``<<``) is none."""
    if id(node) in seen or isinstance(node, yaml.ScalarNode):
        return
    seen.add(id(node))
    mapping, there = isinstance(node, yaml.MappingNode), set()
    keys = [key for key, _ in node.value] if mapping else []
    for key in (key for key in keys if isinstance(key, yaml.ScalarNode)):
        if (key.tag, key.value) in there:
            problem = f"{key.value} is there twice, line {key.start_mark.line + 1}"
            raise yaml.constructor.ConstructorError(problem=problem)
        there.add((key.tag, key.value))
    for part in node.value:
        for child in part if mapping else (part,):
            _refuse_twice(child, seen)


class _Loader(yaml.SafeLoader):
    """Plain values."""


plain_values(_Loader)


def parse_yaml(text: str) -> dict[str, Any]:
    """Read a configuration from a text; no tag in it is obeyed.

    Raises:
        ValueError: If it is damaged, endless, or no mapping.
    """
    try:
        content = yaml.load(text, _Loader)
        refuse_endless(content)
        if isinstance(content, dict):
            return content
    except yaml.constructor.ConstructorError as error:
        raise ValueError(error.problem or "it is no YAML mapping") from error
    except (yaml.YAMLError, TypeError, RecursionError) as error:
        raise ValueError("it is no YAML mapping") from error
    raise ValueError("it is no YAML mapping")


def read_yaml(path: Path, what: str = "the configuration of a run") -> dict[str, Any]:
    """Read a configuration; no tag in it is obeyed.

    Args:
        path: The file.
        what: What it is, for messages.

    Raises:
        ValueError: If it is no regular file, too large, damaged, endless, or no mapping; the
            message is one line.
    """
    try:
        if not path.is_file():
            raise ValueError("it is not a regular file")
        if path.stat().st_size > LARGEST_BYTES:
            raise ValueError(f"it is larger than {LARGEST_BYTES:,} bytes")
        return parse_yaml(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = f": {error}" if type(error) is ValueError else ""
        raise ValueError(f"{path} is not {what}{reason}") from error
