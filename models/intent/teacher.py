"""The teacher: a sentence encoder of Hugging Face's BERT layout (MiniLM), fine-tuned, and its table of words."""

import time

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from transformers import BertModel


class Teacher(torch.nn.Module):
    """Mean of the last layer's rows, then one linear layer."""

    def __init__(self, folder, labels):
        super().__init__()
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(48)
        self.bert = BertModel.from_pretrained(folder, add_pooling_layer=False)
        self.head = torch.nn.Linear(self.bert.config.hidden_size, labels)

    def encode(self, texts):
        return [e.ids for e in self.tokenizer.encode_batch(list(texts))]

    def forward(self, rows):
        wide = max(map(len, rows))
        ids = torch.tensor([row + [0] * (wide - len(row)) for row in rows])
        mask = (ids != 0).long()
        hidden = self.bert(ids, attention_mask=mask).last_hidden_state
        mean = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        return self.head(F.dropout(mean, 0.1, self.training)).float()

    @torch.no_grad()
    def logits(self, texts, say=None):
        """Logits `(sentences, labels)`; alike lengths share a batch."""
        self.eval()
        rows = self.encode(texts)
        order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
        found = torch.zeros(len(rows), self.head.out_features, dtype=torch.float16)
        for k in range(0, len(order), 128):
            part = order[k : k + 128]
            with torch.autocast("cpu", torch.bfloat16):
                found[part] = self([rows[i] for i in part]).half()
            if say and k % 12800 == 0:
                say(k, len(order))
        return found.float()


def train(teacher, data, epochs, state_file, seed, validate, rate=6e-5, batch=64):
    """Fine-tunes on `data`, pairs of text and label index; goes on from `state_file`."""
    rows = teacher.encode(text for text, _ in data)
    labels = torch.tensor([label for _, label in data])
    slow = [p for n, p in teacher.named_parameters() if not n.startswith("head") and "embeddings" not in n]
    groups = [{"params": slow, "base": rate}, {"params": list(teacher.head.parameters()), "base": 2e-3},
              {"params": list(teacher.bert.embeddings.parameters()), "base": rate / 2}]
    optimizer = torch.optim.AdamW(groups, rate, weight_decay=0.01, fused=True)
    per_epoch = len(rows) // batch
    steps, step, seconds, saved = epochs * per_epoch, 0, 0.0, time.time()
    if state_file.exists():
        state = torch.load(state_file, weights_only=True)
        teacher.load_state_dict(state["model"])
        if "optimizer" in state:
            optimizer.load_state_dict(state["optimizer"])
        step, seconds = state["step"], state["seconds"]
    start = time.process_time() - seconds

    def save():
        state = {"model": teacher.state_dict(), "step": step, "seconds": time.process_time() - start}
        if step < steps:
            state["optimizer"] = optimizer.state_dict()
        torch.save(state, state_file.with_suffix(".new"))
        state_file.with_suffix(".new").replace(state_file)

    while step < steps:
        epoch = step // per_epoch
        order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed * 100 + epoch)).tolist()
        # Sixteen batches at a time are sorted by length, so that little is padding.
        for k in range(0, len(order), 16 * batch):
            order[k : k + 16 * batch] = sorted(order[k : k + 16 * batch], key=lambda i: len(rows[i]))
        batches = [order[k * batch : (k + 1) * batch] for k in range(per_epoch)]
        mixed = torch.randperm(per_epoch, generator=torch.Generator().manual_seed(seed * 100 + epoch)).tolist()
        teacher.train()
        for k in mixed[step % per_epoch :]:
            torch.manual_seed(seed * 10**6 + step)
            part = batches[k]
            for group in optimizer.param_groups:
                group["lr"] = group["base"] * min(1, (step + 1) / 100) * (1 - step / steps)
            with torch.autocast("cpu", torch.bfloat16):
                logits = teacher([rows[i] for i in part])
            loss = F.cross_entropy(logits, labels[part])
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(teacher.parameters(), 1.0)
            optimizer.step()
            step += 1
            if step % 50 == 0:
                print(f"teacher step {step} of {steps} loss {loss.item():.3f} cpu {time.process_time() - start:.0f}s", flush=True)
            if time.time() - saved > 400:
                save()
                saved = time.time()
        print(f"teacher epoch {epoch + 1}", validate(teacher), flush=True)
        save()
    return teacher.eval()


def neighbours(teacher, words, count=10):
    """word → its nearest words in the teacher's table, of those given and in the table."""
    vocabulary = teacher.tokenizer.get_vocab()
    known = sorted(w for w in set(words) if w in vocabulary and w.isalnum())
    table = F.normalize(teacher.bert.embeddings.word_embeddings.weight.detach()[[vocabulary[w] for w in known]], dim=1)
    found = {}
    for k in range(0, len(known), 512):
        near = (table[k : k + 512] @ table.T).topk(min(count + 1, len(known))).indices
        for word, row in zip(known[k : k + 512], near.tolist()):
            found[word] = [known[i] for i in row if known[i] != word] or [word]
    return found
