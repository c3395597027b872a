"""The training of the encoders over frames: AdamW, a cosine, averaged weights (`run.py` keeps the state)."""

import torch
import torch.nn.functional as F

from encoder import learning_rate
from run import Run


def train(model, batch, steps, state=None, peak=2e-3, weight_decay=0.05, smoothing=0.1, seed=1,
          average=0.998, judge=None, every=500):
    """Trains `model` on what `batch(generator)` gives, (frames, labels) or (frames, distributions); the finished `Run`.

    `judge(averaged model)` returns a dict of figures, reported every `every` steps; nothing is chosen by them. Each step
    has a seed of its own, so that a run that goes on from the file `state` ends as one that was never cut.
    """
    optimizer = torch.optim.AdamW(model.parameters(), peak, betas=(0.9, 0.98), weight_decay=weight_decay)
    run = Run(state, model, optimizer, decay=average)
    while run.step < steps:
        torch.manual_seed(seed * 10**6 + run.step)
        frames, labels = batch(torch.Generator().manual_seed(seed * 10**6 + run.step))
        model.train()
        loss = F.cross_entropy(model(frames), labels, label_smoothing=smoothing)
        run.advance(loss, learning_rate(run.step, steps, peak))
        if run.step % every == 0 or run.step == steps:
            with torch.no_grad():
                figures = judge(run.average.eval()) if judge else {}
            run.report(loss=round(loss.item(), 4), **{k: round(v, 4) for k, v in figures.items()})
    run.save(finished=True)
    run.average.eval()
    return run
