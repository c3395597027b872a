"""Trains the wake model: six wake words, and nothing.

    python models/wake/train.py --data DIR/wakewords --tts DIR/tts-train --digits DIR/recordings \\
        --out models/wake/checkpoint [--state FILE]
    python models/wake/train.py --data FOLDER --out CHECKPOINT        # your own LABEL/*.wav or LABEL-*.wav

DIR/wakewords holds the flac files of `clips.tar` and `others.tar` (LABEL-HASH.flac); `--tts` holds what
`speech.py` made for training, `--digits` FSDD's recordings. Recordings labelled `other…` or `nothing`
must not trigger; `hey_computer` is put under `computer`. The split is by the hash of a file's
name. The first steps learn from windows drawn at random; then, in eight rounds, half of the windows without a word are those in which
the model so far hears one (`batches.py`). Needs torch, numpy, scipy, soundfile, safetensors. One CPU thread, seeded.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "common"))
import audio  # noqa: E402
import frontend  # noqa: E402
import pictures  # noqa: E402
import stream  # noqa: E402
from bank import Bank, Mixer, cached, noises, variants  # noqa: E402
from batches import Batches  # noqa: E402
from encoder import Encoder, parameters  # noqa: E402
from training import train  # noqa: E402

CONFIG = frontend.WAKE
PER_ROW, ROWS = 4, 20  # frames a row, rows: 80 ms and 1.6 s
FRAMES = PER_ROW * ROWS
TRIGGER = {"smooth": 4, "threshold": 0.9, "refractory": 20}
ROUNDS = (0.32,) + 8 * (0.085,)  # of the steps; all other speech is searched before each but the first
NARROW = 0.15  # of the windows lack their upper bands, as sound of a telephone or a headset does
SLOWER = 0.7  # the rate of each round is so much of the one before


def label_of(name):
    return "computer" if name == "hey_computer" else "nothing" if name.startswith(("other", "nothing")) else name


def split(folder, own=False):
    """15 % for validation and 15 % for the test by the hash of the name, or as `audio.own_split` does."""
    found = [(path, label_of(name)) for path, name in (audio.labelled if own else audio.files)(folder)]
    if own:
        if all(label == "nothing" for _, label in found):
            raise SystemExit(f"{folder}: no recording of a word; `nothing` and `other…` are those that must not wake it")
        return audio.own_split(found)
    parts = {"train": [], "val": [], "test": []}
    for path, label in found:
        parts[audio.part(path, 15, 15)].append((path, label))
    return parts


def heard(path, label):
    """The samples of a recording, which may be silent if there is no word in it."""
    return (audio.read if label == "nothing" else audio.word)(path, CONFIG["sample_rate"])


def add(bank, files, labels, rng, count, group):
    for path, label in files:
        samples = heard(path, label)
        for other, _ in variants(samples, CONFIG["sample_rate"], rng, count):
            bank.add(other, labels.index(label), group=group)


def log_mels(files, filters):
    """Integer log-mels of each file, as the device computes them."""
    made = []
    for path, label in files:
        made.append((frontend.frames(heard(path, label), CONFIG, filters), label, path))
    return made


def judge_clips(model, clips, labels, trigger):
    """Clips with exactly one event with their label, or none if they have none."""
    right, wrong = 0, []
    for log_mel, label, path in clips:
        found = stream.events(stream.scores(model, log_mel, PER_ROW, ROWS), trigger)
        said = [labels[k] for _, k, _ in found]
        good = said == ([] if label == "nothing" else [label])
        right += good
        if not good:
            wrong.append((path.stem, said))
    return right / max(1, len(clips)), wrong


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--tts", type=Path)
    parser.add_argument("--digits", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--state", type=Path)
    parser.add_argument("--final", action="store_true", help="train on the validation clips, too")
    parser.add_argument("--test", action="store_true", help="judge the test clips; once, at the end")
    parser.add_argument("--test-folder", type=Path, help="copies the test's recordings there and ends")
    parser.add_argument("--pictures", type=Path, help="a folder for training.svg")
    parser.add_argument("--steps", type=int, default=23500)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--feed-forward", type=int, default=176)
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--variants", type=int, default=4)
    parser.add_argument("--strength", type=float, default=1.0)
    parser.add_argument("--smoothing", type=float, default=0.01, help="of labels; more leaves the threshold no room")
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--cache", type=Path, help="keeps the prepared recordings; --steps 0 does no more")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(1)
    rng = np.random.default_rng(args.seed)
    parts = split(args.data, own=args.tts is None)
    if args.test_folder:
        return audio.arrange(parts["test"], args.test_folder)
    if args.final:
        parts["train"] += parts["val"]
    labels = ["nothing", *sorted({label for p in parts.values() for _, label in p} - {"nothing"})]

    def prepare():
        bank, noise = Bank(CONFIG), noises(CONFIG, rng)
        rare = [(p, label) for p, label in parts["train"] if p.name.startswith("hey_")]
        add(bank, [f for f in parts["train"] if f not in rare], labels, rng, args.variants, 0)
        add(bank, rare, labels, rng, 2 * args.variants, 1)
        if args.tts:
            add(bank, [(p, label_of(name)) for p, name in audio.files(args.tts)], labels, rng, 3, 2)
        if args.digits:
            digits = [p for p, _ in audio.files(args.digits) if int(p.stem.rsplit("_", 1)[1]) >= 10]
            add(bank, [(p, "nothing") for p in digits], labels, rng, 1, 3)
        return bank.finish(), noise

    bank, noise = cached(args.cache, prepare)
    if args.steps == 0:
        return
    clips = log_mels(parts["val"], bank.filters)
    print({k: len(v) for k, v in parts.items()}, "prepared", len(bank.frames), "labels", labels, flush=True)
    config = {
        "frame_len": PER_ROW * CONFIG["n_mels"], "d_model": args.width, "n_layers": args.layers, "n_heads": 4,
        "d_ff": args.feed_forward, "context": ROWS, "labels": labels, "feature_exponent": -frontend.FEATURE,
        "features": {"kind": "audio", **CONFIG, "frames_per_row": PER_ROW},
        "trigger": {**TRIGGER, "nothing": 0},
    }
    torch.manual_seed(args.seed)
    model = Encoder(config, args.dropout)
    print("parameters", parameters(model), flush=True)
    batch = Batches(bank, Mixer(CONFIG, noise, PER_ROW, ROWS, args.strength, noisiest=0.0, narrow=NARROW), 64)
    judge = lambda m: {"val": judge_clips(m, clips, labels, TRIGGER)[0]}  # noqa: E731
    history, rate = [], args.rate
    for number, share in enumerate(ROUNDS):
        state = args.state.with_suffix(f".{number}{args.state.suffix}") if args.state else None
        if number:
            print("windows that sound like words:", batch.mine(model), flush=True)
        steps = max(1, int(args.steps * share))
        run = train(model, batch, steps, state, rate, smoothing=args.smoothing, seed=args.seed + number, judge=judge,
                    every=min(1000, steps))
        before = history[-1]["step"] if history else 0
        history += [{**r, "step": before + r["step"]} for r in run.history]
        model, rate = run.average, rate * SLOWER
    if args.pictures:
        pictures.training(args.pictures / "training.svg", history)
    if args.out:
        model.save(args.out)
    judged = [("val", clips)] + ([("test", log_mels(parts["test"], bank.filters))] if args.test else [])
    for name, some in judged:
        for kind, m in (("f32", model), ("int8", model.folded())):
            right, wrong = judge_clips(m, some, labels, TRIGGER)
            print(f"{name} {kind}: {len(some)} clips, right {right:.4f}", json.dumps(wrong))


if __name__ == "__main__":
    main()
