"""Vectors for words and sentences: the static embeddings inside the wheel of wordllama.

The package's own loader is not used: importing it reconfigures the root logger, and it can reach
for the network. Its two files are read directly.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors import safe_open
from tokenizers import Tokenizer

from engine.models.lazy import Lazy

FloatArray = npt.NDArray[np.float32]

WEIGHTS = "weights/l2_supercat_256.safetensors"
TOKENIZER = "tokenizers/l2_supercat_tokenizer_config.json"


def package_folder(package: str) -> Path:
    """Where an installed package keeps its files, without importing it."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(f"{package} is missing: pip install -r requirements.txt")
    return Path(spec.submodule_search_locations[0])


class WordLlamaEncoder:
    """A text's vector is the mean of its tokens' vectors, of length 1."""

    name = "wordllama-0.4-l2-supercat-256"
    dimension = 256

    def __init__(self) -> None:
        self._files = Lazy(_load)

    def encode(self, texts: Sequence[str]) -> FloatArray:
        """Unit vectors float32[n, 256]; a text without any token gives zeros."""
        table, tokenizer = self._files()
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        encoded = tokenizer.encode_batch(list(texts), add_special_tokens=False)
        for row, tokens in zip(vectors, encoded, strict=True):
            if tokens.ids:
                row[:] = table[tokens.ids].mean(axis=0)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        vectors /= np.maximum(lengths, 1e-9)
        return vectors


def _load() -> tuple[FloatArray, Tokenizer]:
    folder = package_folder("wordllama")
    with safe_open(folder / WEIGHTS, framework="numpy") as file:
        table = file.get_tensor("embedding.weight").astype(np.float32)
    tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return table, tokenizer
