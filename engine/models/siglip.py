"""The scale and the bias that a SigLIP's logits were trained with.

Conversions have them in their full graph only, which is not used here, so config.json has to give
them: `logit_scale`, the natural logarithm of the scale as in the weights, and `logit_bias`. For a
few published SigLIPs they are known.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

from engine.models.encoder_files import SiglipConfig
from engine.models.store import ModelError, read_json, read_record


class Published(NamedTuple):
    """The sizes in a SigLIP's config.json, and the scale and bias that its authors published.

    `words` is the size of its vocabulary, which differs between SigLIP and SigLIP 2; `side` is the
    width of its input images.
    """

    words: int
    width: int
    patch: int
    side: int
    scale: float
    bias: float


# exp(logit_scale) and logit_bias of google/..., as public programs that run these models read them
# from model.safetensors. Those at 224 pixels are the same in several programs, to four digits at
# least. The others are in one program each; the large and the so400m one are close to what another
# has for the same models at 384 pixels (108.02, -16.348; 109.89, -15.933). Models without such a
# source are left out, as is SigLIP so400m at 384 pixels, whose scale was published without its bias
# (github.com/mlfoundations/open_clip/issues/746).
PUBLISHED = {
    "siglip-base-patch16-224": Published(32_000, 768, 16, 224, 117.330795, -12.932437),
    "siglip2-base-patch16-224": Published(256_000, 768, 16, 224, 112.668907, -16.771725),
    "siglip2-base-patch16-256": Published(256_000, 768, 16, 256, 112.901, -16.7718),
    "siglip2-large-patch16-256": Published(256_000, 1024, 16, 256, 108.05, -16.348),
    "siglip2-so400m-patch16-384": Published(256_000, 1152, 16, 384, 109.86, -15.932),
}


def scale_and_bias(folder: Path) -> tuple[float, float]:
    """The scale and bias of a SigLIP's logits; raises ModelError if they are not known.

    A fetched model is identified by its repository, since a fine-tuned one has the same sizes but
    other values; a folder without a record is identified by its sizes.
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
    """The sizes that identify a SigLIP; None for the kind that takes images of any shape."""
    if config.model_type != "siglip":  # also the type of a SigLIP 2 of fixed shape
        return None
    vision = config.vision_config
    return config.text_config.vocab_size, vision.hidden_size, vision.patch_size, vision.image_size
