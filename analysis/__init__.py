"""Every figure of the study, as functions over tables and one command.

A figure is a module (``fig1`` ... ``fig8``) with a tuple ``PANELS`` of :class:`~.panel.Panel`. Each
panel has a ``compute_...`` function from a :class:`~.study.Study` to a tidy table of numbers, and
a ``plot_...`` function from the table to a picture; both are callable alone. The numbers behind
them are pure functions of tables: ``behaviour``, ``decoding``, ``tuning``, ``likeness``,
``perturbation``, ``statistics``.

References:
    Zhang, Pitkow & Angelaki, "Inductive biases of neural network modularity in spatial
    navigation", Science Advances 10, eadk1256 (2024).
"""

import importlib
from dataclasses import replace
from typing import Any

FIGURES: dict[str, tuple[str, ...]] = {
    "1": ("fig1", "fig1_stops", "fig1_decoding"),
    "2": ("fig2",),
    "3": ("fig3",),
    "4": ("fig4",),
    "5": ("fig5",),
    "6": ("fig6_behaviour", "fig6_neurons"),
    "7": ("fig7_belief", "fig7_action"),
    "8": ("fig8",),
    "seeds": ("seeds",),
    "units": ("units", "units_dynamics"),
    "effects": ("effects",),
}
"""Modules of each figure with its supplements; ``seeds``, ``units`` and ``effects`` are not of the study."""


def panels_of(figure: str) -> tuple[Any, ...]:
    """Return the panels of a figure, a :class:`~.panel.Panel` each; its modules are imported now.

    They have the captions and published values of their names; one that shows the values of another
    panel brings these itself.

    Raises:
        ValueError: If there is no such figure; the message lists those that there are.
    """
    if figure not in FIGURES:
        raise ValueError(f"figure is {figure!r}; it must be one of {', '.join(FIGURES)}")
    modules = [importlib.import_module(f".figures.{name}", __name__) for name in FIGURES[figure]]
    captions = importlib.import_module(".figures.captions", __name__).CAPTIONS
    published = importlib.import_module(".published", __name__).published
    panels = []
    for panel in (panel for module in modules for panel in module.PANELS):
        values = published(panel.name) if panel.published is None else panel.published
        caption = captions.get(panel.name, "")
        panels.append(replace(panel, caption=caption, published=values))
    return tuple(panels)
