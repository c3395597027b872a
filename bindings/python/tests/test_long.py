"""Models in memory, the original beside int8, README's example and the notebook: needs torch and transformers
(`cargo xtask python --long`)."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import picoformer
from conftest import MODELS, ROOT
from picoformer import Blob, Error

pytestmark = pytest.mark.long

TEXTS = [
    "please set a timer for ten minutes",
    "how do you say thank you in italian",
    "my credit card was stolen yesterday",
    "wake me up at seven",
    "how tall is mount everest",
]


def original(name: str, kind: str) -> tuple:
    import transformers

    folder = MODELS / name / "checkpoint"
    return getattr(transformers, kind).from_pretrained(folder), transformers.AutoTokenizer.from_pretrained(folder)


@pytest.fixture(scope="module")
def classifier() -> tuple:
    return original("intent", "AutoModelForSequenceClassification")


def test_a_classifier_in_memory(classifier: tuple, intent: Blob) -> None:
    model, tokenizer = classifier
    model.train()
    blob = picoformer.convert(model, tokenizer)
    assert blob == intent  # the folder's, byte for byte
    comparison = blob.compare(model, tokenizer, TEXTS + ["word " * 100])
    assert model.training  # left as it was
    assert len(comparison) == 5 and comparison.agreement == 1 and not comparison.other_tokens
    assert comparison.cosine > 0.999 and 0 <= comparison.kl < 0.01
    assert "64" in comparison.refused[0][1]
    assert "answered as by the original" in str(comparison) and "<table>" in comparison._repr_html_()


def test_a_writer_in_memory(tales: Blob) -> None:
    model, tokenizer = original("tales", "AutoModelForCausalLM")
    blob = picoformer.convert(model, tokenizer)
    comparison = blob.compare(model, tokenizer, ["Once upon a time there was a king", "The fox said"])
    assert not comparison.other_tokens, comparison
    assert comparison.agreement > 0.8 and comparison.cosine > 0.999 and comparison.kl < 0.01, comparison
    # Not a part of the words: the same next token, greedily, for some time.
    own = blob.generate("Once upon a time", max_tokens=5)
    own.finish()
    given = tokenizer("Once upon a time", return_tensors="pt")
    written = model.generate(**given, max_new_tokens=5, do_sample=False)[0, given["input_ids"].shape[1] :]
    assert own.ids == written.tolist()


def test_a_translator_in_memory(g2p: Blob) -> None:
    model, tokenizer = original("g2p", "AutoModelForSeq2SeqLM")
    blob = picoformer.convert(model, tokenizer)
    comparison = blob.compare(model, tokenizer, ["hello", "world", "timer"])
    assert not comparison.other_tokens, comparison
    assert comparison.agreement == 1 and comparison.cosine > 0.999 and comparison.kl < 0.01, comparison


def test_what_was_changed_in_memory_is_what_is_converted(classifier: tuple, intent: Blob) -> None:
    """And `compare` sees it: the blob of the old weights differs from the new model, and says where."""
    import copy

    import torch

    model, tokenizer = copy.deepcopy(classifier[0]), classifier[1]
    with torch.no_grad():
        model.classifier.weight.copy_(model.classifier.weight.flip(0))
        model.classifier.bias.copy_(model.classifier.bias.flip(0))
    comparison = intent.compare(model, tokenizer, TEXTS)
    assert comparison.agreement < 0.5 and comparison.kl > 1
    assert f"{len(comparison.different)} differently" in str(comparison) and "≠" in str(comparison)
    assert comparison.worst[0].agreement == 0 and len(comparison.worst) == 5
    assert picoformer.convert(model, tokenizer).compare(model, tokenizer, TEXTS).agreement == 1


def test_families_that_are_not_supported_are_named() -> None:
    import transformers

    config = transformers.DistilBertConfig(vocab_size=99, dim=16, n_layers=1, n_heads=2, hidden_dim=32)
    with pytest.raises(Error, match="distilbert.*not supported"):
        picoformer.convert(transformers.DistilBertForSequenceClassification(config))
    small = {"vocab_size": 99, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = transformers.BertConfig(**small, intermediate_size=32, is_decoder=True)
    with pytest.raises(Error, match="is_decoder|architecture|not supported"):
        picoformer.convert(transformers.BertLMHeadModel(config))


def test_a_tokenizer_that_does_not_belong_is_named(classifier: tuple, intent: Blob) -> None:
    import transformers

    other = transformers.AutoTokenizer.from_pretrained(MODELS / "tales/checkpoint")
    with pytest.raises(Error, match="1024 tokens, the model knows 1600: they do not belong together"):
        picoformer.convert(classifier[0], other)
    for wrong in (7, {"a": 1}, [classifier[1]]):
        with pytest.raises(TypeError, match="tokenizer must be"):
            picoformer.convert(classifier[0], wrong)
    # `compare` tells that the tokens are others, and does not fail.
    comparison = intent.compare(classifier[0], other, TEXTS)
    assert len(comparison.other_tokens) == 5 and "other tokens" in str(comparison)


def test_what_cannot_be_compared(classifier: tuple, intent: Blob) -> None:
    model, tokenizer = classifier
    for texts, kind in [("a text", TypeError), ([1], TypeError), ([], ValueError), (None, TypeError)]:
        with pytest.raises(kind, match="texts"):
            intent.compare(model, tokenizer, texts)
    with pytest.raises(TypeError, match="model must be"):
        intent.compare("model", tokenizer, TEXTS)
    with pytest.raises(TypeError, match="tokenizer must be"):
        intent.compare(model, 3, TEXTS)
    with pytest.raises(Error, match="all texts are refused"):
        intent.compare(model, tokenizer, ["", "word " * 100])


def test_a_regression_and_independent_labels(classifier: tuple) -> None:
    import transformers

    _, tokenizer = classifier
    small = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    for problem, labels in [("multi_label_classification", 4), ("regression", 1)]:
        config = transformers.BertConfig(
            vocab_size=1600, max_position_embeddings=64, num_labels=labels, problem_type=problem, **small
        )
        model = transformers.BertForSequenceClassification(config)
        blob = picoformer.convert(model, tokenizer)
        comparison = blob.compare(model, tokenizer, TEXTS)
        assert comparison.cosine > 0.99 and (comparison.kl is None) == (problem == "regression"), comparison


def blocks(path: Path) -> list:
    return re.findall(r"^```python\n(.*?)^```", path.read_text(), re.M | re.S)


def test_the_example_of_readme(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    """From a model of transformers to a blob and its comparison in ten lines at most."""
    (example,) = blocks(ROOT / "README.md")
    assert len([line for line in example.splitlines() if line.strip()]) <= 10
    monkeypatch.chdir(ROOT)
    (ROOT / "target").mkdir(exist_ok=True)
    names: dict[str, Any] = {}
    exec(compile(example, "README.md", "exec"), names)
    assert "answered as by the original" in capsys.readouterr().out
    assert Blob.load(ROOT / "target/intent.pico") == names["blob"]


def test_the_examples_of_the_guide(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(ROOT)
    (ROOT / "target").mkdir(exist_ok=True)
    names: dict[str, Any] = {}
    for block in blocks(ROOT / "docs/PYTHON.md"):
        exec(compile(block, "docs/PYTHON.md", "exec"), names)


def test_the_notebook(tmp_path: Path) -> None:
    """Runs from top to bottom; what it says of agreement is as recorded in it, within what training varies."""
    import nbclient
    import nbformat

    path = ROOT / "docs/notebooks/first_model.ipynb"
    notebook = nbformat.read(path, as_version=4)
    recorded = output(notebook)
    nbclient.NotebookClient(notebook, timeout=1800, resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert (tmp_path / "first.pico").stat().st_size > 10_000
    assert "answered as by the original" in output(notebook)
    if os.environ.get("PICOFORMER_RECORD"):
        for cell in notebook.cells:
            cell.get("metadata", {}).pop("execution", None)
            # Progress bars, and what libraries say of the machine.
            if "outputs" in cell:
                cell.outputs = [part for part in cell.outputs if part.get("name") != "stderr"]
        nbformat.write(notebook, path)
    else:
        assert "answered as by the original" in recorded, "record it: cargo xtask python --long --record"


def output(notebook: Any) -> str:
    found = []
    for cell in notebook.cells:
        for part in cell.get("outputs", []):
            found.append("".join(part.get("text", "")) + "".join(part.get("data", {}).get("text/plain", "")))
    return "\n".join(found)


def test_only_python_3_9_is_needed() -> None:
    """By its grammar and its imports; the tests here run on one Python only."""
    import subprocess
    import sys

    program = Path(sys.executable).with_name("vermin")
    sources = ROOT / "bindings/python/python/picoformer"
    words = [program, "--target=3.9-", "--violations", "--eval-annotations", "--no-parse-comments", sources]
    # Annotations are not evaluated: `from __future__ import annotations`.
    words.remove("--eval-annotations")
    ran = subprocess.run(list(map(str, words)), capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_embeddings_of_a_model_in_memory(tmp_path: Path) -> None:
    """The mean over the rows of a BERT without a head, against the original's."""
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(MODELS / "intent/checkpoint")
    config = transformers.BertConfig(
        vocab_size=1600,
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    model = transformers.BertModel(config, add_pooling_layer=False)
    blob = picoformer.convert(model, tokenizer)
    comparison = blob.compare(model, tokenizer, TEXTS)
    assert comparison.kl is None and comparison.cosine > 0.99
    assert np.linalg.norm(blob.embed(TEXTS[0])) > 0 and blob.embed(TEXTS).shape == (5, 32)
