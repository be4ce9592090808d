"""Tone mapping: frames of high dynamic range (PQ, HLG) as ordinary screens show them.

Unmapped they look grey and pale, unlike any image in a model's training data. The formulas are
those of ITU-R BT.2100 (PQ, HLG) and BT.2087 (colours). White is at 203 cd/m2, as in BT.2408, and
brighter light is compressed into the range between KNEE and full white.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame
from av.video.reformatter import ColorPrimaries, ColorTrc

FloatArray = npt.NDArray[np.float32]

WHITE = 203.0  # cd/m2 of a white sheet of paper
HLG_PEAK = 1000.0  # cd/m2 of HLG's reference screen
HLG_GAMMA = 1.2  # of that screen
KNEE = 0.5  # of white: darker light is unchanged
# BT.2020 to BT.709, linear light.
TO_BT709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]],
    dtype=np.float32,
)
LUMA = np.array([0.2627, 0.6780, 0.0593], dtype=np.float32)  # of BT.2020
STEPS = 4096  # of brightness, in the table from light to bytes


def is_hdr(frame: VideoFrame) -> bool:
    """Whether a frame's brightness is coded by PQ or HLG."""
    return frame.color_trc in (ColorTrc.SMPTE2084, ColorTrc.ARIB_STD_B67)


def tone_mapped(image: npt.NDArray[Any], frame: VideoFrame) -> npt.NDArray[np.uint8]:
    """An HDR frame's uint16[h, w, 3] RGB as uint8[h, w, 3] in the colours of BT.709."""
    light = _light_of_code(int(frame.color_trc))[image]
    if frame.color_trc == ColorTrc.ARIB_STD_B67:
        light *= (np.maximum(light @ LUMA, 1e-6) ** (HLG_GAMMA - 1))[..., None]
        light *= HLG_PEAK / WHITE
    if frame.color_primaries != ColorPrimaries.BT709:
        light = light @ TO_BT709.T
    rolled_off = KNEE + (1 - KNEE) * -np.expm1((KNEE - light) / (1 - KNEE))
    light = np.where(light > KNEE, rolled_off, light)
    steps = np.rint(np.clip(light, 0.0, 1.0) * (STEPS - 1)).astype(np.int32)
    mapped: npt.NDArray[np.uint8] = _byte_of_light()[steps]
    return mapped


@cache
def _light_of_code(transfer: int) -> FloatArray:
    """Linear light of each of the 65,536 codes: PQ in parts of WHITE, HLG of the scene, 0-1."""
    code = np.linspace(0.0, 1.0, 65_536)
    if transfer == ColorTrc.SMPTE2084:
        m1, m2 = 2610 / 16384, 2523 / 4096 * 128
        c1, c2, c3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
        root = code ** (1 / m2)
        light = (np.maximum(root - c1, 0.0) / (c2 - c3 * root)) ** (1 / m1) * 10_000 / WHITE
    else:
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        light = np.where(code <= 0.5, code**2 / 3, (np.exp((code - c) / a) + b) / 12)
    return light.astype(np.float32)


@cache
def _byte_of_light() -> npt.NDArray[np.uint8]:
    """Codes of sRGB for equal steps of linear light from 0 to 1."""
    light = np.linspace(0.0, 1.0, STEPS)
    code = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    table: npt.NDArray[np.uint8] = np.rint(255 * code).astype(np.uint8)
    return table
