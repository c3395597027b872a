"""Compares what the converter reads with what the original libraries compute.

`picoformer eval --reference` reads a checkpoint in the converter's own way, so it cannot see a wrong reading.
This script asks the original: it makes random checkpoints over every option that the converter accepts, or
takes a checkpoint of yours, and compares token ids (tokenizers), logits and embeddings (transformers,
sentence-transformers; the converter's f32 reference within 1e-4, the blob's cosine) and generated tokens.

    pip install torch transformers tokenizers sentence-transformers
    cargo build --release -p picoformer-convert
    python tools/compare.py                        # 240 random checkpoints, a table of them
    python tools/compare.py --write docs/MODELS.md # the same, with the table between the marks in the file
    python tools/compare.py my-checkpoint          # one of yours
"""

import argparse
import collections
import functools
import json
import math
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
import transformers as hf
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

ROOT = Path(__file__).resolve().parent.parent
MARKS = ("<!-- compare.py: begin -->", "<!-- compare.py: end -->")
TEXTS = [
    "Once upon a time there was a king.", "set a timer for ten minutes", "Hello, World! It's 3.14 o'clock…",
    "don't CAN'T we'll", "  two  spaces and a tab\there ", "naïve façade Ångström ß", "日本語 русский العربية",
    "x" * 120, "a-b_c/d\\e~f#g", "1,000,000 $5.99 50%", "emoji 😀 zero\u200bwidth", "e\u0301 combining",
]
LIMIT = 10  # tokens written
VOCABULARY, ROOM = 700, 690  # of a model, and of its tokenizer before tokens are added
ADDED = ["good qq morning", "qq", "aqqb qq  qq,qq", " qq QQ ", "timer qqq"]
EXTRA = []  # texts for one checkpoint


