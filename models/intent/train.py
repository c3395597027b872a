"""Trains the intent classifier: a small BERT on CLINC150, 150 intents.

    python models/intent/train.py --data DIR/clinc150 --out models/intent/checkpoint

`--data` is the folder with `data_full.json` (Larson et al. 2019, CC BY 3.0). Needs torch,
transformers, tokenizers. One CPU thread; deterministic for a given torch version.
"""

import argparse
import copy
import json
import math
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

POSITIONS = 64


def train_tokenizer(texts, vocab_size):
    """WordPiece with BERT's normaliser, from the training split alone."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    trainer = trainers.WordPieceTrainer(vocab_size=vocab_size, special_tokens=special)
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return tokenizer


def encode(tokenizer, texts):
    """Ids and attention mask, padded to the longest of the set."""
    rows = [tokenizer.encode(text).ids for text in texts]
    width = max(map(len, rows))
    assert width <= POSITIONS, width
    ids = torch.tensor([row + [0] * (width - len(row)) for row in rows])
    return ids, (ids != 0).long()


def accuracy(model, ids, mask, labels):
    model.eval()
    right = 0
    with torch.no_grad():
        for i in range(0, len(ids), 500):
            logits = model(ids[i : i + 500], attention_mask=mask[i : i + 500]).logits
            right += (logits.argmax(1) == labels[i : i + 500]).sum().item()
    return right / len(ids)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--hidden", type=int, default=96)
    parser.add_argument("--vocab", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)

    data = json.loads((args.data / "data_full.json").read_text())
    names = sorted({label for _, label in data["train"]})
    index = {name: i for i, name in enumerate(names)}
    tokenizer = train_tokenizer([text for text, _ in data["train"]], args.vocab)
    splits = {}
    for split in ("train", "val", "test"):
        ids, mask = encode(tokenizer, [text for text, _ in data[split]])
        splits[split] = (ids, mask, torch.tensor([index[label] for _, label in data[split]]))

    config = BertConfig(
        vocab_size=tokenizer.get_vocab_size(), hidden_size=args.hidden, num_hidden_layers=2,
        num_attention_heads=args.hidden // 32, intermediate_size=2 * args.hidden, hidden_act="gelu",
        max_position_embeddings=POSITIONS, type_vocab_size=1, hidden_dropout_prob=0.2,
        attention_probs_dropout_prob=0.1, classifier_dropout=0.3, initializer_range=0.05,
        num_labels=len(names), id2label=dict(enumerate(names)), label2id=index, pad_token_id=0,
    )
    model = BertForSequenceClassification(config)
    print("parameters", sum(p.numel() for p in model.parameters()), flush=True)

    ids, mask, labels = splits["train"]
    batch, steps = 64, args.epochs * (len(ids) // 64)
    optimizer = torch.optim.AdamW(model.parameters(), 2e-3, betas=(0.9, 0.98), weight_decay=0.05)
    average = copy.deepcopy(model)  # exponential moving average of the weights
    step, best, start = 0, 0.0, time.time()
    lengths = mask.sum(1)
    for epoch in range(args.epochs):
        order = torch.randperm(len(ids))
        model.train()
        for i in range(0, len(ids) - batch + 1, batch):
            rate = 2e-3 * min(1, (step + 1) / 500) * 0.5 * (1 + math.cos(math.pi * step / steps))
            for group in optimizer.param_groups:
                group["lr"] = rate
            rows = order[i : i + batch]
            width = int(lengths[rows].max())
            x, m = ids[rows, :width].clone(), mask[rows, :width]
            x[(torch.rand(x.shape) < 0.12) & (x > 4)] = 1  # word dropout: [UNK]
            logits = model(x, attention_mask=m).logits
            loss = F.cross_entropy(logits, labels[rows], label_smoothing=0.1)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            step += 1
            decay = min(0.999, step / (step + 100))
            with torch.no_grad():
                for a, b in zip(average.parameters(), model.parameters()):
                    a.lerp_(b, 1 - decay)
        if epoch % 5 == 4:
            found = accuracy(average, *splits["val"])
            print(f"epoch {epoch + 1} loss {loss.item():.3f} val {found:.4f} {time.time() - start:.0f} s", flush=True)
            if found >= best:  # chosen by the validation split alone
                best = found
                average.save_pretrained(args.out)
                wrapped = PreTrainedTokenizerFast(
                    tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]",
                    cls_token="[CLS]", sep_token="[SEP]", mask_token="[MASK]",
                )
                wrapped.save_pretrained(args.out)
    model = BertForSequenceClassification.from_pretrained(args.out)
    print(f"val {accuracy(model, *splits['val']):.4f} test {accuracy(model, *splits['test']):.4f}")
    for split in ("val", "test"):
        lines = (json.dumps({"text": text, "label": label}) for text, label in data[split])
        (args.out.parent / f"{split}.jsonl").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
