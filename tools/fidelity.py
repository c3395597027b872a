"""Why int8 loses some checkpoints: random Marians with scaled embeddings, and how far their attention's scores spread.

For every width of initialisation, size and seed: the spread of the scores (standard deviation in nats, of the layer
that has the largest), and the logits against the original in f32, as mean and least cosine and as share of equal
likeliest tokens: of the engine; of the original with weights, embeddings, rows, keys, queries and values rounded to
8 bits; and of the same with the attention's probabilities taken from f32. The last has the engine's every rounding but
that of the scores.

    pip install torch transformers
    cargo build --release -p picoformer-convert
    python tools/fidelity.py
"""

import argparse
import copy
import json
import random
import tempfile
from pathlib import Path

import torch
import transformers as hf
from transformers.models.marian import modeling_marian as marian

from compare import ROOT, Picoformer

VOCABULARY, TEXTS, LENGTH, PADDING = 700, 4, 12, 1


class Attention:
    """Takes the place of the library's attention: records its probabilities, or replays them."""

    def __init__(self):
        self.replays, self.probabilities, self.at, self.spreads = False, [], 0, []
        marian.eager_attention_forward = self.forward

    def forward(self, module, query, key, value, attention_mask, scaling=None, dropout=0.0, **_):
        if self.replays:
            p = self.probabilities[self.at]
            self.at += 1
        else:
            scores = query @ key.transpose(2, 3) * (query.size(-1) ** -0.5 if scaling is None else scaling)
            if attention_mask is not None:
                scores = scores + attention_mask[:, :, :, : key.shape[-2]]
            p = torch.softmax(scores, -1)
            seen = scores.masked_fill(scores < -1e30, float("nan"))
            self.spreads.append(torch.nan_to_num(seen - seen.nanmean(-1, keepdim=True)).std().item())
            self.probabilities.append(p)
        return (p @ value).transpose(1, 2).contiguous(), p


def draw(width, d, heads, seed, scaled):
    torch.manual_seed(seed)
    return hf.MarianMTModel(hf.MarianConfig(
        vocab_size=VOCABULARY, decoder_vocab_size=VOCABULARY, d_model=d, encoder_layers=2, decoder_layers=2,
        encoder_attention_heads=heads, decoder_attention_heads=heads, encoder_ffn_dim=2 * d, decoder_ffn_dim=2 * d,
        max_position_embeddings=48, activation_function="swish", scale_embedding=scaled, pad_token_id=PADDING,
        bos_token_id=0, eos_token_id=2, forced_eos_token_id=None, decoder_start_token_id=PADDING, init_std=width,
        attn_implementation="eager")).eval()


def rounded(x):
    """Rows in 8 bits, each with a scale."""
    scale = x.abs().amax(-1, keepdim=True).clamp(min=1e-30) / 127
    return (x / scale).round() * scale


def in_8_bits(model, heads):
    model = copy.deepcopy(model)
    by_head = lambda x: rounded(x.unflatten(-1, (heads, -1))).flatten(-2)
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear):
            module.register_forward_pre_hook(lambda _, given: (rounded(given[0]),))
            if name == "lm_head":
                continue  # tied
            module.weight.data = rounded(module.weight.data)
            if name.endswith(("q_proj", "k_proj", "v_proj")):
                module.register_forward_hook(lambda _, given, found: by_head(found))
    model.model.shared.weight.data.copy_(rounded(model.model.shared.weight.data))
    return model


def logits(model, sources, targets):
    with torch.no_grad():
        pairs = zip(sources, targets)
        rows = [model(input_ids=torch.tensor([s]), decoder_input_ids=torch.tensor([t[:-1]])).logits[0] for s, t in pairs]
    return torch.cat(rows)


def likeness(a, b):
    a, b = a.double(), b.double()
    cosines = torch.nn.functional.cosine_similarity(a, b)
    same = (a.argmax(-1) == b.argmax(-1)).double().mean()
    return f"{cosines.mean():.4f}, {cosines.min():.3f}, {100 * same:.0f} %"


def engine(model, sources, targets, picoformer):
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        model.save_pretrained(folder)
        blob, files = folder / "x.pico", [folder / "sources.lists", folder / "targets.lists"]
        for file, lists in zip(files, (sources, targets)):
            file.write_text(json.dumps(lists))
        notes = picoformer.run("convert", folder, "-o", blob, "--tokenizer", "none", "--json")[0]["notes"]
        found = picoformer.run("reference", folder, "--ids", files[0], "--targets", files[1], "--blob", blob)
        told = any("mean cosine" in note for note in notes)
        return torch.cat([torch.tensor(row["engine"]) for row in found]), told


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--binary", type=Path, default=ROOT / "target/release/picoformer")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    hf.logging.set_verbosity_error()
    hf.utils.logging.disable_progress_bar()
    picoformer, attention = Picoformer(arguments.binary.resolve()), Attention()
    print("| standard deviation of the weights, width, heads, seed | scores spread, nats | engine | all in 8 bits "
          "| the same with f32's attention | told |\n| --- | ---: | --- | --- | --- | --- |")
    cases = [(width, d, heads, True) for width in (0.1, 0.2, 0.3, 0.5) for d, heads in ((32, 2), (64, 4))]
    for width, d, heads, scaled in [*cases, (0.5, 32, 2, False)]:
        for seed in range(arguments.seeds):
            r = random.Random(1)
            text = lambda n: [r.randrange(3, VOCABULARY) for _ in range(n)]
            sources = [text(LENGTH) for _ in range(TEXTS)]
            targets = [[PADDING, *text(LENGTH)] for _ in range(TEXTS)]
            model = draw(width, d, heads, seed, scaled)
            attention.replays, attention.probabilities, attention.spreads = False, [], []
            expected = logits(model, sources, targets)
            layers = len(attention.spreads) // TEXTS
            spread = max(sum(attention.spreads[i::layers]) / TEXTS for i in range(layers))
            kept, small = attention.probabilities, in_8_bits(model, heads)
            attention.probabilities = []
            all_small = logits(small, sources, targets)
            attention.replays, attention.probabilities, attention.at = True, kept, 0
            with_attention = logits(small, sources, targets)
            found, told = engine(model, sources, targets, picoformer)
            columns = [likeness(expected, other) for other in (found, all_small, with_attention)]
            print(f"| {width}, {d}, {heads}, {seed}{'' if scaled else ', not scaled'} | {spread:.1f} | {' | '.join(columns)} "
                  f"| {'yes' if told else ''} |", flush=True)


if __name__ == "__main__":
    main()
