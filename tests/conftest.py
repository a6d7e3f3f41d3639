"""What the tests share: settings, the agents they run over, and the reference numbers."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from analysis_runs import make_animal, make_runs
from forked import SERVER
from torch import Tensor, nn

from modnav.acting import Noise, Policy, Segment, greedy
from modnav.networks import ARCHITECTURES, Actor, Agent, build_agent
from modnav.published import monkey_recordings
from modnav.tables import write_tables
from modnav.task import STREAMS

torch.set_num_threads(1)

SMALL = Path(__file__).parent / "tools" / "small.yaml"
AMPLITUDES = {"Actor3": 0.05, "ActorEKF": 0.03}
"""Amplitude of the reference weights where it is not the stated 0.1, see reference/README.md."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with whole runs, so that what is left for the end of the session is short."""
    items.sort(key=lambda item: "whole_runs" not in item.path.parts)


@pytest.fixture(autouse=True)
def seed():
    """Start each test from the same global random state."""
    torch.manual_seed(0)


@pytest.fixture(scope="session", autouse=True)
def forked_workers():
    """Let processes of pools begin with everything imported; tests/runs/test_jobs.py has others."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("modnav.runs.jobs.get_context", lambda _: SERVER)
        yield


@pytest.fixture(params=["cpu", *(["cuda"] if torch.cuda.is_available() else [])])
def device(request, monkeypatch) -> torch.device:
    """Each kind of device that this machine has, with products in float32 as trainings have them."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    return torch.device(request.param)


@pytest.fixture(params=list(ARCHITECTURES))
def architecture(request) -> str:
    """Name of each of the 21 agents."""
    return request.param


@pytest.fixture
def agent(architecture) -> Agent:
    """Each of the 21 agents, with fresh weights."""
    return build_agent(architecture)


@pytest.fixture
def generator() -> torch.Generator:
    """A generator with a fixed seed."""
    return torch.Generator().manual_seed(0)


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Configuration of a run of a second, in an empty folder to run it in.

    Its learning curve is empty: to draw it takes a tenth of the time. Runs in processes of their own
    and those of tests/test_configs.py draw it.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("modnav.callbacks.monitor.save_figure", lambda _, path: path.touch())
    return Path(shutil.copy(SMALL, tmp_path))


