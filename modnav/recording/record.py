"""Run agents and write down what happened: tables of trials, steps and the activity of units."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch

from modnav.acting import Rollout, greedy, rollout
from modnav.errors import require_kind
from modnav.evaluation import TOGETHER, td_error
from modnav.networks import Agent, evaluating
from modnav.tables import Recording
from modnav.task import KalmanStream

from .frames import frames
from .layers import Layer, captured, layers_of
from .session import Session, make_session

__all__ = ["BLOCK", "Progress", "record", "recordings", "simulate"]

BLOCK = 500
"""Trials that are run and held in memory at a time."""

Progress = Callable[[int], None]
"""Told the number of trials done, again and again."""


def simulate(agent: Agent, session: Session | None = None, **options: Any) -> Recording:
    """Run an agent, without exploration, and return the tables of its trials and steps.

    Args:
        agent: The agent; it runs where its parameters are.
        session: The trials.
        options: Options of :func:`modnav.recording.make_session` that make up the session instead,
            and those of :func:`record` but ``layers``.

    Returns:
        ``trials`` and ``steps``, see :data:`modnav.tables.SCHEMA`.

    Raises:
        ValueError: If the session cannot be run.

    Example:
        >>> from modnav import build_agent
        >>> trials, steps, _ = simulate(build_agent("ekf"), trials=2, gain=1.5)
        >>> list(trials.gain)
        [1.5, 1.5]
    """
    return record(agent, session, layers=(), **options)


def record(
    agent: Agent,
    session: Session | None = None,
    *,
    layers: Sequence[str] | str | None = None,
    subject: str | None = None,
    discount: float = 0.97,
    progress: Progress | None = None,
    **options: Any,
) -> Recording:
    """Run an agent, without exploration, and return its trials, steps and unit activity.

    5,000 trials of the modular agent with all units take about 1 GB;
    :func:`modnav.tables.write_tables` of :func:`recordings` writes them part by part instead.

    Args:
        agent: The agent; it runs where its parameters are.
        session: The trials.
        layers: Layers to record, or the name of one, see :mod:`modnav.recording.layers`; all by default.
        subject: Name of the agent in the table; its architecture by default.
        discount: Discount per step, for the TD error.
        progress: Told the number of trials done.
        options: Options of :func:`modnav.recording.make_session` that make up the session instead.

    Returns:
        The tables, see :data:`modnav.tables.SCHEMA`; no ``units`` if ``layers`` is empty.

    Raises:
        TypeError: If the agent is none.
        ValueError: If the session cannot be run, or a layer is unknown.
    """
    parts = recordings(
        agent,
        session,
        layers=layers,
        subject=subject,
        discount=discount,
        progress=progress,
        **options,
    )
    trials, steps, units = zip(*parts, strict=True)
    return Recording(
        pd.concat(trials, ignore_index=True),
        pd.concat(steps, ignore_index=True),
        None if units[0] is None else _joined(units),
    )


def recordings(
    agent: Agent,
    session: Session | None = None,
    *,
    layers: Sequence[str] | str | None = None,
    subject: str | None = None,
    discount: float = 0.97,
    progress: Progress | None = None,
    **options: Any,
) -> Iterator[Recording]:
    """Yield what :func:`record` returns in parts of :data:`BLOCK` trials."""
    if session is None:
        session = make_session(**options)
    elif options:
        raise ValueError(f"{', '.join(options)}: the session that is given has that already")
    require_kind("agent", agent, Agent, "a modnav.Agent, such as load_agent returns")
    streams = _streams(agent, session)
    chosen = {} if layers is not None and not layers else layers_of(agent, layers)
    device = next(agent.parameters()).device
    name = subject or agent.architecture
    done = 0
    for block in session.blocks(BLOCK):
        here = block.to(device)
        with torch.autocast(device.type, enabled=False):
            went = rollout(
                greedy(agent.actor),
                agent.sources,
                here.trials,
                here.noise,
                here.task,
                streams,
                drop_ended=True,
            )
            trials, steps = frames(went, td_error(agent, went, discount), here.task, name, done)
            units = _units(steps, _activity(agent, went, chosen), chosen) if chosen else None
        yield Recording(trials, steps, units)
        done += len(block)
        if progress is not None:
            progress(done)


def _streams(agent: Agent, session: Session) -> Mapping[str, KalmanStream]:
    assumed = (session.filter_process_noise, session.filter_observation_noise)
    if assumed == (None, None):
        return {}
    if "kalman" not in agent.sources:
        raise ValueError(
            "the noise that a filter assumes is given, but the agent has no Kalman filter"
        )
    return {"kalman": KalmanStream(*assumed)}


@torch.no_grad()
def _activity(agent: Agent, went: Rollout, layers: Mapping[str, Layer]) -> Any:
    """Return what units did, ``(units, rows)``, with a row for each step, trial after trial.

    The networks run over the recorded trials once more. Trials of like lengths are taken together,
    so that few steps are computed that no trial has.
    """
    count = went.steps.cpu().numpy()
    start = np.cumsum(count) - count
    values = np.empty((sum(layer.size for layer in layers.values()), count.sum()), np.float32)
    for group in torch.split(went.steps.argsort(), TOGETHER):
        length, chosen = int(went.steps[group[-1]]), group.cpu().numpy()
        inputs = {name: x[:length, group] for name, x in went.inputs.items()}
        with captured(layers) as activity, evaluating(agent):
            agent.actor(inputs)
            agent.critic.first(inputs, went.action[:length, group])
        mask = np.arange(length) < count[chosen, None]
        at = (start[chosen, None] + np.arange(length))[mask]
        unit = 0
        for name, layer in layers.items():
            seen = activity[name].float().transpose(0, 1).cpu().numpy()[mask]
            values[unit : unit + layer.size, at] = seen.T
            unit += layer.size
    return values


def _units(steps: pd.DataFrame, values: Any, layers: Mapping[str, Layer]) -> pd.DataFrame:
    """Return the table of activity ``(units, rows)`` at some steps, without a copy of it."""
    names = [column for layer in layers.values() for column in layer.columns]
    keys = {name: steps[name].to_numpy() for name in ("trial", "step")}
    return _wide(keys, values, names)


def _wide(keys: Mapping[str, Any], values: Any, names: Sequence[str]) -> pd.DataFrame:
    frame = pd.DataFrame(values.T, columns=list(names), copy=False)
    for place, (name, numbers) in enumerate(keys.items()):
        frame.insert(place, name, numbers)
    return frame


def _joined(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    names = [name for name in parts[0].columns if name not in ("trial", "step")]
    keys = {k: np.concatenate([part[k].to_numpy() for part in parts]) for k in ("trial", "step")}
    values = np.empty((len(names), len(keys["trial"])), np.float32)
    row = 0
    for part in parts:
        values[:, row : row + len(part)] = part[names].to_numpy().T
        row += len(part)
    return _wide(keys, values, names)
