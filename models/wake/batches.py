"""The windows that the wake model learns from: whole words, parts of words, other speech, noise."""

import numpy as np
import torch

import frontend
import stream
from bank import uniform

WHOLE, PARTIAL, OTHER = 0.36, 0.14, 0.42  # of a batch; the rest is noise
UNSURE = 0.02  # a window in which this much of a word is heard is worth learning from
SHARES = (1.0, 5.0, 0.25, 0.3)  # how often a recording is drawn: words, the few hey_computer, made by programs, digits


class Batches:
    """`batch(generator)` for `training.train`: rows and labels; 0 is "nothing"."""

    def __init__(self, bank, mixer, size):
        self.bank, self.mixer, self.size = bank, mixer, size
        self.hard = torch.zeros(0, 3, dtype=torch.float64)  # recording, last frame, how surely it sounds like a word
        positive = bank.labels > 0
        begin, end = bank.words[:, 0], bank.words[:, 1]
        begin = torch.where(end - begin > mixer.frames - 10, end - 50, begin)  # noise as loud as the word
        self.words = torch.stack([begin, end], 1).float()
        per_label = 1.0 / torch.bincount(bank.labels).float().clamp_min(1)
        share = torch.tensor(SHARES)[bank.groups]
        self.positive = torch.where(positive, per_label[bank.labels] * share, torch.zeros(()))
        # Other speech is drawn by its length, programs' less than people's.
        self.negative = torch.where(positive, torch.zeros(()), (bank.lengths.float() + 60) * share)
        self.other = torch.nonzero(~positive).flatten()

    def mine(self, model):
        """From now on half of the other speech is windows in which `model` hears a word, and those found earlier, drawn half
        as often as before. Returns how many were found."""
        bank, mixer, found = self.bank, self.mixer, []
        for which in self.other.tolist():
            begin, length = int(bank.begins[which]), int(bank.lengths[which])
            energy = np.exp2(bank.flat[begin : begin + length].numpy() / 256.0) - 1.0
            after = np.zeros((30, energy.shape[1]))  # words are heard late
            log_mel = frontend.quantise(frontend.log_mel(np.concatenate([energy, after])))
            heard = 1.0 - stream.scores(model, log_mel, mixer.per_row, mixer.rows)[:, 0]
            found += [(which, (row + 1) * mixer.per_row - 1, heard[row]) for row in np.flatnonzero(heard > UNSURE)]
        found = torch.tensor(found, dtype=torch.float64).reshape(-1, 3)
        earlier = self.hard * torch.tensor([1.0, 1.0, 0.5])
        self.hard = torch.cat([earlier, found])
        return len(found)

    def __call__(self, g):
        bank, frames = self.bank, self.mixer.frames
        whole, partial, other = (int(self.size * share) for share in (WHOLE, PARTIAL, OTHER))
        other = other if len(self.other) else 0  # a user may have recorded nothing else
        words = torch.multinomial(self.positive, whole, True, generator=g)
        b, e = self.words[words].unbind(1)
        # From 40 ms after the word, as long as it is still inside.
        latest = torch.maximum(torch.minimum(b + frames - 4, e + 45), e + 3)
        ends = [e + 2 + torch.rand(whole, generator=g) * (latest - e - 2)]
        parts = torch.multinomial(self.positive, partial, True, generator=g)
        b, e = self.words[parts].unbind(1)
        early = b + (e - b) * uniform((partial,), -1.0, 0.6, g)
        late = b + (e - b) * uniform((partial,), 0.5, 1.5, g) + frames
        ends.append(torch.where(torch.rand(partial, generator=g) < 0.6, early, late))
        mined = other // 2 if len(self.hard) else 0
        which = torch.cat([words, parts])
        if other:
            speech = torch.multinomial(self.negative, other - mined, True, generator=g)
            which = torch.cat([which, speech])
            ends.append(10 + torch.rand(other - mined, generator=g) * (bank.lengths[speech] + 20))
        if mined:
            picks = torch.multinomial(self.hard[:, 2], mined, True, generator=g)
            which = torch.cat([which, self.hard[picks, 0].long()])
            ends.append(self.hard[picks, 1].float() + uniform((mined,), -3, 3, g))
        labels = torch.cat([bank.labels[words], torch.zeros(len(which) - whole, dtype=torch.long)])
        around = (bank, self.other[torch.randint(len(self.other), (len(which),), generator=g)]) if other else None
        rows = self.mixer.rows_of(bank, which, torch.cat(ends), g, around)
        # Words said backwards are speech of the same voices and rooms, and no words.
        backwards = (torch.rand(len(which), generator=g) < 0.06) & (torch.arange(len(which)) < whole)
        rows = torch.where(backwards[:, None, None], self._reverse(rows), rows)
        labels = torch.where(backwards, torch.zeros((), dtype=torch.long), labels)
        noise = self._noise(self.size - len(which), g)
        return torch.cat([rows, noise]), torch.cat([labels, torch.zeros(len(noise), dtype=torch.long)])

    def _reverse(self, rows):
        return rows.view(len(rows), self.mixer.frames, -1).flip(1).reshape(rows.shape)

    def _noise(self, n, g):
        bank = self.mixer.noise
        which = torch.randint(len(bank.lengths), (n,), generator=g)
        end = self.mixer.frames + torch.rand(n, generator=g) * (bank.lengths[which] - self.mixer.frames)
        return self.mixer.rows_of(bank, which, end, g)
