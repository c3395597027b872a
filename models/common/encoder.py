"""An encoder over frames as picoformer runs it, its checkpoint, and a simulation of its int8 arithmetic.

The tensor names and the keys of `config.json` are those of `checkpoint.md`.
"""

import json
import math
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import nn

DEFAULTS = {
    "model_type": "picoformer", "architecture": "encoder", "input": "frames", "position": "learned",
    "norm": "layer", "norm_order": "pre", "activation": "gelu", "head": "classifier",
    "pooling": "mean", "norm_eps": 1e-5, "final_norm": True,
}


class Attention(nn.Module):
    """Multi-head self-attention over all rows (Vaswani et al. 2017, §3.2)."""

    def __init__(self, d, heads):
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v, self.o = (nn.Linear(d, d) for _ in range(4))

    def forward(self, x, linear, round_heads):
        batch, rows, d = x.shape
        parts = (self.q, self.k, self.v)  # one product for all three: rows are rounded alike, outputs apart
        weight, bias = torch.cat([p.weight for p in parts]), torch.cat([p.bias for p in parts])
        qkv = linear(weight, bias, x).view(batch, rows, 3, self.heads, -1)
        q, k, v = round_heads(qkv.permute(2, 0, 3, 1, 4)).unbind(0)
        mixed = F.scaled_dot_product_attention(q, k, v)
        return linear(self.o.weight, self.o.bias, mixed.transpose(1, 2).reshape(batch, rows, d))


ACTIVATIONS = {"relu": F.relu, "gelu": F.gelu, "gelu_tanh": partial(F.gelu, approximate="tanh"), "silu": F.silu}


class FeedForward(nn.Module):
    """`down(activation(up x))`."""

    def __init__(self, config):
        super().__init__()
        d, d_ff = config["d_model"], config["d_ff"]
        self.activation = ACTIVATIONS[config["activation"]]
        self.up, self.down = nn.Linear(d, d_ff), nn.Linear(d_ff, d)

    def forward(self, x, linear):
        hidden = self.activation(linear(self.up.weight, self.up.bias, x))
        return linear(self.down.weight, self.down.bias, hidden)


class Layer(nn.Module):
    """A pre-norm or post-norm layer (Xiong et al. 2020)."""

    def __init__(self, config):
        super().__init__()
        d, eps = config["d_model"], config["norm_eps"]
        self.norm1, self.norm2 = nn.LayerNorm(d, eps), nn.LayerNorm(d, eps)
        self.attention = Attention(d, config["n_heads"])
        self.feed_forward = FeedForward(config)
        self.post = config["norm_order"] == "post"

    def forward(self, x, dropout, linear, round_heads):
        if self.post:
            x = self.norm1(x + dropout(self.attention(x, linear, round_heads)))
            return self.norm2(x + dropout(self.feed_forward(x, linear)))
        x = x + dropout(self.attention(self.norm1(x), linear, round_heads))
        return x + dropout(self.feed_forward(self.norm2(x), linear))


class Encoder(nn.Module):
    """(batch, rows, frame_len) features, in real units, to (batch, labels) logits.

    `depth_drop` leaves whole layers out with that probability while training (Huang et al. 2016,
    "Deep Networks with Stochastic Depth").
    """

    def __init__(self, config, dropout=0.0, depth_drop=0.0):
        super().__init__()
        self.config = {**DEFAULTS, **config}
        c = self.config
        self.embedding = nn.Linear(c["frame_len"], c["d_model"])
        self.positions = nn.Embedding(c["context"], c["d_model"])
        nn.init.normal_(self.positions.weight, std=0.02)
        self.layers = nn.ModuleList(Layer(c) for _ in range(c["n_layers"]))
        self.final_norm = nn.LayerNorm(c["d_model"], c["norm_eps"]) if c["final_norm"] else nn.Identity()
        self.head = nn.Linear(c["d_model"], len(c["labels"]))
        self.dropout, self.depth_drop = Dropout(dropout), depth_drop
        self.int8 = False

    def forward(self, frames):
        linear, heads = (int8_linear, int8_heads) if self.int8 else (_linear, _same)
        x = linear(self.embedding.weight, self.embedding.bias, frames) + self.positions.weight[: frames.shape[1]]
        x = self.dropout(x)
        for layer in self.layers:
            if self.training and self.depth_drop and torch.rand(()) < self.depth_drop:
                continue
            x = layer(x, self.dropout, linear, heads)
        x = self.final_norm(x)
        pooled = x[:, 0] if self.config["pooling"] == "first" else x.mean(1)
        return linear(self.head.weight, self.head.bias, self.dropout(pooled[:, None])[:, 0])

    def save(self, folder):
        """Writes `config.json` and `model.safetensors`."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text(json.dumps(self.config, indent=1) + "\n")
        save_file({k: v.detach().float().contiguous() for k, v in self.state_dict().items()},
                  folder / "model.safetensors")

    @classmethod
    def load(cls, folder):
        """Reads what `save` wrote."""
        model = cls(json.loads((Path(folder) / "config.json").read_text()))
        model.load_state_dict(load_file(Path(folder) / "model.safetensors"))
        return model.eval()

    def folded(self):
        """A copy whose norms before linear layers have gain 1 and bias 0, with int8 arithmetic on.

        The converter folds gains and biases the same way, so that weights are rounded as in the blob.
        """
        other = Encoder(self.config)
        other.load_state_dict(self.state_dict())
        with torch.no_grad():
            for layer in [] if self.config["norm_order"] == "post" else other.layers:
                _fold(layer.norm1, layer.attention.q, layer.attention.k, layer.attention.v)
                _fold(layer.norm2, layer.feed_forward.up)
        other.int8 = True
        return other.eval()


class Dropout(nn.Module):
    """Leaves out channels of a recording in all its rows: as good as single numbers, and 20 times cheaper."""

    def __init__(self, p):
        super().__init__()
        self.p = p

    def forward(self, x):
        if not self.training or self.p == 0.0:
            return x
        return x * F.dropout(torch.ones(len(x), 1, x.shape[2]), self.p)


def _linear(weight, bias, x):
    return F.linear(x, weight, bias)


def _same(x):
    return x


def _fold(norm, *linears):
    for linear in linears:
        linear.bias += linear.weight @ norm.bias
        linear.weight *= norm.weight
    norm.weight.fill_(1.0)
    norm.bias.zero_()


def round_rows(x, steps=127):
    """Each last-axis row to integers of ±`steps` with a scale of its own, and back to real numbers."""
    scale = x.abs().amax(-1, keepdim=True).clamp_min(1e-12) / steps
    return torch.round(x / scale) * scale


def int8_linear(weight, bias, x):
    """Weights int8 with a scale per output, rows int8 with a scale per row (docs/NUMERICS.md)."""
    return F.linear(round_rows(x), round_rows(weight), bias)


def int8_heads(x):
    """q, k, v: int8 per position and head, the scale rounded up to 5 significant bits."""
    largest = x.abs().amax(-1, keepdim=True).clamp_min(1e-12)
    unit = torch.exp2(torch.floor(torch.log2(largest)) - 4)
    scale = torch.ceil(largest / unit) * unit / 127
    return torch.round(x / scale) * scale


def parameters(model):
    return sum(p.numel() for p in model.parameters())


def learning_rate(step, steps, peak, warmup=200):
    """Linear warm-up, then half a cosine to zero."""
    return peak * min(1, (step + 1) / warmup) * 0.5 * (1 + math.cos(math.pi * min(1, step / steps)))
