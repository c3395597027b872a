"""Runs the recipes on twenty lines or recordings of a user's own: python models/common/try_recipes.py [texts|sensors|four_bits]

Trains nothing worth keeping; fails if a recipe does not end with a checkpoint, or refuses bad data without naming it.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile
from safetensors.numpy import load_file

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


def refuses(name, needles, *words):
    done = recipe(name, *words)
    if done.returncode == 0 or any(n not in done.stderr for n in needles) or "Traceback" in done.stderr:
        raise SystemExit(f"{name}: {needles} was not named: {done.stderr[-500:]}")


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
            (folder / "word").mkdir(exist_ok=True)  # a wake word of one's own, and nothing else
            soundfile.write(folder / "word" / f"hello-{i}.wav", tone(800, 16000, i), 16000)
        tried = {"digits": ["inside", "named"], "wake": ["inside", "named", "word"], "motion": ["swings"]}
        for name, data in ((name, data) for name, some in tried.items() for data in some):
            out = folder / "out" / name / data
            finishes(name, out, "--data", folder / data, "--out", out, "--steps", 20)
        strange_recordings(folder)
        bad_recordings(folder)
        bad_motions(folder)


def strange_recordings(folder):
    """Other depths, channels and rates, a clipped one, and silence where no word is: all are taken."""
    kinds = [(16000, "PCM_24", 2), (44100, "PCM_32", 1), (8000, "PCM_U8", 1), (11025, "FLOAT", 2), (48000, "PCM_16", 3)]
    some = folder / "strange"
    some.mkdir()
    for i in range(20):
        rate, kind, channels = kinds[i % len(kinds)]
        label, hertz = (("low", 400), ("high", 1500))[i % 2]
        samples = np.clip(tone(hertz, rate, i) * (9.0 if i == 4 else 1.0), -1.0, 1.0)
        soundfile.write(some / f"{label}-{i}.WAV", np.stack([samples] * channels, 1), rate, subtype=kind)
    for i in range(4):
        soundfile.write(some / f"nothing-{i}.flac", np.zeros(9000 if i else 1), 16000)
    finishes("wake", folder / "out" / "strange", "--data", some, "--out", folder / "out" / "strange", "--steps", 20)
    for quiet in some.glob("nothing-*"):
        quiet.unlink()
    finishes("digits", folder / "out" / "odd", "--data", some, "--out", folder / "out" / "odd", "--steps", 20)


def bad_recordings(folder):
    """Each of these is named, with the file or label that it is about."""
    good, sound = folder / "good.wav", tone(400, 16000, 1)
    soundfile.write(good, sound, 16000)
    whole, empty = good.read_bytes(), folder / "empty.wav"
    soundfile.write(empty, np.zeros(0), 16000)
    soundfile.write(folder / "silent.wav", np.zeros(16000), 16000)
    soundfile.write(folder / "good.flac", sound, 16000)
    soundfile.write(folder / "nan.wav", np.where(np.arange(len(sound)) == 9, np.nan, sound), 16000, subtype="FLOAT")
    flac = (folder / "good.flac").read_bytes()
    files = {
        "low-5.wav": [
            (whole[: len(whole) // 2], "is cut"), (whole[:44], "is cut"), (whole[:30], "can be read"), (b"", "can be read"),
            (b"this is a text\n" * 99, "can be read"), (empty.read_bytes(), "no samples"),
            ((folder / "silent.wav").read_bytes(), "silent"), ((folder / "nan.wav").read_bytes(), "NaN")],
        "low-5.flac": [(flac[: len(flac) // 2], "can be read")],
        "low/.keep": [(b"", "a label without a recording")],
        "low.wav": [(whole, "no label in its name")],
    }
    for number, (name, content, reason) in enumerate((n, *case) for n, cases in files.items() for case in cases):
        bad = folder / "bad" / str(number)
        (bad / name).parent.mkdir(parents=True)
        for i in range(4):
            soundfile.write(bad / f"high-{i}.wav", tone(1500, 16000, i), 16000)
            if "-" in name:
                (bad / f"low-{i}.wav").write_bytes(whole)
        (bad / name).write_bytes(content)
        for recipe in ("digits", "wake") if number < 2 else ("digits", "wake")[number % 2 :][:1]:
            refuses(recipe, (str(bad / name).removesuffix("/.keep"), reason), "--data", bad, "--out", folder / "no", "--steps", 1)
    bad = folder / "bad" / "few"
    bad.mkdir()
    refuses("digits", ("LABEL-*.wav",), "--data", bad, "--out", folder / "no")
    (bad / "other-1.wav").write_bytes(whole)
    refuses("digits", ("other: 1 recording",), "--data", bad, "--out", folder / "no")
    (bad / "other-2.wav").write_bytes(whole)
    refuses("digits", ("one label, `other`",), "--data", bad, "--out", folder / "no")
    refuses("wake", ("no recording of a word",), "--data", bad, "--out", folder / "no")
    print("bad recordings are named")


def bad_motions(folder):
    swing = "".join(f"{i % 50},{i % 30},9\n" for i in range(200))
    bad = folder / "bad" / "motions"
    bad.mkdir()
    (bad / "still-1.csv").write_text("ax, ay, az\n\n" + swing)
    refuses("motion", ("one label, `still`",), "--data", bad, "--out", folder / "no")
    for content, needle in (("1,2,3\n" * 20, "20 rows"), ("1,2,x\n" * 200, "'x'"), ("", "0 "), (swing + "1,2\n", "rows"),
                            (swing + "1,2,nan\n", "NaN"), ("1,2\n" * 200, "2 channels")):
        (bad / "swing-1.csv").write_text(content)
        refuses("motion", ("swing-1.csv", needle), "--data", bad, "--out", folder / "no")
    for name in ("still-1.csv", "swing-1.csv"):
        (bad / name).write_text("0.1,0.2,0.9\n" * 200)
    refuses("motion", ("integers",), "--data", bad, "--out", folder / "no")
    print("bad motions are named")


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

        bad_lines(folder)


def bad_lines(folder):
    good = {"intent": '{"text": "close it", "label": "close"}', "slots": '{"text": "a b", "tags": ["O", "B-x"]}', "g2p": "ba\tB AH"}
    cases = {
        "intent": [b'{"text": "open the door"}', b"no tab", b'{"text": "", "label": "a"}', b'{"text": "a", "label": 0}', b"{,", b"\xff\xfe"],
        "slots": [b'{"text": "two words", "tags": ["O"]}', b"{,", b"[]", b'{"text": "a", "tags": ["thing"]}', b'{"text": "", "tags": []}'],
        "g2p": [b"word", b"word\t ", "caf\u00e9\tK AE F".encode(), b"\xe9\tA"],
    }
    bad = folder / "bad.txt"
    for name, contents in cases.items():
        state = ("--state", folder / "none.pt") if name == "g2p" else ("--work", folder / "w5")
        refuses(name, ("nothing-here", "UTF-8"), "--data", folder / "nothing-here", *state, "--out", folder / "no")
        for content in (b"", *contents):
            bad.write_bytes(b"\n".join([good[name].encode(), b"", content]) if content else b"\n\n")
            place = "no lines" if not content else "line 3" if content[0] < 0x80 or content[:2] == b"\xc3\xa9" else "UTF-8"
            refuses(name, ("bad.txt", place), "--data", bad, *state, "--out", folder / "no")
    (folder / "latin").mkdir()
    for content, needle in ((b"caf\xe9", "UTF-8"), (b" \n", "none with a text")):
        (folder / "latin" / "a.txt").write_bytes(content)
        refuses("tales", ("latin", needle), "--data", folder / "latin", "--work", folder / "w5", "--out", folder / "no")
    print("bad lines are named")


def four_bits():
    """A decoder, a classifier and an encoder-decoder: what gets four bits ends on a grid, what keeps eight does not."""
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        (folder / "texts").write_text("turn the lights on\nwhat time is it in paris\n" * 4)
        (folder / "words").write_text("ba\tB AA1\ndo\tD UW1\n" * 4)
        golden = MODELS.parent / "tests/golden/gpt2-tied"
        for name, source, words in (
            ("decoder", golden, ("--texts", 8, "--length", 16, "--rows", 32)),
            ("classifier", MODELS / "intent/checkpoint", ("--data", folder / "texts")),
            ("encoder-decoder", MODELS / "g2p/checkpoint", ("--data", folder / "words")),
        ):
            eight = "k" if name == "decoder" else "v"
            for out in ("first", "second"):
                command = [MODELS / "common/finetune.py", source, "--out", folder / out, "--steps", 3, "--batch", 4, "--eight", eight, *words]
                done = subprocess.run([sys.executable, *map(str, command)], capture_output=True, text=True)
                if done.returncode:
                    raise SystemExit(f"{name}: {done.stderr[-2000:]}")
            first, second = (load_file(folder / out / "model.safetensors") for out in ("first", "second"))
            if any((first[n] != second[n]).any() for n in first):
                raise SystemExit(f"{name}: two runs of one seed differ")
            grids = {n: all(on_grid(row) for row in rows) for n, rows in linear(first, eight)}
            wrong = [n for n, grid in grids.items() if grid != (not n.endswith("/" + eight))]
            if wrong or not any(grids.values()) or all(grids.values()):
                raise SystemExit(f"{name}: {wrong}")
            print(f"{name}: four bits are on their grids")
        for words, needle in (((), "--data FILE"), (("--data", folder / "texts", "--eight", "kk"), "--eight kk")):
            command = [MODELS / "common/finetune.py", MODELS / "intent/checkpoint", "--out", folder / "no", *words]
            done = subprocess.run([sys.executable, *map(str, command)], capture_output=True, text=True)
            if done.returncode == 0 or needle not in done.stderr or "Traceback" in done.stderr:
                raise SystemExit(f"{needle} was not named: {done.stderr[-500:]}")


def linear(weights, eight):
    """(name/role, rows) of the linear layers of three families, with the outputs in the first dimension."""
    marks = {"k": (".self.key.", ".k."), "v": (".self.value.", ".v.")}[eight]
    for name, weight in weights.items():
        if weight.ndim != 2 or "position" in name or "relative" in name or "token_type" in name or "wpe" in name:
            continue
        if ".c_attn." in name:
            yield from ((f"{name}/{role}", part.T) for role, part in zip("qkv", np.split(weight, 3, 1)))
        elif ".c_" in name:
            yield name, weight.T
        else:
            keeps = any(mark in name for mark in marks) and "EncDec" not in name
            yield name + ("/" + eight if keeps else ""), weight


def on_grid(row):
    """Whether all weights are a code of four bits times one step."""
    largest = np.abs(row).max().astype(float)
    if largest == 0:
        return True
    codes = (row * (code / largest) for code in range(1, 9))
    return any(np.abs(c - c.round()).max() < 1e-4 and c.round().max() <= 7 for c in codes)


if __name__ == "__main__":
    for kind in sys.argv[1:] or ["sensors", "texts", "four_bits"]:
        {"sensors": sensors, "texts": texts, "four_bits": four_bits}[kind]()
