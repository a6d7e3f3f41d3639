"""Where the belief of an agent stands still: slow points near the states that its trials go through."""

from dataclasses import dataclass
from typing import ClassVar

import pandas as pd

from modnav.recording import slow_points, trial_memories

from .simulation import Chosen, Conditions, content_of
from .sources import hashed, sources_of

__all__ = ["Standstill"]

ROUNDING = 1e-6
"""How much larger than 1 an eigenvalue may come out along a line of points that stand still."""


@dataclass(frozen=True)
class Standstill:
    """Slow points of the actor's belief without input, as after the target is gone and without motion.

    Attributes:
        chosen: The agent.
        conditions: Trials whose states the search begins at.
        steps: After how many steps.
    """

    kind: ClassVar[str] = "dynamics"

    chosen: Chosen
    conditions: Conditions
    steps: int = 8

    def key(self) -> str:
        """Return a name made of checkpoint, conditions, and all code of these."""
        content = content_of(self.chosen.checkpoint, self.chosen.modules)
        return hashed(content, self.conditions.key(), f"{self.steps}", sources_of(__name__))

    def made(self) -> pd.DataFrame:
        """Search.

        Returns:
            A row a point, slowest first: ``speed`` (how far it moves in a step), ``radius`` (size of the
            largest eigenvalue of a step), ``outside`` (eigenvalues beyond the unit circle by more than rounding), and the activity
            of the units, ``0``, ``1``, ...

        Raises:
            ValueError: If the belief remembers nothing.
        """
        agent = self.chosen.agent()
        memories = trial_memories(agent, self.conditions.session(filtered=False), self.steps)
        found = slow_points(agent.actor.belief, memories)
        size = found.eigenvalues.abs()
        table = pd.DataFrame(found.states[:, : agent.actor.belief.out_features].numpy())
        table.columns = [str(name) for name in table.columns]
        table.insert(0, "speed", found.speeds.numpy())
        table.insert(1, "radius", size.amax(dim=1).numpy() if len(size) else [])
        table.insert(2, "outside", (size > 1 + ROUNDING).sum(dim=1).numpy())
        return table
