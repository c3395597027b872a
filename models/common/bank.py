"""Log-mel frames of many recordings, and batches of windows made of them.

Speed, pitch and room are changed in the samples, a few times for each recording, once. Tempo, voice (vocal tract length,
Jaitly & Hinton 2013), microphone, gain, noise and what stands before and after are changed in the mel energies
of each batch, which costs little; energies of sounds that are mixed add up.
"""

import numpy as np
import torch

import audio
import frontend


class Bank:
    """Recordings as one array of frames, log2(energy + 1) in units of 2^-8, with where each begins."""

    def __init__(self, config):
        self.config, self.filters = config, frontend.mel_filters(config)
        self.frames, self.labels, self.words, self.groups = [], [], [], []

    def add(self, samples, label, word=None, group=0):
        """One recording; `word` is (begin, end) of what was said, in frames."""
        energies = frontend.mel_energies(samples, self.config, self.filters)
        self.frames.append(np.round(np.log2(energies + 1.0) * 256).astype(np.int16))
        self.labels.append(label)
        self.words.append(word if word is not None else spoken(energies))
        self.groups.append(group)

    def finish(self):
        lengths = torch.tensor([len(f) for f in self.frames])
        self.lengths, self.begins = lengths, torch.cumsum(lengths, 0) - lengths
        self.flat = torch.tensor(np.concatenate(self.frames))
        self.labels, self.words = torch.tensor(self.labels), torch.tensor(self.words)
        self.groups = torch.tensor(self.groups)
        self.peaks = torch.tensor([np.exp2(f.astype(np.float32) / 256).sum(1).max() for f in self.frames])
        return self

    def energies(self, which, at):
        """(n, frames, mels) energies of recordings `which` at fractional frames `at`, and where there are any."""
        last = self.lengths[which, None] - 1
        inside = (at >= 0) & (at <= last)
        whole = at.floor().long().clamp(min=0)
        low = torch.minimum(whole, last)
        high = torch.minimum(whole + 1, last)
        share = (at - whole).clamp(0, 1)[..., None]
        start = self.begins[which, None]
        log = self.flat[start + low].float() * (1 - share) + self.flat[start + high].float() * share
        return torch.exp2(log / 256) * inside[..., None], inside

    def peak(self, which):
        """Largest energy of each recording's frames."""
        return self.peaks[which]


def cached(file, make):
    """What `make()` gives, kept in `file` if one is named: it takes minutes and is always the same."""
    if file and file.exists():
        return torch.load(file, weights_only=False)
    made = make()
    if file:
        torch.save(made, file)
    return made


def spoken(energies):
    """First and last frame within 20 dB of the peak (above 180 Hz, so that hum does not count)."""
    loud = energies[:, 3:].sum(1)
    inside = np.flatnonzero(loud >= loud.max() * 0.01)  # of silence, all
    return int(inside[0]), int(inside[-1])


def variants(samples, sample_rate, rng, count):
    """The recording itself, and `count − 1` times at another speed, half of them in a room."""
    yield samples, 1.0
    for i in range(count - 1):
        speed = rng.uniform(0.86, 1.16)
        other = audio.at_speed(samples, speed)
        yield (audio.in_room(other, sample_rate, rng) if i % 2 else other), speed


