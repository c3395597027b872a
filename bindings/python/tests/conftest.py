"""Models for the tests: those that the repository ships, and small ones of random weights made here, without torch."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import picoformer

ROOT = Path(__file__).resolve().parents[3]
MODELS = ROOT / "models"


def shipped(name: str) -> Path:
    path = MODELS / name / "model.pico"
    if not path.exists():
        pytest.skip(f"models/{name} is not here")
    return path


def command(*words: object) -> subprocess.CompletedProcess:
    """The command that came with the wheel, as a user starts it."""
    program = Path(sys.executable).with_name("picoformer")
    return subprocess.run([program, *map(str, words)], capture_output=True, text=True, timeout=120)


def safetensors(path: Path, tensors: dict) -> None:
    header, data = {}, b""
    for name, tensor in tensors.items():
        raw = np.ascontiguousarray(tensor, dtype="<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def plain(folder: Path, **config: object) -> Path:
    """A plain checkpoint of one layer with random weights (models/common/checkpoint.md)."""
    folder.mkdir()
    width, inner = 16, 32
    sizes = {"d_model": width, "n_layers": 1, "n_heads": 2, "d_ff": inner, "context": 12}
    config = {"model_type": "picoformer", "position": "sinusoidal", **sizes, **config}
    (folder / "config.json").write_text(json.dumps(config))
    random = np.random.default_rng(1)

    def matrix(*shape: int) -> np.ndarray:
        return random.normal(size=shape) / np.sqrt(shape[-1])

    inputs = (config["vocab_size"], width) if "vocab_size" in config else (width, config["frame_len"])
    tensors = {"embedding.weight": matrix(*inputs)}
    if "frame_len" in config:
        tensors["embedding.bias"] = np.zeros(width)
    for part in ("q", "k", "v", "o"):
        tensors[f"layers.0.attention.{part}.weight"] = matrix(width, width)
    tensors["layers.0.feed_forward.up.weight"] = matrix(inner, width)
    tensors["layers.0.feed_forward.down.weight"] = matrix(width, inner)
    for norm in ("layers.0.norm1", "layers.0.norm2", "final_norm"):
        tensors |= {f"{norm}.weight": np.ones(width), f"{norm}.bias": np.zeros(width)}
    if "labels" in config:
        tensors["head.weight"] = matrix(len(config["labels"]), width)
    safetensors(folder / "model.safetensors", tensors)
    return folder


@pytest.fixture(scope="session")
def intent() -> picoformer.Blob:
    return picoformer.Blob.load(shipped("intent"))


@pytest.fixture(scope="session")
def tales() -> picoformer.Blob:
    return picoformer.Blob.load(shipped("tales"))


@pytest.fixture(scope="session")
def g2p() -> picoformer.Blob:
    return picoformer.Blob.load(shipped("g2p"))


@pytest.fixture(scope="session")
def framed(tmp_path_factory: pytest.TempPathFactory) -> picoformer.Blob:
    """Frames of 6 features in, one of three labels out."""
    folder = plain(tmp_path_factory.mktemp("framed") / "c", frame_len=6, labels=["a", "b", "c"])
    return picoformer.convert(folder)


@pytest.fixture(scope="session")
def embedding(tmp_path_factory: pytest.TempPathFactory) -> picoformer.Blob:
    """Bytes in, an embedding out."""
    folder = plain(tmp_path_factory.mktemp("embedding") / "c", input="tokens", vocab_size=256, head="embedding")
    return picoformer.convert(folder, "bytes")
