"""Options of every run beside those of its parts, and its name where none is given."""

from typing import Any, Literal

from jsonargparse.typing import restricted_number_type

from modnav.task import TaskParameters, bounds

Seed = restricted_number_type("Seed", int, [(">=", 0), ("<=", 2**32 - 1)])
"""What NumPy takes for a seed."""

OPTIONS: dict[str, tuple[Any, Any, str]] = {
    "--runs": (str, "runs", "Folder of all runs."),
    "--name": (str | None, None, "Name of the run; architecture, task and noise by default."),
    "--overwrite": (bool, False, "Start anew in a folder with a run."),
    "--folder": (str | None, None, "Folder of the run; RUNS/NAME/seed<k> by default."),
    "--prefer_bf16": (
        bool,
        False,
        (
            "If trainer.precision is not given: bf16-mixed on processors with instructions for it, "
            "else 32-true."
        ),
    ),
    "--threads": (
        int | None,
        None,
        "Threads of the processor for `fit`; OMP_NUM_THREADS or else 1 by default.",
    ),
    "--population": (
        Literal["stacked", "processes"] | None,
        None,
        (
            "How members of a population are trained, see --seeds. A lone run is a stacked population "
            "of one by default on a GPU, where its updates are CUDA graphs."
        ),
    ),
}
"""Options of every run beside those of its parts: kind, default, and what they are."""


def name_of_run(architecture: str, task: TaskParameters) -> str:
    """Return the name of a run that is given none: architecture, task with its gain, and noise."""
    noise = "_".join(f"{bounds(x)[0]:g}" for x in (task.process_noise, task.observation_noise))
    low, high = bounds(task.gain)
    gain = "" if low == high == 1 else f"{low:g}" + ("" if low == high else f"to{high:g}")
    return f"{architecture}-{task.name}{gain}-{noise}"
