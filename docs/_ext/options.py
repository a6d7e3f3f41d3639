"""Options of every command, read from their parsers."""

import argparse
import re
from collections.abc import Iterator
from typing import Any, NoReturn

import jsonargparse

from modnav.commands import COMMANDS, load
from modnav.commands.training import ModnavCLI, run

SHOWN = "==SUPPRESS=="
"""What argparse calls a default that is none."""


class _Found(BaseException):  # no command takes it for a mistake of its user
    """Carries a parser out of the command that made it."""


class _Reader(ModnavCLI):
    def parse_arguments(self, parser: Any, args: Any) -> NoReturn:
        raise _Found(self._subcommand_parsers[self._command])


def lightning_parser(command: str) -> argparse.ArgumentParser:
    """Return the parser of ``fit``, ``validate``, ``test`` or ``predict``."""
    try:
        run([command], _Reader)
    except _Found as found:
        return found.args[0]
    raise AssertionError(f"{command} parsed nothing")


def command_parser(command: str) -> argparse.ArgumentParser:
    """Return the parser of another command: what it calls first is ``parse_args`` of it."""
    kept = argparse.ArgumentParser.parse_args

    def found(parser: argparse.ArgumentParser, *_: Any, **__: Any) -> NoReturn:
        raise _Found(parser)

    argparse.ArgumentParser.parse_args = found  # type: ignore[method-assign, assignment]  # for one call
    try:
        load(command)([])
    except _Found as found_:
        return found_.args[0]
    finally:
        argparse.ArgumentParser.parse_args = kept  # type: ignore[method-assign]  # as it was
    raise AssertionError(f"{command} parsed nothing")


def parsers() -> dict[str, argparse.ArgumentParser]:
    """Return the parsers of all commands that are not LightningCLI's, by name."""
    return {command: command_parser(command) for command in COMMANDS}


def class_parser(kind: type) -> argparse.ArgumentParser:
    """Return a parser with the arguments of a class, as a config may give them."""
    parser = jsonargparse.ArgumentParser()
    parser.add_class_arguments(kind, None)
    return parser


def rows(parser: argparse.ArgumentParser) -> Iterator[tuple[str, list[list[str]]]]:
    """Yield each group of options: its title, and for each option its name, kind, default and text."""
    for group in parser._action_groups:
        found = [_row(action) for action in group._group_actions if _is_option(action)]
        if found:
            yield group.title or "", found


def _is_option(action: argparse.Action) -> bool:
    told = "Path to a configuration file" in (action.help or "") and action.default == SHOWN
    linked = "-->" in action.dest
    return not (told or linked or action.dest == "help" or action.dest.endswith(".help"))


def _row(action: argparse.Action) -> list[str]:
    name = ", ".join(action.option_strings) or str(action.metavar or action.dest)
    told = _told(action)
    # what the kind or the text says already; it may be this machine's
    said = action.nargs == 0 or bool(re.search(r"\(default:|the default\)", told))
    return [f"`{name}`", kind_of(action), "" if said else _default(action.default), told]


def kind_of(action: argparse.Action) -> str:
    """Return what values an option takes, in the words of Python's type hints."""
    hint = getattr(action, "_typehint", None) or action.type
    if action.choices:
        text = ", ".join(map(str, action.choices))
    elif hint is None:
        text = "switch" if action.nargs == 0 else str(action.metavar or "text")
    else:
        text = _type(hint)
    many = action.option_strings and isinstance(action.nargs, str) and action.nargs in "+*"
    return f"`{text}`" + (", one or more" if many else "") if text else ""


def _type(hint: Any) -> str:
    text = str(getattr(hint, "__name__", "") if isinstance(hint, type) else hint)
    text = text.removeprefix("typing.").replace("Optional[", "None | [")
    text = re.sub(
        r"typing\.|collections\.abc\.|pathlib\.|\b(?:modnav|torch|lightning_fabric|pytorch_lightning)(?:\.\w+)*\.(?=[A-Z])",
        "",
        text,
    )
    text = re.sub(r"^None \| \[(.*)\]$", r"\1 | None", text)
    return re.sub(
        r"Literal\[([^\]]*)\]", lambda m: m[1].replace("'", "").replace(", ", " | "), text
    )


def _default(value: Any) -> str:
    if value is None or value == SHOWN or (value is False and value != 0):
        return ""
    if isinstance(value, dict):
        value = value.get("class_path", value)
    text = str(tuple(value) if isinstance(value, list) else value)
    return f"`{text}`" if text else ""


def _told(action: argparse.Action) -> str:
    text = " ".join((action.help or "").split()).replace("``", "`").replace("%%", "%")
    text = re.sub(r"%\((\w+)\)s", lambda m: str(getattr(action, m[1], "")), text)
    text = re.sub(r":\w+:`~?([^`]*)`", r"`\1`", text)
    return text.replace("|", "\\|").replace("<", "&lt;")


def table(found: list[list[str]]) -> list[str]:
    """Return rows as a table in Markdown."""
    lines = ["| option | kind | default | |", "|---|---|---|---|"]
    return [*lines, *("| " + " | ".join(_cell(x) for x in row) + " |" for row in found), ""]


def _cell(text: str) -> str:
    return re.sub(r"(?<!\\)\|", r"\\|", text)
