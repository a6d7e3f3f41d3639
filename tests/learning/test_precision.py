"""bfloat16 where the machine has it, and single precision with a word about it where not."""

import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch

from modnav.cli import main
from modnav.learning import HALF, SINGLE, check_precision, fast_precision, precision, runs_bf16

X86 = platform.machine() in ("x86_64", "AMD64")
WITHOUT_AVX512 = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}


def precision_of(run: Path) -> str:
    (found,) = re.findall(r"^  precision: (\S+)$", (run / "config.yaml").read_text(), re.MULTILINE)
    return found


def test_what_is_chosen_can_be_trained_in():
    check_precision(fast_precision(on_cpu=True), on_cpu=True)


@pytest.mark.parametrize(
    ("instructions", "lstm", "chosen"),
    [(True, True, HALF), (True, False, SINGLE), (False, True, SINGLE)],
)
def test_bf16_is_chosen_where_it_is_fast_and_complete(
    monkeypatch: pytest.MonkeyPatch, instructions: bool, lstm: bool, chosen: str
):
    told = {"avx512_bf16": instructions, "amx_bf16": False}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: told)
    monkeypatch.setattr(precision, "runs_bf16", lambda: lstm)
    assert fast_precision(on_cpu=True) == chosen
    assert fast_precision(on_cpu=False) == SINGLE  # a GPU is faster so, whatever its processor has


def test_trying_bf16_draws_nothing():
    before = torch.get_rng_state()
    runs_bf16.cache_clear()
    runs_bf16()
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("given", [None, "32", 32, SINGLE])
@pytest.mark.parametrize("on_cpu", [True, False])
def test_single_precision_is_possible_everywhere(given: str | int | None, on_cpu: bool):
    check_precision(given, on_cpu)


def test_half_precisions_are_possible_where_they_run(monkeypatch: pytest.MonkeyPatch):
    for half in (HALF, "16-mixed"):
        check_precision(half, on_cpu=False)
    monkeypatch.setattr(precision, "runs_bf16", lambda: True)
    check_precision(HALF, on_cpu=True)
    with pytest.raises(ValueError, match=r"16-mixed; on a CPU it must be 32-true or bf16-mixed$"):
        check_precision("16-mixed", on_cpu=True)
    with pytest.raises(ValueError, match=r"precision is 64; on a GPU"):
        check_precision(64, on_cpu=False)


BOTH = f"""
from pathlib import Path
from modnav.cli import main
fit = ["fit", "--config", "small.yaml", "--phases.trials", "20"]
try:
    main([*fit, "--trainer.precision", "{HALF}"])
except SystemExit as end:
    print("status", end.code, *Path().glob("runs"))
main([*fit, "--config", "fast"])
"""


@pytest.mark.skipif(not X86, reason="the processor is of another kind")
def test_without_avx512_bf16_is_refused_and_the_fast_options_train_in_single_precision(
    small: Path,
):
    """bf16 crashed in PyTorch's LSTM, in the middle of the first update."""
    done = subprocess.run(
        [sys.executable, "-c", BOTH],
        env=os.environ | {"OMP_NUM_THREADS": "1"} | WITHOUT_AVX512,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("status 2\n")  # and nothing was made
    assert "trainer.precision is bf16-mixed; on a CPU it must be 32-true" in done.stderr
    assert "training in single precision (32-true)" in done.stdout
    assert precision_of(Path("runs/small/seed0")) == SINGLE


def test_bench_refuses_it_before_anything_is_timed(monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.setattr(precision, "runs_bf16", lambda: False)
    with pytest.raises(SystemExit) as exit_info:
        main(["bench", "update", "--precision", HALF])
    assert exit_info.value.code == 2
    captured = capsys.readouterr()
    assert "--precision is bf16-mixed; on a CPU it must be 32-true" in captured.err
    assert not captured.out


def test_what_is_asked_for_comes_before_what_is_preferred(small: Path, monkeypatch, capsys):
    monkeypatch.setattr(
        "modnav.commands.checks.fast_precision", lambda on_cpu: pytest.fail("asked")
    )
    main(["fit", "--config", str(small), "--prefer_bf16", "true", "--trainer.precision", SINGLE])
    assert precision_of(Path("runs/small/seed0")) == SINGLE
    assert "bfloat16" not in capsys.readouterr().out


def test_the_run_keeps_the_precision_that_was_chosen(small: Path, monkeypatch):
    monkeypatch.setattr("modnav.commands.checks.fast_precision", lambda on_cpu: SINGLE)
    main(["fit", "--config", str(small), "--config", "fast"])
    assert precision_of(Path("runs/small/seed0")) == SINGLE
    monkeypatch.setattr("modnav.commands.checks.fast_precision", lambda on_cpu: HALF)
    main(["fit", "--resume", "runs/small/seed0", "--phases.trials", "80"])
    assert precision_of(Path("runs/small/seed0")) == SINGLE


def test_runs_in_half_precision_are_looked_at_anywhere(small_run: Path, monkeypatch, capsys):
    """Evaluations are in single precision, whatever the agent learned in; resuming is not."""
    run = small_run
    text = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(text.replace("  precision: null", f"  precision: {HALF}"))
    assert precision_of(run) == HALF
    monkeypatch.setattr(precision, "runs_bf16", lambda: False)
    capsys.readouterr()
    main(["validate", "--ckpt_path", str(run / "checkpoints/00059.ckpt")])
    row = pd.read_csv(run / "validation.csv").query(
        "trials == 60 and validation == 'selection' and task == 'gain1x'"
    )
    assert f"{row['error_distance'].item():.4f}"[:6] in capsys.readouterr().out
    with pytest.raises(SystemExit) as exit_info:
        main(["fit", "--resume", str(run), "--phases.trials", "80"])
    assert exit_info.value.code == 2
    assert "it must be 32-true" in capsys.readouterr().err
    again = ["--phases.trials", "80", "--trainer.precision", SINGLE]
    main(["fit", "--resume", str(run), *again])
    assert precision_of(run) == SINGLE
