"""The published agents by name: 3 recurrent actors x 5 critics, and the Kalman agents.

References:
    Zhang, Pitkow & Angelaki (2024), figure 8 and Methods, "Agent architectures".
"""

import hashlib
import json
import re
from collections.abc import Mapping

from .description import Description, own_classes

__all__ = [
    "ACTORS",
    "ARCHITECTURES",
    "CRITICS",
    "HOLISTIC_UNITS",
    "NICKNAMES",
    "UNITS",
    "WIDTHS",
    "description_of",
    "name_of",
]

HOLISTIC_UNITS, UNITS, WIDTHS = 220, 128, (300, 300)
"""Units of the one-module LSTM, of each of two modules, and widths of the MLPs; chosen in the
study so that all architectures have nearly as many parameters."""

_KALMAN: Description = {"class_path": "modnav.networks.KalmanBelief", "init_args": {}}


def _lstm(kind: str, in_features: int, out_features: int) -> Description:
    sizes = {"in_features": in_features, "out_features": out_features}
    return {"class_path": kind, "init_args": {**sizes, "num_layers": 1, "cell": "lstm"}}


def _belief(in_features: int, out_features: int) -> Description:
    return _lstm("modnav.networks.RecurrentBelief", in_features, out_features)


def _mlp(in_features: int, out_features: int, widths: tuple[int, ...] = WIDTHS) -> Description:
    sizes = {"in_features": in_features, "out_features": out_features}
    return {
        "class_path": "modnav.networks.Feedforward",
        "init_args": {**sizes, "hidden_features": list(widths)},
    }


def _lstm_then_linear(in_features: int, out_features: int) -> Description:
    parts = [
        _lstm("modnav.networks.Recurrent", in_features, UNITS),
        _mlp(UNITS, out_features, ()),
    ]
    return {"class_path": "modnav.networks.Chain", "init_args": {"parts": parts}}


ACTORS: dict[str, Description] = {
    "actor1": {"belief": _belief(6, HOLISTIC_UNITS), "action": _mlp(HOLISTIC_UNITS, 2, ())},
    "actor2": {"belief": _belief(6, UNITS), "action": _lstm_then_linear(UNITS, 2)},
    "actor3": {"belief": _belief(6, UNITS), "action": _mlp(UNITS, 2)},
    "actor_kalman": {"belief": _KALMAN, "action": _mlp(13, 2)},
}
"""Parts of each actor; in all of them the belief reads observations or the Kalman filter."""

CRITICS: dict[str, Description] = {
    "critic1": {
        "belief": _belief(8, HOLISTIC_UNITS),
        "value": _mlp(HOLISTIC_UNITS, 1, ()),
        "action_enters": "belief",
    },
    "critic2": {
        "belief": _belief(8, UNITS),
        "value": _lstm_then_linear(UNITS, 1),
        "action_enters": "belief",
    },
    "critic3": {"belief": _belief(8, UNITS), "value": _mlp(UNITS, 1), "action_enters": "belief"},
    "critic4": {
        "belief": _belief(6, UNITS),
        "value": _lstm_then_linear(UNITS + 2, 1),
        "action_enters": "value",
    },
    "critic5": {
        "belief": _belief(6, UNITS),
        "value": _mlp(UNITS + 2, 1),
        "action_enters": "value",
    },
    "critic_kalman": {"belief": _KALMAN, "value": _mlp(15, 1), "action_enters": "value"},
}
"""Parts of each critic, and where the action enters."""

ARCHITECTURES: dict[str, tuple[str, str]] = {
    **{f"Actor{a}Critic{c}": (f"actor{a}", f"critic{c}") for a in (1, 2, 3) for c in range(1, 6)},
    "EKF": ("actor_kalman", "critic_kalman"),
    **{f"ActorEKFCritic{c}": ("actor_kalman", f"critic{c}") for c in range(1, 6)},
}
"""The 21 published names and the parts they stand for."""

NICKNAMES = {
    "modular": "Actor3Critic5",
    "holistic": "Actor1Critic1",
    "ekf": "EKF",
    "holistic_ekf": "ActorEKFCritic1",
}
"""Other names that are understood."""


def description_of(architecture: str) -> Description:
    """Return the description of a published architecture.

    Args:
        architecture: A name in :data:`ARCHITECTURES` or :data:`NICKNAMES`; case and separators do
            not matter.

    Raises:
        ValueError: If the name is unknown; the message lists the known ones.
    """
    plain = re.sub(r"[^a-z0-9]", "", str(architecture).lower())
    names = {re.sub("_", "", k): v for k, v in NICKNAMES.items()}
    names |= {name.lower(): name for name in ARCHITECTURES}
    if plain not in names:
        raise ValueError(
            f"architecture is {architecture!r}; it must be one of "
            f"{', '.join([*ARCHITECTURES, *NICKNAMES])}"
        )
    actor, critic = ARCHITECTURES[names[plain]]
    return {"actor": ACTORS[actor], "critic": CRITICS[critic]}


def name_of(description: Description) -> str:
    """Return the name of an agent's architecture, fit for a folder.

    It is the published one if there is one. Else it names the actor and the critic, each by its
    published name, the classes of a user's own, or ``Actor`` and ``Critic``, and ends in six
    digits that tell it from others, e.g. ``"LeakyBeliefCritic5-3f2a9c"``.
    """
    for name, (actor, critic) in ARCHITECTURES.items():
        if description == {"actor": ACTORS[actor], "critic": CRITICS[critic]}:
            return name
    parts = (
        _part_name(description["actor"], ACTORS, "Actor"),
        _part_name(description["critic"], CRITICS, "Critic"),
    )
    plain = re.sub(r"\W", "", "".join(dict.fromkeys(parts)), flags=re.ASCII)
    digest = hashlib.sha256(json.dumps(description, sort_keys=True).encode()).hexdigest()
    return f"{plain[:60]}-{digest[:6]}"


def _part_name(description: Description, known: Mapping[str, Description], other: str) -> str:
    for name, published in known.items():
        if description == published:
            return name.capitalize().replace("_kalman", "EKF")
    own = dict.fromkeys(path.rpartition(".")[2] for path in own_classes(description))
    return "".join(own) or other
