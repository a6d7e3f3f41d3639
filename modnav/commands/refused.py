"""How options are refused: in one line, with key, value and rule."""

import argparse
import difflib
import re
import shlex
import sys
from pathlib import Path
from typing import NoReturn

from typing_extensions import override

from .kinds import expected, literals

__all__ = ["Parser", "told"]

OWN = re.compile(r"[\w.]+ is [^;\n]*; it must be [^\n]*")
"""What our own checks say of a value."""

ROOMS = (
    *(f"modnav.{room}" for room in ("networks", "task", "acting", "learning", "callbacks")),
    "torch.optim",
    "pytorch_lightning.callbacks",
    "pytorch_lightning.loggers",
)
"""Where classes are that options name."""

_KEY = re.compile(r'Parser key "([\w.]+)":')


class Parser(argparse.ArgumentParser):
    """Parser that reports a mistake as ``ValueError``, which the command line prints."""

    @override
    def error(self, message: str) -> NoReturn:
        raise ValueError(f"{self.prog}: {message}")


def told(text: str, command: str = "") -> str:
    """Return a message in one line; what a word may have been meant for depends on the command.

    Where a value may be of several kinds, jsonargparse tells of each that did not fit, in a page.
    What our own check said of the value is enough, or what was wrong with the class it names.
    """
    if "Union subtypes" in text and (rule := OWN.search(text)):
        return rule.group()
    line = " ".join(text.split())
    made = re.search(r"Errors: (.*) Given value type.*class_path='([\w.]+)'", line)
    said = [x for x in made[1].split("- ") if x and not x.startswith("Expected")] if made else []
    key, value = _key(line), _value(line)
    if key and value and (why := _of_class(line) or _of_section(line) or _of_kind(line, value)):
        return f"{key} is {value}; {why}"
    return (
        f"{made[2]} cannot be made: {said[0].strip()}"
        if made and said
        else _of_words(line, command)
    )


def _key(line: str) -> str:
    """Return the key of the value that was refused; those of classes are told without their class's."""
    found = ""
    for key in _KEY.findall(line):
        whole = not found or key == found or key.startswith(f"{found}.")
        found = key if whole else f"{found}.{key}"
    return found


def _of_words(line: str, command: str) -> str:
    """Return what argparse says of words in which it finds no option, or no value of one."""
    if found := re.fullmatch(r"argument (--[\w.]+)[^:]*: expected one argument", line):
        return f"{found[1]} has no value; it must be followed by one"
    if found := re.fullmatch(r"unrecognized arguments: ([^-].*)", line):
        why = "a value with spaces or brackets must be in quotes"
        if " " not in found[1] and (flag := _flag_of(found[1], command)):
            why = f"did you mean {flag} {shlex.quote(found[1])}?"
        return f"{found[1]} is no option; {why}"
    if re.search(r"arguments are required: (\w+\.)?model\.actor\b[\w., ]*$", line):
        return f"{line}; an agent is chosen by --config NAME, and `modnav configs` lists them"
    return line


def _flag_of(word: str, command: str) -> str | None:
    """Return the option that a word without one may be the value of."""
    from .configs import shipped_configs  # it takes the parser from here

    if word.endswith((".yaml", ".yml")) or word in shipped_configs():
        return "--config"
    if word.endswith(".ckpt") or Path(word).is_dir():
        return "--resume" if command == "fit" else "--ckpt_path"
    return None


def _value(line: str) -> str | None:
    """Return the value that was refused; of a class that was given arguments, its name.

    None if it is not found, as another version of jsonargparse may word it otherwise.
    """
    last = _innermost(line)
    forms = (
        (r"given class_path '([\w.]+)': (?!Parser)", line),
        (r"Subtypes: .*?Given value: (.+?)(?:\. Got value: Namespace| - Expected a| Given value|$)", last),
        (r"Got value:(?! Namespace)(.*?)(?:\. Got value| - Expected| Given value|$)", last),
        (r"Got value: Namespace\(class_path='([\w.]+)'", line),
        (r"Expected a path but (.+?) either not", line),
        (r"Unable to load config '(.*?)' - ", line),
        (r"Given value:(.*)", line),
        (r"Expected a dot import path string: ?(\S*)", line),
    )  # fmt: skip
    found = (re.search(form, where) for form, where in forms)
    value = next((x[1].strip() for x in found if x), None)
    return (
        None
        if value is None
        else {"None": "null", "True": "true", "False": "false", "": "empty"}.get(value, value)
    )


def _innermost(line: str) -> str:
    """Return what is said of the innermost value, without other kinds that the outer ones have."""
    last = _KEY.split(line)[-1]
    ended = re.match(r" Expected .*?Got value: .+?(?= - Expected a <class)", last)
    return ended[0] if ended else last


def _of_class(line: str) -> str | None:
    """Return what is wrong with a class that was named, or with its arguments."""
    if found := re.search(r"module '([\w.]+)' has no attribute '(\w+)'", line):
        module = sys.modules.get(found[1])
        names = [x for x in dir(module) if isinstance(getattr(module, x, None), type)]
        near = difflib.get_close_matches(found[2], names, 1)
        file = getattr(module, "__file__", None)
        where = f"{found[1]} ({file})" if file and not near else found[1]
        return f"{where} has no {found[2]}" + (f"; did you mean {near[0]}?" if near else "")
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


def _of_section(line: str) -> str | None:
    """Return what is wrong with what was given in place of several options."""
    last = _innermost(line)
    if "Unable to load config" not in last:
        return None
    if "while parsing" in last or "while scanning" in last:
        return "it is no YAML: a bracket, a quote or a colon is missing or too many"
    return "it must be a mapping of its options, such as {name: value}, or a YAML file of them"


def _of_kind(line: str, value: str) -> str | None:
    """Return which kinds of values, or which words, there may be, and the nearest of these."""
    last = _innermost(line)
    kinds = expected(last)
    if kinds is None:
        return None
    near: list[str] = difflib.get_close_matches(value, literals(last), 1)
    if not near and "Expected a dot import path" in last:
        near = _near_classes(value)
    return f"it must be {kinds}" + (f"; did you mean {near[0]}?" if near else "")


def _near_classes(name: str) -> list[str]:
    """Return the class, among those that options name, whose name is nearest to a word."""
    known = {
        word: f"{room}.{word}"
        for room in reversed(ROOMS)
        if room in sys.modules
        for word, kind in vars(sys.modules[room]).items()
        if isinstance(kind, type) and not word.startswith("Abstract")
    }
    return [known[x] for x in difflib.get_close_matches(name.rpartition(".")[2], known, 1, 0.8)]
