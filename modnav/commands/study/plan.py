"""What a study has to do, as jobs that are commands of ``modnav``."""

import hashlib
import importlib.util
import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from modnav.files import read_text
from modnav.studies import Job

from .spec import AgentSpec, StudySpec

__all__ = ["Cell", "cells", "planned"]


@dataclass(frozen=True)
class Cell:
    """One architecture at one noise and gain: trainings that differ in their seeds.

    Attributes:
        name: Name, and folder of its runs.
        agent: The architecture.
        args: Arguments of ``modnav fit`` for a seed, but for the seed and the folder.
        noise: Process and observation noise; None for those of the configurations.
        gain: Gain; likewise.
    """

    name: str
    agent: AgentSpec
    args: tuple[str, ...]
    noise: tuple[float, float] | None
    gain: float | None

    def run(self, seed: int) -> str:
        """Return the folder of a run, within the study's."""
        return f"runs/{self.name}/seed{seed}"


def cells(spec: StudySpec) -> list[Cell]:
    """Return the cells of a study, in order."""
    found = []
    for agent in spec.agents:
        for noise in spec.noises:
            for gain in spec.gains:
                name = agent.name
                name += "" if noise is None else f"-noise{_short(noise[0])}_{_short(noise[1])}"
                name += "" if gain is None else f"-gain{_short(gain)}"
                found.append(Cell(name, agent, _fit(spec, agent, noise, gain), noise, gain))
    return found


def _fit(
    spec: StudySpec, agent: AgentSpec, noise: tuple[float, float] | None, gain: float | None
) -> tuple[str, ...]:
    configs = [word for name in (*agent.configs, *spec.protocol) for word in ("--config", name)]
    options: dict[str, Any] = {"trainer.accelerator": spec.accelerator, "threads": 1}
    options |= {"trainer.enable_progress_bar": False}
    if spec.trials is not None:
        options["phases.trials"] = spec.trials
    if noise is not None:
        options["data.task.process_noise"], options["data.task.observation_noise"] = noise
    if gain is not None:
        options["data.task.gain"] = gain
    options |= spec.options | agent.options
    return (*configs, *(f"--{key}={_plain(value)}" for key, value in options.items()))


def _short(number: float) -> str:
    """Return a number as short as can be, so that no two are told alike."""
    return f"{number:g}" if float(f"{number:g}") == number else repr(number)


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def planned(spec: StudySpec, cores: int) -> list[Job]:
    """Return the jobs of a study, each after those that it builds on."""
    return list(_Planner(spec, cores).jobs())


