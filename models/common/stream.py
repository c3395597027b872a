"""A stream through a sliding window: a score for every row, and the events that they trigger (`frontend.md`)."""

import numpy as np
import torch

import frontend


def window_rows(log_mel, per_row, rows):
    """(n, rows, features): the model's input after every whole row of a stream's integer log-mels."""
    frames, mels = per_row * rows, log_mel.shape[1]
    x = torch.tensor(np.asarray(log_mel), dtype=torch.float32)
    ends = torch.arange(per_row - 1, len(x), per_row)
    if len(ends) == 0:
        ends = torch.tensor([len(x) - 1])
    at = ends[:, None] - torch.arange(frames - 1, -1, -1)[None]
    there = (at >= 0)[..., None].float()
    x = x[at.clamp_min(0)] * there
    count = there.sum((1, 2), keepdim=True) * mels
    # Sums of integers below 2^24 are exact in f32; the quotient is rounded half up as on the device.
    mean = torch.floor(x.double().sum((1, 2), keepdim=True) / count + 0.5).float()
    return ((x - mean) * there / 2.0**frontend.FEATURE).reshape(len(ends), rows, -1)


def scores(model, log_mel, per_row, rows):
    """(n, labels) probabilities after every row of a stream."""
    with torch.no_grad():
        parts = window_rows(log_mel, per_row, rows).split(512)
        return torch.cat([model(part).softmax(1) for part in parts]).numpy()


def smooth(probabilities, rows):
    """The mean of the last `rows` probabilities, those before the stream's begin counted as 0."""
    total = np.cumsum(np.concatenate([np.zeros((rows, probabilities.shape[1])), probabilities]), 0)
    return (total[rows:] - total[:-rows]) / rows


def events(probabilities, trigger, nothing=0):
    """[(row, label, confidence)] of a stream's probabilities.

    The score of a label is its smoothed probability. The best label but `nothing` is an event when its score reaches
    `threshold`, at least `refractory` rows have passed since the last event, and the score of that event's label has
    been below half the threshold in the meantime.
    """
    score, threshold = smooth(probabilities, trigger["smooth"]), trigger["threshold"]
    score[:, nothing] = 0.0
    best, found, last, armed, free = score.argmax(1), [], 0, True, 0
    for row in range(len(score)):
        armed = armed or score[row, last] < threshold / 2
        if armed and row >= free and score[row, best[row]] >= threshold:
            last, armed, free = int(best[row]), False, row + trigger["refractory"]
            found.append((row, last, float(score[row, last])))
    return found


def seconds(row, config, per_row):
    """The time of an event: when the row's last sample has come."""
    last = (row + 1) * per_row * config["hop_length"] + config["n_fft"] - config["hop_length"]
    return last / config["sample_rate"]
