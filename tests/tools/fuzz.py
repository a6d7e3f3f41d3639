"""Fuzz the readers of files: what is damaged or hostile is refused in one line, or harmless.

``python tests/fuzz.py --count 1000 --seed 0`` gives each reader that many mutated files and prints a
table. A file may be refused (a ``ValueError`` of one line that names it), read as it was, or, where
neither checksum nor structure tells, read with other values. Anything else is a failure, and ends
with status 1: code that is run, another error, other values out of damaged bytes that have a
checksum, a read of more than 10 s of processor time or more than 1 GB. ``--keep FOLDER`` keeps the files that fail.
"""

import argparse
import contextlib
import io
import os
import random
import re
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
import torch
import yaml
from curve_files import SETTINGS, make
from fuzzing import Maker, Reader, fuzz
from monkey_files import FORMS, monkey
from mutants import altered, attacks, call, garbled, odd_value, rearranged
from pytorch_lightning import Trainer

from modnav.cli import main as modnav
from modnav.commands.keeping import AtomicCheckpointIO
from modnav.networks import build_agent
from modnav.published import monkey_recordings, read_monkey, write_published
from modnav.recording import make_session, read_targets
from modnav.runs import (
    TrainingCurve,
    find_runs,
    load_agent,
    notes_path,
    read,
    read_curve,
    save_agent,
)
from modnav.tables import read_tables, write_tables


def torch_bytes(content: Any, zipped: bool = True) -> bytes:
    """Return what :func:`torch.save` writes."""
    file = io.BytesIO()
    torch.save(content, file, _use_new_zipfile_serialization=zipped)
    return file.getvalue()


def makers_of(content: Any, *writers: Callable[[Any], bytes]) -> list[Maker]:
    """Return makers of files with odd parts, with calls, and of attacks, as each writer writes."""
    made: list[Maker] = [lambda draw, command: draw.choice(attacks(command))]
    for write in writers:
        made += [
            lambda draw, _, write=write: write(altered(content, draw, odd_value)),
            lambda draw, command, write=write: write(
                altered(content, draw, lambda again: call(again, command))
            ),
        ]
    return made


def garbling(text: str) -> Maker:
    """Return a maker of texts with odd words and lines."""
    return lambda draw, _: garbled(text, draw).encode("utf-8", "replace")


def readers(folder: Path) -> Iterator[Reader]:
    """Yield all readers, each with a folder of its own."""
    for make_readers in (_agents, _animals, _runs, _tables, _commands):
        place = folder / make_readers.__name__
        place.mkdir()
        yield from make_readers(place)


def _agents(folder: Path) -> Iterator[Reader]:
    agent = build_agent("EKF")
    save_agent(agent, folder / "own.ckpt", task={"name": "gain"}, origin={"seed": 1})
    write_published(agent, folder / "study.pth.tar")
    own, study = ((folder / name).read_bytes() for name in ("own.ckpt", "study.pth.tar"))
    content, published = (torch.load(io.BytesIO(x), weights_only=True) for x in (own, study))

    def archived(draw: random.Random, _: str) -> bytes:
        return rearranged(own, draw)

    yield Reader(
        *("checkpoint, weights", folder / "x.ckpt", [own], load_agent),
        [*makers_of(content, torch_bytes), archived],
        checked=True,
    )
    yield Reader(
        *("published checkpoint", folder / "x.pth.tar", [study], load_agent),
        [*makers_of(published, torch_bytes), lambda draw, _: rearranged(study, draw)],
        checked=True,
    )
    old = torch_bytes(published, zipped=False)
    yield Reader(
        *("published, before torch 1.6", folder / "y.pth.tar", [old], load_agent),
        makers_of(published, lambda x: torch_bytes(x, zipped=False)),
    )


def odd_frame(draw: random.Random, command: str) -> pd.DataFrame:
    """Return trials of a monkey in which one cell or column is odd."""
    frame = monkey(3, perturbed=draw.random() < 0.5).astype(object)
    name = draw.choice(list(frame.columns))
    kind = draw.randrange(6)
    if kind == 0:
        return frame.drop(columns=name)
    if kind == 1:
        return pd.concat([frame, frame[[name]]], axis=1)
    if kind == 2:
        whole: list[Any] = [pd.Timestamp(0), "a", 1 + 1j, None, 2**70, float("inf"), -1.0]
        frame[name] = draw.choice(whole)
        return frame.infer_objects()
    count = len(frame["pos_x"].iloc[0])
    cells = [np.zeros(draw.choice((0, 1, count - 1, count)), draw.choice(("f4", "i8", "?", "c8")))]
    cells += [np.zeros((count, 1)), np.array(["x"] * count), np.array([object()]), np.float16(1)]
    odd = draw.choice([call(draw, command), odd_value(draw), draw.choice(cells)])
    column = np.empty(len(frame), object)
    for k, cell in enumerate(frame[name]):
        column[k] = odd if k == draw.choice((1, k)) else cell
    return frame.assign(**{name: column}).infer_objects()


