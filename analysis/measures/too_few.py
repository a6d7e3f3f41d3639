"""What measures raise when trials, seeds or moments are too few for them."""

__all__ = ["TooFewError"]


class TooFewError(ValueError):
    """There are fewer trials, seeds or moments than a measure needs; the message says how many."""
