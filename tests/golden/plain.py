"""Makes plain checkpoints (models/common/checkpoint.md) and the values that torch computes with their originals.

Run once, offline, from the repository root; the results are committed:

    pip install torch safetensors numpy
    python tests/golden/plain.py           # -> tests/golden/plain-<name>/

`plain-encoder` and `plain-keyword` are `torch.nn.TransformerEncoder`s, exported by models/common/export.py; `plain-tokens`
has what that module lacks (RMSNorm, rotary positions, fewer key heads, gates) and is written out below.
"""

import json
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent.parent / "models" / "common"))
from export import from_torch  # noqa: E402


def rounded(tensor):
    """Nested lists with 7 significant digits."""
    return json.loads(json.dumps(tensor.tolist()), parse_float=lambda x: float(f"{float(x):.7g}"))


def lively(module):
    """Random gains and biases, too, so that every part matters."""
    with torch.no_grad():
        for p in module.parameters():
            if p.dim() == 1:
                p.add_(0.3 * torch.randn(p.shape))
    return module.eval()


def write(name, cases):
    (HERE / name / "golden.json").write_text(json.dumps(cases) + "\n")


def frames_case(frames, outputs):
    return {"frames": frames.tolist(), "outputs": rounded(outputs)}


def features(*shape):
    """Integers in units of 2^-10, as the device has them."""
    return torch.randint(-3000, 3000, shape)


def encoder():
    """Pre-norm, ReLU, the mean of all rows."""
    layer = nn.TransformerEncoderLayer(16, 2, 24, activation="relu", batch_first=True, norm_first=True)
    stack = lively(nn.TransformerEncoder(layer, 2, enable_nested_tensor=False))
    embedding, head, norm = lively(nn.Linear(7, 16)), lively(nn.Linear(16, 3)), lively(nn.LayerNorm(16))
    positions = torch.randn(6, 16)
    from_torch(stack, embedding, positions, head, ["a", "b", "ç"], norm).save(HERE / "plain-encoder")
    cases = []
    for rows in (6, 2):
        x = features(rows, 7)
        out = head(norm(stack((embedding(x / 1024) + positions[:rows])[None])).mean(1))
        cases.append(frames_case(x, out))
    write("plain-encoder", cases)


def keyword():
    """A keyword transformer (Berg et al. 2021): post-norm, a class token before rows of two frames of mels."""
    layer = nn.TransformerEncoderLayer(24, 3, 32, activation="gelu", batch_first=True)
    stack = lively(nn.TransformerEncoder(layer, 2, enable_nested_tensor=False))
    embedding, head = lively(nn.Linear(16, 24)), lively(nn.Linear(24, 3))
    positions, token = torch.randn(6, 24), torch.randn(24)
    model = from_torch(stack, embedding, positions, head, ["nothing", "yes", "no"], None, token)
    model.config["features"] = {
        "kind": "audio", "sample_rate": 8000, "n_fft": 64, "hop_length": 40, "n_mels": 8,
        "f_min": 200.0, "f_max": 3600.0, "frames_per_row": 2,
    }
    model.config["trigger"] = {"nothing": 0, "smooth": 2, "threshold": 0.5, "refractory": 3}
    model.save(HERE / "plain-keyword")
    x = features(5, 16)
    out = head(stack((torch.cat([token[None], embedding(x / 1024)]) + positions)[None])[:, 0])
    write("plain-keyword", [frames_case(torch.cat([torch.zeros(1, 16, dtype=torch.int64), x]), out)])


def rotate(x):
    """Rotary positions of neighbouring pairs, base 10000; (rows, heads, width)."""
    rows, _, width = x.shape
    angle = torch.arange(rows)[:, None] * 10000.0 ** (-torch.arange(0, width, 2) / width)
    cos, sin = angle.cos()[:, None], angle.sin()[:, None]
    a, b = x[..., ::2], x[..., 1::2]
    return torch.stack([a * cos - b * sin, a * sin + b * cos], -1).flatten(-2)


def tokens():
    """Labels of tokens: RMSNorm, rotary positions, two query heads for a key head, gated SiLU."""
    d, heads, kv, width, d_ff, vocab = 16, 4, 2, 8, 20, 30
    config = {
        "model_type": "picoformer", "input": "tokens", "vocab_size": vocab, "position": "rotary", "norm": "rms",
        "norm_order": "pre", "norm_eps": 1e-6, "activation": "silu", "gated": True, "final_norm": True,
        "head": "token_labels", "labels": ["x", "y", "z", "w"], "d_model": d, "n_layers": 2, "n_heads": heads,
        "n_kv_heads": kv, "head_dim": width, "d_ff": d_ff, "context": 12,
    }
    shapes = {"embedding.weight": (vocab, d), "final_norm.weight": (d,), "head.weight": (4, d)}
    for i in range(2):
        for part, shape in (
            ("norm1", (d,)), ("attention.q", (heads * width, d)), ("attention.k", (kv * width, d)),
            ("attention.v", (kv * width, d)), ("attention.o", (d, heads * width)), ("norm2", (d,)),
            ("feed_forward.gate", (d_ff, d)), ("feed_forward.up", (d_ff, d)), ("feed_forward.down", (d, d_ff)),
        ):
            shapes[f"layers.{i}.{part}.weight"] = shape
    w = {}
    for name, shape in shapes.items():
        noise = torch.randn(shape)
        w[name] = 1 + 0.3 * noise if len(shape) == 1 else noise * 1.3 / shape[1] ** 0.5
    w["embedding.weight"] = torch.randn(vocab, d)

    def norm(x, name):
        return x * (x.pow(2).mean(-1, keepdim=True) + 1e-6).rsqrt() * w[f"{name}.weight"]

    def run(ids):
        x = w["embedding.weight"][ids]
        for i in range(2):
            at = lambda part: w[f"layers.{i}.{part}.weight"].T  # noqa: E731, B023
            h = norm(x, f"layers.{i}.norm1")
            q, k, v = ((h @ at(f"attention.{p}")).view(len(ids), -1, width) for p in "qkv")
            q, k = rotate(q), rotate(k)
            k, v = (t.repeat_interleave(heads // kv, 1) for t in (k, v))
            q, k, v = (t.transpose(0, 1) for t in (q, k, v))
            mixed = F.scaled_dot_product_attention(q, k, v).transpose(0, 1).flatten(1)
            x = x + mixed @ at("attention.o")
            h = norm(x, f"layers.{i}.norm2")
            x = x + (F.silu(h @ at("feed_forward.gate")) * (h @ at("feed_forward.up"))) @ at("feed_forward.down")
        return norm(x, "final_norm") @ w["head.weight"].T

    folder = HERE / "plain-tokens"
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    save_file(w, folder / "model.safetensors")
    cases = [[1], [3, 1, 4, 1, 5, 9, 2, 6], [2, 7, 1, 8, 2, 8, 1, 8, 2, 8, 4, 5]]
    write("plain-tokens", [{"ids": ids, "outputs": rounded(run(torch.tensor(ids)))} for ids in cases])


if __name__ == "__main__":
    with torch.no_grad():
        for seed, make in enumerate((encoder, keyword, tokens)):
            torch.manual_seed(seed)
            make()
