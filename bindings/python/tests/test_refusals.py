"""Bad input: an exception that names it, in the words of the command; never a crash of the interpreter."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import picoformer
from conftest import MODELS, command, plain, shipped
from picoformer import Blob, Error, _native


def copied(tmp_path: Path) -> Path:
    return Path(shutil.copytree(MODELS / "intent/checkpoint", tmp_path / "checkpoint"))


def changed(folder: Path, **keys: object) -> Path:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | keys))
    return folder


def squeezed(text: str) -> str:
    """Without the drawing around a terminal's message, and the breaks of its lines."""
    return "".join(c for c in text if c not in "│╰╭─▶├×" and not c.isspace())


def test_an_unsupported_family_is_named_as_by_the_command(tmp_path: Path) -> None:
    folder = changed(copied(tmp_path), model_type="mamba")
    with pytest.raises(Error, match="mamba.*not supported") as caught:
        picoformer.convert(folder)
    assert isinstance(caught.value, ValueError) and "help: " in str(caught.value)
    ran = command("convert", folder, "-o", tmp_path / "x.pico")
    assert ran.returncode == 1
    for line in str(caught.value).removeprefix("help: ").splitlines():
        assert squeezed(line) in squeezed(ran.stderr)


def test_a_key_that_would_change_the_answers_is_named(tmp_path: Path) -> None:
    with pytest.raises(Error, match="position_embedding_type"):
        picoformer.convert(changed(copied(tmp_path), position_embedding_type="relative_key"))


def test_a_damaged_checkpoint_is_refused(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    weights = folder / "model.safetensors"
    data = weights.read_bytes()
    for damaged in (b"", data[:100], data[:-7], b"\xff" * 64 + data[64:]):
        weights.write_bytes(damaged)
        with pytest.raises(Error):
            picoformer.convert(folder)
    weights.unlink()
    with pytest.raises(Error, match="is missing"):
        picoformer.convert(folder)


def test_a_tokenizer_of_another_model_is_refused(tmp_path: Path) -> None:
    folder = plain(tmp_path / "c", input="tokens", vocab_size=300, head="embedding")
    with pytest.raises(Error, match="1600 tokens, the model knows 300"):
        picoformer.convert(folder, MODELS / "intent/checkpoint/tokenizer.json")
    with pytest.raises(TypeError, match="tokenizer must be a path"):
        picoformer.convert(folder, 7)


def test_what_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="not dict"):
        picoformer.convert({})
    with pytest.raises(Error, match="there is no file and no folder"):
        picoformer.convert(tmp_path / "nothing")
    with pytest.raises(Error, match="is not a checkpoint"):
        picoformer.convert(tmp_path)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"context": 0}, "0"),
        ({"context": "many"}, "many"),
        ({"wide": "very"}, "very"),
        ({"bits": 3}, "3"),
        ({"tile_rows": -1}, "-1"),
        ({"ignore": ["no_such_key"]}, "no_such_key"),
        ({"out_of_scope": "energie=1"}, "energie"),
        ({"beams": 4}, "--beams"),
        ({"note": "a\ud800b"}, ""),
    ],
)
def test_wrong_options(options: dict, words: str) -> None:
    with pytest.raises(ValueError) as caught:
        picoformer.convert(MODELS / "intent/checkpoint", **options)
    assert words in str(caught.value)


def test_options_of_wrong_types() -> None:
    with pytest.raises(TypeError, match="ignore must be a list of str"):
        picoformer.convert(MODELS / "intent/checkpoint", ignore=[1])
    with pytest.raises(TypeError, match="unexpected keyword"):
        picoformer.convert(MODELS / "intent/checkpoint", contxt=3)


def test_blobs_that_are_none(tmp_path: Path, intent: Blob) -> None:
    path = tmp_path / "bad.pico"
    data = intent.data
    for bad in (b"", b"PICO", data[:-4], data[:1000], data[:-1] + bytes([data[-1] ^ 1]), b"x" * len(data)):
        path.write_bytes(bad)
        with pytest.raises(Error, match="bad.pico` cannot be used"):
            Blob.load(path)
    for i in range(0, 128, 3):
        with pytest.raises(Error):
            Blob(data[:i] + bytes([data[i] ^ 0x5A]) + data[i + 1 :])
    with pytest.raises(FileNotFoundError):
        Blob.load(tmp_path / "no.pico")
    with pytest.raises(IsADirectoryError):
        Blob.load(tmp_path)
    with pytest.raises(TypeError, match="not str"):
        Blob("model.pico")


