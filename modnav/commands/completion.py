"""``modnav completion``: a script with which bash and zsh complete commands, options and configs."""

import io
import re
from collections.abc import Sequence
from contextlib import redirect_stdout, suppress

from . import COMMANDS, LIGHTNING, load
from .configs import shipped_configs
from .pages import page
from .refused import Parser

SCRIPT = """\
_modnav() {{
  local cur="${{COMP_WORDS[COMP_CWORD]}}" prev="${{COMP_WORDS[COMP_CWORD-1]}}" words=""
  if [ "$COMP_CWORD" -eq 1 ]; then
    words="{commands}"
  elif [ "$prev" = --config ]; then
    words="{configs}"
  elif [[ "$cur" == -* ]]; then
    case "${{COMP_WORDS[1]}}" in
{cases}
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}}
complete -o default -o bashdefault -F _modnav modnav
"""

ZSH = "autoload -U +X compinit bashcompinit && compinit && bashcompinit\n"


def main(args: Sequence[str]) -> None:
    """Print the script."""
    parser = Parser(
        prog="modnav completion",
        description="Print a script that completes commands, options and names of configs: "
        'eval "$(modnav completion bash)", or into a file that the shell reads at its start.',
        allow_abbrev=False,
    )
    parser.add_argument("shell", choices=("bash", "zsh"), help="shell that reads it")
    shell = parser.parse_args(args).shell
    print((ZSH if shell == "zsh" else "") + script(), end="")


def script() -> str:
    """Return the script; it takes a few seconds, as every command is asked for its options."""
    options = {name: _options(name) for name in (*LIGHTNING, *COMMANDS)}
    cases = [f'      {name}) words="{" ".join(words)}" ;;' for name, words in options.items()]
    return SCRIPT.format(
        commands=" ".join([*options, "--help", "--version"]),
        configs=" ".join(shipped_configs()),
        cases="\n".join(cases),
    )


def _options(command: str) -> list[str]:
    """Return the options that the help of a command tells of."""
    if command in LIGHTNING:
        told = page(command)
    else:
        out = io.StringIO()
        with redirect_stdout(out), suppress(SystemExit):
            load(command)(["--help"])
        told = out.getvalue()
    return list(dict.fromkeys([*re.findall(r"(?<![\w-])--[a-z][\w.-]*", told), "--help"]))
