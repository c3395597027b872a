"""Trains the tale writer: a small Llama on children's tales and old prose like them.

    python models/tales/recipe.py --tales DIR/fairytaleqa --novels DIR/novels.tar.xz --work DIR --out DIR/checkpoint
    python models/tales/recipe.py --data FOLDER --work DIR --out DIR/checkpoint     # texts of your own

    python models/tales/recipe.py --tales DIR/fairytaleqa --lines FILE              # a passage a line, for common/finetune.py

`--tales` is the folder of FairytaleQA's `train`, `val` and `test` (Apache-2.0), `--novels` an archive of plain texts
(public domain); `--data` a folder of `.txt` files instead of both, of which every tenth validates. `--work` keeps the state:
the same command goes on from there. Needs torch, transformers, tokenizers; one CPU thread; seeded.

Of the novels, the passages are taken that are most like tales (Moore & Lewis 2010, "Intelligent Selection of Language Model
Training Data"). The tales' share of the steps rises. Matrices are trained with Muon (Jordan et al. 2024), the rest with AdamW;
the rate stays constant and falls to zero over the last 40 % of the steps. `bits_per_byte` is that of the first tokens of
every validation tale, as many as fit into the context.
"""

import argparse
import collections
import csv
import json
import math
import re
import sys
import tarfile
from pathlib import Path

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer, decoders, models, normalizers, processors, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

sys.path.append(str(Path(__file__).resolve().parent.parent))
from common.listed import read_text
from common.run import Run
from llama import Llama

REPLACE = {"’": "'", "‘": "'", "“": '"', "”": '"', "—": "--", "–": "-", "…": "...", "é": "e", "ö": "o",
           "æ": "ae", "ä": "a", "å": "a", "ø": "o", "ü": "u", "ñ": "n", "\u00a0": " ", "_": ""}


def clean(text):
    """Straight quotes, single spaces, ASCII."""
    for old, new in REPLACE.items():
        text = text.replace(old, new)
    text = text.encode("ascii", "ignore").decode()
    text = re.sub(r"\s+", " ", text)
    return re.sub(r" ([,.;:!?])", r"\1", text).strip()


def stories(folder):
    """The stories of a FairytaleQA split, each a list of its sections."""
    for path in sorted(folder.glob("*.csv")):
        with path.open(newline="", encoding="utf-8") as file:
            yield [clean(row["text"]) for row in csv.DictReader(file)]


def tales(folder):
    """Documents of a split: the sections of each story, joined."""
    return [clean(" ".join(sections)) for sections in stories(folder)]


def passages(archive):
    """The archive's texts in passages of about 1,500 characters, tables of contents and the like left out."""
    found = []
    with tarfile.open(archive) as tar:
        for member in sorted((m for m in tar if m.isfile()), key=lambda m: m.name):
            raw = tar.extractfile(member).read().decode("utf-8", "ignore")
            passage = ""
            for paragraph in re.split(r"\n\s*\n", raw)[20:-20]:
                paragraph = clean(paragraph)
                if len(paragraph) > 20 and not paragraph.isupper():
                    passage += " " * bool(passage) + paragraph
                if len(passage) > 1500:
                    found.append(passage)
                    passage = ""
    return found


def most_alike(candidates, wanted, size):
    """The candidates whose words a unigram model of `wanted` expects more than one of the candidates does, best first, up
    to `size` characters."""
    words = lambda text: re.findall(r"[a-z']+|[.,;:!?\"-]", text.lower())
    ours, theirs = collections.Counter(), collections.Counter()
    for text in wanted:
        ours.update(words(text))
    for text in candidates:
        theirs.update(words(text))
    n, m = sum(ours.values()), sum(theirs.values())
    gain = {w: math.log((ours[w] + 1) / (n + len(theirs))) - math.log((c + 1) / (m + len(theirs))) for w, c in theirs.items()}
    worth = []
    for i, text in enumerate(candidates):
        tokens = words(text)
        worth.append((sum(gain[w] for w in tokens) / max(1, len(tokens)), i))
    chosen, total = [], 0
    for _, i in sorted(worth, reverse=True):
        if total > size:
            break
        chosen.append(i)
        total += len(candidates[i])
    return [candidates[i] for i in sorted(chosen)]


