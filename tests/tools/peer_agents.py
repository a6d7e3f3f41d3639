"""Three ways to learn the steering task, each watched by ``peer_watch.Watch`` until its time is over.

The other two have the defaults of their libraries, of its examples where there is none, and of the
task: sizes of networks, discount, steps for an update. Nothing was tuned for them.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peer_watch import Over, Watch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Callback
from torch import Tensor, nn

from modnav.acting import greedy
from modnav.callbacks.parts import experience_of, learner_of
from modnav.gym import FireflyVectorEnv
from modnav.machine import threads

DISCOUNT = 0.97
HIDDEN = [300, 300]
UNITS = 128


class Counted(FireflyVectorEnv):
    """The batched environment of this library, which tells a watch of trials that end."""

    def __init__(self, count: int, watch: Watch) -> None:
        super().__init__(count, autoreset_mode="SameStep")
        self.watch, watch.rewarded = watch, 0

    def step(self, actions: np.ndarray) -> tuple[Any, ...]:
        observation, reward, terminated, truncated, infos = super().step(actions)
        self.watch.trials += int((terminated | truncated).sum())
        if "final_info" in infos:
            self.watch.rewarded += int(infos["final_info"]["rewarded"].sum())
        self.watch.look()
        return observation, reward, terminated, truncated, infos


def train_modnav(seed: int, watch: Watch) -> None:
    """The modular agent with the options of ``fast``, one run."""
    from modnav.cli import execute

    class Watched(Callback):
        def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
            replay = experience_of(trainer).replay
            add = replay.add_trials

            def counted(trials: Any, mirror: bool) -> None:
                watch.trials += len(trials.steps)  # scripted trials
                add(trials, mirror)

            replay.add_trials = counted
            self.counted = 0
            watch.begin(greedy(learner_of(trainer).agent.actor))

        def on_train_batch_end(self, trainer: Trainer, *args: Any) -> None:
            acted = experience_of(trainer).counters.total_trials
            watch.trials += acted - self.counted
            self.counted = acted
            watch.look()

    sys.modules["watched"] = type(sys)("watched")
    sys.modules["watched"].Watched = Watched  # type: ignore[attr-defined]  # where the CLI looks
    Watched.__module__, Watched.__qualname__ = "watched", "Watched"
    with tempfile.TemporaryDirectory() as folder:
        words = ["fit", "--config", "modular", "--config", "fast", "--folder", f"{folder}/run"]
        words += ["--seed_everything", str(seed), "--phases.trials", "1000000"]
        words += ["--trainer.callbacks+=watched.Watched", "--trainer.enable_progress_bar=false"]
        execute([*words, "--trainer.accelerator=cpu", "--threads=1"])


def train_recurrent_ppo(seed: int, watch: Watch) -> None:
    """RecurrentPPO of sb3-contrib, 64 trials side by side."""
    from sb3_contrib import RecurrentPPO
    from stable_baselines3.common.vec_env import VecEnv

    class Vectorised(VecEnv):
        """Our batch as SB3 wants it."""

        def __init__(self, envs: Counted) -> None:
            self.envs = envs
            super().__init__(
                envs.num_envs, envs.single_observation_space, envs.single_action_space
            )

        def reset(self) -> np.ndarray:
            return self.envs.reset(seed=seed)[0]

        def step_async(self, actions: np.ndarray) -> None:
            self.actions = actions

        def step_wait(self) -> tuple[Any, ...]:
            observation, reward, terminated, truncated, infos = self.envs.step(self.actions)
            ended: list[dict[str, Any]] = [{} for _ in reward]
            for row in np.flatnonzero(terminated | truncated):  # a time-out ends a trial for good
                ended[row] = {"terminal_observation": infos["final_obs"][row]}
            return observation, reward.astype(np.float32), terminated | truncated, ended

        def close(self) -> None:
            pass

        def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
            return [getattr(self.envs, attr_name, None)] * self.num_envs

        def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
            raise AttributeError(f"{attr_name} cannot be set: the environments are one")

        def env_method(self, method_name: str, *args: Any, indices: Any = None, **kw: Any) -> Any:
            raise AttributeError(f"{method_name} is no method: the environments are one")

        def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
            return [False] * self.num_envs

    model = RecurrentPPO(
        "MlpLstmPolicy",
        Vectorised(Counted(64, watch)),
        n_steps=70,
        batch_size=560,
        n_epochs=4,
        gamma=DISCOUNT,
        policy_kwargs={"lstm_hidden_size": UNITS, "net_arch": HIDDEN},
        seed=seed,
        device="cpu",
    )

    def act(inputs: dict[str, Tensor], memory: Any) -> tuple[Tensor, Any]:
        x = inputs["observation"]
        memory = memory or (x.new_zeros(1, len(x), UNITS),) * 2
        chosen, memory = model.policy.get_distribution(x, memory, x.new_zeros(len(x)))
        return chosen.mode().clamp(-1, 1), memory

    watch.begin(act)
    model.learn(10**9)


def train_td3_rnn(seed: int, watch: Watch) -> None:
    """TD3_RNN of skrl; 16 trials side by side, an update for every 4 steps."""
    from skrl.agents.torch.td3 import TD3_CFG, TD3_RNN
    from skrl.envs.wrappers.torch import wrap_env
    from skrl.memories.torch import RandomMemory
    from skrl.models.torch import DeterministicMixin, Model
    from skrl.resources.noises.torch import GaussianNoise
    from skrl.trainers.torch import SequentialTrainer, SequentialTrainerCfg
    from skrl.utils import set_seed

    class Recurrent(DeterministicMixin, Model):
        """LSTM, then layers; sequences as skrl's recurrent examples have them."""

        def __init__(self, *, critic: bool) -> None:
            Model.__init__(
                self,
                observation_space=env.observation_space,
                action_space=env.action_space,
                device="cpu",
            )
            DeterministicMixin.__init__(self)
            self.critic = critic
            self.lstm = nn.LSTM(self.num_observations, UNITS, batch_first=True)
            first, second = HIDDEN
            self.layers = nn.Sequential(
                nn.Linear(UNITS + critic * self.num_actions, first),
                nn.ReLU(),
                nn.Linear(first, second),
                nn.ReLU(),
                nn.Linear(second, 1 if critic else self.num_actions),
            )

        def get_specification(self) -> dict[str, Any]:
            size = (1, env.num_envs, UNITS)
            return {"rnn": {"sequence_length": SEQUENCE, "sizes": [size, size]}}

        def compute(self, inputs: dict[str, Any], role: str = "") -> tuple[Tensor, dict[str, Any]]:
            x, state = inputs["observations"], inputs["rnn"]
            if self.training:
                features = self._over_sequences(x, state, inputs, role.startswith("target"))
            else:
                features, state = self.lstm(x[:, None], tuple(state))
                features = features[:, 0]
            if self.critic:
                return self.layers(torch.cat((features, inputs["taken_actions"]), -1)), {}
            return self.layers(features).tanh(), {"rnn": list(state)}

        def _over_sequences(self, x: Tensor, state: Any, inputs: Any, later: bool) -> Tensor:
            """Return the LSTM's outputs; targets see the observations one step ``later``."""
            h, c = (s.view(1, -1, SEQUENCE, UNITS)[:, :, int(later)] for s in state)
            ended = (inputs["terminated"] | inputs["truncated"]).view(-1, SEQUENCE)
            ended = torch.cat((ended, torch.zeros_like(ended[:, :1])), 1)[:, int(later) :]
            outputs, x = [], x.view(-1, SEQUENCE, x.shape[-1])
            for t in range(SEQUENCE):
                y, (h, c) = self.lstm(x[:, t : t + 1], (h.contiguous(), c.contiguous()))
                outputs.append(y)
                stay = ~ended[:, t, None]
                h, c = h * stay, c * stay
            return torch.cat(outputs, 1).flatten(0, 1)

    set_seed(seed)
    env = wrap_env(Counted(16, watch), wrapper="gymnasium", verbose=False)
    names = ("policy", "target_policy", "critic_1", "critic_2", "target_critic_1")
    models = {k: Recurrent(critic="critic" in k) for k in (*names, "target_critic_2")}
    cfg = TD3_CFG(
        gradient_steps=4,
        batch_size=64,
        discount_factor=DISCOUNT,
        learning_starts=50,
        exploration_noise=GaussianNoise,
        exploration_noise_kwargs={"mean": 0, "std": 0.1},
        smooth_regularization_noise=GaussianNoise,
        smooth_regularization_noise_kwargs={"mean": 0, "std": 0.2},
    )
    cfg.experiment.write_interval = cfg.experiment.checkpoint_interval = 0
    agent = TD3_RNN(
        models=models,
        memory=RandomMemory(memory_size=100_000 // 16, num_envs=16, device="cpu"),
        observation_space=env.observation_space,
        action_space=env.action_space,
        device="cpu",
        cfg=cfg,
    )

    def act(inputs: dict[str, Tensor], memory: Any) -> tuple[Tensor, Any]:
        x, policy = inputs["observation"], models["policy"]
        memory = memory or (x.new_zeros(1, len(x), UNITS),) * 2
        was, _ = policy.training, policy.eval()
        action, rest = policy.compute({"observations": x, "rnn": memory})
        policy.train(was)
        return action, tuple(rest["rnn"])

    watch.begin(act)
    steps = SequentialTrainerCfg(timesteps=10**9, headless=True, disable_progressbar=True)
    SequentialTrainer(env=env, agents=agent, cfg=steps).train()


SEQUENCE = 20
"""Steps of a sequence of TD3_RNN, as in skrl's examples."""

TRAIN = {
    "modnav": train_modnav,
    "recurrent_ppo": train_recurrent_ppo,
    "td3_rnn": train_td3_rnn,
}
"""What trains each peer."""


def train(peer: str, seed: int, watch: Watch) -> None:
    """Train a peer until the watch's time is over."""
    try:
        with threads(1):
            TRAIN[peer](seed, watch)
    except Over:
        return
    raise RuntimeError(f"{peer} ended by itself before its time; see {Path(__file__).name}")
