"""Arrays on their way to the engine and back, as bytes: no C ABI of NumPy, no layout, byte order or type by accident."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def array(bytes_: bytes, exponents: list) -> np.ndarray:
    """Rows of 32-bit numbers in units of ``2**exponent`` as exact 64-bit floats, shape (rows, numbers of a row)."""
    rows = np.frombuffer(bytes_, dtype="<i4").reshape(len(exponents), -1).astype(np.float64)
    return np.ldexp(rows, np.asarray(exponents, dtype=np.int32)[:, None])


def text(value: Any, name: str = "text") -> str:
    """A text, or ``TypeError``."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, not {_kind(value)}")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(f"{name} is no Unicode text: {error.reason} at character {error.start}") from None
    return value


def texts(values: Any, name: str = "texts") -> list:
    """A list of texts, or ``TypeError`` that names the first that is none."""
    if isinstance(values, (str, bytes)) or not hasattr(values, "__iter__"):
        raise TypeError(f"{name} must be a list of str, not {_kind(values)}")
    return [text(value, f"{name}[{i}]") for i, value in enumerate(values)]


def ids(values: Any, name: str = "ids") -> list:
    """Token ids as a list of int, or ``TypeError``, ``ValueError``."""
    if isinstance(values, (str, bytes)) or not (isinstance(values, Sequence) or hasattr(values, "__array__")):
        raise TypeError(f"{name} must be a list or an array of int, not {_kind(values)}")
    given = _plain(values, name)
    if given.size == 0:
        return []
    if given.dtype.kind not in "iu":
        raise TypeError(f"{name} must be integers, not {given.dtype}")
    if given.ndim != 1:
        raise ValueError(f"{name} must have one axis, not shape {given.shape}; ask for one input at a time")
    if int(given.min()) < 0 or int(given.max()) > 0xFFFFFFFF:
        raise ValueError(f"{name} must be token ids: {int(given.min())} to {int(given.max())} were given")
    return [int(value) for value in given]


def question(value: Any, name: str) -> Any:
    """A text, or token ids as a list."""
    return text(value, name) if isinstance(value, str) else ids(value, name)


def samples(values: Any, channels: int) -> bytes:
    """16-bit samples: shape (n,), or (n, channels) of several channels."""
    given = _numbers(values, "samples")
    shape = "(samples,)" if channels == 1 else f"(samples, {channels})"
    flat = given.ndim == 1 and channels == 1
    if not flat and not (given.ndim == 2 and given.shape[1] == channels):
        raise ValueError(f"samples must have shape {shape}, not {given.shape}")
    if given.dtype.kind == "f":
        raise TypeError(f"samples must be 16-bit integers in the units of training, not {given.dtype}")
    return _halves(given, "samples")


def frames(values: Any, length: int) -> tuple:
    """Features of shape (rows, length), as bytes, and whether they are floats."""
    given = _numbers(values, "frames")
    if given.ndim != 2 or given.shape[1] != length:
        raise ValueError(f"frames must have shape (rows, {length}), not {given.shape}")
    if given.dtype.kind != "f":
        return _halves(given, "frames"), False
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(given, dtype="<f4").tobytes(), True


def _kind(value: Any) -> str:
    return type(value).__name__


def _plain(values: Any, name: str) -> np.ndarray:
    try:
        return np.asarray(values)
    except (ValueError, TypeError, RuntimeError) as error:
        raise TypeError(f"{name} is no array of numbers: {error}") from None


def _numbers(values: Any, name: str) -> np.ndarray:
    given = _plain(values, name)
    if given.dtype.kind not in "iuf":
        raise TypeError(f"{name} must be an array of integers or floats, not {given.dtype}")
    return given


def _halves(given: np.ndarray, name: str) -> bytes:
    if given.size and (int(given.min()) < -32768 or int(given.max()) > 32767):
        raise ValueError(f"{name} must fit 16 bits: {int(given.min())} to {int(given.max())} were given")
    return np.ascontiguousarray(given, dtype="<i2").tobytes()
