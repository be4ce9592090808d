"""Reads text off pictures: PP-OCRv6 small, whose two networks come inside the wheel of rapidocr.

A glance at a small copy tells whether there may be text at all. Only then are its lines found in a
larger one and read, each at its own width: a batch would be padded to the widest for nothing.
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

Picture = npt.NDArray[np.uint8]
FloatArray = npt.NDArray[np.float32]

DETECTOR = "models/PP-OCRv6_det_small.onnx"
RECOGNISER = "models/PP-OCRv6_rec_small.onnx"
GRID = 32  # the detector takes sides that are multiples of it
# Long sides of what the detector gets. The glance costs a third of the look and missed 2 of the 84
# real pictures on which the look found words; the library's own choice, a short side of 736, costs
# six times the look and brings no more. Screens and slides may hold small letters: they get more.
GLANCE_SIDE = 320
LOOK_SIDE = 640
SCREEN_SIDE = 800
EDGES = (4, 24, 40)  # grey levels of 255 from one pixel to the next
TEXT_CHANCE = 0.3  # the detector takes a pixel for text from this chance on
BOX_CHANCE = 0.5
BOXES = (1000, 1.6, "fast", True)  # most, growth, way to score, dilation: as the library has them
# Two letters are longer than high. Single shapes like letters are in every other picture.
LEAST_LENGTH = 1.3
LEAST_HEIGHT = 5  # pixels of a line
LINE_HEIGHT = 48  # pixels of one that is read
NARROWEST, WIDEST = 48, 1600  # pixels at that height; longer lines are squeezed
# Reading costs about 25 ms a line, so that a whole terminal would take seconds. The largest lines
# are the ones a viewer reads.
MOST_LINES = 40
# What is "read" where there is no text: single letters, or words below this confidence.
LEAST_CONFIDENCE = 0.8
FEWEST_LETTERS = 2
# Two looks at a line are compared in cells of a sixth of its height, by the largest difference in
# grey levels of 255: the noise of coding stays below, a letter that changes is above.
CELLS = 6
SAME_CELL = 16.0


class _Line(NamedTuple):
    """A line found at `corners` float32[4, 2]; its text is empty where it is not to be believed."""

    corners: FloatArray
    cells: FloatArray
    text: str


class RapidTextReader:
    """Lines of text in reading order. Safe to call from several threads."""

    name = "rapidocr-3.10-pp-ocrv6-small"

    def __init__(self, threads: int) -> None:
        self._networks = Lazy(lambda: _Networks(threads))

    def read(self, image: Picture) -> list[str]:
        """The lines on a picture uint8[h, w, 3] RGB, top to bottom; none is an empty list."""
        return self.follow().read(image)

    def follow(self) -> _Follower:
        """A reader for the pictures of one video in turn; lines that stay are not read again."""
        return _Follower(self._networks)


class _Follower:
    """Reads one picture after another and remembers the lines of the last."""

    name = RapidTextReader.name

    def __init__(self, networks: Lazy[_Networks]) -> None:
        self._networks = networks
        self._lines: list[_Line] = []

    def read(self, image: Picture) -> list[str]:
        """The lines on a picture uint8[h, w, 3] RGB, top to bottom; none is an empty list."""
        image = np.ascontiguousarray(image[:, :, ::-1])
        self._lines = [self._line(image, at) for at in self._networks().find_lines(image)]
        return [line.text for line in self._lines if line.text]

    def follow(self) -> _Follower:
        """Another, that remembers nothing yet."""
        return _Follower(self._networks)

    def _line(self, image: Picture, corners: FloatArray) -> _Line:
        # Found anew, a line is a little off: its old place is looked at, not the new one.
        near = np.linalg.norm(corners[0] - corners[3]) / 3
        for known in self._lines:
            if np.abs(known.corners - corners).max() <= near:
                cells = _cells(get_rotate_crop_image(image, known.corners))
                if np.abs(cells - known.cells).max() < SAME_CELL:
                    return known
        crop = get_rotate_crop_image(image, corners)
        return _Line(corners, _cells(crop), self._networks().recognise(crop))


class _Networks:
    """Detector and recogniser, on pictures uint8[h, w, 3] BGR as they were trained."""

    def __init__(self, threads: int) -> None:
        # Slow to import, and not needed where there are no new pictures.
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

    def find_lines(self, image: Picture) -> list[FloatArray]:
        """Corners float32[4, 2] of the lines, from the top left clockwise, in reading order."""
        if min(image.shape[:2]) < LEAST_HEIGHT:
            return []
        side = SCREEN_SIDE if _is_screen(image) else LOOK_SIDE
        if side == LOOK_SIDE and not self._may_hold_text(image):
            return []
        boxes, _ = self._to_boxes(self._text_chances(image, side), image.shape[:2])
        if len(boxes) > MOST_LINES:
            areas = [cv2.contourArea(box) for box in boxes]
            boxes = boxes[np.argsort(areas)[-MOST_LINES:]]
        return list(self._in_order(boxes).astype(np.float32)) if len(boxes) else []

    def recognise(self, line: Picture) -> str:
        """The text of one line, empty where it is not to be believed."""
        height, width = line.shape[:2]
        fitting = int(np.clip(np.ceil(LINE_HEIGHT * width / height), NARROWEST, WIDEST))
        chances = _run(self._recogniser, cv2.resize(line, (fitting, LINE_HEIGHT)))
        [(text, confidence)], _ = self._to_text(chances)
        letters = sum(letter.isalnum() for letter in text)
        sure = confidence >= LEAST_CONFIDENCE and letters >= FEWEST_LETTERS
        return text.strip() if sure else ""

    def _may_hold_text(self, image: Picture) -> bool:
        """Whether a glance shows anything of the shape of a word."""
        spots, _ = self._to_spots(self._text_chances(image, GLANCE_SIDE), image.shape[:2])
        for corners in spots:
            sides = np.linalg.norm(corners[[1, 3]] - corners[0], axis=1)
            if sides.max() >= LEAST_LENGTH * sides.min():
                return True
        return False

    def _text_chances(self, image: Picture, side: int) -> FloatArray:
        """Chance of text float32[1, 1, h, w] in a copy with a long side of at most `side`."""
        height, width = image.shape[:2]
        scale = min(1.0, side / max(height, width))
        size = [max(round(length * scale / GRID), 1) * GRID for length in (width, height)]
        return _run(self._detector, cv2.resize(image, size, interpolation=cv2.INTER_AREA))


def _is_screen(image: Picture) -> bool:
    """Whether it is a screen or a slide: flat, but for edges sharper than cameras see them."""
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    steps = cv2.absdiff(grey[:, 1:], grey[:, :-1])
    uneven, soft, sharp = (np.count_nonzero(steps >= least) / steps.size for least in EDGES)
    return bool(uneven <= 0.3 and sharp >= 0.02 and sharp >= 0.6 * soft)


def _run(session: ort.InferenceSession, image: npt.NDArray[Any]) -> FloatArray:
    planes = image.transpose(2, 0, 1)[None].astype(np.float32)
    (result,) = session.run(None, {session.get_inputs()[0].name: planes / 127.5 - 1})
    return np.asarray(result)


def _cells(crop: Picture) -> FloatArray:
    grey = cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY)
    across = max(round(CELLS * grey.shape[1] / grey.shape[0]), 1)
    return cv2.resize(grey, (across, CELLS), interpolation=cv2.INTER_AREA).astype(np.float32)


def _session(path: Path, threads: int) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.enable_mem_pattern = False  # lines come in ever new shapes: no plan is used twice
    model = read_without_denormals(path)
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
