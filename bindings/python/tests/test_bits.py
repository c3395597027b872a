"""One hash: the wheel, the command, the host's demo and every board compute the same logits."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np

import picoformer
from conftest import MODELS, ROOT, shipped


def fnv(rows: list) -> str:
    """The hash of `firmware/demo/src/hash.rs`: FNV-1a, 64 bits, of the logits in units of 2^-16."""
    value = 0xCBF29CE484222325
    for row in rows:
        exact = np.asarray(row) * 65536
        assert (exact == np.round(exact)).all()
        for byte in exact.astype("<i4").tobytes():
            value = (value ^ byte) * 0x100000001B3 % 2**64
    return f"{value:016x}"


def sentences() -> list:
    source = (ROOT / "firmware/demo/src/classify.rs").read_text()
    block = re.search(r"SENTENCES: \[&str; (\d+)\] = \[(.*?)\];", source, re.S)
    found = re.findall(r'"([^"]+)"', block[2])
    assert len(found) == int(block[1])
    return found


def test_wheel_command_host_and_boards_have_one_hash(intent: picoformer.Blob) -> None:
    # What the host printed; its tests, and `cargo xtask qemu` on every board, compare with this very file.
    expected = (ROOT / "firmware/demo/expected/classify.out").read_text()
    recorded = re.search(r"^logits (\w{16})$", expected, re.M)[1]
    boards = [row for row in json.loads((ROOT / "firmware/record.json").read_text()) if row["demo"] == "classify"]
    assert len(boards) >= 5 and {row["logits_hash"] for row in boards} == {recorded}
    texts = sentences()
    assert fnv([intent.logits(text) for text in texts]) == recorded
    assert fnv([intent.classify(text)["logits"] for text in texts]) == recorded
    # The blob that the wheel converts has it, too.
    converted = picoformer.convert(MODELS / "intent/checkpoint")
    assert fnv([converted.logits(text) for text in texts]) == recorded
    # The command of the wheel, and the one that cargo built.
    programs = [Path(sys.executable).with_name("picoformer")]
    if "PICOFORMER_COMMAND" in os.environ:
        programs.append(Path(os.environ["PICOFORMER_COMMAND"]))
    for program in programs:
        rows = []
        for text in texts:
            words = [program, "run", shipped("intent"), text, "--json"]
            answer = subprocess.run(words, capture_output=True, text=True, check=True).stdout
            rows.append(json.loads(answer)["logits"])
        assert fnv(rows) == recorded, program


def test_a_conversion_is_the_shipped_blob_byte_for_byte(intent: picoformer.Blob) -> None:
    converted = picoformer.convert(MODELS / "intent/checkpoint")
    assert converted.data == intent.data and converted == intent


def test_a_written_text_is_that_of_the_command(tales: picoformer.Blob) -> None:
    generation = tales.generate("The old king", max_tokens=24, temperature=0.7, top_p=0.9, seed=3)
    pieces = list(generation)
    words = ["--max-tokens", "24", "--temperature", "0.7", "--top-p", "0.9", "--seed", "3", "--json"]
    program = Path(sys.executable).with_name("picoformer")
    line = [program, "run", shipped("tales"), "The old king", *words]
    told = json.loads(subprocess.run(line, capture_output=True, text=True, check=True).stdout)
    assert ("".join(pieces), generation.ids, generation.stop) == (told["text"], told["ids"], told["stop"])
    assert generation.text == told["text"] and len(pieces) > 5