@pytest.mark.parametrize("text", [None, 3, b"set a timer", ["set a timer"], np.zeros(3)])
def test_texts_that_are_none(intent: Blob, tales: Blob, embedding: Blob, text: object) -> None:
    for ask in (intent.classify, intent.tokenize):
        with pytest.raises(TypeError, match="text must be a str"):
            ask(text)
    if not isinstance(text, list):
        with pytest.raises(TypeError):
            embedding.embed(text)
    with pytest.raises(TypeError):
        tales.generate(text)
    with pytest.raises(TypeError, match=r"texts\[1\] must be a str"):
        embedding.embed(["a", 5])


def test_texts_that_cannot_be_answered(intent: Blob, tales: Blob, g2p: Blob, embedding: Blob) -> None:
    with pytest.raises(Error, match="empty"):
        intent.classify("")
    with pytest.raises(Error, match="64"):
        intent.classify("a timer " * 100)
    with pytest.raises(ValueError, match="no Unicode text"):
        intent.classify("a\ud800")
    with pytest.raises(Error, match="3"):
        g2p.translate("mp3")
    with pytest.raises(Error):
        g2p.translate("")
    with pytest.raises(Error, match="256"):
        tales.generate("king " * 500)
    with pytest.raises(Error, match="12"):
        embedding.embed("more than twelve bytes")


def test_the_wrong_task_says_what_is_needed(intent: Blob, tales: Blob, framed: Blob) -> None:
    for ask, needed in [
        (lambda: tales.classify("x"), "labels for a text"),
        (lambda: intent.tag("x"), "per-token labels"),
        (lambda: intent.embed("x"), "embeds"),
        (lambda: intent.generate("a timer"), "a decoder"),
        (lambda: intent.translate("a timer"), "an encoder-decoder"),
        (lambda: intent.score("a timer"), "a decoder"),
        (lambda: intent.frames([[1]]), "frame input"),
        (lambda: intent.logits("a timer", target="x"), "an encoder-decoder"),
        (lambda: framed.classify("x"), "no tokenizer"),
        (lambda: framed.logits([1]), "token input"),
    ]:
        with pytest.raises(Error, match=needed):
            ask()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"temperature": -1}, "temperature -1"),
        ({"temperature": float("nan")}, "temperature NaN"),
        ({"top_p": 1.5}, "top_p 1.5"),
    ],
)
def test_sampling_out_of_range(tales: Blob, options: dict, words: str) -> None:
    with pytest.raises(Error, match=words):
        tales.generate("x", **options)


def test_numbers_that_do_not_fit_are_pythons_own_errors(tales: Blob, g2p: Blob) -> None:
    for options in ({"max_tokens": -1}, {"seed": 2**64}, {"top_k": -2}):
        with pytest.raises((OverflowError, ValueError)):
            tales.generate("x", **options)
    for beams in (0, 10**6):
        with pytest.raises(Error, match="beam"):
            g2p.translate("hello", beams=beams)


def test_ids(intent: Blob) -> None:
    ids = intent.tokenize("set a timer")["ids"]
    expected = intent.logits("set a timer")
    whole = np.asarray(ids)
    for same in (ids, tuple(ids), whole, whole.astype(">i8"), whole.astype(np.uint16), np.repeat(whole, 2)[::2]):
        assert (intent.logits(same) == expected).all()
    for wrong, kind in [
        ([], Error),
        ([1.0], TypeError),
        ([True], TypeError),
        (["1"], TypeError),
        ([None], TypeError),
        ([[1, 2]], ValueError),
        ([[1], [2, 3]], TypeError),
        ([-1], ValueError),
        ([2**32], ValueError),
        ([2**70], TypeError),
        ([1600], Error),
        ([1] * 65, Error),
        ({1, 2}, TypeError),
        (7, TypeError),
        (b"12", TypeError),
    ]:
        with pytest.raises(kind):
            intent.logits(wrong)


