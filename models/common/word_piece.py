"""A WordPiece vocabulary of one's own, in the layout of BERT's `tokenizer.json`."""

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

UNKNOWN, FIRST = 1, 5  # ids: the unknown piece, the first that is not special


def learn(texts, vocab_size):
    """WordPiece with BERT's normaliser, from training sentences alone."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    trainer = trainers.WordPieceTrainer(vocab_size=vocab_size, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return tokenizer


def padded(rows, longest):
    """Ids as `(rows, width)` int16, 0 behind each row's end; longer rows are cut before their last piece."""
    rows = [row if len(row) <= longest else row[: longest - 1] + row[-1:] for row in rows]
    ids = torch.zeros(len(rows), max(map(len, rows)), dtype=torch.int16)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = torch.tensor(row, dtype=torch.int16)
    return ids


def save(tokenizer, folder):
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]",
                            sep_token="[SEP]", mask_token="[MASK]").save_pretrained(folder)
