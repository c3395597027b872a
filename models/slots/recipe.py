"""Trains the slot filler: a small BERT that labels the words of a command, and the command itself at [CLS].

    python models/slots/recipe.py --data DIR/snips --work DIR --out DIR/checkpoint --teacher package

`--data` is a folder with `train`, `valid`, `test`, each with `seq.in`, `seq.out`, `label` (SNIPS, Coucke et al. 2018, CC0),
or a file of your own: lines of JSON with `text` (words with spaces between), `tags` (`O`, `B-place`, `I-place`: one a word) and,
if wanted, `intent`. `--teacher` and `--work` as in the recipe of `intent`. Needs torch, transformers, tokenizers; one CPU thread;
seeded.

A word's label is that of its first piece; the intent is the label of [CLS]. The teacher learns the training sentences and,
as examples of no intent, phrases of `intent`; it then answers variations of them, in which the places hold other words
of their kind; the small model learns its answers.
"""

import argparse
import collections
import hashlib
import json
import math
import random
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from transformers import BertConfig, BertForTokenClassification

sys.path.append(str(Path(__file__).resolve().parent.parent))
from common import sentence_encoder, word_piece
from common.listed import numbered, wrong
from common.run import Run, alike
from common.spans import entity_f1
from intent.corpus import SNIPS, Phrases, bare

HERE = Path(__file__).resolve().parent
POSITIONS = 64
NONE = "none"


def read(path):
    """`train`, `valid`, `test`: lists of (words, tags, intent or None)."""
    if path.is_dir():
        splits = {}
        for name in ("train", "valid", "test"):
            lines = [(path / name / part).read_text(encoding="utf-8").splitlines() for part in ("seq.in", "seq.out", "label")]
            splits[name] = [(text.split(), tags.split(), label) for text, tags, label in zip(*lines)]
    else:
        rows, splits = [], collections.defaultdict(list)
        for number, line in numbered(path):
            try:
                row = json.loads(line)
                words, tags, intent = row["text"].lower().split(), list(row["tags"]), row.get("intent")
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                wrong(path, number, f"text and tags needed ({error})")
            if not words or len(words) != len(tags):
                wrong(path, number, f"{len(words)} words, {len(tags)} tags")
            for tag in tags:
                if not (isinstance(tag, str) and (tag == "O" or tag[:2] in ("B-", "I-") and tag[2:])):
                    wrong(path, number, f"tag {tag!r}; `O`, `B-kind` or `I-kind` needed")
            rows.append((words, tags, intent))
        for row in rows:
            h = int(hashlib.sha256(" ".join(row[0]).encode()).hexdigest(), 16) % 10
            splits[{0: "test", 1: "valid"}.get(h, "train")].append(row)
        if len(rows) < 200:  # of a handful, all do everything
            splits = {"train": rows, "valid": rows, "test": rows}
    return dict(splits)


def pieces_of(words, tags):
    """A sentence as parts: (slot or None, its words)."""
    parts = []
    for word, tag in zip(words, tags):
        kind = tag[2:] or None
        if tag.startswith("I-") and parts and parts[-1][0] == kind or kind is None and parts and parts[-1][0] is None:
            parts[-1][1].append(word)
        else:
            parts.append((kind, [word]))
    return parts


class Variations:
    """Sentences whose places hold other words of their kind, with the tags that these have."""

    def __init__(self, rows, neighbours, seed):
        self.rows, self.near, self.rng = [(pieces_of(w, t), i) for w, t, i in rows], neighbours, random.Random(seed)
        self.values = collections.defaultdict(list)
        for parts, _ in self.rows:
            for kind, words in parts:
                if kind:
                    self.values[kind].append(words)

    def other(self, words, share):
        return [self.rng.choice(self.near[w]) if w in self.near and self.rng.random() < share else w for w in words]

    def one(self):
        parts, intent = self.rng.choice(self.rows)
        words, tags = [], []
        for kind, own in parts:
            if kind is None:
                own = self.other(own, 0.05)
                if len(own) > 1 and self.rng.random() < 0.1:
                    own = own[1:]
            elif self.rng.random() < 0.7:
                own = self.rng.choice(self.values[kind])
                # New names out of old words: half of one and half of another, or neighbours.
                if len(own) > 1 and self.rng.random() < 0.3:
                    own = own[: self.rng.randint(1, len(own))] + self.rng.choice(self.values[kind])[-1:]
                own = self.other(own, self.rng.choice((0, 0, 0.3)))
            words += own
            tags += [f"{'I' if i else 'B'}-{kind}" if kind else "O" for i in range(len(own))]
        return words[:40], tags[:40], intent

    def make(self, count, forbidden):
        found = {}
        for _ in range(2 * count):
            words, tags, intent = self.one()
            if bare(" ".join(words)) not in forbidden:
                found[" ".join(words)] = (words, tags, intent)
            if len(found) >= count:
                break
        return [found[text] for text in sorted(found)]


