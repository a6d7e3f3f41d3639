"""Made-up training curves."""

import math

from modnav.runs import METRICS, CurveSettings, TrainingCurve, digest
from modnav.task import TaskParameters

TASKS = ("gain1x", "gain1.5x")
SETTINGS = CurveSettings(TASKS, 50, TaskParameters(), 0.97, {"actor": {"in_features": 6}})


def rows_of(episode):
    """Return numbers of a checkpoint that need all their digits."""
    return {
        task: {name: math.sqrt(episode + 7 * k + 0.1 * j) for j, name in enumerate(METRICS)}
        for k, task in enumerate(TASKS)
    }


def checkpoint(folder, episode):
    path = folder / f"{episode:05d}.ckpt"
    path.write_bytes(b"weights of %d" % episode)
    return path


def make(folder, episodes=(499, 999, 1499), name="a.csv", settings=SETTINGS, **options):
    curve = TrainingCurve(folder / name, settings, **options)
    for episode in episodes:
        file = checkpoint(folder, episode)
        if not curve.holds(episode, file):
            curve.add(episode, digest(file), rows_of(episode))
    return curve