def test_arrays_of_any_layout_are_right_or_refused(framed: Blob) -> None:
    frames = np.round(np.random.default_rng(3).normal(size=(5, 6)) * 1024).astype(np.int16)
    expected = framed.frames(frames).logits
    wide = np.zeros((10, 12), np.int16)
    wide[::2, ::2] = frames
    constant = frames.copy()
    constant.flags.writeable = False
    same = {
        "list": frames.tolist(),
        "strided": wide[::2, ::2],
        "Fortran": np.asfortranarray(frames),
        "reversed twice": frames[::-1][::-1],
        "big-endian": frames.astype(">i2"),
        "wider": frames.astype(np.int64),
        "read-only": constant,
        "32-bit floats": (frames / 1024).astype(np.float32),
        "64-bit floats": frames / 1024,
        "big-endian floats": (frames / 1024).astype(">f4"),
    }
    for name, given in same.items():
        assert framed.frames(given).logits == expected, name
    assert framed.frames(frames[::-1]).logits != expected
    for wrong, kind, words in [
        (frames[:, :5], ValueError, r"shape \(rows, 6\), not \(5, 5\)"),
        (frames.reshape(-1), ValueError, "shape"),
        (frames[None], ValueError, "shape"),
        (np.zeros((0, 6)), Error, "empty|0 given"),
        (np.zeros((13, 6)), Error, "12"),
        (frames.astype(object), TypeError, "object"),
        (frames.astype(str), TypeError, "array of integers or floats"),
        (frames.astype(complex), TypeError, "complex"),
        (frames > 0, TypeError, "bool"),
        (np.full((5, 6), np.nan), Error, "NaN|number"),
        (np.full((5, 6), 1e30), Error, "range|fit|large"),
        (np.full((5, 6), 1e300), Error, "."),
        (np.full((5, 6), 40000), ValueError, "16 bits"),
        (np.full((5, 6), -32769), ValueError, "16 bits"),
        (np.full((5, 6), 2**63, np.uint64), ValueError, "16 bits"),
        ([[1, 2], [3]], TypeError, "no array"),
        (None, TypeError, "object"),
        ("frames", TypeError, "array of integers or floats"),
    ]:
        with pytest.raises(kind, match=words):
            framed.frames(wrong)


def test_samples_of_wrong_shape_or_type() -> None:
    digits = Blob.load(shipped("digits"))
    for wrong, kind in [
        (np.zeros((100, 2), np.int16), ValueError),
        (np.zeros(100, np.float32), TypeError),
        (np.full(100, 40000), ValueError),
        (np.full(100, -32769), ValueError),
        (np.zeros((2, 2, 2), np.int16), ValueError),
    ]:
        with pytest.raises(kind, match="samples"):
            digits.frames(wrong)
    digits.frames(np.zeros(8000, np.int16))


def test_a_panic_is_an_ordinary_exception() -> None:
    with pytest.raises(RuntimeError, match="please report it: out of cheese") as caught:
        _native.panic("out of cheese")
    assert isinstance(caught.value, Exception)


def test_random_calls_raise_and_nothing_else(intent: Blob, framed: Blob) -> None:
    """Arguments of all kinds in every place: an exception that `except Exception` takes, or an answer."""
    values = [None, True, -1, 2**80, 1.5, "x", "", b"x", [], [1], ["x"], {}, object(), np.zeros((2, 6)), "\ud800", range(3)]
    random = np.random.default_rng(4)
    methods = ["classify", "tag", "embed", "logits", "generate", "translate", "score", "frames", "tokenize"]
    answered = 0
    for _ in range(600):
        blob = (intent, framed)[random.integers(2)]
        ask = getattr(blob, methods[random.integers(len(methods))])
        given = [values[random.integers(len(values))] for _ in range(random.integers(1, 3))]
        try:
            ask(*given)
            answered += 1
        except Exception as error:
            assert not isinstance(error, RuntimeError), (ask, given, error)
    assert answered > 0
