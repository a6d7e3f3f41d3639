"""Figure 1l and S1f: what is decoded from the units of actors and critics."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from modnav.tables import Recording

from ..drawing import BELIEF, MOTOR, SENSORY, Panel, colour_of, plain_ticks, with_missing
from ..measures import decoding
from ..study import HOLISTIC, MODULAR, Missing, Study
from .cohorts import best_agents, normal_conditions

# --- 1l, S1f: what units tell -------------------------------------------------------------

VARIABLES = {
    "v_cm_s": "Lin. velocity",
    "w_deg_s": "Ang. velocity",
    "relative_distance_cm": "Rel. distance",
    "relative_angle_deg": "Bearing",
    "action_v": "Lin. action",
    "action_w": "Ang. action",
}
"""Decoded variables and their names."""

ACTOR_LAYERS = {
    "hol": (HOLISTIC, "actor.belief"),
    "mod RNN": (MODULAR, "actor.belief"),
    "mod MLP": (MODULAR, "actor.action.mlp.3"),
}
CRITIC_LAYERS = {
    "hol": (HOLISTIC, "critic.belief"),
    "mod RNN": (MODULAR, "critic.belief"),
    "mod MLP": (MODULAR, "critic.value.mlp.3"),
}
"""Layers that are decoded: the LSTM of either agent and the second layer of the modular MLP."""


def decoding_scores(study: Study, layers: dict[str, tuple[str, str]], count: int) -> pd.DataFrame:
    """Return how well latent variables are decoded from layers of the best agents.

    Args:
        study: The study.
        layers: Architecture and layer by name.
        count: How many of :data:`VARIABLES` are decoded.

    Returns:
        ``layer``, ``variable``, ``value``: Pearson's r on test trials.

    Raises:
        Missing: If there is neither agent.
    """
    agents, missing = best_agents(study, (HOLISTIC, MODULAR))
    conditions, absent = normal_conditions(study)
    found = []
    for agent in agents:
        chosen = {k: v[1] for k, v in layers.items() if v[0] == agent.architecture}
        recording = study.simulate([agent], conditions, tuple(chosen.values()))[0]
        variables = decoding.latents(
            recording.trials, recording.steps, published=study.published
        ).iloc[:, :count]
        for name, layer in chosen.items():
            found += _layer_scores(recording, variables, name, layer)
    return with_missing(pd.DataFrame(found), missing + absent)


def _layer_scores(
    recording: Recording, variables: pd.DataFrame, name: str, layer: str
) -> list[dict[str, Any]]:
    try:
        read = decoding.scores(decoding.decode(recording, variables, layer))
    except ValueError as error:
        raise Missing(f"{layer} cannot be decoded: {error}") from error
    return [{"layer": name, "variable": v, "value": r} for v, r in read.items()]


def compute_1l(study: Study) -> pd.DataFrame:
    """Return decoder performance from the actors' units, see :func:`decoding_scores`."""
    return decoding_scores(study, ACTOR_LAYERS, 6)


def compute_S1f(study: Study) -> pd.DataFrame:  # as the panel is called
    """Return decoder performance from the critics' units, see :func:`decoding_scores`."""
    return decoding_scores(study, CRITIC_LAYERS, 4)


def plot_1l(table: pd.DataFrame, figure: Figure) -> None:
    """Draw a mark for each layer and variable, in groups."""
    axes = figure.subplots()
    marks = {
        "hol": (HOLISTIC, "o", -0.2, "Holistic RNN"),
        "mod RNN": (MODULAR, "s", 0.0, "Modular RNN"),
        "mod MLP": (MODULAR, "D", 0.2, "Modular MLP"),
    }
    names = list(dict.fromkeys(table["variable"]))
    for name, (architecture, marker, shift, label) in marks.items():
        part = table[table["layer"] == name].set_index("variable")["value"].reindex(names)
        if part.notna().any():
            axes.plot(
                np.arange(len(names)) + shift,
                part,
                marker,
                color=colour_of(architecture),
                ms=3,
                clip_on=False,
                mfc="none" if name == "mod MLP" else None,
                label=label,
            )
    low = min(0.8, np.floor(10 * float(table["value"].min())) / 10)
    axes.set(ylim=(low, 1.01), xlim=(-0.5, len(names) - 0.5), ylabel="Decoding (r)")
    axes.set_xticks(
        range(len(names)),
        [VARIABLES[n] for n in names],
        rotation=35,
        ha="right",
        rotation_mode="anchor",
    )
    groups = (("Sensory", SENSORY), ("Latent", BELIEF), ("Motor", MOTOR))
    for k, (text, colour) in enumerate(groups[: len(names) // 2]):
        axes.text(2 * k + 0.5, 1.02, text, color=colour, ha="center", va="bottom")
    plain_ticks(axes, "y")
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1))


PANELS = (
    Panel("1l", "Decoding from the actor", (2.9, 1.55), compute_1l, plot_1l, value="value"),
    Panel("S1f", "Decoding from the critic", (2.4, 1.55), compute_S1f, plot_1l, value="value"),
)
"""Panels of figure 1 and S1 about units."""
