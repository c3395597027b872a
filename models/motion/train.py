"""Trains the motion model: six activities from an accelerometer and a gyroscope, HAPT.

    python models/motion/train.py --data DIR/hapt --out models/motion/checkpoint [--state FILE]
    python models/motion/train.py --data FOLDER --out CHECKPOINT        # your own recordings
    python models/motion/train.py --data DIR/hapt --folds 5             # the figure that chose the recipe

DIR/hapt holds `hapt_w128.npz` (Reyes-Ortiz et al. 2014, CC BY 4.0). FOLDER holds `LABEL/*.csv` or `LABEL-*.csv`:
a row for each sample, a column for each channel, integers as the sensor gives them, 50 rows a second
(another rate works as well: a window is 128 rows). Needs torch, numpy, safetensors. One CPU thread.

Users are apart: 9 of the 30 are the test's, as in UCI's split; the recipe was chosen by `--folds`, where
the other 21 are split into five groups, each judged by a model that was trained on the others.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "common"))
import frontend  # noqa: E402
import pictures  # noqa: E402
from encoder import Encoder, parameters  # noqa: E402
from training import train  # noqa: E402

WINDOW, PATCH, UNIT = 128, 8, 10  # samples a window, samples a row, features in units of 2^-UNIT
ACTIVITIES = ["walking", "walking_upstairs", "walking_downstairs", "sitting", "standing", "lying"]
TEST_USERS = [2, 4, 9, 10, 12, 13, 18, 20, 24]
# HAPT is in g and rad/s; a sensor set to 4 g and 500 degrees a second gives these integers.
RAW = np.array([8192] * 3 + [32768 / np.deg2rad(500)] * 3)


def hapt(folder):
    """[(samples × 6 integers, label, user)], overlapping windows put together into whole runs again."""
    data = np.load(folder / "hapt_w128.npz")
    windows, labels, users = data["X"].astype(np.float64), data["Y"], data["S"]
    runs, joined = [], None
    for i in range(len(windows)):
        if joined is not None and labels[i] == labels[i - 1] and users[i] == users[i - 1] and (
            np.array_equal(windows[i][:64], windows[i - 1][64:])
        ):
            joined.append(windows[i][64:])
        else:
            joined = [windows[i]]
            runs.append((joined, int(labels[i]), int(users[i])))
    quantise = lambda parts: np.clip(np.round(np.concatenate(parts) * RAW), -32768, 32767)  # noqa: E731
    return [(quantise(parts), label, user) for parts, label, user in runs]


def read(file):
    """(samples, channels) of a csv file, read as `picoformer eval --csv` reads it: a first line of names is skipped."""
    try:
        rows = [line.split(",") for line in file.read_text("utf-8-sig").splitlines() if line.strip()]
        if rows and not any(map(number, rows[0])):
            rows = rows[1:]
        samples = np.array([[float(value) for value in row] for row in rows]).reshape(len(rows), -1)
    except (ValueError, UnicodeDecodeError) as error:
        raise SystemExit(f"{file}: not rows of numbers, one column for each channel: {error}")
    if not np.isfinite(samples).all():
        raise SystemExit(f"{file}: a value is no number (NaN or infinite)")
    return np.clip(np.round(samples), -32768, 32767)


def number(text):
    try:
        return [float(text)]
    except ValueError:
        return []


def own(folder):
    """A user's recordings as `hapt` gives them; each file is a user of its own."""
    files = sorted(folder.glob("*/*.csv")) + sorted(folder.glob("*-*.csv"))
    if not files:
        raise SystemExit(f"{folder}: neither hapt_w128.npz nor LABEL/*.csv nor LABEL-*.csv")
    name = lambda f: f.parent.name if f.parent != folder else f.stem.rsplit("-", 1)[0]  # noqa: E731
    names = sorted({name(f) for f in files})
    empty = sorted({path.name for path in folder.iterdir() if path.is_dir()} - set(names))
    if empty:
        raise SystemExit(f"{folder / empty[0]}: a label without a recording (.csv)")
    if len(names) < 2:
        raise SystemExit(f"{folder}: one label, `{names[0]}`; at least two are needed to tell them apart")
    runs = []
    for user, file in enumerate(files):
        samples = read(file)
        if runs and samples.shape[1] != runs[0][0].shape[1]:
            raise SystemExit(f"{file}: {samples.shape[1]} channels; {files[0]} has {runs[0][0].shape[1]}")
        if len(samples) < WINDOW:
            raise SystemExit(f"{file}: {len(samples)} rows; a window needs {WINDOW}")
        runs.append((samples, names.index(name(file)), user))
    if np.concatenate([samples for samples, _, _ in runs]).std(0).max() < 1:
        raise SystemExit(f"{folder}: no channel changes by as much as 1: give the sensor's integers, not g or m/s²")
    return runs, names


