"""What Lightning and torch raise for what a user can mend, in modnav's terms."""

import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException

from modnav.errors import ProcessLostError, RunEndedError


def meant_by(error: BaseException) -> BaseException | None:
    """Return what to raise for an error of Lightning or torch; None if it speaks for itself."""
    if isinstance(error, MisconfigurationException):
        return ValueError(str(error))
    if isinstance(error, SystemExit):
        # Lightning makes an exit of Ctrl-C
        return KeyboardInterrupt() if isinstance(error.__context__, KeyboardInterrupt) else None
    if isinstance(error, RunEndedError) or not isinstance(error, RuntimeError):
        return None
    if "more than one stateful callback" in str(error):
        return ValueError(f"trainer.callbacks: {error}")
    if isinstance(error, torch.distributed.DistError) or "gloo" in str(error):
        return ProcessLostError(
            "another process of the run ended, so this one stopped; what the other said is "
            "above, if it said anything"
        )
    return None
