"""Reads text in images: PP-OCRv6 small, whose two networks come in the wheel of rapidocr.

A first look at a small copy tells whether there may be any text. Only then are lines detected in a
larger copy and read, each at its own width: a batch would be padded to the widest line.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from rapidocr.utils.process_img import get_rotate_crop_image

from engine.models.lazy import Lazy
from engine.models.onnx_files import read_without_denormals
from engine.models.text_encoder import package_folder

Image = npt.NDArray[np.uint8]
FloatArray = npt.NDArray[np.float32]

DETECTOR = "models/PP-OCRv6_det_small.onnx"
RECOGNISER = "models/PP-OCRv6_rec_small.onnx"
GRID = 32  # the detector takes sides that are multiples of it
# Long sides of the detector's input. The first look costs a third of the full one and missed 2 of
# the 84 real images in which the full one found words; the library's own choice, a short side of
# 736, costs six times as much and finds no more. Screens and slides may have small letters and get
# a larger copy.
FIRST_LOOK_SIDE = 320
FULL_SIDE = 640
SCREEN_SIDE = 800
EDGES = (4, 24, 40)  # grey levels of 255 from one pixel to the next
TEXT_CHANCE = 0.3  # the least probability at which a pixel counts as text
BOX_CHANCE = 0.5
BOXES = (1000, 1.6, "fast", True)  # maximum, growth, scoring mode, dilation: the library's defaults
# Two letters are wider than high. Single shapes that look like letters are in every other image.
MIN_LENGTH = 1.3
MIN_HEIGHT = 5  # pixels of a line
LINE_HEIGHT = 48  # pixels of a line for the recogniser
MIN_WIDTH, MAX_WIDTH = 48, 1600  # pixels at that height; longer lines are squeezed
# Reading costs about 25 ms a line, so that a full terminal would take seconds. Viewers read the
# largest lines.
MAX_LINES = 40
# Where there is no text, the recogniser gives single letters, or words below this confidence.
MIN_CONFIDENCE = 0.8
MIN_LETTERS = 2
# A line is compared with its earlier image in cells of a sixth of its height, by the largest
# difference in grey levels of 255: compression noise stays below, a changed letter exceeds it.
CELLS = 6
SAME_CELL = 16.0


class _Line(NamedTuple):
    """A line found at `corners` float32[4, 2]; its text is empty if it is not reliable."""

    corners: FloatArray
    cells: FloatArray
    text: str


class RapidTextReader:
    """Lines of text in reading order. Safe to call from several threads."""

    name = "rapidocr-3.10-pp-ocrv6-small"

    def __init__(self, threads: int) -> None:
        self._networks = Lazy(lambda: _Networks(threads))

    def read(self, image: Image) -> list[str]:
        """The lines of text in an image uint8[h, w, 3] RGB, top to bottom."""
        return self.follow().read(image)

    def follow(self) -> _Follower:
        """A reader for the frames of one video in order; lines that stay are not read again."""
        return _Follower(self._networks)


class _Follower:
    """Reads one frame after another and remembers the lines of the last."""

    name = RapidTextReader.name

    def __init__(self, networks: Lazy[_Networks]) -> None:
        self._networks = networks
        self._lines: list[_Line] = []

    def read(self, image: Image) -> list[str]:
        """The lines of text in an image uint8[h, w, 3] RGB, top to bottom."""
        image = np.ascontiguousarray(image[:, :, ::-1])
        self._lines = [self._line(image, at) for at in self._networks().find_lines(image)]
        return [line.text for line in self._lines if line.text]

    def follow(self) -> _Follower:
        """A new reader, without remembered lines."""
        return _Follower(self._networks)

    def _line(self, image: Image, corners: FloatArray) -> _Line:
        # Detected again, a line is slightly shifted: its old place is compared.
        near = np.linalg.norm(corners[0] - corners[3]) / 3
        for known in self._lines:
            if np.abs(known.corners - corners).max() <= near:
                cells = _cells(get_rotate_crop_image(image, known.corners))
                if np.abs(cells - known.cells).max() < SAME_CELL:
                    return known
        crop = get_rotate_crop_image(image, corners)
        return _Line(corners, _cells(crop), self._networks().recognise(crop))


class _Networks:
    """Detector and recogniser, for images uint8[h, w, 3] BGR as in their training."""

    def __init__(self, threads: int) -> None:
        # Slow to import, and only needed to read new frames.
        from rapidocr.ch_ppocr_det import TextDetector
        from rapidocr.ch_ppocr_det.utils import DBPostProcess
        from rapidocr.ch_ppocr_rec.utils import CTCLabelDecode

        folder = package_folder("rapidocr")
        self._detector = _session(folder / DETECTOR, threads)
        self._recogniser = _session(folder / RECOGNISER, threads)
        self._to_boxes = DBPostProcess(TEXT_CHANCE, BOX_CHANCE, *BOXES)
        self._in_order = TextDetector.sorted_boxes
        self._to_spots = DBPostProcess(TEXT_CHANCE, TEXT_CHANCE, *BOXES)
        alphabet = self._recogniser.get_modelmeta().custom_metadata_map["character"]
        self._to_text = CTCLabelDecode(alphabet.splitlines())

    def find_lines(self, image: Image) -> list[FloatArray]:
        """Corners float32[4, 2] of the lines, clockwise from the top left, in reading order."""
        if min(image.shape[:2]) < MIN_HEIGHT:
            return []
        side = SCREEN_SIDE if _is_screen(image) else FULL_SIDE
        if side == FULL_SIDE and not self._may_hold_text(image):
            return []
        boxes, _ = self._to_boxes(self._text_chances(image, side), image.shape[:2])
        if len(boxes) > MAX_LINES:
            areas = [cv2.contourArea(box) for box in boxes]
            boxes = boxes[np.argsort(areas)[-MAX_LINES:]]
        return list(self._in_order(boxes).astype(np.float32)) if len(boxes) else []

    def recognise(self, line: Image) -> str:
        """The text of one line; empty if it is not reliable."""
        height, width = line.shape[:2]
        fitting = int(np.clip(np.ceil(LINE_HEIGHT * width / height), MIN_WIDTH, MAX_WIDTH))
        chances = _run(self._recogniser, cv2.resize(line, (fitting, LINE_HEIGHT)))
        [(text, confidence)], _ = self._to_text(chances)
        letters = sum(letter.isalnum() for letter in text)
        sure = confidence >= MIN_CONFIDENCE and letters >= MIN_LETTERS
        return text.strip() if sure else ""

    def _may_hold_text(self, image: Image) -> bool:
        """Whether the first look finds anything of the shape of a word."""
        spots, _ = self._to_spots(self._text_chances(image, FIRST_LOOK_SIDE), image.shape[:2])
        for corners in spots:
            sides = np.linalg.norm(corners[[1, 3]] - corners[0], axis=1)
            if sides.max() >= MIN_LENGTH * sides.min():
                return True
        return False

    def _text_chances(self, image: Image, side: int) -> FloatArray:
        """Probability of text float32[1, 1, h, w] in a copy with a long side of at most `side`."""
        height, width = image.shape[:2]
        scale = min(1.0, side / max(height, width))
        size = [max(round(length * scale / GRID), 1) * GRID for length in (width, height)]
        return _run(self._detector, cv2.resize(image, size, interpolation=cv2.INTER_AREA))


def _is_screen(image: Image) -> bool:
    """Whether it is a screen or a slide: flat, with edges sharper than a camera's."""
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    steps = cv2.absdiff(grey[:, 1:], grey[:, :-1])
    uneven, soft, sharp = (np.count_nonzero(steps >= least) / steps.size for least in EDGES)
    return bool(uneven <= 0.3 and sharp >= 0.02 and sharp >= 0.6 * soft)


def _run(session: ort.InferenceSession, image: npt.NDArray[Any]) -> FloatArray:
    planes = image.transpose(2, 0, 1)[None].astype(np.float32)
    (result,) = session.run(None, {session.get_inputs()[0].name: planes / 127.5 - 1})
    return np.asarray(result)


def _cells(crop: Image) -> FloatArray:
    grey = cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY)
    across = max(round(CELLS * grey.shape[1] / grey.shape[0]), 1)
    return cv2.resize(grey, (across, CELLS), interpolation=cv2.INTER_AREA).astype(np.float32)


def _session(path: Path, threads: int) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.enable_mem_pattern = False  # every line has another shape: no plan is used twice
    model = read_without_denormals(path)
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
