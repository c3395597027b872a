"""The front ends in f64: 16-bit samples to log-mel frames, and a motion sensor's to scaled ones (`frontend.md`).

    python models/common/frontend.py golden.safetensors     # writes the golden vectors anew

The engine's integers are compared with this. Needs numpy alone (and safetensors for the golden vectors).
"""

import sys

import numpy as np

FLOOR = 1024.0  # added to every mel energy, in squared units of a 16-bit sample
UNIT = 8  # a log-mel is an integer in units of 2^-UNIT octaves of energy
FEATURE = 10  # the model reads that integer in units of 2^-FEATURE: octaves / 4

WAKE = {"sample_rate": 16000, "n_fft": 512, "hop_length": 320, "n_mels": 40, "f_min": 60.0, "f_max": 7600.0}
DIGITS = {"sample_rate": 8000, "n_fft": 256, "hop_length": 128, "n_mels": 32, "f_min": 60.0, "f_max": 3900.0}


def mel_filters(c):
    """(n_mels, n_fft / 2 + 1): triangles of peak 1 in Hz between equal steps of HTK mel.

    What `torchaudio.functional.melscale_fbanks(…, norm=None, mel_scale="htk")` gives, transposed.
    """
    mel = lambda f: 2595.0 * np.log10(1.0 + f / 700.0)  # noqa: E731
    hertz = lambda m: 700.0 * (10.0 ** (m / 2595.0) - 1.0)  # noqa: E731
    edges = hertz(np.linspace(mel(c["f_min"]), mel(c["f_max"]), c["n_mels"] + 2))
    bins = np.arange(c["n_fft"] // 2 + 1) * c["sample_rate"] / c["n_fft"]
    rise = (bins[None] - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    fall = (edges[2:, None] - bins[None]) / (edges[2:] - edges[1:-1])[:, None]
    return np.maximum(0.0, np.minimum(rise, fall))


def hann(n):
    """The periodic Hann window, `torch.hann_window(n)`."""
    return 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(n) / n)


def mel_energies(samples, c, filters=None):
    """(frames, n_mels) of energies in squared units of a sample; frame t begins at sample t · hop_length."""
    samples, n = np.asarray(samples, np.float64), c["n_fft"]
    if len(samples) < n:
        samples = np.pad(samples, (0, n - len(samples)))
    frames = np.lib.stride_tricks.sliding_window_view(samples, n)[:: c["hop_length"]]
    power = np.abs(np.fft.rfft(frames * hann(n))) ** 2
    return power @ (mel_filters(c) if filters is None else filters).T


def log_mel(energies):
    """Octaves above one squared unit, with the floor: log2(energy + 1024)."""
    return np.log2(energies + FLOOR)


def quantise(octaves):
    """Integers in units of 2^-8 octaves, half up."""
    return np.floor(octaves * 2.0**UNIT + 0.5).astype(np.int16)


def frames(samples, c, filters=None):
    """(frames, n_mels): the integer log-mels of samples."""
    return quantise(log_mel(mel_energies(samples, c, filters)))


def loudest(log_mels, count):
    """The `count` successive frames with the largest sum, the first of equals: what a whole file is judged by."""
    total = np.concatenate([[0], np.cumsum(log_mels.astype(np.int64).sum(1))])
    begin = int(np.argmax(total[count:] - total[:-count])) if len(log_mels) > count else 0
    return log_mels[begin : begin + count]


def level(window):
    """A window of integer log-mels, (frames, n_mels), less its mean (rounded half up)."""
    window = np.asarray(window, np.int64)
    total, count = int(window.sum()), window.size
    mean = (2 * total + count) // (2 * count)
    return np.clip(window - mean, -32768, 32767).astype(np.int16)


def rows(log_mels, per_row, count):
    """The newest `count` rows of the model's input from a stream's integer log-mels so far.

    A row is `per_row` frames. Frames that the stream did not have yet are 0 after levelling.
    """
    window = np.asarray(log_mels)[-per_row * count :]
    out = np.zeros((per_row * count, window.shape[1]), np.int16)
    out[len(out) - len(window) :] = level(window)
    return out.reshape(count, -1)


def scaled(samples, c):
    """A motion sensor's integers (samples, channels) as the model reads them: scaled, rounded half up, saturated."""
    product = (np.asarray(samples, np.int64) - np.asarray(c["offset"])) * np.asarray(c["multiplier"], np.int64)
    return np.clip((product + (1 << (c["shift"] - 1))) >> c["shift"], -32768, 32767).astype(np.int16)


def golden_cases(c):
    """Signals that a front end gets wrong first: loud, quiet, clipped, constant, an impulse."""
    n = c["n_fft"] + 7 * c["hop_length"]
    t = np.arange(n) / c["sample_rate"]
    state, noise = 1, np.zeros(n)
    for i in range(n):  # Knuth's linear congruential generator, so that no library decides the noise
        state = (1664525 * state + 1013904223) % 2**32
        noise[i] = state / 2**31 - 1.0
    chirp = np.sin(2 * np.pi * (100 * t + 0.4 * c["f_max"] / t[-1] * t * t))
    cases = {
        "speech_level": 6000 * chirp + 300 * noise,
        "quiet": 12 * chirp + 2 * noise,
        "clipped": 90000 * chirp,
        "constant": np.full(n, -20000.0),
        "silence": np.zeros(n),
        "impulse": np.where(np.arange(n) == c["n_fft"] + 40, 32767.0, 0.0),
        "full_scale_noise": 32767 * np.sign(noise),
    }
    return {k: np.clip(np.round(v), -32768, 32767).astype(np.int16) for k, v in cases.items()}


def main():
    from safetensors.numpy import save_file

    tensors = {}
    for name, c in (("wake", WAKE), ("digits", DIGITS)):
        for case, samples in golden_cases(c).items():
            tensors[f"{name}.{case}.samples"] = samples
            tensors[f"{name}.{case}.log_mel"] = frames(samples, c)
    save_file(tensors, sys.argv[1])


if __name__ == "__main__":
    main()
