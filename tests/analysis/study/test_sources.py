import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from analysis_runs import make_run

from modnav.analysis.study import sources_of

ROOT = Path(__file__).parents[3]

CHANGES = {
    "task/world.py": True,
    "networks/belief.py": True,
    "acting/rollout.py": True,
    "recording/record.py": True,
    "recording/__init__.py": True,
    "tables/outcomes.py": True,
    "runs/checkpoints.py": True,
    "analysis/study/simulation.py": True,
    "analysis/measures/likeness.py": True,
    "analysis/measures/behaviour.py": True,
    "analysis/measures/tuning.py": False,
    "analysis/study/names.py": False,
    "analysis/drawing/style.py": False,
    "analysis/figures/fig2.py": False,
    "analysis/__init__.py": False,
    "commands/figures.py": False,
    "learning/td3.py": False,
    "callbacks/phases.py": False,
}
"""Files, and whether what figure 2 is computed from depends on them."""

KEYS = """
import sys
from pathlib import Path
import modnav
from modnav.analysis.measures import performance_of
from modnav.analysis.study import Chosen, Conditions, Simulation, prior_targets, sources_of

root = Path(modnav.__file__).parent
agent = Chosen("EKF", 0, 499, 1.0, Path(sys.argv[1]))
wanted = Simulation(agent, Conditions("c", prior_targets(4)), (), performance_of)
before = wanted.key()
for name in sys.argv[2:]:
    text = (root / name).read_text()
    (root / name).write_text(text + "# another\\n")
    sources_of.cache_clear()
    print(root / name, wanted.key() != before)
    (root / name).write_text(text)
sources_of.cache_clear()
assert wanted.key() == before
"""


def test_a_result_depends_on_all_that_the_simulation_imports_and_on_nothing_else(tmp_path):
    """The package is copied, and its files changed one after the other."""
    whole = shutil.ignore_patterns("__pycache__", "results")
    for folder in ("", "analysis", "callbacks", "configs"):
        shutil.copytree(ROOT / (folder or "modnav"), tmp_path / "modnav" / folder, ignore=whole)
    run = make_run(tmp_path / "seed0", "EKF", 0, (499,))
    command = [sys.executable, "-c", KEYS, str(run / "checkpoints" / "00499.ckpt"), *CHANGES]
    found = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert found.returncode == 0, found.stderr
    expected = [f"{tmp_path / 'modnav' / name} {new}" for name, new in CHANGES.items()]
    assert found.stdout.splitlines() == expected


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """A package of the user's own."""
    (tmp_path / "lab" / "deep").mkdir(parents=True)
    (tmp_path / "lab" / "__init__.py").write_text("")
    (tmp_path / "lab" / "measures.py").write_text("def f():\n    from .deep.numbers import ONE\n")
    (tmp_path / "lab" / "deep" / "numbers.py").write_text("import json\nONE = 1\n")
    (tmp_path / "lab" / "other.py").write_text("not even Python")
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path / "lab"


def test_a_package_of_the_users_own_is_followed_too(lab):
    before = sources_of("lab.measures")
    for path, new in (("other.py", False), ("deep/numbers.py", True)):
        (lab / path).write_text("TWO = 2")
        sources_of.cache_clear()
        assert (sources_of("lab.measures") != before) == new


def test_what_has_no_source_is_refused(lab):
    for name in ("builtins", "lab.nothing", "lab.measures.f"):
        with pytest.raises(ValueError, match=f"{name} has no source; what makes a result"):
            sources_of(name)
