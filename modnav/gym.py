"""The steering task as Gymnasium environments, for agents and libraries outside of this project.

Importing this module registers ``modnav/Firefly-v0``, alone and as a batch; its name may do it::

    env = gymnasium.make("modnav.gym:modnav/Firefly-v0", task={"gain": 2.0})
    envs = gymnasium.make_vec("modnav.gym:modnav/Firefly-v0", num_envs=16)

An episode is one trial: it terminates by a stop after the start and is truncated by time-out. An
observation is the 6 numbers of :class:`modnav.streams.ObservationStream`; an action is the one
taken, so exploration noise counts in it when the start is judged. ``info`` tells what the agent
does not sense: ``state`` (x, y, heading, v, w) after the step, ``target``, ``gain``, and
``distance`` (unit), ``reached`` and ``rewarded``, which like the reward belong to the position
before the motion of the step. ``reset(options={"trials": ...})`` takes the trials to begin, as
:class:`modnav.task.Trials`, one for each environment, in place of drawn ones.
"""

import math
from collections.abc import Mapping
from dataclasses import fields, replace
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
from modnav.streams import ObservationStream
from modnav.task import UNIT_CM, Outcome, Sensation, TaskParameters, Trials, World, bounds

ENV_ID = "modnav/Firefly-v0"
"""Name under which the environments are registered."""

LARGEST_DRAW = 9.0
"""No standard normal draw is larger: sqrt(-2 log 2**-53) = 8.6 from a uniform one of 53 bits."""

Array: TypeAlias = NDArray[Any]
Options: TypeAlias = dict[str, Any] | None
TaskLike: TypeAlias = TaskParameters | Mapping[str, Any] | None
_Rows = TypeVar("_Rows", Trials, World, Sensation, Outcome)


