"""From how far each prompt stands out in each row of evidence to stretches of time: pure maths.

A row is a moment of the picture, a line of speech or a text on the screen. Rows that follow each
other and match equally well are one stretch. Every row belongs to some stretch of every prompt, so
that a threshold only ever removes stretches.

Many videos are gone through at once: most of them have nothing to show for most prompts, and what
has is laid end to end, so that the work is a few passes over arrays however many videos there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from engine.models.calibration import Calibration

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

# A stretch begins where the score reaches the first and goes on until it is below the second; so it
# does not flicker about one border. Two of them, so that also what fits somewhat is told apart.
BANDS = ((65.0, 50.0), (35.0, 20.0))
LONGEST_GAP_S = 2.0
# A class is doubted as if it had one prompt more, that nothing is like: so a prompt that has no
# others to confirm it needs to stand out further, and a score means the same for few and many.
DOUBT = 1.0
# What is nearer to a threshold than this is looked at more closely.
MARGIN = 1e-3
# Scores above are rounded to 100 sooner or later, by encoders that are quite certain.
HIGHEST = 99.99


class Rows(NamedTuple):
    """The rows of several videos, one video after the other, each in order of time.

    `firsts` int[v + 1] is the first row of each video, and the number of all rows. `starts` and
    `ends` are float32[r] seconds.
    """

    firsts: IntArray
    starts: FloatArray
    ends: FloatArray


class Cells(NamedTuple):
    """Some pairs of a row and a prompt, sorted by row, and how far the prompt stands out there."""

    rows: IntArray
    prompts: IntArray
    likeness: FloatArray


@dataclass(frozen=True)
class Classes:
    """Which prompts belong together: `class_of` int[p] is the class of each prompt.

    A prompt that stands alone in its class is doubted: its likeness is drawn towards the mean of
    its class and `DOUBT`, where that is lower, by `agreement` 0-1.
    """

    class_of: IntArray
    agreement: float

    @cached_property
    def shares(self) -> FloatArray:
        """What each prompt has in the mean of its class and `DOUBT`: float32[p, classes]."""
        members = np.eye(self.class_of.max(initial=-1) + 1, dtype=np.float32)[self.class_of]
        return np.asarray(members / (members.sum(axis=0) + np.float32(DOUBT)), dtype=np.float32)


class Stretches(NamedTuple):
    """Columns of equal length, sorted by prompt, video and time; times in seconds, scores 0-100."""

    videos: IntArray
    prompts: IntArray
    starts: FloatArray
    ends: FloatArray
    scores: FloatArray


class AgreedLikeness:
    """Likeness to prompts, drawn towards that of their classes only where it is asked for."""

    def __init__(self, likeness: FloatArray, classes: Classes) -> None:
        """`likeness` float32[r, p] is that of each prompt on its own."""
        self._alone = likeness
        self._classes = classes
        if classes.agreement:
            self._means = likeness @ classes.shares

    def at(self, rows: IntArray, prompts: IntArray) -> FloatArray:
        """Likeness for pairs of a row and a prompt, of the shape that the two have together."""
        alone = self._alone.take(rows * self._alone.shape[1] + prompts)
        agreement, class_of = self._classes.agreement, self._classes.class_of
        if not agreement:
            return np.asarray(alone)
        means = self._means.take(rows * self._means.shape[1] + class_of.take(prompts))
        drawn = (1 - agreement) * alone + agreement * means
        return np.asarray(np.minimum(alone, drawn), dtype=np.float32)


def find_stretches(
    rows: Rows,
    likeness: Iterable[FloatArray],
    classes: Classes,
    calibration: Calibration,
    at_least: float,
) -> Stretches:
    """Every stretch that scores `at_least`: the mean score of its rows, each by its length.

    `likeness` are tables float32[n, p] of how far each prompt stands out, on its own, in the rows
    from the first on. Each is looked through when it is made, so that a processor's cache may hold
    it, and let go.
    """
    bands = _bands(at_least)
    # A row that leaves a band is in no stretch that scores enough to be within it.
    enter, leave = bands[-1]
    floor = leave if at_least >= enter else 0.0
    cells = _likely_cells(likeness, classes, _least(calibration, floor))
    scores = calibration.percent(cells.likeness)
    videos = np.repeat(np.arange(len(rows.firsts) - 1), np.diff(rows.firsts))[cells.rows]
    # A mean is not above all it is made of.
    there = np.zeros((len(rows.firsts) - 1, len(classes.class_of)), dtype=bool)
    hopeful = cells.likeness >= _least(calibration, min(at_least, HIGHEST))
    there[videos[hopeful], cells.prompts[hopeful]] = True
    chosen = np.flatnonzero((scores >= floor) & there[videos, cells.prompts])
    chosen = chosen[np.argsort(cells.prompts[chosen], kind="stable")]
    row, prompts = cells.rows[chosen], cells.prompts[chosen]
    videos, scores = videos[chosen], scores[chosen]
    starts, ends = rows.starts[row], rows.ends[row]

    follows = np.zeros(len(row), dtype=bool)
    follows[1:] = (np.diff(row) == 1) & (np.diff(prompts) == 0) & (np.diff(videos) == 0)
    cuts = ~follows
    cuts[1:] |= starts[1:] - ends[:-1] > LONGEST_GAP_S
    for enter, leave in bands:
        above = _above(scores, follows, enter, leave)
        cuts[1:] |= above[1:] != above[:-1]
    firsts = np.flatnonzero(cuts)
    lasts = np.append(firsts, len(row))[1:] - 1
    seconds = np.maximum(ends - starts, 1e-3)
    means = np.add.reduceat(scores * seconds, firsts) / np.add.reduceat(seconds, firsts)
    kept = means >= at_least
    firsts, lasts = firsts[kept], lasts[kept]
    scores = np.asarray(means[kept], dtype=np.float32)
    return Stretches(videos[firsts], prompts[firsts], starts[firsts], ends[lasts], scores)


def _least(calibration: Calibration, score: float) -> np.float32:
    """How far something stands out at least that comes to a score."""
    return np.float32(calibration.standing_out(score) - MARGIN)


def _bands(at_least: float) -> Sequence[tuple[float, float]]:
    """The bands that tell apart what scores `at_least`; no lower one cuts what the last has."""
    within = next((at for at, (enter, _) in enumerate(BANDS, 1) if at_least >= enter), None)
    return BANDS[:within]


def _likely_cells(likeness: Iterable[FloatArray], classes: Classes, least: np.float32) -> Cells:
    """The pairs whose likeness, in agreement, is `least` or more."""
    found = [Cells(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32))]
    first = 0
    for table in likeness:
        # Agreement only lowers likeness.
        rows, prompts = np.divmod(np.flatnonzero(table >= least), table.shape[1])
        agreed = AgreedLikeness(table, classes).at(rows, prompts)
        still = np.flatnonzero(agreed >= least)
        found.append(Cells(rows[still] + first, prompts[still], agreed[still]))
        first += len(table)
    return Cells(*(np.concatenate(column) for column in zip(*found, strict=True)))


def _above(
    scores: FloatArray, follows: npt.NDArray[np.bool_], enter: float, leave: float
) -> npt.NDArray[np.bool_]:
    """From a row that reaches `enter` on, until one is below `leave` or does not follow."""
    entered = scores >= enter
    decided = entered | (scores < leave) | ~follows
    places = np.flatnonzero(decided)
    return np.repeat(entered[places], np.diff(places, append=len(scores)))
