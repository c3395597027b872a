"""Every task of a blob, against the command where that has it, else against another way to the same numbers."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path

import numpy as np
import pytest

import picoformer
from conftest import MODELS, command, shipped
from picoformer import Blob


def told(*words: object) -> dict:
    ran = command(*words, "--json")
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def test_classify(intent: Blob) -> None:
    text = "how do i change a flat tire"
    answer = intent.classify(text)
    assert dict(answer) == told("run", shipped("intent"), text)
    assert (answer.label, answer.in_scope) == ("tire_change", True)
    assert answer.best(1)[0][0] == "tire_change"
    outside = intent.classify("how tall is mount everest")
    assert outside.label is None and outside.nearest == "restaurant_reviews"
    assert "tire_change" in repr(answer)
    with pytest.raises(AttributeError, match="no `entities`"):
        answer.entities
    assert pickle.loads(pickle.dumps(answer)).label == copy.copy(answer).label == "tire_change"


def test_bill(intent: Blob) -> None:
    bill = intent.bill()
    assert dict(bill) == told("inspect", shipped("intent"))
    assert str(bill) == command("inspect", shipped("intent")).stdout.rstrip("\n")
    assert len(intent.data) == bill["flash_bytes"] == sum(item["bytes"] for item in bill["sections"])
    page = bill._repr_html_()
    assert f"{bill['flash_bytes']:,} bytes" in page and page.count("<tr>") == 2 + len(bill["sections"]) + len(
        bill["buffers"]
    )
    assert intent._repr_html_() == page and "391,328 bytes" in repr(intent)


def test_tokenize(intent: Blob) -> None:
    assert intent.tokenize("set a timer") == told("tokenize", shipped("intent"), "set a timer")


def test_tag() -> None:
    slots = Blob.load(shipped("slots"))
    text = "play some jazz by miles davis at seven"
    tags = slots.tag(text)
    assert dict(tags) == told("run", shipped("slots"), text)
    assert len(tags.labels) == len(tags.tokens) == len(tags.ids)
    assert "miles davis" in [entity["text"] for entity in tags.entities]
    logits = slots.logits(text)
    assert logits.shape == (len(tags.ids), slots.bill()["n_labels"])


def test_embed(embedding: Blob) -> None:
    one, both = embedding.embed("abc"), embedding.embed(["abc", "xyz"])
    assert one.dtype == np.float64 and one.shape == (16,) and both.shape == (2, 16)
    assert (both[0] == one).all() and not (both[1] == one).all()
    assert one.flags.writeable
    assert abs(np.linalg.norm(one) - 1) < 1e-3
    assert embedding.embed([]).shape == (0, 16)


def test_generate(tales: Blob) -> None:
    generation = tales.generate("Once upon a time", max_tokens=8)
    first = next(generation)
    assert generation.text == first and generation.stop is None
    assert generation.finish() == tales.generate("Once upon a time", max_tokens=8).finish()
    assert generation.stop == "max_tokens" and len(generation.ids) == 8
    assert list(generation) == []
    ids = tales.tokenize("Once upon a time")["ids"]
    assert tales.generate(ids, max_tokens=8).finish() == generation.text
    # Two at a time do not mix.
    a, b = tales.generate("The king", max_tokens=8), tales.generate("A fox", max_tokens=8)
    mixed = [(x, y) for x, y in zip(a, b)]
    assert "".join(x for x, _ in mixed) == a.text and a.text != b.text
    assert tales.generate("x", max_tokens=0).finish() == ""
    full = tales.generate("Once upon a time", seed=1, temperature=0.9)
    full.finish()
    assert full.stop in ("context_full", "end_of_sequence")


def test_score_is_the_sum_over_the_logits(tales: Blob) -> None:
    text = "Once upon a time there was a king"
    ids, logits = tales.tokenize(text)["ids"], tales.logits(text)
    assert logits.shape == (len(ids), tales.bill()["vocab_size"])
    rows = logits - logits.max(1, keepdims=True)
    expected = (rows - np.log(np.exp(rows).sum(1, keepdims=True)))[np.arange(len(ids) - 1), ids[1:]].sum()
    assert abs(tales.score(text) - expected) < 1e-3 * len(ids)
    assert tales.score(ids) == tales.score(text) < 0
    # Greedy: what is written is the largest of the last row.
    assert tales.generate(text, max_tokens=1).finish() and logits[-1].argmax() == greedy(tales, ids)


def greedy(blob: Blob, ids: list) -> int:
    generation = blob.generate(ids, max_tokens=1)
    generation.finish()
    return generation.ids[0]


def test_translate(g2p: Blob) -> None:
    phrase = told("run", shipped("g2p"), "Hello, world!")
    assert dict(g2p.translate("Hello, world!")) == phrase
    word = g2p.translate("hello")
    assert str(word) == word.text == "HH EH1 L OW0" and word.stop == "end_of_sequence"
    assert dict(g2p.translate("hello", beams=1)) == told("run", shipped("g2p"), "hello", "--beam", 1)
    cut = g2p.translate("hello", max_tokens=2)
    assert cut.stop == "limit" and len(cut.ids) <= 2
    # What the search found is what scoring says of it, end token included.
    logits = g2p.logits("hello", target=word.ids)
    assert logits.shape == (len(word.ids), g2p.bill()["vocab_size"])
    assert abs(g2p.score("hello", target=word.ids) - word.log_probability) < 0.2


def test_frames(framed: Blob) -> None:
    frames = np.random.default_rng(2).normal(size=(5, 6)).astype(np.float32)
    answer = framed.frames(frames)
    assert answer.label in ("a", "b", "c") and len(answer.logits) == 3
    # Floats become whole numbers in the model's unit, which is 2^-10 unless the checkpoint says otherwise.
    assert framed.frames(np.round(frames * 1024).astype(np.int16)).logits == answer.logits


def test_samples() -> None:
    digits = Blob.load(shipped("digits"))
    import wave

    file = MODELS / "digits/samples/7-jackson_0.wav"
    with wave.open(str(file)) as wav:
        rate, samples = wav.getframerate(), np.frombuffer(wav.readframes(wav.getnframes()), "<i2")
    heard = told("run", shipped("digits"), "--wav", file)
    assert heard["label"] == "7"
    if rate == digits.bill()["sample_rate"]:
        assert dict(digits.frames(samples)) == heard
    else:
        assert digits.frames(samples).events


def test_save_and_load(intent: Blob, tmp_path: Path) -> None:
    path = tmp_path / "model.pico"
    intent.save(path)
    intent.save(str(path))
    assert Blob.load(path) == intent and [file.name for file in tmp_path.iterdir()] == ["model.pico"]
    (tmp_path / "x").touch()
    assert path.stat().st_mode == (tmp_path / "x").stat().st_mode
    assert pickle.loads(pickle.dumps(intent)).classify("set a timer").label == "timer"
    assert len({intent, Blob.load(path)}) == 1
    with pytest.raises(FileNotFoundError):
        intent.save(tmp_path / "no" / "model.pico")


def test_options_are_those_of_the_command() -> None:
    import inspect
    import re

    text = command("convert", "--help").stdout
    options = set(re.findall(r"--([a-z][a-z-]+)", text)) - {"help", "output", "json", "version"}
    # Options that a sentence of the help only names.
    options = {option for option in options if re.search(rf"^\s+(-\w, )?--{option}\b", text, re.M)}
    known = set(inspect.signature(picoformer.convert).parameters) - {"model"}
    assert {option.replace("-", "_") for option in options} == known


def test_every_option_reaches_the_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What the command does with them is its own tests' matter."""
    import inspect

    from picoformer import _convert

    heard = []

    def convert(words: list) -> tuple:
        heard.extend(words)
        raise picoformer.Error("heard")

    monkeypatch.setattr(_convert._native, "convert", convert)
    options = dict.fromkeys(set(inspect.signature(picoformer.convert).parameters) - {"model"}, "some")
    with pytest.raises(picoformer.Error, match="heard"):
        picoformer.convert(tmp_path, **{**options, "special_tokens": True})
    told = {word.split("=")[0].removeprefix("--").replace("-", "_") for word in heard[:-2]}
    assert told == set(options)
    assert all(word == "--special-tokens" or word.endswith("=some") for word in heard[:-2])


def test_options_reach_the_blob(tmp_path: Path) -> None:
    blob = picoformer.convert(MODELS / "intent/checkpoint", context=32, tile_rows=1, note="-from a test")
    bill = blob.bill()
    assert (bill["context"], bill["tile_rows"], bill["note"]) == (32, 1, "-from a test")
    kept = picoformer.convert(MODELS / "intent/checkpoint", keep_vocabulary=["set a timer", "wake me up"])
    assert kept.bill()["kept_pieces"] < 1600 and "original_ids" in kept.tokenize("set a timer")
