"""Input streams: what a network may read at each step, computed while trials unfold.

A stream has a state but nothing to learn; its outputs are stored in replay. ``observation`` gives
the 6 numbers the agent senses, ``kalman`` the 13 numbers of an extended Kalman filter, which is
told each trial's gain, noise, target and perturbation. One of a user's own has the path of its class
as its name, ``my_lab.Delayed``, and is looked up where it was imported.
"""

import abc
import math
import sys
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor
from typing_extensions import override

from . import kalman
from .parameters import TaskParameters
from .state import Sensation, Trials

__all__ = [
    "STREAMS",
    "AbstractStream",
    "KalmanStream",
    "ObservationStream",
    "StreamState",
    "mirror_action",
    "start_streams",
    "step_streams",
]

StreamState = Any
"""What a stream remembers between steps: ``None`` or a tuple of tensors ``(B, ...)``."""


class AbstractStream(abc.ABC):
    """Turns sensations into inputs.

    Attributes:
        features: Numbers in one input, ``F``.
        mirrored: Sign of each number in the left-right mirror image of a trial, ``F`` of them.
    """

    features: ClassVar[int]
    mirrored: ClassVar[tuple[int, ...]]

    @abc.abstractmethod
    def start(self, trials: Trials, sensation: Sensation) -> tuple[Tensor, StreamState]:
        """Return the first input, ``(B, F)``, and the state."""

    @abc.abstractmethod
    def step(
        self, trials: Trials, sensation: Sensation, state: StreamState, task: TaskParameters
    ) -> tuple[Tensor, StreamState]:
        """Return the next input, ``(B, F)``, and the new state."""

    @classmethod  # noqa: B027 - most need nothing
    def check(cls, task: TaskParameters) -> None:
        """Raise a ``ValueError`` if the stream has no meaning in a task; it has in all as it stands."""

    def mirror(self, inputs: Tensor) -> Tensor:
        """Return the inputs ``(..., F)`` of the trial's mirror image."""
        return inputs * inputs.new_tensor(self.mirrored)


class ObservationStream(AbstractStream):
    """What the agent senses: o_v, o_w, a_v, a_w, target x, target y; F = 6."""

    features = 6
    mirrored = (1, -1, 1, -1, -1, 1)

    @override
    def start(self, trials: Trials, sensation: Sensation) -> tuple[Tensor, StreamState]:
        return torch.cat(sensation[:3], dim=-1), None

    @override
    def step(
        self, trials: Trials, sensation: Sensation, state: StreamState, task: TaskParameters
    ) -> tuple[Tensor, StreamState]:
        return torch.cat(sensation[:3], dim=-1), None


class KalmanStream(AbstractStream):
    """The belief of a Kalman filter, see :func:`modnav.task.kalman.features`; F = 13.

    Args:
        process_noise: Process noise that the filter assumes, in multiples of the joystick gain;
            the trial's own if None.
        observation_noise: Observation noise that it assumes, likewise.
    """

    features = kalman.FEATURES
    mirrored = (-1, 1, -1, 1, -1, 1, -1, 1, 1, -1, 1, 1, 1)

    def __init__(
        self, process_noise: float | None = None, observation_noise: float | None = None
    ) -> None:
        self.process_noise = process_noise
        self.observation_noise = observation_noise

    @override
    def start(self, trials: Trials, sensation: Sensation) -> tuple[Tensor, StreamState]:
        belief = kalman.start(trials.target)
        return kalman.features(belief), belief

    @override
    def step(
        self, trials: Trials, sensation: Sensation, state: StreamState, task: TaskParameters
    ) -> tuple[Tensor, StreamState]:
        self.check(task)
        process, observation = trials.process_noise_std, trials.observation_noise_std
        if self.process_noise is not None:
            process = self.process_noise * trials.joystick_gain
        if self.observation_noise is not None:
            observation = self.observation_noise * trials.joystick_gain
        velocity = trials.joystick_gain * sensation.action + sensation.perturbation
        belief = kalman.step(
            kalman.KalmanState(*state), velocity, sensation.velocity, process, observation, task.dt
        )
        return kalman.features(belief), belief

    @override
    @classmethod
    def check(cls, task: TaskParameters) -> None:
        if task.motion is not None:
            raise ValueError(
                "data.task.motion is set, but the agent reads a Kalman filter, which takes the "
                "target to rest; it must be None, or the agent another"
            )

    @override
    def mirror(self, inputs: Tensor) -> Tensor:
        flipped = super().mirror(inputs)
        flipped[..., 2] += math.pi
        return flipped