def _animals(folder: Path) -> Iterator[Reader]:
    def read(path: Path) -> Any:
        frame = read_monkey(path)
        try:
            tables = [part[:2] for part in monkey_recordings(frame, "Bruno")]
        except ValueError as error:  # as the command does, which knows the file
            raise ValueError(f"{path}: {error}") from error
        return frame, tables

    forms = [FORMS[name] for name in ("1.2", "now", "now, protocol 4", "now, protocol 2")]

    def odd(draw: random.Random, command: str) -> bytes:
        return draw.choice(forms[1:])(odd_frame(draw, command))

    wholes = [form(monkey(3, perturbed=k % 2 == 0)) for k, form in enumerate(forms)]
    makers = [odd, odd, lambda draw, command: draw.choice(attacks(command))]
    yield Reader("trials of a monkey", folder / "monkey.pkl", wholes, read, makers)


ATTACKS_YAML = (
    "!!python/object/apply:os.system ['{0}']",
    "seed_everything: !!python/object/apply:os.system ['{0}']",
    "model: !!python/object/new:subprocess.Popen [[touch, x]]",
    "data: {{class_path: os.system, init_args: {{command: '{0}'}}}}",
    "model: {{actor: {{belief: {{class_path: os.system, init_args: {{command: '{0}'}}}}}}}}",
    "model: {{optimizer: {{class_path: os.system, init_args: {{command: '{0}'}}}}}}",
    "model: {{optimizer: os.system}}",
    "trainer: {{callbacks: [{{class_path: os.system, init_args: {{command: '{0}'}}}}]}}",
    "trainer: {{logger: {{class_path: subprocess.Popen, init_args: {{args: [touch, x]}}}}}}",
    "a: &a [x, x]\nb: &b [*a, *a, *a, *a]\nc: &c [*b, *b, *b, *b]\nseed_everything: [*c, *c, *c]",
    "data: {{task: &t {{gain: *t}}}}",
    "data: {{task: {{<<: [1]}}}}",
)
"""Configurations that run a command, or have no end, if believed."""


def odd_config(whole: str) -> list[Maker]:
    """Return makers of configurations with odd words, odd values, and attacks."""

    def attacked(draw: random.Random, command: str) -> bytes:
        if draw.random() < 0.1:
            return b"data: " + b"[" * 5000
        content = draw.choice(ATTACKS_YAML).format(command)
        return (content if draw.random() < 0.5 else f"{whole}\n{content}").encode()

    def odd(draw: random.Random, _: str) -> bytes:
        def value(again: random.Random) -> Any:
            found = odd_value(again)
            return str(found)[:9] if isinstance(found, (torch.Tensor, tuple)) else found

        return yaml.safe_dump(altered(yaml.safe_load(whole), draw, value)).encode()

    return [garbling(whole), odd, attacked]


def _runs(folder: Path) -> Iterator[Reader]:
    save_agent(build_agent("EKF"), folder / "seed3" / "checkpoints" / "00499.ckpt")
    config = yaml.safe_dump(
        {"seed_everything": 3, "model": {"discount": 0.97}, "data": {"task": {"gain": [1.0, 2]}}}
    )

    def run(path: Path) -> Any:
        (found,) = find_runs([path.parent])
        return {"seed": found.seed, "task": found.task, "discount": found.discount}

    path = folder / "seed3" / "config.yaml"
    yield Reader("config.yaml of a run", path, [config.encode()], run, odd_config(config))
    make(folder)
    notes = notes_path(folder / "a.csv")
    csv, json = (folder / "a.csv").read_text(), notes.read_text()
    yield Reader("training curve", folder / "a.csv", [csv.encode()], read_curve, [garbling(csv)])

    def curve(path: Path) -> Any:
        found = TrainingCurve(folder / "a.csv", SETTINGS)
        return found.rows, found.digests, found.table()

    yield Reader("curve that goes on", folder / "a.csv", [csv.encode()], curve, [garbling(csv)])
    made = [json.encode()]  # messages name the curve
    yield Reader("curve's .json", notes, made, curve, [garbling(json)], named=False)