def lively(model, seed):
    """Random weights of a size that makes every part matter."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if not p.requires_grad:  # Marian's sinusoids
                continue
            noise = torch.randn(p.shape, generator=generator)
            if p.dim() == 2:
                big = any(part in name for part in ("embed", "wte", "shared"))
                p.copy_(noise * (1.0 if big else 1.3 / math.sqrt(p.shape[1])))
                if name.endswith((".q.weight", ".k.weight")):
                    p.mul_(0.4)  # T5 has no score scaling: its initialisation is smaller instead
            elif "norm" in name.lower() or ".ln_" in name:
                p.copy_(noise * 0.3 + (1.0 if name.endswith("weight") else 0.0))
            else:
                p.copy_(noise * 0.3)
        for name, b in model.named_buffers():
            if name.endswith("final_logits_bias"):
                b.copy_(torch.randn(b.shape, generator=generator) * 0.2)
    return model.eval()


def corpus():
    lines = []
    for path in sorted((ROOT / "models/tales/test").glob("*.txt")):
        lines += path.read_text().splitlines()
    for line in (ROOT / "models/intent/val.jsonl").read_text().splitlines():
        lines.append(json.loads(line)["text"])
    return lines


@functools.cache
def trained_word_piece(lower):
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lower)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer.train_from_iterator(CORPUS, trainers.WordPieceTrainer(vocab_size=ROOM, special_tokens=special, show_progress=False))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")])
    tokenizer.decoder = decoders.WordPiece()
    return tokenizer.to_str()


def word_piece(folder, lower):
    (folder / "tokenizer.json").write_text(trained_word_piece(lower))
    config = {"tokenizer_class": "BertTokenizer", "do_lower_case": lower, "model_max_length": 512}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))


@functools.cache
def trained_byte_level(template):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<s>", "<pad>", "</s>", "<unk>"] if template else ["<|endoftext|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(CORPUS, trainers.BpeTrainer(
        vocab_size=ROOM, special_tokens=special, initial_alphabet=alphabet, show_progress=False))
    if template:
        tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    return tokenizer.to_str()


def byte_level(folder, template):
    save_fast(folder, trained_byte_level(template))


@functools.cache
def trained_sentence_piece(end):
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    special = ["<unk>", "<s>", "</s>", *(f"<0x{b:02X}>" for b in range(256))]
    tokenizer.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=ROOM, special_tokens=special, show_progress=False))
    if end:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="$A </s>", pair="$A </s> $B:1 </s>:1", special_tokens=[("</s>", 2)])
    else:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="<s> $A", pair="<s> $A $B:1", special_tokens=[("<s>", 1)])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    data = json.loads(tokenizer.to_str())
    data["added_tokens"] = data["added_tokens"][:3]  # the bytes are pieces, no added tokens
    return json.dumps(data)


def sentence_piece(folder, end):
    save_fast(folder, trained_sentence_piece(end))


def save_fast(folder, text):
    (folder / "tokenizer.json").write_text(text)
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast"}))


@functools.cache
def trained_unigram():
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="always")
    tokenizer.train_from_iterator(CORPUS, trainers.UnigramTrainer(
        vocab_size=ROOM, special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>", show_progress=False))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)])
    return tokenizer.to_str()


def add_tokens(r, options, folder):
    """A token that is found in a text, and not special."""
    path = folder / "tokenizer.json"
    if not path.exists() or r.random() < 0.6:
        return
    options["added"] = flags = {key: r.random() < 0.3 for key in ("lstrip", "rstrip")}
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.add_tokens([AddedToken("qq", normalized=False, **flags)])
    tokenizer.save(str(path))
    EXTRA.extend(ADDED)


def wide(r):
    heads = r.choice([1, 2, 3, 4])
    return heads, heads * r.choice([4, 8, 12])


# One maker a family: the model, and how its folder is completed. Every option that changes anything is drawn.


def bert(r, options):
    heads, d = wide(r)
    kind = r.choice(["sequence", "token", "sentence", "sentence"])
    options |= {"kind": kind, "act": r.choice(["gelu", "relu", "silu", "gelu_new"])}
    config = dict(vocab_size=700, hidden_size=d, num_attention_heads=heads, num_hidden_layers=r.choice([1, 2, 3]),
                  intermediate_size=r.choice([20, 33, 64]), max_position_embeddings=r.choice([40, 64]),
                  type_vocab_size=r.choice([1, 2]), hidden_act=options["act"],
                  layer_norm_eps=r.choice([1e-12, 1e-5]))
    lower = options["lower"] = r.random() < 0.5
    if kind == "sentence":
        model = hf.BertModel(hf.BertConfig(**config), add_pooling_layer=r.random() < 0.5)
        options |= {"pooling": r.choice(["mean", "cls"]), "dense": r.random() < 0.3, "schema": r.choice([2, 5]),
                    "max_seq_length": r.choice([None, 32])}
    else:
        options["labels"] = n = r.choice([1, 2, 2, 3, 7]) if kind == "sequence" else r.choice([2, 5])
        names = {} if r.random() < 0.5 else {"id2label": {i: f"class {i}" for i in range(n)}}
        cls = hf.BertForSequenceClassification if kind == "sequence" else hf.BertForTokenClassification
        model = cls(hf.BertConfig(**config, num_labels=n, **names) if not names else hf.BertConfig(**config, **names))

    def complete(folder, model):
        word_piece(folder, lower)
        if r.random() < 0.3:
            options["tokenizer"] = "vocab.txt"
            vocab = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
            (folder / "vocab.txt").write_text("".join(p + "\n" for p in sorted(vocab, key=vocab.get)))
            (folder / "tokenizer.json").unlink()
        if kind != "sentence":
            return
        options["normalize"] = r.random() < 0.6
        modules = ["Transformer", "Pooling"] + (["Dense"] if options["dense"] else [])
        modules += ["Normalize"] if options["normalize"] else []
        entries = [{"idx": i, "name": str(i), "path": "" if i == 0 else f"{i}_{m}",
                    "type": f"sentence_transformers.models.{m}"} for i, m in enumerate(modules)]
        (folder / "modules.json").write_text(json.dumps(entries))
        (folder / "1_Pooling").mkdir()
        old = {"word_embedding_dimension": d, "pooling_mode_cls_token": options["pooling"] == "cls",
               "pooling_mode_mean_tokens": options["pooling"] == "mean"}
        new = {"embedding_dimension": d, "pooling_mode": options["pooling"], "include_prompt": True}
        (folder / "1_Pooling/config.json").write_text(json.dumps(old if options["schema"] == 2 else new))
        if options["max_seq_length"]:
            (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 32, "do_lower_case": False}))
        if options["dense"]:
            from safetensors.torch import save_file
            dense = folder / "2_Dense"
            dense.mkdir()
            save_file({"linear.weight": torch.randn(d, d) * 0.3, "linear.bias": torch.randn(d) * 0.3}, dense / "model.safetensors")
            (dense / "config.json").write_text(json.dumps(
                {"in_features": d, "out_features": d, "bias": True, "activation_function": "torch.nn.modules.activation.Tanh"}))

    return model, complete


def head_of(r, options):
    """What a decoder's body is used for, and the options of a head."""
    options["head"] = head = r.choice(["ForCausalLM", "ForCausalLM", "ForSequenceClassification", "ForTokenClassification"])
    if head == "ForCausalLM":
        return head, {}
    more = {"num_labels": r.choice([1, 2, 3, 6]) if "Seq" in head else r.choice([2, 5])}
    if "Seq" in head:
        more |= {"pad_token_id": r.choice([None, 2]),
                 "problem_type": r.choice([None, None, "multi_label_classification", "regression"])}
    options["more"] = more
    return head, more


