"""Fine-tunes a checkpoint of Hugging Face's for weights of four bits.

    python models/common/finetune.py CHECKPOINT --out FOLDER [--data FILE] [--eight k] [--steps 2000] [--state FILE]
    picoformer convert FOLDER --bits 4 [--eight k] -o model.pico

It learns the checkpoint's own answers: a decoder on texts that it writes itself, or on `--data`, a text a line; a classifier
of texts on those of `--data`; an encoder-decoder on a source, a tab and its target a line. `--state` keeps the run every few
minutes: the same command goes on from there. Writes a checkpoint of the same layout with the other files beside it. Seeded;
one CPU thread; needs torch, transformers, tokenizers.
"""

import argparse
import json
import shutil
import sys
from pathlib import Path

import torch
import transformers
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

sys.path.append(str(Path(__file__).resolve().parent.parent))
from common.four_bits import finetune
from common.listed import numbered, wrong


def load(folder):
    """The model by the class that its configuration names; a head that the checkpoint does not tie stays apart."""
    config = json.loads((folder / "config.json").read_text())
    model = getattr(transformers, config["architectures"][0]).from_pretrained(folder)
    weights = load_file(folder / "model.safetensors")
    if config.get("tie_word_embeddings") is False and "lm_head.weight" in weights:
        # From version 5 on, transformers ties the head of every T5 to its embedding.
        model.lm_head.weight = torch.nn.Parameter(weights["lm_head.weight"])
    return model


def save(model, source, out):
    """The trained weights under the names of the checkpoint, and its other files as they are."""
    out.mkdir(parents=True, exist_ok=True)
    for path in source.iterdir():
        if path.is_file() and path.name != "model.safetensors":
            shutil.copy(path, out / path.name)
    trained, before = model.state_dict(), load_file(source / "model.safetensors")
    missing = [name for name in before if name not in trained]
    if missing:
        raise SystemExit(f"{source}: the model has no {missing[0]}")
    weights = {name: trained[name].float().contiguous().clone() for name in before}
    save_file(weights, out / "model.safetensors", {"format": "pt"})


def padded(rows):
    """(ids, mask) of rows of different lengths."""
    wide = max(map(len, rows))
    ids = torch.tensor([row + [0] * (wide - len(row)) for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (wide - len(row)) for row in rows])
    return ids, mask


def batches(path, folder, config, count):
    """`batch(generator)` of the lines of a file: `count` of them, of like length."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    both = getattr(config, "is_encoder_decoder", False)
    limit = getattr(config, "n_positions", None) or config.max_position_embeddings
    rows = []
    for number, line in numbered(path):
        source, tab, target = line.partition("\t")
        if both and not tab:
            wrong(path, number, "a source, a tab and its target needed")
        row = [tokenizer.encode(source if both else line).ids[:limit]]
        if both:
            # As the target was trained: pieces of their own between spaces, and the end token.
            pieces = [tokenizer.token_to_id("\u2581" + p) for p in target.split("\t")[0].split()]
            ids = tokenizer.encode(target).ids if None in pieces else [*pieces, config.eos_token_id]
            row.append(([config.decoder_start_token_id] + ids)[:-1][:limit])
        rows.append(row)
    rows.sort(key=lambda row: sum(map(len, row)))

    def batch(g):
        at = int(torch.randint(max(1, len(rows) - count + 1), (), generator=g))
        some = rows[at : at + count]
        ids, mask = padded([row[0] for row in some])
        inputs = {"input_ids": ids, "attention_mask": mask}
        if both:
            inputs["decoder_input_ids"], inputs["decoder_attention_mask"] = padded([row[1] for row in some])
        return inputs

    return batch


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", type=Path, help="a text a line; of an encoder-decoder source, tab, target")
    parser.add_argument("--eight", default="k", help="parts that keep eight bits, as for `picoformer convert`; or none")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--rows", type=int, default=1024, help="tokens a step, of texts that a decoder writes")
    parser.add_argument("--batch", type=int, default=64, help="lines of --data a step")
    parser.add_argument("--texts", type=int, default=2048)
    parser.add_argument("--length", type=int, default=256)
    parser.add_argument("--state", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(1)
    model = load(args.checkpoint)
    decoder = type(model).__name__.endswith("ForCausalLM") or type(model).__name__.endswith("LMHeadModel")
    if args.data is None and not decoder:
        raise SystemExit(f"{type(model).__name__} writes no texts of its own: --data FILE, a text a line")
    batch = args.data and batches(args.data, args.checkpoint, model.config, args.batch)
    eight = [] if args.eight == "none" else args.eight.split(",")
    run = finetune(model, batch, eight, args.steps, args.rate, args.rows, args.texts, args.length, args.seed, args.state)
    save(model, args.checkpoint, args.out)
    print(f"{args.out}: {run.step} steps, {run.seconds:.0f} s of CPU time")


if __name__ == "__main__":
    main()
