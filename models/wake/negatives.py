"""Makes the endless stream in which nothing may wake the model: flac files of five minutes.

    python models/wake/negatives.py --split test --data DIR/wakewords --tts DIR/tts-test --digits DIR/recordings \\
        --out FOLDER --hours 5.5

Other words (the recordings of the split), spoken digits (FSDD, index 0 to 4 for the test, 5 to 9 for the
validation), speech made by programs (`speech.py`, voices of the split), noises of many kinds and silence follow each
other at random levels, a good part of the speech in noise. Recordings come again when they are used up, at another level and
in another noise. (Words that resemble the wake words are judged apart.) Training has seen none of them, and the seeds of the noises differ.
Files are named `nothing-NNN.flac`, so that `picoformer eval` takes every event for a false one.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import soundfile

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "common"))
import audio  # noqa: E402

RATE, MINUTES = 16000, 5
SEEDS = {"val": 1001, "test": 2002}


def noise(n, rng):
    """One of coloured noise, slowly changing noise, hum, clicks, tones."""
    t, kind = np.arange(n) / RATE, rng.integers(5)
    if kind == 0:
        return audio.coloured_noise(n, rng.uniform(0, 2.2), rng)
    if kind == 1:
        points = max(2, int(3 * n / RATE))
        swell = np.interp(t, np.linspace(0, t[-1], points), rng.uniform(0, 1, points))
        return swell * audio.coloured_noise(n, rng.uniform(0, 2), rng)
    if kind == 2:
        base = rng.choice([50.0, 60.0]) * rng.integers(1, 4)
        return sum(np.sin(2 * np.pi * base * k * t + rng.uniform(0, 6)) / k for k in range(1, 16))
    if kind == 3:
        clicks = np.where(rng.random(n) < rng.uniform(1, 8) / RATE, rng.standard_normal(n), 0)
        return np.convolve(clicks, np.exp(-np.arange(600) / rng.uniform(4, 120)))[:n] * 4
    note = np.repeat(rng.uniform(100, 3000, n // 4000 + 1), 4000)[:n]
    return np.sin(2 * np.pi * np.cumsum(note) / RATE)


def loudness(samples):
    return np.sqrt(np.mean(samples.astype(np.float64) ** 2)) + 1e-6


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--split", choices=list(SEEDS), required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--tts", type=Path, required=True)
    parser.add_argument("--digits", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--hours", type=float, default=5.5)
    args = parser.parse_args()
    rng = np.random.default_rng(SEEDS[args.split])
    indices = range(5) if args.split == "test" else range(5, 10)
    sources = {
        "others": [p for p, label in audio.files(args.data)
                   if label.startswith("other") and audio.part(p, 15, 15) == args.split],
        "digits": [p for p, _ in audio.files(args.digits) if int(p.stem.rsplit("_", 1)[1]) in indices],
        "tts": [p for p, label in audio.files(args.tts) if label == "other_tts"],
        "noise": [None], "silence": [None],
    }
    shares = {"others": 0.25, "digits": 0.1, "tts": 0.6, "noise": 0.03, "silence": 0.02}
    decks = {k: [] for k in sources}
    args.out.mkdir(parents=True, exist_ok=True)
    for number in range(int(np.ceil(args.hours * 60 / MINUTES))):
        parts, length = [], 0
        while length < MINUTES * 60 * RATE:
            kind = rng.choice(list(shares), p=list(shares.values()))
            if not decks[kind]:
                decks[kind] = [sources[kind][i] for i in rng.permutation(len(sources[kind]))]
            source = decks[kind].pop()
            peak = 32767 * 10 ** (rng.uniform(-35, 0) / 20)
            if kind == "silence":
                part = np.zeros(int(RATE * rng.uniform(1, 6)))
            elif kind == "noise":
                part = noise(int(RATE * rng.uniform(2, 8)), rng)
                part = part / (np.abs(part).max() + 1e-6) * peak
            else:
                part = audio.read(source, RATE)
                part = np.pad(part, (0, int(RATE * rng.uniform(0.1, 0.8))))
                part = part / (np.abs(part).max() + 1e-6) * peak
                if rng.random() < 0.5:
                    other = noise(len(part), rng)
                    part = part + other * loudness(part) / loudness(other) * 10 ** (-rng.uniform(0, 30) / 20)
            parts.append(part)
            length += len(part)
        samples = np.clip(np.round(np.concatenate(parts)), -32768, 32767).astype(np.int16)
        soundfile.write(args.out / f"nothing-{number:03}.flac", samples, RATE, subtype="PCM_16")


if __name__ == "__main__":
    main()