def noises(config, rng, seconds=20):
    """A bank of noise of several colours, hum, clicks, whistles and beeps."""
    bank, n = Bank(config), config["sample_rate"] * seconds
    t = np.arange(n) / config["sample_rate"]
    for slope in (0.0, 0.5, 1.0, 1.5, 2.0, 2.5):
        bank.add(3000 * audio.coloured_noise(n, slope, rng), 0)
    for base in (50.0, 60.0, 120.0, 180.0):
        hum = sum(np.sin(2 * np.pi * base * k * t + rng.uniform(0, 6)) / k for k in range(1, 20))
        bank.add(2000 * hum + 50 * rng.standard_normal(n), 0)
    for _ in range(4):
        clicks = np.where(rng.random(n) < 3.0 / config["sample_rate"], 20000 * rng.standard_normal(n), 0)
        bank.add(np.convolve(clicks, np.exp(-np.arange(400) / rng.uniform(5, 80)))[:n] + 30 * rng.standard_normal(n), 0)
        steps = np.repeat(rng.uniform(200, config["sample_rate"] * 0.4, seconds * 4), n // (seconds * 4))
        tone = np.sin(2 * np.pi * np.cumsum(steps) / config["sample_rate"])
        bank.add(4000 * tone * (0.5 + 0.5 * np.sin(2 * np.pi * rng.uniform(0.5, 6) * t)), 0)
        slow = np.interp(t, np.arange(0, seconds + 1, 0.5), rng.uniform(0, 1, 2 * seconds + 2))
        bank.add(4000 * slow * audio.coloured_noise(n, rng.uniform(0, 2), rng), 0)
    return bank.finish()


def uniform(shape, low, high, g):
    return low + (high - low) * torch.rand(shape, generator=g)


class Mixer:
    """From placed recordings to the model's rows; noise is at most as loud as `noisiest`, in dB from it to the speech.
    `narrow` of the windows lack what is above some frequency from 3.4 kHz on."""

    def __init__(self, config, noise, per_row, rows, strength=1.0, noisiest=3.0, narrow=0.0):
        self.config, self.noise, self.noisiest, self.narrow = config, noise, noisiest, narrow
        hertz = (np.arange(config["n_fft"] // 2 + 1)) * config["sample_rate"] / config["n_fft"]
        filters = frontend.mel_filters(config)
        self.centres = torch.tensor((filters @ hertz) / np.maximum(filters.sum(1), 1e-9), dtype=torch.float32)
        self.per_row, self.rows, self.frames = per_row, rows, per_row * rows
        self.strength = strength

    def rows_of(self, bank, which, end, g, around=None, alone=0.3, absent=0.5):
        """Windows whose last frame is frame `end` of recordings `which`.

        Where the window goes beyond the recording there is silence, or with `around`, (bank, indices), another
        recording; before the recording, with the probability `absent`, there is nothing yet.
        `alone` of the windows get no noise.
        """
        n, frames, mels, s = len(which), self.frames, self.config["n_mels"], self.strength
        tempo = 1 + 0.1 * s * uniform((n, 1), -1, 1, g)
        back = torch.arange(frames - 1, -1, -1).float()[None]
        at = end[:, None].float() - back * tempo
        energy, inside = bank.energies(which, at)
        peak = bank.peak(which)[:, None, None].clamp_min(1.0)
        energy = energy / peak
        begun = torch.ones(n, frames, dtype=torch.bool)
        none_yet = torch.rand(n, 1, generator=g) < absent
        before = at < 0
        begun &= ~(before & none_yet)
        if around is not None:
            other, others = around
            start = uniform((n, 1), 0, 1, g) * (other.lengths[others, None] - frames).clamp_min(1)
            fill, _ = other.energies(others, start + torch.arange(frames)[None])
            fill = fill / other.peak(others)[:, None, None].clamp_min(1.0)
            fill = fill * 10 ** uniform((n, 1, 1), -2.5, 0.3, g)
            use = (torch.rand(n, 1, generator=g) < 0.5) & ~inside
            energy = torch.where(use[..., None], fill, energy)
        energy = self._voice(energy, g)
        wave = torch.linspace(0, 3.14159, mels)[None, None]
        colour = sum(uniform((n, 1, 1), -3 * s, 3 * s, g) * torch.cos(k * wave) for k in (1, 2, 3))
        energy = energy * 10 ** (colour / 10)
        # the speech's loudest frame between 52 dB below full scale and clipping
        full = 32768.0**2 * self.config["n_fft"] ** 2 / 16
        gain = full * 10 ** uniform((n, 1, 1), -5.2, 0.0, g)
        energy = energy * gain
        picks = torch.randint(len(self.noise.lengths), (n,), generator=g)
        start = uniform((n, 1), 0, 1, g) * (self.noise.lengths[picks, None] - frames)
        noise, _ = self.noise.energies(picks, start + torch.arange(frames)[None])
        noise = noise / noise.sum(2).mean(1)[:, None, None].clamp_min(1.0)
        ratio = 10 ** (uniform((n, 1, 1), self.noisiest if s else 60, 45, g) / 10)
        quiet = torch.rand(n, 1, 1, generator=g) < alone
        energy = energy + torch.where(quiet, torch.zeros(()), noise * gain / ratio)
        if self.narrow:
            limit = uniform((n, 1, 1), 3400, self.config["sample_rate"] / 2, g)
            out = (torch.rand(n, 1, 1, generator=g) < self.narrow) & (self.centres > limit)
            energy = energy.masked_fill(out, 0.0)
        return self.finish(energy, begun, g if s else None)

    def _voice(self, energy, g):
        """Mel bands moved by a few per cent, as by a longer or shorter vocal tract."""
        n, _, mels = energy.shape
        scale = 1 + 0.06 * self.strength * uniform((n, 1), -1, 1, g)
        at = (torch.arange(mels)[None] * scale + self.strength * uniform((n, 1), -0.7, 0.7, g)).clamp(0, mels - 1)
        low = at.floor().long()
        share = (at - low)[:, None]
        low, high = low[:, None].expand_as(energy), (low + 1).clamp(max=mels - 1)[:, None].expand_as(energy)
        return energy.gather(2, low) * (1 - share) + energy.gather(2, high) * share

    def finish(self, energy, begun, g=None):
        """Floor, logarithm, level over the frames that have begun, bands and times left out, rows."""
        log = torch.round(torch.log2(energy + frontend.FLOOR) * 256)
        weight = begun[..., None].float()
        mean = (log * weight).sum((1, 2), keepdim=True) / (weight.sum((1, 2), keepdim=True) * log.shape[2]).clamp_min(1)
        x = (log - torch.floor(mean + 0.5)) * weight / 2.0**frontend.FEATURE
        if g is not None:  # SpecAugment (Park et al. 2019)
            n, frames, mels = x.shape
            for axis, size, widest in ((1, frames, frames // 8), (2, mels, mels // 7)):
                width = torch.randint(0, widest + 1, (n, 1), generator=g)
                begin = (torch.rand(n, 1, generator=g) * (size - width)).long()
                place = torch.arange(size)[None]
                out = (place >= begin) & (place < begin + width) & (torch.rand(n, 1, generator=g) < 0.6)
                x = x.masked_fill(out.unsqueeze(2 if axis == 1 else 1), 0.0)
        return x.reshape(len(x), self.rows, -1)
