"""Columns of a table of validations beside its measures, for all who write one."""

__all__ = ["END_COLUMNS", "ROW_COLUMNS", "RUN_COLUMNS", "STUDY_COLUMNS"]

ROW_COLUMNS = ("total_trials", "trials", "phase", "updates", "seconds", "validation", "task")
"""When and what was validated: the first columns of ``validation.csv``."""

RUN_COLUMNS = ("name", "architecture", "seed")
"""Whose validations they are, in a table of several runs."""

STUDY_COLUMNS = ("cell", "seed", "process_noise", "observation_noise", "gain")
"""Whose they are in a study: the cell, the seed and what of the task may vary."""

END_COLUMNS = (
    *("table", "folder", "status", "reason"),
    *("best_episode", "score", "checkpoint", "test"),
)
"""What else a row of a study's results may tell: how a run ended, and what was made of it."""
