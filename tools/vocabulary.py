"""Shows `--keep-vocabulary` on vocabularies as large as today's: a random Llama of 128,256 pieces (byte-level
BPE with Llama 3's words) and a random T5 of 250,112 (Unigram), their tokenizers trained on texts of yours and
filled up with random pieces where the texts give fewer.

Each is converted with a text. Then the ids that the blob gives, translated back, are compared with those of the
`tokenizers` library, and the logits of the converter's f32 reference with those of transformers.

    pip install torch transformers tokenizers
    cargo build --release -p picoformer-convert
    python tools/vocabulary.py work-folder texts/*.txt                        # a table
    python tools/vocabulary.py work-folder texts/*.txt --write docs/MODELS.md # the same, between the file's marks

The tokenizers are made once and stay in the work folder. The first of the texts gives the lines that are kept
(`--lines`), the others give lines that may need other pieces.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
import transformers as hf
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

ROOT = Path(__file__).resolve().parent.parent
MARKS = ("<!-- vocabulary.py: begin -->", "<!-- vocabulary.py: end -->")
LLAMA_3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
OTHER_LINES = 3000  # of other texts
ROWS = 8  # texts whose logits are compared


def lines_of(paths):
    return [line.strip() for path in paths for line in path.read_text(errors="ignore").splitlines() if line.strip()]


def llama_tokenizer(texts, gpt2):
    """128,000 pieces, then 256 special tokens, as Llama 3 has them."""
    tokenizer = Tokenizer(models.BPE(ignore_merges=not gpt2))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False) if gpt2 else pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(LLAMA_3), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=128_000, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    data = json.loads(tokenizer.to_str())
    model, made = data["model"], len(data["model"]["vocab"])
    pieces, r = list(model["vocab"]), random.Random(1)
    while len(pieces) < 128_000:
        left, right = r.choice(pieces[:made]), r.choice(pieces[:made])
        if left + right not in model["vocab"] and len(left + right) < 24:
            model["vocab"][left + right] = len(pieces)
            pieces.append(left + right)
            model["merges"].append([left, right])
    tokenizer = Tokenizer.from_str(json.dumps(data))
    names = ["<|begin_of_text|>", "<|end_of_text|>", *(f"<|reserved_special_token_{i}|>" for i in range(254))]
    tokenizer.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in names])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<|begin_of_text|> $A", pair="<|begin_of_text|> $A <|begin_of_text|>:1 $B:1",
        special_tokens=[("<|begin_of_text|>", 128_000)])
    return tokenizer.to_str(), made


def t5_tokenizer(texts):
    """250,000 pieces, then 100 sentinels, as mT5 has them."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.train_from_iterator(texts, trainers.UnigramTrainer(
        vocab_size=250_000, special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>", show_progress=False))
    data = json.loads(tokenizer.to_str())
    vocab, r = data["model"]["vocab"], random.Random(2)
    made, known = len(vocab), {piece for piece, _ in vocab}
    while len(vocab) < 250_000:
        (left, a), (right, b) = r.choice(vocab[3:made]), r.choice(vocab[3:made])
        piece = left + right.lstrip("▁")
        if piece not in known and len(piece) < 24:
            known.add(piece)
            vocab.append([piece, (a + b) * r.uniform(0.8, 1.2)])
    tokenizer = Tokenizer.from_str(json.dumps(data))
    tokenizer.add_special_tokens([f"<extra_id_{i}>" for i in range(99, -1, -1)])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B:1 </s>:1", special_tokens=[("</s>", 1)])
    return tokenizer.to_str(), made


def llama(seed):
    torch.manual_seed(seed)
    return hf.LlamaForCausalLM(hf.LlamaConfig(
        vocab_size=128_256, hidden_size=256, intermediate_size=768, num_hidden_layers=4, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=256, initializer_range=0.06, tie_word_embeddings=True,
        bos_token_id=128_000, eos_token_id=128_001, rope_parameters={
            "rope_type": "llama3", "rope_theta": 500_000.0, "factor": 32.0, "low_freq_factor": 1.0,
            "high_freq_factor": 4.0, "original_max_position_embeddings": 128}))


