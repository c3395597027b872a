"""Makes tests/golden/spm: small models of SentencePiece, and the ids that its library gives.

    python tests/golden/spm.py          # needs sentencepiece, tokenizers, transformers

Trained on models/tales/test. `ids.json` has 500 hostile texts; for every model the CRC-32 of the ids (u32, little
endian) of each of them, and of all sentences of models/intent and lines of models/tales/test together. Where what
transformers makes of a Unigram model differs from the library, the CRC of what it gives is there too: it applies the
map of characters to graphemes, and drops what follows a mapped character in its grapheme.
"""

import json
import random
import runpy
import struct
import tempfile
import zlib
from pathlib import Path

import sentencepiece

HERE = Path(__file__).resolve().parent
MODELS = HERE / "../../models"
FOLDER = HERE / "spm"
LLAMA = dict(model_type="bpe", vocab_size=700, normalization_rule_name="identity", unk_id=0, bos_id=1, eos_id=2, pad_id=-1)
KINDS = {
    # As T5: its own map of characters, a part of NFKC.
    "t5": dict(model_type="unigram", vocab_size=580, pad_id=0, eos_id=1, unk_id=2, bos_id=-1),
    # As Llama, as llama2.c trains, and without bytes, prefix or both.
    "llama": LLAMA | dict(byte_fallback=True, remove_extra_whitespaces=False),
    "llama2c": LLAMA | dict(byte_fallback=True, split_digits=True),
    "characters": LLAMA | dict(vocab_size=300, add_dummy_prefix=False),
    "plain": LLAMA | dict(vocab_size=300, add_dummy_prefix=False, remove_extra_whitespaces=False),
}
PARTS = (
    "\u0301\u0308\u0323\u0327\u200d\u200b\ufe0f\u3099\u00a0\u2003\u3000\u2028\u0085\t\n\r\u0000\u001f\u007f\ufeff\ufffd\u00ad"
    "▁▁ﬁﬃſẛ½①ｶﾞＡ１…¨´˚ÅÅéèëẹêaAeEoxsz019 -'\"<>[]/\\&ßİıΣςǅ₩€中日本😀👩"
)
WORDS = ["the", "Once", "don't", "  ", " ", "\r\n", "hello", "naïve", "\n\n", " king", "<sep>", "##", "</s>", "<unk>", "aaaa"]


def hostile(count):
    r = random.Random(11)
    piece = lambda: r.choice([r.choice(WORDS), r.choice(PARTS), "".join(r.choices(PARTS, k=r.randint(1, 4)))])  # noqa: E731
    return ["".join(piece() for _ in range(r.randint(1, 24))) for _ in range(count)]


def sentences():
    for file in ["intent/test.jsonl", "intent/val.jsonl"]:
        for line in (MODELS / file).read_text().splitlines():
            yield json.loads(line)["text"]
    for i in range(100):
        file = MODELS / f"tales/test/{i}.txt"
        if file.exists():
            yield from file.read_text().split("\n")


def crc(ids, start=0):
    return zlib.crc32(struct.pack(f"<{len(ids)}I", *ids), start)


def converted(model):
    """The ids of the tokenizer that transformers' T5Tokenizer makes of a model, without its special tokens: their
    names in a text are ordinary text, as to SentencePiece."""
    import sentencepiece.sentencepiece_model_pb2 as pb
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    proto = pb.ModelProto()
    proto.ParseFromString(model.read_bytes())
    name = lambda p: p.piece if p.type == 1 else f"\ue000{p.piece}"  # noqa: E731
    unk = next(i for i, p in enumerate(proto.pieces) if p.type == 2)
    tokenizer = Tokenizer(models.Unigram([(name(p), p.score) for p in proto.pieces], unk_id=unk, byte_fallback=False))
    tokenizer.normalizer = normalizers.Precompiled(proto.normalizer_spec.precompiled_charsmap)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(prepend_scheme="always")])
    return lambda text: tokenizer.encode(text).ids


def main():
    FOLDER.mkdir(exist_ok=True)
    rules = runpy.run_path(str(HERE / "unigram.py"))["rules"]
    out = {"texts": hostile(500), "models": {}}
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        text = "".join(f.read_text() for f in sorted((MODELS / "tales/test").glob("*.txt")))
        text += "\nÀ é naïve façade Straße élan über größe señor ﬁn … “quoted” ‘x’ — – € £ 12 1/2\n" * 40
        (folder / "text").write_text(text)
        codes = lambda text: " ".join(f"{ord(c):X}" for c in text)  # noqa: E731
        (folder / "rules").write_text("".join(f"{codes(a)}\t{codes(b)}\n" for a, b in dict(rules()).items()))
        for name, options in KINDS.items():
            options = dict(options)
            if options["model_type"] == "unigram":
                options["normalization_rule_tsv"] = str(folder / "rules")
            sentencepiece.SentencePieceTrainer.train(
                input=str(folder / "text"), model_prefix=str(FOLDER / name), character_coverage=1.0, minloglevel=2, **options)
            (FOLDER / f"{name}.vocab").unlink()
            sp = sentencepiece.SentencePieceProcessor(model_file=str(FOLDER / f"{name}.model"))
            total, count = 0, 0
            for sentence in sentences():
                ids = sp.encode(sentence)
                total, count = crc(ids, total), count + len(ids)
            entry = {"ids": count, "sentences": total, "texts": [crc(sp.encode(text)) for text in out["texts"]]}
            if options["model_type"] == "unigram":
                theirs = converted(FOLDER / f"{name}.model")
                pairs = enumerate(zip(entry["texts"], (crc(theirs(text)) for text in out["texts"])))
                entry["converted"] = {i: b for i, (a, b) in pairs if a != b}
                print("transformers differs:", len(entry["converted"]))
            out["models"][name] = entry
            print(name, count, (FOLDER / f"{name}.model").stat().st_size)
    from transformers import ByT5Tokenizer

    # Names of its special tokens are ordinary text here too.
    byt5 = ByT5Tokenizer(pad_token="\ue000", eos_token="\ue001", unk_token="\ue002")
    out["byt5"] = [crc(byt5.encode(text)) for text in out["texts"]]
    (FOLDER / "ids.json").write_text(json.dumps(out, ensure_ascii=True))


if __name__ == "__main__":
    main()
