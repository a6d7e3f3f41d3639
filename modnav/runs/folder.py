"""Folders of runs."""

import json
import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from modnav.files import drop_leftovers, in_shell, one_line, read_text

__all__ = ["RunFolder", "resume_command"]

_HALF = re.compile(r"\..*\.ckpt\..*")
"""Names of checkpoints that were being written."""

_REPLACED = ("config.yaml", "last.ckpt", "last-1.ckpt", "validation.csv", "learning_curve.png")
"""Files that are replaced whole: a link there is replaced, and its target stays."""

_PLACES = (
    ("checkpoints", Path.is_dir, "folder"),
    *((name, Path.is_file, "file") for name in (".lock", ".begun", "hparams.yaml", *_REPLACED)),
)


def resume_command(folders: Iterable[str | Path], imports: Iterable[str] = ()) -> str:
    """Return the command that goes on with runs, and tells it modules of the user's own."""
    told = "".join(f" --import {in_shell(module)}" for module in dict.fromkeys(imports))
    return f"modnav fit --resume {in_shell(*folders)}{told}"


class RunFolder:
    """The folder of one run.

    It holds ``config.yaml``, ``last.ckpt``, ``checkpoints/``, ``validation.csv``,
    ``learning_curve.png`` and the files of TensorBoard; ``.lock`` is held while it is trained. That
    of a member of a population also holds ``fit.log`` and ``member.json``.

    Args:
        path: The folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        # taken in the thread of a member, left by the thread that waited for it
        self._lock = FileLock(path / ".lock", thread_local=False)
        self._held: tuple[int, int] | None = None

    @property
    def last(self) -> Path:
        """Checkpoint to resume from."""
        return self.path / "last.ckpt"

    @property
    def former(self) -> Path:
        """The state before the last, to resume from if the last is damaged."""
        return self.path / "last-1.ckpt"

    @property
    def config(self) -> Path:
        """Configuration of the run."""
        return self.path / "config.yaml"

    @property
    def log(self) -> Path:
        """What a member of a population printed."""
        return self.path / "fit.log"

    @property
    def report(self) -> Path:
        """How a member of a population stands, or how it ended."""
        return self.path / "member.json"

    def told(self) -> dict[str, Any]:
        """Return what a member of a population told of itself last; nothing if that cannot be read."""
        try:
            told = json.loads(read_text(self.report))
        except (OSError, ValueError, RecursionError):
            return {}
        return told if isinstance(told, dict) else {}

    def ended(self) -> tuple[int, str] | None:
        """Return exit status and reason of a member's end, as it told them; None if it did not."""
        told = self.told()
        if type(told.get("status")) is not int or "reason" not in told:
            return None
        return told["status"], one_line(told["reason"])

    def holds(self, checkpoint: str | None) -> bool:
        """Return whether a checkpoint is this run's own; it may be a link to elsewhere."""
        if checkpoint is None:
            return False
        lies_in = Path(checkpoint).absolute().parent.resolve()
        return lies_in.is_relative_to(self.path.resolve())

    @property
    def begun(self) -> Path:
        """Mark of a run of which no state has been written yet; it may begin again."""
        return self.path / ".begun"

    def has_checkpoints(self) -> bool:
        """Return whether there is anything of a training to lose.

        A run that was killed before its first state was written makes its first checkpoint again.
        """
        states = any(self.path.glob("[!.]*.ckpt"))
        kept = [x.name for x in self.path.glob("checkpoints/*") if not _HALF.fullmatch(x.name)]
        if states or len(kept) > 1:
            return True
        return not self.begun.is_file() and (
            bool(kept) or (self.path / "validation.csv").is_file()
        )

    def claim(self, *, overwrite: bool, resume: bool, imports: Iterable[str] = ()) -> None:
        """Make the folder ready for a run.

        Args:
            overwrite: Whether a run that is there may be deleted.
            resume: Whether the run is the one that is there.
            imports: Modules of the user's own that this command names. Those that the run names are not
                told: it may be a stranger's, and to import them is to run their code.

        Raises:
            ValueError: If it holds a run already and neither is wished, has links in the place of
                what is written, or cannot be written.
        """
        if self.has_checkpoints() and not resume and not overwrite:
            raise ValueError(
                f"{self.path} holds a run already; go on with it by "
                f"`{resume_command([self.path], imports)}`, choose another --name, "
                "or start anew with --overwrite true"
            )
        self._check_places()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ValueError(f"{self.path} cannot be made: {error.strerror}") from error
        if not os.access(self.path, os.W_OK):
            raise ValueError(f"{self.path} cannot be written; choose another --runs folder")

    def _check_places(self) -> None:
        """Refuse links in the place of what is written into, folders in the place of files."""
        for name, kind, what in _PLACES:
            place = self.path / name
            if place.is_symlink() and name not in _REPLACED:
                raise ValueError(f"{place} is a link; it must be a {what} of the run: remove it")
            if place.exists() and not kind(place):
                raise ValueError(f"{place} must be a {what}: remove what is there")

    def lock(self, wait_s: float = 0) -> None:
        """Take the folder until :meth:`unlock`, or until this process ends.

        Args:
            wait_s: Longest time to wait for another process to leave it, s.

        Raises:
            ValueError: If another process has it.
        """
        try:
            self._lock.acquire(timeout=wait_s, poll_interval=0.2)
        except Timeout as error:
            raise ValueError(
                f"{self.path} is being trained by another process; wait for it to end, or choose "
                "another --name or --seed_everything"
            ) from error
        self._held = self._identity()

    def check_free(self, wait_s: float = 0) -> None:
        """Check that nobody trains there, or will not any more in some time.

        Raises:
            ValueError: If another process does.
        """
        self.lock(wait_s)
        self.unlock()

    def check_held(self) -> None:
        """Check that the folder is still the one that was taken.

        Raises:
            OSError: If it was removed, or made anew by somebody else.
        """
        if self._held is not None and self._identity() != self._held:
            raise OSError(f"{self.path} was removed while it was trained; training stopped")

    def _identity(self) -> tuple[int, int] | None:
        try:
            found = (self.path / ".lock").stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def unlock(self) -> None:
        """Let others take the folder."""
        self._held = None
        self._lock.release()

    def sweep(self) -> None:
        """Delete files that a killed run left half written, but nothing of others."""
        for name in ("config.yaml", "validation.csv", "learning_curve.png", "member.json"):
            drop_leftovers(self.path / name)
        half = (".*.ckpt.*", "checkpoints/.*.ckpt.*")
        for file in [file for x in half for file in self.path.glob(x)]:
            file.unlink(missing_ok=True)
        self.report.unlink(missing_ok=True)  # of a former start

    def of_former_run(self) -> list[Path]:
        """Return what a run left in the folder, for :meth:`delete` once another has begun."""
        names = ("checkpoints", "best.ckpt", *_REPLACED[1:])  # but for its configuration
        patterns = ("events.out.tfevents*", "last.*.rank*.ckpt", "best.*.rank*.ckpt")
        own = [self.path / name for name in names]
        return [*own, *(file for x in patterns for file in self.path.glob(x))]

    @staticmethod
    def delete(paths: Iterable[Path]) -> None:
        """Delete files, and folders with all that is in them; links themselves."""
        for path in paths:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
