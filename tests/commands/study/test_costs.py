"""Projected times."""

import pytest

from modnav.commands.study.costs import Costs, updates
from modnav.commands.study.plan import planned
from modnav.studies import StudyFolder

pytest.importorskip("snakemake")


def test_costs_of_a_name_that_begins_as_another_are_its_own(spec_of, tmp_path):
    own = [{"name": name, "protocol": ["modular"]} for name in ("ekf", "ekf2")]
    spec, folder = spec_of(architectures=own, seeds=0), StudyFolder(tmp_path)
    (tmp_path / "costs.json").write_text('{"update_ms": {"ekf": 7.0, "ekf2": 70.0}}')
    jobs = {job.name: job for job in planned(spec, 2)}
    costs = Costs(folder, spec, jobs.values())
    one, other = (costs.seconds(jobs[f"train/{name}/seed0"]) for name in ("ekf", "ekf2"))
    assert other == pytest.approx(10 * one)


def test_updates_follow_from_trials_and_protocol():
    assert updates(["--config", "extensive"]) > 4 * updates(["--config", "modular"])
    assert updates(["--phases.trials=100", "warmup"]) < updates(["--phases.trials=100"])
