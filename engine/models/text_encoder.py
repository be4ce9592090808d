"""Text embeddings: the static embeddings that come in the wheel of wordllama.

The package's own loader is not used, because importing it reconfigures the root logger and may use
the network. Its two files are read directly.

The vocabulary has the 32,000 commonest tokens. A word that is not one of them is split into tokens
that mean something else ("co", "ats"), although its stem may be in the vocabulary ("coat").
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
# Endings of English words, and what replaces them in the stem.
ENDINGS = (
    ("ies", ("y",)),
    ("ves", ("f", "fe")),
    ("es", ("", "e")),
    ("s", ("",)),
    ("ing", ("", "e")),
    ("ed", ("", "e")),
    ("er", ("", "e")),
)
MIN_STEM = 3


def package_folder(package: str) -> Path:
    """The folder of an installed package, without importing it."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(f"{package} is missing: pip install -r requirements.txt")
    return Path(spec.submodule_search_locations[0])


class WordLlamaEncoder:
    """A text's vector is the mean of its tokens' vectors, scaled to length 1."""

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
        """Prompts to float32[m, 256]: the difference of each from the background pool's mean."""
        return self._prompt_vectors(prompts)

    def background(self) -> Background:
        """The background pool, in this encoder's space."""
        return self._background()


def _known_form(word: str, tokenizer: Tokenizer) -> str:
    """The word or a stem of it that is in the vocabulary; else the word itself."""
    forms = (word, word.lower(), *_stems(word.lower()))
    return next((form for form in forms if tokenizer.token_to_id(f"▁{form}") is not None), word)


def _stems(word: str) -> Iterator[str]:
    for ending, replacements in ENDINGS:
        stem = word.removesuffix(ending)
        if MIN_STEM <= len(stem) < len(word):
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