def decoder_rules(r, options, model):
    """Rules of generation for a model that writes."""
    if r.random() < 0.4:
        return
    draws = {"repetition_penalty": lambda: r.choice([0.8, 1.3]), "no_repeat_ngram_size": lambda: r.choice([1, 2]),
             "min_new_tokens": lambda: r.choice([2, 6]), "suppress_tokens": lambda: r.sample(range(3, VOCABULARY), 40),
             "begin_suppress_tokens": lambda: r.sample(range(3, VOCABULARY), 40),
             "eos_token_id": lambda: r.sample(range(2, 99), 3)}
    options["rules"] = {key: draws[key]() for key in r.sample(sorted(draws), r.choice([1, 2]))}
    for key, value in options["rules"].items():
        setattr(model.generation_config, key, value)
    model.generation_config.do_sample = False


def gpt2(r, options):
    heads, d = wide(r)
    head, more = head_of(r, options)
    options |= {"tied": r.random() < 0.5, "by_layer": r.random() < 0.3, "scaled": r.random() < 0.8,
                "act": r.choice(["gelu_new", "gelu", "relu"]), "inner": r.choice([None, 40])}
    cls = hf.GPT2LMHeadModel if head == "ForCausalLM" else getattr(hf, f"GPT2{head}")
    model = cls(hf.GPT2Config(
        **more,
        vocab_size=700, n_embd=d, n_head=heads, n_layer=r.choice([1, 2]), n_positions=48, n_inner=options["inner"],
        activation_function=options["act"], tie_word_embeddings=options["tied"], bos_token_id=0,
        eos_token_id=r.choice([0, 5]), scale_attn_by_inverse_layer_idx=options["by_layer"],
        scale_attn_weights=options["scaled"]))
    if not more:
        decoder_rules(r, options, model)

    def complete(folder, model):
        byte_level(folder, False)
        add_tokens(r, options, folder)
        if "added" in options:
            return
        if r.random() < 0.3:
            options["tokenizer"] = "vocab.json"
            data = json.loads((folder / "tokenizer.json").read_text())["model"]
            (folder / "vocab.json").write_text(json.dumps(data["vocab"]))
            (folder / "merges.txt").write_text(
                "#version: 0.2\n" + "".join(" ".join(m) + "\n" for m in data["merges"]))
            (folder / "tokenizer.json").unlink()
            (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "GPT2Tokenizer"}))

    return model, complete