class Rows:
    """Encoded sentences: `ids`, `places` of [CLS] and of every word's first piece (0: none), `gold` labels there
    (-100: none)."""

    def __init__(self, tokenizer, rows, index, intents):
        encoded = tokenizer.encode_batch([words for words, _, _ in rows], is_pretokenized=True)
        self.ids = word_piece.padded([e.ids for e in encoded], POSITIONS)
        most = 1 + max(len(words) for words, _, _ in rows)
        self.places = torch.zeros(len(rows), most, dtype=torch.int16)
        self.gold = torch.full((len(rows), most), -100, dtype=torch.int16)
        for i, (e, (words, tags, intent)) in enumerate(zip(encoded, rows)):
            self.gold[i, 0] = intents.get(intent, -100)
            seen = set()
            for at, word in enumerate(e.word_ids):
                if word is not None and word not in seen and at < POSITIONS - 1:
                    seen.add(word)
                    self.places[i, 1 + word] = at
                    self.gold[i, 1 + word] = index.get(tags[word], index["O"])  # a kind never seen
        self.lengths = (self.ids != 0).sum(1)


def logits_at(model, ids, places):
    """Logits at the places: `(rows, places, labels)`."""
    all_ = model(ids, attention_mask=(ids != 0).long()).logits
    return all_.gather(1, places[..., None].expand(-1, -1, all_.shape[2]))


@torch.no_grad()
def judge(model, data, rows, names, intents):
    """Entity F1 and the share of right intents."""
    model.eval()
    tags_of, right, known = [], 0, 0
    first = len(intents)
    for part in torch.arange(len(rows)).split(200):
        wide, most = int(data.lengths[part].max()), int((data.gold[part, 1:] >= 0).sum(1).max()) + 1
        logits = logits_at(model, data.ids[part, :wide].long(), data.places[part, :most].long())
        logits[:, 1:, :first] = -torch.inf
        for i, row in zip(part.tolist(), logits[:, 1:].argmax(2).tolist()):
            words = len(rows[i][0])
            tags_of.append(([names[t] for t in row[:words]] + ["O"] * words)[:words])
        if first:
            gold = data.gold[part, 0]
            right += (logits[:, 0, :first].argmax(1) == gold)[gold >= 0].sum().item()
            known += (gold >= 0).sum().item()
    figures = {"entity_f1": round(entity_f1(tags_of, [tags for _, tags, _ in rows]), 4)}
    if known:
        figures["intent_accuracy"] = round(right / known, 4)
    return figures, tags_of


