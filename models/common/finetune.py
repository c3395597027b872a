"""Fine-tunes a checkpoint of Hugging Face's for weights of four bits.

    python models/common/finetune.py CHECKPOINT --out FOLDER [--eight k] [--steps 2000] [--state FILE]
    picoformer convert FOLDER --bits 4 [--eight k] -o model.pico

A decoder learns on texts that it writes itself. `--state` keeps the run every few minutes: the same command goes on from
there. Writes a checkpoint of the same layout, with the tokenizer's files beside it. Seeded; one CPU thread.
"""

import argparse
import shutil
import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM

sys.path.append(str(Path(__file__).resolve().parent.parent))
from common.four_bits import finetune


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--eight", default="k", help="parts that keep eight bits, as for `picoformer convert`")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--rows", type=int, default=1024, help="tokens a step")
    parser.add_argument("--texts", type=int, default=2048)
    parser.add_argument("--length", type=int, default=256)
    parser.add_argument("--state", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(1)
    model = AutoModelForCausalLM.from_pretrained(args.checkpoint)
    eight = [] if args.eight == "none" else args.eight.split(",")
    run = finetune(model, eight=eight, steps=args.steps, rate=args.rate, rows=args.rows, texts=args.texts,
                   length=args.length, seed=args.seed, state=args.state)
    model.save_pretrained(args.out)
    for path in args.checkpoint.glob("*token*"):
        if not (args.out / path.name).exists():
            shutil.copy(path, args.out / path.name)
    print(f"{args.out}: {run.step} steps, {run.seconds:.0f} s of CPU time")


if __name__ == "__main__":
    main()
