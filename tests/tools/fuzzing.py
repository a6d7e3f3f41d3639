"""Give readers mutated files and see what they do; tests/fuzz.py has the readers."""

import math
import random
import resource
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from mutants import damaged

Maker = Callable[[random.Random, str], bytes]
"""Makes a mutant that has no wrong checksum; the text is a command that must not be run."""

SLOW_S, LARGE_MB = 10.0, 1000.0


@dataclass
class Reader:
    """A reader of files and what it is given.

    Attributes:
        name: What the table calls it.
        file: Path of the file that is replaced by mutants.
        wholes: Sound contents of that file.
        read: Reads it; what it returns is compared.
        makers: Make mutants other than damage of bytes.
        checked: Whether a checksum covers every byte that matters.
        named: Whether messages name the file.
    """

    name: str
    file: Path
    wholes: Sequence[bytes]
    read: Callable[[Path], Any]
    makers: Sequence[Maker] = ()
    checked: bool = False
    named: bool = True


@dataclass
class Tally:
    """How often each thing happened, and what failed."""

    counts: Counter[str] = field(default_factory=Counter)
    failures: list[tuple[str, bytes]] = field(default_factory=list)


class Guard:
    """Notes calls that no reader may make, as Python reports them, while it is on."""

    forbidden = ("os.system", "subprocess.Popen", "os.exec", "os.posix_spawn", "pickle.find_class")

    def __init__(self) -> None:
        self.on = False
        self.caught: list[str] = []
        sys.addaudithook(self._note)  # there is no way to take it back

    def _note(self, event: str, args: tuple[Any, ...]) -> None:
        own = bool(args) and args[0] == sys.executable  # jsonargparse asks Python for paths
        if self.on and event in self.forbidden and not own:
            self.caught.append(f"{event} {args!r:.80}")


GUARD = Guard()


def fuzz(reader: Reader, count: int, seed: int) -> Tally:
    """Give a reader mutated files.

    Args:
        reader: The reader.
        count: Number of files.
        seed: Seed of the mutants.
    """
    draw, tally = random.Random(f"{reader.name} {seed}"), Tally()
    marker = reader.file.parent / "marker"
    expected = []
    for whole in reader.wholes:
        reader.file.write_bytes(whole)
        expected.append(reader.read(reader.file))
    for _ in range(count):
        k = draw.randrange(len(reader.wholes))
        strict = not reader.makers or draw.random() < 0.5
        if strict:
            mutant = damaged(reader.wholes[k], draw)
        else:
            mutant = draw.choice(reader.makers)(draw, f"touch {marker}")
        reader.file.write_bytes(mutant)
        verdict = _verdict(reader, expected[k], strict and reader.checked)
        if marker.exists() or GUARD.caught:
            verdict = f"code was run: {GUARD.caught[:1]}"
            marker.unlink(missing_ok=True)
            GUARD.caught.clear()
        if verdict in ("refused", "as it was", "other values"):
            tally.counts[verdict] += 1
        else:
            tally.counts["failures"] += 1
            tally.failures.append((verdict, mutant))
    reader.file.write_bytes(reader.wholes[0])
    return tally


def _verdict(reader: Reader, expected: Any, strict: bool) -> str:
    start, peak = time.process_time(), peak_mb()
    GUARD.on = True
    try:
        found = reader.read(reader.file)
        verdict = "as it was" if alike(found, expected) else "other values"
    except ValueError as error:
        verdict, text = "refused", str(error)
        if not text or "\n" in text or (reader.named and str(reader.file.parent) not in text):
            verdict = f"message: {type(error).__name__} {text!r:.300}"
    except Exception as error:  # noqa: BLE001  # any is a failure
        where = traceback.extract_tb(error.__traceback__)[-3:]
        places = " < ".join(f"{Path(f.filename).name}:{f.lineno}" for f in reversed(where))
        verdict = f"{type(error).__name__}: {error!s:.200} ({places})"
    finally:
        GUARD.on = False
    if time.process_time() - start > SLOW_S:
        verdict = f"slow: {time.process_time() - start:.0f} s, {verdict}"
    if peak_mb() - peak > LARGE_MB:
        verdict = f"large: {peak_mb() - peak:.0f} MB, {verdict}"
    if strict and verdict == "other values":
        verdict += " in spite of checksums"
    return verdict


def peak_mb() -> float:
    """Return the most memory that this process ever had, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def alike(a: Any, b: Any) -> bool:
    """Return whether two results are the same, NaN where NaN."""
    if isinstance(a, torch.nn.Module):
        a, b = dict(a.state_dict()), dict(b.state_dict())
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return list(a) == list(b) and all(alike(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(alike, a, b))
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and a.shape == b.shape and alike(a.numpy(), b.numpy())
    if isinstance(a, np.ndarray) and a.dtype == object:
        return a.shape == b.shape and all(map(alike, a.ravel(), b.ravel()))
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, pd.DataFrame):
        return list(a) == list(b) and all(alike(a[k].to_numpy(), b[k].to_numpy()) for k in a)
    return a == b or (isinstance(a, float) and math.isnan(a) and math.isnan(b))
