"""``modnav export``: recordings for the tools of neurophysiologists."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from modnav.recording import PAUSE, to_pynapple, write_nwb
from modnav.tables import read_tables

from .terminal import tell_sizes

KINDS = ("nwb", "pynapple")


def main(args: Sequence[str]) -> None:
    """Run the command.

    Raises:
        ValueError: For a mistake in the arguments or the files, or a package that is missing.
        OSError: If a file cannot be written.
    """
    given = _parser().parse_args(args)
    if given.out.exists() and not given.overwrite:
        raise ValueError(f"--out is {given.out}, which is there already; --overwrite replaces it")
    if given.to == "nwb" and given.out.suffix != ".nwb":
        raise ValueError(f"--out is {given.out}; it must be a file that ends in .nwb")
    layers = given.layers.split(",") if given.layers else None
    recording = read_tables(given.recording, layers=layers)
    if given.to == "nwb":
        write_nwb(recording, given.out, pause=given.pause)
        files = [given.out]
    else:
        files = _save_pynapple(to_pynapple(recording, given.pause), given.out)
    tell_sizes(files)


def _save_pynapple(objects: dict, folder: Path) -> list[Path]:  # type: ignore[type-arg]
    """Write each object as an ``.npz`` that ``pynapple.load_file`` reads."""
    folder.mkdir(parents=True, exist_ok=True)
    for former in folder.glob("*.npz"):
        former.unlink()
    files = []
    for name, each in objects.items():
        files.append(folder / f"{name}.npz")
        each.save(str(files[-1]))
    return files


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="modnav export",
        description="Write a recording as an NWB file, or as pynapple objects, on one clock.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("recording", type=Path, metavar="RECORDING", help="folder of tables, of modnav record")
    add("--to", choices=KINDS, required=True, help="what to write")
    out = "the .nwb file, or the folder of pynapple's .npz files"
    add("--out", type=Path, required=True, metavar="PATH", help=out)
    add("--layers", metavar="NAMES", help="layers to take, e.g. actor.belief; all by default")
    pause = f"time between trials, s ({PAUSE:g})"
    add("--pause", type=float, default=PAUSE, metavar="SECONDS", help=pause)
    add("--overwrite", action="store_true", help="replace what is there")
    return parser
