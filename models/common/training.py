"""One training loop for all recipes: AdamW, a cosine, averaged weights, and a state to go on from."""

import copy
import os
import time
from pathlib import Path

import torch
import torch.nn.functional as F

from encoder import learning_rate


def train(model, batch, steps, state, peak=2e-3, weight_decay=0.05, smoothing=0.1, seed=1,
          average=0.998, judge=None, every=500, minutes=3, patience_key=None, quiet=False):
    """Trains `model` on what `batch(generator)` gives: (frames, labels) or (frames, distributions).

    `judge(averaged model)` returns a dict of figures, printed every `every` steps; the weights with the
    best `patience_key` are kept, or the last ones without a key. Every few `minutes` all of the progress goes to the
    file `state`; the same command goes on from there. Returns the chosen averaged model, with the course
    of the training in its `curve`.
    """
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    optimizer = torch.optim.AdamW(model.parameters(), peak, betas=(0.9, 0.98), weight_decay=weight_decay)
    averaged, chosen, best, step, spent, curve = copy.deepcopy(model), None, -1.0, 0, 0.0, []
    state = Path(state) if state else None
    if state and state.exists():
        saved = torch.load(state, weights_only=False)
        model.load_state_dict(saved["model"])
        averaged.load_state_dict(saved["averaged"])
        optimizer.load_state_dict(saved["optimizer"])
        generator.set_state(saved["generator"])
        torch.set_rng_state(saved["rng"])
        chosen, best, step = saved["chosen"], saved["best"], saved["step"]
        spent, curve = saved["spent"], saved.get("curve", [])
        print(f"going on from step {step}", flush=True)

    def keep():
        if not state:
            return
        temporary = state.with_suffix(".part")
        torch.save({"model": model.state_dict(), "averaged": averaged.state_dict(),
                    "optimizer": optimizer.state_dict(), "generator": generator.get_state(),
                    "rng": torch.get_rng_state(), "chosen": chosen, "best": best, "step": step,
                    "spent": spent, "curve": curve}, temporary)
        os.replace(temporary, state)

    start = saved_at = time.time()
    before = spent
    while step < steps:
        model.train()
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, steps, peak)
        frames, labels = batch(generator)
        loss = F.cross_entropy(model(frames), labels, label_smoothing=smoothing)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        step += 1
        decay = min(average, step / (step + 100))
        with torch.no_grad():
            torch._foreach_lerp_(list(averaged.parameters()), list(model.parameters()), 1 - decay)
        spent = before + time.time() - start
        if step % every == 0 or step == steps:
            averaged.eval()
            with torch.no_grad():
                figures = judge(averaged) if judge else {}
            curve.append({"step": step, "loss": round(loss.item(), 4), **{k: round(v, 4) for k, v in figures.items()}})
            if not quiet:
                told = " ".join(f"{k} {v:.4f}" for k, v in figures.items())
                print(f"step {step} loss {loss.item():.3f} {told} {spent:.0f} s", flush=True)
            if patience_key and figures[patience_key] >= best:
                best, chosen = figures[patience_key], copy.deepcopy(averaged.state_dict())
        if time.time() - saved_at > 60 * minutes:
            keep()
            saved_at = time.time()
    keep()
    averaged.load_state_dict(chosen if chosen is not None else averaged.state_dict())
    averaged.curve = curve
    return averaged.eval()
