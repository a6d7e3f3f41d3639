"""Check modnav on a machine with one GPU, and report as it goes.

``python -m pip install -e .[dev]``, and then, with whatever PyTorch there is for the GPU,
``python tests/tools/gpu_check.py --out gpu_check.md``; it takes 9.5 minutes. Four parts: the device tests of
pytest; numbers of stacked members against lone ones, the processor and what is not captured; the table
of ``modnav bench update --population``; and a real population of 64 members until the time is over.
Each part is a process of its own with its own time; one that fails, hangs or is out of time never stops
the next, and each line is in the report at once. After a failure a new process goes on with the next test or
check: what failed may have left the GPU's context unusable. ``--device cpu --quick`` does all of it in seconds.
Ends with status 1 if anything failed.
"""

import argparse
import copy
import gc
import os
import platform
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SHARES = {"tests": 0.25, "checks": 0.2, "bench": 0.25, "population": 1.0}
"""Share of the whole time that each part may take; the last has what is left."""

FAILED = "**FAILED**"
NEXT = 75
"""Exit status of a part after a failure, which another process goes on with."""
BOTH = ("modular", "holistic")


class Report:
    """A file in Markdown to which lines are added, each at once."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def line(self, text: str = "") -> None:
        """Add a line, and print it."""
        print(text, flush=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(text + "\n")

    def begin(self, number: int) -> None:
        """Note which piece of a part begins, so that another process can go on after it."""
        self.path.with_suffix(".begun").write_text(str(number))

    def begun(self) -> int:
        """Return which piece began last; -1 if none did."""
        try:
            return int(self.path.with_suffix(".begun").read_text())
        except (OSError, ValueError):
            return -1

    def attempt(self, name: str, check: Callable[[], str]) -> bool:
        """Do a check and tell what it says, or how it failed; return whether it did not."""
        start = time.monotonic()
        try:
            told = f"ok: {name}: {check()}"
        except Exception as error:  # noqa: BLE001 - the next one is tried whatever it was
            traceback.print_exc()
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            told = f"{FAILED}: {name}: {reason}"
        self.line(f"- {told} ({time.monotonic() - start:.1f} s)")
        return told.startswith("ok")


def run_part(report: Report, name: str, command: Sequence[str], limit: float) -> None:
    """Run a part in processes of its own, and end it with all it started when its time is over."""
    report.line(f"\n## {name}\n")
    report.begin(-1)
    start, piece = time.monotonic(), 0
    while status := ended([*command, "--piece", str(piece)], limit - (time.monotonic() - start)):
        if status == "out of time" or report.begun() < piece:
            break  # nothing is left to go on with
        if status != NEXT:
            report.line(f"- {FAILED}: number {report.begun()} ended with {status}")
        piece = report.begun() + 1
    told = f"{FAILED}: ended with {status}" if status else "done"
    report.line(f"\n{name}: {told}, {time.monotonic() - start:.0f} s")


def ended(command: Sequence[str], limit: float) -> int | str:
    """Run a process until it ends or its time is over, and return its status."""
    process = subprocess.Popen(command, cwd=ROOT, start_new_session=True)
    try:
        status: int | str = process.wait(max(0.0, limit))
    except subprocess.TimeoutExpired:
        status = "out of time"
    with suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return status


# ---------------------------------------------------------------------------------- the device tests
def tests(report: Report, options: argparse.Namespace) -> None:
    """Run the tests of the device, and name those that fail."""
    end = time.monotonic() + 0.95 * options.seconds
    if options.quick:
        words = ["tests/networks/test_stacked.py", "-k", f"{options.device} and Actor3Critic5"]
    else:
        words = ["tests/whole_runs/test_gpu.py", "tests/networks", "tests/learning"]
        words += ["-k", f"test_gpu.py or {options.device}"]
    listed = subprocess.run(
        [*PYTEST, "--collect-only", "-q", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    left = [x for x in listed.stdout.splitlines() if re.match(r"tests/\S+::", x)]
    if not left:
        report.line(f"- {FAILED}: no tests were found: {listed.stdout[-300:]}")
    passed = 0
    while left and time.monotonic() < end:
        found = until_one_fails(report, left, end)
        passed += sum(outcome == "PASSED" for outcome in found.values())
        left = [name for name in left if name not in found]
    report.line(f"- {passed} passed, {len(left)} for which there was no time" + ": " * bool(left))
    for name in left:
        report.line(f"    - `{name}`")


PYTEST = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider")


def until_one_fails(report: Report, names: Sequence[str], end: float) -> dict[str, str]:
    """Run tests in a process until one fails, which is told, and return how each ended."""
    command = [*PYTEST, "-v", "-x", "--tb=short", "--timeout", "120"]
    command += ["-o", "console_output_style=classic", *names]
    found, lines = dict[str, str](), list[str]()
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        timer = threading.Timer(end - time.monotonic(), process.kill)
        timer.start()
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line.rstrip())
            if told := re.match(r"(tests/\S.*?) (PASSED|FAILED|ERROR|SKIPPED)", line):
                found[told[1]] = told[2]
    timer.cancel()
    wrong = [name for name, outcome in found.items() if outcome in ("FAILED", "ERROR")]
    if process.returncode and not wrong and time.monotonic() < end:  # it died in the next one
        wrong = [next(name for name in names if name not in found)]
        found[wrong[0]] = f"ended with {process.returncode}"
    for name in wrong:
        report.line(f"- {FAILED}: `{name}`: {found[name]}")
        said = [x for x in lines if x.startswith(("E  ", "FAILED", "ERROR"))] or lines[-60:]
        report.line("\n```\n" + "\n".join(x[:300] for x in said[:30]) + "\n```")
    return found


# ------------------------------------------------------------------------------- numbers on the device
def learners(agent: str, count: int, device: str) -> list[Any]:
    """Return members with weights of their own and no smoothing noise."""
    import torch

    from modnav.bench import make_learner
    from modnav.learning import TD3
    from modnav.networks import Actor, Critic, Feedforward, RecurrentBelief

    torch.manual_seed(0)
    made = []
    for _ in range(count):
        if agent in ("gru", "rnn"):
            beliefs = [RecurrentBelief(n, 64, cell=agent) for n in (6, 8)]
            actor = Actor(beliefs[0], Feedforward(64, 2, (32,)))
            made.append(TD3(actor, Critic(beliefs[1], Feedforward(64, 1, (32,)), "belief")))
        else:
            made.append(make_learner(agent, TD3))
        made[-1].noise_std = 0.0
    return [x.to(device) for x in made]


def cut(segment: Any, trials: slice = slice(None), steps: int | None = None) -> Any:
    """Return some trials of a segment, without a mask, or all up to some step."""
    inputs = {name: x[: steps and steps + 1, trials] for name, x in segment.inputs.items()}
    rest = [x[:steps, trials] for x in segment[1:4]]
    if steps:
        return segment._replace(
            **dict(zip(segment._fields[:4], (inputs, *rest), strict=True)),
            mask=segment.mask[:steps],
        )
    return type(segment)(inputs, *rest)


def moved(segment: Any) -> Any:
    """Return a segment on the processor."""
    inputs = {name: x.cpu() for name, x in segment.inputs.items()}
    return type(segment)(inputs, *(x.cpu() for x in segment[1:4]))


def of_member(job: Any, k: int) -> Any:
    """Return the experience of a member."""
    count = job.segment.action.shape[1] // job.segment.members
    return cut(job.segment, slice(k * count, (k + 1) * count))


def stacked_and_lone(agent: str, members: int, device: str) -> str:
    """Compare joint updates with plain ones of each member alone."""
    import torch

    from modnav.bench import JointJob, PlainUpdates, tf32

    made = learners(agent, members, device)
    for learner in made:
        learner.generator = torch.Generator(device).manual_seed(0)
    alone = [PlainUpdates(x) for x in made]
    job, worst = JointJob(made), 0.0
    with tf32(False):  # which LSTMs of torch's would be computed in by default
        together = [losses for _ in range(2) for losses in job()]
        for k, one in enumerate(alone):
            part = of_member(job, k)
            for losses in together:
                one.update(part)
                worst = max(worst, relative(losses[0][k], one.losses["critic"][-1]))
    apart = max(
        float((p - q).abs().max())
        for one, learner in zip(alone, made, strict=True)
        for p, q in zip(one.agent.parameters(), learner.agent.parameters(), strict=True)
    )
    return below(f"losses of {len(together)} updates differ by", worst, 1e-4) + (
        ", " + below("weights by", apart, 2e-4)
    )


def gradients(agent: str, members: int, device: str, precision: str, allow_tf32: bool) -> str:
    """Compare gradients of members on the device with those of each alone on the processor."""
    from modnav.bench import JointJob, tf32
    from modnav.learning import FlatWeights, actor_loss, autocast_of, critic_loss, td_target

    made = learners(agent, members, device)
    alone = [copy.deepcopy(x).to("cpu") for x in made]
    job, smoothing = JointJob(made), made[0].smoothing

    def of(agent: Any, target: Any, segment: Any, context: Any) -> list[Any]:
        found, still = [], segment.action * 0
        with context():
            goal = td_target(target.actor, target.critic, segment, still, 0.97, **smoothing)
            critic = critic_loss(agent.critic, segment, goal).reshape(-1)
            actor = actor_loss(agent.actor, agent.critic, segment).reshape(-1)
        for loss, network in ((critic, agent.critic), (actor, agent.actor)):
            loss.sum().backward()
            gradient = FlatWeights(network).gradient().cpu()
            rows = gradient.unflatten(0, (-1, len(loss)))  # of twin critics two each
            found.append(rows.transpose(0, 1).flatten(1))
        return found

    with tf32(allow_tf32):
        context = autocast_of(precision, job.segment.action.device)
        theirs = of(job.joint.agent, job.joint.target, job.segment, context)
    plain = autocast_of("32-true", alone[0].device)
    own = [of(x.agent, x.target, moved(of_member(job, k)), plain) for k, x in enumerate(alone)]
    full = precision == "32-true" and not allow_tf32
    told = []
    for n, (name, most) in enumerate((("critic", 1e-5), ("actor", 5e-3))):
        worst = max(relative(theirs[n][k], x[n][0]) for k, x in enumerate(own))
        told.append(below(name, worst, most if full else 0.2))
    return ", ".join(told)


def graph_and_none(agent: str, members: int, device: str, precision: str) -> str:
    """Compare captured updates with the same ones as they are, with batches of two lengths.

    Between them memory is freed as Lightning does when a member ends, and scribbled on.
    """
    import torch

    from modnav.bench import JointJob
    from modnav.learning import forget_workspaces

    made = learners(agent, members, device)
    twins = copy.deepcopy(made)
    captured = JointJob(made, precision, graphs=device == "cuda")
    plain = JointJob(twins, precision, graphs=False)
    long, worst = captured.segment, 0.0
    short = cut(long, steps=max(1, len(long.action) // 2))
    for segment in (long, short, long, long, short, short, long):
        captured.segment = plain.segment = segment
        for one, other in zip(captured(), plain(), strict=True):
            worst = max(worst, *(relative(x, y) for x, y in zip(one, other, strict=True)))
        if device == "cuda":
            forget_workspaces()
            torch.cuda.empty_cache()
            torch.full((2**26,), float("nan"), device=device)
    pairs = zip(captured.joint.critic.values, plain.joint.critic.values, strict=True)
    same = all(torch.equal(x, y) for x, y in pairs)
    most = 1e-5 if precision == "32-true" else 1e-2
    return below("losses differ by", worst, most) + f", weights bit for bit: {same}"


def fused_and_plain(device: str) -> str:
    """Compare the kernel of LSTM cells with the formulas, and its gradients."""
    import torch

    from modnav.networks import stacked

    if device != "cuda":
        return "needs a GPU"
    given = [torch.randn(5, 16, n, device=device) for n in (512, 512, 128, 128)]
    found = []
    for cell in (stacked._fused_lstm, stacked._lstm):
        x, h, *state = (y.clone().requires_grad_() for y in given)
        h_after, c_after = cell(x, h, tuple(state))
        (h_after.square().sum() + c_after.sin().sum()).backward()
        found.append([h_after, c_after, x.grad, h.grad, state[1].grad])
    worst = max(relative(x, y) for x, y in zip(*found, strict=True))
    return below("outputs and gradients differ by", worst, 1e-5)


def relative(x: Any, y: Any) -> float:
    """Return the size of a difference as a part of the size of what is right."""
    x, y = x.detach().double().cpu(), y.detach().double().cpu()
    return float((x - y).norm() / y.norm().clamp(min=1e-12))


def below(what: str, found: float, most: float) -> str:
    """Return what was found in words; raise if it is not below ``most``."""
    if not found <= most:  # NaN neither
        raise AssertionError(f"{what} {found:.2g}, above {most:g}")
    return f"{what} {found:.2g}"


def checks(report: Report, options: argparse.Namespace) -> None:
    """Compare numbers that should be the same."""
    where, n = options.device, 2 if options.quick else 3
    cases: list[tuple[str, Callable[[], str]]] = []
    for agent in BOTH[: 1 if options.quick else 2]:
        cases.append(
            (f"stacked and lone, {agent}, P = {n}", lambda a=agent: stacked_and_lone(a, n, where))
        )
        for p in (1, n):
            for precision, fast in (("32-true", False), ("32-true", True), ("bf16-mixed", False)):
                if where == "cpu" and (fast or precision != "32-true"):
                    continue
                name = f"gradients and those of the processor, {agent}, P = {p}, {precision}"
                case = (agent, p, where, precision, fast)
                cases.append((name + " TF32" * fast, lambda c=case: gradients(*c)))
    agents = (
        ("modular", "gru", "ekf")
        if options.quick
        else (*BOTH, "Actor2Critic4", "gru", "rnn", "ekf", "holistic_ekf")
    )
    for agent in agents:
        for p, precision in ((1, "32-true"), (n, "32-true"), (n, "bf16-mixed")):
            if where == "cpu" and (p == 1 or precision != "32-true"):
                continue
            if p == 1 and agent not in BOTH:
                continue
            case = (agent, p, where, precision)
            name = f"graph and none, {agent}, P = {p}, {precision}"
            cases.append((name, lambda c=case: graph_and_none(*c)))
    cases.insert(0, ("fused LSTM cell and plain", lambda: fused_and_plain(where)))
    for piece, (name, case) in list(enumerate(cases))[options.piece :]:
        report.begin(piece)
        if not report.attempt(name, case):
            raise SystemExit(NEXT)


# ------------------------------------------------------------------------------------------ the table
def bench(report: Report, options: argparse.Namespace) -> None:
    """Time joint updates: first what matters most."""
    import torch

    from modnav.bench import BenchSettings, bench_population
    from modnav.networks import ARCHITECTURES

    cuda = options.device == "cuda"
    kinds = [("fp32", "32-true", False), ("TF32", "32-true", True), ("bf16", "bf16-mixed", False)]
    rows = [(a, p, k) for p in (1, 64, 32, 8, 128, 2) for a in BOTH for k in kinds]
    rows += [
        (a, 32, kinds[1]) for a in ARCHITECTURES if a not in ("Actor3Critic5", "Actor1Critic1")
    ]
    if not cuda:
        rows = [("ekf", p, kinds[0]) for p in (1, 2)]
    if not options.piece:
        report.line("| agent | P | | ms for all | µs each | times a plain one | peak GiB |")
        report.line("|---|---|---|---|---|---|---|")
    for piece, (agent, members, (kind, precision, fast)) in list(enumerate(rows))[options.piece :]:
        report.begin(piece)
        seconds = 0.05 if options.quick else 1.5
        try:
            settings = BenchSettings(
                agent, precision, 1, seconds, population=members, device=options.device, tf32=fast
            )
            found = bench_population(settings)
            assert found.times_faster is not None
            peak = torch.cuda.max_memory_allocated() / 2**30 if cuda else float("nan")
            numbers = (found.more["ms for all"], 1000 * found.milliseconds.median)
            told = "{:.2f} | {:.0f} | {:.1f} | {:.2f}".format(
                *numbers, found.times_faster.median, peak
            )
        except Exception as error:  # noqa: BLE001 - the next one is tried whatever it was
            traceback.print_exc()
            told = f"{FAILED}: {' '.join(str(error).split())[:200]} | | |"
        report.line(f"| {agent} | {members} | {kind} | {told} |")
        if told.startswith(FAILED):
            raise SystemExit(NEXT)
        gc.collect()
        if cuda:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()

    report.begin(len(rows))
    if options.piece <= len(rows):
        host(report, options)


def host(report: Report, options: argparse.Namespace) -> None:
    """Time what a population does besides joint updates."""
    from modnav.bench import BenchSettings, bench_host

    report.line("\n| members | host's work besides joint updates, µs an update | of it acting |")
    report.line("|---|---|---|")
    for members in (1, 2) if options.quick else (1, 8, 32, 64):
        seconds = 0.05 if options.quick else 2.0
        try:
            found = bench_host(
                BenchSettings(seconds=seconds, population=members, device=options.device)
            )
            median, low, high = (1000 * x for x in found.milliseconds)
            told = f"{median:.0f} ({low:.0f} to {high:.0f}) | {found.shares['acting']:.0%}"
        except Exception as error:  # noqa: BLE001 - the next one is tried whatever it was
            traceback.print_exc()
            told = f"{FAILED}: {' '.join(str(error).split())[:200]} |"
        report.line(f"| {members} | {told} |")


# ---------------------------------------------------------------------------------- a real population
class Clock:
    """Adds up the time that this process spends in functions, one within another counted in both."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}

    def watch(self, owner: Any, method: str) -> None:
        """Count the time of a method from now on."""
        function, name = getattr(owner, method), f"{owner.__name__}.{method}"
        self.spent[name] = 0.0

        def timed(*args: Any, **kwargs: Any) -> Any:
            start = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                self.spent[name] += time.perf_counter() - start

        setattr(owner, method, timed)


