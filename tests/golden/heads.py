"""Makes golden values of heads: labels and embeddings from bodies of decoders, T5's encoder alone, and the modules
of sentence-transformers. Run as make.py is: python tests/golden/heads.py -> tests/golden/<name>/

The folders of embeddings are written, and their values computed, by sentence-transformers itself.
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path

import make
import torch
import transformers as hf
from make import HERE, lively, outputs, rounded

PADDED = [[4, 7, 5, 5], [5, 5, 5], [4, 5, 7]]  # 5 is the padding
BODY = dict(vocab_size=32, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2,
            max_position_embeddings=24)
LLAMA = dict(**BODY, num_key_value_heads=1, rms_norm_eps=1e-5)
NAMES = {0: "no", 1: "yes", 2: "peut-être"}


def labels(name, model, seed, **keywords):
    """`logits` has a row for the text, or one a token."""
    make.IDS, ids = [*make.IDS, *PADDED], make.IDS
    make.save(name, lively(model, seed), lambda m, ids: outputs(m, ids).logits[0], **keywords)
    make.IDS = ids


def tokenizer(folder):
    """Any: sentence-transformers wants one; ids are given."""
    from tokenizers import Tokenizer, models
    words = {w: i for i, w in enumerate(["[PAD]", "[UNK]", *(f"w{i}" for i in range(30))])}
    hf.PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel(words, unk_token="[UNK]")),
                               pad_token="[PAD]", unk_token="[UNK]").save_pretrained(folder)


def sentences(name, model, seed, pooling, *dense, **settings):
    from sentence_transformers import SentenceTransformer, models
    with tempfile.TemporaryDirectory() as body:
        lively(model, seed).save_pretrained(body)
        tokenizer(body)
        first = models.Transformer(body)
        modules, width = [first, models.Pooling(16, pooling_mode=pooling)], 16
        for out, bias, activation in dense:
            layer = models.Dense(width, out, bias=bias, activation_function=activation)
            modules.append(lively(layer, seed + len(modules)))
            width = out
        whole = SentenceTransformer(modules=[*modules, models.Normalize()], device="cpu", **settings)
        folder = HERE / name
        shutil.rmtree(folder, ignore_errors=True)
        whole.save(str(folder), create_model_card=False)
    golden = []
    for ids in make.IDS:
        features = {"input_ids": torch.tensor([ids]), "attention_mask": torch.ones(1, len(ids), dtype=torch.long)}
        with torch.no_grad():
            row = whole(features)["sentence_embedding"]
        golden.append({"ids": ids, "outputs": rounded(row)})
    for path in folder.glob("*token*"):
        path.unlink()
    (folder / "golden.json").write_text(json.dumps(golden) + "\n")
    print(name, sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()))


def main():
    config = hf.LlamaConfig(**LLAMA, id2label=NAMES, pad_token_id=5, tie_word_embeddings=True)
    labels("llama-score", hf.LlamaForSequenceClassification(config), 31)
    config = hf.LlamaConfig(**LLAMA, id2label=NAMES)
    labels("llama-tags", hf.LlamaForTokenClassification(config), 32)
    config = hf.MistralConfig(**LLAMA, sliding_window=4, num_labels=1)
    config._attn_implementation = "eager"
    labels("mistral-score", hf.MistralForSequenceClassification(config), 33, dtype=torch.bfloat16)
    gpt2 = dict(vocab_size=32, n_embd=16, n_layer=2, n_head=2, n_positions=24, bos_token_id=0, eos_token_id=0)
    config = hf.GPT2Config(**gpt2, num_labels=4, pad_token_id=5, problem_type="multi_label_classification")
    labels("gpt2-score", hf.GPT2ForSequenceClassification(config), 34)
    config = hf.GPT2Config(**gpt2, num_labels=3)
    labels("gpt2-tags", hf.GPT2ForTokenClassification(config), 35)

    tanh, identity = torch.nn.Tanh(), torch.nn.Identity()
    t5 = hf.T5Config(vocab_size=32, d_model=16, d_kv=8, num_heads=2, d_ff=24, num_layers=2, num_decoder_layers=1,
                     relative_attention_num_buckets=8, relative_attention_max_distance=12, feed_forward_proj="gated-gelu")
    sentences("t5-sentence", hf.T5EncoderModel(t5), 36, "mean", (24, False, identity))
    bert = hf.BertConfig(**BODY)
    sentences("bert-max", hf.BertModel(bert), 37, "max", (12, True, tanh))
    sentences("bert-dense", hf.BertModel(bert), 38, "lasttoken", (12, True, tanh), (20, True, identity), (10, False, tanh))
    llama = hf.LlamaConfig(**LLAMA)
    sentences("llama-sentence", hf.LlamaModel(llama), 39, "lasttoken")
    gpt2 = hf.GPT2Config(**gpt2)
    sentences("gpt2-sentence", hf.GPT2Model(gpt2), 40, "mean", (16, True, identity), (16, True, tanh))


if __name__ == "__main__":
    main()
