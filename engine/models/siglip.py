"""How sure a SigLIP is of what it sees: the scale and the bias that its logits were trained with.

A conversion leaves them in its full graph, which is not used here, so config.json has to give them:
`logit_scale`, the natural logarithm of the scale as in the weights, and `logit_bias`. For a few
SigLIPs they are known without.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

from engine.models.encoder_files import SiglipConfig
from engine.models.store import ModelError, read_json, read_record


class Published(NamedTuple):
    """What a SigLIP's config.json tells of it, and the scale and bias its makers published.

    `words` are those of its vocabulary, by which SigLIP 2 is told from SigLIP; `side` is that of
    its pictures.
    """

    words: int
    width: int
    patch: int
    side: int
    scale: float
    bias: float


# exp(logit_scale) and logit_bias of google/..., as public programs that run these models read them
# from its model.safetensors. Those at 224 pixels stand alike, to four digits at least, in several;
# the others in one each, of which the large and the so400m one lie close to what another has for
# their kin at 384 pixels (108.02, -16.348; 109.89, -15.933). What has no such source is left out,
# and so is what is known by half: for SigLIP so400m at 384 pixels the scale was published, without
# the bias (github.com/mlfoundations/open_clip/issues/746).
PUBLISHED = {
    "siglip-base-patch16-224": Published(32_000, 768, 16, 224, 117.330795, -12.932437),
    "siglip2-base-patch16-224": Published(256_000, 768, 16, 224, 112.668907, -16.771725),
    "siglip2-base-patch16-256": Published(256_000, 768, 16, 256, 112.901, -16.7718),
    "siglip2-large-patch16-256": Published(256_000, 1024, 16, 256, 108.05, -16.348),
    "siglip2-so400m-patch16-384": Published(256_000, 1152, 16, 384, 109.86, -15.932),
}


def scale_and_bias(folder: Path) -> tuple[float, float]:
    """The scale and bias of a SigLIP's logits; raises ModelError where they are not known.

    A model that was fetched is known by its repository, since one trained further has the same
    sizes and other values; a folder without a record is known by its sizes.
    """
    path = folder / "config.json"
    config = read_json(path, SiglipConfig)
    if config.logit_scale is not None and config.logit_bias is not None:
        return math.exp(config.logit_scale), config.logit_bias
    record = read_record(folder)
    if record:
        title = record.repository.rpartition("/")[2].removesuffix("-ONNX")
        known = PUBLISHED.get(title)
    else:
        sizes = _sizes(config)
        known = next((each for each in PUBLISHED.values() if each[:4] == sizes), None)
    if known is None:
        raise ModelError(
            f"{path} gives no logit_scale and logit_bias, and those of "
            f"{record.repository if record else 'this SigLIP'} are not known here: add both as they"
            " are in the model's weights (logit_scale is the natural logarithm of the scale)"
        )
    return known.scale, known.bias


def _sizes(config: SiglipConfig) -> tuple[int, int, int, int] | None:
    """What tells SigLIPs apart; None for the kind that takes images of any shape."""
    if config.model_type != "siglip":  # SigLIP 2 of fixed shape is of this type, too
        return None
    vision = config.vision_config
    return config.text_config.vocab_size, vision.hidden_size, vision.patch_size, vision.image_size