def distil(args, tokenizer, names, intents, data, soft, valid, valid_rows):
    config = BertConfig(
        vocab_size=tokenizer.get_vocab_size(), hidden_size=args.hidden, num_hidden_layers=args.layers,
        num_attention_heads=max(1, args.hidden // 32), intermediate_size=args.inner, hidden_act="gelu",
        max_position_embeddings=POSITIONS, type_vocab_size=1, hidden_dropout_prob=args.dropout,
        attention_probs_dropout_prob=0.0, classifier_dropout=args.dropout, initializer_range=0.05, num_labels=len(names),
        id2label=dict(enumerate(names)), label2id={n: i for i, n in enumerate(names)}, pad_token_id=0,
    )
    torch.manual_seed(args.seed)
    model = BertForTokenClassification(config)
    print("parameters", model.num_parameters(), "vocabulary", config.vocab_size, flush=True)
    optimizer = torch.optim.AdamW(model.parameters(), args.rate, betas=(0.9, 0.98), weight_decay=0.02, fused=True)
    run = Run(args.work / f"{args.name}.pt", model, optimizer, decay=0.999)
    per_epoch = math.ceil(len(data.ids) / args.batch)
    while run.step < args.steps:
        epoch = run.step // per_epoch
        for part in alike(data.lengths, args.batch, args.seed * 1000 + epoch)[run.step % per_epoch :]:
            if run.step >= args.steps:
                break
            torch.manual_seed(args.seed * 10**6 + run.step)
            model.train()
            wide, most = int(data.lengths[part].max()), int((data.gold[part, 1:] >= 0).sum(1).max()) + 1
            ids, gold = data.ids[part, :wide].long(), data.gold[part, :most].long()
            ids[(torch.rand(ids.shape) < args.unknown) & (ids >= word_piece.FIRST)] = word_piece.UNKNOWN
            logits = logits_at(model, ids, data.places[part, :most].long())
            loss = F.cross_entropy(logits.flatten(0, 1), gold.flatten())
            if soft is not None:
                there = gold >= 0
                there[:, 0] = bool(intents)
                wanted = torch.cat([soft[i][:most] for i in part.tolist()]).float()
                t = args.heat
                taught = F.kl_div(F.log_softmax(logits[there] / t, 1), F.log_softmax(wanted / t, 1),
                                  log_target=True, reduction="batchmean") * t * t
                loss = args.gold * loss + taught
            rate = min(1, (run.step + 1) / 500) * 0.5 * (1 + math.cos(math.pi * run.step / args.steps))
            run.advance(loss, args.rate * rate)
            if run.step % args.every == 0 or run.step == args.steps:
                run.report(loss=round(loss.item(), 4), **judge(run.average, valid, valid_rows, names, intents)[0])
    run.save(finished=True)
    return run.average.eval()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--teacher")
    parser.add_argument("--name", default="student", help="of the small model's state file")
    parser.add_argument("--teacher-epochs", type=int, default=4)
    parser.add_argument("--variations", type=int, default=90_000)
    parser.add_argument("--steps", type=int, default=40_000)
    parser.add_argument("--every", type=int, default=2000)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--heat", type=float, default=1.5)
    parser.add_argument("--gold", type=float, default=0.3)
    parser.add_argument("--unknown", type=float, default=0.04)
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--hidden", type=int, default=96)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--inner", type=int, default=192)
    parser.add_argument("--vocab", type=int, default=1700)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--test", action="store_true", help="look at the test split: once, at the end")
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.work.mkdir(parents=True, exist_ok=True)
    rng = random.Random(args.seed)

    splits, commands = read(args.data), []
    if args.data.is_dir():
        commands = [json.loads(line) for line in (HERE / "commands.jsonl").read_text().splitlines()]
    forbidden = {bare(c["text"]) for c in commands}
    if args.data.is_dir():
        forbidden |= {bare(" ".join(words)) for name in ("valid", "test") for words, _, _ in splits[name]}
    rows = [row for row in splits["train"] if bare(" ".join(row[0])) not in forbidden]
    none = []
    if args.data.is_dir():  # what is none of the seven intents, in words as SNIPS cuts them
        ours = {label for label in SNIPS.values()} | {"what_song", "next_song", "restaurant_suggestion", "oos"}
        phrases = Phrases(HERE.parent / "intent/phrases.txt")
        phrases.patterns = [(p, label) for p, label in phrases.patterns if label not in ours]
        none = [(text.replace("'", " ").split(), label) for text, label in phrases.sample(2, rng, forbidden)]
        none = [(words, ["O"] * len(words), NONE) for words, _ in none]
        rows += none
    intents = sorted({intent for _, _, intent in rows if intent})
    intents = {name: i for i, name in enumerate(intents)}
    tags = sorted({tag for _, row, _ in rows for tag in row} | {"O"})
    names = list(intents) + tags
    index = {tag: len(intents) + i for i, tag in enumerate(tags)}
    valid = splits["valid"]
    print(len(rows), "sentences,", len(intents), "intents,", len(tags), "tags,", len(valid), "to validate", flush=True)
    words = [word for row, _, _ in rows for word in row]
    tokenizer = word_piece.learn((" ".join(row) for row, _, _ in rows), args.vocab)

    soft = None
    if args.teacher:
        torch.manual_seed(args.seed)
        teacher = sentence_encoder.Teacher(sentence_encoder.folder(args.teacher), len(names), words=True)
        near = teacher.neighbours(words)

        def validate(t):
            said = [row[1:, len(intents) :].float().argmax(1).tolist() for row in t.answers([w for w, _, _ in valid])]
            return {"entity_f1": entity_f1([[tags[i] for i in row] for row in said], [row for _, row, _ in valid])}

        teacher.learn([w for w, _, _ in rows], [[intents.get(i, -100)] + [index[t] for t in ts] for _, ts, i in rows],
                      args.teacher_epochs, args.work / "teacher.pt", args.seed, validate)
        cache = args.work / f"answers-{args.variations}-{args.seed}.pt"
        if not cache.exists():
            varied = rows + Variations(rows, near, args.seed).make(args.variations, forbidden)
            torch.save({"rows": varied, "logits": teacher.answers([w for w, _, _ in varied], say=True)}, cache)
        cached = torch.load(cache, weights_only=True)
        rows, soft = cached["rows"], cached["logits"]
        del teacher
    data, checked = Rows(tokenizer, rows, index, intents), Rows(tokenizer, valid, index, intents)
    if soft:  # as many rows of answers as places that are scored
        kept = [torch.cat([torch.tensor([bool(intents)]), g[1:] >= 0]) for g in data.gold]
        soft = [s[k[: len(s)]] for s, k in zip(soft, kept)]
    model = distil(args, tokenizer, names, intents, data, soft, checked, valid)
    if intents:
        model.config.text_labels = len(intents)  # docs/MODELS.md: these labels are of the whole text
    model.save_pretrained(args.out)
    word_piece.save(tokenizer, args.out)
    print("validation", json.dumps(judge(model, checked, valid, names, intents)[0]), flush=True)
    if commands:
        asked = [(c["text"].split(), c["tags"], c["intent"] or NONE) for c in commands]
        figures, said = judge(model, Rows(tokenizer, asked, index, intents), asked, names, intents)
        figures["all_right"] = sum(a == b for a, (_, b, _) in zip(said, asked)) / len(asked)
        print("commands", json.dumps(figures), flush=True)
        with (args.work / f"{args.name}.commands.txt").open("w") as file:
            for found, (words, wanted, intent) in zip(said, asked):
                file.write(f"{'ok  ' if found == wanted else 'BAD '} {' '.join(words)} | {found} | {wanted}\n")
    if args.test:
        test = splits["test"]
        print("test", json.dumps(judge(model, Rows(tokenizer, test, index, intents), test, names, intents)[0]), flush=True)


if __name__ == "__main__":
    main()
