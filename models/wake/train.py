"""Trains the wake model: six wake words, and nothing.

    python models/wake/train.py --data DIR/wakewords --tts DIR/tts-train --digits DIR/recordings \\
        --out models/wake/checkpoint [--state FILE]
    python models/wake/train.py --data FOLDER --out CHECKPOINT        # your own LABEL/*.wav or LABEL-*.wav

DIR/wakewords holds the flac files of `clips.tar` and `others.tar` (LABEL-HASH.flac); `--tts` holds what
`speech.py` made for training, `--digits` FSDD's recordings. Recordings labelled `other…` or `nothing`
must not trigger; `hey_computer` is put under `computer`. The split is by the hash of a file's
name. Needs torch, numpy, scipy, soundfile, safetensors. One CPU thread, seeded.
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
from bank import Bank, Mixer, cached, noises, uniform, variants  # noqa: E402
from encoder import Encoder, parameters  # noqa: E402
from training import train  # noqa: E402

CONFIG = frontend.WAKE
PER_ROW, ROWS = 4, 20  # frames a row, rows: 80 ms and 1.6 s
FRAMES = PER_ROW * ROWS
TRIGGER = {"smooth": 3, "threshold": 0.6, "refractory": 20}


def label_of(name):
    return "computer" if name == "hey_computer" else "nothing" if name.startswith(("other", "nothing")) else name


def split(folder, own=False):
    """15 % for validation and 15 % for the test by the hash of the name, or as `audio.own_split` does."""
    found = [(path, label_of(name)) for path, name in audio.files(folder)]
    if own:
        return audio.own_split(found)
    parts = {"train": [], "val": [], "test": []}
    for path, label in found:
        parts[audio.part(path, 15, 15)].append((path, label))
    return parts


def add(bank, files, labels, rng, count, group):
    for path, label in files:
        samples = audio.read(path, CONFIG["sample_rate"])
        for other, _ in variants(samples, CONFIG["sample_rate"], rng, count):
            bank.add(other, labels.index(label), group=group)


def log_mels(files, filters):
    """Integer log-mels of each file, as the device computes them."""
    made = []
    for path, label in files:
        made.append((frontend.frames(audio.read(path, CONFIG["sample_rate"]), CONFIG, filters), label, path))
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


class Batches:
    """Windows that hold a whole word, parts of one, other speech, and noise."""

    def __init__(self, bank, mixer, size):
        self.bank, self.mixer, self.size = bank, mixer, size
        positive = bank.labels > 0
        begin, end = bank.words[:, 0], bank.words[:, 1]
        begin = torch.where(end - begin > FRAMES - 10, end - 50, begin)  # noise as loud as the word
        self.words = torch.stack([begin, end], 1).float()
        per_label = 1.0 / torch.bincount(bank.labels).float().clamp_min(1)
        share = torch.tensor([1.0, 1.0, 0.25, 0.3])[bank.groups]  # recordings, -, made by programs, digits
        self.positive = torch.where(positive, per_label[bank.labels] * share, torch.zeros(()))
        # Other speech is drawn by its length, programs' less than people's.
        self.negative = torch.where(positive, torch.zeros(()), (bank.lengths.float() + 60) * share)
        self.other = torch.nonzero(~positive).flatten()

    def __call__(self, g):
        bank, size = self.bank, self.size
        counts = [int(size * 0.45), int(size * 0.15), int(size * 0.3)]
        whole = torch.multinomial(self.positive, counts[0], True, generator=g)
        b, e = self.words[whole].unbind(1)
        latest = torch.minimum(b + FRAMES - 4, e + 45)
        ends = [torch.maximum(e - 2 + torch.rand(counts[0], generator=g) * (latest - e + 2).clamp_min(0), e - 2)]
        labels = [bank.labels[whole]]
        partial = torch.multinomial(self.positive, counts[1], True, generator=g)
        b, e = self.words[partial].unbind(1)
        early = b + (e - b) * uniform((counts[1],), -1.0, 0.45, g)
        late = b + (e - b) * uniform((counts[1],), 0.5, 1.5, g) + FRAMES
        ends.append(torch.where(torch.rand(counts[1], generator=g) < 0.6, early, late))
        negative = torch.multinomial(self.negative, counts[2], True, generator=g)
        ends.append(10 + torch.rand(counts[2], generator=g) * bank.lengths[negative])
        labels.append(torch.zeros(counts[1] + counts[2], dtype=torch.long))
        which, end = torch.cat([whole, partial, negative]), torch.cat(ends)
        others = self.other[torch.randint(len(self.other), (len(which),), generator=g)] if len(self.other) else None
        around = None if others is None else (bank, others)
        rows = self.mixer.rows_of(bank, which, end, g, around)
        # Words said backwards are speech of the same voices and rooms, and no words.
        backwards = torch.rand(counts[0], generator=g) < 0.06
        backwards = torch.cat([backwards, torch.zeros(len(which) - counts[0], dtype=torch.bool)])
        labels = torch.cat(labels)
        rows = torch.where(backwards[:, None, None], self._reverse(rows), rows)
        labels = torch.where(backwards, torch.zeros((), dtype=torch.long), labels)
        noise = self._noise(size - len(which), g)
        return torch.cat([rows, noise]), torch.cat([labels, torch.zeros(len(noise), dtype=torch.long)])

    def _reverse(self, rows):
        return rows.view(len(rows), FRAMES, -1).flip(1).reshape(rows.shape)

    def _noise(self, n, g):
        bank = self.mixer.noise
        which = torch.randint(len(bank.lengths), (n,), generator=g)
        end = FRAMES + torch.rand(n, generator=g) * (bank.lengths[which] - FRAMES)
        return self.mixer.rows_of(bank, which, end, g)


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
    parser.add_argument("--steps", type=int, default=12000)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--feed-forward", type=int, default=160)
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--variants", type=int, default=4)
    parser.add_argument("--strength", type=float, default=1.0)
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
        add(bank, parts["train"], labels, rng, args.variants, 0)
        if args.tts:
            add(bank, [(p, label_of(name)) for p, name in audio.files(args.tts)], labels, rng, 1, 2)
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
    batch = Batches(bank, Mixer(CONFIG, noise, PER_ROW, ROWS, args.strength), 64)
    judge = lambda m: {"val": judge_clips(m, clips, labels, TRIGGER)[0]}  # noqa: E731
    every = max(1, min(1000, args.steps))
    run = train(model, batch, args.steps, args.state, args.rate, seed=args.seed, judge=judge, every=every)
    model = run.average
    if args.pictures:
        pictures.training(args.pictures / "training.svg", run.history)
    if args.out:
        model.save(args.out)
    judged = [("val", clips)] + ([("test", log_mels(parts["test"], bank.filters))] if args.test else [])
    for name, some in judged:
        for kind, m in (("f32", model), ("int8", model.folded())):
            right, wrong = judge_clips(m, some, labels, TRIGGER)
            print(f"{name} {kind}: {len(some)} clips, right {right:.4f}", json.dumps(wrong))


if __name__ == "__main__":
    main()