def train_tokenizer(texts, vocab_size):
    """Byte-pair encoding as Llama's tokenizer.json describes it, with byte fallback."""
    bytes_ = [f"<0x{i:02X}>" for i in range(256)]
    base = Tokenizer(models.BPE())
    base.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    trainer = trainers.BpeTrainer(vocab_size=vocab_size, special_tokens=["<unk>", "<s>", "</s>"] + bytes_,
                                  max_token_length=12, show_progress=False)
    # Words are trained apart, so that no merge crosses a space.
    words = (re.sub(r"(?<=\S)(?=[^\w\s'])|(?<=[^\w\s'])(?=\S)", " ", text).split() for text in texts)
    base.train_from_iterator((word for text in words for word in text), trainer)
    spec = json.loads(base.to_str())["model"]
    model = models.BPE(vocab=spec["vocab"], merges=[tuple(m) for m in spec["merges"]], unk_token="<unk>",
                       byte_fallback=True, fuse_unk=True)
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = base.normalizer
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(),
                                           decoders.Strip(" ", 1, 0)])
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return tokenizer


def stream(tokenizer, documents):
    """One long tensor: <s> document </s> <s> document </s> …, and where documents begin."""
    rows = [torch.tensor(e.ids + [2], dtype=torch.int16) for e in tokenizer.encode_batch(documents)]
    starts = torch.tensor([0] + [len(row) for row in rows]).cumsum(0)[:-1]
    return torch.cat(rows), starts