def population(report: Report, options: argparse.Namespace) -> None:
    """Train a population until the time is over, and tell how fast."""
    import torch

    from modnav.acting import Collector
    from modnav.bench import tf32
    from modnav.cli import main
    from modnav.learning import AbstractReplay, Batches, JointUpdates, Population, Seat

    clock, made, start = Clock(), list[Any](), time.monotonic()
    for owner, method in (
        (Population, "_compose"),
        (Population, "_sweep"),
        (Population, "_updates"),
        (Batches, "noise"),
        (AbstractReplay, "add_sweep_of_all"),
        (JointUpdates, "update"),
        (Collector, "sweep_all"),
        (Seat, "go_on"),
    ):
        clock.watch(owner, method)
    first = Population.__init__

    def keep(self: Any, *args: Any, **kwargs: Any) -> None:
        first(self, *args, **kwargs)
        made.append(self)

    Population.__init__ = keep  # type: ignore[method-assign]
    ended, every, slack = threading.Event(), 15.0, min(60.0, options.seconds / 4)

    def tell() -> None:
        before, then = 0, time.monotonic()
        while not ended.wait(min(every, options.seconds / 4)):
            now, updates = time.monotonic(), made[0].updates if made else 0
            rate = (updates - before) / (now - then)
            report.line(f"| {now - start:.0f} | {updates} | {rate:,.0f} | {stand(made)} |")
            before, then = updates, now
            if now - start > options.seconds - slack:
                os.kill(os.getpid(), signal.SIGINT)  # they save their states and end
                return

    report.line(
        "| s | agent-updates | of them a second since | members, trials: least, median, most |"
    )
    report.line("|---|---|---|---|")
    threading.Thread(target=tell, daemon=True).start()
    with (
        tempfile.TemporaryDirectory() as folder,
        tf32(options.device == "cuda"),
        suppress(SystemExit),
    ):
        small = Path(__file__).with_name("small.yaml")
        config = [str(small)] if options.quick else ["modular", "warmup"]
        words = [x for name in config for x in ("--config", name)]
        words += ["--trainer.accelerator", "gpu" if options.device == "cuda" else "cpu"]
        members = "0-2" if options.quick else "0-63"
        main(["fit", *words, "--seeds", members, "--population", "stacked", "--runs", folder])
    ended.set()
    seconds = time.monotonic() - start
    report.line(f"| {seconds:.0f} | {made[0].updates} | at the end | {stand(made)} |")
    report.line()
    where = "TF32" if options.device == "cuda" else "a processor"
    report.line(f"- {made[0].updates / seconds:,.0f} agent-updates a second in all, {where}")
    shares = ", ".join(f"{name} {x / seconds:.0%}" for name, x in clock.spent.items())
    report.line(f"- time of the main thread within: {shares}")
    if options.device == "cuda":
        report.line(f"- peak memory: {torch.cuda.max_memory_reserved() / 2**30:.1f} GiB reserved")


