"""From a checkpoint, or a model in memory, to a blob."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from . import _native
from ._blob import Blob


def convert(
    model: Any,
    tokenizer: Any = None,
    *,
    context: int | None = None,
    target_context: int | None = None,
    beams: int | None = None,
    wide: str | None = None,
    key_base: str | None = None,
    bits: int | str | None = None,
    eight: Sequence | None = None,
    flash: int | None = None,
    loss: float | None = None,
    calibration: Iterable | str | os.PathLike | None = None,
    layout: str | None = None,
    tile_rows: int | None = None,
    note: str | None = None,
    out_of_scope: str | None = None,
    special_tokens: bool = False,
    keep_vocabulary: Iterable | str | os.PathLike | None = None,
    ignore: Sequence = (),
) -> Blob:
    """Converts a checkpoint into a blob.

    ``model`` is a path (Hugging Face folder, plain checkpoint, llama2.c file) or a Hugging Face model in memory; it is
    handed over by its ``save_pretrained``, without a hub. ``tokenizer`` belongs to it: a tokenizer in memory, or what
    ``--tokenizer`` takes.

    The options are those of ``picoformer convert`` (``picoformer convert --help``); ``calibration`` and
    ``keep_vocabulary`` take a file, or a list of texts. What the user should know is in ``notes`` of the blob.

    Raises ``Error`` for what cannot be converted: the message names the file, the key and what helps.
    """
    with tempfile.TemporaryDirectory(prefix="picoformer-") as folder:
        words = [] if tokenizer is None else _tokenizer(model, tokenizer, Path(folder))
        options = {
            "context": context,
            "target-context": target_context,
            "beams": beams,
            "wide": wide,
            "key-base": key_base,
            "bits": bits,
            "eight": None if eight is None else ",".join(_names(eight, "eight")),
            "flash": flash,
            "loss": loss,
            "calibration": _file(calibration, "calibration", Path(folder)),
            "layout": layout,
            "tile-rows": tile_rows,
            "note": note,
            "out-of-scope": out_of_scope,
            "keep-vocabulary": _file(keep_vocabulary, "keep_vocabulary", Path(folder)),
        }
        for name, value in options.items():
            if value is not None:
                # In one word, so that a value may begin with a dash.
                words.append(f"--{name}={os.fspath(value) if isinstance(value, os.PathLike) else value}")
        words += ["--special-tokens"] if special_tokens else []
        words += [f"--ignore={key}" for key in _names(ignore, "ignore")]
        words += ["--", os.fspath(_checkpoint(model, Path(folder)))]
        data, notes = _native.convert(words)
    blob = Blob(data, "model.pico")
    blob.notes = notes
    return blob


def _checkpoint(model: Any, folder: Path) -> Any:
    """The path of a checkpoint; of a model in memory, the folder that it is saved to."""
    if isinstance(model, (str, os.PathLike)):
        return model
    if not hasattr(model, "save_pretrained"):
        raise TypeError(
            f"model must be a path, or a Hugging Face model with `save_pretrained`, not {type(model).__name__}"
        )
    place = folder / "checkpoint"
    place.mkdir(exist_ok=True)
    model.save_pretrained(place)
    return place


def _tokenizer(model: Any, tokenizer: Any, folder: Path) -> list:
    """Saves a tokenizer beside the model; the words that name one that is a file."""
    if isinstance(tokenizer, (str, os.PathLike)):
        return [f"--tokenizer={os.fspath(tokenizer)}"]
    place = folder / "checkpoint"
    if hasattr(tokenizer, "save_pretrained"):
        if isinstance(model, (str, os.PathLike)):
            place = folder / "tokenizer"
        place.mkdir(exist_ok=True)
        _belongs(model, tokenizer)
        tokenizer.save_pretrained(place)
        if place.name == "tokenizer":
            file = place / "tokenizer.json"
            if not file.is_file():
                raise TypeError("tokenizer has no tokenizer.json: give the model in memory, too, or save it beside")
            return [f"--tokenizer={file}"]
        return []
    if hasattr(tokenizer, "to_str"):
        # One of the package `tokenizers`.
        file = folder / "tokenizer.json"
        file.write_text(tokenizer.to_str(), encoding="utf-8")
        return [f"--tokenizer={file}"]
    raise TypeError(
        f"tokenizer must be a path, or a Hugging Face tokenizer with `save_pretrained`, not {type(tokenizer).__name__}"
    )


def _belongs(model: Any, tokenizer: Any) -> None:
    """Refuses a tokenizer that cannot be the model's: more tokens than rows, or far fewer than padding explains."""
    known = getattr(getattr(model, "config", None), "vocab_size", None)
    if not isinstance(known, int):
        return
    given = len(tokenizer)
    if given > known or known - given > max(256, known // 8):
        raise _native.Error(
            f"the tokenizer has {given} tokens, the model knows {known}: they do not belong together\n"
            "help: give the tokenizer that the model was trained with"
        )


def _names(values: Any, name: str) -> list:
    """A list of str; one alone is a list of one."""
    values = [values] if isinstance(values, str) else list(values)
    for value in values:
        if not isinstance(value, str):
            raise TypeError(f"{name} must be a list of str, not of {type(value).__name__}")
    return values


def _file(values: Any, name: str, folder: Path) -> Any:
    """A path, or the path of a file with these texts, a line each."""
    if values is None or isinstance(values, (str, os.PathLike)):
        return values
    lines = [line for text in _names(values, name) for line in text.splitlines()]
    file = folder / f"{name}.txt"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file
