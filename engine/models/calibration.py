"""From how far evidence stands out to the chance that it is right: one curve per kind of evidence.

The constants are what `python bench/calibrate.py` printed; docs/evidence.md says how they were
fitted and how well they hold.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
# The log-odds of 9,999 in 10,000: nothing that was measured here tells a better chance apart.
SUREST = 9.21024
# Were similarity spread normally, around one mean where evidence is right and another where it is
# not, its log-odds would grow linearly if both spread as far, quadratically if not. In between fits
# all three kinds best: straight curves promised too little at the top and too much in the middle.
BEND = 1.5


class Calibration(NamedTuple):
    """A logistic curve: the log-odds are slope * z ** bend + offset, z how far evidence stands out.

    Below zero it goes down as it goes up above. Chances are in percent, 0-100.
    """

    slope: float
    offset: float
    bend: float = BEND
    surest: float = SUREST

    def percent(self, similarity: FloatArray) -> FloatArray:
        """The chances that evidence is right which stands out so far."""
        log_odds = self.slope * _power(similarity, self.bend) + self.offset
        log_odds = np.clip(log_odds, -self.surest, self.surest)
        with np.errstate(over="ignore"):  # the chance of what is hopeless is 0
            return np.asarray(100 / (1 + np.exp(-log_odds)), dtype=np.float32)

    def similarity_at(self, percent: npt.ArrayLike) -> FloatArray:
        """The way back; infinite at 0 and at 100."""
        with np.errstate(divide="ignore"):
            log_odds = np.log(percent) - np.log(np.subtract(100, percent))
        return np.asarray(
            _power((log_odds - self.offset) / self.slope, 1 / self.bend), dtype=np.float32
        )


def _power(values: npt.ArrayLike, exponent: float) -> npt.NDArray[np.floating]:
    """The power of the size of each value, with the value's sign."""
    return np.asarray(np.copysign(np.abs(values) ** exponent, values))


# For encoders whose similarity are log-odds already.
LOG_ODDS = Calibration(1.0, 0.0, bend=1.0, surest=math.inf)

VISUAL = Calibration(0.60, -4.05)
CONVERSATION = Calibration(0.85, -3.86)
TEXT_IN_VIDEO = Calibration(0.94, -3.91)
