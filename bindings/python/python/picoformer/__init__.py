"""Trained transformers on microcontrollers, from a notebook.

``convert`` makes a blob of a checkpoint, or of a Hugging Face model in memory; a ``Blob`` answers with the very engine
that runs on the device, bit for bit. What it answers here, the device will answer.

>>> import picoformer
>>> blob = picoformer.convert("models/intent/checkpoint")
>>> blob.classify("please set a timer for ten minutes").label
'timer'
>>> blob.save("model.pico")
"""

from ._answers import Answer, Bill, Generation, Tags, Translation
from ._blob import Blob
from ._compare import Comparison
from ._convert import convert
from ._native import Error

__all__ = [
    "Answer",
    "Bill",
    "Blob",
    "Comparison",
    "Error",
    "Generation",
    "Tags",
    "Translation",
    "convert",
]
__version__ = "0.1.0"
