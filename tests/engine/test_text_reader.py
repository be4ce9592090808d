"""Text in images: what is read, what is discarded, and what is not read twice."""

from __future__ import annotations

from collections.abc import Iterator
from unittest import mock

import cv2
import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
import pytest
import skimage.data
from onnx import TensorProto, helper, numpy_helper

from engine.models import text_reader
from engine.models.onnx_files import read_without_denormals
from engine.models.text_encoder import package_folder
from engine.models.text_reader import DETECTOR, RapidTextReader

pytestmark = pytest.mark.slow

Picture = npt.NDArray[np.uint8]


@pytest.fixture(scope="module")
def reader() -> RapidTextReader:
    return RapidTextReader(threads=1)


@pytest.fixture
def recognised() -> Iterator[list[Picture]]:
    """The lines that were given to the recogniser."""
    lines: list[Picture] = []
    recognise = text_reader._Networks.recognise

    def noted(self: text_reader._Networks, line: Picture) -> str:
        lines.append(line)
        return recognise(self, line)

    with mock.patch.object(text_reader._Networks, "recognise", noted):
        yield lines


def caption(*lines: str, on: Picture | None = None) -> Picture:
    """Black letters on a white band over a picture, by default a plain one."""
    image = np.full((360, 640, 3), 90, np.uint8) if on is None else on.copy()
    for row, line in enumerate(lines):
        top = 40 + 90 * row
        image[top : top + 60, 20:620] = 255
        cv2.putText(image, line, (30, top + 42), cv2.FONT_HERSHEY_SIMPLEX, 1.2, (0, 0, 0), 2)
    return image


def page(letters_px: int, lines: int, dark: bool) -> Picture:
    """A full screen of 1920 x 1080, as it arrives after shrinking to half its side."""
    paper, ink = (24, (230,) * 3) if dark else (255, (0,) * 3)
    image = np.full((1080, 1920, 3), paper, np.uint8)
    for row in range(lines):
        where = (40, 40 + row * 1000 // lines)
        text = f"line {row} of the deployment plan for engineers"
        cv2.putText(image, text, where, cv2.FONT_HERSHEY_DUPLEX, letters_px / 22, ink, 1)
    return cv2.resize(image, (960, 540), interpolation=cv2.INTER_AREA)


@pytest.mark.parametrize("dark", [False, True])
def test_small_letters_on_a_screen_are_read(reader, dark):
    read = " ".join(reader.read(page(letters_px=18, lines=20, dark=dark)))
    assert read.count("deployment plan") >= 18


def test_caption_over_a_photograph(reader):
    photograph = cv2.resize(skimage.data.chelsea(), (640, 360), interpolation=cv2.INTER_AREA)
    assert reader.read(caption("Weather forecast", on=photograph)) == ["Weather forecast"]


@pytest.mark.parametrize("name", ["chelsea", "coffee", "astronaut", "rocket"])
def test_photographs_hold_few_words(reader, name):
    read = reader.read(getattr(skimage.data, name)())
    assert all(len(line) >= text_reader.MIN_LETTERS for line in read)
    assert len(" ".join(read)) < 30  # an astronaut's suit says NASA


@pytest.mark.parametrize("letter", ["A", "8", "O"])
def test_single_letters_are_not_believed(reader, letter):
    assert reader.read(caption(letter)) == []


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (500, 3), (33, 31), (2000, 20)])
def test_images_of_any_shape(reader, shape):
    assert reader.read(np.full((*shape, 3), 200, np.uint8)) == []


def test_very_long_line(reader):
    image = np.full((60, 3000, 3), 255, np.uint8)
    cv2.putText(image, "word " * 30, (10, 40), cv2.FONT_HERSHEY_SIMPLEX, 1.0, (0, 0, 0), 2)
    assert "word" in " ".join(reader.read(image))


def test_no_more_than_the_largest_lines_are_read(reader, recognised):
    columns = [page(letters_px=20, lines=30, dark=False)[:, :430]] * 2
    image = np.hstack(columns)
    cv2.putText(image, "HEADLINE", (500, 535), cv2.FONT_HERSHEY_SIMPLEX, 2.0, (0, 0, 0), 3)
    read = reader.read(image)
    assert len(recognised) == text_reader.MAX_LINES
    assert "HEADLINE" in read


def test_lines_that_stay_are_not_read_again(reader, recognised):
    follower = reader.follow()
    first = caption("Weather forecast", "Monday: 24 degrees")
    grain = np.random.default_rng(0).integers(-3, 4, first.shape)
    noisy = np.clip(first.astype(int) + grain, 0, 255).astype(np.uint8)
    read = follower.read(first)
    assert read == ["Weather forecast", "Monday: 24 degrees"]
    assert len(recognised) == 2
    assert follower.read(noisy) == read
    assert len(recognised) == 2


@pytest.mark.parametrize(
    "changed", ["Monday: 25 degrees", "Monday: 24 degree", "Monday: 24 degrees C", "Sunday: 24 deg"]
)
def test_line_that_changes_is_read_again(reader, recognised, changed):
    follower = reader.follow()
    follower.read(caption("Weather forecast", "Monday: 24 degrees"))
    assert follower.read(caption("Weather forecast", changed)) == ["Weather forecast", changed]
    assert len(recognised) == 3


def test_text_that_goes_and_comes_is_read_again(reader):
    follower = reader.follow()
    shown, empty = caption("Weather forecast"), caption()
    read = [follower.read(image) for image in (shown, empty, shown)]
    assert read == [["Weather forecast"], [], ["Weather forecast"]]


def test_followers_do_not_know_of_each_other(reader, recognised):
    image = caption("Weather forecast")
    one, other = reader.follow(), reader.follow()
    assert one.read(image) == other.read(image) == one.follow().read(image)
    assert len(recognised) == 3


def test_weights_next_to_nothing_are_nothing_and_the_outputs_the_same(tmp_path):
    weights = np.array([[1.5, -1e-39], [1e-40, 0.25]], np.float32)
    model = helper.make_model(
        helper.make_graph(
            [helper.make_node("MatMul", ["x", "w"], ["y"])],
            "tiny",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 2])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 2])],
            [
                numpy_helper.from_array(weights, "w"),
                numpy_helper.from_array(np.array([7], np.int64), "whole"),
            ],
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=10,
    )
    onnx.save(model, tmp_path / "a.onnx")
    cleaned = onnx.load_from_string(read_without_denormals(tmp_path / "a.onnx"))
    by_name = {tensor.name: numpy_helper.to_array(tensor) for tensor in cleaned.graph.initializer}
    assert by_name["w"].tolist() == [[1.5, 0], [0, 0.25]]
    assert by_name["whole"].tolist() == [7]


def test_the_detector_finds_the_same_without_them():
    path = package_folder("rapidocr") / DETECTOR
    picture = np.random.default_rng(1).standard_normal((1, 3, 64, 96)).astype(np.float32)
    found = [
        ort.InferenceSession(model, providers=["CPUExecutionProvider"]).run(None, {"x": picture})[0]
        for model in (str(path), read_without_denormals(path))
    ]
    np.testing.assert_array_equal(*found)
