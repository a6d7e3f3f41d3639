"""A worker of a search: trains trials that Optuna asks for, until there are enough of them.

Workers share a database, on which one acts at a time. A trial whose worker has ended, however it
did, is gone on with by the next: each holds a lock on its trial, which ends with its process.
"""

import errno
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
import yaml
from filelock import FileLock, Timeout
from optuna.trial import FrozenTrial, Trial, TrialState

from modnav.commands.arguments import with_config_paths
from modnav.commands.population.gathered import Display
from modnav.commands.population.members import Outcome, runs_in, told_seeds
from modnav.commands.population.options import requested
from modnav.commands.population.plan import planned
from modnav.commands.population.together import train_together
from modnav.errors import MembersFailedError
from modnav.files import one_line, read_yaml, replacing, write_text_atomically
from modnav.runs import RunFolder, selection_scores, validations
from modnav.studies import StudyFolder

from .job import ENDED, wait_for
from .search_spec import SearchSpec, database

__all__ = ["work"]

COLUMNS = ("trial", "state", "score", "validations", "reason")
"""Columns of the table of trials, before those of the parameters."""

WAIT_S = 60.0
"""Longest time that SQLite waits for another process, s."""

KILLED = 128
"""Exit statuses from here on are of processes that were stopped from outside."""

OF_THE_MACHINE = ("could not be written", os.strerror(errno.ENOSPC), "out of memory")
"""Reasons for which a trial is gone on with later: they say nothing of its values."""

STATES = {
    TrialState.COMPLETE: "finished",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
}


def work(folder: StudyFolder, text: str, args: Sequence[str]) -> None:
    """Train trials until there are as many as are asked for, others' included.

    Args:
        folder: The study's folder.
        text: In JSON, ``search`` as :class:`SearchSpec` has it, ``seeds``, and ``name``, the digest
            of what makes the search.
        args: Arguments of ``modnav fit`` that all trials share.

    Raises:
        ValueError: If all trials failed.
        InterruptedRunError: If it was told to stop; what it trained can go on.
        MembersFailedError: If a training was killed; the next worker goes on with it.
    """
    told = json.loads(text)
    worker = _Worker(folder, SearchSpec(**told["search"]), told["name"], told["seeds"], args)
    while worker.train_next():
        pass


