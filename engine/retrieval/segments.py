"""From the similarity of rows and prompts to segments of time: pure maths.

A row is a pooling window, a line of speech or a text on the screen. Consecutive rows that match a
prompt equally well form one segment. Every row belongs to some segment of every prompt, so that a
threshold only ever removes segments.

Many videos are processed at once. Most of them have nothing to show for most prompts; what remains
is laid end to end, so that the work is a few passes over arrays however many videos there are.
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

# A segment begins where the score reaches the first number of a band and ends where it falls below
# the second, so that it does not flicker around one threshold. The second band tells what fits
# somewhat from what does not fit at all.
BANDS = ((65.0, 50.0), (35.0, 20.0))
MAX_GAP_S = 2.0
MIN_ROW_S = 1e-3
# The mean of a class counts one prompt more than it has, with a similarity of zero. A prompt
# without others to confirm it then needs a higher similarity, and a score means the same for
# classes of few and of many prompts.
ZERO_PROMPTS = 1.0
# Similarities this close below a threshold are kept until the exact score is known.
MARGIN = 1e-3
# Encoders that are quite certain give scores that are rounded to 100.
MAX_SCORE = 99.99


class Rows(NamedTuple):
    """The rows of several videos, one video after the other, each in order of time.

    `offsets` int[v + 1] has the first row of each video, and the number of all rows. `starts` and
    `ends` are float32[r] seconds.
    """

    offsets: IntArray
    starts: FloatArray
    ends: FloatArray


class Cells(NamedTuple):
    """Some pairs of a row and a prompt, sorted by row, with their similarity."""

    rows: IntArray
    prompts: IntArray
    similarity: FloatArray


@dataclass(frozen=True)
class Classes:
    """Which prompts belong together: `class_of` int[p] is the class of each prompt.

    The similarity of a prompt that exceeds the mean of its class is pulled towards that mean by
    `agreement`: 0 leaves it alone, 1 replaces it by the mean.
    """

    class_of: IntArray
    agreement: float

    @cached_property
    def shares(self) -> FloatArray:
        """The weight of each prompt in the mean of its class: float32[p, classes]."""
        members = np.eye(self.class_of.max(initial=-1) + 1, dtype=np.float32)[self.class_of]
        counts = members.sum(axis=0) + np.float32(ZERO_PROMPTS)
        return np.asarray(members / counts, dtype=np.float32)


class Segments(NamedTuple):
    """Columns of equal length, sorted by prompt, video and time; times in seconds, scores 0-100."""

    videos: IntArray
    prompts: IntArray
    starts: FloatArray
    ends: FloatArray
    scores: FloatArray


class AgreedSimilarity:
    """Similarity to prompts after agreement within their classes, computed where it is needed."""

    def __init__(self, similarity: FloatArray, classes: Classes) -> None:
        """`similarity` float32[r, p] is that of each prompt on its own."""
        self._alone = similarity
        self._classes = classes
        if classes.agreement:
            self._means = similarity @ classes.shares

    def at(self, rows: IntArray, prompts: IntArray) -> FloatArray:
        """Similarity for pairs of a row and a prompt, in the shape to which the two broadcast."""
        alone = self._alone.take(rows * self._alone.shape[1] + prompts)
        agreement, class_of = self._classes.agreement, self._classes.class_of
        if not agreement:
            return np.asarray(alone)
        means = self._means.take(rows * self._means.shape[1] + class_of.take(prompts))
        pulled = (1 - agreement) * alone + agreement * means
        return np.asarray(np.minimum(alone, pulled), dtype=np.float32)


class _Hits(NamedTuple):
    """Pairs of a row and a prompt that score, as columns sorted by prompt, video and time."""

    rows: IntArray
    videos: IntArray
    prompts: IntArray
    starts: FloatArray
    ends: FloatArray
    scores: FloatArray


def find_segments(
    rows: Rows,
    tables: Iterable[FloatArray],
    classes: Classes,
    calibration: Calibration,
    min_score: float,
) -> Segments:
    """Every segment that scores `min_score` or more.

    A segment's score is the mean score of its rows, weighted by length. `tables` float32[n, p]
    hold the similarity of each prompt, on its own, to the first n rows, the next n, and so on. Each
    table is read as soon as it is made and then dropped, so that it fits a processor's cache.
    """
    bands = _bands(min_score)
    # A row that leaves the last band is in no segment that scores enough to be inside it.
    enter, leave = bands[-1]
    lowest = leave if min_score >= enter else 0.0
    cells = _cells_above(tables, classes, _similarity_at(calibration, lowest))
    hits = _hits(rows, cells, classes, calibration, lowest, min_score)
    firsts = _first_hits(hits, bands)
    lasts = np.append(firsts, len(hits.rows))[1:] - 1
    seconds = np.maximum(hits.ends - hits.starts, MIN_ROW_S)
    means = np.add.reduceat(hits.scores * seconds, firsts) / np.add.reduceat(seconds, firsts)
    kept = means >= min_score
    firsts, lasts = firsts[kept], lasts[kept]
    return Segments(
        hits.videos[firsts],
        hits.prompts[firsts],
        hits.starts[firsts],
        hits.ends[lasts],
        np.asarray(means[kept], dtype=np.float32),
    )


def _bands(min_score: float) -> Sequence[tuple[float, float]]:
    """The bands that `min_score` needs; lower ones split nothing that lies inside a higher one."""
    within = next((at for at, (enter, _) in enumerate(BANDS, 1) if min_score >= enter), None)
    return BANDS[:within]


def _similarity_at(calibration: Calibration, score: float) -> np.float32:
    """The least similarity that may come to a score."""
    return np.float32(calibration.similarity_at(score) - MARGIN)


def _cells_above(tables: Iterable[FloatArray], classes: Classes, least: np.float32) -> Cells:
    """The pairs whose similarity, after agreement, is `least` or more."""
    found = [Cells(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32))]
    first = 0
    for table in tables:
        # Agreement only lowers similarity, so it need not be computed for the others.
        rows, prompts = np.divmod(np.flatnonzero(table >= least), table.shape[1])
        agreed = AgreedSimilarity(table, classes).at(rows, prompts)
        still = np.flatnonzero(agreed >= least)
        found.append(Cells(rows[still] + first, prompts[still], agreed[still]))
        first += len(table)
    return Cells(*(np.concatenate(column) for column in zip(*found, strict=True)))


def _hits(
    rows: Rows,
    cells: Cells,
    classes: Classes,
    calibration: Calibration,
    lowest: float,
    min_score: float,
) -> _Hits:
    """The cells that score `lowest`, of the videos and prompts that may reach `min_score`."""
    scores = calibration.percent(cells.similarity)
    counts = np.diff(rows.offsets)
    videos = np.repeat(np.arange(len(counts)), counts)[cells.rows]
    # A mean does not exceed all its members, so one of them has to reach the score.
    within_reach = np.zeros((len(counts), len(classes.class_of)), dtype=bool)
    high = cells.similarity >= _similarity_at(calibration, min(min_score, MAX_SCORE))
    within_reach[videos[high], cells.prompts[high]] = True
    chosen = np.flatnonzero((scores >= lowest) & within_reach[videos, cells.prompts])
    chosen = chosen[np.argsort(cells.prompts[chosen], kind="stable")]
    row = cells.rows[chosen]
    return _Hits(
        row,
        videos[chosen],
        cells.prompts[chosen],
        rows.starts[row],
        rows.ends[row],
        scores[chosen],
    )


def _first_hits(hits: _Hits, bands: Sequence[tuple[float, float]]) -> IntArray:
    """Where a segment begins: after another prompt, video or gap, or where a band is crossed."""
    follows = np.zeros(len(hits.rows), dtype=bool)
    follows[1:] = np.diff(hits.rows) == 1
    follows[1:] &= (np.diff(hits.prompts) == 0) & (np.diff(hits.videos) == 0)
    begins = ~follows
    begins[1:] |= hits.starts[1:] - hits.ends[:-1] > MAX_GAP_S
    for enter, leave in bands:
        inside = _inside(hits.scores, follows, enter, leave)
        begins[1:] |= inside[1:] != inside[:-1]
    return np.flatnonzero(begins)


def _inside(
    scores: FloatArray, follows: npt.NDArray[np.bool_], enter: float, leave: float
) -> npt.NDArray[np.bool_]:
    """From a row that reaches `enter` on, until one is below `leave` or does not follow."""
    entered = scores >= enter
    decided = entered | (scores < leave) | ~follows
    places = np.flatnonzero(decided)
    return np.repeat(entered[places], np.diff(places, append=len(scores)))
