"""Sentences for the intent classifier: data sets, the phrases of `phrases.txt`, and variations for distillation."""

import collections
import hashlib
import json
import random
import re
import tarfile
from pathlib import Path

from common.listed import numbered, wrong

NONE = "oos"


def plain(text):
    return re.sub(r"\s+", " ", text.lower().strip())


def bare(text):
    """What two sentences that are "the same" have in common."""
    return re.sub(r"[^a-z0-9 ]", "", plain(text))


def clinc(folder):
    """`train`, `val`, `test` of CLINC150, each with its out-of-scope sentences behind it."""
    data = json.loads((folder / "data_full.json").read_text())
    return {split: [tuple(row) for row in data[split] + data["oos_" + split]] for split in ("train", "val", "test")}


def own(path):
    """A user's own lines: JSON with `text` and `label` (null: none of these), or text, a tab, a label. A tenth, chosen
    by hash, validates and another tests; of a handful, all do everything."""
    rows = []
    for number, line in numbered(path):
        try:
            row = json.loads(line) if line.startswith("{") else dict(zip(("text", "label"), line.split("\t")))
            said, label = row["text"], row["label"]
        except (ValueError, KeyError) as error:
            wrong(path, number, f"text and label needed ({error})")
        if not (isinstance(said, str) and plain(said) and isinstance(label, str | None)):
            wrong(path, number, f"a text that is not empty and a label that is one, or null, needed; found {said!r}, {label!r}")
        rows.append((plain(said), label or NONE))
    if len({label for _, label in rows} - {NONE}) < 2:
        raise SystemExit(f"{path}: fewer than two labels; nothing can be told apart")
    parts = collections.defaultdict(list)
    for row in rows:
        h = int(hashlib.sha256(row[0].encode()).hexdigest(), 16) % 10
        parts[{0: "test", 1: "val"}.get(h, "train")].append(row)
    if len(rows) < 200:
        return {"train": rows, "val": rows, "test": rows}
    return dict(parts)


class Phrases:
    """The patterns of `phrases.txt` and their words."""

    def __init__(self, path):
        self.words, self.patterns = {}, []
        for line in path.read_text(encoding="utf-8").splitlines():
            name, _, rest = line.partition(": ")
            if name.startswith("@"):
                self.words[name[1:]] = rest.split("|")
            elif line and not line.startswith("#"):
                self.patterns += [(pattern, name) for pattern in rest.split(" | ")]

    def expand(self, pattern, rng):
        text = re.sub(r"\[([^\]]*)\]", lambda m: rng.choice(m[1].split("/")), pattern)
        for _ in range(2):  # a word may hold a place of its own
            text = re.sub(r"\{(\w+)\}", lambda m: rng.choice(self.words[m[1]]), text)
        return plain(text)

    def sample(self, each, rng, forbidden):
        """Up to `each` sentences of every pattern with places, one of the others."""
        found = {}
        for pattern, label in self.patterns:
            for _ in range(each if re.search(r"[\[{]", pattern) else 1):
                text = self.expand(pattern, rng)
                if bare(text) not in forbidden:
                    found[text] = label
        return list(found.items())


SNIPS = {"PlayMusic": "play_music", "AddToPlaylist": "update_playlist", "GetWeather": "weather",
         "BookRestaurant": "restaurant_reservation", "RateBook": NONE, "SearchScreeningEvent": NONE,
         "SearchCreativeWork": NONE}


def snips(folder, each, rng):
    """Training sentences of SNIPS with the intents of CLINC150 that they would have there."""
    read = lambda name: (folder / "train" / name).read_text(encoding="utf-8").splitlines()
    found = collections.defaultdict(list)
    for text, label in zip(read("seq.in"), read("label")):
        text = plain(re.sub(r"(?<=\w) (s|m|re|ll|d|ve|t)\b", r"'\1", text))
        # "play the soundtrack x" looks for a work there and is a wish for music here.
        if not (label == "SearchCreativeWork" and re.search(r"\b(play|hear|listen|song|album|soundtrack)\b", text)):
            found[label].append((text, SNIPS[label]))
    return [row for label in sorted(found) for row in rng.sample(found[label], min(each, len(found[label])))]


def spoken(archive, count, rng):
    """Short lines that people speak in old novels: nobody's command to a machine."""
    found = set()
    with tarfile.open(archive) as tar:
        for member in sorted((m for m in tar if m.isfile()), key=lambda m: m.name):
            text = tar.extractfile(member).read().decode("utf-8", "ignore").replace("’", "'")
            lines = re.findall(r"[\"“]([A-Z][A-Za-z' ]{8,60}[?!.])[\"”]", text)
            lines = [plain(line) for line in lines if 3 <= line.count(" ") <= 11]
            found.update(rng.sample(lines, min(len(lines), 2 * count // 100 + 1)))
    return [(text, NONE) for text in rng.sample(sorted(found), min(count, len(found)))]


class Variations:
    """Sentences near those given, for a teacher to label: words replaced by neighbours in the teacher's table of words
    (as in TinyBERT, Jiao et al. 2020, §4), words left out, parts alone, two halves joined."""

    def __init__(self, sentences, neighbours, seed):
        self.sentences, self.neighbours, self.rng = sentences, neighbours, random.Random(seed)

    def replaced(self, words):
        share = self.rng.choice((0.15, 0.3, 0.5))
        return [self.rng.choice(self.neighbours[w]) if w in self.neighbours and self.rng.random() < share else w
                for w in words]

    def shortened(self, words):
        if self.rng.random() < 0.5:
            return [w for w in words if self.rng.random() > 0.25]
        size = self.rng.randint(max(1, len(words) // 3), len(words))
        at = self.rng.randint(0, len(words) - size)
        return words[at : at + size]

    def joined(self, words):
        other = self.rng.choice(self.sentences).split()
        return words[: self.rng.randint(1, len(words))] + other[self.rng.randint(0, len(other) - 1) :]

    def one(self):
        words = self.rng.choice(self.sentences).split()
        kind = self.rng.random()
        if kind < 0.2:
            words = self.shortened(words)
        elif kind < 0.35:
            words = self.joined(words)
        if kind > 0.15:
            words = self.replaced(words)
        return " ".join(words[:30])

    def make(self, count, forbidden):
        found = set()
        for _ in range(3 * count):
            text = self.one()
            if text and bare(text) not in forbidden:
                found.add(text)
            if len(found) >= count:
                break
        return sorted(found)