class _Planner:
    """Makes jobs, and keeps what later ones need to know of them."""

    def __init__(self, spec: StudySpec, cores: int) -> None:
        self.spec, self.cores = spec, cores
        self.keys: dict[str, str] = {}
        self.runs = {cell.name: [cell.run(seed) for seed in spec.seeds] for cell in cells(spec)}
        texts = [text for cell in cells(spec) for text in _texts(cell)]
        self.unnamed = [x for x in spec.imports if not any(x in text for text in texts)]

    def jobs(self) -> Iterator[Job]:
        """Yield the jobs."""
        if self.spec.search:
            yield from self._search()
            return
        trained: list[str] = []
        evaluated: list[str] = []
        for cell in cells(self.spec):
            jobs = [*self._train(cell)]
            yield from jobs
            trained += [job.name for job in jobs]
            jobs = [*self._evaluate(cell, [job.name for job in jobs])]
            yield from jobs
            evaluated += [job.name for job in jobs]
            if jobs:
                yield (select := self._select(cell, [job.name for job in jobs]))
                evaluated.append(select.name)
                if self.spec.record is not None:
                    yield self._record(cell, select.name)
        every = [run for runs in self.runs.values() for run in runs]
        if self.spec.compare:
            yield self._job("compare", ("compare", "{runs}", "--out", "figures"), trained, every)
        if self.spec.report is not None:
            yield self._report(trained, every)
        yield self._gather(trained + evaluated, every)

    def _gather(self, needs: Sequence[str], runs: Sequence[str] = ()) -> Job:
        words = ("study", ".", "--gather")
        return self._job("gather", words, needs, runs, makes=["results.parquet"])

    def _search(self) -> Iterator[Job]:
        """Yield the workers of a search; its name tells all that makes it but how long it is."""
        assert self.spec.search is not None
        (cell,) = cells(self.spec)
        search = asdict(self.spec.search)
        del search["workers"]
        imports = self.spec.imports
        made = search | {"trials": None}
        contents = [_content(module) for module in self._named(cell)]
        seeds = list(self.spec.seeds)
        digest = _digest(made, seeds, _by_content(cell.args), contents)
        text = json.dumps({"name": digest, "seeds": seeds, "search": search})
        words = ("study", ".", "--search-worker", text, "--", *cell.args)
        names = [f"search/worker{k}" for k in range(self.spec.search.workers)]
        for name in names:
            yield self._job(name, words, imports=imports, makes=["search/trials.csv", "best.yaml"])
        yield self._gather(names)

    def _job(
        self,
        name: str,
        words: Sequence[str],
        needs: Sequence[str] = (),
        runs: Sequence[str] = (),
        *,
        makes: Sequence[str] = (),
        imports: Sequence[str] = (),
        threads: int = 1,
        setting: Sequence[str] | None = None,
    ) -> Job:
        built_on = [self.keys[need] for need in needs]
        modules = [_content(module) for module in imports]
        key = _digest(name, _by_content(words), built_on, modules, runs)
        begun = key if setting is None else _digest(name, _by_content(setting), built_on, modules)
        self.keys[name] = key
        lists = (tuple(words), tuple(needs), tuple(runs), tuple(makes), self.spec.imports)
        return Job(name, key, begun, *lists, threads=threads)

    def _train(self, cell: Cell) -> Iterator[Job]:
        imports = self._named(cell)
        runs = self.runs[cell.name]
        configs = [f"{run}/config.yaml" for run in runs]
        if self.spec.population or self.spec.accelerator == "gpu":
            words = ("fit", *cell.args, "--runs", "runs", "--name", cell.name)
            words += ("--population", self.spec.population or "stacked")
            name = f"train/{cell.name}"
            threads = min(self.cores, len(runs)) if self.spec.population == "processes" else 1
            more: Any = {"setting": words, "threads": threads}
            yield self._job(name, words, (), runs, imports=imports, makes=configs, **more)
            return
        for seed, run, config in zip(self.spec.seeds, runs, configs, strict=True):
            words = ("fit", *cell.args, "--seed_everything", str(seed), "--folder", run)
            name = f"train/{cell.name}/seed{seed}"
            yield self._job(name, words, (), [run], imports=imports, makes=[config])

    def _named(self, cell: Cell) -> list[str]:
        """Return modules of the user's own that a training uses, and those that no text names."""
        texts = _texts(cell)
        found = [x for x in self.spec.imports if any(x in text for text in texts)]
        named = sorted({name for text in texts for name in _DOTTED.findall(text)} - {"modnav"})
        own = [x for x in named if _is_module(self.spec.path.parent / x)]
        return list(dict.fromkeys([*found, *self.unnamed, *own]))

    def _evaluate(self, cell: Cell, trained: Sequence[str]) -> Iterator[Job]:
        evaluate = self.spec.evaluate
        if evaluate is None:
            return
        for k, run in enumerate(self.runs[cell.name]):
            needs = trained[k : k + 1] if len(trained) > 1 else trained
            curves = f"evaluations/{cell.name}/training_curve/**/*_{Path(run).name}.csv"
            for task in evaluate["tasks"]:
                words = ["evaluate", "{runs}", "--task", task, "--jobs", "1"]
                words += ["--out", f"evaluations/{cell.name}"]
                words += ["--extensive"] * bool(evaluate["extensive"])
                if evaluate["trials"] is not None:
                    words += ["--trials", str(evaluate["trials"])]
                name = f"evaluate/{cell.name}/{Path(run).name}/{task}"
                yield self._job(name, words, needs, [run], makes=[curves])

    def _select(self, cell: Cell, evaluated: Sequence[str]) -> Job:
        assert self.spec.evaluate is not None
        words = ["best", "{runs}", "--task", self.spec.evaluate["tasks"][0]]
        words += ["--extensive"] * bool(self.spec.evaluate["extensive"])
        words += ["--out", f"evaluations/{cell.name}", "--json", f"selected/{cell.name}.json"]
        makes = [f"selected/{cell.name}.json"]
        name = f"select/{cell.name}"
        return self._job(name, words, evaluated, self.runs[cell.name], makes=makes)

    def _record(self, cell: Cell, select: str) -> Job:
        record = self.spec.record
        assert record is not None
        words = ["record", "{best}", "--task", "gain", "--gain", _short(record["gain"])]
        words += ["--trials", str(record["trials"]), "--out", f"records/{cell.name}"]
        words += ["--overwrite"] + ["--no-units"] * (not record["units"])
        makes = [f"records/{cell.name}/*"]
        return self._job(f"record/{cell.name}", words, [select], self.runs[cell.name], makes=makes)

    def _report(self, trained: Sequence[str], every: Sequence[str]) -> Job:
        report = self.spec.report
        assert report is not None
        words = ["report", "{runs}", "--out", "figures", "--workers", "{threads}"]
        words += [word for name in report["figures"] for word in ("--figure", str(name))]
        if report["trials"] is not None:
            words += ["--trials", str(report["trials"])]
        makes = ["figures/report.html"]
        return self._job("report", words, trained, every, threads=self.cores, makes=makes)


def _digest(*parts: object) -> str:
    text = json.dumps(parts, default=list)
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()


_DOTTED = re.compile(r"[=:\s\"']([A-Za-z_]\w*)\.[A-Za-z_]")
"""What may be a module, of the path of a class in an argument's value or a configuration."""


def _texts(cell: Cell) -> list[str]:
    """Return the arguments of a training, and what is in files that they name."""
    return [
        *cell.args,
        *(read_text(Path(word), "replace") for word in map(_file, cell.args) if word),
    ]


def _file(word: str) -> str | None:
    """Return the file of the user's own, a full path, that an argument or its value is."""
    path = word.partition("=")[2] if word.startswith("--") else word
    return path if os.path.isabs(path) and os.path.isfile(path) else None


def _is_module(path: Path) -> bool:
    return path.with_suffix(".py").is_file() or any(path.glob("*.py"))


def _by_content(words: Sequence[str]) -> list[str]:
    """Return arguments with the user's own files, which are full paths, as digests of what is in them."""
    return [
        word.replace(path, _file_digest(Path(path))) if (path := _file(word)) else word
        for word in words
    ]


def _content(module: str) -> str:
    """Return the digest of a module's files: what it does is part of what was asked for."""
    found = importlib.util.find_spec(module.partition(".")[0])
    if found is None:
        raise ValueError(f"import has {module}, which Python does not find")
    folders = [Path(folder) for folder in found.submodule_search_locations or ()]
    files = sorted(file for folder in folders for file in folder.rglob("*.py"))
    files += [] if folders or not found.origin else [Path(found.origin)]
    return _digest(*(_file_digest(file) for file in files))


def _file_digest(file: Path) -> str:
    return hashlib.blake2b(file.read_bytes()).hexdigest()
