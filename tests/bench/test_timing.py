import numpy as np
import pytest
import torch

from modnav.bench import Spread, Timed, compare, matmul_rates, measure
from modnav.learning import runs_bf16
from modnav.networks import ONEDNN_PAYS


def test_what_is_compared_takes_turns_and_times_are_for_a_unit(monkeypatch: pytest.MonkeyPatch):
    order, time = [], [0.0]
    monkeypatch.setattr("modnav.bench.timing.clock", lambda threads, device: lambda: time[0])

    def work(name: str, seconds: float) -> None:
        order.append(name)
        time[0] += seconds

    real, plain, ratio = compare(
        Timed(lambda: work("real", 0.2), 100), Timed(lambda: work("plain", 0.3)), 1, 0.01
    )
    turns = [name for name, before in zip(order, ["", *order], strict=False) if name != before]
    assert len(turns) >= 6
    assert turns == ["real", "plain"] * (len(turns) // 2)
    assert real == pytest.approx((2, 2, 2))
    assert plain == pytest.approx((300, 300, 300))
    assert ratio == pytest.approx((150, 150, 150))


def test_time_is_measured_with_the_threads_asked_for():
    before, seen = torch.get_num_threads(), set()

    def work() -> None:
        seen.add(torch.get_num_threads())
        torch.ones(200, 200) @ torch.ones(200, 200)

    spread = measure(Timed(work), 2, 0.01)
    assert seen == {2}
    assert torch.get_num_threads() == before
    assert 0 < spread.low <= spread.median <= spread.high


def test_spread_is_median_and_quartiles():
    assert Spread.of(np.array([5.0, 1.0, 3.0, 2.0, 4.0])) == (3.0, 2.0, 4.0)


def test_products_are_timed_in_both_precisions():
    rates = matmul_rates(1, 0.01, 64)
    bf16, onednn = {"bf16"} if runs_bf16() else set(), {"fp32, oneDNN"} if ONEDNN_PAYS else set()
    assert set(rates) == {"fp32"} | bf16 | onednn
    assert all(rate > 0 for rate in rates.values())
