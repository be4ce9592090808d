"""Vectors of prompts, kept: the same prompts are asked again and again."""

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