class _Worker:
    def __init__(
        self,
        folder: StudyFolder,
        spec: SearchSpec,
        name: str,
        seeds: list[int],
        args: Sequence[str],
    ) -> None:
        self._folder, self._spec, self._seeds, self._args = folder, spec, seeds, args
        self._imports = folder.about().get("imports", [])
        self._places = folder.path / "search"
        self._places.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(self._places / "lock")
        self._mine = FileLock(self._places / "none")
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        with self._lock:
            storage = _storage(database(folder))
            for other in {*optuna.get_all_study_names(storage)} - {name}:  # its runs go, too
                print("the search is another than before: it begins anew", flush=True)
                optuna.delete_study(study_name=other, storage=storage)
                folder.best.unlink(missing_ok=True)
            self._study = optuna.create_study(
                storage=storage,
                pruner=_pruner(spec),
                study_name=name,
                direction="maximize",
                load_if_exists=True,
            )

    def train_next(self) -> bool:
        """Train a trial to its end, and return whether there was one to train."""
        with self._lock:
            trial = self._orphan() or self._asked()
            if trial is not None:
                for key, said in self._spec.parameters.items():
                    _suggest(trial, key, said)
            self._write()
        if trial is None:
            return False
        try:
            state, value, reason = self._trained(trial)
        except ValueError as error:  # such as values that no run can have
            state, value, reason = TrialState.FAIL, None, one_line(error)
        print(f"trial {trial.number}: {STATES[state]} {value or ''} {reason}".rstrip(), flush=True)
        with self._lock:
            trial.set_user_attr("reason", reason)
            self._study.tell(trial, value, state)
            self._write()
        self._mine.release()
        return True

    def _orphan(self) -> Trial | None:
        """Return a trial that no process trains any more."""
        for left in self._study.get_trials(states=[TrialState.RUNNING]):
            if self._take(left.number):
                self._study.sampler = self._sampler(left.number)
                return Trial(self._study, left._trial_id)
        return None

    def _take(self, number: int) -> bool:
        self._mine = FileLock(self._places / f"trial{number}.lock")
        try:
            self._mine.acquire(blocking=False)
        except Timeout:
            return False
        return True

    def _asked(self) -> Trial | None:
        """Return a new trial; None if there are enough."""
        begun = [x for x in self._study.get_trials() if x.state is not TrialState.WAITING]
        number = len(begun)
        if number >= self._spec.trials:
            if number and all(x.state is TrialState.FAIL for x in begun):
                raise ValueError(f"all trials failed; the first: {begun[0].user_attrs['reason']}")
            return None
        for run in runs_in(self._cell(number)):  # of another search: not to be gone on with
            RunFolder(run).config.unlink()
            (run / "member.json").unlink(missing_ok=True)
        self._study.sampler = self._sampler(number)
        if self._spec.sampler == "grid" and not self._study.get_trials(
            states=[TrialState.WAITING]
        ):
            self._study.enqueue_trial(self._spec.point(number))
        trial = self._study.ask()
        self._take(trial.number)
        return trial

    def _sampler(self, number: int) -> optuna.samplers.BaseSampler:
        """Return a sampler that draws a trial as it would in a search that was never interrupted."""
        seed = int(np.random.SeedSequence([self._spec.seed, number]).generate_state(1)[0])
        if self._spec.sampler == "tpe":
            return optuna.samplers.TPESampler(seed=seed)
        return optuna.samplers.RandomSampler(seed=seed)

    def _cell(self, number: int) -> Path:
        return self._folder.path / "runs" / f"trial{number}"

    def _trained(self, trial: Trial) -> tuple[TrialState, float | None, str]:
        """Train a run for each seed; return how the trial ended, its value and a reason."""
        cell, seeds = self._cell(trial.number), ["--seeds", told_seeds(self._seeds)]
        for run in self._runs(trial):  # a process of a former worker may still save its state
            wait_for(RunFolder(run))
        words = ["fit", "--resume", str(cell), *seeds]
        if len(self._runs(trial)) < len(self._seeds):  # nothing was trained before all are ready
            own = self._spec.words(trial.params)
            words = ["fit", *self._args, *own, "--runs", str(cell.parent), "--name", cell.name]
            words += [*seeds, "--overwrite", "true"]
        request = requested([*with_config_paths(words), "--population", "processes"])
        assert request is not None
        with (
            planned(request, self._imports) as plan,
            Display(plan.members, plan.left_alone) as display,
        ):
            watched = _Watched(trial, RunFolder(cell / f"seed{self._seeds[0]}"), self._lock)
            ended = train_together(plan.members, 1, display, watched.should_end)
        ended = sorted([*plan.left_alone, *ended], key=lambda x: self._seeds.index(x.member.seed))
        if watched.should_end():  # also if it had ended when its last validation was seen
            return TrialState.PRUNED, None, ""
        return self._judged(ended)

    def _runs(self, trial: Trial) -> list[Path]:
        names = [f"seed{seed}" for seed in self._seeds]
        return [run for run in runs_in(self._cell(trial.number)) if run.name in names]

    def _judged(self, ended: Sequence[Outcome]) -> tuple[TrialState, float | None, str]:
        """Return the state, value and reason of a trial whose runs have ended.

        A run that gave up phase I or diverged found no rewards, which says something of its values.
        """
        reason = next((f"{x.member.folder.name}: {x.reason}" for x in ended if x.status), "")
        for x in ended:
            if x.status >= KILLED:
                raise MembersFailedError(f"{x.member.folder}: {x.reason}", x.status)
            if x.status and any(text in x.reason for text in OF_THE_MACHINE):
                raise MembersFailedError(f"{x.member.folder}: {x.reason}", x.status)
            if x.status not in ENDED:
                return TrialState.FAIL, None, reason
        values = [0.0 if x.status else _score(x.member.folder) for x in ended]
        return TrialState.COMPLETE, float(np.mean(values)), reason

    def _write(self) -> None:
        """Write the table of all trials, and the configuration of the best."""
        trials = self._study.get_trials(deepcopy=False)
        rows = [_row(trial, self._spec) for trial in trials if trial.state in STATES]
        with replacing(self._folder.trials) as temporary:
            pd.DataFrame(rows, columns=[*COLUMNS, *self._spec.parameters]).to_csv(
                temporary, index=False
            )
        finished = [trial for trial in trials if trial.state is TrialState.COMPLETE]
        if finished:
            best = max(finished, key=lambda trial: trial.value or 0.0)  # the first on ties
            run = RunFolder(self._cell(best.number) / f"seed{self._seeds[0]}")
            config = read_yaml(run.config) | {"runs": "runs", "name": None, "overwrite": False}
            del config["seed_everything"]
            write_text_atomically(yaml.safe_dump(config, sort_keys=False), self._folder.best)


