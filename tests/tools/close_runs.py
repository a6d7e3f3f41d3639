"""Whether two runs ended in one state, but for rounding."""

from pathlib import Path

import pandas as pd
import torch

from modnav.runs import read


def close_runs(one: Path, other: Path, atol: float = 2e-6) -> None:
    """Check that two runs ended in one state, but for rounding."""
    first, second = (read(x / "last.ckpt").content for x in (one, other))
    assert first["experience"]["counters"] == second["experience"]["counters"]
    assert first["global_step"] == second["global_step"]
    assert first["modnav"] == second["modnav"]
    for name, x in first["state_dict"].items():
        torch.testing.assert_close(second["state_dict"][name], x, rtol=0, atol=atol, msg=name)
    for a, b in zip(first["optimizer_states"], second["optimizer_states"], strict=True):
        assert a["param_groups"] == b["param_groups"]
        for key in a["state"]:
            for name, x in a["state"][key].items():
                torch.testing.assert_close(b["state"][key][name], x, rtol=0, atol=atol)
    replays = [x["experience"]["replay"]["items"] for x in (first, second)]
    for name, x in replays[0].items():
        torch.testing.assert_close(replays[1][name], x, rtol=0, atol=1e-4, msg=name)
    for role, x in first["experience"]["generators"].items():
        assert torch.equal(second["experience"]["generators"][role], x)
    tables = [pd.read_csv(x / "validation.csv").drop(columns="seconds") for x in (one, other)]
    pd.testing.assert_frame_equal(*tables, atol=1e-3)
