"""Tells Gymnasium of the environment when Gymnasium is imported, which must take no time."""

from gymnasium.envs.registration import register, registry

__all__ = ["ENV_ID", "register_envs"]

ENV_ID = "modnav/Firefly-v0"
"""Name under which the environments are registered."""


def register_envs() -> None:
    """Register the environments, unless they are; the entry point ``gymnasium.envs``."""
    if ENV_ID not in registry:
        register(
            id=ENV_ID,
            entry_point="modnav.gym:FireflyEnv",
            vector_entry_point="modnav.gym:FireflyVectorEnv",
        )
