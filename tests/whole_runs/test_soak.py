"""The soak in its short form, and that its judge would notice."""

import numpy as np
import pandas as pd
import pytest
from forked import Forked, script
from soak import faults, judge


def noted(leak_mb=0.0, slowing=0.0):
    """Return notes of a run of 1,000,000 steps that leaks and gets slower as told."""
    steps = np.arange(10_000, 1_000_001, 2000)
    part = (steps - steps[0]) / (steps[-1] - steps[0])
    return pd.DataFrame(
        {
            "env_steps": steps,
            "training_steps": steps,
            "replay_fill": np.minimum(steps / 50_000, 1),
            "seconds": steps / 1000,
            "training_cpu_s": np.cumsum(1 + slowing * part),
            "yardstick_ms": 5.0,
            "rss_mb": 500 + leak_mb * part + np.random.default_rng(0).normal(size=len(steps)),
        }
    )


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (noted(), ""),
        (noted(leak_mb=60), "memory grew by"),
        (noted(slowing=0.8), "times the processor time"),
    ],
)
def test_the_judge_notices(table, message):
    wrong = faults(judge(table), growth=20, slower=1.25)
    assert [message in text for text in wrong] == [True] * bool(message)


def test_a_replay_that_is_never_full_tells_nothing():
    with pytest.raises(ValueError, match="never full"):
        judge(noted()[:10])


def test_memory_and_throughput_hold_for_8000_steps(tmp_path):
    """As ``python tests/tools/soak.py`` does, whose default is 1,000,000 steps."""
    command = ["--steps", "8000", "--out", str(tmp_path)]
    # a short run is still settling, and shares the machine with other tests
    command += ["--growth", "100", "--slower", "3", "--data.replay.init_args.capacity", "1500"]
    command += ["--data.learning_starts", "10", "--data.replay.init_args.batch_size", "64"]
    done = Forked("soak", *command, call=script)
    out, err = done.communicate()
    assert done.returncode == 0, out + err
    assert "no growth, no drift in 8" in out
    table = pd.read_csv(tmp_path / "rss.csv")
    assert table["replay_fill"].iloc[-1] == 1
    assert len(table) >= 20
    assert (tmp_path / "rss.png").stat().st_size > 10_000