def _tables(folder: Path) -> Iterator[Reader]:
    frame = monkey(3, perturbed=True)
    write_tables(folder, next(monkey_recordings(frame, "Bruno")), notes={"subject": "Bruno"})

    def tables(path: Path) -> Any:
        try:
            return tuple(read_tables(folder))
        except ValueError as error:  # tables that do not belong together: of the folder
            raise ValueError(f"{folder}: {error}") from error

    for name in ("trials", "steps"):
        path = folder / f"{name}.parquet"
        whole = path.read_bytes()
        yield Reader(f"{name}.parquet", path, [whole], tables, checked=True)
    targets = pd.DataFrame(
        {"target_x_cm": [1.5, -20], "target_y_cm": [300, 250.5], "gain": [1, 2]}
    )

    def session(path: Path) -> Any:
        try:
            return make_session(targets=read_targets(path)).trials
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error

    csv = targets.to_csv(index=False)
    yield Reader("targets, .csv", folder / "t.csv", [csv.encode()], session, [garbling(csv)])
    targets.to_parquet(folder / "t.parquet")
    whole = (folder / "t.parquet").read_bytes()
    yield Reader("targets, .parquet", folder / "t.parquet", [whole], session)


def said(*words: str | Path) -> str:
    """Run a command of modnav and return what it printed.

    Raises:
        ValueError: With its message, if it ended with one, as ``modnav: error: ...``.
    """
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            modnav(list(map(str, words)))
        except SystemExit as error:
            told = re.findall("^modnav: error: (.+)$", err.getvalue(), re.MULTILINE)
            if error.code and len(told) == 1 and "Traceback" not in err.getvalue():
                raise ValueError(told[0]) from error
            if error.code:
                raise RuntimeError(f"status {error.code}: {err.getvalue()}") from error
    return out.getvalue()


def _commands(folder: Path) -> Iterator[Reader]:
    small = Path(__file__).with_name("small.yaml").read_text()
    config = folder / "small.yaml"
    config.write_text(small)
    run = folder / "run"
    said("fit", "--config", config, "--folder", run)

    def resumed(path: Path) -> Any:
        with mock.patch.object(Trainer, "_run_stage"):  # all is restored before it
            said("fit", "--resume", run)
        return read(path).content

    whole = (run / "last.ckpt").read_bytes()
    content = read(run / "last.ckpt").content
    makers = makers_of(content, torch_bytes)
    load = AtomicCheckpointIO().load_checkpoint
    yield Reader("last.ckpt", run / "last.ckpt", [whole], load, makers, checked=True)
    yield Reader("fit --resume", run / "last.ckpt", [whole], resumed, makers, checked=True)

    def configured(path: Path) -> str:
        with mock.patch("pytorch_lightning.trainer.call._call_and_handle_interrupt"):
            return said("fit", "--config", path, "--folder", folder / "new", "--overwrite", "true")

    yield Reader(
        *("fit --config", config, [small.encode()], configured),
        odd_config(small),
        named=False,
    )


def main() -> None:
    """Fuzz all readers, print the table, say what failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000, help="Files for each reader.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="Part of the names of readers.")
    parser.add_argument("--keep", type=Path, help="Folder for files that fail.")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    failed = 0
    heads = ("files", "refused", "as it was", "other values", "failures")
    print(f"{'reader':30}" + "".join(f"{head:>14}" for head in heads))
    with tempfile.TemporaryDirectory() as folder:
        for reader in readers(Path(folder)):
            if options.only not in reader.name:
                continue
            tally = fuzz(reader, options.count, options.seed)
            numbers = [options.count, *(tally.counts[head] for head in heads[1:])]
            print(f"{reader.name:30}" + "".join(f"{x:14,}" for x in numbers), flush=True)
            failed += tally.counts["failures"]
            for k, (reason, content) in enumerate(tally.failures):
                print(f"    {reason}")
                if options.keep:
                    options.keep.mkdir(parents=True, exist_ok=True)
                    name = re.sub(r"\W+", "_", reader.name)
                    (options.keep / f"{name}_{k}{reader.file.suffix}").write_bytes(content)
    raise SystemExit(1 if failed else 0)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