@torch.no_grad()
def bits_per_byte(model, tokenizer, documents, context, characters=1200):
    """Of the first `characters` of every document, cut at the context: bits for every byte predicted."""
    model.eval()
    nats, size = 0.0, 0
    for text in documents:
        ids = tokenizer.encode(text[:characters].rsplit(" ", 1)[0]).ids[:context]
        x = torch.tensor([ids])
        nats += F.cross_entropy(model(x[:, :-1])[0].float(), x[0, 1:], reduction="sum").item()
        size += len(tokenizer.decode(ids).encode())
    return nats / math.log(2) / size


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tales", type=Path)
    parser.add_argument("--novels", type=Path)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--lines", type=Path, help="writes the sections of the tales that are trained on, a line each, and ends")
    parser.add_argument("--steps", type=int, default=12_000)
    parser.add_argument("--batch", type=int, default=32, help="windows")
    parser.add_argument("--hidden", type=int, default=128)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--inner", type=int, default=384)
    parser.add_argument("--groups", type=int, default=2, help="key/value heads")
    parser.add_argument("--vocab", type=int, default=2048)
    parser.add_argument("--context", type=int, default=256)
    parser.add_argument("--prose", type=float, default=24e6, help="characters taken from the novels")
    parser.add_argument("--dropout", type=float, default=0.0)
    parser.add_argument("--rate", type=float, default=4e-3)
    parser.add_argument("--every", type=int, default=250)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--test", action="store_true", help="look at the test split: once, at the end")
    args = parser.parse_args()
    if args.lines:
        if args.tales is None:
            parser.error("--lines needs --tales")
        some = (section for story in stories(args.tales / "train") for section in story if len(section) > 200)
        return args.lines.write_text("\n".join(some) + "\n")
    if args.work is None or args.out is None:
        parser.error("--work and --out are needed")
    torch.set_num_threads(1)
    args.work.mkdir(parents=True, exist_ok=True)

    if args.data:
        texts = [clean(read_text(path)) for path in sorted(args.data.glob("**/*.txt"))]
        if not any(texts):
            raise SystemExit(f"{args.data}: no .txt files, or none with a text")
        held = texts[9::10] or texts
        train, test = [text for i, text in enumerate(texts) if i % 10 != 9], held
    else:
        train, held = tales(args.tales / "train"), tales(args.tales / "val")
        test = tales(args.tales / "test")
    cached = args.work / "tokens.pt"
    if not cached.exists():
        tokenizer = train_tokenizer(train, args.vocab)
        tokenizer.save(str(args.work / "tokenizer.json"))
        prose = most_alike(passages(args.novels), train, args.prose) if args.novels else []
        torch.save({"own": stream(tokenizer, train), "other": stream(tokenizer, prose) if prose else None}, cached)
    tokenizer = Tokenizer.from_file(str(args.work / "tokenizer.json"))
    tokens = torch.load(cached, weights_only=True)
    own, other = tokens["own"], tokens["other"]
    print(f"tales {len(own[0])} tokens, prose {len(other[0]) if other else 0}, "
          f"{sum(map(len, train)) / len(own[0]):.2f} characters a token", flush=True)

    config = LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(), hidden_size=args.hidden, num_hidden_layers=args.layers,
        num_attention_heads=args.hidden // 32, num_key_value_heads=args.groups, head_dim=32, intermediate_size=args.inner,
        max_position_embeddings=args.context, tie_word_embeddings=True, rms_norm_eps=1e-5, bos_token_id=1, eos_token_id=2,
        pad_token_id=None, initializer_range=0.05,
    )
    torch.manual_seed(args.seed)
    finished = LlamaForCausalLM(config)  # initialises the weights, and is saved in the end
    print("parameters", finished.num_parameters(), flush=True)
    model = Llama(config, args.dropout)
    model.load_state_dict({n: w for n, w in finished.state_dict().items() if n != "lm_head.weight"})
    matrices = [p for n, p in model.named_parameters() if p.ndim == 2 and "embed" not in n]
    rest = [p for n, p in model.named_parameters() if p.ndim != 2 or "embed" in n]
    optimizer = Both(torch.optim.Muon(matrices, args.rate, weight_decay=0.05, adjust_lr_fn="match_rms_adamw"),
                     torch.optim.AdamW(rest, args.rate, betas=(0.9, 0.98), weight_decay=0.0, fused=True))
    run = Run(args.work / "tales.pt", model, optimizer, decay=0.998)

    def window(source, width, g):
        """The start of a window: that of a document in a quarter of the cases."""
        text, starts = source
        last = len(text) - width - 1
        if last > 0 and torch.rand((), generator=g) < 0.25:
            return min(int(starts[torch.randint(len(starts), (), generator=g)]), last)
        return int(torch.randint(0, max(1, last), (), generator=g))

    while run.step < args.steps:
        done = run.step / args.steps
        g = torch.Generator().manual_seed(args.seed * 10**6 + run.step)
        torch.manual_seed(args.seed * 10**6 + run.step)
        # Short windows first: more of them at a time, and local structure is learnt first.
        width, count = (args.context // 2, 2 * args.batch) if done < 0.4 else (args.context, args.batch)
        rows = []
        for _ in range(count):
            source = own if other is None or torch.rand((), generator=g) < 0.2 + 0.6 * done**2 else other
            width = min(width, len(source[0]) - 1)
            at = window(source, width, g)
            rows.append(source[0][at : at + width + 1])
        rows = torch.stack([row[: width + 1] for row in rows]).long()
        model.train()
        with torch.autocast("cpu", torch.bfloat16):
            logits = model(rows[:, :-1])
        loss = F.cross_entropy(logits.float().flatten(0, 1), rows[:, 1:].flatten())
        run.advance(loss, args.rate * min(1, (run.step + 1) / 200, (1 - done) / 0.4))
        if run.step % args.every == 0 or run.step == args.steps:
            run.report(loss=round(loss.item(), 4),
                       bits_per_byte=round(bits_per_byte(run.average, tokenizer, held, args.context), 4))
    run.save(finished=True)
    state = run.average.state_dict()
    finished.load_state_dict({**state, "lm_head.weight": state["model.embed_tokens.weight"]})
    finished.save_pretrained(args.out)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>",
                            unk_token="<unk>").save_pretrained(args.out)
    if args.test:
        print("test", json.dumps({"bits_per_byte": bits_per_byte(run.average, tokenizer, test[:8], args.context)}), flush=True)


class Both:
    """Two optimizers as one."""

    def __init__(self, *parts):
        self.parts = parts
        self.param_groups = [group for part in parts for group in part.param_groups]

    def zero_grad(self):
        for part in self.parts:
            part.zero_grad()

    def step(self):
        for part in self.parts:
            part.step()

    def state_dict(self):
        return {"parts": [part.state_dict() for part in self.parts]}

    def load_state_dict(self, state):
        for part, own in zip(self.parts, state["parts"]):
            part.load_state_dict(own)
        self.param_groups = [group for part in self.parts for group in part.param_groups]


if __name__ == "__main__":
    main()
