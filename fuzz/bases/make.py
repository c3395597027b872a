"""Makes the small files that readers are fuzzed with: one tokenizer.json of each kind, a PyTorch archive.

    python fuzz/bases/make.py

Needs the packages `tokenizers` and `torch`. The files are kept, so that nobody has to run this.
"""

import json
from pathlib import Path

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

HERE = Path(__file__).parent
TEXT = [
    "please set a timer for ten minutes",
    "how do you say thank you in italian",
    "The old king's daughter walked into the forest, and there she found a well.",
    "what's the exchange rate between 100 dollars and euros?",
    "naïve façade Ångström",
]


def save(name, tokenizer):
    tokenizer.save(str(HERE / f"{name}.json"), pretty=False)


word_piece = Tokenizer(models.WordPiece(unk_token="[UNK]"))
word_piece.normalizer = normalizers.BertNormalizer(lowercase=True)
word_piece.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
word_piece.train_from_iterator(TEXT, trainers.WordPieceTrainer(vocab_size=90, special_tokens=special, show_progress=False))
word_piece.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
save("word_piece", word_piece)

byte_level = Tokenizer(models.BPE())
byte_level.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
byte_level.decoder = decoders.ByteLevel()
alphabet = pre_tokenizers.ByteLevel.alphabet()
trainer = trainers.BpeTrainer(vocab_size=290, special_tokens=["<|endoftext|>"], initial_alphabet=alphabet, show_progress=False)
byte_level.train_from_iterator(TEXT, trainer)
save("byte_level", byte_level)

sentence_piece = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
sentence_piece.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
sentence_piece.train_from_iterator(TEXT, trainers.BpeTrainer(vocab_size=330, special_tokens=tokens, show_progress=False))
sentence_piece.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
# Tokens of bytes are ordinary pieces, as in files that were made from SentencePiece's.
rules = json.loads(sentence_piece.to_str())
rules["added_tokens"] = [token for token in rules["added_tokens"] if not token["content"].startswith("<0x")]
(HERE / "sentence_piece.json").write_text(json.dumps(rules, ensure_ascii=False))

unigram = Tokenizer(models.Unigram())
unigram.pre_tokenizer = pre_tokenizers.Metaspace()
unigram.train_from_iterator(
    TEXT, trainers.UnigramTrainer(vocab_size=60, special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>", show_progress=False)
)
unigram.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
unigram.add_tokens([AddedToken("<extra>", lstrip=True)])
save("unigram", unigram)

torch.manual_seed(1)
state = {"embeddings.word_embeddings.weight": torch.randn(6, 4), "a.bias": torch.randn(4).half(), "b": torch.ones(2, 2).bfloat16().T}
torch.save(state, HERE / "torch.bin")
