"""Animals for the tests of modnav.analysis, in all three tasks of the study."""

import numpy as np
from analysis_runs import make_animal

from modnav.published import monkey_recordings
from modnav.tables import write_tables

GAINS = (1.5, 2.0)


def make_animals(folder, count=30):
    """Write tables of two animals in the normal, the gain and the perturbation task."""
    for k, subject in enumerate(("Bruno", "Schro")):
        normal = make_animal(count + 5 * (1 - k), seed=k)
        frames = {"normal": normal, "gain": _gain(normal), "perturbation": _pushed(normal, k)}
        for kind, frame in frames.items():
            write_tables(folder / subject / kind, monkey_recordings(frame, subject))
    return folder


def _gain(normal):
    """Return the trials at higher gains, some of which end too far ahead."""
    rows = []
    for gain in GAINS:
        for k, (_, row) in enumerate(normal.iterrows()):
            far = 1 + 0.2 * (k % 2)
            changed = {"gain_v": 200 * gain, "gain_w": 90 * gain, "rewarded": k % 2 == 0}
            rows.append(
                {**row, **changed, "pos_x": far * row["pos_x"], "pos_y": far * row["pos_y"]}
            )
    return type(normal)(rows)


def _pushed(normal, seed):
    draw = np.random.default_rng(seed)
    rows = []
    for _, row in normal.iterrows():
        pulse = np.exp(-(((row["time"] - 0.5) / 0.2) ** 2) / 2)
        peak_v, peak_w, nominal = draw.uniform((-200, -120, 0), (200, 120, 1))
        rows.append(
            {
                **row,
                "perturb_vpeak": peak_v,
                "perturb_wpeak": peak_w,
                "perturb_start_time": nominal + 0.02,
                "perturb_start_time_ori": nominal,
                "perturb_v": peak_v * pulse,
                "perturb_w": peak_w * pulse,
            }
        )
    return type(normal)(rows)
