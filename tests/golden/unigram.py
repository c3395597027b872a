"""Makes tests/golden/unigram.json: a T5-like Unigram tokenizer with a precompiled map of characters.

    python tests/golden/unigram.py          # needs sentencepiece, tokenizers

Trained by SentencePiece on models/tales/test, with a part of Unicode's NFKC as its map: every character below U+0250,
full width, ligatures, spaces, Hangul jamo, the letters with marks that have a form of their own.
"""

import glob
import tempfile
import unicodedata
from pathlib import Path

import sentencepiece
import sentencepiece.sentencepiece_model_pb2 as pb
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

HERE = Path(__file__).resolve().parent
RANGES = [(1, 0x250), (0x2000, 0x2070), (0x2150, 0x2190), (0x2460, 0x24A0), (0x3000, 0x3001), (0x3099, 0x30FF),
          (0xF900, 0xF910), (0xFB00, 0xFB07), (0xFF01, 0xFFA0)]


def rules():
    characters = [chr(c) for low, high in RANGES for c in range(low, high)]
    for c in characters:
        if c in "\t\n\r" or unicodedata.category(c) in ("Zs", "Zl", "Zp"):
            to = " "
        elif unicodedata.category(c) == "Cc":
            to = ""
        else:
            to = unicodedata.normalize("NFKC", c)
        if to != c:
            yield c, to
        whole = unicodedata.normalize("NFD", c)
        if whole != c and unicodedata.normalize("NFC", whole) == c:
            yield whole, c


def main():
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        text = "".join(Path(f).read_text() for f in sorted(glob.glob(str(HERE / "../../models/tales/test/*.txt"))))
        text += "\nÀ é naïve façade Straße élan über größe señor ﬁn … “quoted” ‘x’ — – € £ 12 1/2\n" * 40
        (folder / "text").write_text(text)
        codes = lambda text: " ".join(f"{ord(c):X}" for c in text)  # noqa: E731
        (folder / "rules").write_text("".join(f"{codes(a)}\t{codes(b)}\n" for a, b in dict(rules()).items()))
        sentencepiece.SentencePieceTrainer.train(
            input=str(folder / "text"), model_prefix=str(folder / "m"), vocab_size=580, model_type="unigram",
            normalization_rule_tsv=str(folder / "rules"), character_coverage=1.0, pad_id=0, eos_id=1, unk_id=2, bos_id=-1,
            minloglevel=2)
        model = pb.ModelProto()
        model.ParseFromString((folder / "m.model").read_bytes())
    tokenizer = Tokenizer(models.Unigram([(p.piece, p.score) for p in model.pieces], unk_id=2, byte_fallback=False))
    tokenizer.normalizer = normalizers.Precompiled(model.normalizer_spec.precompiled_charsmap)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(prepend_scheme="always")])
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="always")
    tokenizer.add_special_tokens(["<pad>", "</s>", "<unk>"])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)])
    tokenizer.save(str(HERE / "unigram.json"), pretty=False)


main()
