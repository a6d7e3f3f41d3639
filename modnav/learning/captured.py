"""Functions of tensors as CUDA graphs: hundreds of small kernels are started as one."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from modnav.files import one_line

__all__ = ["Captured", "forget_workspaces"]


@dataclass
class _Kept:
    """What is kept for one form of inputs."""

    buffers: list[Tensor]
    outputs: list[Tensor] = field(default_factory=list)
    graph: "torch.cuda.CUDAGraph | None" = None


class Captured:
    """A function that is captured at its second call with inputs of one form, and then replayed.

    The first call of a form runs as it is, which also warms up what is captured later. The
    function reads its inputs from buffers that are kept, may change tensors of its own, and must
    not draw random numbers, make constants on the host, or wait for the device.

    Args:
        function: From tensors to tensors.
        graphs: Whether there are graphs; without, the function is called on the same buffers.
    """

    def __init__(self, function: Callable[..., Sequence[Tensor]], *, graphs: bool) -> None:
        self.function, self.graphs = function, graphs
        self._kept: dict[Hashable, _Kept] = {}
        self._stream: Any = _side_stream(torch.cuda.current_device()) if graphs else None
        self._pool: Any = None

    def __call__(self, form: Hashable, inputs: Sequence[Tensor]) -> list[Tensor]:
        """Call the function.

        Args:
            form: What is alike in calls that may share a graph, besides the shapes of inputs.
            inputs: Its arguments.

        Returns:
            Its results; they are overwritten by the next call of the same form.

        Raises:
            ValueError: If it does what a graph cannot hold; the message says what.
        """
        key = (form, *(x.shape for x in inputs))
        kept = self._kept.get(key)
        if kept is None:
            kept = self._kept[key] = _Kept([x.clone() for x in inputs])
            return self._called(form, kept)
        for buffer, x in zip(kept.buffers, inputs, strict=True):
            buffer.copy_(x)
        if not self.graphs:
            return self._called(form, kept)
        if kept.graph is None:
            self._capture(form, kept)
        assert kept.graph is not None
        kept.graph.replay()
        return kept.outputs

    def _called(self, form: Hashable, kept: _Kept) -> list[Tensor]:
        if self._stream is None:
            return list(self.function(form, *kept.buffers))
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            outputs = list(self.function(form, *kept.buffers))
        torch.cuda.current_stream().wait_stream(self._stream)
        return outputs

    def _capture(self, form: Hashable, kept: _Kept) -> None:
        # What products scribble on is to be the graph's own: Lightning frees that of all streams
        # when a member ends, and graphs are replayed after that.
        forget_workspaces()
        made = torch.cuda.CUDAGraph()
        # thread_local: what other threads do on the device meanwhile is no concern of the graph's
        graph = torch.cuda.graph(
            made, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"
        )
        try:
            with graph:
                kept.outputs = list(self.function(form, *kept.buffers))
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            raise ValueError(
                f"updates cannot be captured in a CUDA graph: {one_line(str(error))}; modules of "
                "one's own must not wait for the device"
            ) from error
        kept.graph, self._pool = made, made.pool()
        forget_workspaces()


def forget_workspaces() -> None:
    """Free the memory that products on a GPU scribble on, up to 32 MB for each thread."""
    torch._C._cuda_clearCublasWorkspaces()


@lru_cache(maxsize=8)
def _side_stream(device: int) -> Any:
    """Return the stream of a GPU on which graphs are captured.

    It is one for all: each has memory of its own, which the others cannot use.
    """
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]  # so is torch's
