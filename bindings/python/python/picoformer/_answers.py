"""What a blob answers."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping
from typing import Any

from ._native import Pieces


class _Fields(Mapping):
    """The keys and values of a JSON object."""

    def __init__(self, fields: dict) -> None:
        self._fields = fields

    def __getitem__(self, key: str) -> Any:
        return self._fields[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)


class Answer(_Fields):
    """What an encoder says of an input. A mapping with the keys of ``picoformer run --json``.

    Attributes are those keys: ``label`` (``None`` if the text is none of the labels), ``scores`` (label → probability),
    ``logits``, ``ids``; ``labels`` of a model with several; ``values`` of a regression; ``nearest``, ``in_scope`` and
    ``score`` of a model with a threshold; ``embedding`` or ``hidden`` of a model without labels.
    """

    def __getattr__(self, name: str) -> Any:
        # Copying and pickling ask for names before there are fields.
        fields = self.__dict__.get("_fields", {})
        if name in fields:
            return fields[name]
        raise AttributeError(f"this answer has no `{name}`; it has {', '.join(fields)}")

    def __dir__(self) -> list:
        return [*super().__dir__(), *self._fields]

    def best(self, most: int = 5) -> list:
        """The likeliest labels with their probabilities, ``most`` at most."""
        scores = self._fields.get("scores", {})
        return sorted(scores.items(), key=lambda pair: -pair[1])[:most]

    def __repr__(self) -> str:
        shown = {key: self._fields[key] for key in ("label", "labels", "nearest", "values") if key in self._fields}
        if "scores" in self._fields:
            shown["best"] = {name: round(p, 4) for name, p in self.best(3)}
        shown = shown or {key: f"{len(value)} rows" for key, value in self._fields.items()}
        inside = ", ".join(f"{key}={value!r}" for key, value in shown.items())
        return f"{type(self).__name__}({inside})"


class Tags(Answer):
    """A label for every token: ``labels``, ``tokens``, ``ids``; where the model tells entities, ``entities``, a list of
    ``{"kind", "text", "first", "end"}``; where it labels the whole text, too, ``label`` and ``scores``."""


class Translation(Answer):
    """The best target of an encoder-decoder: ``text``, ``ids``, ``log_probability`` in nats, ``stop``
    (``"end_of_sequence"`` or ``"limit"``)."""

    def __str__(self) -> str:
        return str(self["text"])

    def __repr__(self) -> str:
        return f"Translation({self['text']!r}, stop={self['stop']!r})"


class Generation:
    """An iterator of the pieces that a decoder writes; a piece is made when it is asked for.

    ``text`` is what was given so far, ``ids`` its tokens, ``stop`` why it ended (``"end_of_sequence"``,
    ``"max_tokens"``, ``"context_full"``) or ``None``.
    """

    def __init__(self, pieces: Pieces) -> None:
        self._pieces = pieces
        self._text = ""

    def __iter__(self) -> Generation:
        return self

    def __next__(self) -> str:
        piece = next(self._pieces)
        self._text += piece
        return piece

    @property
    def text(self) -> str:
        return self._text

    @property
    def ids(self) -> list:
        return self._pieces.ids

    @property
    def stop(self) -> str | None:
        return self._pieces.stop

    def finish(self) -> str:
        """Asks for all pieces that are left; returns the whole text."""
        for _ in self:
            pass
        return self._text


class Bill(_Fields):
    """What a model is and costs: a mapping with the keys of ``picoformer inspect --json``; a table in a notebook, the
    command's text elsewhere."""

    def __init__(self, fields: dict, text: str) -> None:
        super().__init__(fields)
        self._text = text

    def __repr__(self) -> str:
        return self._text

    def _repr_html_(self) -> str:
        def rows(items: list) -> str:
            return "".join(
                f"<tr><td>{html.escape(item['name'])}</td><td style='text-align:right'>{item['bytes']:,}</td></tr>"
                for item in items
            )

        def head(name: str, total: int) -> str:
            return f"<tr><th>{name}</th><th style='text-align:right'>{total:,} bytes</th></tr>"

        about = self._text.split("\n\nflash", 1)[0]
        lines = "<br>".join(html.escape(line) for line in about.splitlines())
        flash = head("flash", self["flash_bytes"]) + rows(self["sections"])
        ram = head("RAM (arena)", self["arena_bytes"]) + rows(self["buffers"])
        return f"<p>{lines}</p><table>{flash}{ram}</table>"
