"""Modules as users write them, of many kinds; all keep to docs/own_modules.md."""

import torch
from torch import nn
from torch.nn.utils import parametrizations

from modnav.networks import AbstractBelief, AbstractSequence


class Own(AbstractBelief):
    """What most of them have in common: sizes, and an observation that is read."""

    source, recurrent = "observation", True

    def __init__(self, in_features: int = 6, out_features: int = 8) -> None:
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.make()

    def make(self) -> None:
        """Make the layers."""

    def stepwise(self, x, memory, step):
        """Apply ``step(input (B, F), state) -> (output, state)`` to each step in turn."""
        outputs = []
        for now in x:
            y, memory = step(now, memory)
            outputs.append(y)
        return torch.stack(outputs), memory


class Normed(Own):
    """LayerNorm before a GRU."""

    def make(self):
        self.norm = nn.LayerNorm(self.in_features)
        self.rnn = nn.GRU(self.in_features, self.out_features)

    def forward(self, x, memory=None):
        return self.rnn(self.norm(x), memory)


class Timed(Own):
    """An embedding of the step of the trial, which it counts in its memory."""

    def make(self):
        self.time = nn.Embedding(40, self.out_features)
        self.linear = nn.Linear(self.in_features, self.out_features)

    def forward(self, x, memory=None):
        first = torch.zeros(1, x.shape[1], dtype=torch.long, device=x.device)
        step = (first if memory is None else memory) + torch.arange(len(x), device=x.device)[
            :, None
        ]
        return torch.tanh(self.linear(x) + self.time(step)), step[-1:] + 1


class WeightNormed(Own):
    """Leaky integration of a linear map with weight_norm."""

    def make(self):
        self.linear = parametrizations.weight_norm(nn.Linear(self.in_features, self.out_features))

    def forward(self, x, memory=None):
        def step(now, held):
            held = 0.8 * held + self.linear(now)[None]
            return held[0], held

        zeros = x.new_zeros(1, x.shape[1], self.out_features)
        return self.stepwise(x, zeros if memory is None else memory, step)


class SpectralNormed(Own):
    """A recurrent map with spectral_norm, whose buffers are estimated in train mode."""

    def make(self):
        self.rnn = nn.RNN(self.in_features, self.out_features)
        self.linear = parametrizations.spectral_norm(
            nn.Linear(self.out_features, self.out_features)
        )

    def forward(self, x, memory=None):
        y, memory = self.rnn(x, memory)
        return self.linear(y), memory


class Orthogonal(Own):
    """An RNN of directions that stay orthogonal, whose buffer torch makes only beside numbers."""

    def make(self):
        self.into = parametrizations.orthogonal(nn.Linear(self.in_features, self.out_features))
        self.cell = nn.RNN(self.out_features, self.out_features)

    def forward(self, x, memory=None):
        return self.cell(self.into(x), memory)


class Noisy(Own):
    """Dropout, BatchNorm, and a buffer that counts the calls in train mode."""

    def make(self):
        self.norm, self.drop = nn.BatchNorm1d(self.in_features), nn.Dropout(0.3)
        self.rnn = nn.GRU(self.in_features, self.out_features)
        self.register_buffer("calls", torch.zeros((), dtype=torch.long))

    def forward(self, x, memory=None):
        self.calls += self.training
        normed = self.norm(x.flatten(0, 1)).view_as(x)
        return self.rnn(self.drop(normed), memory)


class Cell(Own):
    """A GRUCell, called step by step."""

    def make(self):
        self.cell = nn.GRUCell(self.in_features, self.out_features)

    def forward(self, x, memory=None):
        def step(now, held):
            held = self.cell(now, None if held is None else held[0])[None]
            return held[0], held

        return self.stepwise(x, memory, step)


class Convolved(Own):
    """A causal Conv1d over the last three steps; its memory is the two before."""

    def make(self):
        self.conv = nn.Conv1d(self.in_features, self.out_features, 3)

    def forward(self, x, memory=None):
        before = x.new_zeros(2, *x.shape[1:]) if memory is None else memory
        x = torch.cat((before, x))
        return torch.tanh(self.conv(x.permute(1, 2, 0)).permute(2, 0, 1)), x[-2:]


class Leaky(Own):
    """A plain RNN whose output leaks, with a leak to learn and weights set by hand."""

    def make(self):
        self.rnn = nn.RNN(self.in_features, self.out_features)
        self.leak = nn.Parameter(torch.zeros(self.out_features))
        nn.init.eye_(self.rnn.weight_hh_l0)
        nn.init.ones_(self.rnn.bias_ih_l0)

    def forward(self, x, memory=None):
        y, memory = self.rnn(x, memory)
        return y * torch.sigmoid(self.leak), memory


