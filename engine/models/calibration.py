"""From how far evidence stands out to the chance that it is right: one curve per kind of evidence.

The constants are what `python bench/calibrate.py` printed; docs/evidence.md says how they were
fitted and how well they hold.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
# The log-odds of 9,999 in 10,000: nothing that was measured here tells a better chance apart.
SUREST = np.float32(9.21024)
STEEPEST = np.float32(80)  # its exponential still is a float32


class Calibration(NamedTuple):
    """A logistic curve over standard deviations above the background pool."""

    slope: float
    offset: float

    def odds(self, standing_out: FloatArray) -> FloatArray:
        """The logarithm of the odds of being right, for every element; none is quite certain."""
        odds = standing_out * np.float32(self.slope)
        odds += np.float32(self.offset)
        return np.clip(odds, -SUREST, SUREST, out=odds)


def percent(odds: FloatArray) -> FloatArray:
    """Logarithms of odds as chances in percent, 0-100."""
    falling = np.exp(np.clip(-odds, -STEEPEST, STEEPEST))
    return np.asarray(100 / (1 + falling), dtype=np.float32)


def log_odds(percent: npt.ArrayLike) -> FloatArray:
    """Logarithms of the odds that chances in percent stand for; infinite at 0 and at 100."""
    with np.errstate(divide="ignore"):
        odds = np.log(percent) - np.log(np.subtract(100, percent))
    return np.asarray(odds, dtype=np.float32)


VISUAL = Calibration(1.43, -5.21)
CONVERSATION = Calibration(1.72, -5.45)
TEXT_IN_VIDEO = Calibration(1.69, -4.94)
