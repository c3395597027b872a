"""Runs the recipes of the text models on twenty lines of a user's own: python models/common/try_recipes.py

Trains nothing worth keeping; fails if a recipe does not end with a checkpoint, or refuses bad lines without naming them.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

MODELS = Path(__file__).resolve().parent.parent


def recipe(name, *words):
    command = [sys.executable, str(MODELS / name / "recipe.py"), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True)


def finishes(name, out, *words):
    done = recipe(name, *words)
    if done.returncode or not (out / "model.safetensors").exists():
        raise SystemExit(f"{name}: {done.stderr[-2000:]}")
    print(f"{name}: ok", flush=True)


def main():
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
            done = recipe(name, "--data", folder / "bad.jsonl", "--work", folder / "w5", "--out", folder / "no")
            if done.returncode == 0 or "line 1" not in done.stderr:
                raise SystemExit(f"{name}: a bad line was not named: {done.stderr[-500:]}")
        print("bad lines are named")


if __name__ == "__main__":
    main()
