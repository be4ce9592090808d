"""Visual encoders of the CLIP and SigLIP families: two ONNX graphs and a tokeniser in a folder.

The folder has the layout of the usual conversions on the hub (Xenova/clip-vit-base-patch32,
Xenova/siglip-base-patch16-224): onnx/vision_model*.onnx, onnx/text_model*.onnx, tokenizer.json,
config.json, preprocessor_config.json. The vision tower is loaded on first use and stays in memory;
the text tower is loaded only to encode new prompts.

Scores use the scales that these models were published with; they were not calibrated on videos:
- CLIP: softmax, at scale 100 (its trained temperature), of the prompt against a pool of everyday
  descriptions. A description that means the same as the prompt would share its probability, so
  the five nearest to a prompt in meaning are left out.
- SigLIP: its own sigmoid, with the scale and bias that it was trained with (see siglip.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from engine.models.calibration import LOG_ODDS
from engine.models.clip_inputs import PromptTokens, read_image_rules
from engine.models.encoder_files import EncoderConfig
from engine.models.lazy import Lazy
from engine.models.prompts import PromptVectors, products
from engine.models.siglip import scale_and_bias
from engine.models.store import ModelError, label, read_json

FloatArray = npt.NDArray[np.float32]

CLIP_SCALE = np.float32(100)
SAME_MEANING = 5
BATCH = 8
BLANK = np.zeros((8, 8, 3), np.uint8)

INT8 = ("_quantized", "_int8", "_uint8")
FLOAT = ("", "_fp16")
OUTPUTS = {
    ("clip", "vision_model"): ("image_embeds",),
    ("clip", "text_model"): ("text_embeds",),
    ("siglip", "vision_model"): ("image_embeds", "pooler_output"),
    ("siglip", "text_model"): ("text_embeds", "pooler_output"),
}
DTYPES: dict[str, type[np.generic]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
}


class ClipEncoder:
    """Frames and prompts as unit vectors in one space. Safe to call from several threads."""

    agreement = 0.0  # each prompt is reliable by itself
    calibration = LOG_ODDS
    scores = (
        "visual scores use the scale that their model was published with, not calibrated on videos"
    )

    def __init__(self, folder: Path, threads: int, *, quantized: bool = True) -> None:
        """Read the folder's configuration; graphs are loaded later: see `check`.

        Args:
            threads: processors that one call may use.
            quantized: prefer int8 graphs where the folder has both kinds.

        Raises ModelError if a file is missing or has a wrong value, or the family is unknown.
        """
        self._folder = folder
        self._threads = threads
        self._family, self._scale, self._bias = _read_config(folder)
        self._rules = read_image_rules(folder)
        self._vision_path = _graph(folder, "vision_model", quantized)
        self._text_path = _graph(folder, "text_model", quantized)
        self.name = f"{label(folder, self._vision_path)} ({self._vision_path.stem})"
        self._vision = Lazy(lambda: self._load(self._vision_path, "vision_model"))
        self._dimension = Lazy(self._measure)
        self._background = Lazy(lambda: self.encode_prompts(background_prompts()))
        self._prompt_vectors = PromptVectors(self._encode_texts)

    def check(self) -> None:
        """Run both graphs once on an image and a prompt.

        Raises ModelError if a file is damaged or the graphs do not belong together, before any
        video is indexed.
        """
        vision = self._load(self._vision_path, "vision_model", optimised=False)
        text = self._load(self._text_path, "text_model", optimised=False)
        image_length = self._run_vision(vision, [BLANK]).shape[1]
        text_length = self._run_text(text, ["a picture"]).shape[1]
        if image_length != text_length:
            raise ModelError(
                f"{self._vision_path.parent} holds graphs of two models: {self._vision_path.name} "
                f"gives vectors of {image_length} numbers, {self._text_path.name} of {text_length}"
            )

    @property
    def dimension(self) -> int:
        """Length of the vectors."""
        return self._dimension()

    def encode_frames(self, frames: Sequence[npt.NDArray[np.uint8]]) -> FloatArray:
        """Frames uint8[h, w, 3] RGB of any size to unit vectors float32[n, dimension]."""
        if not len(frames):
            return np.zeros((0, self.dimension), np.float32)
        return self._run_vision(self._vision(), frames)

    def encode_prompts(self, prompts: Sequence[str]) -> FloatArray:
        """Prompts to unit vectors float32[m, dimension]; recent prompts are cached."""
        return self._prompt_vectors(prompts)

    def pool(self, frame_vectors: FloatArray, first_frames: Sequence[int]) -> FloatArray:
        """The mean direction float32[w, dimension] of each window, given its first frame."""
        return _unit(np.add.reduceat(frame_vectors, first_frames, axis=0))

    def similarity(self, pooled: Sequence[FloatArray], prompt_vectors: FloatArray) -> FloatArray:
        """The log-odds, float32[all windows, m], that each window shows each prompt."""
        if self._family == "clip":
            return self._margins(pooled, prompt_vectors)
        return np.asarray(self._scale * products(pooled, prompt_vectors) + self._bias, np.float32)

    def _margins(self, frames: Sequence[FloatArray], prompts: FloatArray) -> FloatArray:
        """Each prompt's logit minus the pool's log-sum-exp, whose sigmoid is the softmax."""
        background = self._background()
        competes = np.ones((len(prompts), len(background)), np.float32)
        nearest = np.argsort(prompts @ background.T, axis=1)[:, -SAME_MEANING:]
        np.put_along_axis(competes, nearest, 0, axis=1)
        logits = self._scale * products(frames, background)
        highest = logits.max(axis=1, keepdims=True)
        others = np.exp(logits - highest) @ competes.T
        least = np.finfo(np.float32).tiny
        own = self._scale * products(frames, prompts)
        return np.asarray(own - highest - np.log(np.maximum(others, least)), dtype=np.float32)

    def _encode_texts(self, prompts: list[str]) -> FloatArray:
        if not prompts:
            return np.zeros((0, self.dimension), np.float32)
        return self._run_text(self._load(self._text_path, "text_model"), prompts)

    def _run_vision(self, vision: _Tower, frames: Sequence[npt.NDArray[np.uint8]]) -> FloatArray:
        size = vision.fixed("pixel_values", 0) or BATCH
        batches = [frames[at : at + size] for at in range(0, len(frames), size)]
        pixels = (np.stack([self._rules.apply(frame) for frame in batch]) for batch in batches)
        return np.concatenate([_unit(vision.run({"pixel_values": batch})) for batch in pixels])

    def _run_text(self, text: _Tower, prompts: Sequence[str]) -> FloatArray:
        # One at a time: an int8 graph rounds a text according to the others in its batch.
        tokens = PromptTokens(self._folder, self._family, text.fixed("input_ids", 1))
        return np.concatenate([_unit(text.run(tokens(prompt))) for prompt in prompts])

    def _load(self, path: Path, stem: str, *, optimised: bool = True) -> _Tower:
        return _Tower(path, OUTPUTS[self._family, stem], self._threads, optimised=optimised)

    def _measure(self) -> int:
        return int(self.encode_frames([BLANK]).shape[1])


class _Tower:
    """One graph; its inputs and its output are those that the file declares."""

    def __init__(
        self, path: Path, outputs: Sequence[str], threads: int, *, optimised: bool = True
    ) -> None:
        """Load a graph; one that is not `optimised` loads fast and runs slowly."""
        options = ort.SessionOptions()
        if not optimised:
            options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        try:
            self._session = ort.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime's errors have no base of their own
            raise ModelError(f"{path} is not a graph that can be run: {error}") from error
        self._path = path
        self._inputs = {one.name: one for one in self._session.get_inputs()}
        offered = [one.name for one in self._session.get_outputs()]
        try:
            self._output = next(name for name in outputs if name in offered)
        except StopIteration:
            raise ModelError(
                f"{path} gives {', '.join(offered)}: one of {', '.join(outputs)} is needed"
            ) from None
        for one in self._inputs.values():
            if one.type not in DTYPES:
                raise ModelError(f"{path} needs {one.name} as {one.type}, which is not supported")

    def fixed(self, name: str, axis: int) -> int | None:
        """The length of an input's axis if the graph fixes it, else None."""
        length = self._inputs[name].shape[axis] if name in self._inputs else None
        return length if isinstance(length, int) else None

    def run(self, values: Mapping[str, npt.NDArray[Any]]) -> FloatArray:
        """The output for those of `values` that are inputs of the graph."""
        unknown = self._inputs.keys() - values.keys()
        if unknown:
            raise ModelError(
                f"{self._path} needs {', '.join(sorted(unknown))}: only "
                f"{', '.join(values)} can be given"
            )
        given = {name: values[name].astype(DTYPES[one.type]) for name, one in self._inputs.items()}
        try:
            (output,) = self._session.run([self._output], given)
        except Exception as error:  # ONNX Runtime's errors have no base of their own
            raise ModelError(f"{self._path} does not run: {error}") from error
        vectors = np.asarray(output, dtype=np.float32)
        if vectors.ndim != 2:
            raise ModelError(
                f"{self._path} gives {self._output} that is not one vector for each input"
            )
        return vectors


