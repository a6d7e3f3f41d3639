"""What the tests share, beside conftest.py: settings, and the agents and runs they run over."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml
from analysis_runs import make_animal, make_runs
from forked import SERVER
from torch import Tensor

from modnav.acting import Policy, Segment, greedy
from modnav.networks import ARCHITECTURES, Actor, Agent, build_agent
from modnav.published import monkey_recordings
from modnav.tables import write_tables
from modnav.task import STREAMS

torch.set_num_threads(1)

SMALL = Path(__file__).with_name("small.yaml")


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