@pytest.fixture(scope="session")
def trained_small(tmp_path_factory) -> Path:
    """Folder in which the run of small.yaml was trained; tests get copies of it."""
    from modnav.cli import main

    folder = tmp_path_factory.mktemp("trained")
    shutil.copy(SMALL, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        main(["fit", "--config", SMALL.name])
    return folder


@pytest.fixture
def small_run(small: Path, trained_small: Path) -> Path:
    """The run that ``modnav fit --config small.yaml`` leaves, in its place beside the config."""
    shutil.copytree(trained_small / "runs", "runs")
    return Path("runs/small/seed0")


@pytest.fixture(scope="session")
def golden() -> dict[str, Any]:
    """The reference numbers, see reference/README.md."""
    path = Path(__file__).parent / "reference" / "golden.json"
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def golden_inputs(golden) -> Callable[..., Tensor]:
    """Function from the name of a reference input to the tensor, of ``shape`` if given."""

    def inputs(name: str, shape: tuple[int, int] | None = None) -> Tensor:
        entry = golden["inputs"][name]
        steps, trials = shape or entry["shape"][:2]
        t, b, d = torch.meshgrid(
            torch.arange(steps, dtype=torch.float64),
            torch.arange(trials, dtype=torch.float64),
            torch.arange(entry["shape"][2], dtype=torch.float64),
            indexing="ij",
        )
        angle = entry["a"] * t + entry["b"] * b + entry["c"] * d + golden["phase"]
        return (entry["scale"] * angle.sin()).float()

    return inputs


@pytest.fixture(scope="session")
def set_golden_weights(golden) -> Callable[[nn.Module, str], None]:
    """Function that fills a module with the reference weights of the published network."""

    def fill(module: nn.Module, published: str) -> None:
        amplitude = AMPLITUDES.get(published, 0.1)
        with torch.no_grad():
            for k, parameter in enumerate(module.parameters()):
                i = torch.arange(parameter.numel(), dtype=torch.float64)
                values = amplitude * torch.sin(0.7 * k + 0.013 * i + golden["phase"])
                parameter.copy_(values.view_as(parameter))

    return fill


@pytest.fixture(scope="session")
def formula_noise(golden) -> Callable[[int], Noise]:
    """Function from a number of steps to the reference noise of one trial."""

    def noise(steps: int) -> Noise:
        k = torch.arange(1, 2 * steps + 1, dtype=torch.float64)[:, None]
        d = torch.arange(2, dtype=torch.float64)
        draws = torch.sin(0.9 * k + 1.7 * d + golden["phase"]).float()[:, None]
        return Noise(draws[::2], draws[1::2])

    return noise


@pytest.fixture
def make_segment(generator) -> Callable[..., Segment]:
    """Function that makes up a segment of whole trials of one length."""

    def make(sources: set[str], steps: int, trials: int) -> Segment:
        def draw(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=generator)

        inputs = {
            name: draw(steps + 1, trials, STREAMS[name].features) for name in sorted(sources)
        }
        terminal = torch.zeros(steps, trials, 1)
        terminal[-1] = 1
        action = draw(steps, trials, 2).clamp(-1, 1)
        return Segment(inputs, action, 10 * terminal * draw(trials, 1).abs(), terminal)

    return make


@pytest.fixture
def stopping() -> Callable[[Actor], Policy]:
    """Function that makes an actor's policy drive on, then stop, later for farther targets.

    The policy needs the observation stream; trials then end at different times.
    """

    def policy_of(actor: Actor) -> Policy:
        policy = greedy(actor)

        def act(inputs, memory):
            if memory is None:
                far = inputs["observation"][:, 4:].norm(dim=-1)
                memory = (4 + (30 * far).floor())[None, :, None], None
            left, own = memory
            action, own = policy(inputs, own)
            action = action * torch.tensor([0.3, 1.0]) + torch.tensor([0.7, 0.0])
            return torch.where(left[0] > 0, action, 0.0), (left - 1, own)

        return act

    return policy_of


@pytest.fixture(scope="session")
def tiny_runs(tmp_path_factory) -> Path:
    """Folder of runs of agents that steer by hand-set weights, see analysis_runs.py."""
    return make_runs(tmp_path_factory.mktemp("study") / "runs")


@pytest.fixture(scope="session")
def tiny_monkey(tmp_path_factory) -> Path:
    """Folder of two animals that go straight to the target."""
    folder = tmp_path_factory.mktemp("study") / "monkey"
    for k, subject in enumerate(("Bruno", "Schro")):
        frame = make_animal(seed=k)
        write_tables(folder / subject / "normal", monkey_recordings(frame, subject))
    return folder


@pytest.fixture(scope="session")
def tiny_study(tiny_runs, tmp_path_factory):
    """A study of the tiny runs with few trials, without animals."""
    from modnav.analysis.study import Study

    with Study([tiny_runs], tmp_path_factory.mktemp("cache"), trials=24) as study:
        yield study


@pytest.fixture
def spec_of(tmp_path, monkeypatch):
    """Function from what a study file says, beside what it must, to the study."""
    from modnav.commands.study.spec import read_spec

    monkeypatch.chdir(tmp_path)
    least = {"name": "small", "architectures": ["modular", "ekf"], "seeds": "0-1"}

    def read(**keys):
        path = tmp_path / "study.yaml"
        path.write_text(yaml.safe_dump(least | {k.rstrip("_"): v for k, v in keys.items()}))
        return read_spec(path)

    return read


@pytest.fixture
def jobs_of(spec_of):
    """Function from what a study file says to the jobs, by name."""
    from modnav.commands.study.plan import planned

    return lambda **keys: {job.name: job for job in planned(spec_of(**keys), 2)}
