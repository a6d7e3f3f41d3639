"""How weights start: as published in modnav's own modules, as their authors say in others."""

import copy
from collections.abc import Iterable
from typing import TypeVar

from torch import Tensor, nn

from modnav.files import one_line

from .description import describe, rebuild
from .sequence import AbstractSequence, is_own, name_of_class

__all__ = ["draw_weights", "init_weights", "twin_of"]

NetworkT = TypeVar("NetworkT", bound=nn.Module)


def init_weights(module: nn.Module) -> None:
    """Initialise a layer as published; use as ``network.apply(init_weights)``.

    Linear weights are normal with standard deviation 0.1, recurrent weights Xavier uniform (drawn
    on the stacked matrix of all gates), biases 0. On the device ``meta`` there is nothing to draw.

    Raises:
        ValueError: If the weights of a layer are computed from others, as weight_norm does.
    """
    if isinstance(module, nn.Linear):
        _check_plain(module, [module.weight])
        # on meta torch would import its compiler for that, which takes seconds
        if not module.weight.is_meta:
            nn.init.normal_(module.weight, std=0.1)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.RNNBase):
        _check_plain(module, [weight for layer in module.all_weights for weight in layer])
        for name, parameter in module.named_parameters():
            if "bias" in name:
                nn.init.zeros_(parameter)
            else:
                nn.init.xavier_uniform_(parameter)


def _check_plain(layer: nn.Module, weights: Iterable[Tensor]) -> None:
    """Refuse a layer whose weights are no parameters: drawing them would change nothing."""
    if not all(isinstance(weight, nn.Parameter) for weight in weights):
        raise ValueError(
            f"the weights of a {type(layer).__name__} are computed from others (weight_norm, "
            "spectral_norm, pruning), so they cannot start as published; do that in the __init__ "
            "of a module of your own"
        )


def draw_weights(network: NetworkT) -> NetworkT:
    """Draw the weights of modnav's own modules as published; a user's own stay as they are.

    Args:
        network: An actor, a critic, or a part of one.

    Returns:
        The network.
    """
    _draw(network, anew=False)
    return network


def twin_of(network: NetworkT) -> NetworkT:
    """Return a network of the same form, with weights of its own draws.

    A user's own modules are made anew for it, from their arguments.

    Raises:
        ValueError: If one of them cannot be; the message names it.
    """
    try:
        twin = copy.deepcopy(network)
    except RuntimeError as error:
        raise ValueError(
            f"there is no twin of the critic, as it cannot be copied: {one_line(error)}"
        ) from error
    _draw(twin, anew=True)
    return twin


def _draw(network: nn.Module, *, anew: bool) -> None:
    """Visit layers in the order of ``network.apply``, so that a seed gives the same numbers."""
    for part in network.children():
        if not (isinstance(part, AbstractSequence) and is_own(part)):
            _draw(part, anew=anew)
        elif anew:
            _make_anew(part)
    init_weights(network)


def _make_anew(module: AbstractSequence) -> None:
    # Into the copy, not in its place: a module that two parts share stays shared.
    fresh = rebuild(describe(module))
    try:
        module.load_state_dict(fresh.state_dict())
    except RuntimeError as error:
        raise ValueError(
            f"{name_of_class(module)} made anew from the arguments that it keeps has other weights, "
            "so there is no twin of it; keep them as they were given, and make all in __init__"
        ) from error
