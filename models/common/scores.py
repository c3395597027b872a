"""Figures of a classifier that may answer "none of these": accuracy, thresholds, calibration.

The score of a sentence is its largest log-probability among the labels other than that of no intent; it is
accepted if its score reaches the threshold.
"""

import torch


def scores(logits, none):
    """`(score, label)` of every row of logits; `none` is the index of the label of no intent, or None."""
    logp = torch.log_softmax(logits.double(), 1)
    if none is not None:
        logp[:, none] = -torch.inf
    return logp.max(1)


def threshold(score, rejected):
    """The threshold that rejects at most the share `rejected` of these sentences."""
    ordered = score.sort().values
    return ordered[int(rejected * len(ordered))].item()


def calibration_error(score, right, bins=15):
    """Expected calibration error (Guo et al. 2017, §2): mean distance of confidence and accuracy in equal bins."""
    confidence = score.exp()
    place = (confidence * bins).long().clamp(max=bins - 1)
    error = 0.0
    for b in range(bins):
        inside = place == b
        if inside.any():
            error += inside.sum() * (confidence[inside].mean() - right[inside].double().mean()).abs()
    return float(error) / len(score)


def temperature(logits, labels):
    """The divisor of logits with the least cross-entropy (Guo et al. 2017, §4.2), by bisection in its logarithm."""
    low, high = -2.0, 2.0
    for _ in range(40):
        middle = torch.tensor((low + high) / 2, dtype=torch.double, requires_grad=True)
        loss = torch.nn.functional.cross_entropy(logits.double() / middle.exp(), labels)
        (slope,) = torch.autograd.grad(loss, middle)
        low, high = (low, middle.item()) if slope > 0 else (middle.item(), high)
    return float(torch.tensor(low).exp())


def report(inside, labels, outside, none, limit=None, rejected=0.05):
    """All figures; the threshold is `limit` or what rejects the share `rejected` of `inside`."""
    score, found = scores(inside, none)
    right = found == labels
    limit = threshold(score, rejected) if limit is None else limit
    figures = {
        "accuracy": right.double().mean().item(),
        "threshold": limit,
        "in_scope_rejected": (score < limit).double().mean().item(),
        "accepted_and_right": ((score >= limit) & right).double().mean().item(),
        "calibration_error": calibration_error(score, right),
    }
    if len(outside):
        figures["out_of_scope_recall"] = (scores(outside, none)[0] < limit).double().mean().item()
    return figures
