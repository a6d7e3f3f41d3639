"""Which kinds of values an option takes, read from what jsonargparse says of one that it refused."""

import re
from collections.abc import Iterator

__all__ = ["expected", "literals"]

KINDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "str": "a text",
    "list": "a list",
    "tuple": "a list",
    "Sequence": "a list",
    "Iterable": "a list",
    "dict": "a mapping",
    "NoneType": "null",
    "Seed": "a whole number from 0 to 4,294,967,295",
}
"""Types of Python as a configuration has them."""

_MANY = {"list", "tuple", "List", "Tuple", "Sequence", "Iterable"}
_ADDRESS = re.compile(r"[A-Za-z_]\w*(\.\w+)*")


def expected(text: str) -> str | None:
    """Return the kinds of values, or the words, that a message says there may be.

    Args:
        text: What is said of one value: of a union its ``Subtypes``, else what was expected.
    """
    kinds = list(dict.fromkeys(_described(x) for x in _types(text)))
    if {"a number", "a whole number"} <= set(kinds):
        kinds.remove("a whole number")
    kinds.sort(key=lambda kind: kind == "null")
    kinds.sort(key=lambda kind: kind == KINDS["bool"])
    words = [*literals(text), *filter(None, kinds)]
    return " or ".join(filter(None, (", ".join(words[:-1]), *words[-1:]))) or None


def literals(text: str) -> list[str]:
    """Return the words that there may be."""
    found = [x for x in _types(text) if x.startswith("typing.Literal[")]
    words = [word.strip(" '\"") for x in found for word in x[15:-1].split(",")]
    return list(dict.fromkeys(words))


def _types(text: str) -> list[str]:
    """Return the types as Python writes them."""
    if found := re.search(r"Subtypes: \[(.*?)\] Errors:", text):
        return list(_parts(found[1]))
    if found := re.search(r"Expected an? (typing\.Literal\[[^\]]*\]|<class '[\w.]+'>)", text):
        return [found[1]]
    if found := re.search(r"Expected a tuple with (\d+) elements", text):
        return [f"tuple[{', '.join(['object'] * int(found[1]))}]"]
    return ["class"] if re.search("Expected an? (dot )?import path", text) else []


def _described(kind: str) -> str:
    """Return what a type is in a configuration; nothing of words, told one by one, and tensors."""
    if kind.startswith("typing.Literal["):
        return ""
    if kind == "class":
        return "a class by its name"
    address = kind.removeprefix("<class '").removesuffix("'>")
    whole, _, inside = address.partition("[")
    name = whole.rpartition(".")[2]
    if name in _MANY and inside:
        return _list(list(_parts(inside[:-1])))
    if name in KINDS:
        return KINDS[name]
    if whole == "torch.Tensor":
        return ""  # of optimizers' learning rates; no configuration can have one
    return f"a class that inherits {_room(whole)}" if _ADDRESS.fullmatch(whole) else "a class"


def _list(inside: list[str]) -> str:
    """Return what a list of such types is."""
    named = inside[0].removeprefix("<class '").removesuffix("'>")
    things = {"float": "numbers", "int": "numbers", "str": "texts"}.get(named, "")
    if len(inside) > 1 and inside[-1] != "...":
        return f"a list of {len(inside)} {things or 'values'}"
    if not things and "." in named and _ADDRESS.fullmatch(named):
        things = f"classes that inherit {_room(named)}"
    return f"a list of {things}" if things else "a list"


def _room(address: str) -> str:
    """Return where users find a class: of ours the folder, of others its name alone."""
    parts = address.split(".")
    return ".".join((*parts[:2], parts[-1])) if parts[0] == "modnav" else parts[-1]


def _parts(text: str) -> Iterator[str]:
    """Yield what stands between commas, but not within brackets."""
    depth, begun = 0, 0
    for k, letter in enumerate(text):
        depth += (letter in "[<(") - (letter in "]>)")
        if letter == "," and not depth:
            yield text[begun:k].strip()
            begun = k + 1
    yield text[begun:].strip()
