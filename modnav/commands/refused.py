"""How options are refused: in one line, with key, value and rule."""

import argparse
import difflib
import re
import sys
from typing import NoReturn

from typing_extensions import override

__all__ = ["Parser", "told"]

OWN = re.compile(r"[\w.]+ is [^;\n]*; it must be [^\n]*")
"""What our own checks say of a value."""

KINDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "str": "a text",
    "list": "a list",
    "tuple": "a list",
    "Sequence": "a list",
    "dict": "a mapping",
    "NoneType": "null",
}


class Parser(argparse.ArgumentParser):
    """Parser that reports a mistake as ``ValueError``, which the command line prints."""

    @override
    def error(self, message: str) -> NoReturn:
        raise ValueError(f"{self.prog}: {message}")


def told(text: str) -> str:
    """Return a message in one line.

    Where a value may be of several kinds, jsonargparse tells of each that did not fit, in a page.
    What our own check said of the value is enough, or what was wrong with the class it names.
    """
    if "Union subtypes" in text and (rule := OWN.search(text)):
        return rule.group()
    line = " ".join(text.split())
    key = ".".join(re.findall(r'Parser key "([\w.]+)"', line))
    if key and (why := _of_class(line) or _of_kind(line)):
        return f"{key} is {_value(line)}; {why}"
    made = re.search(r"Errors: (.*) Given value type.*class_path='([\w.]+)'", line)
    said = [x for x in made[1].split("- ") if x and not x.startswith("Expected")] if made else []
    return f"{made[2]} cannot be made: {said[0].strip()}" if made and said else line


def _value(line: str) -> str:
    """Return the value that was refused; of a class that was given arguments, its name."""
    forms = (
        r"Got value: (.+?)(?: - Expected| Given value|$)",
        r"Expected a path but (\S+) either",
        r"given class_path '([\w.]+)': (?!Parser)",
        r"Given value: (.*)",
    )
    found = (re.search(form, line) for form in forms)
    return next((x[1] for x in found if x), "empty")


def _of_class(line: str) -> str | None:
    """Return what is wrong with a class that was named, or with its arguments."""
    if found := re.search(r"module '([\w.]+)' has no attribute '(\w+)'", line):
        near = difflib.get_close_matches(found[2], dir(sys.modules.get(found[1])), 1)
        return f"{found[1]} has no {found[2]}" + (f"; did you mean {near[0]}?" if near else "")
    if found := re.search(r"No module named '([\w.]+)'", line):
        return f"Python finds no module {found[1]}"
    if found := re.search(r"Option '([\w.]+)' is not accepted", line):
        return f"it takes no {found[1]}"
    if found := re.search(r"arguments are required: ([\w., ]+?) (?:Given|- )", line):
        return f"it must be given {found[1]}"
    if found := re.search(r"does not correspond to a subclass of (\w+)", line):
        base = re.search(rf"<class '([\w.]+)\.{found[1]}'>", line)
        room = ".".join(base[1].split(".")[:2]) + "." if base else ""  # the folder, not the file
        return f"it must be a class that inherits {room}{found[1]}"
    if "Expected an instantiatable class, but is abstract" in line:
        return "it lacks a method that its base wants"
    return None


def _of_kind(line: str) -> str | None:
    """Return which kinds of values, or which words, there may be."""
    inner = re.search(r'Parser key "\w+": (Expected a <class .*?Got value)', line)
    kinds = re.findall(r"Expected a <class '(?:[\w.]+\.)?(\w+)'>", inner[1] if inner else line)
    words = re.search(r"Expected a typing\.Literal\[([^\]]*)\]", line)
    names = words[1].replace("'", "").split(", ") if words and not inner else []
    some = list(dict.fromkeys([*names, *(KINDS.get(kind, kind) for kind in kinds)]))
    if "Expected a dot import path" in line and not inner:
        some.append("a class of your own")
    return (
        "it must be " + " or ".join(filter(None, (", ".join(some[:-1]), *some[-1:])))
        if some
        else None
    )
