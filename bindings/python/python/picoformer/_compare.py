"""The original model of Hugging Face beside a blob, text by text: the check that does not rely on how the converter read
the checkpoint."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from . import _arrays
from ._native import Error


@dataclass
class Row:
    """One text. ``agreement`` is the share of its answers (one label, or one a token) that are the same; ``kl`` is in
    nats, from the original's distribution to the blob's, the mean over its rows; ``None`` where there is none."""

    text: str
    original: str
    ours: str
    agreement: float
    cosine: float
    kl: float | None
    same_tokens: bool


@dataclass
class Comparison:
    """What the original and the blob say of some texts. Printed, it says where they differ."""

    rows: list = field(default_factory=list)
    #: Texts that the blob refuses, each with the reason.
    refused: list = field(default_factory=list)
    most: int = 5

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def agreement(self) -> float:
        """Share of answers that are the same, the mean over the texts."""
        return self._mean([row.agreement for row in self.rows])

    @property
    def cosine(self) -> float:
        """Cosine between the outputs, the mean over the texts."""
        return self._mean([row.cosine for row in self.rows])

    @property
    def kl(self) -> float | None:
        """Kullback-Leibler divergence in nats, the mean over the texts; ``None`` of a model without distributions."""
        known = [row.kl for row in self.rows if row.kl is not None]
        return self._mean(known) if known else None

    @property
    def worst(self) -> list:
        """The texts that differ most, the worst first."""
        order = sorted(self.rows, key=lambda row: (row.agreement, -(row.kl or 0.0), row.cosine))
        return order[: self.most]

    @property
    def different(self) -> list:
        """The texts whose answers are not all the same."""
        return [row for row in self.rows if row.agreement < 1]

    @property
    def other_tokens(self) -> list:
        """The texts that the two tokenizers read differently."""
        return [row for row in self.rows if not row.same_tokens]

    @staticmethod
    def _mean(values: list) -> float:
        return float(np.mean(values)) if values else float("nan")

    def _summary(self) -> list:
        n = len(self.rows)
        lines = [
            f"{n} texts: {n - len(self.different)} answered as by the original, {len(self.different)} differently",
            f"agreement {100 * self.agreement:.2f} %, cosine {self.cosine:.6f}"
            + ("" if self.kl is None else f", KL divergence {self.kl:.1e} nats"),
        ]
        if self.other_tokens:
            first = self.other_tokens[0].text
            lines.append(f"{len(self.other_tokens)} texts have other tokens, the first is {first!r}")
        for text, reason in self.refused[: self.most]:
            lines.append(f"refused: {text!r}: {reason}")
        return lines

    def __repr__(self) -> str:
        lines = [*self._summary(), "the worst:"]
        for row in self.worst:
            sign = "=" if row.agreement == 1 else "≠"
            kl = "" if row.kl is None else f" KL {row.kl:.1e}"
            lines.append(
                f"  {sign} {row.text!r}: original {row.original}, int8 {row.ours}; cosine {row.cosine:.6f}{kl}"
            )
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{name}</th>" for name in ("text", "original", "int8", "cosine", "KL (nats)"))
        body = ""
        for row in self.worst:
            kl = "" if row.kl is None else f"{row.kl:.1e}"
            cells = (row.text, row.original, row.ours, f"{row.cosine:.6f}", kl)
            style = "" if row.agreement == 1 else " style='font-weight:bold'"
            body += f"<tr{style}>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>"
        about = "<br>".join(html.escape(line) for line in self._summary())
        return f"<p>{about}</p><table><tr>{head}</tr>{body}</table>"


def compare(blob: Any, model: Any, tokenizer: Any, texts: Iterable, worst: int) -> Comparison:
    """As ``Blob.compare``."""
    if not callable(model) or not hasattr(model, "eval"):
        raise TypeError(f"model must be a Hugging Face model, not {type(model).__name__}")
    tokenizer = getattr(model, "tokenizer", None) if tokenizer is None else tokenizer
    if not callable(tokenizer):
        raise TypeError(f"tokenizer must be a Hugging Face tokenizer, not {type(tokenizer).__name__}")
    texts = _arrays.texts(texts)
    if not texts:
        raise ValueError("texts is empty: there is nothing to compare")
    bill = blob.bill()
    if bill["kept_pieces"] is not None and bill["answers"] == "tokens":
        raise Error(
            "this blob has a part of its original's vocabulary, so their distributions are over other tokens\n"
            "help: convert without keep_vocabulary to compare"
        )
    import torch

    one = _translated if bill["architecture"] == "encoder-decoder" else _read
    comparison, training = Comparison(most=worst), model.training
    model.eval()
    try:
        with torch.no_grad():
            for text in texts:
                # What the original makes of a text that the blob refuses is of no use.
                try:
                    tokens = blob.tokenize(text)
                    answer = one(blob, bill, model, tokenizer, text, tokens)
                except Error as error:
                    comparison.refused.append((text, str(error)))
                    continue
                comparison.rows.append(answer)
    finally:
        model.train(training)
    if not comparison.rows:
        text, reason = comparison.refused[0]
        raise Error(f"all texts are refused, the first, {text!r}, because {reason}")
    return comparison


def _ids(tokenizer: Any, text: str) -> list:
    return [int(token) for token in tokenizer(text)["input_ids"]]


def _read(blob: Any, bill: Any, model: Any, tokenizer: Any, text: str, tokens: dict) -> Row:
    """Of an encoder or a decoder: one pass."""
    theirs, ours = _ids(tokenizer, text), tokens.get("original_ids", tokens["ids"])
    same, answers = theirs == ours, bill["answers"]
    b = np.atleast_2d(blob.logits(text))
    if answers == "embedding" and hasattr(model, "encode"):
        a = np.atleast_2d(np.asarray(model.encode(text), dtype=np.float64))
    else:
        given = tokenizer(text, return_tensors="pt").to(next(model.parameters()).device)
        outputs = model(**given)
        wanted = "last_hidden_state" if answers in ("hidden", "embedding") else "logits"
        if not hasattr(outputs, wanted):
            raise TypeError(f"the model gives no `{wanted}`, and the blob answers with {answers}")
        a = np.atleast_2d(_numbers(getattr(outputs, wanted)[0]))
        if answers == "embedding":
            # A body alone has no pooling of its own: the converter takes the mean, as sentence-transformers does.
            a = a.mean(0, keepdims=True)
    if a.shape[-1] != b.shape[-1]:
        raise ValueError(
            f"the model gives {a.shape[-1]} numbers a row, the blob {b.shape[-1]}: they do not belong together"
        )
    if bill["unit_length"]:
        a = a / np.maximum(np.linalg.norm(a, axis=1, keepdims=True), 1e-12)
    if a.shape != b.shape:
        # Other tokens: no row of one is a row of the other.
        name = f"{len(theirs)} tokens", f"{len(ours)} tokens"
        return Row(text, *name, agreement=0.0, cosine=0.0, kl=None, same_tokens=same)
    distribution = _distribution(answers, bill)
    agreement = _agreement(a, b, distribution)
    kl = None if distribution is None else float(np.mean(distribution(a, b)))
    names = _names(model, answers, bill, tokenizer)
    return Row(text, _said(a, names), _said(b, names), agreement, _cosine(a, b), kl, same)


def _translated(blob: Any, bill: Any, model: Any, tokenizer: Any, text: str, tokens: dict) -> Row:
    """Of an encoder-decoder: both write; then the blob reads what the original wrote."""
    import torch

    device = next(model.parameters()).device
    theirs, ours = _ids(tokenizer, text), tokens.get("original_ids", tokens["ids"])
    source = torch.tensor([theirs], device=device)
    # The start token has a position, too.
    written = model.generate(source, max_length=bill["target_context"])[0]
    target = [int(token) for token in written[1:]]
    original = tokenizer.decode(target, skip_special_tokens=True).strip()
    translation = blob.translate(tokens["ids"]).text.strip()
    a = _numbers(model(input_ids=source, decoder_input_ids=written[None, :-1]).logits[0])
    b = blob.logits(tokens["ids"], target=target)
    kl = float(np.mean(_softmax_kl(a, b)))
    same = float(original == translation)
    return Row(text, repr(original), repr(translation), same, _cosine(a, b), kl, theirs == ours)


def _numbers(tensor: Any) -> np.ndarray:
    return tensor.detach().float().cpu().numpy().astype(np.float64)


def _cosine(a: np.ndarray, b: np.ndarray) -> float:
    """The mean over the rows."""
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return float(np.mean((a * b).sum(1) / np.where(lengths > 0, lengths, 1)))


def _log_softmax(x: np.ndarray) -> np.ndarray:
    x = x - x.max(1, keepdims=True)
    return x - np.log(np.exp(x).sum(1, keepdims=True))


def _softmax_kl(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    p, q = _log_softmax(a), _log_softmax(b)
    return (np.exp(p) * (p - q)).sum(1)


def _sigmoid_kl(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Of independent labels, their sum."""

    def log(x: np.ndarray) -> np.ndarray:
        return -np.logaddexp(0, -x)

    p = np.exp(log(a))
    return (p * (log(a) - log(b)) + (1 - p) * (log(-a) - log(-b))).sum(1)


