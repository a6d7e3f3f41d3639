"""``modnav fit --seeds ...``, and ``--resume`` with a folder of runs: train a population."""

from collections.abc import Sequence
from pathlib import Path

from modnav.errors import FOR_GOOD, InterruptedRunError, MembersFailedError

from .gathered import Display, gather
from .members import Outcome, Request, told_seeds
from .plan import Plan, planned
from .stacked import rejoin, train_stacked
from .together import train_together


def fit_members(request: Request, imported: Sequence[str]) -> list[Path]:
    """Train a population, and show what came of it.

    Returns:
        The folders of the members' folders.

    Raises:
        ValueError: For a mistake in what is asked for, before anything is trained.
        InterruptedRunError: If it was told to stop; the message says how to go on.
        MembersFailedError: If members failed.
    """
    with planned(request, imported) as plan:
        return _fit_planned(plan, request.at_once, imported)


def _fit_planned(plan: Plan, cores: int, imported: Sequence[str]) -> list[Path]:
    if plan.kind == "stacked":
        rejoin(plan)
    _tell(plan)
    if plan.kind == "stacked" and plan.members:
        need, have = (x / 2**30 for x in plan.room())
        print(f"stacked they take about {need:.1f} of {have:.1f} GiB")
    again = plan.going_on()
    try:
        outcomes = [*plan.left_alone, *_trained(plan, cores, imported)]
    except InterruptedRunError as error:
        raise InterruptedRunError(f"{error}; {again}") from None
    for folder in plan.folders:
        gather(folder, [x for x in outcomes if x.member.folder.parent == folder])
    if failed := [outcome.status for outcome in outcomes if outcome.status]:
        told = f"{len(failed)} of {len(outcomes)} members failed"
        if set(failed) <= set(FOR_GOOD):
            again = again.replace("go on with:", "they would end so again; change options:")
            again += " --KEY VALUE"
        raise MembersFailedError(f"{told}; {again}", max(failed))
    return [outcome.member.folder for outcome in outcomes]


def _trained(plan: Plan, cores: int, imported: Sequence[str]) -> list[Outcome]:
    if not plan.members:
        return []
    at_once = max(1, cores // plan.threads)
    with Display(plan.members, plan.left_alone) as display:
        if plan.kind == "stacked":
            return train_stacked(plan, imported, display)
        return train_together(plan.members, at_once, display)


def _tell(plan: Plan) -> None:
    """Say which members are trained and which are left alone."""
    for folder in plan.folders:
        todo = [m.seed for m in plan.members if m.folder.parent == folder]
        print(f"{folder}: {len(todo)} to train{_seeds(todo)}")
        here = [x for x in plan.left_alone if x.member.folder.parent == folder]
        if finished := [x.member.seed for x in here if not x.status]:
            print(f"{folder}: finished already and left alone{_seeds(finished)}")
        for outcome in here:
            if outcome.status:
                print(f"{outcome.member.folder}: failed before and left alone: {outcome.reason}")


def _seeds(seeds: Sequence[int]) -> str:
    return f", seeds {told_seeds(seeds)}" if seeds else ""
