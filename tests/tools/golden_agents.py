"""Which published networks the reference numbers of updates are of."""

PUBLISHED = {
    "Actor1Critic1": ("Actor1", "Critic1"),
    "Actor2Critic4": ("Actor2", "Critic4"),
    "Actor3Critic5": ("Actor3", "Critic5"),
    "ActorEKFCritic1": ("ActorEKF", "Critic1"),
    "EKF": ("ActorEKF", "CriticEKF"),
}
"""Names of actor and critic in golden.json, by agent."""
