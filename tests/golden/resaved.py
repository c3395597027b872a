"""Makes tests/golden/g2p-5/: the files beside the weights that transformers 5 writes when it saves models/g2p/checkpoint
again. Run as make.py is: python tests/golden/resaved.py

The weights are the same, names included, which is checked here; so the folder has none. Transformers 5 writes the tie
of T5's head apart from the scaling of what it reads, and its tokenizer's settings in another schema.
"""

import tempfile
from pathlib import Path

import torch
import transformers as hf
from safetensors.torch import load_file

HERE = Path(__file__).resolve().parent
SHIPPED = HERE.parent.parent / "models/g2p/checkpoint"


def main():
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        model = hf.AutoModelForSeq2SeqLM.from_pretrained(SHIPPED)
        model.save_pretrained(folder)
        model.generation_config.save_pretrained(folder)
        hf.AutoTokenizer.from_pretrained(SHIPPED).save_pretrained(folder)
        before, after = (load_file(f / "model.safetensors") for f in (SHIPPED, folder))
        assert before.keys() == after.keys()
        assert all(torch.equal(before[name], after[name]) for name in before)
        (HERE / "g2p-5").mkdir(exist_ok=True)
        for path in folder.glob("*.json"):
            (HERE / "g2p-5" / path.name).write_text(path.read_text())
            print(path.name)


if __name__ == "__main__":
    main()