class _Batch:
    """``B`` trials under way: what the single and the vector environment share.

    All that is random in a trial is drawn when it begins, conditions and both noises each from a
    generator of its own; so the lengths of earlier trials change nothing.
    """

    def __init__(self, task: TaskLike, count: int, render_mode: str | None) -> None:
        if render_mode not in (None, "rgb_array"):
            raise ValueError(f"render_mode is {render_mode!r}; it must be None or 'rgb_array'")
        self.task = _parameters(task)
        self.generators: list[Generator] = []
        self.observation_space = _observation_space(self.task)
        self.senses = ObservationStream()
        # Ended trials stand in until the first reset.
        zero, yes = torch.zeros(count), torch.ones(count, dtype=torch.bool)
        self.trials = firefly.make_trials(self.task, torch.zeros(count, 2), zero + 1, zero, zero)
        self.world, self.sensation = firefly.begin(self.trials)
        self.outcome = Outcome(zero, yes, ~yes, ~yes, zero)
        self.noise = torch.zeros(count, 2, self.task.max_steps, 2)
        self.path = torch.zeros(count, self.task.max_steps + 1, 2)

    @property
    def ended(self) -> Array:
        return (self.outcome.terminated | self.outcome.truncated).numpy()

    def observation(self) -> Array:
        inputs, _ = self.senses.step(self.trials, self.sensation, None, self.task)
        return inputs.numpy().astype(np.float32)

    def info(self) -> dict[str, Array]:
        distance = self.outcome.distance
        return {
            "state": self.world.state.numpy().astype(np.float32),
            "target": self.trials.target.numpy().astype(np.float32),
            "gain": self.trials.gain.numpy().astype(np.float64),
            "distance": distance.numpy().astype(np.float64),
            "reached": (distance < self.task.reward_zone_radius).numpy(),
            "rewarded": self.outcome.rewarded.numpy() & self.ended,
        }

    def seed(self, source: np.random.Generator) -> None:
        seeds = source.integers(2**63, size=3)
        self.generators = [Generator().manual_seed(int(seed)) for seed in seeds]

    def reset(self, mask: Array, options: Options = None) -> None:
        """Begin trials where ``mask`` ``(B,)`` is true."""
        given = self._given(options or {})
        rows = torch.from_numpy(np.flatnonzero(mask))
        trials = firefly.sample_trials(self.task, len(rows), self.generators[0])
        shape = (len(rows), self.task.max_steps, 2)
        noise = [torch.randn(shape, generator=generator) for generator in self.generators[1:]]
        if given is not None:
            trials = Trials(*(g[rows].to(t) for g, t in zip(given, trials, strict=True)))
        world, sensation = firefly.begin(trials)
        no = torch.zeros_like(world.started)
        start = Outcome(torch.zeros_like(trials.gain), no, no, no, trials.target.norm(dim=-1))
        self.trials = _put(self.trials, rows, trials)
        self.world = _put(self.world, rows, world)
        self.sensation = _put(self.sensation, rows, sensation)
        self.outcome = _put(self.outcome, rows, start)
        self.noise[rows] = torch.stack(noise, dim=1)
        self.path[rows] = 0.0

    def _given(self, options: dict[str, Any]) -> Trials | None:
        if unknown := sorted(set(options) - {"trials"}):
            raise ValueError(f"reset options {unknown} are unknown; there is 'trials'")
        if "trials" not in options:
            return None
        given, count = options["trials"], len(self.path)
        if not isinstance(given, Trials) or len(given.gain) != count:
            raise ValueError(f"options['trials'] must be a modnav.task.Trials of {count} trials")
        high = torch.from_numpy(self.observation_space.high[[0, 1, 4, 5]])
        if not (_largest(given) <= high).all():
            raise ValueError(
                "options['trials'] may leave the observation space: make the environment with a "
                "task whose ranges hold their target, gain, noise and perturbation"
            )
        return given

    def step(self, action: Array, space: Box, renew: bool = False) -> None:
        """Take a step in every trial; if ``renew``, those that had ended begin anew instead."""
        ended, values = self.ended, np.asarray(action, dtype=np.float32)
        if not self.generators or (ended.any() and not renew):
            raise ResetNeeded(f"no trial under way in {np.flatnonzero(ended)}: call reset() first")
        if not space.contains(values):
            rule = f"it must have shape {space.shape} and lie in [-1, 1], as ClipAction sees to"
            raise InvalidAction(f"action is {action}; {rule}")
        taken, every = torch.from_numpy(values).view(-1, 2), torch.arange(len(ended))
        at = self.world.step.clamp(max=self.task.max_steps - 1)  # ended trials may stand beyond
        process, observation = self.noise[every, :, at].unbind(dim=1)
        self.world, self.sensation, self.outcome = firefly.advance(
            self.task, self.trials, self.world, taken, taken, process, observation
        )
        self.path[every, at + 1] = self.world.state[:, :2]
        if ended.any():
            self.reset(ended)

    def picture(self, row: int) -> NDArray[np.uint8]:
        """Return one trial seen from above, on a grid of 1 m, ``(400, 400, 3)``."""
        # Pictures are rarely wanted, and Matplotlib is slow to import.
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
        from matplotlib.patches import Circle

        zone = self.task.reward_zone_radius_cm
        half = self.task.target_distance_cm[1] + zone
        canvas = FigureCanvasAgg(Figure(figsize=(4, 4), dpi=100))
        axes = canvas.figure.add_axes((0, 0, 1, 1))
        lines = np.arange(-100 * (half // 100), half * 1.5, 100)
        axes.set(xticks=lines, yticks=lines, xlim=(-half, half), ylim=(-half / 2, half * 1.5))
        axes.grid(color="0.9")
        target = UNIT_CM * self.trials.target[row].numpy()
        axes.add_patch(Circle((target[0], target[1]), zone, facecolor="palegreen"))
        axes.plot(*target, "o", color="green")
        path = UNIT_CM * self.path[row, : int(self.world.step[row]) + 1].numpy()
        axes.plot(*path.T, color="black")
        heading = math.degrees(self.world.state[row, 2]) - 90
        axes.plot(*path[-1], marker=(3, 0, heading), color="royalblue", markersize=12)
        canvas.draw()
        return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _put(old: _Rows, rows: Tensor, new: _Rows) -> _Rows:
    # Not in place: the fields of these tuples share memory with each other.
    return type(old)(*(o.index_put((rows,), n) for o, n in zip(old, new, strict=True)))


def _parameters(task: TaskLike) -> TaskParameters:
    if isinstance(task, TaskParameters):
        return task
    known = [field.name for field in fields(TaskParameters)]
    if unknown := [key for key in task or {} if key not in known]:
        raise ValueError(f"task has no {', '.join(map(repr, unknown))}; it has {', '.join(known)}")
    pairs = (task or {}).items()
    return TaskParameters(**{k: tuple(v) if isinstance(v, list) else v for k, v in pairs})


def _largest(trials: Trials) -> Tensor:
    """Return what |o_v|, |o_w|, |target x| and |target y| never exceed, ``(B, 4)``."""
    noise = LARGEST_DRAW * (trials.process_noise_std + trials.observation_noise_std)
    return torch.cat((trials.joystick_gain + trials.peak.abs() + noise, trials.target.abs()), -1)


def _observation_space(task: TaskParameters) -> Box:
    far = torch.full((1, 2), task.target_distance_cm[1] / UNIT_CM)
    ranges = (task.gain, task.process_noise, task.observation_noise)
    gain, process, observation = (torch.tensor([float(bounds(x)[1])]) for x in ranges)
    linear = max(map(abs, bounds(task.peak_linear_cm_s))) / UNIT_CM
    angular = math.radians(max(map(abs, bounds(task.peak_angular_deg_s))))
    peak = task.perturbed * torch.tensor([[linear, angular]])
    worst = _largest(firefly.make_trials(task, far, gain, process, observation, peak))[0]
    # A little room for rounding.
    high = torch.cat((1.01 * worst[:2], torch.ones(2), 1.01 * worst[2:])).numpy()
    return Box(-high, high, dtype=np.float32)


class FireflyEnv(gymnasium.Env[Array, Array]):
    """One trial at a time.

    Args:
        task: Constants of the task, or some of them by name; the published ones if ``None``.
        render_mode: ``rgb_array`` if pictures are wanted.

    Raises:
        ValueError: If a constant is unknown or not allowed, or the render mode is.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}

    def __init__(self, task: TaskLike = None, render_mode: str | None = None) -> None:
        self._batch = _Batch(task, 1, render_mode)
        self.render_mode = render_mode
        self.observation_space = self._batch.observation_space
        self.action_space = Box(-1.0, 1.0, (2,), np.float32)

    def _info(self) -> dict[str, Any]:
        return {k: x[0] if x.ndim > 1 else x[0].item() for k, x in self._batch.info().items()}

    @override
    def reset(
        self, *, seed: int | None = None, options: Options = None
    ) -> tuple[Array, dict[str, Any]]:
        super().reset(seed=seed)
        if seed is not None or not self._batch.generators:
            self._batch.seed(self.np_random)
        self._batch.reset(np.ones(1, dtype=np.bool_), options)
        return self._batch.observation()[0], self._info()

    @override
    def step(self, action: Array) -> tuple[Array, float, bool, bool, dict[str, Any]]:
        self._batch.step(action, self.action_space)
        reward, terminated, truncated = (x.item() for x in self._batch.outcome[:3])
        return self._batch.observation()[0], reward, terminated, truncated, self._info()

    @override
    def render(self) -> NDArray[np.uint8] | None:
        return self._batch.picture(0) if self.render_mode else None


class FireflyVectorEnv(VectorEnv[Array, Array, Array]):
    """Many trials at once, in one call for each step.

    Args:
        num_envs: Number of trials ``B``.
        task: Constants of the task, or some of them by name; the published ones if ``None``.
        autoreset_mode: When a trial begins after one has ended: as a step of its own that ignores
            the action (``NEXT_STEP``); at once, with ``final_obs`` and ``final_info`` in the info
            (``SAME_STEP``); or by ``reset(options={"reset_mask": mask})`` alone (``DISABLED``).
        max_episode_steps: Steps until time-out, if fewer than those of the task.
        render_mode: ``rgb_array`` if pictures are wanted.

    Raises:
        ValueError: If a constant is unknown or not allowed, or another argument is.
    """

    metadata = {**FireflyEnv.metadata, "autoreset_mode": AutoresetMode.NEXT_STEP}

    def __init__(
        self,
        num_envs: int = 1,
        task: TaskLike = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        max_episode_steps: int | None = None,
        render_mode: str | None = None,
    ) -> None:
        if num_envs < 1:
            raise ValueError(f"num_envs is {num_envs}; it must be 1 or more")
        task = _parameters(task)
        if max_episode_steps is not None:
            task = replace(task, max_steps=min(task.max_steps, max_episode_steps))
        self._batch = _Batch(task, num_envs, render_mode)
        self._mode = AutoresetMode(autoreset_mode)
        self.metadata = {**self.metadata, "autoreset_mode": self._mode}
        self.num_envs, self.render_mode = num_envs, render_mode
        self.single_observation_space = self._batch.observation_space
        self.single_action_space = Box(-1.0, 1.0, (2,), np.float32)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)

    def _infos(self, mask: Array) -> dict[str, Any]:
        infos: dict[str, Any] = {}
        for key, x in self._batch.info().items():
            x[~mask] = 0
            infos |= {key: x, f"_{key}": mask.copy()}
        return infos

    @override
    def reset(
        self, *, seed: int | None = None, options: Options = None
    ) -> tuple[Array, dict[str, Any]]:
        super().reset(seed=seed)
        rest = dict(options or {})
        mask = np.asarray(rest.pop("reset_mask", np.ones(self.num_envs, dtype=np.bool_)))
        if mask.dtype != np.bool_ or mask.shape != (self.num_envs,) or not mask.any():
            raise ValueError(
                f"options['reset_mask'] is {mask}; it must be {self.num_envs} booleans, "
                "at least one of them true"
            )
        if seed is not None or not self._batch.generators:
            self._batch.seed(self.np_random)
        self._batch.reset(mask, rest)
        return self._batch.observation(), self._infos(mask)

    @override
    def step(self, actions: Array) -> tuple[Array, Array, Array, Array, dict[str, Any]]:
        batch, infos = self._batch, {}
        batch.step(actions, self.action_space, renew=self._mode is AutoresetMode.NEXT_STEP)
        ended, (reward, terminated, truncated, *_) = batch.ended, batch.outcome
        if self._mode is AutoresetMode.SAME_STEP and ended.any():
            final = np.full(self.num_envs, None, dtype=object)
            for row in np.flatnonzero(ended):
                final[row] = batch.observation()[row]
            infos = {"final_obs": final, "_final_obs": ended}
            infos |= {"final_info": self._infos(ended), "_final_info": ended.copy()}
            batch.reset(ended)
        infos |= self._infos(np.ones(self.num_envs, dtype=np.bool_))
        return (
            batch.observation(),
            reward.numpy().astype(np.float64),
            terminated.numpy().copy(),
            truncated.numpy().copy(),
            infos,
        )

    @override
    def render(self) -> tuple[NDArray[np.uint8], ...] | None:
        rows = range(self.num_envs)
        return tuple(map(self._batch.picture, rows)) if self.render_mode else None


gymnasium.register(
    id=ENV_ID,
    entry_point="modnav.gym:FireflyEnv",
    vector_entry_point="modnav.gym:FireflyVectorEnv",
)
