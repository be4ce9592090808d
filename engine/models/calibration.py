"""From how far evidence stands out to the chance that it is right: one curve per kind of evidence.

The constants are what `python bench/calibrate.py` printed; docs/evidence.md says how they were
fitted and how well they hold.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
# The logits of 9,999 in 10,000: nothing that was measured here tells a better chance apart.
SUREST = np.float32(9.21024)


class Calibration(NamedTuple):
    """A logistic curve over standard deviations above the background pool."""

    slope: float
    offset: float

    def logits(self, standing_out: FloatArray) -> FloatArray:
        """The logarithms of the odds of being right, in place; nothing is quite certain."""
        standing_out *= np.float32(self.slope)
        standing_out += np.float32(self.offset)
        return np.clip(standing_out, -SUREST, SUREST, out=standing_out)


def percent(logits: FloatArray) -> FloatArray:
    """The chances that logits stand for, in percent, 0-100."""
    with np.errstate(over="ignore"):  # the chance of a hopeless logit is 0
        return np.asarray(100 / (1 + np.exp(-logits)), dtype=np.float32)


def logit(chances: npt.ArrayLike) -> FloatArray:
    """Logarithms of the odds of chances in percent; infinite at 0 and at 100."""
    with np.errstate(divide="ignore"):
        logits = np.log(chances) - np.log(np.subtract(100, chances))
    return np.asarray(logits, dtype=np.float32)


VISUAL = Calibration(1.43, -5.21)
CONVERSATION = Calibration(1.72, -5.45)
TEXT_IN_VIDEO = Calibration(1.69, -4.94)
