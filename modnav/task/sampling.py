"""Drawing trials, of one task or of several at once."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Generator, Tensor

from .parameters import UNIT_CM, Range, TaskParameters, bounds
from .state import Trials
from .world import make_trials

__all__ = ["sample_trials", "sample_trials_of_each"]


def sample_trials(task: TaskParameters, count: int, generator: Generator) -> Trials:
    """Draw trials.

    Args:
        task: Constants of the task.
        count: Number of trials ``B``.
        generator: Source of randomness; the trials live on its device.

    Returns:
        The trials.

    Raises:
        TypeError: If the generator is none of torch, such as a seed.
    """
    if not isinstance(generator, Generator):
        rule = "it must be a torch.Generator, such as torch.Generator().manual_seed(0)"
        raise TypeError(f"generator is {generator!r}; {rule}")
    return sample_trials_of_each([task], [count], [generator])


def sample_trials_of_each(
    tasks: Sequence[TaskParameters], counts: Sequence[int], generators: Sequence[Generator]
) -> Trials:
    """Draw trials of several tasks: those that :func:`sample_trials` would draw of each.

    Args:
        tasks: They may differ in noises and gains; all else is that of the first.
        counts: Number of trials of each.
        generators: Source of randomness of each; the trials live on their device.

    Returns:
        The trials, those of the first task first.
    """
    task, draws = tasks[0], _Draws(tasks, counts, generators)
    near, far = task.target_distance_cm
    radius = draws.uniform(lambda _: (near**2, far**2)).sqrt() / UNIT_CM
    bearing = math.pi / 2 - torch.deg2rad(draws.uniform(lambda t: t.target_angle_deg))
    target = torch.stack((radius * bearing.cos(), radius * bearing.sin()), dim=-1)
    gain = draws.uniform(lambda t: t.gain, task.excluded_gain)
    process = draws.uniform(lambda t: t.process_noise)
    observation = draws.uniform(lambda t: t.observation_noise)
    if not task.perturbed:
        return make_trials(task, target, gain, process, observation)
    peaks = (lambda t: t.peak_linear_cm_s), (lambda t: t.peak_angular_deg_s)
    linear = draws.uniform(peaks[0], task.excluded_peak_linear_cm_s) / UNIT_CM
    angular = draws.uniform(peaks[1], task.excluded_peak_angular_deg_s)
    peak = torch.stack((linear, torch.deg2rad(angular)), dim=-1)
    onset = draws.whole(*task.onset_steps)
    return make_trials(task, target, gain, process, observation, peak, onset)


class _Draws:
    """Draws for trials of several tasks, of each from its own generator.

    Args:
        tasks: The tasks.
        counts: Number of trials of each.
        generators: Generator of each.
    """

    def __init__(
        self,
        tasks: Sequence[TaskParameters],
        counts: Sequence[int],
        generators: Sequence[Generator],
    ) -> None:
        self.tasks, self.counts, self.generators = tasks, list(counts), generators
        self.device = generators[0].device

    def uniform(
        self,
        value: Callable[[TaskParameters], Range],
        excluded: tuple[float, float] | None = None,
    ) -> Tensor:
        """Return numbers from a range of each task, ``(B,)``.

        Those of a task are all drawn anew until none is in the excluded range.
        """
        ranges = [bounds(value(task)) for task in self.tasks]
        lo, width = (
            self._each(x) for x in zip(*((lo, hi - lo) for lo, hi in ranges), strict=True)
        )
        x = lo + width * self._unit([True] * len(ranges))
        while excluded and (inside := (x >= excluded[0]) & (x <= excluded[1])).any():
            again = [bool(part.any()) for part in torch.split(inside, self.counts)]
            x = torch.where(inside, lo + width * self._unit(again), x)
        return x

    def whole(self, first: int, last: int) -> Tensor:
        """Return whole numbers from a range, ``(B,)``."""
        drawn = [
            torch.randint(first, last + 1, (count,), generator=generator, device=self.device)
            for count, generator in zip(self.counts, self.generators, strict=True)
        ]
        return torch.cat(drawn)

    def _unit(self, which: Sequence[bool]) -> Tensor:
        """Return numbers from 0 to 1 for some of the tasks, and 0 for others."""
        drawn = torch.zeros(sum(self.counts), dtype=torch.float32, device=self.device)
        parts = torch.split(drawn, self.counts)
        for here, part, generator in zip(which, parts, self.generators, strict=True):
            if here:
                part.uniform_(generator=generator)
        return drawn

    def _each(self, numbers: Sequence[float]) -> float | Tensor:
        """Return a number of each task as one of each trial; one that all share as it is."""
        if len(set(numbers)) == 1:
            return numbers[0]
        return torch.from_numpy(np.repeat(np.array(numbers, dtype=np.float32), self.counts)).to(
            self.device
        )
