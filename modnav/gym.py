"""The steering task as Gymnasium environments, for agents and libraries outside of this project.

Importing this module registers ``modnav/Firefly-v0``, alone and as a batch; its name may do it::

    env = gymnasium.make("modnav.gym:modnav/Firefly-v0", task={"gain": 2.0})
    envs = gymnasium.make_vec("modnav.gym:modnav/Firefly-v0", num_envs=16)

An episode is one trial: it terminates by a stop after the start and is truncated by time-out. An
observation is the 6 numbers of :class:`modnav.task.ObservationStream`; an action is the one
taken, so exploration noise counts in it when the start is judged. ``info`` tells what the agent
does not sense: ``state`` (x, y, heading, v, w) after the step, ``target``, ``gain``, and
``distance`` (unit), ``reached`` and ``rewarded``, which like the reward belong to the position
before the motion of the step. ``reset(options={"trials": ...})`` takes the trials to begin, as
:class:`modnav.task.Trials`, one for each environment, in place of drawn ones. Both stand in one
file, as the single environment is a batch of one.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from numbers import Integral
from typing import Any, TypeAlias, TypeVar

import gymnasium
import numpy as np
import torch
from gymnasium.error import InvalidAction, ResetNeeded
from gymnasium.spaces import Box
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray
from torch import Generator, Tensor
from typing_extensions import override

from modnav import task as firefly
from modnav.task import (
    UNIT_CM,
    ObservationStream,
    Outcome,
    Sensation,
    TaskParameters,
    Trials,
    World,
    bounds,
    target_at,
)

ENV_ID = "modnav/Firefly-v0"
"""Name under which the environments are registered."""

LARGEST_DRAW = 9.0
"""No standard normal draw is larger: sqrt(-2 log 2**-53) = 8.6 from a uniform one of 53 bits."""

Array: TypeAlias = NDArray[Any]
Picture: TypeAlias = NDArray[np.uint8]
Infos: TypeAlias = dict[str, Any]
TaskLike: TypeAlias = TaskParameters | Mapping[str, Any] | None
_Rows = TypeVar("_Rows", Trials, World, Sensation, Outcome)

_METADATA: Infos = {"render_modes": ["rgb_array"], "render_fps": 10}
_VECTOR_METADATA: Infos = {**_METADATA, "autoreset_mode": AutoresetMode.NEXT_STEP}


class FireflyVectorEnv(VectorEnv[Array, Array, Array]):
    """``B`` trials at once, in one call for each step.

    All that is random in a trial is drawn when it begins: conditions, process noise, observation
    noise, each from a generator of its own.

    Args:
        num_envs: Number of trials ``B``.
        task: Constants of the task, or some of them by name; the published ones if ``None``.
        autoreset_mode: When a trial begins after one has ended: as a step of its own that ignores
            the action (``NEXT_STEP``); at once, with ``final_obs`` and ``final_info`` in the info
            (``SAME_STEP``); or by ``reset(options={"reset_mask": mask})`` alone (``DISABLED``).
        max_episode_steps: Steps until time-out, if fewer than those of the task.
        render_mode: ``rgb_array`` if pictures are wanted.

    Raises:
        TypeError: If the task has no constant of a given name, or is none.
        ValueError: If the value of an argument is not allowed.
    """

    metadata = _VECTOR_METADATA

    def __init__(
        self,
        num_envs: int = 1,
        task: TaskLike = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        max_episode_steps: int | None = None,
        render_mode: str | None = None,
    ) -> None:
        counted = isinstance(num_envs, Integral) and num_envs >= 1
        _require(counted, f"num_envs is {num_envs!r}; it must be a whole number, 1 or more")
        num_envs = int(num_envs)
        known = render_mode in (None, "rgb_array")
        _require(known, f"render_mode is {render_mode!r}; it must be None or 'rgb_array'")
        task = _task_of(task)
        if max_episode_steps is not None:
            task = replace(task, max_steps=min(task.max_steps, max_episode_steps))
        self.task, self.num_envs, self.render_mode = task, num_envs, render_mode
        self._mode = AutoresetMode(autoreset_mode)
        self.metadata = {**_METADATA, "autoreset_mode": self._mode}
        self.autoreset_mode = self._mode  # where wrappers look for it
        self._limits = _task_limits(task)
        high = torch.cat((self._limits[:2], _floats(torch.ones, 2), self._limits[2:])).numpy()
        self.single_observation_space = Box(-high, high, dtype=np.float32)
        self.single_action_space = Box(-1.0, 1.0, (2,), np.float32)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._senses = ObservationStream()
        self._generators: list[Generator] = []
        # Ended trials stand in until the first reset.
        zero, yes = _floats(torch.zeros, num_envs), torch.ones(num_envs, dtype=torch.bool)
        target = _floats(torch.zeros, num_envs, 2)
        self._trials = firefly.make_trials(task, target, zero + 1, zero, zero)
        self._world, self._sensation = firefly.begin(self._trials)
        self._outcome = Outcome(zero, yes, ~yes, ~yes, zero)
        self._noise = _floats(torch.zeros, num_envs, task.max_steps, 2, 2)
        self._path = _floats(torch.zeros, num_envs, task.max_steps + 1, 2)
        self._rows, self._every = torch.arange(num_envs), np.ones(num_envs, dtype=np.bool_)

    @override
    @torch.inference_mode()
    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Array, Infos]:
        super().reset(seed=seed)
        options, every = options or {}, np.ones(self.num_envs, dtype=np.bool_)
        unknown = sorted(set(options) - {"trials", "reset_mask"})
        _require(not unknown, f"unknown options {unknown}; there are 'trials' and 'reset_mask'")
        mask = np.asarray(options.get("reset_mask", every))
        fits = mask.dtype == np.bool_ and mask.shape == every.shape and bool(mask.any())
        rule = f"it must be {self.num_envs} booleans, not all of them false"
        _require(fits, f"options['reset_mask'] is {mask}; {rule}")
        if (given := options.get("trials")) is not None:
            fits = isinstance(given, Trials) and {len(x) for x in given} == {self.num_envs}
            _require(fits, f"options['trials'] must be modnav.task.Trials, {self.num_envs} in all")
            fits = bool((_limits(given) <= self._limits.to(given.gain)).all())
            rule = "the task's ranges must hold their target, gain, noise and perturbation"
            _require(fits, f"options['trials'] may leave the observation space; {rule}")
        if seed is not None or not self._generators:
            seeds = self.np_random.integers(2**63, size=3).tolist()
            self._generators = [Generator().manual_seed(number) for number in seeds]
        self._begin(mask, given)
        return self._observation(), self._infos(mask)

    @override
    @torch.inference_mode()
    def step(self, actions: Array) -> tuple[Array, Array, Array, Array, Infos]:
        over, renew = self._ended(), self._mode is AutoresetMode.NEXT_STEP
        if not self._generators or (over.any() and not renew):
            raise ResetNeeded(f"no trial under way in {np.flatnonzero(over)}: call reset() first")
        values = _numbers(actions).astype(np.float32)
        if not self.action_space.contains(values):
            rule = "they must be 2 for each environment, in [-1, 1] (ClipAction sees to that)"
            raise InvalidAction(f"actions are {actions}; {rule}")
        self._advance(torch.from_numpy(values))
        if over.any():
            self._begin(over)
        reward, terminated, truncated = (x.numpy().copy() for x in self._outcome[:3])
        ended, infos = self._ended(), {}
        if self._mode is AutoresetMode.SAME_STEP and ended.any():
            final = np.full(self.num_envs, None, dtype=object)
            for row in np.flatnonzero(ended):
                final[row] = self._observation()[row]
            infos = {"final_obs": final, "final_info": self._infos(ended)}
            infos |= {f"_{key}": ended.copy() for key in infos}
            self._begin(ended)
        infos |= self._infos(self._every)
        return self._observation(), reward.astype(np.float64), terminated, truncated, infos

    @override
    def render(self) -> tuple[Picture, ...] | None:
        rows = range(self.num_envs)
        return tuple(self._picture(row) for row in rows) if self.render_mode else None

    def _begin(self, mask: Array, given: Trials | None = None) -> None:
        """Begin trials where ``mask`` ``(B,)`` is true: those of ``given``, else drawn ones."""
        rows = torch.from_numpy(np.flatnonzero(mask))
        trials = firefly.sample_trials(self.task, len(rows), self._generators[0])
        shape = (len(rows), self.task.max_steps, 2)
        noise = [_floats(torch.randn, shape, generator=each) for each in self._generators[1:]]
        if given is not None:
            trials = Trials(*(g.to(t)[rows] for g, t in zip(given, trials, strict=True)))
        world, sensation = firefly.begin(trials)
        no = torch.zeros_like(world.started)
        start = Outcome(torch.zeros_like(trials.gain), no, no, no, trials.target.norm(dim=-1))
        self._trials = _put(self._trials, rows, trials)
        self._world = _put(self._world, rows, world)
        self._sensation = _put(self._sensation, rows, sensation)
        self._outcome = _put(self._outcome, rows, start)
        self._noise[rows] = torch.stack(noise, dim=2)

    def _advance(self, action: Tensor) -> None:
        steps = self.task.max_steps
        at = self._world.step.clamp(max=steps - 1)  # ended trials may stand beyond
        noise = self._noise.flatten(0, 1).index_select(0, self._rows * steps + at)
        process, observation = noise.unbind(dim=1)
        self._world, self._sensation, self._outcome = firefly.advance(
            self.task, self._trials, self._world, action, action, process, observation
        )
        where = self._rows * (steps + 1) + at + 1
        self._path.view(-1, 2).index_copy_(0, where, self._world.state[:, :2])

    def _ended(self) -> Array:
        return (self._outcome.terminated | self._outcome.truncated).numpy()

    def _observation(self) -> Array:
        inputs, _ = self._senses.step(self._trials, self._sensation, None, self.task)
        return inputs.numpy().astype(np.float32)

    def _target(self) -> Tensor:
        """Return where targets are now, unit, ``(B, 2)``."""
        return target_at(self.task, self._trials, self._world.step)

    def _infos(self, mask: Array) -> Infos:
        distance = self._outcome.distance
        infos: Infos = {
            "state": self._world.state.numpy().astype(np.float32),
            "target": self._target().numpy().astype(np.float32),
            "gain": self._trials.gain.numpy().astype(np.float64),
            "distance": distance.numpy().astype(np.float64),
            "reached": (distance < self.task.reward_zone_radius).numpy(),
            "rewarded": self._outcome.rewarded.numpy() & self._ended(),
        }
        if not mask.all():
            for x in infos.values():
                x[~mask] = 0
        return infos | {f"_{key}": mask.copy() for key in infos}

    def _picture(self, row: int) -> Picture:
        """Return one trial seen from above, on a grid of 1 m, ``(400, 400, 3)``."""
        # Pictures are rarely wanted, and Matplotlib is slow to import.
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        half = self.task.target_distance_cm[1] + self.task.reward_zone_radius_cm
        canvas: Any = FigureCanvasAgg(Figure(figsize=(4, 4), dpi=100))  # its methods are untyped
        axes = canvas.figure.add_axes((0, 0, 1, 1), frame_on=False)
        lines = np.arange(-100 * (half // 100), half * 1.5, 100)
        axes.set(xticks=lines, yticks=lines, xlim=(-half, half), ylim=(-half / 2, half * 1.5))
        axes.grid(color="0.9")
        around = np.linspace(0, 2 * np.pi, 60)
        rim = self.task.reward_zone_radius_cm * np.stack((np.cos(around), np.sin(around)))
        target = UNIT_CM * self._target()[row, :, None].numpy()
        axes.fill(*(target + rim), color="palegreen")
        axes.plot(*target, "o", color="green")
        path = UNIT_CM * self._path[row, : int(self._world.step[row]) + 1].numpy()
        axes.plot(*path.T, color="black")
        heading = float(self._world.state[row, 2])
        nose = path[-1] + 30 * np.array((math.cos(heading), math.sin(heading)))
        axes.plot(*path[-1], "o", color="royalblue", markersize=9)
        axes.plot(*np.stack((path[-1], nose), axis=1), color="royalblue", linewidth=4)
        canvas.draw()
        return np.asarray(canvas.buffer_rgba())[..., :3].copy()


class FireflyEnv(gymnasium.Env[Array, Array]):
    """One trial at a time: a batch of one, whose arguments and errors it shares.

    Args:
        task: Constants of the task, or some of them by name; the published ones if ``None``.
        render_mode: ``rgb_array`` if pictures are wanted.
    """

    metadata = _METADATA

    def __init__(self, task: TaskLike = None, render_mode: str | None = None) -> None:
        self._batch = FireflyVectorEnv(1, task, AutoresetMode.DISABLED, render_mode=render_mode)
        self.task, self.render_mode = self._batch.task, render_mode
        self.observation_space = self._batch.single_observation_space
        self.action_space = self._batch.single_action_space

    @override
    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Array, Infos]:
        super().reset(seed=seed)
        self._batch.np_random = self.np_random
        observation, infos = self._batch.reset(seed=seed, options=options)
        return observation[0], _first(infos)

    @override
    def step(self, action: Array) -> tuple[Array, float, bool, bool, Infos]:
        observation, reward, ended, timed_out, infos = self._batch.step(_numbers(action)[None])
        return observation[0], float(reward[0]), bool(ended[0]), bool(timed_out[0]), _first(infos)

    @override
    def render(self) -> Picture | None:
        pictures = self._batch.render()
        return pictures[0] if pictures else None


def _task_of(task: TaskLike) -> TaskParameters:
    if isinstance(task, TaskParameters):
        return task
    if isinstance(task, Mapping | None):
        return TaskParameters(**(task or {}))
    rule = "it must be modnav.task.TaskParameters, or constants of it by name, as {'gain': 2.0}"
    raise TypeError(f"task is {task!r}; {rule}")


def _floats(make: Callable[..., Tensor], *args: Any, **options: Any) -> Tensor:
    """Return a new tensor in float32, also where tensors are double by default."""
    return make(*args, **options, dtype=torch.float32)


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


def _numbers(actions: Any) -> Array:
    """Return actions as an array of numbers, also those of a policy that keeps gradients.

    Raises:
        InvalidAction: If they are none, such as texts, or rows of several lengths.
    """
    try:
        values = actions.detach().cpu().numpy() if isinstance(actions, Tensor) else None
        values = np.asarray(actions) if values is None else values
    except (TypeError, ValueError, RuntimeError) as error:
        raise InvalidAction(
            f"actions are {actions!r}; they must be an array of numbers"
        ) from error
    if values.dtype.kind not in "fiu":
        raise InvalidAction(f"actions are {actions!r}; they must be numbers, in [-1, 1]")
    return values


def _put(old: _Rows, rows: Tensor, new: _Rows) -> _Rows:
    if len(rows) == len(old[0]):
        return new
    # Not in place: the fields of these tuples share memory with each other.
    return type(old)(*(o.index_put((rows,), n) for o, n in zip(old, new, strict=True)))


def _first(infos: Infos) -> Infos:
    values = {key: x[0] for key, x in infos.items() if not key.startswith("_")}
    return {key: x if x.ndim else x.item() for key, x in values.items()}


def _limits(trials: Trials) -> Tensor:
    """Return what |o_v|, |o_w|, |target x| and |target y| never exceed, ``(B, 4)``."""
    noise = LARGEST_DRAW * (trials.process_noise_std + trials.observation_noise_std)
    return torch.cat((trials.joystick_gain + trials.peak.abs() + noise, trials.target.abs()), -1)


def _task_limits(task: TaskParameters) -> Tensor:
    """Return the limits of every trial of a task with a little room for rounding, ``(4,)``."""
    far = _floats(torch.full, (1, 2), task.target_distance_cm[1] / UNIT_CM)
    ranges = (task.gain, task.process_noise, task.observation_noise)
    gain, process, observation = (_floats(torch.tensor, [bounds(x)[1]]) for x in ranges)
    linear = max(map(abs, bounds(task.peak_linear_cm_s))) / UNIT_CM
    angular = math.radians(max(map(abs, bounds(task.peak_angular_deg_s))))
    peak = task.perturbed * _floats(torch.tensor, [[linear, angular]])
    limits = 1.01 * _limits(firefly.make_trials(task, far, gain, process, observation, peak))[0]
    if task.motion is not None:  # it may go anywhere
        limits[2:] = math.inf
    return limits


gymnasium.register(
    id=ENV_ID,
    entry_point="modnav.gym:FireflyEnv",
    vector_entry_point="modnav.gym:FireflyVectorEnv",
)