def llama(r, options, mistral=False):
    heads, head_dim = r.choice([(4, 8), (2, 12), (4, 6), (2, 10)])
    kv = r.choice([h for h in (1, 2, 4) if heads % h == 0])
    options |= {"heads": heads, "kv": kv, "head_dim": head_dim, "tied": r.random() < 0.5}
    head, more = head_of(r, options)
    rope = {"rope_type": "default", "rope_theta": r.choice([10000.0, 500.0, 1e6])}
    if not mistral and r.random() < 0.5:
        rope |= r.choice([{"rope_type": "linear", "factor": 3.0},
                          {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                           "original_max_position_embeddings": 16}])
    options["rope"] = rope["rope_type"]
    config = dict(**more, vocab_size=700, hidden_size=24, intermediate_size=r.choice([40, 51]), num_hidden_layers=r.choice([1, 2]),
                  num_attention_heads=heads, num_key_value_heads=kv, head_dim=head_dim, max_position_embeddings=48,
                  rms_norm_eps=r.choice([1e-5, 1e-6]), tie_word_embeddings=options["tied"],
                  rope_parameters=rope,
                  eos_token_id=r.choice([2, 9]))
    if mistral:
        options["window"] = config["sliding_window"] = r.choice([None, 5, 100])
        model = getattr(hf, f"Mistral{head}")(hf.MistralConfig(**config, attn_implementation="eager"))
    else:
        options |= {"bias": r.random() < 0.3, "mlp_bias": r.random() < 0.3}
        model = getattr(hf, f"Llama{head}")(hf.LlamaConfig(**config, attention_bias=options["bias"], mlp_bias=options["mlp_bias"]))
    options["schema"] = r.choice([4, 5])
    if not more:
        decoder_rules(r, options, model)

    def complete(folder, model):
        sentence_piece(folder, False)
        add_tokens(r, options, folder)
        if options["schema"] == 4:
            path = folder / "config.json"
            data = json.loads(path.read_text())
            scaling = data.pop("rope_parameters")
            data["rope_theta"] = scaling.pop("rope_theta")
            data |= {"rope_scaling": None if scaling["rope_type"] == "default" else scaling, "torch_dtype": data.pop("dtype", "float32"), "transformers_version": "4.40.0"}
            path.write_text(json.dumps(data))

    return model, complete


def search_options(r, options, model):
    g = model.generation_config
    options["beams"] = g.num_beams = r.choice([1, 2, 3, 4, 8])
    g.eos_token_id = model.config.eos_token_id = r.choice([2, 9, 31])
    if r.random() < 0.3:
        options["forced"] = g.forced_bos_token_id = 7
    if r.random() < 0.4:
        options["suppressed"] = 11
        if r.random() < 0.5:
            g.bad_words_ids = [[11]]
        else:
            g.suppress_tokens = [11]
    g.max_new_tokens = LIMIT
    g.length_penalty, g.early_stopping = r.choice([1.0, 1.0, 0.5, 2.0]), r.choice([False, False, True, "never"])
    if g.num_beams == 1:  # transformers does not save them then
        g.length_penalty, g.early_stopping = 1.0, False
    options |= {"length_penalty": g.length_penalty, "early_stopping": g.early_stopping}
    g.do_sample = False
    for key, value in {"repetition_penalty": 1.3, "no_repeat_ngram_size": 2, "min_new_tokens": 4}.items():
        if r.random() < 0.2:
            options[key] = value
            setattr(g, key, value)
    g.forced_eos_token_id = model.config.forced_eos_token_id = None


def t5(r, options):
    options |= {"feed_forward": r.choice(["relu", "gated-gelu", "gated-silu", "gelu", "gated-relu"]), "tied": r.random() < 0.5}
    model = hf.T5ForConditionalGeneration(hf.T5Config(
        vocab_size=700, d_model=r.choice([16, 24]), d_kv=r.choice([8, 6]), num_heads=r.choice([2, 3]), d_ff=24,
        num_layers=r.choice([1, 2]), num_decoder_layers=r.choice([1, 2]), relative_attention_num_buckets=r.choice([8, 16]),
        relative_attention_max_distance=r.choice([12, 20]), feed_forward_proj=options["feed_forward"], pad_token_id=0,
        tie_word_embeddings=options["tied"], decoder_start_token_id=0, eos_token_id=2))
    if not options["tied"]:
        model.lm_head.weight = torch.nn.Parameter(torch.zeros_like(model.shared.weight))
        model.all_tied_weights_keys.pop("lm_head.weight", None)
    options["resaved"] = r.random() < 0.5  # by transformers 5, which writes the tie and the scaling apart
    search_options(r, options, model)

    options["unigram"] = r.random() < 0.6

    def complete(folder, model):
        if options["unigram"]:
            save_fast(folder, trained_unigram())
        else:
            sentence_piece(folder, True)
        add_tokens(r, options, folder)
        if not options["resaved"]:
            path = folder / "config.json"
            data = json.loads(path.read_text())
            data["tie_word_embeddings"] = data.pop("scale_decoder_outputs")
            data["transformers_version"] = "4.40.0"
            path.write_text(json.dumps(data))

    return model, complete


