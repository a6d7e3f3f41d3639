"""Options that `modnav record` and `modnav watch` share: what the agent is put through."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from modnav.networks import Agent
from modnav.recording import Session, ablate, clamp, make_session, parse_units, read_targets
from modnav.runs import own_parts_of

RANGES = {
    "gain": "multiple of the default joystick gain",
    "process_noise": "SD of the velocity noise, in multiples of the joystick gain",
    "observation_noise": "SD of the noise of observed velocity, likewise",
    "peak_linear_cm_s": "peak of the perturbation, cm/s",
    "peak_angular_deg_s": "peak of the perturbation, deg/s",
    "excluded_peak_linear_cm_s": "peaks that are never drawn, cm/s",
    "excluded_peak_angular_deg_s": "peaks that are never drawn, deg/s",
    "onset_steps": "first and last step at which the perturbation may start",
}
"""Constants of the task that may be set to a number, or to the two ends of a range."""

_FROM_FILE = {
    "gain": ["gain"],
    "process_noise": ["process_noise"],
    "observation_noise": ["observation_noise"],
    "peak_linear_cm_s": ["perturbation_peak_v_cm_s"],
    "peak_angular_deg_s": ["perturbation_peak_w_deg_s"],
    "onset_steps": ["perturbation_onset_s"],
}
"""Columns of a table of targets that an option takes the place of."""


def add_conditions(parser: argparse.ArgumentParser, trials: str) -> None:
    """Add the options; ``trials`` tells how many trials there are by default."""
    add = parser.add_argument
    add(
        "checkpoint",
        metavar="CHECKPOINT",
        type=Path,
        help="a checkpoint, or the folder of a run, whose best is taken",
    )
    add("--task", choices=("gain", "perturbation"), default="gain", help="kind of task")
    for name, text in RANGES.items():
        kind = int if name == "onset_steps" else float
        add(
            f"--{name.replace('_', '-')}",
            nargs="+",
            type=kind,
            metavar="X",
            help=f"{text}; a number, or two for a range",
        )
    add("--trials", type=int, metavar="N", help=f"number of trials; {trials}")
    add("--seed", type=int, default=0, metavar="S", help="seed of targets and noise; 0")
    add(
        "--targets",
        type=Path,
        metavar="FILE",
        help="targets to take instead of drawing them, .csv or .parquet: target_x_cm and "
        "target_y_cm, or target_r_cm and target_theta_deg; its gain, noise and perturbation "
        "columns are used too, unless an option gives them",
    )
    add(
        "--filter-process-noise",
        type=float,
        metavar="X",
        help="process noise that the Kalman filter assumes; the true one",
    )
    add("--filter-observation-noise", type=float, metavar="X", help="likewise")
    add("--ablate", metavar="UNITS", help="units to silence, e.g. actor.belief:3,actor.belief:7-9")
    add("--clamp", metavar="UNITS", help="units to hold, e.g. actor.belief:3=0.5")


def session_of(given: argparse.Namespace, trials: int | None = None) -> Session:
    """Return the session that the options describe.

    Raises:
        ValueError: If they are not allowed; the message names the option or the constant.
    """
    constants: dict[str, Any] = {"name": given.task}
    for name in RANGES:
        values = getattr(given, name)
        if values is None:
            continue
        if len(values) > 2:
            option = f"--{name.replace('_', '-')}"
            raise ValueError(f"{option} has {len(values)} numbers; it must be one or two")
        if ("peak" in name or name == "onset_steps") and given.task == "gain":
            raise ValueError(f"--{name.replace('_', '-')} needs --task perturbation")
        pair = name.startswith("excluded") or name == "onset_steps" or len(values) == 2
        constants[name] = (values[0], values[-1]) if pair else values[0]
    targets = None
    if given.targets is not None:
        targets = read_targets(given.targets)
        replaced = [c for name in constants for c in _FROM_FILE.get(name, [])]
        targets = targets.drop(columns=replaced, errors="ignore")
        for note in _doubts(targets, given.task):
            print(f"modnav: {given.targets}: {note}", file=sys.stderr)
    return make_session(
        trials=trials if given.trials is None and targets is None else given.trials,
        targets=targets,
        seed=given.seed,
        filter_process_noise=given.filter_process_noise,
        filter_observation_noise=given.filter_observation_noise,
        **constants,
    )


def _doubts(targets: pd.DataFrame, task: str) -> Iterator[str]:
    """Yield what a table of targets may not mean as it is: perturbations that are not used."""
    peaks = [name for name in map(str, targets) if name.startswith("perturbation_peak")]
    if task == "gain" and targets[peaks].fillna(0).astype(bool).any(axis=None):
        yield f"{', '.join(peaks)} are not used without --task perturbation"


def tell_parts(checkpoint: Path) -> None:
    """Say which parts of its run's task an agent is not put through: those of a user's own."""
    for key, path in own_parts_of(checkpoint).items():
        print(
            f"note: data.task.{key} of the run, {path}, is not used here, and need not be imported: "
            f"the {key} is that of the study's task (in Python, run.record() uses the run's)"
        )


@contextmanager
def intervened(agent: Agent, given: argparse.Namespace) -> Iterator[None]:
    """Silence and hold the units that the options name while the context lasts.

    Raises:
        ValueError: If there is no such unit, or one is to be silent and held.
    """
    silent, held = (parse_units(text) if text else {} for text in (given.ablate, given.clamp))
    both = [f"{x}:{unit}" for x in silent for unit in silent[x] if unit in held.get(x, {})]
    if both:
        raise ValueError(f"--ablate and --clamp both name {both[0]}; it can be silent or held")
    with ExitStack() as stack:
        if given.ablate is not None:
            stack.enter_context(ablate(agent, given.ablate))
        if given.clamp is not None:
            stack.enter_context(clamp(agent, given.clamp))
        yield


def notes_of(given: argparse.Namespace, agent: Agent, session: Session) -> dict[str, Any]:
    """Return what the tables should tell about their origin."""
    return {
        "checkpoint": str(given.checkpoint),
        "architecture": agent.architecture,
        "task": session.task.plain(),
        "seed": given.seed,
        "targets": given.targets and str(given.targets),
        "filter_process_noise": given.filter_process_noise,
        "filter_observation_noise": given.filter_observation_noise,
        "ablate": given.ablate,
        "clamp": given.clamp,
    }
