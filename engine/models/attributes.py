"""Attributes that ImageNet has no label for: computer graphics, black and white, a face.

Each attribute is a detector with words for what it detects; a prompt close to one of the words uses
the detector (attribute-based zero-shot classification, Lampert et al. 2009). Each of them detects
something that no label does; docs/evidence.md has the figures.
"""

from __future__ import annotations

from pathlib import Path
from threading import local

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
FloatArray = npt.NDArray[np.float32]

DARK_GRAPHICS, LIGHT_GRAPHICS, BLACK_AND_WHITE, FACE = range(4)
WORDS: tuple[tuple[str, ...], ...] = (
    (
        "screen recording",
        "computer screen",
        "software",
        "user interface",
        "source code",
        "text editor",
        "terminal window",
        "title card",
        "diagram",
        "flow chart",
    ),
    (
        "web page",
        "presentation slide",
        "title card",
        "diagram",
        "flow chart",
        "page of text",
    ),
    (
        "black and white film",
        "black and white",
        "old movie",
        "classic film",
        "silent film",
        "vintage film",
    ),
    (
        "talking head",
        "person speaking to the camera",
        "face",
        "interview",
        "presenter",
        "television host",
        "portrait of a person",
        "vlog",
    ),
)
SIDE = 256
# Rows and columns whose pixels differ by less are a border, like the bars beside a film.
BORDER_SPREAD = 6
MIN_SIDE = 16
FACES = Path(cv2.__file__).parent / "data" / "haarcascade_frontalface_alt2.xml"
FACE_STEP, FACE_SIDE = 1.25, 20

_of_thread = local()


def attributes(image: Image) -> FloatArray:
    """The probability that an image uint8[h, w, 3] RGB has each attribute, float32[4], 0-1."""
    scale = SIDE / max(image.shape[:2])
    size = [max(round(length * scale), 1) for length in (image.shape[1], image.shape[0])]
    if min(size) < MIN_SIDE:
        return np.zeros(len(WORDS), np.float32)
    small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    inner = _without_border(small)
    grey = np.asarray(cv2.cvtColor(inner, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
    dark, light = _graphics(inner, grey)
    colourless = (1 - dark - light) * _colourless(inner, grey)
    return np.array([dark, light, colourless, _face(small)], np.float32)


def persistent(means: FloatArray) -> FloatArray:
    """Attributes of pooling windows from the means over their frames, float32[w, 4].

    What only a third of the frames have does not count.
    """
    return np.asarray(np.clip((means - 1 / 3) * 3, 0, 1))


def _ramp(value: float, none: float, sure: float) -> float:
    return float(np.clip((value - none) / (sure - none), 0, 1))


def _graphics(image: Image, grey: Image) -> tuple[float, float]:
    """Computer graphics, on a dark background or on a light one.

    Exactly one colour fills much of such an image, and its edges are sharp.
    """
    most = int(np.bincount(grey.ravel(), minlength=256).argmax())
    filling = np.median(image[grey == most], axis=0).astype(np.int16)
    filled = (np.abs(image - filling).max(axis=2) <= 2).mean()
    edges = (np.abs(np.diff(grey.astype(np.int16), axis=1)) > 40).mean()
    surely = _ramp(float(filled), 0.3, 0.45) * _ramp(float(edges), 0.01, 0.03)
    return (surely, 0.0) if most < 128 else (0.0, surely)


def _colourless(image: Image, grey: Image) -> float:
    """No pixel has a colour, and the image is not blank."""
    coloured = (image.max(axis=2) - image.min(axis=2) > 4).mean()
    return _ramp(-float(coloured), -0.03, -0.01) * _ramp(float(grey.std()), 10, 25)


def _face(image: Image) -> float:
    """A face from the front, at least a twelfth of the longer side in size."""
    grey = cv2.equalizeHist(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))
    _, agreeing = _face_detector().detectMultiScale2(
        grey, scaleFactor=FACE_STEP, minNeighbors=1, minSize=(FACE_SIDE, FACE_SIDE)
    )
    return _ramp(max(agreeing, default=0), 1, 4)


def _face_detector() -> cv2.CascadeClassifier:
    """One for each thread, since a detector holds its current image."""
    if not hasattr(_of_thread, "detector"):
        _of_thread.detector = cv2.CascadeClassifier(str(FACES))
    detector: cv2.CascadeClassifier = _of_thread.detector
    return detector


def _without_border(image: Image) -> Image:
    top, bottom = _content(image)
    left, right = _content(image[top:bottom].transpose(1, 0, 2))
    return image[top:bottom, left:right]


def _content(image: Image) -> tuple[int, int]:
    """The first row that is no border and the one after the last; all where hardly any is left."""
    spread = (image.max(axis=1).astype(np.int16) - image.min(axis=1)).max(axis=1)
    rows = np.flatnonzero(spread > BORDER_SPREAD)
    if not len(rows) or rows[-1] - rows[0] < MIN_SIDE:
        return 0, len(image)
    return int(rows[0]), int(rows[-1]) + 1
