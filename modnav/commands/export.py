"""``modnav export``: recordings for the tools of neurophysiologists, agents for other runtimes."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from modnav.files import is_plain_name, one_line, read_text, replacing
from modnav.recording import PAUSE, to_pynapple, write_nwb
from modnav.runs import load_agent
from modnav.tables import read_tables

from .agent_files import SUFFIXES, write_agent
from .arguments import taken_checkpoint
from .refused import Parser
from .terminal import tell_sizes

KINDS = ("nwb", "pynapple", *SUFFIXES)

WRITTEN = "modnav_export.json"
"""The list of what an export wrote in a folder, by which the next one knows it from other files."""


def main(args: Sequence[str]) -> None:
    """Run the command."""
    given = _parser().parse_args(args)
    if given.out.exists() and not given.overwrite:
        raise ValueError(f"--out is {given.out}, which is there already; --overwrite replaces it")
    suffix = {"nwb": ".nwb", **SUFFIXES}.get(given.to)
    if suffix and given.out.suffix != suffix:
        raise ValueError(f"--out is {given.out}; it must be a file that ends in {suffix}")
    if given.to in SUFFIXES:
        write_agent(load_agent(taken_checkpoint(given.source)), given.to, given.out)
        tell_sizes([given.out])
        return
    layers = given.layers.split(",") if given.layers else None
    recording = read_tables(given.source, layers=layers)
    if given.to == "nwb":
        write_nwb(recording, given.out, pause=given.pause)
        files = [given.out]
    else:
        files = _save_pynapple(to_pynapple(recording, given.pause), given.out)
    tell_sizes(files)


def _save_pynapple(objects: dict, folder: Path) -> list[Path]:  # type: ignore[type-arg]
    """Write each object as an ``.npz`` that ``pynapple.load_file`` reads.

    What a former export wrote, as its list says, is replaced or deleted; what else lies in the
    folder stays.
    """
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"--out is {folder}, a file; it must be a folder")
    folder.mkdir(parents=True, exist_ok=True)
    former, names = _former(folder / WRITTEN), [f"{name}.npz" for name in objects]
    for name, each in zip(names, objects.values(), strict=True):
        with replacing(folder / name) as temporary:
            each.save(str(temporary))
    for name in former - set(names):
        (folder / name).unlink(missing_ok=True)
    with replacing(folder / WRITTEN) as temporary:
        temporary.write_text(json.dumps({"files": names}, indent=1) + "\n")
    return [folder / name for name in names]


def _former(written: Path) -> set[str]:
    """Return the names of the files of a former export; none if no list of them is there."""
    if not written.is_file():
        return set()
    try:
        names = json.loads(read_text(written))["files"]
    except (ValueError, LookupError, TypeError) as error:
        raise ValueError(f"{written} is damaged ({one_line(error)}); remove it") from error
    if not isinstance(names, list) or not all(
        is_plain_name(name) and name.endswith(".npz") for name in names
    ):
        raise ValueError(f"{written} is damaged (it must list names of .npz files); remove it")
    return set(names)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="modnav export",
        description="Write a recording as an NWB file, or as pynapple objects, on one clock; or the "
        "agent of a checkpoint as ONNX, torch.export or safetensors.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    what = "folder of tables, of modnav record; for an agent a checkpoint or run"
    add("source", type=Path, metavar="RECORDING|CHECKPOINT", help=what)
    add("--to", choices=KINDS, required=True, help="what to write")
    out = "the file (.nwb, .onnx, .pt2, .safetensors), or the folder of pynapple's .npz files"
    add("--out", type=Path, required=True, metavar="PATH", help=out)
    add("--layers", metavar="NAMES", help="layers to take, e.g. actor.belief; all by default")
    pause = f"time between trials, s ({PAUSE:g})"
    add("--pause", type=float, default=PAUSE, metavar="SECONDS", help=pause)
    add("--overwrite", action="store_true", help="replace what is there")
    return parser
