"""Experiments on agents: silence units, or hold them at a value.

Noise at test time other than the filter assumes is a matter of the session, see
:func:`modnav.recording.make_session`; actions are replayed by :func:`modnav.tables.open_loop`.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager

from torch import Tensor

from modnav.networks import Agent

from .layers import Layer, changed, layers_of

__all__ = ["MOST_UNITS", "ablate", "clamp", "parse_units"]

MOST_UNITS = 100_000
"""Highest index of a unit that is understood."""


def parse_units(text: str) -> dict[str, dict[int, float]]:
    """Return the units that a text names, by layer and index, and the value to hold each at.

    Args:
        text: ``LAYER:INDEX``, ``LAYER:FIRST-LAST`` or either ``=VALUE``, separated by commas,
            e.g. ``actor.belief:0-9,actor.belief:17=0.5``. The value is 0 if omitted.

    Raises:
        ValueError: If it is of another form, or holds a unit at two values.
    """
    found: dict[str, dict[int, float]] = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        match = re.fullmatch(r"([\w.]+):(\d+)(?:-(\d+))?(?:=(\S+))?", item)
        if not match:
            raise ValueError(
                f"{item!r} names no units; it must be LAYER:INDEX, LAYER:FIRST-LAST or "
                "LAYER:INDEX=VALUE, e.g. actor.belief:17"
            )
        layer, first, last, value = match.groups()
        try:
            number = float(value or 0)
        except ValueError as error:
            raise ValueError(f"{item!r} holds a unit at {value!r}; it must be a number") from error
        if int(last or first) > MOST_UNITS:
            raise ValueError(f"{item!r} names a unit above {MOST_UNITS}; no layer is so wide")
        held = dict.fromkeys(range(int(first), int(last or first) + 1), number)
        if not held:
            raise ValueError(f"{item!r} names no units; the last index is below the first")
        named = found.setdefault(layer, {})
        twice = [unit for unit in held if unit in named and named[unit] != number]
        if twice:
            raise ValueError(
                f"{layer}:{twice[0]} is held at {named[twice[0]]:g} and at {number:g}; name it once"
            )
        named.update(held)
    if not found:
        raise ValueError("no units are named; e.g. actor.belief:17")
    return found


@contextmanager
def clamp(agent: Agent, units: str | Mapping[str, Mapping[int, float]]) -> Iterator[None]:
    """Hold units at a value while the context lasts; then the agent is as it was.

    A unit of a recurrent layer is held at every step, so later steps remember that value: the
    first step of a trial starts from zeros as ever.

    Args:
        agent: The agent.
        units: Values by layer and index, or a text for :func:`parse_units`.

    Raises:
        ValueError: If there is no such layer or unit, or a value is not finite.

    Example:
        >>> import torch
        >>> from modnav import build_agent
        >>> agent = build_agent("modular")
        >>> with clamp(agent, "actor.belief:3=0.5,actor.action.mlp.1:0-9"):
        ...     action, memory = agent.act(torch.zeros(1, 6))
    """
    chosen = parse_units(units) if isinstance(units, str) else units
    layers = layers_of(agent, list(chosen))
    with ExitStack() as stack:
        for name, layer in layers.items():
            stack.enter_context(changed(layer, _Hold(layer, chosen[name])))
        yield


@contextmanager
def ablate(agent: Agent, units: str | Mapping[str, Iterable[int]]) -> Iterator[None]:
    """Silence units (hold them at 0) while the context lasts; then the agent is as it was.

    Args:
        agent: The agent.
        units: Indices by layer, or a text such as ``actor.belief:3,actor.belief:10-19``.

    Raises:
        ValueError: If there is no such layer or unit, or the text gives a value.
    """
    if isinstance(units, str):
        if "=" in units:
            raise ValueError(f"{units!r} gives a value; ablated units are 0, clamp holds others")
        chosen = parse_units(units)
    else:
        chosen = {name: dict.fromkeys(indices, 0.0) for name, indices in units.items()}
    with clamp(agent, chosen):
        yield


class _Hold:
    """Sets units of a layer's output ``(T, B, size)``."""

    def __init__(self, layer: Layer, values: Mapping[int, float]) -> None:
        for index, value in values.items():
            if not 0 <= index < layer.size:
                raise ValueError(
                    f"{layer.name} has no unit {index}; it has {layer.size}, 0 to {layer.size - 1}"
                )
            if not math.isfinite(value):
                raise ValueError(f"{layer.name}:{index} is held at {value}; it must be finite")
        self.index = list(values)
        self.values = list(values.values())

    def __call__(self, output: Tensor) -> Tensor:
        held = output.clone()
        held[..., self.index] = output.new_tensor(self.values)
        return held
