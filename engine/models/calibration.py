"""From how far evidence stands out to the chance that it is right: one curve per kind of evidence.

The constants are what `python bench/calibrate.py` printed; docs/evidence.md says how they were
fitted and how well they hold.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
STEEPEST = 50.0


class Calibration(NamedTuple):
    """A logistic curve over standard deviations above the background pool."""

    slope: float
    offset: float

    def percent(self, standing_out: FloatArray) -> FloatArray:
        """The chance of being right in percent, for every element."""
        falling = np.float32(-self.slope) * standing_out - np.float32(self.offset)
        np.minimum(falling, STEEPEST, out=falling)
        return np.asarray(100 / (1 + np.exp(falling, out=falling)), dtype=np.float32)


VISUAL = Calibration(1.43, -5.21)
CONVERSATION = Calibration(1.72, -5.45)
TEXT_IN_VIDEO = Calibration(1.70, -4.99)