def sides(r, options, config, cls, **more):
    heads = r.choice([1, 2])
    model = cls(config(
        vocab_size=700, d_model=r.choice([16, 24]), encoder_layers=r.choice([1, 2]), decoder_layers=r.choice([1, 2]),
        encoder_attention_heads=heads, decoder_attention_heads=heads, encoder_ffn_dim=24, decoder_ffn_dim=24,
        max_position_embeddings=48, activation_function=options["act"], scale_embedding=options["scaled"],
        pad_token_id=1, bos_token_id=0, eos_token_id=2, forced_eos_token_id=None, **more))
    search_options(r, options, model)
    return model, lambda folder, model: byte_level(folder, True)


def bart(r, options):
    options |= {"act": r.choice(["gelu", "relu"]), "scaled": r.random() < 0.3}
    return sides(r, options, hf.BartConfig, hf.BartForConditionalGeneration, decoder_start_token_id=2)


def marian(r, options):
    options |= {"act": r.choice(["swish", "relu", "gelu"]), "scaled": r.random() < 0.6, "shared": r.random() < 0.6}
    return sides(r, options, hf.MarianConfig, hf.MarianMTModel, decoder_start_token_id=1, decoder_vocab_size=700,
                 share_encoder_decoder_embeddings=options["shared"])


def sentences(r, options):
    """Bodies of sentence-transformers, with every way to pool and chains of Dense modules."""
    body = options["body"] = r.choice(["bert", "t5", "llama", "gpt2"])
    pooling = options["pooling"] = r.choice(["mean", "cls", "max", "lasttoken"])
    d = 24
    if body == "bert":
        model = hf.BertModel(hf.BertConfig(vocab_size=VOCABULARY, hidden_size=d, num_attention_heads=2, num_hidden_layers=2,
                                           intermediate_size=40, max_position_embeddings=40))
    elif body == "t5":
        model = hf.T5EncoderModel(hf.T5Config(
            vocab_size=VOCABULARY, d_model=d, d_kv=8, num_heads=2, d_ff=24, num_layers=2, relative_attention_num_buckets=8,
            relative_attention_max_distance=12, feed_forward_proj=r.choice(["relu", "gated-gelu"])))
    elif body == "llama":
        model = hf.LlamaModel(hf.LlamaConfig(
            vocab_size=VOCABULARY, hidden_size=d, intermediate_size=40, num_hidden_layers=2, num_attention_heads=2,
            num_key_value_heads=1, max_position_embeddings=48))
    else:
        model = hf.GPT2Model(hf.GPT2Config(vocab_size=VOCABULARY, n_embd=d, n_layer=2, n_head=2, n_positions=48,
                                           bos_token_id=0, eos_token_id=0))
    widths = options["dense"] = r.choice([[], [], [24], [10], [40], [10, 30], [12, 12, 7]])
    kinds = ["Tanh" if i == 0 or r.random() < 0.5 else "Identity" for i in range(len(widths))]
    if len(widths) == 1 and r.random() < 0.4:
        kinds = ["Identity"]
    if len(widths) == 3:
        kinds = ["Tanh", "Identity", r.choice(["Tanh", "Identity"])]
    options["activations"] = kinds

    def complete(folder, model):
        from safetensors.torch import save_file
        if body == "bert":
            word_piece(folder, True)
        else:
            byte_level(folder, False)
        options["normalize"] = r.random() < 0.6
        names = ["Transformer", "Pooling", *("Dense" for _ in widths), *(["Normalize"] if options["normalize"] else [])]
        entries = [{"idx": i, "name": str(i), "path": "" if i == 0 else f"{i}_{m}",
                    "type": f"sentence_transformers.models.{m}"} for i, m in enumerate(names)]
        (folder / "modules.json").write_text(json.dumps(entries))
        (folder / "1_Pooling").mkdir()
        (folder / "1_Pooling/config.json").write_text(json.dumps({"embedding_dimension": d, "pooling_mode": pooling}))
        before = d
        for i, (width, kind) in enumerate(zip(widths, kinds)):
            dense, bias = folder / f"{i + 2}_Dense", r.random() < 0.6
            dense.mkdir()
            tensors = {"linear.weight": torch.randn(width, before) * 0.3}
            if bias:
                tensors["linear.bias"] = torch.randn(width) * 0.3
            save_file(tensors, dense / "model.safetensors")
            module = "linear" if kind == "Identity" else "activation"
            (dense / "config.json").write_text(json.dumps({
                "in_features": before, "out_features": width, "bias": bias,
                "activation_function": f"torch.nn.modules.{module}.{kind}"}))
            before = width

    return model, complete


