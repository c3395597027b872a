"""A training run that survives being stopped: its state on disk, its history, an average of its weights."""

import copy
import json
import time

import torch


class Run:
    """Model, optimizer and steps done; `average` is an exponential moving average of the weights, if wanted.

    `file` is the state (None: none is kept): a run made with the same file goes on where that one was. What is reported
    is in `history`, and written behind `file` with the ending `.jsonl`. `seconds` is the CPU time of all parts of the run."""

    def __init__(self, file, model, optimizer, decay=None, every=240):
        self.file, self.model, self.optimizer, self.decay, self.every = file, model, optimizer, decay, every
        self.average = copy.deepcopy(model) if decay else None
        self.step, self.history, earlier = 0, [], 0.0
        if file and file.exists():
            state = torch.load(file, weights_only=True)
            model.load_state_dict(state["model"])
            if "optimizer" in state:
                optimizer.load_state_dict(state["optimizer"])
            if decay:
                self.average.load_state_dict(state["average"])
            self.step, self.history, earlier = state["step"], state.get("history", []), state["seconds"]
        self.start, self.saved = time.process_time() - earlier, time.time()
        self.weights = list(model.parameters())

    @property
    def seconds(self):
        return time.process_time() - self.start

    def advance(self, loss, rate):
        """One step down the gradient of `loss`; `rate` times the `scale` of each group of parameters."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group.get("scale", 1.0)
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.weights, 1.0)
        self.optimizer.step()
        self.step += 1
        if self.average is not None:
            with torch.no_grad():
                keep = min(self.decay, self.step / (self.step + 100))
                torch._foreach_lerp_(list(self.average.parameters()), self.weights, 1 - keep)
        if time.time() - self.saved > self.every:
            self.save()
            print(f"step {self.step} loss {loss.item():.4f} cpu {self.seconds:.0f}s", flush=True)

    def report(self, **figures):
        record = {"step": self.step, "cpu_seconds": round(self.seconds), **figures}
        line = json.dumps(record)
        print(line, flush=True)
        self.history.append(record)
        if not self.file:
            return
        with self.file.with_suffix(".jsonl").open("a") as file:
            file.write(line + "\n")

    def save(self, finished=False):
        self.saved = time.time()
        if not self.file:
            return
        state = {"model": self.model.state_dict(), "step": self.step, "seconds": self.seconds, "history": self.history}
        if self.average is not None:
            state["average"] = self.average.state_dict()
        if not finished:
            state["optimizer"] = self.optimizer.state_dict()
        new = self.file.with_suffix(".new")
        torch.save(state, new)
        new.replace(self.file)


def alike(lengths, batch, seed, pool=16):
    """The batches of an epoch: shuffled, but each of rows of like length, so that little is padding."""
    g = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(lengths), generator=g)
    parts = [part[lengths[part].argsort()] for part in order.split(pool * batch)]
    batches = list(torch.cat(parts).split(batch))
    return [batches[i] for i in torch.randperm(len(batches), generator=g).tolist()]
