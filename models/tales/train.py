"""Trains the tale writer: a small Llama on children's tales and simple old prose.

    python models/tales/train.py --data DIR --out models/tales/checkpoint --minutes 60

`--data` is the folder that holds `fairytaleqa/` (Apache-2.0) and `novels/novels.tar.xz` (public
domain). Needs torch, transformers, tokenizers. One CPU thread.
"""

import argparse
import csv
import io
import math
import re
import tarfile
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer, decoders, models, normalizers, processors, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

REPLACE = {"’": "'", "‘": "'", "“": '"', "”": '"', "—": "--", "–": "-", "…": "...", "é": "e", "ö": "o",
           "æ": "ae", "ä": "a", "å": "a", "ø": "o", "ü": "u", "ñ": "n", "\u00a0": " ", "_": ""}


def clean(text):
    """Straight quotes, single spaces, ASCII."""
    for old, new in REPLACE.items():
        text = text.replace(old, new)
    text = text.encode("ascii", "ignore").decode()
    text = re.sub(r"\s+", " ", text)
    return re.sub(r" ([,.;:!?])", r"\1", text).strip()


def tales(folder):
    """Documents of a fairytaleqa split: the sections of each story, joined."""
    documents = []
    for path in sorted(folder.glob("*.csv")):
        with path.open(newline="", encoding="utf-8") as file:
            documents.append(clean(" ".join(row["text"] for row in csv.DictReader(file))))
    return documents


TALE_LIKE = re.compile(r"fairy|tale|grimm|andersen|wonderland|oz|peter|secret|jungle|princess|child|alice|"
                       r"heidi|pinocchio|aesop|fable|wind|garden|black beauty|treasure|anne|little", re.I)


def novels(archive):
    """Novels of the archive whose title or text looks like a book for children, cut in documents."""
    documents = []
    with tarfile.open(archive) as tar:
        for member in tar:
            if not member.isfile():
                continue
            raw = tar.extractfile(member).read().decode("utf-8", "ignore")
            sample = clean(raw[20000:60000]).lower()
            words = sample.split()
            if not words:
                continue
            # Simple prose: short words, and the vocabulary of tales.
            length = sum(map(len, words)) / len(words)
            if not (TALE_LIKE.search(member.name) or length < 5.15):
                continue
            paragraphs = [clean(p) for p in re.split(r"\n\s*\n", raw)]
            paragraphs = [p for p in paragraphs if len(p) > 60 and not p.isupper()]
            for i in range(5, len(paragraphs) - 5, 12):
                documents.append(" ".join(paragraphs[i : i + 12]))
    return documents


def train_tokenizer(texts, vocab_size):
    """Byte-pair encoding as Llama's tokenizer.json describes it, with byte fallback."""
    bytes_ = [f"<0x{i:02X}>" for i in range(256)]
    base = Tokenizer(models.BPE())
    base.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    trainer = trainers.BpeTrainer(vocab_size=vocab_size, special_tokens=["<unk>", "<s>", "</s>"] + bytes_,
                                  max_token_length=12)
    # Words are trained apart, so that no merge crosses a space.
    words = (re.sub(r"(?<=\S)(?=[^\w\s'])|(?<=[^\w\s'])(?=\S)", " ", text).split() for text in texts)
    base.train_from_iterator((word for text in words for word in text), trainer)
    spec = __import__("json").loads(base.to_str())["model"]
    model = models.BPE(vocab=spec["vocab"], merges=[tuple(m) for m in spec["merges"]], unk_token="<unk>",
                       byte_fallback=True, fuse_unk=True)
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = base.normalizer
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(),
                                           decoders.Strip(" ", 1, 0)])
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return tokenizer


def stream(tokenizer, documents):
    """One long tensor: <s> document </s> <s> document </s> …"""
    encoded = tokenizer.encode_batch(documents)
    return torch.tensor([i for e in encoded for i in e.ids + [2]])


