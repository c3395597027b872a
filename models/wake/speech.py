"""Speech made by programs: what must not wake the model, and some of what must.

    python models/wake/speech.py --texts DIR/fairytaleqa --out FOLDER --split train --minutes 120

Writes flac files `other_tts-…` (sentences), `other_similar-…` (words that resemble the wake words) and, for training
alone, `WORD-…`. Training, validation and test have other voices and other sentences. Needs the programs `espeak-ng`,
`flite` and, for training, `festival` with its voices ked, lp and pc (Debian packages espeak-ng, flite, festival, festvox-kdlpc16k,
festvox-italp16k, festvox-itapc16k), and soundfile, scipy.
"""

import argparse
import csv
import random
import subprocess
import sys
import tempfile
from pathlib import Path

import soundfile

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "common"))
import audio  # noqa: E402

RATE = 16000
WORDS = {"alexa": "alexa", "computer": "computer", "jarvis": "jarvis", "smart_mirror": "smart mirror",
         "snowboy": "snowboy", "view_glass": "view glass"}
SIMILAR = (
    "alex;alexander;lexus;election;a lecture;elastic;perplexed;relax a bit;commuter;compute;computing;"
    "competitor;come here;communicate;jarred;jars;travis;harvest;service;carvings;jar of this;smart;mirror;"
    "smart phone;smarter;art mirror;start nearer;rear view mirror;smart meter;snow;boy;snowball;snowman;slow boy;"
    "no boy;cowboy;show boy;view;glass;viewing;few glasses;fuel gas;new class;view this;hour glass;blue glass"
).split(";")
# (program, voice, pitch shift in espeak's units, words a minute or a stretch)
ESPEAK = {
    "train": ["en-us", "en-us+f2", "en-us+m3", "en-gb", "en-gb+f4", "en-gb-scotland+m5", "en-us+Annie", "en-gb+Hugo",
              "en-us+Alicia", "en-029+m1", "en-us+Denis", "en-gb+linda", "en-us+steph", "en-gb+m6", "en-us+f1", "de+f1",
              "fr+m2", "es", "it+f3", "nl"],
    "val": ["en-us+m7", "en-gb+f5", "en-us+Andrea", "es+f1"],
    "test": ["en-us+m4", "en-gb-x-rp+f3", "en-us+belinda", "en-us+Mario", "en-gb-x-gbcwmd+paul", "fr+f5"],
}
FLITE = {"train": ["kal16", "awb"], "val": ["rms"], "test": ["slt"]}
FESTIVAL = {"train": ["ked_diphone", "lp_diphone", "pc_diphone"], "val": [], "test": []}  # two of them Italian


def sentences(folder, split):
    """Sentences of the tales of one part of fairytaleqa, without any that holds a wake word."""
    found = []
    for file in sorted((folder / split).glob("*.csv")):
        with open(file, newline="", encoding="utf-8") as opened:
            for row in csv.DictReader(opened):
                for sentence in row["text"].replace("\n", " ").replace("!", ".").replace("?", ".").split("."):
                    plain = sentence.lower().replace("-", " ")
                    if 15 < len(sentence) < 160 and not any(w in plain for w in WORDS.values()):
                        found.append(sentence.strip())
    return found


def speak(text, voice, rng):
    """One utterance as 16 kHz samples; the voice's pitch and speed vary."""
    with tempfile.TemporaryDirectory() as folder:
        wav = str(Path(folder) / "said.wav")
        if voice.startswith("flite:"):
            stretch = f"duration_stretch={rng.uniform(0.8, 1.25):.2f}"
            command = ["flite", "-voice", voice[6:], "--setf", stretch, "-t", text, "-o", wav]
        elif voice.startswith("festival:"):
            pace = f"(Parameter.set 'Duration_Stretch {rng.uniform(0.85, 1.3):.2f})"
            command = ["text2wave", "-eval", f"(voice_{voice[9:]})", "-eval", pace, "-o", wav]
        else:
            command = ["espeak-ng", "-v", voice, "-s", str(rng.randrange(120, 200)),
                       "-p", str(rng.randrange(25, 75)), "-w", wav, text]
        subprocess.run(command, check=True, capture_output=True, input=text.encode("latin-1", "ignore"))
        return audio.read(wav, RATE) if Path(wav).exists() else None  # nothing to pronounce


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--texts", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--split", choices=["train", "val", "test"], required=True)
    parser.add_argument("--minutes", type=float, default=60)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    rng = random.Random(args.split)
    recorded = [f"flite:{v}" for v in FLITE[args.split]]
    voices = [*ESPEAK[args.split], *recorded, *(f"festival:{v}" for v in FESTIVAL[args.split])]
    english = [v for v in voices if v.startswith(("en", "flite", "festival:ked"))]
    said = []  # (label, text, voice)
    if args.split == "train":
        said = [(label, text, v) for label, text in WORDS.items() for v in english for _ in range(2)]
    said += [("other_similar", text, v) for text in SIMILAR for v in english]
    texts = sentences(args.texts, args.split)
    seconds, i = 0.0, 0
    while seconds < 60 * args.minutes or i < len(said):
        # flite's voices are made of recorded people: every other sentence is theirs
        rng = random.Random(f"{args.split} {i}")
        label, text, voice = said[i] if i < len(said) else (
            "other_tts", rng.choice(texts), rng.choice(voices if i % 2 else recorded)
        )
        file = args.out / f"{label}-{i:05}.flac"
        i += 1
        if not file.exists():  # the same command goes on where it was cut
            samples = speak(text.lstrip("-"), voice, rng)
            if samples is None:
                continue
            soundfile.write(file, samples / 32768, RATE, subtype="PCM_16")
        seconds += soundfile.info(file).duration


if __name__ == "__main__":
    main()