class _Streams(dict[str, type[AbstractStream]]):
    """Classes by name; those of a user's own are in it once their module is imported."""

    @override
    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or _own(str(name)) is not None

    def __missing__(self, name: str) -> type[AbstractStream]:
        if (found := _own(name)) is None:
            raise KeyError(name)
        signs = getattr(found, "mirrored", ())
        if not (0 < len(signs) == getattr(found, "features", 0) and {*signs} <= {1, -1}):
            raise ValueError(
                f"{name} must set features, and mirrored: as many signs, each 1 or -1"
            )
        try:
            found()
        except TypeError as error:
            raise ValueError(f"{name} must be made without arguments: {error}") from error
        return found


def _own(name: str) -> type[AbstractStream] | None:
    """Return the class that a path names if it is a stream of an imported module."""
    module, _, last = name.rpartition(".")
    found = getattr(sys.modules.get(module), last, None)
    return found if isinstance(found, type) and issubclass(found, AbstractStream) else None


STREAMS = _Streams(observation=ObservationStream, kalman=KalmanStream)
"""The streams, by the name under which networks read them."""


def start_streams(
    streams: Mapping[str, AbstractStream], trials: Trials, sensation: Sensation
) -> dict[str, tuple[Tensor, StreamState]]:
    """Return the first input ``(B, F)`` and the state of each stream.

    Raises:
        ValueError: If a stream of a user's own gives something else; the message names it.
    """
    return {
        name: _checked(name, stream, stream.start(trials, sensation), trials)
        for name, stream in streams.items()
    }


def step_streams(
    streams: Mapping[str, AbstractStream],
    trials: Trials,
    sensation: Sensation,
    states: Mapping[str, StreamState],
    task: TaskParameters,
) -> dict[str, tuple[Tensor, StreamState]]:
    """Return the next input ``(B, F)`` and the new state of each stream.

    Raises:
        ValueError: If a stream of a user's own gives something else; the message names it.
    """
    return {
        name: _checked(name, stream, stream.step(trials, sensation, states[name], task), trials)
        for name, stream in streams.items()
    }


def _checked(
    name: str, stream: AbstractStream, given: Any, trials: Trials
) -> tuple[Tensor, StreamState]:
    if "." not in name:
        return given
    count, device = len(trials.gain), trials.gain.device
    if not (isinstance(given, tuple) and len(given) == 2):
        raise ValueError(f"{name} gave a {type(given).__name__}; it must be inputs and a state")
    x, state = given
    shape = [count, stream.features]
    if not isinstance(x, Tensor) or list(x.shape) != shape or x.dtype != torch.float32:
        found = f"{list(x.shape)}, {x.dtype}" if isinstance(x, Tensor) else type(x).__name__
        raise ValueError(f"{name} gave inputs {found}; they must be {shape}, torch.float32")
    if not bool(x.isfinite().all()):
        raise ValueError(f"{name} gave inputs that are not finite")
    parts = (() if state is None else state) if isinstance(state, (tuple, type(None))) else (0,)
    if not all(isinstance(part, Tensor) and part.shape[:1] == (count,) for part in parts):
        raise ValueError(
            f"{name} gave a state that is neither None nor a tuple of tensors ({count}, ...)"
        )
    if astray := [part.device for part in (x, *parts) if part.device != device]:
        raise ValueError(f"{name} gave tensors on {astray[0]}; they must be on {device}")
    return given


def mirror_action(action: Tensor) -> Tensor:
    """Return the actions ``(..., 2)`` of a trial's mirror image."""
    return action * action.new_tensor((1, -1))