def t5(seed):
    """With a head of its own, as mT5 has it."""
    torch.manual_seed(seed)
    model = hf.T5ForConditionalGeneration(hf.T5Config(
        vocab_size=250_112, d_model=256, d_kv=64, d_ff=512, num_layers=3, num_heads=4, n_positions=256,
        feed_forward_proj="gated-gelu", tie_word_embeddings=False, initializer_factor=1.0, pad_token_id=0,
        eos_token_id=1, decoder_start_token_id=0))
    model.lm_head.weight = torch.nn.Parameter(torch.randn_like(model.shared.weight) * 0.1)
    model.all_tied_weights_keys.pop("lm_head.weight", None)
    return model


def checkpoint(folder, tokenizer_of, model_of, roles, texts):
    """Makes a checkpoint, unless it is there; returns how many pieces the training gave."""
    done = folder / "made.json"
    if not done.exists():
        folder.mkdir(parents=True, exist_ok=True)
        text, made = tokenizer_of(texts)
        model = model_of(1).to(torch.bfloat16)
        model.save_pretrained(folder)
        (folder / "tokenizer.json").write_text(text)
        settings = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 256, **roles}
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))
        done.write_text(json.dumps(made))
    return json.loads(done.read_text())


# A process begins with the memory of the one that starts it: a small one does, not this script with torch in it.
MEASURE = """
import json, os, subprocess, sys
process = subprocess.Popen(sys.argv[2:])
_, status, usage = os.wait4(process.pid, 0)
json.dump([status, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024], open(sys.argv[1], "w"))
"""


def measured(command):
    """Runs a command; returns its output, CPU seconds and greatest memory in MB."""
    with tempfile.NamedTemporaryFile() as file:
        launcher = [sys.executable, "-c", MEASURE, file.name, *(str(part) for part in command)]
        out = subprocess.run(launcher, stdout=subprocess.PIPE, check=True).stdout
        status, seconds, memory = json.loads(Path(file.name).read_text())
    if status:
        raise SystemExit(f"{command} failed")
    return out.decode(), seconds, memory


def original_ids(blob, bill):
    """The section `orig` of a blob (docs/FORMAT.md): the original's id of every token."""
    names = [section["name"] for section in bill["sections"]]
    start = sum(section["bytes"] for section in bill["sections"][: names.index("orig")])
    data = blob.read_bytes()[start:]
    length = int.from_bytes(data[4:8], "little")
    ids, following, gap, bits = [], 0, 0, 0
    for byte in data[20 : 16 + length]:
        gap |= (byte & 0x7F) << bits
        bits += 7
        if byte < 0x80:
            ids.append(following + gap)
            following, gap, bits = ids[-1] + 1, 0, 0
    return ids


def logits(model, ids):
    with torch.no_grad():
        tensor = torch.tensor([ids])
        if model.config.is_encoder_decoder:
            target = torch.tensor([[model.config.decoder_start_token_id, *ids[:-1]]])
            return model(input_ids=tensor, decoder_input_ids=target).logits[0]
        return model(input_ids=tensor).logits[0]


