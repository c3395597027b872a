"""The pictures of the card: what the blob says of a split, and how training went.

    picoformer run models/intent/model.pico --file TEXTS --json > ANSWERS     # the `text`s of SPLIT.jsonl, a line each
    python models/intent/card.py --data SPLIT.jsonl --answers ANSWERS --history WORK/student.jsonl --out models/intent

`reliability.svg`: how often labels of each confidence are right, texts in scope. `confusions.svg`: the labels that are most
often taken for one another, and what is accepted though it is none. `training.svg`: loss and errors over the steps.
`--commands` prints what is wrong of `commands.jsonl` instead.
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


def confidence(answer):
    """The probability of the nearest label."""
    return answer["scores"][answer["nearest"]]


def draw(rows, answers, history, out):
    inside = [(row, a) for row, a in zip(rows, answers) if row["label"]]
    right = [row["label"] == a["nearest"] for row, a in inside]
    pictures.reliability(out / "reliability.svg", "Sentences in scope", [confidence(a) for _, a in inside], right)
    wrong = collections.Counter(f"{row['label']} as {a['nearest']}" for (row, a), r in zip(inside, right) if not r)
    taken = collections.Counter(f"none of them as {a['label']}" for row, a in zip(rows, answers)
                                if not row["label"] and a["label"])
    most = sorted((wrong + taken).most_common(25), key=lambda pair: (-pair[1], pair[0]))
    pictures.bars(out / "confusions.svg", "The commonest confusions", most)
    if history:
        pictures.training(out / "training.svg", [{**h, "val": h["accuracy"]} for h in history if "accuracy" in h])


def tell(rows, answers):
    """What is wrong of the commands, a Markdown table."""
    for row, a in zip(rows, answers):
        if row["label"] != a["label"]:
            said = a["label"] or f"none of these (nearest {a['nearest']})"
            print(f"| {row['text']} | {row['label'] or 'none of these'} | {said} | {100 * confidence(a):.0f} % |")


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
        tell(rows, answers)
    else:
        draw(rows, answers, read(args.history) if args.history else [], args.out)


if __name__ == "__main__":
    main()
