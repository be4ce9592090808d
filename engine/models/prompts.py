"""Vectors of prompts, cached because the same prompts are used often, and products with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]

# At most 40 MB of vectors, however many prompts are tried.
MAX_CACHED = 10_000


class PromptVectors:
    """Call it with prompts to get their vectors float32[m, d]; the latest are cached.

    Safe to call from several threads.
    """

    def __init__(self, encode: Callable[[list[str]], FloatArray]) -> None:
        """`encode` turns prompts that are not cached, or none at all, into float32[n, d]."""
        self._encode = encode
        self._cached: dict[str, FloatArray] = {}
        self._lock = Lock()

    def __call__(self, prompts: Sequence[str]) -> FloatArray:
        if not prompts:
            return self._encode([])
        with self._lock:
            new = [prompt for prompt in dict.fromkeys(prompts) if prompt not in self._cached]
            if new:
                self._cached.update(zip(new, self._encode(new), strict=True))
            vectors = np.stack([self._cached[prompt] for prompt in prompts])
            for oldest in list(self._cached)[: max(len(self._cached) - MAX_CACHED, 0)]:
                del self._cached[oldest]
        return vectors


def products(parts: Sequence[FloatArray], prompt_vectors: FloatArray) -> FloatArray:
    """Dot products of rows and prompts: float32[all rows, m], the parts one after the other.

    `parts` float32[n, d] are the vectors of several videos; one without rows may have any width.
    They are not concatenated first, which would take a quarter as long as the products.
    """
    ends = np.cumsum([len(part) for part in parts], dtype=np.int64)
    made = np.empty((ends[-1] if len(ends) else 0, len(prompt_vectors)), np.float32)
    for part, end in zip(parts, ends, strict=True):
        if len(part):
            np.matmul(part, prompt_vectors.T, out=made[end - len(part) : end])
    return made
