"""Fine-tunes a model of Hugging Face's with exactly the engine's rounding, so that four-bit weights cost it little.

    sys.path.append("models")
    from common.four_bits import finetune
    model = AutoModelForCausalLM.from_pretrained("my-model")
    finetune(model, steps=2000)
    model.save_pretrained("my-model-4bit")   # picoformer convert my-model-4bit --bits 4 -o my-model.pico

The model learns to answer as it did before it was rounded (distillation, Hinton et al. 2015): a decoder on texts that it
writes itself, any model on the batches that it is given. Weights, rows, queries, keys and values are rounded as on the
device (`rounding.py`). In the end the weights that get four bits are on the grid of the blob, `code · step`: the converter
finds that and keeps every code. Norms before a layer are folded into it first, as the converter does.
"""

import copy
import inspect
import math
import re

import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import eager_mask

from . import rounding
from .run import Run

# Role (as `picoformer convert --eight` names it) of a module, by the end of its name. Fused ones name several, in order.
ROLES = [
    (r"(embed_tokens|word_embeddings|wte|shared)", ["embedding"]),
    (r"(EncDecAttention\.q)", ["cross-q"]), (r"(EncDecAttention\.k)", ["cross-k"]),
    (r"(EncDecAttention\.v)", ["cross-v"]), (r"(EncDecAttention\.o)", ["cross-o"]),
    (r"(attn\.c_attn)", ["q", "k", "v"]),
    (r"(q_proj|SelfAttention\.q|self\.query)", ["q"]), (r"(k_proj|SelfAttention\.k|self\.key)", ["k"]),
    (r"(v_proj|SelfAttention\.v|self\.value)", ["v"]), (r"(o_proj|SelfAttention\.o|attention\.output\.dense|attn\.c_proj)", ["o"]),
    (r"(gate_proj|wi_0)", ["gate"]), (r"(up_proj|wi_1|\.wi|c_fc|intermediate\.dense)", ["up"]),
    (r"(down_proj|\.wo|mlp\.c_proj|output\.dense)", ["down"]),
    (r"(pooler\.dense)", ["pooler"]), (r"(lm_head|classifier)", ["head"]),
]
# A norm and the modules that read what it gives, both by the end of their names, below the same module.
FOLDED = [
    ("input_layernorm", ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"]),
    ("post_attention_layernorm", ["mlp.gate_proj", "mlp.up_proj"]),
    ("ln_1", ["attn.c_attn"]), ("ln_2", ["mlp.c_fc"]),
    ("layer_norm", ["SelfAttention.q", "SelfAttention.k", "SelfAttention.v", "EncDecAttention.q",
                    "DenseReluDense.wi", "DenseReluDense.wi_0", "DenseReluDense.wi_1"]),
]

AttentionInterface.register("picoformer", rounding.attention)
AttentionMaskInterface.register("picoformer", eager_mask)


def fold_norms(model):
    """Moves gains and biases of norms into the linear layers that read them; the model's results stay."""
    modules = dict(model.named_modules())
    for name, norm in modules.items():
        prefix, _, last = name.rpartition(".")
        readers = [modules[f"{prefix}.{r}"] for own, some in FOLDED if own == last for r in some if f"{prefix}.{r}" in modules]
        if not readers:
            continue
        with torch.no_grad():
            for layer in readers:
                conv = layer.weight.shape[0] == len(norm.weight) and not isinstance(layer, nn.Linear)
                weight = layer.weight.T if conv else layer.weight
                if getattr(norm, "bias", None) is not None:
                    layer.bias += weight @ norm.bias
                weight *= norm.weight
            norm.weight.fill_(1.0)
            if getattr(norm, "bias", None) is not None:
                norm.bias.fill_(0.0)
        for p in norm.parameters():
            p.requires_grad_(False)


class Part:
    """A weight of the model: its parameter's name, whether it is (inputs, outputs), and the roles of its outputs."""

    def __init__(self, name, weight, roles, transposed):
        self.name, self.transposed = name, transposed
        rows = (weight.T if transposed else weight).shape[0] // len(roles)
        self.roles = [(role, slice(i * rows, (i + 1) * rows)) for i, role in enumerate(roles)]

    def rows(self, weight):
        return weight.T if self.transposed else weight


def parts(model):
    """Every weight that the blob has in eight or four bits; tied ones once."""
    found, seen = [], set()
    for name, module in model.named_modules():
        weight = getattr(module, "weight", None)
        roles = next((roles for pattern, roles in ROLES if re.search(pattern + "$", name)), None)
        if roles is None or weight is None or weight.ndim != 2 or id(weight) in seen:
            continue
        seen.add(id(weight))
        found.append(Part(f"{name}.weight", weight, roles, type(module).__name__ == "Conv1D"))
    if not found:
        raise SystemExit(f"{type(model).__name__}: none of its layers is known")
    return found


class Rounded(nn.Module):
    """A model whose weights are rounded before each forward pass, and its rows, queries, keys and values in it.

    `eight`: the roles that keep eight bits. The model's own parameters are what is trained, with a step for each row of
    four-bit weights."""

    def __init__(self, model, eight):
        super().__init__()
        fold_norms(model)
        self.model, self.parts = model, parts(model)
        known = {role for part in self.parts for role, _ in part.roles}
        if set(eight) - known:
            raise SystemExit(f"--eight {', '.join(sorted(set(eight) - known))}: the model has {', '.join(sorted(known))}")
        weights, self.steps = dict(model.named_parameters()), nn.ParameterDict()
        for part in self.parts:
            for role, rows in part.roles:
                if role not in eight:
                    step = rounding.first_step(part.rows(weights[part.name].detach())[rows])
                    self.steps[key(part, role)] = nn.Parameter(step.log())
        model.set_attn_implementation("picoformer")
        linear = {part.name for part in self.parts}
        for name, module in model.named_modules():
            tied = getattr(module, "weight", None) is not None and not isinstance(module, nn.Embedding)
            if tied and (f"{name}.weight" in linear or re.search("(lm_head)$", name)):
                module.register_forward_pre_hook(self.rounded_rows)
        self.last = (None, None)

    def rounded_rows(self, _, inputs):
        """The input of a layer in eight bits; layers that read the same row share it."""
        if self.last[0] is not inputs[0]:
            self.last = (inputs[0], rounding.eight(inputs[0]))
        return (self.last[1],)

    def weights(self):
        """Name → rounded weight."""
        own, found = dict(self.model.named_parameters()), {}
        for part in self.parts:
            rows = part.rows(own[part.name])
            rounded = [
                rounding.four(rows[some], self.steps[key(part, role)].exp())
                if key(part, role) in self.steps else rounding.eight(rows[some])
                for role, some in part.roles
            ]
            found[part.name] = part.rows(torch.cat(rounded) if len(rounded) > 1 else rounded[0])
        return found

    def forward(self, **batch):
        self.last = (None, None)
        out = functional_call(self.model, self.weights(), kwargs=batch)
        self.last = (None, None)
        return out.logits

    @torch.no_grad()
    def settle(self):
        """Puts the weights of four bits on the blob's grid, where they are in plain sight for the converter."""
        own = dict(self.model.named_parameters())
        for part in self.parts:
            rows = part.rows(own[part.name])
            for role, some in part.roles:
                if key(part, role) in self.steps:
                    trained = self.steps[key(part, role)].exp()
                    code = (rows[some] / trained).clamp(rounding.LEAST, rounding.MOST).round()
                    rows[some] = code * rounding.on_the_blob_s_grid(trained)


def key(part, role):
    return f"{part.name}/{role}".replace(".", "-")


@torch.no_grad()
def write_texts(model, count, length, seed, at_once=256):
    """(count, length) token ids that a decoder writes at temperature 1, from its begin token or, without one, from any."""
    g, rows = torch.Generator().manual_seed(seed), []
    begin = model.config.bos_token_id
    named = "cache" if "cache" in inspect.signature(model.forward).parameters else "past_key_values"
    while len(rows) * at_once < count:
        ids = torch.full((at_once, 1), begin) if begin is not None else torch.randint(model.config.vocab_size, (at_once, 1), generator=g)
        cache, text = None, [ids]
        for _ in range(length - 1):
            out = model(input_ids=text[-1], use_cache=True, **{named: cache})
            cache = out.past_key_values
            text.append(torch.multinomial(out.logits[:, -1].float().softmax(-1), 1, generator=g))
        rows.append(torch.cat(text, 1))
    return torch.cat(rows)[:count]


def distance(before, after, counted=None):
    """Kullback-Leibler divergence of the answers before and after, the mean over the positions that count."""
    before, after = F.log_softmax(before.float(), -1), F.log_softmax(after.float(), -1)
    kl = (before.exp() * (before - after)).sum(-1)
    return kl.mean() if counted is None else (kl * counted).sum() / counted.sum()


def finetune(model, batch=None, eight=("k",), steps=2000, rate=1e-3, rows=4096, texts=2048, length=None, seed=1,
             state=None, every=100, judge=None):
    """Trains `model` in place for four-bit weights; the finished `Run`.

    `batch(generator)` gives a dict of the model's inputs; without it a decoder writes `texts` texts of `length` tokens, `rows`
    tokens a step. `eight`: roles that keep eight bits (`--eight`). `state`: a file from which the same call goes on.
    `judge(model)` returns figures, reported every `every` steps; nothing is chosen by them."""
    torch.manual_seed(seed)
    model.eval()
    for parameter in model.parameters():
        parameter.data = parameter.data.float()
    before = copy.deepcopy(model).requires_grad_(False)
    if batch is None:
        length = min(length or 256, model.config.max_position_embeddings)
        kept = state and state.with_suffix(".texts.pt")
        own = torch.load(kept, weights_only=True) if kept and kept.exists() else None
        if own is None or own.shape != (texts, length):
            own = write_texts(before, texts, length, seed)
            print(f"{len(own)} texts of {length} tokens are written", flush=True)
            if kept:
                torch.save(own, kept)
        count = max(1, rows // length)
        batch = lambda g: {"input_ids": own[torch.randint(len(own), (count,), generator=g)]}  # noqa: E731
    student = Rounded(model, eight)
    trained = [p for p in student.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(trained, rate, betas=(0.9, 0.98), fused=True)
    run = Run(state, student, optimizer)
    while run.step < steps:
        g = torch.Generator().manual_seed(seed * 10**6 + run.step)
        inputs = batch(g)
        counted = inputs.get("decoder_attention_mask", inputs.get("attention_mask"))
        with torch.no_grad():
            wanted = before(**inputs).logits
        loss = distance(wanted, student(**inputs), counted if wanted.ndim == 3 else None)
        run.advance(loss, rate * min(1, (run.step + 1) / 100) * 0.5 * (1 + math.cos(math.pi * run.step / steps)))
        if run.step % every == 0 or run.step == steps:
            run.report(loss=round(loss.item(), 4), **(judge(student) if judge else {}))
    run.save(finished=True)
    student.settle()
    model.set_attn_implementation("eager")
    return run
