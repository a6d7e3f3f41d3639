"""The script of `modnav completion` in a real bash."""

import shutil
import subprocess

import pytest

from modnav.cli import main
from modnav.commands import COMMANDS, LIGHTNING


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
def test_bash_completes_commands_options_and_configs(capsys, tmp_path):
    main(["completion", "bash"])
    script = tmp_path / "completion.sh"
    script.write_text(capsys.readouterr().out)

    def completed(*words: str) -> list[str]:
        typed = " ".join(f"'{word}'" for word in words)
        ask = f"COMP_WORDS=({typed}); COMP_CWORD={len(words) - 1}; _modnav; echo ${{COMPREPLY[@]}}"
        command = ["bash", "--norc", "-c", f". {script}; {ask}"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()

    assert set(completed("modnav", "")) == {*COMMANDS, *LIGHTNING, "--help", "--version"}
    assert completed("modnav", "ev") == ["evaluate"]
    assert set(completed("modnav", "fit", "--config", "hol")) == {
        "holistic",
        "holistic_actor_modular_critic",
        "holistic_ekf",
    }
    assert set(completed("modnav", "fit", "--res")) == {"--resume"}
    assert {"--seeds", "--import", "--config"} <= set(completed("modnav", "fit", "--"))
    assert set(completed("modnav", "export", "--o")) == {"--out", "--overwrite"}
    assert completed("modnav", "watch", "RUN") == []  # bash takes files then
