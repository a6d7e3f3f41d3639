"""Pages of help that are shown at once, without what takes seconds to load."""

from modnav.commands import COMMANDS, LIGHTNING

from .configs import is_overlay, shipped_configs

GROUPS = {
    "train": ("fit", "study", "configs", "compare"),
    "look at agents": (
        "validate",
        "test",
        "predict",
        "evaluate",
        "best",
        "record",
        "export",
        "watch",
    ),
    "figures of the study": ("figures", "report", "redraw"),
    "the study's files": ("import-published", "export-published", "import-monkey"),
    "this machine": ("doctor", "bench", "completion"),
}
"""Commands as the overview has them."""

FIT = """\
usage: modnav fit --config NAME [--config OVERLAY ...] [options]

Train an agent, or many. Everything that is asked for is kept in config.yaml beside the checkpoints.

what to train
  --config NAME               a file or one of the names below, several times; later ones overlay earlier ones
  --seed_everything N         seed of the run (0)
  --model.actor.init_args.belief CLASS    a module of your own; likewise action, and those of critic
  --data.task.reward CLASS    a reward of your own; likewise data.task.motion, data.exploration, model.losses
  --import MODULE             module of your own to load first, for runs and checkpoints that name its classes

where it goes: runs/<name>/seed<k>
  --runs FOLDER               folder of all runs (runs)
  --name NAME                 name of the run (architecture, task and noise)
  --overwrite true            start anew in a folder with a run

go on
  --resume RUN                folder of a run, or a full checkpoint of it; a folder of many runs
  --last.every_minutes X      time between two saves of the whole state, min (10)
  --last.replay KEPT          where the replay memory is kept: last, best or never (last)

many runs
  --seeds 0-31                a run for each seed
  --sweep KEY=X,Y,...         and for each value of a number of data, phases or model
  --cores N                   cores to use (all)
  --population KIND           how they are trained: processes or stacked

training
  --phases.trials N           trials after phase I (10000)
  --phases.two.learning_rate X    likewise exploration_std and action_penalty; phases one, two, three
  --data.task.process_noise X     likewise observation_noise and gain
  --data.parallel_trials N    trials that are acted at once (16)
  --data.replay.init_args.batch_size N    trials in a batch (16)
  --model.discount X          discount per step (0.97)

machine
  --threads N                 threads of the processor (OMP_NUM_THREADS, else 1)
  --prefer_bf16 true          bf16-mixed where the processor has instructions for it
  --trainer.accelerator KIND  cpu or gpu (auto)
  --trainer.devices N         processes that learn together, with --config ddp (1)
  --trainer.precision KIND    32-true or bf16-mixed

  --print_config              show every constant, then end
  --help.all                  all options

examples
  modnav fit --config quickstart --threads 2
  modnav fit --config modular --config warmup --seeds 0-7 --sweep data.task.process_noise=0,0.1
  modnav fit --config train --config actors/actor2 --config critics/critic4
  modnav fit --resume runs/Actor3Critic5-gain-0.2_0.1/seed0
"""

OTHERS = """\
usage: modnav {command} --ckpt_path CHECKPOINT [options]

{what}, in full precision and one process. The config is that of the checkpoint's run.

  --ckpt_path CHECKPOINT      a checkpoint, such as runs/.../checkpoints/09999.ckpt, or a run: its best
  --config NAME               another config, or that of a checkpoint which lies in no run
  --import MODULE             module of your own to load first, for checkpoints that name its classes
  --data.task.process_noise X     likewise observation_noise
  --trainer.accelerator KIND  cpu or gpu (auto)
  --print_config              show every constant, then end
  --help.all                  all options
"""


def overview() -> str:
    """Return the help text of ``modnav``."""
    both = {**LIGHTNING, **COMMANDS}
    lines = ["usage: modnav COMMAND [options]"]
    for group, names in GROUPS.items():
        lines += ["", group, *(f"  {name:18}{both[name]}" for name in names)]
    lines += [
        "",
        "examples",
        "  modnav fit --config quickstart --threads 2",
        "  modnav evaluate runs/quickstart && modnav best runs/quickstart",
        "  modnav watch runs/quickstart --out trial.gif",
        "",
        "`modnav COMMAND --help` shows the options of a command. All of them take `--import MODULE`, a module of",
        "your own whose classes a run or checkpoint names. `modnav fit --resume RUN` goes on with a run, and",
        "`modnav fit --config NAME --seeds 0-7` trains many. In Python: `modnav.train`, `modnav.open_runs`.",
    ]
    return "\n".join(lines)


def page(command: str) -> str:
    """Return the options of ``fit``, ``validate``, ``test`` or ``predict`` that one changes."""
    if command != "fit":
        what = LIGHTNING[command]
        return OTHERS.format(command=command, what=what[0].upper() + what[1:])
    known = shipped_configs()
    overlays = [name for name, file in known.items() if is_overlay(file)]
    agents = [name for name in known if name not in overlays and "/" not in name]
    return "\n".join(
        [
            FIT,
            "configs (`modnav configs` says what they are)",
            f"  {', '.join(agents)},",
            "  with an actor and a critic: actors/actor1 ... critics/critic5",
            f"  overlays: {', '.join(overlays)}",
        ]
    )
