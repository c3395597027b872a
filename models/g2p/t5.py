"""A T5 (Raffel et al. 2020) with the parameter names of Hugging Face's, made for training on one CPU core.

Queries, keys and values are one product, dropout masks are shared by all positions of a row, products run
in bfloat16. `state_dict()` fits `T5ForConditionalGeneration` of the same configuration.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn


class RowDropout(nn.Module):
    """Dropout with one mask for all positions of a word (Gal & Ghahramani 2016, "A Theoretically Grounded
    Application of Dropout in Recurrent Neural Networks"): a ninth of the random numbers."""

    def __init__(self, rate):
        super().__init__()
        self.rate = rate

    def forward(self, x):
        if not self.training or self.rate == 0:
            return x
        mask = torch.rand(x.shape[0], 1, x.shape[2]) >= self.rate
        return x * mask.to(x.dtype).div(1 - self.rate)


class Norm(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x):
        return F.rms_norm(x, x.shape[-1:], self.weight.to(x.dtype), 1e-6)


def bucket(distance, both, buckets=32, greatest=32):
    """T5's buckets of `key - query`: exact for small distances, logarithmic beyond."""
    first = torch.zeros_like(distance)
    if both:
        buckets //= 2
        first = (distance > 0).long() * buckets
        distance = distance.abs()
    else:
        distance = -distance.clamp(max=0)
    exact = buckets // 2
    far = exact + (torch.log(distance.clamp(min=1).float() / exact) / math.log(greatest / exact)
                   * (buckets - exact)).long()
    return first + torch.where(distance < exact, distance, far.clamp(max=buckets - 1))


class Attention(nn.Module):
    def __init__(self, config, relative):
        super().__init__()
        inner = config["num_heads"] * config["d_kv"]
        self.heads = config["num_heads"]
        self.q, self.k, self.v = (nn.Linear(config["d_model"], inner, bias=False) for _ in range(3))
        self.o = nn.Linear(inner, config["d_model"], bias=False)
        if relative:
            self.relative_attention_bias = nn.Embedding(32, config["num_heads"])

    def bias(self, width, both):
        """`(1, heads, width, width)`, added to the scores."""
        at = torch.arange(width)
        return self.relative_attention_bias(bucket(at[None] - at[:, None], both)).permute(2, 0, 1)[None]

    def forward(self, x, bias, memory=None):
        b, t, _ = x.shape
        size = self.o.in_features // self.heads
        if memory is None:
            w = torch.cat([self.q.weight, self.k.weight, self.v.weight])
            q, k, v = F.linear(x, w).view(b, t, 3, self.heads, size).permute(2, 0, 3, 1, 4)
        else:
            s = memory.shape[1]
            q = self.q(x).view(b, t, self.heads, size).transpose(1, 2)
            w = torch.cat([self.k.weight, self.v.weight])
            k, v = F.linear(memory, w).view(b, s, 2, self.heads, size).permute(2, 0, 3, 1, 4)
        scores = q @ k.transpose(2, 3) + bias
        out = torch.softmax(scores, -1) @ v
        return self.o(out.transpose(1, 2).reshape(b, t, -1))


class SelfAttention(nn.Module):
    def __init__(self, config, relative):
        super().__init__()
        self.SelfAttention = Attention(config, relative)
        self.layer_norm = Norm(config["d_model"])


class CrossAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.EncDecAttention = Attention(config, False)
        self.layer_norm = Norm(config["d_model"])


class Dense(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.wi = nn.Linear(config["d_model"], config["d_ff"], bias=False)
        self.wo = nn.Linear(config["d_ff"], config["d_model"], bias=False)


class FeedForward(nn.Module):
    def __init__(self, config, rate):
        super().__init__()
        self.DenseReluDense = Dense(config)
        self.layer_norm = Norm(config["d_model"])
        self.drop = RowDropout(rate)

    def forward(self, x):
        dense = self.DenseReluDense
        return dense.wo(self.drop(F.relu(dense.wi(self.layer_norm(x)))))


class Block(nn.Module):
    def __init__(self, config, rate, relative, decoder):
        super().__init__()
        parts = [SelfAttention(config, relative)] + [CrossAttention(config)] * decoder + [FeedForward(config, rate)]
        self.layer = nn.ModuleList(parts)
        self.drop = RowDropout(rate)

    def forward(self, x, bias, memory=None, memory_bias=None):
        own = self.layer[0]
        x = x + self.drop(own.SelfAttention(own.layer_norm(x), bias))
        if memory is not None:
            cross = self.layer[1]
            x = x + self.drop(cross.EncDecAttention(cross.layer_norm(x), memory_bias, memory))
        return x + self.drop(self.layer[-1](x))


class Stack(nn.Module):
    def __init__(self, config, shared, layers, rate, decoder):
        super().__init__()
        self.embed_tokens = shared
        self.block = nn.ModuleList(Block(config, rate, i == 0, decoder) for i in range(layers))
        self.final_layer_norm = Norm(config["d_model"])
        self.drop = RowDropout(rate)

    def forward(self, ids, mask, memory=None, memory_mask=None):
        bias = self.block[0].layer[0].SelfAttention.bias(ids.shape[1], memory is None) + mask
        x = self.drop(self.embed_tokens(ids).to(torch.bfloat16 if torch.is_autocast_enabled("cpu") else torch.float32))
        for block in self.block:
            x = block(x, bias.to(x.dtype), memory, memory_mask)
        return self.drop(self.final_layer_norm(x))


class T5(nn.Module):
    """`rate`: dropout, everywhere but on attention's weights."""

    def __init__(self, config, rate):
        super().__init__()
        self.shared = nn.Embedding(config["vocab_size"], config["d_model"])
        self.encoder = Stack(config, self.shared, config["num_layers"], rate, False)
        self.decoder = Stack(config, self.shared, config["num_decoder_layers"], rate, True)
        self.lm_head = nn.Linear(config["d_model"], config["vocab_size"], bias=False)
        for name, w in self.named_parameters():  # as T5 begins, but for the head
            inputs = w.shape[-1]
            if name.endswith(".q.weight"):
                nn.init.normal_(w, std=(inputs * config["d_kv"]) ** -0.5)
            elif name == "shared.weight":
                nn.init.normal_(w)
            elif w.ndim == 2:
                nn.init.normal_(w, std=inputs**-0.5)

    def forward(self, x, y):
        """Logits of the token after each of `y` (decoder inputs), given `x`; padding of both is 0."""
        absent = torch.zeros(x.shape).masked_fill(x == 0, -1e4)[:, None, None]
        later = torch.full((y.shape[1], y.shape[1]), -1e4).triu(1)[None, None]
        memory = self.encoder(x, absent)
        return self.lm_head(self.decoder(y, later, memory, absent.to(memory.dtype)))
