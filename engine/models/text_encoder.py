"""Vectors for words and sentences: the static embeddings inside the wheel of wordllama.

The package's own loader is not used: importing it reconfigures the root logger, and it can reach
for the network. Its two files are read directly.

The vocabulary holds the commonest 32,000 pieces of text. A word that it does not hold whole is
taken apart into pieces that mean something else ("co", "ats"); its stem may be there ("coat").
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors import safe_open
from tokenizers import Tokenizer

from engine.models.background import Background, read_background
from engine.models.lazy import Lazy
from engine.models.prompts import PromptVectors

FloatArray = npt.NDArray[np.float32]

WEIGHTS = "weights/l2_supercat_256.safetensors"
TOKENIZER = "tokenizers/l2_supercat_tokenizer_config.json"
WORD = re.compile("[A-Za-z]{3,}")
# Endings of English words, and what stands in their place in the stem.
ENDINGS = (
    ("ies", ("y",)),
    ("ves", ("f", "fe")),
    ("es", ("", "e")),
    ("s", ("",)),
    ("ing", ("", "e")),
    ("ed", ("", "e")),
    ("er", ("", "e")),
)
SHORTEST_STEM = 3


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
        self._background = Lazy(lambda: read_background(self.encode))
        self._prompt_vectors = PromptVectors(lambda new: self.encode(new) - self._background().mean)

    def encode(self, texts: Sequence[str]) -> FloatArray:
        """Unit vectors float32[n, 256]; a text without any token gives zeros."""
        table, tokenizer = self._files()
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        known = [WORD.sub(lambda word: _known_form(word[0], tokenizer), text) for text in texts]
        encoded = tokenizer.encode_batch(known, add_special_tokens=False)
        for row, tokens in zip(vectors, encoded, strict=True):
            if tokens.ids:
                row[:] = table[tokens.ids].mean(axis=0)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        vectors /= np.maximum(lengths, 1e-9)
        return vectors

    def encode_prompts(self, prompts: Sequence[str]) -> FloatArray:
        """Prompts to float32[m, 256]: how each differs from the pool's mean."""
        return self._prompt_vectors(prompts)

    def background(self) -> Background:
        """The pool that every prompt is measured against."""
        return self._background()


def _known_form(word: str, tokenizer: Tokenizer) -> str:
    """The word, or a stem of it, that the vocabulary holds whole; else the word as it is."""
    forms = (word, word.lower(), *_stems(word.lower()))
    return next((form for form in forms if tokenizer.token_to_id(f"▁{form}") is not None), word)


def _stems(word: str) -> Iterator[str]:
    for ending, replacements in ENDINGS:
        stem = word.removesuffix(ending)
        if SHORTEST_STEM <= len(stem) < len(word):
            yield from (stem + replacement for replacement in replacements)
            if stem[-1] == stem[-2]:
                yield stem[:-1]


def _load() -> tuple[FloatArray, Tokenizer]:
    folder = package_folder("wordllama")
    with safe_open(folder / WEIGHTS, framework="numpy") as file:
        table = file.get_tensor("embedding.weight").astype(np.float32)
    tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return table, tokenizer
