"""A converted model."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from . import _arrays, _native
from ._answers import Answer, Bill, Generation, Tags, Translation
from ._compare import Comparison, compare


class Blob:
    """A converted model, as it is flashed. ``convert`` and ``Blob.load`` make one.

    It never changes, and threads may share it: every call has memory of its own and runs without the interpreter's
    lock. Ctrl-C ends a call after the engine's step that is running.
    """

    def __init__(self, data: bytes, name: str | os.PathLike = "blob") -> None:
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise TypeError(f"data must be bytes, not {type(data).__name__}")
        self._native = _native.Blob(bytes(data), Path(name))
        self._answers: str = self.bill()["answers"]
        self.notes: list = []

    @classmethod
    def load(cls, path: str | os.PathLike) -> Blob:
        """Reads a ``.pico`` file.

        Raises ``OSError`` for a file that cannot be read, ``Error`` for one that is no valid blob.
        """
        return cls(Path(path).read_bytes(), path)

    def save(self, path: str | os.PathLike) -> None:
        """Writes the blob to a file, whole or not at all."""
        path = Path(path)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(self.data)
            # The mode that a new file would have: mkstemp's is for secrets.
            mask = os.umask(0)
            os.umask(mask)
            os.chmod(name, 0o666 & ~mask)
            os.replace(name, path)
        except BaseException:
            os.unlink(name)
            raise

    @property
    def data(self) -> bytes:
        """The bytes to be flashed."""
        return self._native.bytes()

    def bill(self) -> Bill:
        """What the model is and costs: flash by section, RAM by buffer. A table in a notebook, text elsewhere."""
        fields, text = self._native.bill()
        return Bill(json.loads(fields), text)

    def tokenize(self, text: str) -> dict:
        """``ids`` and ``pieces`` of a text, special tokens included; ``original_ids`` where the blob has a part of its
        original's vocabulary."""
        return json.loads(self._native.tokens(_arrays.text(text)))

    def classify(self, text: str) -> Answer:
        """The label of a text, with the scores of all; of a regression, ``values``."""
        self._needs("label", "a model with labels for a text")
        return Answer(json.loads(self._native.answer(_arrays.text(text))))

    def tag(self, text: str) -> Tags:
        """A label for every token, and the entities that they make."""
        self._needs("labels", "a model with per-token labels")
        return Tags(json.loads(self._native.answer(_arrays.text(text))))

    def embed(self, texts: str | Iterable) -> np.ndarray:
        """Embeddings: shape (dim,) of one text, (n, dim) of a list of n; float64, exactly the engine's numbers."""
        self._needs("embedding", "a model that embeds texts")
        if isinstance(texts, str):
            return self.logits(texts)
        rows = [self.logits(text) for text in _arrays.texts(texts)]
        return np.array(rows).reshape(-1, self.bill()["embedding_dim"])

    def logits(self, ids: Any, target: Any = None) -> np.ndarray:
        """What the model computes for token ids (exactly these, none added) or for a text; float64, exactly the engine's
        numbers.

        Shape (labels,) of a classifier, (dim,) of an embedding, (tokens, labels) of labels for tokens, (tokens, width)
        of hidden rows, (tokens, vocabulary) of a decoder: row i predicts token i + 1. An encoder-decoder needs
        ``target``, without a start token: (target tokens, vocabulary).
        """
        source = _arrays.question(ids, "ids")
        wanted = None if target is None else _arrays.question(target, "target")
        rows = _arrays.array(*self._native.logits(source, wanted))
        return rows[0] if self._answers in ("label", "embedding") else rows

    def generate(
        self,
        text: Any = "",
        max_tokens: int | None = None,
        temperature: float = 0.0,
        top_k: int = 0,
        top_p: float = 1.0,
        seed: int = 0,
    ) -> Generation:
        """An iterator of the pieces that a decoder writes after a text or ids; the prompt is not repeated.

        ``temperature`` 0 takes the likeliest token; ``top_k`` 0 and ``top_p`` 1 keep all. The same seed gives the same
        text here and on the device.
        """
        prompt = _arrays.question(text, "text")
        return Generation(self._native.generate(prompt, max_tokens, temperature, top_k, top_p, seed))

    def translate(self, text: Any, max_tokens: int | None = None, beams: int | None = None) -> Translation:
        """The best target of an encoder-decoder for a text or ids. A model of single words answers a phrase word by
        word."""
        source = _arrays.question(text, "text")
        return Translation(json.loads(self._native.translate(source, max_tokens, beams)))

    def score(self, text: Any, target: Any = None) -> float:
        """Log-probability of a text or ids in nats, over all tokens but the first; of an encoder-decoder that of
        ``target`` after the text."""
        source = _arrays.question(text, "text")
        wanted = None if target is None else _arrays.question(target, "target")
        return sum(self._native.score(source, wanted)) / 65536

    def frames(self, array: Any) -> Answer:
        """What a model says that takes no text.

        Of a model with a front end: samples, 16-bit integers of shape (n,), or (n, channels) for motion; the answer has
        ``events`` and perhaps ``label``. Otherwise: features of shape (rows, features of a frame), floats, or 16-bit
        integers in the model's unit. Any layout and byte order; other shapes and types are refused.
        """
        length, _, channels = self._native.senses()
        if channels is not None:
            return Answer(json.loads(self._native.samples(_arrays.samples(array, channels))))
        if length == 0:
            raise _native.Error("this needs a model with frame input; this one takes tokens")
        return Answer(json.loads(self._native.frames(*_arrays.frames(array, length))))

    def compare(self, model: Any, tokenizer: Any, texts: Iterable, worst: int = 5) -> Comparison:
        """Runs the original model of Hugging Face on the texts beside this blob, and tells where they differ.

        The original is asked, not this package's reading of its files: a fault in the reading shows here.
        """
        return compare(self, model, tokenizer, texts, worst)

    def _needs(self, answers: str, kind: str) -> None:
        if self._answers != answers:
            raise _native.Error(f"this needs {kind}; this one answers with {self._answers}")

    def _repr_html_(self) -> str:
        return self.bill()._repr_html_()

    def __repr__(self) -> str:
        bill = self.bill()
        return f"Blob({bill['architecture']}, {bill['flash_bytes']:,} bytes of flash, {bill['arena_bytes']:,} of RAM)"

    def __reduce__(self) -> tuple:
        return Blob, (self.data,)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Blob) and self.data == other.data

    def __hash__(self) -> int:
        return hash(self.data)
