"""How options are refused: in one line, with key, value and rule."""

import argparse
import difflib
import re
import shlex
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NoReturn

from typing_extensions import override

__all__ = ["Parser", "nearest", "told", "with_nearest_key"]

OWN = re.compile(r"[\w.]+ is [^;\n]*; it must be [^\n]*")
"""What our own checks say of a value."""

_KEY = re.compile(r'Parser key "([\w.]+)":')
_CAUSES = (
    (r"No module named '([\w.]+)'", "Python finds no module {0}"),
    (r"module '([\w.]+)' has no attribute '(\w+)'", "{0} has no {1}"),
    (r"Option '([\w.]+)' is not accepted", "it takes no {0}"),
    (r"arguments are required: ([\w., ]+?) (?:Given|- )", "it must be given {0}"),
    (r"not correspond to a subclass of (\w+)", "it must be a class that inherits {0}"),
    (r"class, but is abstract", "it lacks a method that its base wants"),
    (
        r"Unable to load config",
        "it must be a mapping of its options, such as {{name: value}}, or a YAML file",
    ),
    (r"conform to restriction v>=(\d+) and v<=(\d+)", "it must be a whole number from {0} to {1}"),
)
"""What jsonargparse says of classes, sections and ranges, and how it is told."""

_VALUES = (
    r"(?:Given|Got) value:(?! (?:Namespace|NestedArg)\()(.*?)(?=\.? Got value:| Given value| - |$)",
    r"given class_path '([\w.]+)'",
    r"Expected a dot import path string: ?(\S*)",
    r"Expected a path but (.+?) either not",
    r"Unable to load config ['\"](.*?)['\"](?: - |$)",
)
"""Where it says which value was refused."""


class Parser(argparse.ArgumentParser):
    """Parser that reports a mistake as ``ValueError``, which the command line prints."""

    @override
    def error(self, message: str) -> NoReturn:
        raise ValueError(f"{self.prog}: {message}")


def nearest(word: str, known: Iterable[str], where: str = "") -> str:
    """Return the question whether the nearest of some words, after ``where``, was meant; empty if none is near."""
    near = difflib.get_close_matches(word, list(known), 1)
    return f"; did you mean {where}{near[0]}?" if near else ""


def with_nearest_key(message: str, known: Sequence[str]) -> str:
    """Return a message about keys that are not known, with the nearest that is."""
    found = re.search(r"(?:unrecognized arguments: --|[Kk]ey ['\"]|option ['\"])([\w.]+)", message)
    if not found or found[1] in known:
        return message
    begun = next((f"; did you mean {key}?" for key in known if key.startswith(found[1])), "")
    meant = begun or nearest(found[1], known)
    return f"{found[1]} is not known{meant}" if meant else message


def told(text: str, command: str = "") -> str:
    """Return a message in one line; what a word may have been meant for depends on the command.

    Where a value may be of several kinds, jsonargparse tells of each that did not fit, in a page.
    What our own check said of the value is enough, or what was wrong with the class it names.
    """
    if "Union subtypes" in text and (rule := OWN.search(text)):
        return rule.group()
    line = " ".join(text.split())
    last = _KEY.split(line)[-1]
    values = next((found for form in _VALUES if (found := re.findall(form, last))), None)
    if (key := _key(line)) and values and (why := _cause(line) or _kinds(last, values[-1])):
        return f"{key} is {values[-1].strip() or 'empty'}; {why}"
    if made := re.search(r"Errors: (.*) Given value type.*class_path='([\w.]+)'", line):
        said = [x for x in made[1].split("- ") if x and not x.startswith("Expected")]
        return f"{made[2]} cannot be made: {said[0].strip()}" if said else line
    return _of_words(line, command)


def _key(line: str) -> str:
    """Return the key of the value that was refused; those of classes are told without their class's."""
    found = ""
    for key in _KEY.findall(line):
        whole = not found or key == found or key.startswith(f"{found}.")
        found = key if whole else f"{found}.{key}"
    return found


def _cause(line: str) -> str | None:
    for form, why in _CAUSES:
        if found := re.search(form, line):
            meant = (
                nearest(found[2], dir(sys.modules.get(found[1]))) if "attribute" in form else ""
            )
            return why.format(*found.groups()) + meant
    return None


def _kinds(last: str, value: str) -> str | None:
    """Return which kinds of values, or which words, there may be, and the nearest of these."""
    found = re.search(r"Subtypes: \[(.*?)\] Errors:", last) or re.search(
        r"Expected an? (typing\.Literal\[[^\]]*\]|<class '[\w.]+'>|(?:dot )?import path)", last
    )
    if not found:
        return None
    text = re.sub(r"typing\.Literal\[([^\]]*)\]|<class '([\w.]+)'>", r"\1\2", found[1])
    text = text.replace("'", "").replace("NoneType", "null")
    text = re.sub("(dot )?import path", "a class by its name", text)
    text = re.sub(r"(modnav\.\w+)\.[\w.]*\.(\w+)", r"\1.\2", text)  # of ours the folder
    one_of = "one of " * found.re.pattern.startswith("Subtypes")
    return f"it must be {one_of}{text}" + nearest(value, re.findall(r"[\w.]+", text))


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
