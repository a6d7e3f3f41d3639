import re

import pytest

from modnav.cli import main
from modnav.commands import COMMANDS, LIGHTNING
from modnav.commands.configs import about, shipped_configs
from modnav.commands.pages import GROUPS, page

OWN = {"import", "resume", "seeds", "sweep", "cores", "help.all"}
"""Options that LightningCLI does not see."""


def test_every_command_is_in_the_overview_once(capsys):
    main(["--help"])
    shown = re.findall(r"^  (\S+) {2,}", capsys.readouterr().out, re.MULTILINE)
    assert sorted(shown) == sorted({**LIGHTNING, **COMMANDS})
    assert set(shown) == {name for names in GROUPS.values() for name in names}


@pytest.mark.parametrize("command", LIGHTNING)
def test_options_of_the_short_help_are_among_all(command, capsys):
    with pytest.raises(SystemExit):
        main([command, "--config", "modular", "--help.all"])
    every = set(re.findall(r"--([\w.]+)", capsys.readouterr().out))
    main([command, "--help"])
    shown = re.findall(r"^  --([\w.]+)", capsys.readouterr().out, re.MULTILINE)
    assert len(shown) >= 5
    for name in set(shown) - OWN:
        assert any(name.startswith(known) for known in every), name


def test_configs_have_a_line_each(capsys):
    main(["configs"])
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if line}
    for name, file in shipped_configs().items():
        text = about(file).removeprefix("Overlay: ")
        assert len(text) > 20
        assert lines[name].endswith(text)


def test_overlays_are_known_as_such():
    names = page("fit").partition("overlays: ")[2].split(", ")
    assert {"fast", "debug", "tasks/gain_range"} <= set(names)
    assert not {"modular", "train", "actors/actor1"} & set(names)


def test_the_version_is_told(capsys):
    main(["--version"])
    assert re.fullmatch(r"modnav \d+\.\d+\S*\n", capsys.readouterr().out)
