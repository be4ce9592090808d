"""From similarity to the chance that evidence is right: one curve for each kind of evidence.

The constants were printed by `python bench/calibrate.py`; docs/evidence.md says how they were
fitted and how far they can be trusted.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
# The log-odds of 9,999 in 10,000: no better chance was measured.
MAX_LOG_ODDS = 9.21024
# If similarity had a normal distribution where evidence is right and another where it is wrong, its
# log-odds would grow linearly if both had the same variance, and quadratically if not. A power in
# between fits all three kinds best: with 1, high scores were too low and middle ones too high.
EXPONENT = 1.5


class Calibration(NamedTuple):
    """A logistic curve: log-odds = slope * similarity ** exponent + offset.

    Similarities below zero keep their sign. Chances are in percent, 0-100.
    """

    slope: float
    offset: float
    exponent: float = EXPONENT
    max_log_odds: float = MAX_LOG_ODDS

    def percent(self, similarity: FloatArray) -> FloatArray:
        """The chances that evidence of these similarities is right."""
        log_odds = self.slope * _power(similarity, self.exponent) + self.offset
        log_odds = np.clip(log_odds, -self.max_log_odds, self.max_log_odds)
        with np.errstate(over="ignore"):  # of a chance that is 0
            return np.asarray(100 / (1 + np.exp(-log_odds)), dtype=np.float32)

    def similarity_at(self, percent: npt.ArrayLike) -> FloatArray:
        """The inverse of `percent`; infinite at 0 and at 100."""
        with np.errstate(divide="ignore"):
            log_odds = np.log(percent) - np.log(np.subtract(100, percent))
        return np.asarray(
            _power((log_odds - self.offset) / self.slope, 1 / self.exponent), dtype=np.float32
        )


def _power(values: npt.ArrayLike, exponent: float) -> npt.NDArray[np.floating]:
    """The power of each absolute value, with the sign of the value."""
    return np.asarray(np.copysign(np.abs(values) ** exponent, values))


# For encoders whose similarity is already in log-odds.
LOG_ODDS = Calibration(1.0, 0.0, exponent=1.0, max_log_odds=math.inf)

VISUAL = Calibration(0.60, -4.05)
CONVERSATION = Calibration(0.85, -3.86)
TEXT_IN_VIDEO = Calibration(0.94, -3.91)
