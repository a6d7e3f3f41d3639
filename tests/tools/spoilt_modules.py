"""Modules that break the contract of networks, each in one way."""

from typing import NamedTuple

import own_modules
import torch
from torch import nn


class Base(own_modules.Own):
    """A belief to be spoilt: a GRU."""

    def make(self):
        self.rnn = nn.GRU(self.in_features, self.out_features)

    def forward(self, x, memory=None):
        return self.rnn(x, memory)


class LooksAhead(Base):
    def make(self):
        self.rnn = nn.GRU(self.in_features, self.out_features // 2, bidirectional=True)


class Forgets(Base):
    def forward(self, x, memory=None):
        return self.rnn(x)


class Caches(Base):
    """Zeros in its cache are steps like others."""

    def forward(self, x, memory=None):
        x = x if memory is None else torch.cat((memory, x))
        new = len(x) if memory is None else len(x) - len(memory)
        return self.rnn(x)[0][-new:], x


class NeverCuts(own_modules.Attention):
    """Knows which steps of its cache count, but keeps the others for ever."""

    def reset(self, memory, which):
        return super(own_modules.Attention, self).reset(memory, which)


class ComesToAnEnd(own_modules.Timed):
    def reset(self, memory, which):
        return memory


class StartsWrong(own_modules.StartsAtOne):
    def reset(self, memory, which):
        return super(own_modules.StartsAtOne, self).reset(memory, which)


class BatchFirst(Base):
    def forward(self, x, memory=None):
        y, memory = self.rnn(x, None if memory is None else memory.transpose(0, 1).contiguous())
        return y, memory.transpose(0, 1)


class Flat(Base):
    def forward(self, x, memory=None):
        y, memory = self.rnn(x, None if memory is None else memory[None])
        return y, memory[0, :, 0]


class State(NamedTuple):
    hidden: torch.Tensor


class Named(Base):
    def forward(self, x, memory=None):
        y, hidden = self.rnn(x, None if memory is None else memory.hidden)
        return y, State(hidden)


class Counts(Base):
    def forward(self, x, memory=None):
        hidden, step = memory or (None, 0)
        y, hidden = self.rnn(x, hidden)
        return y, (hidden, step + 1)


class KeepsItToItself(Base):
    def forward(self, x, memory=None):
        y, self.held = self.rnn(x, getattr(self, "held", None) if len(x) == 1 else None)
        return y, None


class SaysItForgets(Base):
    recurrent = False


class AlwaysDrops(Base):
    def forward(self, x, memory=None):
        return self.rnn(nn.functional.dropout(x, 0.5), memory)


class SeesOthers(Base):
    def forward(self, x, memory=None):
        return self.rnn(x - x.mean(dim=1, keepdim=True), memory)


class Unstable(Base):
    def forward(self, x, memory=None):
        y, memory = self.rnn(x, memory)
        return y / 0, memory


class Half(Base):
    def make(self):
        super().make()
        self.rnn.half()


class Weightless(Base):
    def make(self):
        self.rnn = nn.GRU(self.in_features, self.out_features, device="meta")


class Double(Base):
    def forward(self, x, memory=None):
        y, memory = self.rnn(x, memory)
        return y.double(), memory


class RaisesInTraining(Base):
    def forward(self, x, memory=None):
        if self.training:
            raise KeyError("mask")
        return self.rnn(x, memory)


class WiderInTraining(Base):
    def forward(self, x, memory=None):
        y, memory = self.rnn(x, memory)
        return (torch.cat((y, y), dim=-1) if self.training else y), memory


class NoGradient(Base):
    @torch.no_grad()
    def forward(self, x, memory=None):
        return self.rnn(x, memory)


class Detached(Base):
    def forward(self, x, memory=None):
        y, memory = self.rnn(x, memory)
        return x[..., :1].expand_as(y) + y.detach(), memory


class Moving(Base):
    """Keeps a running mean that no file holds."""

    def make(self):
        super().make()
        self.register_buffer("mean", torch.zeros(self.in_features), persistent=False)

    def forward(self, x, memory=None):
        if self.training:
            self.mean = 0.9 * self.mean + 0.1 * x.detach().mean(dim=(0, 1))
        return self.rnn(x - self.mean, memory)


class Anneals(Base):
    """Dropout whose rate falls, in a number that no file holds."""

    def make(self):
        super().make()
        self.drop = nn.Dropout(0.5)

    def forward(self, x, memory=None):
        y, memory = self.rnn(x, memory)
        self.drop.p *= 0.99 if self.training else 1
        return self.drop(y), memory


class Reduces(Base):
    """Changes an argument that it keeps, and with it what a file says that the module is."""

    def __init__(self, in_features=6, out_features=8, noise=0.5):
        self.noise = noise
        super().__init__(in_features, out_features)

    def forward(self, x, memory=None):
        y, memory = self.rnn(x, memory)
        if self.training:
            self.noise *= 0.99
            y = y + self.noise * torch.randn_like(y)
        return y, memory


class DrawsItsOwn(Base):
    """Noise of a generator of its own."""

    def make(self):
        super().make()
        self.generator = torch.Generator().manual_seed(0)

    def forward(self, x, memory=None):
        y, memory = self.rnn(x, memory)
        noise = torch.randn(y.shape, generator=self.generator) if self.training else 0
        return y + noise, memory


class Lengthens(Base):
    """A buffer with a number more for each batch."""

    def make(self):
        super().make()
        self.register_buffer("past", torch.zeros(0))

    def forward(self, x, memory=None):
        if self.training:
            self.past = torch.cat((self.past, x.detach().mean()[None]))
        return self.rnn(x, memory)


class Doubles(Base):
    """Changes its inputs in place."""

    def forward(self, x, memory=None):
        return self.rnn(x.mul_(2.0), memory)


class Ends(Base):
    def forward(self, x, memory=None):
        raise SystemExit(0)


class Says(Base):
    recurrent = "yes"


class TrainNone(Base):
    def train(self, mode=True):
        super().train(mode)


class Uncopied(Base):
    """Keeps a computed tensor, as torch.nn.utils.weight_norm does."""

    def __init__(self, *args):
        super().__init__(*args)
        self.scale = 2 * next(self.parameters())


class NoMemory(Base):
    def forward(self, x, memory=None):
        return self.rnn(x)[0]


class TooWide(Base):
    def forward(self, x, memory=None):
        y, memory = self.rnn(x, memory)
        return torch.cat((y, y), dim=-1), memory


class Broken(Base):
    def forward(self, x, memory=None):
        raise IndexError("index 40\nis out of range")
