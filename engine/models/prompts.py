"""Vectors of prompts, kept since the same are asked again and again, and products with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]

# 40 MB of vectors at most, should someone try prompts for ever
MOST_KEPT = 10_000


class PromptVectors:
    """Call it with prompts to get their vectors float32[m, d]; those of the latest are kept.

    Safe to call from several threads.
    """

    def __init__(self, encode: Callable[[list[str]], FloatArray]) -> None:
        """`encode` turns prompts that are not kept, or none at all, into float32[n, d]."""
        self._encode = encode
        self._kept: dict[str, FloatArray] = {}
        self._lock = Lock()

    def __call__(self, prompts: Sequence[str]) -> FloatArray:
        if not prompts:
            return self._encode([])
        with self._lock:
            new = [prompt for prompt in dict.fromkeys(prompts) if prompt not in self._kept]
            if new:
                self._kept.update(zip(new, self._encode(new), strict=True))
            vectors = np.stack([self._kept[prompt] for prompt in prompts])
            for oldest in list(self._kept)[: max(len(self._kept) - MOST_KEPT, 0)]:
                del self._kept[oldest]
        return vectors


def products(parts: Sequence[FloatArray], prompt_vectors: FloatArray) -> FloatArray:
    """How like each row is to each prompt: float32[all rows, m], one part's rows after another's.

    `parts` float32[n, d] are the vectors of several videos; one without rows may be of any width.
    They are not laid end to end first, which would take a quarter as long as the products.
    """
    ends = np.cumsum([len(part) for part in parts], dtype=np.int64)
    made = np.empty((ends[-1] if len(ends) else 0, len(prompt_vectors)), np.float32)
    for part, end in zip(parts, ends, strict=True):
        if len(part):
            np.matmul(part, prompt_vectors.T, out=made[end - len(part) : end])
    return made
