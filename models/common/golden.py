"""What a model must answer for the recordings kept beside it: the f64 front end and the f32 checkpoint.

    python models/common/golden.py models/digits        # models/digits/samples/* and checkpoint → golden.json

`golden.json` holds for each file the events of a model with a trigger (label, seconds, confidence), else the label and the
probabilities of all labels. A device's int8 arithmetic must give the same labels, and nearly the same numbers.
Samples are `LABEL-anything.wav`, `.flac`, or `.csv` (rows of integers, one column a channel).
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch

import audio
import frontend
import stream
from encoder import Encoder


def probabilities(model, frames):
    """(n, labels) for integer frames (n, rows, frame_len)."""
    with torch.no_grad():
        x = torch.tensor(np.stack(frames) * 2.0 ** model.config["feature_exponent"], dtype=torch.float32)
        return model(x).softmax(1)


def answer(model, path):
    """The events, or the best label and all probabilities (of a motion file: of each window, half overlapping)."""
    config = model.config
    features, labels = config["features"], config["labels"]
    told = lambda p: {"label": labels[int(p.argmax())], "probabilities": [round(float(v), 4) for v in p]}  # noqa: E731
    if features["kind"] == "motion":
        samples, size = np.loadtxt(path, delimiter=",", ndmin=2), features["window"]
        begins = range(0, len(samples) - size + 1, size // 2)
        frames = [frontend.scaled(samples[i : i + size], features).reshape(config["context"], -1) for i in begins]
        return {"windows": [told(p) for p in probabilities(model, frames)]}
    per_row, rows = features["frames_per_row"], config["context"]
    frames = frontend.frames(audio.read(path, features["sample_rate"]), features)
    if "trigger" not in config:
        window = frontend.rows(frontend.loudest(frames, per_row * rows), per_row, rows)
        return told(probabilities(model, [window])[0])
    found = stream.events(stream.scores(model, frames, per_row, rows), config["trigger"])
    return {"events": [{"label": labels[k], "time": round(stream.seconds(row, features, per_row), 3),
                        "confidence": round(c, 4)} for row, k, c in found]}


def main():
    folder = Path(sys.argv[1])
    model = Encoder.load(folder / "checkpoint")
    files = sorted(p for p in (folder / "samples").iterdir() if p.suffix in (".wav", ".flac", ".csv"))
    answers = {path.name: answer(model, path) for path in files}
    lines = ",\n".join(f" {json.dumps(name)}: {json.dumps(found)}" for name, found in answers.items())
    (folder / "golden.json").write_text("{\n" + lines + "\n}\n")
    print(f"{folder / 'golden.json'}: {len(answers)} files")


if __name__ == "__main__":
    main()
