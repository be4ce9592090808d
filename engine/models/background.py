"""A fixed pool of everyday prompts against which every prompt is measured.

The similarity of a prompt to a text or a frame says little by itself, since some frames are similar
to everything. The z-score of a prompt among the pool says more, and means the same for short and
long prompts.
"""

from __future__ import annotations

from importlib.resources import files
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]

# What can be seen, and what is talked or written about: the pool needs both.
LISTS = ("background_prompts.txt", "background_topics.txt")
MIN_DEVIATION = 0.01


class EncodePrompts(Protocol):
    """Turns prompts into vectors float32[m, d]."""

    def __call__(self, prompts: list[str], /) -> FloatArray: ...


class Background(NamedTuple):
    """The pool in an encoder's space: its vectors float32[m, d] and their mean float32[d]."""

    vectors: FloatArray
    mean: FloatArray

    def scale(self, evidence: FloatArray) -> FloatArray:
        """Evidence float32[n, d] divided by the standard deviation of its similarity to the pool.

        The dot product of the result with a prompt's vector minus `mean` is the z-score of the
        prompt: standard deviations above the mean of the pool.
        """
        deviation = (evidence @ self.vectors.T).std(axis=1, keepdims=True)
        return np.asarray(evidence / np.maximum(deviation, MIN_DEVIATION), dtype=np.float32)


def read_background(encode: EncodePrompts) -> Background:
    """The pool in an encoder's space."""
    folder = files("engine.models").joinpath("data")
    texts = [folder.joinpath(name).read_text(encoding="utf-8") for name in LISTS]
    vectors = encode([line for text in texts for line in text.splitlines()])
    return Background(vectors, vectors.mean(axis=0))
