"""Reads text off pictures: PP-OCRv6 small, inside the wheel of rapidocr."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from rapidocr import RapidOCR

from engine.models.lazy import Lazy


class RapidTextReader:
    """Lines of text in reading order. Safe to call from several threads."""

    name = "rapidocr-3.10-pp-ocrv6-small"

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._engine = Lazy(self._load)

    def read(self, image: npt.NDArray[np.uint8]) -> list[str]:
        """The lines on a picture uint8[h, w, 3] RGB, top to bottom; none is an empty list."""
        result = self._engine()(np.ascontiguousarray(image[:, :, ::-1]))
        return [line.strip() for line in getattr(result, "txts", None) or () if line.strip()]

    def _load(self) -> RapidOCR:
        return RapidOCR(
            params={
                "Global.log_level": "error",
                # Text in videos stands upright: no look whether a line is upside down.
                "Global.use_cls": False,
                "EngineConfig.onnxruntime.intra_op_num_threads": self._threads,
                "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            }
        )