FAMILIES = {"bert": bert, "sentences": sentences, "gpt2": gpt2, "llama": llama, "mistral": lambda r, o: llama(r, o, True),
            "t5": t5, "bart": bart, "marian": marian}


def save(model, folder, r, options):
    """Weights in one of the forms that are read; returns the model as the original library loads them."""
    form = options["form"] = r.choice(["safetensors", "safetensors", "shards", "torch", "prefix", "double"])
    kind = options["dtype"] = r.choice([torch.float32, torch.float32, torch.float16, torch.bfloat16]) if form != "double" else torch.float64
    options["dtype"] = str(options["dtype"]).removeprefix("torch.")
    for p in model.parameters():
        p.data = p.data.to(kind).float()
    small = {"max_shard_size": "20KB"} if form == "shards" else {}
    copy = model.to(kind)
    copy.save_pretrained(folder, **small)
    loaded = reload(folder)
    if form in ("torch", "prefix"):
        state = {k: v.contiguous() for k, v in copy.state_dict().items()}
        if form == "prefix":
            state = {f"module.{k}": v for k, v in state.items()}
        (folder / "model.safetensors").unlink()
        torch.save(state, folder / "pytorch_model.bin")
    return loaded


class Differs(Exception):
    pass


class Picoformer:
    def __init__(self, binary):
        self.binary = str(binary)

    def run(self, *arguments):
        done = subprocess.run([self.binary, *map(str, arguments)], capture_output=True, text=True, env={"NO_COLOR": "1"})
        if done.returncode:
            raise Refused(" ".join(done.stderr.split()))
        return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


class Refused(Exception):
    pass


def worst(found, expected):
    """Largest difference, relative to the outputs' size."""
    a, b = torch.tensor(found, dtype=torch.float64), torch.as_tensor(expected).double()
    if a.shape != b.shape:
        raise Differs(f"shape {tuple(a.shape)}, not {tuple(b.shape)}")
    return ((a - b).abs().max() / b.abs().max().clamp(min=1.0)).item()


def cosine(a, b):
    a, b = torch.as_tensor(a).double().flatten(), torch.as_tensor(b).double().flatten()
    return (a @ b / (a.norm() * b.norm()).clamp(min=1e-30)).item()


def architecture(folder):
    return (json.loads((folder / "config.json").read_text()).get("architectures") or ["BertModel"])[0]


