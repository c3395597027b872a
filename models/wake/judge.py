"""Chooses the trigger by the validation split, or judges a checkpoint with the trigger it has.

    python models/wake/judge.py CHECKPOINT --data DIR/wakewords --stream DIR/negatives-val --split val --choose
    python models/wake/judge.py CHECKPOINT --data DIR/wakewords --stream DIR/negatives-test --similar DIR/tts-test --split test

A clip is right when exactly one event with its label appears, or none if the model does not have the label. Latency counts
from the last 20 ms frame within 20 dB of the clip's peak. `--stream` holds what `negatives.py` made, `--similar` what
`speech.py` made, of which the words that resemble the wake words (`other_similar-…`) are judged apart. All
figures are those of the simulated int8 arithmetic; `--float` judges the checkpoint itself.
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
from encoder import Encoder  # noqa: E402
from train import label_of, split  # noqa: E402

REACH = {"clips": 0.98, "false_an_hour": 1.0, "latency": 0.26}  # seconds, with something to spare


def word_end(samples, rate):
    """The sample where the last 20 ms frame within 20 dB of the loudest ends."""
    size = rate // 50
    frames = samples[: len(samples) // size * size].reshape(-1, size).astype(np.float64)
    power = (frames**2).mean(1)
    return (int(np.flatnonzero(power > power.max() * 0.01)[-1]) + 1) * size


def draw(folder, judge, files, clips, trigger):
    """confusion.svg of all clips, and spectrogram.svg of the first that is heard."""
    names, features = judge.labels, judge.features
    counts, shown = np.zeros((len(names), len(names) + 1), int), None
    for (path, _), (label, probabilities, _, _) in zip(files, clips):
        found = stream.events(probabilities, trigger)
        answer = found[0][1] if len(found) == 1 else len(names) if found else 0
        counts[names.index(label), answer] += 1
        if shown is None and answer and names[answer] == label:
            shown = path, probabilities, found
    pictures.confusion(folder / "confusion.svg", "Clips of the test", counts, names, [*names, "several events"])
    path, probabilities, found = shown
    at = lambda row: stream.seconds(row, features, judge.per_row)  # noqa: E731
    smoothed = stream.smooth(probabilities, trigger["smooth"])[:, found[0][1]]
    pictures.spectrogram(
        folder / "spectrogram.svg", f"{path.name}: what the model hears, and its event",
        frontend.frames(audio.read(path, features["sample_rate"]), features), features["hop_length"] / features["sample_rate"],
        [(at(row), names[k], c) for row, k, c in found],
        (names[found[0][1]], [(at(row), p) for row, p in enumerate(smoothed)]))


class Judge:
    def __init__(self, model):
        self.model, self.labels = model, model.config["labels"]
        self.features = model.config["features"]
        self.per_row, self.rows = self.features["frames_per_row"], model.config["context"]
        self.filters = frontend.mel_filters(self.features)

    def scores(self, samples):
        frames = frontend.frames(samples, self.features, self.filters)
        return stream.scores(self.model, frames, self.per_row, self.rows)

    def clips(self, files, silence=0.0):
        """[(label, probabilities, sample where the word ends, name)]; `silence` seconds follow each clip."""
        made = []
        for path, name in files:
            samples = audio.read(path, self.features["sample_rate"])
            end = word_end(samples, self.features["sample_rate"])
            samples = np.pad(samples, (0, int(silence * self.features["sample_rate"])))
            made.append((label_of(name), self.scores(samples), end, path.stem))
        return made

    def judge(self, clips, trigger):
        right, late, wrong = 0, [], []
        for label, probabilities, end, name in clips:
            found = stream.events(probabilities, trigger)
            said = [self.labels[k] for _, k, _ in found]
            if said == ([label] if label in self.labels[1:] else []):
                right += 1
                if found:
                    late.append(stream.seconds(found[0][0], self.features, self.per_row) - end / self.features["sample_rate"])
            else:
                wrong.append((name, said))
        return right / max(1, len(clips)), float(np.median(late)) if late else 0.0, wrong

    def false_events(self, streams, trigger):
        return sum(len(stream.events(p, trigger)) for p in streams)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--stream", type=Path)
    parser.add_argument("--similar", type=Path)
    parser.add_argument("--split", choices=["val", "test"], required=True)
    parser.add_argument("--choose", action="store_true", help="writes the trigger into config.json")
    parser.add_argument("--pictures", type=Path, help="a folder for confusion.svg and spectrogram.svg")
    parser.add_argument("--float", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    model = Encoder.load(args.checkpoint)
    trigger = model.config["trigger"]
    judge = Judge(model if args.float else model.folded())
    wanted = {path for path, _ in split(args.data)[args.split]}
    files = [(p, name) for p, name in audio.files(args.data) if p in wanted]
    clips = judge.clips(files)
    streams, hours = [], 0.0
    for path, _ in audio.files(args.stream) if args.stream else []:
        samples = audio.read(path, judge.features["sample_rate"])
        hours += len(samples) / judge.features["sample_rate"] / 3600
        streams.append(judge.scores(samples))
    if args.choose:
        best = None
        for smooth in range(2, 7):
            for threshold in (*np.arange(0.5, 0.9, 0.05), *np.arange(0.9, 0.996, 0.005)):
                some = {**trigger, "smooth": smooth, "threshold": round(float(threshold), 3)}
                right, late, _ = judge.judge(clips, some)
                false = judge.false_events(streams, some) / max(hours, 1e-9)
                # First what is to be reached. Then a false event an hour beyond half of those allowed weighs as much as
                # half a per cent of the clips.
                reached = right >= REACH["clips"] and false <= REACH["false_an_hour"]
                worth = right - 0.005 * max(0.0, false - REACH["false_an_hour"] / 2)
                rank = (late <= REACH["latency"], reached, round(worth, 4), -false, -late)
                if best is None or rank > best[0]:
                    best = (rank, some)
                print(f"smooth {smooth} threshold {threshold:.3f}: right {right:.4f} false/h {false:.2f} latency {late:.3f} s")
        trigger = best[1]
        config = json.loads((args.checkpoint / "config.json").read_text())
        config["trigger"] = trigger
        (args.checkpoint / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    right, late, wrong = judge.judge(clips, trigger)
    print(f"{args.split}: trigger {trigger}, {len(clips)} clips, right {right:.4f}, median latency {late:.3f} s, "
          f"{judge.false_events(streams, trigger)} false events in {hours:.2f} h")
    if args.similar:
        similar = judge.clips([(p, name) for p, name in audio.files(args.similar) if name == "other_similar"], 1.0)
        right, _, _ = judge.judge(similar, trigger)
        print(f"of {len(similar)} words that resemble the wake words, {1 - right:.4f} give an event")
    if args.pictures:
        draw(args.pictures, judge, files, clips, trigger)
    print("wrong:", json.dumps(wrong))


if __name__ == "__main__":
    main()
