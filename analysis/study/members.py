"""Trained agents of a study: runs by architecture and group, whatever layout they are kept in."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modnav.files import read_yaml
from modnav.networks import ARCHITECTURES, own_modules
from modnav.published import Origin, origin_of
from modnav.runs import CONFIG, TrainedRun, find_runs
from modnav.task import TaskParameters, bounds

__all__ = [
    "DEFAULT",
    "DEFAULT_TRIALS",
    "EXTENSIVE",
    "Member",
    "config_of",
    "entry_of",
    "find_members",
    "group_of",
    "member_of",
    "noise_group",
    "strangers",
]

DEFAULT_TRIALS = 10_000
"""Trials of the default training after phase I; longer ones are extensive."""

DEFAULT, EXTENSIVE = "default", "extensive"
"""Groups of runs that were trained at the published noise and gain."""


@dataclass(frozen=True)
class Member:
    """A run and what it is in a study.

    Attributes:
        run: The run.
        architecture: Name of its architecture.
        group: What it was trained on, see :func:`group_of`.
        published: Folder that the study's ``training_curve`` would be in; None for modnav's runs.
        modules: Modules of the user's own that its agent is made of.
    """

    run: TrainedRun
    architecture: str
    group: str
    published: Path | None = None
    modules: tuple[str, ...] = ()


def noise_group(process: float, observation: float, *, extensive: bool = False) -> str:
    """Return the group of agents trained at some noise, in multiples of the joystick gain."""
    if (process, observation) == (TaskParameters.process_noise, TaskParameters.observation_noise):
        return EXTENSIVE if extensive else DEFAULT
    return f"{EXTENSIVE} " * extensive + f"noise {process:g}_{observation:g}"


def group_of(task: TaskParameters, *, extensive: bool) -> str:
    """Return the group of a run: ``default``, ``extensive``, ``noise 0.1_0.2`` and the like.

    Runs of other tasks than the study's make groups of their own, which no panel takes.
    """
    process, observation = bounds(task.process_noise), bounds(task.observation_noise)
    plain = process[0] == process[1] and observation[0] == observation[1]
    if plain and not task.perturbed and bounds(task.gain) == (1, 1):
        return noise_group(float(process[0]), float(observation[0]), extensive=extensive)
    return f"{task.name} gain {task.gain} noise {task.process_noise}_{task.observation_noise}"


def find_members(paths: Iterable[Path]) -> list[Member]:
    """Return the runs in some folders, of modnav's layout or of the published one.

    Args:
        paths: Folders of runs, folders of such, or of the study's data (with ``agents``,
            ``agents_all``, ``training_curve``).

    Raises:
        ValueError: If a folder holds neither, a run cannot be read, or two runs are of one
            architecture, group and seed.
    """
    members: list[Member] = []
    for path in paths:
        files = [f for f in path.rglob("*.pth.tar") if not f.name.startswith(".")]
        members += _published(files)
        if not files or any(path.rglob("*.ckpt")):
            members += [member_of(run) for run in find_runs([path])]
    found: dict[tuple[str, str, int], Member] = {}
    for member in sorted(members, key=lambda m: (m.architecture, m.group, m.run.seed)):
        key = member.architecture, member.group, member.run.seed
        other = found.setdefault(key, member)
        if other.run.folder != member.run.folder:
            raise ValueError(
                f"{other.run.folder} and {member.run.folder} are both {member.architecture}, "
                f"{member.group}, seed {member.run.seed}; name the folders to show, but one of these"
            )
    return list(found.values())


def member_of(run: TrainedRun) -> Member:
    """Return what a run of modnav is in a study.

    Raises:
        ValueError: If none of its checkpoints can be read.
    """
    longest = 0 if run.pre else max(run.checkpoints)
    planned = entry_of(config_of(run.folder), ("phases", "trials"))
    extensive = max(longest, planned if isinstance(planned, int) else 0) > DEFAULT_TRIALS
    about = run.about()
    return Member(
        run,
        str(about["architecture"]),
        group_of(run.task, extensive=extensive),
        modules=tuple(sorted(own_modules(about["agent"]))),
    )


def strangers(members: Iterable[Member]) -> list[str]:
    """Return the architectures of default trainings that are none of the study's, which its panels do not show."""
    names = dict.fromkeys(each.architecture for each in members if each.group == DEFAULT)
    return [name for name in names if name not in ARCHITECTURES]


def config_of(folder: Path) -> Any:
    """Return the configuration of a run, empty if there is none.

    Raises:
        ValueError: If it cannot be read.
    """
    file = folder / CONFIG
    return read_yaml(file) if file.is_file() else {}


def entry_of(config: Any, keys: Iterable[str]) -> Any:
    """Return an entry of a configuration; None if it has none."""
    for key in keys:
        config = config.get(key) if isinstance(config, Mapping) else None
    return config


def _published(files: Iterable[Path]) -> list[Member]:
    runs: dict[Path, dict[int, tuple[Path, Origin]]] = {}
    for file in sorted(files):
        origin = origin_of(file)
        if not origin.phase_one:
            runs.setdefault(file.parent, {})[origin.trial] = file, origin
    members = []
    for folder, found in runs.items():
        origin = next(iter(found.values()))[1]
        task = TaskParameters(**origin.task_parameters)
        checkpoints = {trial: file for trial, (file, _) in sorted(found.items())}
        run = TrainedRun(folder, origin.seed, task, 0.97, False, checkpoints)
        # agents/ARCHITECTURE/TASK[/NOISE]/seedN
        above = 4 if origin.task.endswith("_control") else 3
        group = group_of(task, extensive=origin.extensive)
        members.append(Member(run, origin.architecture, group, folder.parents[above]))
    return members
