"""Recordings of a folder, and what may honestly be done to them before training."""

import hashlib
import shutil
from math import gcd
from pathlib import Path

import numpy as np
import soundfile
from scipy.signal import fftconvolve, resample_poly


def files(folder):
    """[(path, label)] of `LABEL/*` and `LABEL-*`, wav and flac, sorted."""
    folder, found = Path(folder), []
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in (".wav", ".flac"):
            inside = path.parent != folder
            found.append((path, path.parent.name if inside else path.stem.rsplit("-", 1)[0]))
    if not found:
        raise SystemExit(f"{folder}: no LABEL/*.wav, LABEL-*.wav or .flac")
    return found


def labelled(folder):
    """As `files`, for a user's own recordings: every folder has one, every name a label, and there are two to tell apart."""
    found = files(folder)
    for path, label in found:
        if path.parent == Path(folder) and label in ("", path.stem):
            raise SystemExit(f"{path}: no label in its name: call it LABEL-{path.name}, or put it into a folder LABEL")
    empty = sorted({path.name for path in Path(folder).iterdir() if path.is_dir()} - {label for _, label in found})
    if empty:
        raise SystemExit(f"{Path(folder) / empty[0]}: a label without a recording (.wav or .flac)")
    return found


def read(path, sample_rate):
    """Mono samples in units of a 16-bit sample, at `sample_rate`."""
    try:
        samples, rate = soundfile.read(path, dtype="float64", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise SystemExit(f"{path}: not a recording that can be read: {error.error_string}")
    if missing := cut(path):
        raise SystemExit(f"{path}: it is cut: {missing} bytes of its samples are missing")
    if len(samples) == 0:
        raise SystemExit(f"{path}: no samples")
    if not np.isfinite(samples).all():
        raise SystemExit(f"{path}: a sample is no number (NaN or infinite)")
    samples = samples.mean(1) * 32768.0
    if rate != sample_rate:
        common = gcd(rate, sample_rate)
        samples = resample_poly(samples, sample_rate // common, rate // common)
    return samples.astype(np.float32)


def cut(path):
    """How many bytes a wav file's samples lack: libsndfile reads what is there and says nothing."""
    with open(path, "rb") as file:
        end = file.seek(0, 2)
        file.seek(0)
        if file.read(12)[:4] != b"RIFF":
            return 0
        while len(head := file.read(8)) == 8:
            size = int.from_bytes(head[4:], "little")
            if head[:4] == b"data":
                return max(0, file.tell() + size - end)
            file.seek(size + size % 2, 1)
    return 0


def word(path, sample_rate):
    """As `read`, for a recording of a word, which teaches nothing where every sample is the same."""
    samples = read(path, sample_rate)
    if np.ptp(samples) == 0:
        raise SystemExit(f"{path}: it is silent: every sample is {samples[0]:g}")
    return samples


def part(path, test=10, val=10):
    """Training, validation or test by the hash of a file's name."""
    value = int(hashlib.sha256(Path(path).name.encode()).hexdigest(), 16) % 100
    return "test" if value < test else "val" if value < test + val else "train"


def own_split(found):
    """A user's recordings: of every label a fifth, at least one, for validation, chosen by hash; no test."""
    parts = {"train": [], "val": [], "test": []}
    for label in sorted({label for _, label in found}):
        some = sorted((p for p, name in found if name == label), key=lambda p: hashlib.sha256(p.name.encode()).digest())
        if len(some) < 2:
            raise SystemExit(f"{label}: {len(some)} recording; at least 2 are needed, 10 or more make sense")
        held = max(1, len(some) // 5)
        parts["val"] += [(p, label) for p in some[:held]]
        parts["train"] += [(p, label) for p in some[held:]]
    return parts


def arrange(found, folder):
    """Copies recordings to LABEL-anything, as `picoformer eval --data` reads them."""
    folder.mkdir(parents=True, exist_ok=True)
    for path, label in found:
        shutil.copyfile(path, folder / f"{label}-{path.stem.replace('-', '_')}{path.suffix.lower()}")


def at_speed(samples, speed):
    """Faster and higher, or slower and lower: resampled by a ratio near `speed`."""
    up = 40
    down = int(round(up * speed))
    return samples if down == up else resample_poly(samples, up, down).astype(np.float32)


def in_room(samples, sample_rate, rng):
    """As heard some way off in a room: a direct path and a decaying tail of noise (Polack's model)."""
    decay = rng.uniform(0.1, 0.6)  # seconds to −60 dB
    n = int(sample_rate * decay)
    tail = rng.standard_normal(n) * 10 ** (-3.0 * np.arange(n) / n)
    tail[: int(0.002 * sample_rate)] = 0.0
    tail *= 10 ** (rng.uniform(-12.0, 3.0) / 20) / np.sqrt((tail**2).sum() + 1e-9)
    tail[0] = 1.0
    return fftconvolve(samples, tail)[: len(samples)].astype(np.float32)


def coloured_noise(n, slope, rng):
    """Noise whose power falls with frequency to the power of `slope`: 0 white, 1 pink, 2 brown."""
    spectrum = np.fft.rfft(rng.standard_normal(n))
    spectrum *= np.maximum(np.arange(len(spectrum)), 8.0) ** (-slope / 2)
    noise = np.fft.irfft(spectrum, n)
    return (noise / noise.std()).astype(np.float32)