def background_prompts() -> list[str]:
    """Everyday descriptions to compare a prompt with, the same for every model."""
    text = files("engine.models").joinpath("data/background_prompts.txt")
    return text.read_text(encoding="utf-8").splitlines()


def graph_kinds(quantized: bool) -> tuple[str, ...]:
    """Suffixes of a graph's file name, the preferred ones first."""
    return (*INT8, *FLOAT) if quantized else (*FLOAT, *INT8)


def _read_config(folder: Path) -> tuple[str, np.float32, np.float32]:
    """Family, and the scale and bias of its logits, from config.json.

    `logit_scale_init_value` is from before the training, so it is not used.
    """
    path = folder / "config.json"
    kind = read_json(path, EncoderConfig).model_type
    family = kind.removesuffix("2")
    if family == "clip":
        return family, CLIP_SCALE, np.float32(0)
    if family != "siglip":
        raise ModelError(f"{path} says model_type is {kind!r}: it must be clip or siglip")
    scale, bias = scale_and_bias(folder)
    return family, np.float32(scale), np.float32(bias)


def _graph(folder: Path, stem: str, quantized: bool) -> Path:
    for kind in graph_kinds(quantized):
        path = folder / "onnx" / f"{stem}{kind}.onnx"
        if path.is_file():
            return path
    raise ModelError(f"{folder / 'onnx'} has no {stem}.onnx: the model's folder is incomplete")


def _unit(vectors: FloatArray) -> FloatArray:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-12), dtype=np.float32)