def _storage(path: Path) -> optuna.storages.RDBStorage:
    """Return Optuna's storage in a file."""
    try:
        return optuna.storages.RDBStorage(
            f"sqlite:///{path.absolute()}", engine_kwargs={"connect_args": {"timeout": WAIT_S}}
        )
    except (RuntimeError, optuna.exceptions.OptunaError) as error:  # of another version
        raise ValueError(
            f"Optuna cannot read {path}; remove it to search anew ({one_line(error)})"
        ) from error


class _Watched:
    """Tells Optuna of each validation of a run as it comes, and whether the run is to end."""

    def __init__(self, trial: Trial, run: RunFolder, lock: FileLock) -> None:
        self._trial, self._run, self._lock = trial, run, lock
        self._told = len(trial.study.get_trials(deepcopy=False)[trial.number].intermediate_values)
        attributes = trial.study.get_trials(deepcopy=False)[trial.number].user_attrs
        self._size, self.pruned = -1, bool(attributes.get("pruned"))

    def should_end(self) -> bool:
        """Return whether the trial is pruned."""
        if self.pruned:
            return True
        try:
            size = (self._run.path / "validation.csv").stat().st_size
        except OSError:
            return False
        if size == self._size:
            return False
        self._size = size
        table = validations(self._run.path)
        scores = pd.concat([selection_scores(table, pre=True), selection_scores(table)])
        best = list(scores.cummax())
        with self._lock:
            while self._told < len(best) and not self.pruned:
                self._told += 1
                self._trial.report(best[self._told - 1], self._told)
                self.pruned = self._trial.should_prune()
            if self.pruned:  # also for a worker that finds the trial after this one ended
                self._trial.set_user_attr("pruned", True)
        return self.pruned


def _score(folder: Path) -> float:
    """Return that of the checkpoint that is selected; 0 without any."""
    found = selection_scores(validations(folder))
    return float(found.max()) if len(found) else 0.0


def _row(trial: FrozenTrial, spec: SearchSpec) -> dict[str, Any]:
    told = {"trial": trial.number, "state": STATES[trial.state], "score": trial.value}
    told |= {"validations": len(trial.intermediate_values)}
    return told | {"reason": trial.user_attrs.get("reason", "")} | trial.params


def _suggest(trial: Trial, key: str, said: Any) -> None:
    if isinstance(said, list):
        trial.suggest_categorical(key, said)
        return
    low, high, log = said["low"], said["high"], said.get("log", False)
    if type(low) is type(high) is int:
        trial.suggest_int(key, low, high, log=log, step=said.get("step", 1))
    else:
        trial.suggest_float(key, low, high, log=log, step=said.get("step"))


def _pruner(spec: SearchSpec) -> optuna.pruners.BasePruner:
    if spec.pruner == "median":
        return optuna.pruners.MedianPruner(n_warmup_steps=spec.prune_after)
    if spec.pruner == "halving":
        return optuna.pruners.SuccessiveHalvingPruner(spec.prune_after, reduction_factor=2)
    return optuna.pruners.NopPruner()
