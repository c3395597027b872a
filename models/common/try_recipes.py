"""Runs the recipes on twenty lines or recordings of a user's own: python models/common/try_recipes.py [texts|sensors]

Trains nothing worth keeping; fails if a recipe does not end with a checkpoint, or refuses bad data without naming it.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile

MODELS = Path(__file__).resolve().parent.parent


def recipe(name, *words):
    script = next(p for p in (MODELS / name / "recipe.py", MODELS / name / "train.py") if p.exists())
    command = [sys.executable, str(script), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True)


def finishes(name, out, *words):
    done = recipe(name, *words)
    if done.returncode or not (out / "model.safetensors").exists():
        raise SystemExit(f"{name}: {done.stderr[-2000:]}")
    print(f"{name}: ok", flush=True)


def refuses(name, needle, *words):
    done = recipe(name, *words)
    if done.returncode == 0 or needle not in done.stderr or "Traceback" in done.stderr:
        raise SystemExit(f"{name}: {needle} was not named: {done.stderr[-500:]}")


def tone(hertz, rate, number):
    """Half a second of a tone that swells and fades, somewhere in 1.5 seconds of faint noise."""
    rng = np.random.default_rng(number)
    samples = 0.003 * rng.standard_normal(rate * 3 // 2)
    at, n = int(rng.uniform(0, 1) * rate), rate // 2
    if hertz:
        samples[at : at + n] += 0.3 * np.hanning(n) * np.sin(2 * np.pi * hertz * np.arange(n) / rate)
    return samples


def sensors():
    """Tones of two pitches as words, in both ways of naming; a sensor that swings slowly or fast."""
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        for i in range(20):
            label, hertz = (("low", 400), ("high", 1500), ("nothing", 0))[i % 3]
            (folder / "inside" / label).mkdir(parents=True, exist_ok=True)
            (folder / "named").mkdir(exist_ok=True)
            soundfile.write(folder / "inside" / label / f"{i}.wav", tone(hertz, 8000, i), 8000)
            soundfile.write(folder / "named" / f"{label}-{i}.wav", tone(hertz, 44100, i), 44100)
            swing = 4000 * np.sin(np.arange(300)[:, None] * (0.1 + 0.3 * (i % 2)) + np.arange(3) + i)
            (folder / "swings").mkdir(exist_ok=True)
            np.savetxt(folder / "swings" / f"{('slow', 'fast')[i % 2]}-{i}.csv", swing, "%d", ",")
        for name, data in (("digits", "inside"), ("digits", "named"), ("wake", "inside"), ("wake", "named"), ("motion", "swings")):
            out = folder / "out" / name / data
            finishes(name, out, "--data", folder / data, "--out", out, "--steps", 20)
        (folder / "bad").mkdir()
        refuses("digits", "LABEL-*.wav", "--data", folder / "bad", "--out", folder / "no")
        (folder / "bad" / "low-1.wav").write_bytes(b"RIFF, and no more")
        (folder / "bad" / "low-2.wav").write_bytes(b"")
        for name in ("digits", "wake"):
            refuses(name, "low-", "--data", folder / "bad", "--out", folder / "no")
        for content, needle in (("1,2,3\n" * 20, "20 rows"), ("1,2,x\n" * 200, "low-1.csv"), ("", "low-1.csv")):
            (folder / "bad" / "low-1.csv").write_text(content)
            refuses("motion", needle, "--data", folder / "bad", "--out", folder / "no")
        print("bad recordings are named")


def texts():
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        colours = ["red", "green", "blue", "white", "black"]
        things = ["lamp", "door"]
        lines = [json.dumps({"text": f"{verb} the {c} {t}", "label": verb}) for c in colours for t in things for verb in ("open", "close")]
        (folder / "intent.jsonl").write_text("\n".join(lines) + "\n")
        out = folder / "intent"
        finishes("intent", out, "--data", folder / "intent.jsonl", "--work", folder / "w1", "--out", out, "--steps", 16)

        rows = [{"text": f"make the {t} {c}", "tags": ["O", "O", "B-thing", "B-colour"], "intent": "paint"} for c in colours
                for t in ("lamp", "door", "wall", "roof")]
        (folder / "slots.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
        out = folder / "slots"
        finishes("slots", out, "--data", folder / "slots.jsonl", "--work", folder / "w2", "--out", out, "--steps", 10)

        words = [a + b for a in ("ba", "di", "ku", "lo", "me") for b in ("ra", "ne", "to", "si")]
        listed = (f"{w}\t{' '.join(w.upper())}" for w in words)
        (folder / "words.tsv").write_text("\n".join(listed) + "\n")
        out = folder / "g2p"
        finishes("g2p", out / "checkpoint", "--data", folder / "words.tsv", "--state", folder / "g2p.pt", "--out", out, "--epochs", 2)

        (folder / "texts").mkdir()
        for i in range(20):
            (folder / f"texts/{i}.txt").write_text(f"Once there were {i} foxes who lived in a wood. " * 9)
        out = folder / "tales"
        finishes("tales", out, "--data", folder / "texts", "--work", folder / "w4", "--out", out, "--steps", 2, "--batch", 2,
                 "--vocab", 300, "--context", 32)

        for name, line in (("intent", '{"text": "open the door"}'), ("slots", '{"text": "two words", "tags": ["O"]}')):
            (folder / "bad.jsonl").write_text(line + "\n")
            refuses(name, "line 1", "--data", folder / "bad.jsonl", "--work", folder / "w5", "--out", folder / "no")
        print("bad lines are named")


if __name__ == "__main__":
    for kind in sys.argv[1:] or ["sensors", "texts"]:
        {"sensors": sensors, "texts": texts}[kind]()