def stand(made: Sequence[Any]) -> str:
    """Return how far members are."""
    members = made[0]._members if made else []
    trials = sorted(m.experience.counters.total_trials for m in members)
    if not trials:
        return "none yet"
    return f"{len(trials)}: {trials[0]}, {trials[len(trials) // 2]}, {trials[-1]}"


# ---------------------------------------------------------------------------------------------- all
def heading(report: Report, options: argparse.Namespace) -> None:
    """Say what is checked, and where."""
    import torch

    git = ["git", "rev-parse", "HEAD"]
    found = subprocess.run(git, cwd=ROOT, capture_output=True, text=True, check=False).stdout
    gpu = torch.cuda.get_device_name() if options.device == "cuda" else "no GPU"
    report.line("# Checks on a device\n")
    report.line(f"- commit {options.commit or found.strip() or 'unknown'}")
    report.line(f"- {gpu}, {os.cpu_count()} cores, {platform.processor() or platform.machine()}")
    report.line(
        f"- torch {torch.__version__}, CUDA {torch.version.cuda}, Python {platform.python_version()}"
    )


def main() -> None:
    """Run all parts, or the one that a process was started for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--minutes", type=float, default=9.5, help="Time for all.")
    parser.add_argument("--out", type=Path, default=Path("gpu_check.md"), help="The report.")
    parser.add_argument("--commit", default="", help="The commit, where there is no git.")
    parser.add_argument("--parts", nargs="+", choices=list(SHARES), default=list(SHARES))
    parser.add_argument("--quick", action="store_true", help="Tiny sizes.")
    parser.add_argument("--seconds", type=float, default=0.0, help=argparse.SUPPRESS)
    parser.add_argument("--piece", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    report = Report(options.out.resolve())
    if options.seconds:
        globals()[options.parts[0]](report, options)
        return
    if find_spec("modnav") is None or find_spec("modnav.callbacks") is None:
        parser.error("modnav is not installed: python -m pip install --no-deps -e .")
    start, whole = time.monotonic(), 60 * options.minutes
    report.path.write_text("")
    heading(report, options)
    for part in options.parts:
        limit = min(SHARES[part] * whole, whole - (time.monotonic() - start))
        command = [sys.executable, str(Path(__file__).resolve()), "--parts", part]
        command += ["--device", options.device, "--out", str(report.path)]
        command += ["--seconds", str(max(1.0, limit - 2)), *["--quick"] * options.quick]
        run_part(report, part, command, limit)
    report.path.with_suffix(".begun").unlink(missing_ok=True)
    report.line(f"\nAll parts: {time.monotonic() - start:.0f} s")
    raise SystemExit(FAILED in report.path.read_text("utf-8"))


if __name__ == "__main__":
    main()
