"""``modnav export-published``: an agent becomes a checkpoint as the study wrote them."""

from collections.abc import Sequence
from pathlib import Path

from modnav.published import write_published
from modnav.runs import load_agent

from .arguments import taken_checkpoint
from .import_published import check_free
from .refused import Parser


def main(args: Sequence[str]) -> None:
    """Run the command."""
    parser = Parser(
        prog="modnav export-published",
        description="Write the agent of a checkpoint as the study did (.pth.tar), "
        "with the very same weights.",
    )
    parser.add_argument("checkpoint", type=Path, help="a checkpoint, or folder of a run")
    parser.add_argument("--out", type=Path, required=True, help="the .pth.tar file to write")
    parser.add_argument("--overwrite", action="store_true", help="replace the file if it is there")
    given = parser.parse_args(args)
    check_free(given.out, given.overwrite)
    given.checkpoint = taken_checkpoint(given.checkpoint)
    agent = load_agent(given.checkpoint)
    write_published(agent, given.out)
    print(f"{given.out}: {agent.architecture}")
