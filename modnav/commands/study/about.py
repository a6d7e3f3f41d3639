"""What a study is and how it was made, kept in its folder."""

import json
import platform
import shlex
import subprocess
import sys
from pathlib import Path

from modnav.files import write_text_atomically
from modnav.machine import cores, package_version
from modnav.studies import StudyFolder

from .spec import StudySpec

__all__ = ["write_about"]

PACKAGES = ("modnav", "torch", "pytorch-lightning", "numpy", "pandas", "snakemake")


def write_about(folder: StudyFolder, spec: StudySpec, modules: list[str]) -> None:
    """Keep what the study is and how it was made; the study file as it is."""
    about = {
        "name": spec.name,
        "command": shlex.join(["modnav", *sys.argv[1:]]),
        "commit": _commit(),
        "python": platform.python_version(),
        **{name: package_version(name) for name in PACKAGES},
        "machine": f"{platform.machine()}, {cores()} cores",
        "imports": list(spec.imports),
        "modules": modules,
    }
    write_text_atomically(json.dumps(about, indent=1) + "\n", folder.about_file)
    write_text_atomically(spec.path.read_text(encoding="utf-8"), folder.spec_file)


def _commit() -> str | None:
    """Return the commit of modnav's sources, marked if they were changed; None if there is none."""
    where = ["git", "-C", str(Path(__file__).parent)]
    try:
        asked = [["ls-files", "--error-unmatch", Path(__file__).name]]  # of its own repository?
        asked += [["rev-parse", "HEAD"], ["status", "--porcelain", "--untracked-files=no"]]
        _, head, changed = [
            subprocess.run(
                [*where, *words], capture_output=True, text=True, check=True, timeout=60
            ).stdout
            for words in asked
        ]
    except (OSError, subprocess.SubprocessError):
        return None
    return head.strip() + (" with changes" if changed.strip() else "")
