"""Frames of high dynamic range look as they do on a screen."""

from __future__ import annotations

from pathlib import Path

import pytest
from av.video.reformatter import ColorPrimaries, ColorTrc

from engine.media import Frame, decode
from tests.support.media import write_video

BT2020_MATRIX = 9  # AVCOL_SPC_BT2020_NCL
HDR = {"color_primaries": ColorPrimaries.BT2020, "colorspace": BT2020_MATRIX}


def middle_of(path: Path) -> list[int]:
    frame = next(item for item in decode(path) if isinstance(item, Frame))
    height, width = frame.image.shape[:2]
    return [int(value) for value in frame.image[height // 2, width // 2]]


def write_grey(path: Path, grey: int, transfer: ColorTrc | None) -> Path:
    colors = {} if transfer is None else {**HDR, "color_trc": transfer}
    return write_video(
        path, seconds=1, sound=[], fill=(grey,) * 3, pix_fmt="yuv420p10le", colors=colors
    )


@pytest.mark.parametrize(
    ("transfer", "grey", "shown"),
    [
        (ColorTrc.SMPTE2084, 148, 233),  # white paper, 203 cd/m2
        (ColorTrc.SMPTE2084, 105, 118),  # middle grey
        (ColorTrc.SMPTE2084, 0, 0),
        (ColorTrc.SMPTE2084, 255, 255),
        (ColorTrc.ARIB_STD_B67, 191, 233),
        (ColorTrc.ARIB_STD_B67, 111, 118),
        (ColorTrc.ARIB_STD_B67, 255, 255),
        (None, 148, 148),
    ],
)
def test_greys_come_out_as_a_screen_shows_them(
    tmp_path: Path, transfer: ColorTrc | None, grey: int, shown: int
) -> None:
    assert middle_of(write_grey(tmp_path / "a.mp4", grey, transfer)) == pytest.approx(
        [shown] * 3, abs=6
    )


@pytest.mark.parametrize("transfer", [ColorTrc.SMPTE2084, ColorTrc.ARIB_STD_B67])
def test_colours_keep_their_order_and_gain_strength(tmp_path: Path, transfer: ColorTrc) -> None:
    path = write_video(
        tmp_path / "a.mp4",
        seconds=1,
        sound=[],
        fill=(140, 110, 80),
        pix_fmt="yuv420p10le",
        matrix=BT2020_MATRIX,
        colors={**HDR, "color_trc": transfer},
    )
    red, green, blue = middle_of(path)
    assert red > green > blue
    assert red - blue > 140 - 80