def _distribution(answers: str, bill: Any) -> Callable | None:
    """What makes a divergence of two rows of logits, if they are distributions."""
    if answers in ("embedding", "hidden") or bill["problem_type"] == "regression":
        return None
    return _sigmoid_kl if bill["problem_type"] == "multi_label_classification" else _softmax_kl


def _agreement(a: np.ndarray, b: np.ndarray, distribution: Callable | None) -> float:
    if distribution is None:
        # Numbers, not choices: the same where they lie within one percent of their length.
        near = np.linalg.norm(a - b, axis=1) <= 0.01 * np.linalg.norm(a, axis=1)
        return float(np.mean(near))
    if distribution is _sigmoid_kl:
        return float(np.all((a > 0) == (b > 0)))
    return float(np.mean(a.argmax(1) == b.argmax(1)))


def _names(model: Any, answers: str, bill: Any, tokenizer: Any) -> Callable | None:
    """What the number of an output is called, if a single one is the answer."""
    if bill["problem_type"] in ("regression", "multi_label_classification"):
        return None
    if answers in ("label", "labels"):
        names = getattr(getattr(model, "config", None), "id2label", None) or {}
        return lambda index: str(names.get(index, index))
    if answers == "tokens":
        return lambda index: repr(tokenizer.decode([index]))
    return None


def _said(x: np.ndarray, names: Callable | None) -> str:
    if names is None:
        shown = ", ".join(f"{value:.3f}" for value in x[-1][:4])
        return f"[{shown}{', …' if x.shape[1] > 4 else ''}]"
    said = [names(int(index)) for index in x.argmax(1)]
    return said[0] if len(said) == 1 else " ".join(said)