def compare(name, words, folder, made, text, others, picoformer):
    blob = folder / "kept.pico"
    command = [picoformer, "convert", folder, "-o", blob, "--json", "--keep-vocabulary", text]
    out, seconds, memory = measured(command)
    bill = json.loads(out)
    kept = original_ids(blob, bill)
    assert len(kept) == bill["kept_pieces"], "the section and the bill disagree"
    original = Tokenizer.from_file(str(folder / "tokenizer.json"))
    lines = lines_of([text]) + others
    (folder / "lines.text").write_text("\n".join(lines))
    out, _, _ = measured([picoformer, "tokenize", blob, "--file", folder / "lines.text", "--json"])
    known, own = set(kept), len(lines) - len(others)
    alike = another = 0
    for i, (line, row) in enumerate(zip(lines, map(json.loads, out.splitlines()), strict=True)):
        ids = original.encode(line).ids
        if known.issuperset(ids):
            assert row["original_ids"] == ids, f"{name}: {line!r}: {row['original_ids']} for {ids}"
            alike += 1
        else:
            assert i >= own, f"{name}: the text itself lacks pieces: {line!r}"
            another += 1
    # Logits, of the kept columns.
    model = (hf.T5ForConditionalGeneration if name == "T5" else hf.LlamaForCausalLM)
    model = model.from_pretrained(folder, dtype=torch.float32).eval()
    new = {old: i for i, old in enumerate(kept)}
    chosen = [ids for ids in (original.encode(line).ids[:48] for line in lines[:own]) if len(ids) > 6][:ROWS]
    sources = [[new[id] for id in ids] for ids in chosen]
    (folder / "ids.json").write_text(json.dumps(sources))
    targets = [[new[model.config.decoder_start_token_id], *ids[:-1]] for ids in sources] if name == "T5" else []
    (folder / "targets.json").write_text(json.dumps(targets))
    command = [picoformer, "reference", folder, "--ids", folder / "ids.json", "--keep-vocabulary", text]
    out, _, _ = measured(command + (["--targets", folder / "targets.json"] if targets else []))
    worst = 0.0
    for ids, row in zip(chosen, map(json.loads, out.splitlines()), strict=True):
        expected = logits(model, ids)[:, kept]
        found = torch.tensor(row["outputs"])
        worst = max(worst, ((found - expected).abs().max() / expected.abs().max()).item())
    assert worst < 1e-4, f"{name}: logits differ by {worst}"
    sizes = {section["name"]: section["bytes"] for section in bill["sections"]}
    weights = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    return {
        "checkpoint": f"{name}{words}, {bill['original_vocab_size']:,} tokens ({made:,} pieces trained), {weights / 1e6:.0f} MB in bf16",
        "text": f"{text.stat().st_size:,} bytes",
        "tokens kept": f"{bill['kept_pieces']:,}",
        "flash": f"{bill['flash_bytes']:,} bytes: embedding {sizes['embedding']:,}, "
                 + (f"head {sizes['head']:,}, " if "head" in sizes else "")
                 + f"tokenizer {sizes['tokenizer']:,}, original ids {sizes['orig']:,}",
        "host memory": f"{memory:.0f} MB",
        "CPU seconds": f"{seconds:.1f}",
        "lines with the original's ids": f"{alike:,} of {alike:,} whose pieces are kept ({own:,} of the text); {another:,} need others",
        "logits (f32) off by at most": f"{worst:.1e} of the greatest",
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("texts", type=Path, nargs="+")
    parser.add_argument("--lines", type=int, default=1000, help="lines of the first text that are kept")
    parser.add_argument("--picoformer", type=Path, default=ROOT / "target/release/picoformer")
    parser.add_argument("--gpt2", action="store_true", help="split texts into words as GPT-2 does, not as Llama 3")
    parser.add_argument("--only", choices=["Llama", "T5"])
    parser.add_argument("--make", action="store_true", help="make the checkpoints and stop")
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    texts = lines_of(arguments.texts)
    mine = arguments.folder / "mine.text"
    arguments.folder.mkdir(parents=True, exist_ok=True)
    mine.write_text("\n".join(lines_of(arguments.texts[:1])[: arguments.lines]))
    others = random.Random(3).sample(lines_of(arguments.texts[1:]) or texts, OTHER_LINES)
    tables = []
    for name, tokenizer_of, model_of, roles in [
        ("Llama", lambda texts: llama_tokenizer(texts, arguments.gpt2), llama, {"bos_token": "<|begin_of_text|>", "eos_token": "<|end_of_text|>"}),
        ("T5", t5_tokenizer, t5, {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}),
    ]:
        if arguments.only in (None, name):
            begun = time.process_time()
            made = checkpoint(arguments.folder / name, tokenizer_of, model_of, roles, texts)
            print(f"{name}: {made} pieces trained, {time.process_time() - begun:.0f} CPU seconds", flush=True)
            if not arguments.make:
                words = ", words as GPT-2's" if name == "Llama" and arguments.gpt2 else ""
                folder = arguments.folder / name
                tables.append(compare(name, words, folder, made, mine, others, arguments.picoformer))
    if not tables:
        return
    rows = [f"| | {' | '.join(table['checkpoint'] for table in tables)} |", "| --- |" + " --- |" * len(tables)]
    rows += [f"| {key} | {' | '.join(table[key] for table in tables)} |" for key in tables[0] if key != "checkpoint"]
    table = "\n".join(rows)
    print(table)
    if arguments.write:
        before, rest = arguments.write.read_text().split(MARKS[0])
        after = rest.split(MARKS[1])[1]
        arguments.write.write_text(f"{before}{MARKS[0]}\n{table}\n{MARKS[1]}{after}")


if __name__ == "__main__":
    main()