class TwoSpeeds(Own):
    """A dictionary of memories: one fast, one slow."""

    def make(self):
        self.linear = nn.Linear(self.in_features, self.out_features)
        self.mix = nn.Parameter(torch.randn(self.out_features))

    def forward(self, x, memory=None):
        def step(now, held):
            now = self.linear(now)[None]
            held = {"fast": 0.5 * held["fast"] + now, "slow": 0.9 * held["slow"] + now}
            return (held["fast"] + self.mix * held["slow"])[0], held

        zeros = x.new_zeros(1, x.shape[1], self.out_features)
        return self.stepwise(x, memory or {"fast": zeros, "slow": zeros}, step)


class Nested(Own):
    """A list and a tuple in its memory: an LSTM and a sum of all inputs."""

    def make(self):
        self.lstm = nn.LSTM(self.in_features, self.out_features)
        self.linear = nn.Linear(self.in_features, self.out_features)

    def forward(self, x, memory=None):
        state, total = memory or [None, x.new_zeros(1, *x.shape[1:])]
        y, state = self.lstm(x, state)
        sums = total + x.cumsum(dim=0)
        return y + 0.1 * self.linear(sums), [state, sums[-1:]]


class Reservoir(Own):
    """Random recurrent weights that are buffers and never learn; only the way out does."""

    def make(self):
        size = self.out_features
        self.register_buffer("into", torch.randn(self.in_features, size))
        self.register_buffer("within", 0.3 * torch.randn(size, size) / size**0.5)
        self.out = nn.Linear(size, size)

    def forward(self, x, memory=None):
        def step(now, held):
            held = torch.tanh(now @ self.into + held @ self.within)
            return self.out(held[0]), held

        zeros = x.new_zeros(1, x.shape[1], self.out_features)
        return self.stepwise(x, zeros if memory is None else memory, step)


class StartsAtOne(Own):
    """A memory that starts at a vector to learn, not at zeros."""

    def make(self):
        self.start = nn.Parameter(torch.randn(1, 1, self.out_features))
        self.rnn = nn.RNN(self.in_features, self.out_features)

    def forward(self, x, memory=None):
        start = self.start.expand(1, x.shape[1], -1).contiguous()
        return self.rnn(x, start if memory is None else memory)

    def reset(self, memory, which):
        return memory.index_copy(1, which, self.start.expand(1, len(which), -1))


class Attention(Own):
    """A layer of a transformer whose memory is the cache of the steps so far."""

    def make(self):
        self.embed = nn.Linear(self.in_features, self.out_features)
        self.layer = nn.MultiheadAttention(self.out_features, 2)
        self.mlp = nn.Sequential(
            nn.Linear(self.out_features, 16), nn.GELU(), nn.Linear(16, self.out_features)
        )

    def forward(self, x, memory=None):
        new = self.embed(x)
        if memory is None:
            memory = new[:0], torch.zeros(0, x.shape[1], dtype=torch.bool, device=x.device)
        past, lived = memory  # (L, B, F), and whether each belongs to its trial, (L, B)
        cache = torch.cat((past, new))
        lived = torch.cat((lived, lived.new_ones(x.shape[:2])))
        hidden = ~lived.t()[:, None] | torch.ones(
            len(x), len(cache), dtype=torch.bool, device=x.device
        ).triu(len(past) + 1)
        mask = hidden.repeat_interleave(self.layer.num_heads, dim=0)
        y, _ = self.layer(new, cache, cache, attn_mask=mask, need_weights=False)
        return self.mlp(new + y), (cache, lived)

    def reset(self, memory, which):
        cache, lived = super().reset(memory, which)  # zeros: none of their steps has been lived
        needed = lived.any(dim=1)
        return cache[needed], lived[needed]


class Gate(AbstractSequence):
    """An action or value module without memory: its own parameters, no torch layer."""

    recurrent = False

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.weight = nn.Parameter(torch.randn(2, in_features, out_features) / in_features)

    def forward(self, x, memory=None):
        return (x @ self.weight[0]) * torch.sigmoid(x @ self.weight[1]), None


class Encoded(Own):
    """A belief that starts with an encoder, which another module may share."""

    def __init__(self, encoder: AbstractSequence, out_features: int = 8) -> None:
        super().__init__(encoder.in_features, out_features)
        self.encoder = encoder
        self.rnn = nn.GRU(encoder.out_features, out_features)

    def forward(self, x, memory=None):
        return self.rnn(self.encoder(x)[0], memory)


class EncodedValue(AbstractSequence):
    """A value module with an encoder of part of what it reads."""

    recurrent = False

    def __init__(self, encoder: AbstractSequence, in_features: int) -> None:
        super().__init__()
        self.encoder, self.in_features, self.out_features = encoder, in_features, 1
        self.linear = nn.Linear(encoder.out_features + in_features, 1)

    def forward(self, x, memory=None):
        seen, _ = self.encoder(x[..., : self.encoder.in_features])
        return self.linear(torch.cat((seen, x), dim=-1)), None


BELIEFS = (
    Normed,
    Timed,
    WeightNormed,
    SpectralNormed,
    Noisy,
    Cell,
    Convolved,
    Leaky,
    TwoSpeeds,
    Nested,
    Reservoir,
    StartsAtOne,
    Attention,
    Orthogonal,
)
