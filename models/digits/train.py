"""Trains the digits model: which digit was spoken, Free Spoken Digit Dataset.

    python models/digits/train.py --data DIR/recordings --out models/digits/checkpoint [--state FILE]
    python models/digits/train.py --data FOLDER --out CHECKPOINT      # your own LABEL/*.wav or LABEL-*.wav
    python models/digits/train.py --data DIR/recordings --speaker jackson     # trained without this speaker

DIR/recordings holds FSDD's files, DIGIT_SPEAKER_INDEX.wav (Jackson et al., CC BY-SA 4.0). Its official test set
is the files with index 0 to 4; those with 5 to 9 are the validation set, which chose this recipe. `--final` trains on both other sets
and judges the test set. Needs torch, numpy, scipy, soundfile, safetensors. One CPU thread, seeded.
"""

import argparse
import re
import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "common"))
import audio  # noqa: E402
import frontend  # noqa: E402
import pictures  # noqa: E402
from bank import Bank, Mixer, cached, noises, variants  # noqa: E402
from encoder import Encoder, parameters  # noqa: E402
from training import train  # noqa: E402

CONFIG = frontend.DIGITS
PER_ROW, ROWS = 4, 18  # frames a row, rows: 64 ms and 1.15 s
FRAMES = PER_ROW * ROWS


def split(folder, speaker):
    """{"train", "val", "test"}: [(path, label)], and the labels."""
    found = audio.files(folder)
    names = [re.fullmatch(r"(\d)_(\w+)_(\d+)", path.stem) for path, _ in found]
    parts = {"train": [], "val": [], "test": []}
    if all(names) and all(path.parent == folder for path, _ in found):
        for (path, _), name in zip(found, names):
            digit, who, index = name[1], name[2], int(name[3])
            which = "test" if index < 5 else "val" if index < 10 else "train"
            if speaker:
                which = "test" if who == speaker else "train" if which == "test" else which
            parts[which].append((path, digit))
    else:
        parts = audio.own_split(audio.labelled(folder))
        if len({label for _, label in parts["train"]}) < 2:
            raise SystemExit(f"{folder}: one label, `{parts['train'][0][1]}`; at least two are needed to tell them apart")
    return parts, sorted({label for files in parts.values() for _, label in files})


def bank(files, labels, rng, count):
    made = Bank(CONFIG)
    for path, label in files:
        samples = audio.word(path, CONFIG["sample_rate"])
        for other, _ in variants(samples, CONFIG["sample_rate"], rng, count):
            made.add(other, labels.index(label), (0, 0))
    return made.finish()


def judged_by(files, labels):
    """The rows that each file is judged by, as the device makes them, and the files' labels."""
    filters, rows = frontend.mel_filters(CONFIG), []
    for path, _ in files:
        frames = frontend.frames(audio.word(path, CONFIG["sample_rate"]), CONFIG, filters)
        rows.append(frontend.rows(frontend.loudest(frames, FRAMES), PER_ROW, ROWS))
    x = torch.tensor(np.stack(rows) / 2.0**frontend.FEATURE, dtype=torch.float32)
    return x, torch.tensor([labels.index(label) for _, label in files])


def accuracy(model, rows, labels):
    with torch.no_grad():
        best = torch.cat([model(part) for part in rows.split(300)]).argmax(1)
    return best, (best == labels).float().mean().item()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--state", type=Path)
    parser.add_argument("--speaker", help="leave this speaker out and judge by it")
    parser.add_argument("--final", action="store_true")
    parser.add_argument("--test-folder", type=Path, help="copies the test's recordings there and ends")
    parser.add_argument("--pictures", type=Path, help="a folder for training.svg, or with --final confusion.svg")
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--feed-forward", type=int, default=128)
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--variants", type=int, default=8)
    parser.add_argument("--strength", type=float, default=1.0)
    parser.add_argument("--alone", type=float, default=0.4)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--cache", type=Path, help="keeps the prepared recordings; --steps 0 does no more")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(1)
    rng = np.random.default_rng(args.seed)
    parts, labels = split(args.data, args.speaker)
    if args.test_folder:
        return audio.arrange(parts["test"], args.test_folder)
    if args.final:
        parts["train"] += parts["val"]
    train_bank, noise = cached(
        args.cache, lambda: (bank(parts["train"], labels, rng, args.variants), noises(CONFIG, rng)))
    if args.steps == 0:
        return
    mixer = Mixer(CONFIG, noise, PER_ROW, ROWS, args.strength)
    judged = {}
    for name in ("val", "test") if args.final or args.speaker else ("val",):
        if parts[name]:
            judged[name] = judged_by(parts[name], labels)
    print({k: len(v) for k, v in parts.items()}, "labels", labels, flush=True)

    weights = (1.0 / torch.bincount(train_bank.labels).float())[train_bank.labels]

    def batch(g):
        which = torch.multinomial(weights, 64, True, generator=g)
        length = train_bank.lengths[which].float()
        shorter = (FRAMES - length).clamp_min(0)
        exact = torch.rand(64, generator=g) < 0.6
        after = torch.where(exact, torch.rand(64, generator=g) * 6 - 3, torch.rand(64, generator=g) * shorter)
        long = length > FRAMES
        cut = FRAMES + torch.rand(64, generator=g) * (length - FRAMES)
        end = torch.where(long, cut, length + after) - 1
        return mixer.rows_of(train_bank, which, end, g, alone=args.alone), train_bank.labels[which]

    config = {
        "frame_len": PER_ROW * CONFIG["n_mels"], "d_model": args.width, "n_layers": args.layers, "n_heads": 4,
        "d_ff": args.feed_forward, "context": ROWS, "labels": labels, "feature_exponent": -frontend.FEATURE,
        "features": {"kind": "audio", **CONFIG, "frames_per_row": PER_ROW},
    }
    torch.manual_seed(args.seed)
    model = Encoder(config, args.dropout)
    print("parameters", parameters(model), flush=True)
    rows, truth = judged.get("val", next(iter(judged.values())))
    judge = lambda m: {"val": accuracy(m, rows, truth)[1]}  # noqa: E731
    run = train(model, batch, args.steps, args.state, args.rate, seed=args.seed, judge=judge, every=min(500, args.steps))
    model = run.average
    if args.out:
        model.save(args.out)
    for name, (rows, truth) in judged.items():
        best, exact = accuracy(model, rows, truth)
        rounded, small = accuracy(model.folded(), rows, truth)
        print(f"{name}: {len(truth)} files, f32 {exact:.4f}, int8 {small:.4f}, equal {(best == rounded).float().mean():.4f}")
        counts = torch.bincount(truth * len(labels) + best, minlength=len(labels) ** 2).view(len(labels), -1)
        for label, row in zip(labels, counts.tolist()):
            print(f"  {label:12}", *(f"{count:4}" for count in row))
    if args.pictures and args.final:
        pictures.confusion(args.pictures / "confusion.svg", "Files of the test", counts, labels)
    elif args.pictures:
        pictures.training(args.pictures / "training.svg", run.history)


if __name__ == "__main__":
    main()