def compare(folder, model, pico, r):
    """Raises `Differs`; returns figures."""
    blob = folder / "x.pico"
    bill = pico.run("convert", folder, "-o", blob, "--json")[0]
    vocab, context = bill["vocab_size"], bill["context"]
    figures = {"logits": 0.0, "cosine": 1.0, "ids": 0, "written": 0, "notes": bill["notes"]}
    if bill["tokenizer"]:
        tokenizer = hf.AutoTokenizer.from_pretrained(folder)
        lines = folder / "texts.lines"
        texts = TEXTS + EXTRA
        lines.write_text("\n".join(texts) + "\n")
        for text, found in zip(texts, pico.run("tokenize", blob, "--file", lines, "--json"), strict=True):
            expected = tokenizer(text)["input_ids"]
            if found["ids"] != expected:
                raise Differs(f"ids of {text!r}: {found['ids']}, not {expected}")
            figures["ids"] += len(expected)
    sources = [[r.randrange(3, vocab) for _ in range(n)] for n in (1, 5, min(17, context))]
    padding = getattr(model.config, "pad_token_id", None)
    if bill["answers"] == "label" and not architecture(folder).startswith("Bert") and padding is not None:
        sources += [[5, padding, 7, padding, padding], [padding, padding]]
    files = {name: folder / f"{name}.lists" for name in ("ids", "targets")}
    files["ids"].write_text(json.dumps(sources))
    kind = bill["architecture"]
    if kind == "encoder-decoder":
        start, limit = model.generation_config.decoder_start_token_id, bill["target_context"]
        start = model.config.decoder_start_token_id if start is None else start
        targets = [[start] + [r.randrange(3, vocab) for _ in range(min(6, limit - 1))] for _ in sources]
        files["targets"].write_text(json.dumps(targets))
        read = pico.run("reference", folder, "--ids", files["ids"], "--targets", files["targets"], "--max-tokens", LIMIT)
    else:
        read = pico.run("reference", folder, "--ids", files["ids"], "--max-tokens", LIMIT)
    for i, (source, found) in enumerate(zip(sources, read)):
        ids = torch.tensor([source])
        mask = torch.ones_like(ids)
        with torch.no_grad():
            if kind == "encoder-decoder":
                expected = model(input_ids=ids, attention_mask=mask, decoder_input_ids=torch.tensor([targets[i]])).logits[0]
            elif bill["answers"] == "embedding":
                expected = sentence(folder, model, ids)
            else:
                expected = model(ids).logits[0]
        expected = torch.atleast_2d(expected)
        figures["logits"] = max(figures["logits"], worst(found["outputs"], expected))
        if figures["logits"] > 1e-4:
            raise Differs(f"logits by {figures['logits']:.1e}")
        engine = None
        if kind == "encoder":
            answer = pico.run("run", blob, "--ids", ",".join(map(str, source)), "--json")[0]
            engine = answer.get("embedding") or answer.get("logits")
            labels = answer.get("labels")
            if labels and bill["answers"] == "labels":
                names = [model.config.id2label[int(k)] for k in expected.argmax(-1)]
                margin = expected.topk(2).values.diff().abs().flatten()
                wrong = [a for a, b, m in zip(labels, names, margin) if a != b and m > 0.3]
                if wrong:
                    raise Differs(f"labels {labels}, not {names}")
        if engine is not None and len(expected[0]) > 1:
            figures["cosine"] = min(figures["cosine"], cosine(engine, expected[0]))
        if bill["answers"] == "label" and len(expected[0]) == 1 and "scores" in answer:
            score = list(answer["scores"].values())[0]
            if abs(score - torch.sigmoid(expected[0, 0]).item()) > 0.1:
                raise Differs(f"score {score}, not the sigmoid of {expected[0, 0]}")
        if bill["answers"] == "tokens":
            room = {"max_new_tokens": LIMIT} if kind == "decoder" else {"max_new_tokens": min(LIMIT, bill["target_context"])}
            out = model.generate(input_ids=ids, attention_mask=mask, use_cache=False, do_sample=False, **room)[0].tolist()
            new = out[1:] if kind == "encoder-decoder" else out[len(source):]
            ends = model.generation_config.eos_token_id
            ends = ends if isinstance(ends, list) else [ends]
            new = next((new[:j] for j, token in enumerate(new) if token in ends), new)
            if kind == "decoder":
                new = new[: max(0, context - len(source))]
            if found["written"] != new:
                raise Differs(f"wrote {found['written']}, not {new}")
            figures["written"] += len(new)
    return figures


