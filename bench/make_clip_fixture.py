"""Write the tiny encoders that tests/engine/test_clip.py compares the visual encoder with.

    pip install -r requirements.txt torch transformers sentencepiece onnxscript
    python bench/make_clip_fixture.py [FOLDER]        (default: tests/fixtures)

For CLIP and for SigLIP it makes a small network with random weights, exports both towers to ONNX
with the names and the interface of Xenova/clip-vit-base-patch32 and Xenova/siglip-base-patch16-224,
and writes next to them what the reference implementation (transformers, with its own image
processor and tokeniser) makes of a few images and prompts. Only this script needs torch and
transformers. Pillow's releases round differently, so the expected values are those of the release
in requirements.txt.
"""

from __future__ import annotations

import json
import string
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import sentencepiece
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from tokenizers.trainers import BpeTrainer
from transformers import (
    CLIPConfig,
    CLIPModel,
    CLIPTokenizer,
    SiglipConfig,
    SiglipModel,
    SiglipTokenizer,
)
from transformers.models.clip.image_processing_pil_clip import (
    CLIPImageProcessorPil,
)
from transformers.models.siglip.image_processing_pil_siglip import (
    SiglipImageProcessorPil,
)

SIDE = 24
TOWER = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
}
PROMPTS = [
    "a dog",
    "A Dog!",
    "someone playing the piano, close-up",
    "the goalkeeper's save: a penalty   in the rain",
    "42 naïve cafés & a “quoted” sign",
    "slowly pouring hot coffee into a white cup on a wooden table " * 12,
]
CORPUS = [
    "a dog runs on the beach and a cat sleeps on the sofa",
    "someone playing the piano in a concert hall close up of the hands",
    "the goalkeeper saves a penalty in the rain at the stadium",
    "pouring hot coffee into a white cup on a wooden table",
    "a presenter explains a chart on a slide while people take notes",
    "cars in the traffic of a city at night with lights and signs",
    "children dance at a party with balloons and a cake",
    "the quick brown fox jumps over the lazy dog 0123456789 ! ? , . : ; ' \" & -",
]


def pictures() -> list[np.ndarray]:
    """Pictures of several shapes: wide, high, square, small, with edges and slow changes."""
    made = []
    for number, (height, width) in enumerate([(54, 96), (72, 40), (32, 32), (20, 25)]):
        y, x = np.mgrid[0:height, 0:width]
        red = 127 + 120 * np.sin((x + 3 * number) / 7.0)
        green = 255 * y / height
        blue = np.where((x // 9 + y // 11 + number) % 2, 230, 25)
        made.append(np.stack([red, green, blue], axis=-1).astype(np.uint8))
    return made


def clip_tokenizer(folder: Path) -> CLIPTokenizer:
    """A byte-pair tokeniser of CLIP's kind, trained on a few sentences."""
    trained = Tokenizer(models.BPE(end_of_word_suffix="</w>", unk_token="<|endoftext|>"))
    trained.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    trained.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Whitespace(), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    bytes_used = pre_tokenizers.ByteLevel(add_prefix_space=False)
    pieces = [piece for text in CORPUS + PROMPTS for piece, _ in bytes_used.pre_tokenize_str(text)]
    letters = sorted(set("".join(pieces)))
    trainer = BpeTrainer(
        vocab_size=280,
        end_of_word_suffix="</w>",
        initial_alphabet=letters,
        special_tokens=[],
        show_progress=False,
    )
    trained.train_from_iterator(CORPUS * 4, trainer)
    model = json.loads(trained.to_str())["model"]
    vocabulary = model["vocab"]
    for letter in letters:
        vocabulary.setdefault(letter + "</w>", len(vocabulary))
    for special in ("<|startoftext|>", "<|endoftext|>"):
        vocabulary[special] = len(vocabulary)
    merges = [tuple(pair) for pair in model["merges"]]
    tokenizer = CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=77)
    tokenizer.save_pretrained(folder)
    return tokenizer


def siglip_tokenizer(folder: Path) -> SiglipTokenizer:
    """A sentencepiece tokeniser of SigLIP's kind; tokenizer.json holds the same pieces."""
    with tempfile.TemporaryDirectory() as work:
        words = [
            line.lower().translate(str.maketrans("", "", string.punctuation)) for line in CORPUS
        ]
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(words * 4),
            model_prefix=f"{work}/spiece",
            vocab_size=100,
            pad_id=0,
            eos_id=1,
            unk_id=2,
            bos_id=-1,
            pad_piece="<pad>",
            add_dummy_prefix=False,
            minloglevel=2,
        )
        reference = SiglipTokenizer(f"{work}/spiece.model", model_max_length=64)
    pieces = reference.sp_model
    tokenizer = Tokenizer(
        models.Unigram(
            [(pieces.id_to_piece(i), pieces.get_score(i)) for i in range(pieces.get_piece_size())],
            unk_id=pieces.unk_id(),
        )
    )
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Replace(Regex(r"\s+"), " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always", split=True)
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", pieces.eos_id())]
    )
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {
        "do_lower_case": True,
        "eos_token": "</s>",
        "model_input_names": ["input_ids"],
        "model_max_length": 64,
        "pad_token": "</s>",
        "tokenizer_class": "SiglipTokenizer",
        "unk_token": "<unk>",
    }
    write_json(folder / "tokenizer_config.json", settings)
    return reference