class Scaling:
    """`frame = round((sample − offset) · multiplier / 2^shift)`, in integers, saturated to 16 bits."""

    SHIFT = 16

    def __init__(self, runs):
        samples = np.concatenate([r for r, _, _ in runs])
        self.offset = np.round(samples.mean(0)).astype(np.int64)
        deviation = np.maximum(samples.std(0), 1.0)
        self.multiplier = np.minimum(np.round(2.0 ** (UNIT + self.SHIFT) / deviation), 2**31 - 1).astype(np.int64)

    def features(self):
        """The numbers as `config.json` has them."""
        return {"offset": self.offset.tolist(), "multiplier": self.multiplier.tolist(), "shift": self.SHIFT}

    def frames(self, samples):
        """Real features: the integers of the device in units of 2^-UNIT."""
        return torch.tensor(frontend.scaled(samples, self.features()) / 2.0**UNIT, dtype=torch.float32)


class Batches:
    """Random windows: another speed, a slightly turned and tilted sensor, noise, gain, offset."""

    def __init__(self, runs, scaling, size, turn, strength, noise):
        self.parts = [torch.tensor(r / scaling_unit(scaling), dtype=torch.float32) for r, _, _ in runs]
        self.offset = torch.tensor(scaling.offset / scaling_unit(scaling), dtype=torch.float32)
        self.labels = torch.tensor([label for _, label, _ in runs])
        self.size, self.turn, self.strength, self.noise = size, turn, strength, noise
        self.flat = torch.cat(self.parts)
        lengths = torch.tensor([len(p) for p in self.parts])
        self.begins = torch.cumsum(lengths, 0) - lengths
        self.lengths = lengths
        # Every label is drawn as often as it has samples, a run as often as it has windows.
        self.weights = (lengths - WINDOW + 32).float()
        self.sensors = self.flat.shape[1] // 3 if self.flat.shape[1] % 3 == 0 else 0

    def __call__(self, g):
        size, s = self.size, self.strength
        rows = torch.multinomial(self.weights, size, True, generator=g)
        speed = 1 + 0.15 * s * (2 * torch.rand(size, 1, generator=g) - 1)
        span = ((WINDOW - 1) * speed).clamp(max=(self.lengths[rows, None] - 1).float())
        begin = torch.rand(size, 1, generator=g) * (self.lengths[rows, None] - 1 - span)
        at = begin + torch.linspace(0, 1, WINDOW) * span
        whole = at.floor().long().clamp(max=self.lengths[rows, None] - 2)
        share = (at - whole)[..., None]
        index = self.begins[rows, None] + whole
        x = self.flat[index] * (1 - share) + self.flat[index + 1] * share
        if self.sensors:  # the same small rotation of every three axes
            angle = torch.deg2rad(torch.tensor(self.turn)) * torch.randn(size, 3, generator=g)
            x = (x.view(size, WINDOW, -1, 3) @ rotation(angle)[:, None]).reshape(size, WINDOW, -1)
        x = x - self.offset
        gain = 1 + 0.1 * s * torch.randn(size, 1, x.shape[2], generator=g)
        x = x * gain + 0.05 * s * torch.randn(size, 1, x.shape[2], generator=g)
        x = x + self.noise * torch.randn(x.shape, generator=g)
        return x.reshape(size, WINDOW // PATCH, -1), self.labels[rows]


def scaling_unit(scaling):
    """What a feature of 1 is in the sensor's integers."""
    return 2.0 ** (UNIT + scaling.SHIFT) / scaling.multiplier


def rotation(angles):
    """Rodrigues' formula: (n, 3) rotation vectors to (n, 3, 3) matrices."""
    zero = torch.zeros(len(angles))
    x, y, z = angles.unbind(1)
    skew = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], 1).view(-1, 3, 3)
    return torch.linalg.matrix_exp(skew)


