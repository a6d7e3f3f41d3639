"""``modnav report``: one HTML page of the study's figures, drawn from trained runs."""

from collections.abc import Sequence

from modnav.commands import figures


def main(args: Sequence[str]) -> None:
    """Run the command: draw the panels as ``modnav figures`` does, and write ``report.html``."""
    from modnav.analysis.report import write_report
    from modnav.analysis.study import LOG, find_members, find_trainings

    given = figures.options("report", args)
    failed = figures.draw_figures(given)
    logged = [path for path in given.runs if any(path.rglob(LOG))]  # the study's data has none
    path = write_report(given.out, find_members(given.runs), find_trainings(logged)[0])
    print(f"report: {path}")
    figures.complain(failed)
