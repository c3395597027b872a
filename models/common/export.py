"""From modules of torch to a plain checkpoint (`checkpoint.md`), checked against torch.

    python models/common/export.py FOLDER        # two random models, exported, read again, compared
"""

import sys
from pathlib import Path

import torch
from torch import nn

from encoder import Encoder


def from_torch(stack, embedding, positions, head, labels, final_norm=None, first_row=None):
    """An `Encoder` with the weights of a `torch.nn.TransformerEncoder` and what stands around it.

    `embedding` and `head` are `nn.Linear`, `positions` is (rows, width), `first_row` a class token (width). The norm
    after the last layer is `final_norm` or the stack's own.
    """
    layer, final_norm = stack.layers[0], stack.norm if final_norm is None else final_norm
    config = {
        "frame_len": embedding.in_features, "d_model": embedding.out_features, "context": len(positions),
        "n_layers": len(stack.layers), "n_heads": layer.self_attn.num_heads, "d_ff": layer.linear1.out_features,
        "norm_order": "pre" if layer.norm_first else "post", "norm_eps": layer.norm1.eps,
        "activation": activation(layer.activation), "final_norm": final_norm is not None,
        "pooling": "mean" if first_row is None else "first", "labels": labels,
    }
    tensors = {"embedding": embedding, "head": head, "final_norm": final_norm}
    for i, layer in enumerate(stack.layers):
        attention = layer.self_attn
        for part in ("weight", "bias"):
            whole = getattr(attention, f"in_proj_{part}")  # no bias with `bias=False`
            for name, third in zip("qkv", () if whole is None else whole.chunk(3)):
                tensors.setdefault(f"layers.{i}.attention.{name}", {})[part] = third
        tensors[f"layers.{i}.attention.o"] = attention.out_proj
        tensors[f"layers.{i}.norm1"], tensors[f"layers.{i}.norm2"] = layer.norm1, layer.norm2
        tensors[f"layers.{i}.feed_forward.up"] = layer.linear1
        tensors[f"layers.{i}.feed_forward.down"] = layer.linear2
    state = {
        f"{name}.{part}": tensor.detach().clone()
        for name, module in tensors.items() if module is not None
        for part, tensor in (module if isinstance(module, dict) else module.state_dict()).items()
    }
    state["positions.weight"] = positions.detach().clone()
    if first_row is not None:
        state["positions.weight"][0] += first_row.detach() - embedding.bias.detach()
    model = Encoder(config)
    none = {name: torch.zeros_like(bias) for name, bias in model.state_dict().items() if name.endswith("bias")}
    model.load_state_dict({**none, **state})
    return model.eval()


def activation(function):
    """The name of a layer's activation, a function or a module of torch, in `checkpoint.md`."""
    name = getattr(function, "__name__", type(function).__name__).lower()
    name += "_tanh" if getattr(function, "approximate", "none") == "tanh" else ""
    if name not in ("relu", "gelu", "gelu_tanh", "silu"):
        raise ValueError(f"activation {function!r}: relu, gelu or silu are known")
    return name


def transformer_encoder():
    """Pre-norm, the mean of all rows: (model, its answer to random frames, those frames)."""
    layer = nn.TransformerEncoderLayer(32, 4, 64, activation="gelu", batch_first=True, norm_first=True)
    stack = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).eval()
    embedding, positions, norm, head = nn.Linear(20, 32), torch.randn(10, 32), nn.LayerNorm(32), nn.Linear(32, 3)
    frames = torch.randn(2, 10, 20)
    answer = head(norm(stack(embedding(frames) + positions)).mean(1))
    return from_torch(stack, embedding, positions, head, ["a", "b", "c"], norm), answer, frames


def keyword_transformer():
    """KWT (Berg et al. 2021): post-norm, a class token before the frames of one mel spectrum each."""
    layer = nn.TransformerEncoderLayer(64, 1, 256, activation="gelu", batch_first=True)
    stack = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).eval()
    embedding, positions, token, head = nn.Linear(40, 64), torch.randn(99, 64), torch.randn(64), nn.Linear(64, 5)
    frames = torch.randn(2, 98, 40)
    rows = torch.cat([token.expand(2, 1, 64), embedding(frames)], 1) + positions
    answer = head(stack(rows)[:, 0])
    zeros = torch.zeros(2, 1, 40)
    return from_torch(stack, embedding, positions, head, list("abcde"), None, token), answer, torch.cat([zeros, frames], 1)


def every_kind():
    """What else a `TransformerEncoderLayer` can be: each is read as what it is."""
    for function in ("relu", nn.GELU(), nn.GELU(approximate="tanh"), nn.SiLU()):
        for bias, norm_first, norm in ((True, True, nn.LayerNorm(32)), (False, False, None)):
            layer = nn.TransformerEncoderLayer(
                32, 4, 64, activation=function, batch_first=True, norm_first=norm_first, bias=bias)
            for weights in layer.parameters():
                nn.init.normal_(weights, 0.1, 0.2)
            stack = nn.TransformerEncoder(layer, 2, norm, enable_nested_tensor=False).eval()
            embedding, positions, head = nn.Linear(20, 32), torch.randn(10, 32), nn.Linear(32, 3)
            frames = torch.randn(2, 10, 20)
            answer = head(stack(embedding(frames) + positions).mean(1))
            difference = (from_torch(stack, embedding, positions, head, list("abc"))(frames) - answer).abs().max()
            assert difference < 1e-4, (function, bias, norm_first, difference)


def main():
    torch.manual_seed(0)
    for make in (transformer_encoder, keyword_transformer):
        model, answer, frames = make()
        folder = Path(sys.argv[1]) / make.__name__
        model.save(folder)
        difference = (Encoder.load(folder)(frames) - answer).abs().max().item()
        print(f"{make.__name__}: largest difference {difference:.1e}")
        assert difference < 1e-4
    every_kind()


if __name__ == "__main__":
    main()