def write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def export(
    tower: Callable[..., Any], inputs: dict[str, torch.Tensor], output: str, path: Path
) -> None:
    """One tower as a graph whose batch (and text length) may vary."""

    class Tower(torch.nn.Module):  # type: ignore[misc]
        def forward(self, *values: torch.Tensor) -> Any:
            return tower(**dict(zip(inputs, values, strict=True)))

    batch = torch.export.Dim("batch_size", min=1, max=64)
    length = torch.export.Dim("sequence_length", min=2, max=64)
    variable = {
        name: {0: batch, 1: length} if value.dtype == torch.int64 else {0: batch}
        for name, value in inputs.items()
    }
    program = torch.onnx.export(
        Tower(),
        tuple(inputs.values()),
        input_names=list(inputs),
        output_names=[output],
        dynamic_shapes=(tuple(variable.values()),),
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(without_notes(program.model_proto), path)


def without_notes(model: onnx.ModelProto) -> onnx.ModelProto:
    """Names of source lines and shapes in between are most of a tiny graph's file."""
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for value in [*model.graph.input, *model.graph.output]:
        del value.metadata_props[:]
    for constant in model.graph.initializer:
        constant.doc_string = ""
        del constant.metadata_props[:]
    del model.graph.value_info[:]
    del model.graph.metadata_props[:]
    del model.metadata_props[:]
    del model.functions[:]
    return model


def quantise(path: Path) -> None:
    """Beside `path`, the same graph in int8, as the usual conversions do it."""
    quantize_dynamic(
        path,
        path.with_name(f"{path.stem}_quantized.onnx"),
        per_channel=True,
        reduce_range=True,
        weight_type=QuantType.QUInt8,
    )


def spread(model: torch.nn.Module) -> torch.nn.Module:
    """Weights large enough that different inputs give clearly different vectors."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if weights.dim() >= 2:
                weights.copy_(torch.randn(weights.shape, generator=generator) * 0.25)
            elif "bias" in name:
                weights.copy_(torch.randn(weights.shape, generator=generator) * 0.1)
    return model.eval()


def unit(vectors: torch.Tensor) -> np.ndarray:
    return np.asarray(torch.nn.functional.normalize(vectors, dim=-1), dtype=np.float32)


def write_expected(folder: Path, expected: dict[str, np.ndarray]) -> None:
    """The pictures and prompts, and what the reference makes of them."""
    shown = {f"picture_{number}": picture for number, picture in enumerate(pictures())}
    arrays: dict[str, Any] = {**shown, **expected}
    np.savez_compressed(folder / "expected.npz", **arrays)
    write_json(folder / "prompts.json", PROMPTS)


def make_clip(folder: Path) -> None:
    """A CLIP with a projection, and an attention mask for its text tower."""
    tokenizer = clip_tokenizer(folder)
    config = CLIPConfig(
        text_config={
            **TOWER,
            "vocab_size": len(tokenizer),
            "max_position_embeddings": 77,
            "bos_token_id": tokenizer.bos_token_id,
            "eos_token_id": tokenizer.eos_token_id,
            "pad_token_id": tokenizer.pad_token_id,
        },
        vision_config={**TOWER, "image_size": SIDE, "patch_size": 8},
        projection_dim=12,
    )
    config._attn_implementation = "eager"
    model = spread(CLIPModel(config))
    write_json(
        folder / "config.json",
        {
            "model_type": "clip",
            "logit_scale_init_value": 2.6592,
            "projection_dim": 12,
            "text_config": {"max_position_embeddings": 77},
            "vision_config": {"image_size": SIDE},
        },
    )
    processor = CLIPImageProcessorPil(
        size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE}
    )
    write_json(folder / "preprocessor_config.json", processor.to_dict())
    pixels = processor(pictures(), return_tensors="pt")["pixel_values"]
    texts = tokenizer(
        PROMPTS, padding="max_length", truncation=True, max_length=77, return_tensors="pt"
    )
    ids, mask = texts["input_ids"], texts["attention_mask"]

    def vision(pixel_values: torch.Tensor) -> torch.Tensor:
        return model.visual_projection(model.vision_model(pixel_values).pooler_output)

    def text(input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        hidden = model.text_model(input_ids=input_ids, attention_mask=attention_mask)
        return model.text_projection(hidden.pooler_output)

    with torch.no_grad():
        write_expected(
            folder,
            {
                "pixels": pixels.numpy(),
                "input_ids": ids.numpy(),
                "image_embeds": unit(vision(pixels)),
                "text_embeds": unit(text(ids, mask)),
            },
        )
    graphs = folder / "onnx"
    export(vision, {"pixel_values": pixels[:2]}, "image_embeds", graphs / "vision_model.onnx")
    export(
        text,
        {"input_ids": ids[:2, :20].contiguous(), "attention_mask": mask[:2, :20].contiguous()},
        "text_embeds",
        graphs / "text_model.onnx",
    )
    quantise(graphs / "vision_model.onnx")
    quantise(graphs / "text_model.onnx")


def make_siglip(folder: Path) -> None:
    """A SigLIP: squashed pictures, pooled outputs, padded texts and no attention mask."""
    tokenizer = siglip_tokenizer(folder)
    config = SiglipConfig(
        text_config={**TOWER, "vocab_size": len(tokenizer), "max_position_embeddings": 64},
        vision_config={**TOWER, "image_size": SIDE, "patch_size": 8},
    )
    config._attn_implementation = "eager"
    model = spread(SiglipModel(config))
    settings = {
        "model_type": "siglip",
        "logit_scale": 4.764997,  # this and the bias are those of the base model
        "logit_bias": -12.932437,
        "text_config": {},
        "vision_config": {"image_size": SIDE},
    }
    write_json(folder / "config.json", settings)
    processor = SiglipImageProcessorPil(size={"height": SIDE, "width": SIDE})
    write_json(folder / "preprocessor_config.json", processor.to_dict())
    pixels = processor(pictures(), return_tensors="pt")["pixel_values"]
    ids = tokenizer(
        PROMPTS, padding="max_length", truncation=True, max_length=64, return_tensors="pt"
    )["input_ids"]

    def vision(pixel_values: torch.Tensor) -> torch.Tensor:
        return model.vision_model(pixel_values).pooler_output

    def text(input_ids: torch.Tensor) -> torch.Tensor:
        return model.text_model(input_ids=input_ids).pooler_output

    with torch.no_grad():
        write_expected(
            folder,
            {
                "pixels": pixels.numpy(),
                "input_ids": ids.numpy(),
                "image_embeds": unit(vision(pixels)),
                "text_embeds": unit(text(ids)),
            },
        )
    graphs = folder / "onnx"
    export(vision, {"pixel_values": pixels[:2]}, "pooler_output", graphs / "vision_model.onnx")
    export(text, {"input_ids": ids[:2]}, "pooler_output", graphs / "text_model.onnx")


def main() -> None:
    """Write both encoders into the folder given, or into tests/fixtures."""
    default = Path(__file__).parents[1] / "tests" / "fixtures"
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    torch.manual_seed(0)
    make_clip(target / "clip")
    make_siglip(target / "siglip")


if __name__ == "__main__":
    main()
