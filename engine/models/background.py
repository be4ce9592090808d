"""A fixed pool of everyday prompts that every prompt is measured against.

How like a text or a picture is to a prompt says little on its own: some are like everything. By how
much a prompt stands out among the pool says more, and the same for short and long prompts.
"""

from __future__ import annotations

from importlib.resources import files
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]

# Scenes, and topics that are talked or written about: the pool has to hold both.
LISTS = ("background_prompts.txt", "background_topics.txt")
LEAST_DEVIATION = 0.01


class Encodes(Protocol):
    """Anything that turns prompts into vectors float32[m, d]."""

    def __call__(self, prompts: list[str], /) -> FloatArray: ...


class Background(NamedTuple):
    """The pool in some encoder's space: its vectors float32[m, d] and their mean float32[d]."""

    vectors: FloatArray
    mean: FloatArray

    def scale(self, evidence: FloatArray) -> FloatArray:
        """Evidence float32[n, d] in units of how much its similarity to the pool varies.

        Its dot product with a prompt's vector less `mean` is then the similarity of the two in
        standard deviations above the pool.
        """
        deviation = (evidence @ self.vectors.T).std(axis=1, keepdims=True)
        return np.asarray(evidence / np.maximum(deviation, LEAST_DEVIATION), dtype=np.float32)


def read_background(encode: Encodes) -> Background:
    """The pool as an encoder sees it."""
    folder = files("engine.models").joinpath("data")
    texts = [folder.joinpath(name).read_text(encoding="utf-8") for name in LISTS]
    vectors = encode([line for text in texts for line in text.splitlines()])
    return Background(vectors, vectors.mean(axis=0))