def windows(runs, scaling):
    """All windows of 128 samples, 64 apart, and their labels: the data set's own for HAPT."""
    frames, labels = [], []
    for samples, label, _ in runs:
        for i in range(0, len(samples) - WINDOW + 1, WINDOW // 2):
            frames.append(scaling.frames(samples[i : i + WINDOW]).reshape(WINDOW // PATCH, -1))
            labels.append(label)
    return torch.stack(frames), torch.tensor(labels)


def arrange(runs, names, folder):
    """Writes every window as LABEL-USER_NUMBER.csv, as `picoformer eval --csv --data` reads them."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, (samples, label, user) in enumerate(runs):
        for i in range(0, len(samples) - WINDOW + 1, WINDOW // 2):
            file = folder / f"{names[label]}-user{user:02}_{number:03}_{i:05}.csv"
            np.savetxt(file, samples[i : i + WINDOW], "%d", ",")


def predictions(model, frames):
    with torch.no_grad():
        return torch.cat([model(part) for part in frames.split(512)])


def fit(runs, judged, names, args, seed, state=None):
    """A finished `Run` on `runs`; reports its accuracy on `judged` while it trains. Nothing is chosen by that."""
    scaling = Scaling(runs)
    channels = runs[0][0].shape[1]
    config = {
        "frame_len": PATCH * channels, "d_model": args.width, "n_layers": args.layers, "n_heads": 4,
        "d_ff": 2 * args.width, "context": WINDOW // PATCH, "labels": names, "feature_exponent": -UNIT,
        "features": {
            "kind": "motion", "channels": channels, "window": WINDOW, "samples_per_frame": PATCH,
            **scaling.features(),
        },
    }
    torch.manual_seed(seed)
    model = Encoder(config, args.dropout, args.depth_drop)
    print("parameters", parameters(model), "runs", len(runs), flush=True)
    x, y = windows(judged, scaling)
    judge = lambda m: {"val": (predictions(m, x).argmax(1) == y).float().mean().item()}  # noqa: E731
    batch = Batches(runs, scaling, 64, args.turn, args.strength, args.noise)
    run = train(model, batch, args.steps, state, peak=args.rate, weight_decay=args.decay, seed=seed,
                judge=judge, every=max(1, args.steps // 10))
    return run, scaling


def report(title, model, frames, labels, names):
    """Accuracy in f32 and in (simulated) int8, and the confusions."""
    exact, rounded = predictions(model, frames).argmax(1), predictions(model.folded(), frames).argmax(1)
    print(f"{title}: {len(labels)} windows, f32 {(exact == labels).float().mean():.4f}, "
          f"int8 {(rounded == labels).float().mean():.4f}")
    counts = torch.bincount(labels * len(names) + exact, minlength=len(names) ** 2).view(len(names), -1)
    for name, row in zip(names, counts.tolist()):
        print(f"  {name:20}", *(f"{count:5}" for count in row))
    return exact, counts


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--state", type=Path)
    parser.add_argument("--folds", type=int, default=0)
    parser.add_argument("--only", type=int, help="of the folds, this one alone")
    parser.add_argument("--test", action="store_true", help="judge the test users; once, at the end")
    parser.add_argument("--test-folder", type=Path, help="writes the test's windows there and ends")
    parser.add_argument("--pictures", type=Path, help="a folder for training.svg and confusion.svg")
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--layers", type=int, default=3)
    parser.add_argument("--dropout", type=float, default=0.2)
    parser.add_argument("--depth-drop", type=float, default=0.0)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--decay", type=float, default=0.05)
    parser.add_argument("--turn", type=float, default=5.0, help="degrees, standard deviation")
    parser.add_argument("--noise", type=float, default=0.05, help="standard deviation, in features")
    parser.add_argument("--strength", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(1)
    if (args.data / "hapt_w128.npz").exists():
        runs, names = hapt(args.data), ACTIVITIES
        test = [r for r in runs if r[2] in TEST_USERS]
        runs = [r for r in runs if r[2] not in TEST_USERS]
    else:
        runs, names = own(args.data)
        test = []
    if args.test_folder:
        return arrange(test, names, args.test_folder)
    users = sorted({user for _, _, user in runs})
    users = [users[i] for i in np.random.default_rng(0).permutation(len(users))]
    if args.folds:
        right = []
        for fold in [args.only] if args.only is not None else range(args.folds):
            held = users[fold :: args.folds]
            rest = [r for r in runs if r[2] not in held]
            judged = [r for r in runs if r[2] in held]
            run, scaling = fit(rest, judged, names, args, args.seed)
            frames, labels = windows(judged, scaling)
            exact, _ = report(f"fold {fold}", run.average, frames, labels, names)
            right.append((exact == labels).float())
        print(f"folds: {torch.cat(right).mean():.4f}")
        return
    run, scaling = fit(runs, runs[:: len(runs) // 20 or 1], names, args, args.seed, args.state)
    if args.out:
        run.average.save(args.out)
    report("trained on", run.average, *windows(runs, scaling), names)
    if args.test and test:
        _, counts = report("test", run.average, *windows(test, scaling), names)
    if args.pictures:
        pictures.training(args.pictures / "training.svg", run.history, "some windows of the training")
        if args.test and test:
            pictures.confusion(args.pictures / "confusion.svg", "Windows of the test", counts, names)


if __name__ == "__main__":
    main()
