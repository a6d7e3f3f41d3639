"""Who is who: architectures and animals, and their names."""

__all__ = [
    "ANIMALS",
    "DATA",
    "EKF",
    "FEW",
    "GAINS",
    "HOLISTIC",
    "HOLISTIC_EKF",
    "MAIN",
    "MODULAR",
    "MODULAR_ACTOR",
    "MODULAR_CRITIC",
    "NAMES",
    "NO_GENERALIZATION",
    "SEEDS",
    "SHORT",
    "short",
]

HOLISTIC, MODULAR = "Actor1Critic1", "Actor3Critic5"
MODULAR_ACTOR, MODULAR_CRITIC = "Actor3Critic1", "Actor1Critic5"
HOLISTIC_EKF, EKF = "ActorEKFCritic1", "EKF"

MAIN = (HOLISTIC, MODULAR_ACTOR, MODULAR_CRITIC, MODULAR)
"""The four main architectures, in the order of the panels."""

ANIMALS = ("Bruno", "Schro")
"""The two monkeys; B and S in the panels."""

SEEDS = 8
"""Seeds of each recurrent architecture in the study."""

FEW = f"of {SEEDS} seeds: "
"""How a note begins that tells how many seeds there are of some architectures."""

NAMES = {
    HOLISTIC: "Holistic actor + holistic critic",
    MODULAR_ACTOR: "Modular actor + holistic critic",
    MODULAR_CRITIC: "Holistic actor + modular critic",
    MODULAR: "Modular actor + modular critic",
    HOLISTIC_EKF: "Holistic-EKF agent",
    EKF: "EKF agent",
    "Bruno": "Monkey B",
    "Schro": "Monkey S",
}
"""Name of each in a legend."""

SHORT = {
    HOLISTIC: "Holistic",
    MODULAR_ACTOR: "Mod. actor + hol. critic",
    MODULAR_CRITIC: "Hol. actor + mod. critic",
    MODULAR: "Modular",
    HOLISTIC_EKF: "Hol.-EKF",
    EKF: "EKF",
    "Bruno": "Monk. B",
    "Schro": "Monk. S",
}
"""Name of each where there is little room."""


def short(name: str) -> str:
    """Return the short name of an architecture or animal, or the name itself."""
    return SHORT.get(name, name)


GAINS = (1.0, 1.5, 2.0)
"""Gains of the test; the first is that of the training."""

DATA, NO_GENERALIZATION = "data", "no generalization"
"""What subjects did, and the replay of what they did at gain 1."""
