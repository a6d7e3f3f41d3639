"""``modnav study``: a whole study as jobs of one engine, Snakemake."""

from collections.abc import Sequence

__all__ = ["main"]


def main(args: Sequence[str]) -> None:
    """Run the command; what it needs is imported only now, as jobs import this folder too."""
    from .command import main as run

    run(args)