def sentence(folder, model, ids):
    """The embedding of token ids as the modules of a sentence-transformers folder compute it."""
    from safetensors.torch import load_file
    hidden = model(ids).last_hidden_state[0]
    pooling = json.loads((folder / "1_Pooling/config.json").read_text())
    old = {"cls_token": "cls", "max_tokens": "max", "lasttoken": "lasttoken"}
    mode = next((new for key, new in old.items() if pooling.get(f"pooling_mode_{key}")), "mean")
    rows = {"cls": hidden[0], "max": hidden.max(0).values, "lasttoken": hidden[-1], "mean": hidden.mean(0)}
    row = rows[pooling.get("pooling_mode") or mode]
    for dense in sorted(folder.glob("*_Dense")):
        tensors = load_file(dense / "model.safetensors")
        row = tensors["linear.weight"].float() @ row
        if "linear.bias" in tensors:
            row = row + tensors["linear.bias"].float()
        if json.loads((dense / "config.json").read_text())["activation_function"].endswith("Tanh"):
            row = torch.tanh(row)
    unit = any(module["type"].endswith("Normalize") for module in json.loads((folder / "modules.json").read_text()))
    return torch.nn.functional.normalize(row, dim=0) if unit else row


def reload(folder):
    """The checkpoint as the original library loads it."""
    return getattr(hf, architecture(folder)).from_pretrained(folder, dtype=torch.float32).eval()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint", nargs="?", type=Path)
    parser.add_argument("--count", type=int, default=240)
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--binary", type=Path, default=ROOT / "target/release/picoformer")
    parser.add_argument("--write", type=Path, help="file whose table is replaced")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    hf.logging.set_verbosity_error()
    pico = Picoformer(arguments.binary.resolve())
    if arguments.checkpoint:
        print(compare_yours(arguments.checkpoint, pico))
        return
    global CORPUS
    CORPUS = corpus()
    rows = collections.defaultdict(lambda: {"n": 0, "refused": 0, "differs": 0, "logits": 0.0, "cosine": [], "ids": 0, "written": 0})
    families, bad = list(FAMILIES), 0
    for seed in range(arguments.first, arguments.first + arguments.count):
        r = random.Random(seed)
        family = families[seed % len(families)]
        options = {}
        EXTRA.clear()
        folder = Path(tempfile.mkdtemp(prefix="compare-"))
        row = rows[family]
        row["n"] += 1
        try:
            torch.manual_seed(seed)
            model, complete = FAMILIES[family](r, options)
            lively(model, seed)
            model = save(model, folder, r, options)
            complete(folder, model)
            figures = compare(folder, model, pico, r)
            row["logits"] = max(row["logits"], figures["logits"])
            row["cosine"].append(figures["cosine"])
            row["ids"] += figures["ids"]
            row["written"] += figures["written"]
        except Differs as difference:
            row["differs"] += 1
            bad += 1
            print(f"seed {seed} {family} {options}: DIFFERS: {difference}", flush=True)
        except Refused as refusal:
            row["refused"] += 1
            bad += 1
            print(f"seed {seed} {family} {options}: refused: {refusal}", flush=True)
        shutil.rmtree(folder)
    table = ["| family | checkpoints | differ | refused | f32 logits off by | token ids equal | tokens written alike | least cosine, int8 |",
             "| --- | --- | --- | --- | --- | --- | --- | --- |"]
    for family, row in sorted(rows.items()):
        least = f"{min(row['cosine']):.4f}" if family in ("bert", "sentences") and row["cosine"] else ""
        table.append(f"| {family} | {row['n']} | {row['differs']} | {row['refused']} | {row['logits']:.1e} | {row['ids']} "
                     f"| {row['written'] or ''} | {least} |")
    text = "\n".join(table)
    print(text)
    if arguments.write and not bad:
        old = arguments.write.read_text()
        before, rest = old.split(MARKS[0])
        after = rest.split(MARKS[1])[1]
        versions = f"transformers {hf.__version__}, torch {torch.__version__.split('+')[0]}"
        arguments.write.write_text(
            f"{before}{MARKS[0]}\n`python tools/compare.py --count {arguments.count}` with {versions}:\n\n{text}\n{MARKS[1]}{after}")
    sys.exit(1 if bad else 0)


def compare_yours(folder, pico):
    """One checkpoint; its folder is not written to."""
    copy = Path(tempfile.mkdtemp(prefix="compare-")) / "checkpoint"
    shutil.copytree(folder, copy)
    try:
        return compare(copy, reload(copy), pico, random.Random(0))
    except (Differs, Refused) as found:
        sys.exit(f"{type(found).__name__}: {found}")
    finally:
        shutil.rmtree(copy.parent)


if __name__ == "__main__":
    main()
