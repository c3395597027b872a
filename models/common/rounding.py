"""The engine's rounding in PyTorch: weights of four and eight bits, rows, queries, keys and values of eight.

What is rounded has the gradient of what was not (the straight-through estimator, Bengio et al. 2013); the step of a
four-bit row of weights is learned (Esser et al. 2020, "Learned Step Size Quantization", without its scaling of gradients).
"""

import torch
from torch.autograd import Function

LEAST, MOST = -8, 7  # the codes of four bits


class FourBits(Function):
    """Weights (outputs, inputs) on the grid `code · step`, step (outputs, 1)."""

    @staticmethod
    def forward(ctx, weight, step):
        exact = weight / step
        code = exact.clamp(LEAST, MOST).round()
        ctx.save_for_backward(exact, code)
        return code * step

    @staticmethod
    def backward(ctx, gradient):
        exact, code = ctx.saved_tensors
        inside = (exact >= LEAST - 0.5) & (exact <= MOST + 0.5)
        of_step = gradient * torch.where(inside, code - exact, code)
        return gradient * inside, of_step.sum(1, keepdim=True)


class EightBits(Function):
    """Rows of the last dimension in −127 … 127 of their largest magnitude. `coded`: with the 8-bit scale of a cached vector,
    `(16 + c mod 16) · 2^floor(c / 16)`, which is not below it."""

    @staticmethod
    def forward(ctx, x, coded):
        largest = x.detach().abs().amax(-1, keepdim=True).clamp_min(1e-20)
        if coded:
            mantissa, exponent = torch.frexp(largest)
            largest = torch.ldexp((mantissa * 32).ceil() / 32, exponent)
        step = largest / 127
        return (x / step).round_().mul_(step)

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


def four(weight, step):
    return FourBits.apply(weight, step)


def eight(x, coded=False):
    return EightBits.apply(x, coded)


def first_step(weight):
    """The step of each row (outputs, 1) with the least squared error of its weights: of 61 parts of the one with which none
    is cut off, as the converter's for a layer of whose inputs nothing is known."""
    largest = torch.maximum(weight.amin(1, keepdim=True) / LEAST, weight.amax(1, keepdim=True) / MOST).clamp_min(1e-12)
    best, found = torch.full_like(largest, torch.inf), largest.clone()
    for part in range(40, 101):
        step = largest * (part / 100)
        error = (weight - (weight / step).round().clamp(LEAST, MOST) * step).square().sum(1, keepdim=True)
        found = torch.where(error < best, step, found)
        best = torch.minimum(error, best)
    return found


def on_the_blob_s_grid(step):
    """Steps as a blob has them: integers of 15 bits, times one power of two for all rows of the layer."""
    unit = 2.0 ** (step.double().max() / 32767).log2().ceil()
    return ((step.double() / unit).round().clamp(1, 32767) * unit).float()


def attention(module, query, key, value, attention_mask, scaling=None, dropout=0.0, position_bias=None, **_):
    """Attention on queries, keys and values of eight bits, for `AttentionInterface` of transformers; keys less their mean
    over all positions, as the engine's less their base: softmax does not see it."""
    b, heads, t, size = query.shape
    groups = key.shape[1]
    key = key - key.detach().mean((0, 2), keepdim=True)
    query, key, value = eight(query, True), eight(key, True), eight(value, True)
    scale = size**-0.5 if scaling is None else scaling
    grouped = query.reshape(b, groups, heads // groups * t, size)
    scores = (grouped * scale @ key.transpose(2, 3)).view(b, heads, t, -1)
    for added in (position_bias, attention_mask):
        if added is not None:
            scores = scores + added
    weights = torch.softmax(scores, -1)
    out = weights.view(b, groups, heads // groups * t, -1) @ value
    return out.view(b, heads, t, size).transpose(1, 2), weights