def loss_of(model, ids, context):
    """Mean loss in nats per token over whole windows."""
    model.eval()
    with torch.no_grad():
        rows = ids[: len(ids) // (context + 1) * (context + 1)].view(-1, context + 1)
        losses = []
        for i in range(0, len(rows), 16):
            logits = model(rows[i : i + 16, :-1]).logits
            losses.append(F.cross_entropy(logits.flatten(0, 1), rows[i : i + 16, 1:].flatten()).item())
    return sum(losses) / len(losses)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--hidden", type=int, default=96)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--vocab", type=int, default=1024)
    parser.add_argument("--context", type=int, default=256)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(1)

    train, held = tales(args.data / "fairytaleqa/train"), tales(args.data / "fairytaleqa/val")
    books = novels(args.data / "novels/novels.tar.xz")
    tokenizer = train_tokenizer(train, args.vocab)
    own, other = stream(tokenizer, train), stream(tokenizer, books[:: max(1, len(books) // 3000)])
    val = stream(tokenizer, held)[:40000]
    print(f"tales {len(own)} tokens, books {len(other)} tokens of {len(books)} pieces, "
          f"{sum(map(len, train)) / len(own):.2f} characters a token", flush=True)

    config = LlamaConfig(
        vocab_size=args.vocab, hidden_size=args.hidden, num_hidden_layers=args.layers,
        num_attention_heads=args.hidden // 32, num_key_value_heads=1 if args.hidden % 64 else args.hidden // 64,
        intermediate_size=round(args.hidden * 8 / 3 / 16) * 16, max_position_embeddings=args.context,
        tie_word_embeddings=True, rms_norm_eps=1e-5, bos_token_id=1, eos_token_id=2, pad_token_id=None,
        initializer_range=0.05,
    )
    model = LlamaForCausalLM(config)
    print("parameters", sum(p.numel() for p in model.parameters()), flush=True)
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3, betas=(0.9, 0.98), weight_decay=0.05)
    start, step, tokens = time.time(), 0, 0
    wrapped = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>")
    while True:
        done = (time.time() - start) / 60 / args.minutes
        if done >= 1:
            break
        for group in optimizer.param_groups:
            group["lr"] = 3e-3 * min(1, (step + 1) / 200) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done)))
        # Short windows first: more steps for the same time, and local structure is learnt first.
        width = args.context // 2 if done < 0.6 else args.context
        # The tales' share rises from one half to nine tenths.
        source = own if torch.rand(()) < 0.5 + 0.4 * done else other
        at = torch.randint(0, len(source) - width - 1, (4096 // width,))
        rows = torch.stack([source[i : i + width + 1] for i in at])
        model.train()
        loss = F.cross_entropy(model(rows[:, :-1]).logits.flatten(0, 1), rows[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        step, tokens = step + 1, tokens + rows[:, 1:].numel()
        if step % 250 == 0:
            print(f"step {step} {tokens / 1e6:.1f} M tokens loss {loss.item():.3f} val {loss_of(model, val, args.context):.4f} "
                  f"{(time.time() - start) / 60:.1f} min", flush=True)
            model.save_pretrained(args.out)
            wrapped.save_pretrained(args.out)
    model.save_pretrained(args.out)
    wrapped.save_pretrained(args.out)
    test = tales(args.data / "fairytaleqa/test")
    ids = stream(tokenizer, test)
    nats = loss_of(model, ids, args.context)
    print(f"val {loss_of(model, val, args.context):.4f} test {nats:.4f} nats/token, "
          f"{nats * len(ids) / math.log(2) / sum(map(len, test)):.3f} bits/byte")
    folder = args.out.parent / "test"
    folder.mkdir(exist_ok=True)
    for i, text in enumerate(test[:8]):
        (folder / f"{i}.txt").write_text(text[:1200].rsplit(" ", 1)[0] + "\n")
    for prompt in ("Once upon a time", "The king said"):
        x = torch.tensor([tokenizer.encode(prompt).ids])
        for sample in (False, True):
            torch.manual_seed(7)
            y = model.generate(x, max_new_tokens=160, do_sample=sample, temperature=0.8, top_p=0.9, top_k=0)
            print("---", "sampled" if sample else "greedy", "---\n", tokenizer.decode(y[0].tolist()))


if __name__ == "__main__":
    main()
