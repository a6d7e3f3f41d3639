"""Belief modules: what turns a history of inputs into a belief about the latent state."""

from typing import ClassVar, Literal

from torch import Tensor
from typing_extensions import override

from modnav.task import FEATURES

from .sequence import AbstractSequence, Memory, Recurrent

__all__ = ["AbstractBelief", "KalmanBelief", "RecurrentBelief"]


class AbstractBelief(AbstractSequence):
    """A sequence module that fills the belief slot.

    Attributes:
        source: Name of the input stream that the module reads, see :mod:`modnav.task.streams`:
            ``observation``, ``kalman``, or the path of a stream of one's own.
    """

    source: ClassVar[str]


class RecurrentBelief(AbstractBelief):
    """Learned belief: a recurrent network over raw observations.

    Its output changes as it learns, so replay holds observations and each update infers it anew.

    Args:
        in_features: Features of the observation (6), plus those of the action (2) in a critic
            whose action enters at the belief.
        out_features: Number of recurrent units.
        num_layers: Number of stacked layers.
        cell: Kind of recurrent unit.
    """

    source = "observation"
    recurrent = True

    def __init__(
        self,
        in_features: int = 6,
        out_features: int = 128,
        num_layers: int = 1,
        cell: Literal["lstm", "gru", "rnn"] = "lstm",
    ) -> None:
        super().__init__()
        self.in_features = in_features
        self.out_features = out_features
        self.num_layers = num_layers
        self.cell = cell
        self.units = Recurrent(in_features, out_features, num_layers, cell)

    @override
    def forward(self, x: Tensor, memory: Memory = None) -> tuple[Tensor, Memory]:
        return self.units(x, memory)


class KalmanBelief(AbstractBelief):
    """Given belief: mean and uncertainty of the Kalman filter that ran during the trial.

    It has nothing to learn, so replay holds its output (see :mod:`modnav.task.kalman`).
    """

    source = "kalman"
    recurrent = False
    in_features = out_features = FEATURES

    @override
    def forward(self, x: Tensor, memory: Memory = None) -> tuple[Tensor, Memory]:
        return x, None
