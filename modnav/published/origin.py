"""What the path of a published checkpoint says about it."""

import re
from pathlib import Path
from typing import Any, NamedTuple

from modnav.networks import description_of, name_of

__all__ = ["DEFAULT_NOISE", "LAYOUT", "Origin", "origin_of"]

DEFAULT_NOISE = (0.2, 0.1)
"""Process and observation noise of the study's tasks whose name does not end in ``_control``."""

LAYOUT = "ARCHITECTURE/TASK[/PROCESS_OBSERVATION]/seedN/STAMP-TRIAL[_pre].pth.tar"

_PATH = re.compile(
    r"(?s).*?(?P<root>[^/]*)/(?P<architecture>[^/]+)/"
    r"(?:(?P<default>gain|perturbation)"
    r"|(?P<control>(?:gain|perturbation)_control)/(?P<noise>\d+(?:\.\d+)?_\d+(?:\.\d+)?))"
    r"/seed(?P<seed>\d+)/(?P<stamp>\d{8}-\d{6})-(?P<trial>\d+)(?P<pre>_pre)?\.pth\.tar"
)


class Origin(NamedTuple):
    """What the path of a published checkpoint says about it.

    Attributes:
        architecture: Published name.
        task: Name of the task it was trained on.
        process_noise: Standard deviation of the noise of that task, in multiples of the gain.
        observation_noise: Likewise.
        seed: Seed of the training.
        stamp: When it began.
        trial: Index of the last trial before the checkpoint.
        phase_one: Whether that was in phase I, which counts for itself.
        extensive: Whether it was trained for 100,000 trials.
    """

    architecture: str
    task: str
    process_noise: float
    observation_noise: float
    seed: int
    stamp: str
    trial: int
    phase_one: bool
    extensive: bool

    @property
    def run(self) -> Path:
        """Folder of the run, below the folder of all runs."""
        noise = f"{self.process_noise:g}_{self.observation_noise:g}"
        suffix = "-extensive" if self.extensive else ""
        return Path(f"{self.architecture}-{self.task}-{noise}{suffix}", f"seed{self.seed}")

    @property
    def checkpoint(self) -> Path:
        """Path of the checkpoint, below the folder of the run."""
        return Path("checkpoints", f"{self.trial:05d}{'_pre' * self.phase_one}.ckpt")

    @property
    def task_parameters(self) -> dict[str, Any]:
        """Task that the agent was trained on, as fields of ``TaskParameters``."""
        noise = {"process_noise": self.process_noise, "observation_noise": self.observation_noise}
        return {"name": self.task, **noise}


def origin_of(path: Path) -> Origin:
    """Return what the path of a published checkpoint says.

    Raises:
        ValueError: If it is not in the published layout, or the architecture is unknown.
    """
    found = _PATH.fullmatch(path.absolute().as_posix())
    if found is None:
        raise ValueError(f"{path} is not in the published layout, {LAYOUT}")
    noise = [float(x) for x in found["noise"].split("_")] if found["noise"] else DEFAULT_NOISE
    try:
        architecture = name_of(description_of(found["architecture"]))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return Origin(
        architecture,
        found["default"] or found["control"],
        noise[0],
        noise[1],
        int(found["seed"]),
        found["stamp"],
        int(found["trial"]),
        bool(found["pre"]),
        found["root"] == "agents_all",
    )
