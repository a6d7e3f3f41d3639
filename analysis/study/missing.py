"""What is said where a study has less than a panel needs."""

__all__ = ["Missing"]


class Missing(ValueError):  # it is no mistake: the study at hand has less
    """What is needed is not there; the message says what, for the reader of the figure."""
