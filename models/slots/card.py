"""The pictures of the card: what the blob says of a split, and how training went.

    picoformer run models/slots/model.pico --file TEXTS --json > ANSWERS      # the `text`s of SPLIT.jsonl, a line each
    python models/slots/card.py --data SPLIT.jsonl --answers ANSWERS --history WORK/student.jsonl --out models/slots

`confusions.svg`: entities that were taken for another kind, missed, or found where there is none, the commonest first.
`training.svg`: loss and errors over the steps. `--commands` prints what is wrong of the commands instead.
"""

import argparse
import collections
import json
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent))
from common import pictures


def read(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def wanted(row):
    """The entities of a row as {(first word, word behind the last): kind}."""
    found, begun = {}, None
    for i, tag in enumerate([*row["tags"], "O"]):
        kind = tag[2:]
        if begun and (tag == "O" or tag[0] == "B" or kind != begun[1]):
            found[begun[0], i] = begun[1]
            begun = None
        if tag != "O" and not begun:
            begun = (i, kind)
    return found


def given(answer):
    return {(e["first"], e["end"]): e["kind"] for e in answer["entities"]}


def confusions(rows, answers):
    """Kinds that do not agree, by how often."""
    counts = collections.Counter()
    for row, answer in zip(rows, answers):
        want, have = wanted(row), given(answer)
        for place in want.keys() | have.keys():
            if want.get(place) != have.get(place):
                counts[f"{want.get(place, 'nothing')} as {have.get(place, 'nothing')}"] += 1
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))


def tell(rows, answers):
    """What is wrong of the commands, a Markdown table."""
    def said(words, found):
        return ", ".join(f"{' '.join(words[a:b])} ({kind})" for (a, b), kind in sorted(found.items())) or "–"

    for row, answer in zip(rows, answers):
        words, intent = row["text"].split(), row["intent"] or "none"
        if wanted(row) != given(answer) or intent != answer["label"]:
            print(f"| {row['text']} | {intent}: {said(words, wanted(row))} | {answer['label']}: {said(words, given(answer))} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--answers", type=Path, required=True)
    parser.add_argument("--history", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--commands", action="store_true")
    args = parser.parse_args()
    rows, answers = read(args.data), read(args.answers)
    if [row["text"] for row in rows] != [a["input"] for a in answers]:
        raise SystemExit("the answers are not those of these texts")
    if args.commands:
        return tell(rows, answers)
    pictures.bars(args.out / "confusions.svg", "Entities that were not found as they are", confusions(rows, answers)[:25])
    if args.history:
        history = [{**h, "val": h["entity_f1"]} for h in read(args.history) if "entity_f1" in h]
        pictures.training(args.out / "training.svg", history, judged="F1, validation")


if __name__ == "__main__":
    main()
