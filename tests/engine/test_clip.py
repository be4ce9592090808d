"""CLIP and SigLIP encoders against what the reference implementation made of the same inputs.

tests/fixtures holds tiny encoders with random weights (bench/make_clip_fixture.py) with the
interface of the usual conversions, and the reference's pixels, token ids and vectors.
"""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import engine.models.clip as clip_module
import engine.models.prompts as prompts_module
from engine.models.calibration import LOG_ODDS
from engine.models.choice import ModelChoice, chosen_models
from engine.models.clip import ClipEncoder, background_prompts
from engine.models.clip_inputs import PromptTokens, read_image_rules
from engine.models.imagenet import ImageNetEncoder
from engine.models.siglip import scale_and_bias
from engine.models.store import (
    Fetched,
    ModelError,
    folder_name,
    read_record,
    visual_folder,
    whisper_folder,
    write_record,
)
from engine.server import EngineOptions, running_engine
from tests.support.paths import FIXTURES

FAMILIES = ("clip", "siglip")
PROMPTS = json.loads((FIXTURES / "clip" / "prompts.json").read_text(encoding="utf-8"))


@pytest.fixture(params=FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def expected(family: str) -> dict[str, np.ndarray]:
    with np.load(FIXTURES / family / "expected.npz") as arrays:
        return dict(arrays)


@pytest.fixture
def pictures(expected: dict[str, np.ndarray]) -> list[np.ndarray]:
    return [values for name, values in expected.items() if name.startswith("picture_")]


@pytest.fixture
def copied(tmp_path: Path) -> Any:
    """Copies a fixture's folder so that a test may change it."""

    def copy(family: str) -> Path:
        return Path(shutil.copytree(FIXTURES / family, tmp_path / family))

    return copy


def change(path: Path, **values: Any) -> None:
    """Set keys of a JSON file; None takes them away."""
    config = {**json.loads(path.read_text(encoding="utf-8")), **values}
    config = {key: value for key, value in config.items() if value is not None}
    path.write_text(json.dumps(config), encoding="utf-8")


# --- the numbers of the reference implementation


def test_pixels_are_the_reference_s(family, expected, pictures):
    rules = read_image_rules(FIXTURES / family)
    pixels = np.stack([rules.apply(picture) for picture in pictures])
    np.testing.assert_allclose(pixels, expected["pixels"], atol=1e-5)


def test_token_ids_are_the_reference_s(family, expected):
    tokens = PromptTokens(FIXTURES / family, family, None)
    for prompt, wanted in zip(PROMPTS, expected["input_ids"], strict=True):
        got = tokens(prompt)["input_ids"][0]
        np.testing.assert_array_equal(got, wanted[: len(got)])
        # what is left out is padding after the mark that ends the text
        assert len(set(wanted[len(got) :])) <= 1


def test_vectors_are_the_reference_s(family, expected, pictures):
    encoder = ClipEncoder(FIXTURES / family, threads=1, quantized=False)
    frames, prompts = encoder.encode_frames(pictures), encoder.encode_prompts(PROMPTS)
    np.testing.assert_allclose(frames, expected["image_embeds"], atol=1e-4)
    np.testing.assert_allclose(prompts, expected["text_embeds"], atol=1e-4)
    assert frames.dtype == prompts.dtype == np.float32
    assert encoder.dimension == frames.shape[1] == prompts.shape[1]


def test_int8_graphs_come_near_the_reference():
    encoder = ClipEncoder(FIXTURES / "clip", threads=1)
    with np.load(FIXTURES / "clip" / "expected.npz") as arrays:
        pictures = [arrays[f"picture_{number}"] for number in range(4)]
        frames, prompts = encoder.encode_frames(pictures), encoder.encode_prompts(PROMPTS)
        assert np.sum(frames * arrays["image_embeds"], axis=1).min() > 0.99
        assert np.sum(prompts * arrays["text_embeds"], axis=1).min() > 0.99
    assert "vision_model_quantized" in encoder.name


@pytest.mark.parametrize(("height", "width"), [(1, 1), (3, 400), (400, 3), (25, 24)])
def test_every_shape_of_image_has_a_vector(family, height, width):
    encoder = ClipEncoder(FIXTURES / family, threads=1)
    vectors = encoder.encode_frames([np.full((height, width, 3), 90, np.uint8)])
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)


def test_no_frames_and_no_prompts_give_no_vectors(family):
    encoder = ClipEncoder(FIXTURES / family, threads=1)
    none = encoder.encode_frames([])
    assert none.shape == encoder.encode_prompts([]).shape == (0, encoder.dimension)
    assert encoder.similarity([none], encoder.encode_prompts(PROMPTS)).shape == (0, len(PROMPTS))


def test_more_frames_than_a_batch_are_as_one_by_one(pictures):
    encoder = ClipEncoder(FIXTURES / "siglip", threads=1)
    many = encoder.encode_frames(pictures * 5)
    one_by_one = np.concatenate([encoder.encode_frames([picture]) for picture in pictures] * 5)
    np.testing.assert_allclose(many, one_by_one, atol=1e-5)


# --- what the model's own files say


@pytest.mark.parametrize(
    ("values", "same_as"),
    [
        ({"size": 24, "crop_size": 24}, {}),  # as in files of before 2023
        ({"rescale_factor": None}, {}),
        ({"resample": 3}, {}),
        ({"do_center_crop": False, "size": {"width": 24, "height": 24}}, None),
        ({"resample": 0}, None),
        ({"image_mean": [0.1, 0.2, 0.3]}, None),
        ({"do_normalize": False}, None),
    ],
)
def test_image_rules_are_read_from_the_file(copied, values, same_as):
    folder = copied("clip")
    picture = np.random.default_rng(0).integers(0, 256, (40, 70, 3), dtype=np.uint8)
    before = read_image_rules(folder).apply(picture)
    change(folder / "preprocessor_config.json", **values)
    after = read_image_rules(folder).apply(picture)
    assert after.shape == (3, 24, 24)
    assert np.allclose(before, after) == (same_as is not None)


def test_clip_sees_the_middle_of_a_wide_frame_and_siglip_all_of_it():
    wide = np.zeros((24, 96, 3), np.uint8)
    wide[:, :24] = wide[:, -24:] = 255
    clip = read_image_rules(FIXTURES / "clip").apply(wide)
    siglip = read_image_rules(FIXTURES / "siglip").apply(wide)
    assert np.ptp(clip[0]) == pytest.approx(0, abs=1e-5)
    assert np.ptp(siglip[0]) > 1.9


@pytest.mark.parametrize("length", [5, 12])
def test_text_length_is_read_from_the_files(copied, length):
    folder = copied("siglip")
    change(folder / "tokenizer_config.json", model_max_length=length)
    assert PromptTokens(folder, "siglip", None)("a dog")["input_ids"].shape == (1, length)
    change(folder / "config.json", text_config={"max_position_embeddings": length + 1})
    assert PromptTokens(folder, "siglip", None)("a dog")["input_ids"].shape == (1, length + 1)


def test_a_tokeniser_without_a_limit_has_its_family_s(copied):
    folder = copied("siglip")
    change(folder / "tokenizer_config.json", model_max_length=int(1e30))
    assert PromptTokens(folder, "siglip", None)("a dog")["input_ids"].shape == (1, 64)


def test_padding_token_is_the_one_that_is_named(copied):
    folder = copied("siglip")
    change(folder / "tokenizer_config.json", pad_token={"content": "<unk>"})
    assert PromptTokens(folder, "siglip", None)("a dog")["input_ids"][0, -1] == 2


def test_lower_case_and_punctuation_are_as_siglip_was_trained(copied):
    plain = PromptTokens(FIXTURES / "siglip", "siglip", None)
    np.testing.assert_array_equal(plain("  A  Dog!?")["input_ids"], plain("a dog")["input_ids"])
    folder = copied("siglip")
    change(folder / "tokenizer_config.json", tokenizer_class="GemmaTokenizer", do_lower_case=None)
    other = PromptTokens(folder, "siglip", None)
    np.testing.assert_array_equal(other("A DOG")["input_ids"], other("a dog")["input_ids"])
    assert (other("a dog!")["input_ids"] != other("a dog")["input_ids"]).any()


def graph(path: Path, pixel: str, output: str, batch: int | str = "n", kind: int = 1) -> None:
    """A graph with the given names that averages each colour of a picture."""
    size = [batch, 3, 24, 24]
    made = helper.make_graph(
        [
            helper.make_node("ReduceMean", [pixel], ["mean"], axes=[2, 3], keepdims=0),
            helper.make_node("Identity", ["mean"], [output]),
        ],
        "averages",
        [helper.make_tensor_value_info(pixel, kind, size)],
        [helper.make_tensor_value_info(output, kind, [batch, 3])],
    )
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(made, opset_imports=opsets, ir_version=10), path)


@pytest.mark.parametrize(
    ("output", "batch", "kind"),
    [
        ("pooler_output", "n", TensorProto.FLOAT),
        ("image_embeds", "n", TensorProto.FLOAT16),
        ("image_embeds", 1, TensorProto.FLOAT),
    ],
)
def test_inputs_and_outputs_are_read_from_the_graph(copied, output, batch, kind):
    folder = copied("siglip")
    graph(folder / "onnx" / "vision_model.onnx", "pixel_values", output, batch, kind)
    encoder = ClipEncoder(folder, threads=1)
    red = np.zeros((30, 30, 3), np.uint8)
    red[..., 0] = 255
    vectors = encoder.encode_frames([red, red, 255 - red])
    np.testing.assert_allclose(vectors[1] * np.sqrt(3), [1, -1, -1], atol=1e-2)
    np.testing.assert_allclose(vectors[2], -vectors[1], atol=1e-2)


@pytest.mark.parametrize(
    ("family", "pixel", "output", "message"),
    [
        ("clip", "pixel_values", "pooler_output", "vision_model.onnx gives pooler_output"),
        ("siglip", "pixel_values", "logits", "image_embeds, pooler_output is needed"),
        ("siglip", "patches", "pooler_output", "needs patches: only pixel_values"),
    ],
)
def test_a_graph_that_cannot_be_used_is_named(copied, family, pixel, output, message):
    folder = copied(family)
    graph(folder / "onnx" / "vision_model.onnx", pixel, output)
    encoder = ClipEncoder(folder, threads=1, quantized=False)
    with pytest.raises(ModelError, match=message):
        encoder.encode_frames([np.zeros((9, 9, 3), np.uint8)])


def damage_json(path: Path) -> None:
    path.write_text("{", encoding="utf-8")


@pytest.mark.parametrize(
    ("file", "spoil", "message"),
    [
        ("config.json", Path.unlink, "config.json is missing"),
        ("config.json", damage_json, "config.json cannot be read"),
        (
            "config.json",
            lambda path: change(path, model_type="bert"),
            "says model_type is 'bert': it must be clip or siglip",
        ),
        ("preprocessor_config.json", Path.unlink, "preprocessor_config.json is missing"),
        (
            "preprocessor_config.json",
            lambda path: change(path, image_mean=None),
            "does not say image_mean",
        ),
        ("preprocessor_config.json", lambda path: path.write_text("[]"), "no JSON object"),
        ("onnx/vision_model.onnx", Path.unlink, "has no vision_model.onnx"),
        ("onnx/text_model.onnx", Path.unlink, "has no text_model.onnx"),
    ],
)
def test_a_folder_that_is_not_complete_is_refused_at_once(copied, file, spoil, message):
    folder = copied("siglip")
    spoil(folder / file)
    with pytest.raises(ModelError, match=message):
        ClipEncoder(folder, threads=1)


@pytest.mark.parametrize(
    ("file", "values", "message"),
    [
        ("config.json", {"model_type": 7}, "model_type is 7: it must be a valid string"),
        ("config.json", {"logit_scale": "x"}, "logit_scale is 'x': it must be a valid number"),
        (
            "config.json",
            {"logit_scale": 117.33},
            "logit_scale is 117.33: it must be less than or equal to 10",
        ),
        ("config.json", {"logit_bias": None}, "does not say logit_bias"),
        ("config.json", {"logit_bias": [1]}, r"logit_bias is \[1\]: it must be a valid number"),
        ("preprocessor_config.json", {"size": [1]}, r"size is \[1\]: it must be an object"),
        ("preprocessor_config.json", {"size": {"width": 24}}, "does not say size.height"),
        (
            "preprocessor_config.json",
            {"size": -24},
            "size.width is -24: it must be greater than or equal to 1",
        ),
        (
            "preprocessor_config.json",
            {"size": True},
            "size.width is True: it must be a valid integer",
        ),
        ("preprocessor_config.json", {"size": {"shortest_edge": 0}}, "size.shortest_edge is 0"),
        ("preprocessor_config.json", {"size": {"shortest_edge": 1e9}}, "size.shortest_edge is"),
        (
            "preprocessor_config.json",
            {"resample": 99},
            "resample is 99: it must be less than or equal to 5",
        ),
        (
            "preprocessor_config.json",
            {"do_center_crop": "yes"},
            "do_center_crop is 'yes': it must be a valid boolean",
        ),
        (
            "preprocessor_config.json",
            {"do_center_crop": True, "crop_size": {"width": "24", "height": "24"}},
            "crop_size.width is '24': it must be a valid integer",
        ),
        ("preprocessor_config.json", {"do_center_crop": True}, "does not say crop_size"),
        (
            "preprocessor_config.json",
            {"image_mean": [0.5, 0.5]},
            r"image_mean is \[0.5, 0.5\]: List should have at least 3 items",
        ),
        ("preprocessor_config.json", {"image_mean": "abc"}, "image_mean is 'abc'"),
        (
            "preprocessor_config.json",
            {"image_std": [0.5, 0, 0.5]},
            "image_std.1 is 0: it must be greater than or equal to 0.000001",
        ),
        (
            "preprocessor_config.json",
            {"image_std": 0.5},
            "image_std is 0.5: it must be a valid list",
        ),
        ("preprocessor_config.json", {"rescale_factor": "1/255"}, "rescale_factor is '1/255'"),
        ("preprocessor_config.json", {"rescale_factor": float("nan")}, "rescale_factor is nan"),
        ("tokenizer_config.json", {"model_max_length": "a"}, "model_max_length is 'a'"),
        ("tokenizer_config.json", {"do_lower_case": 1}, "do_lower_case is 1"),
        (
            "tokenizer_config.json",
            {"pad_token": 5},
            "pad_token.content is 5: it must be a valid string",
        ),
        ("tokenizer_config.json", {"pad_token": {"id": 0}}, "does not say pad_token.content"),
        ("config.json", {"text_config": [1]}, r"text_config is \[1\]: it must be an object"),
        (
            "config.json",
            {"text_config": {"max_position_embeddings": "a"}},
            "text_config.max_position_embeddings is 'a': it must be a valid integer",
        ),
    ],
)
def test_a_wrong_value_is_reported_before_anything_is_indexed(copied, file, values, message):
    folder = copied("siglip")
    change(folder / file, **values)
    choice = ModelChoice(visual=str(folder))
    with pytest.raises(ModelError, match=message) as caught:
        chosen_models(choice, threads=1, check=True)
    assert str(caught.value).startswith(f"VISUAL_MODEL={folder} cannot be used: {folder / file}")
    assert str(caught.value).endswith("or set VISUAL_MODEL to another model.")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5000])


def other_width(path: Path) -> None:
    graph(path, "pixel_values", "pooler_output")


@pytest.mark.parametrize(
    ("file", "spoil", "message"),
    [
        ("onnx/vision_model.onnx", cut, "vision_model.onnx is not a graph that can be run"),
        ("onnx/text_model.onnx", cut, "text_model.onnx is not a graph that can be run"),
        ("onnx/vision_model.onnx", other_width, "vectors of 3 numbers, text_model.onnx of"),
        ("tokenizer.json", Path.unlink, "tokenizer.json cannot be read"),
        ("tokenizer.json", cut, "tokenizer.json cannot be read"),
        (
            "preprocessor_config.json",
            lambda path: change(path, size={"width": 48, "height": 48}),
            "vision_model.onnx does not run",
        ),
    ],
)
def test_the_engine_does_not_start_with_a_damaged_encoder(copied, tmp_path, file, spoil, message):
    folder = copied("siglip")
    spoil(folder / file)
    options = EngineOptions(tmp_path / "data", models=ModelChoice(visual=str(folder)))
    with pytest.raises(ModelError, match=message) as caught, running_engine(options):
        pass
    assert f"VISUAL_MODEL={folder} cannot be used: {folder}" in str(caught.value)


def test_what_a_check_loads_is_let_go_and_what_was_fetched_can_be_fetched_again(tmp_path):
    folder = put_fetched(tmp_path, "a/encoder", "2026")
    choice = ModelChoice(visual="auto", models_dir=tmp_path)
    encoder = chosen_models(choice, threads=1, check=True).visual
    assert not encoder._vision._made
    cut(folder / "onnx" / "text_model.onnx")
    assert chosen_models(choice, threads=1)
    with pytest.raises(ModelError, match=r"VISUAL_MODEL=auto .* fetch --repository a/encoder"):
        chosen_models(choice, threads=1, check=True)


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("tokenizer.json", "tokenizer.json cannot be read"),
        ("onnx/text_model.onnx", "text_model.onnx is not a graph"),
    ],
)
def test_a_damaged_text_tower_is_named(copied, file, message):
    folder = copied("siglip")
    damage_json(folder / file)
    with pytest.raises(ModelError, match=message):
        ClipEncoder(folder, threads=1).encode_prompts(["a dog"])


def test_a_padding_token_that_is_not_there_is_named(copied):
    folder = copied("siglip")
    change(folder / "tokenizer_config.json", pad_token="<pad9>")
    with pytest.raises(ModelError, match="no padding token '<pad9>'"):
        ClipEncoder(folder, threads=1).encode_prompts(["a dog"])


# --- prompts and scores


def test_the_text_tower_is_loaded_for_new_prompts_only(monkeypatch):
    loaded = []
    tower = clip_module._Tower

    def count(path: Path, *arguments: Any, **options: Any) -> Any:
        loaded.append(path.stem)
        return tower(path, *arguments, **options)

    monkeypatch.setattr(clip_module, "_Tower", count)
    encoder = ClipEncoder(FIXTURES / "siglip", threads=1)
    assert loaded == []
    first = encoder.encode_prompts(["a dog", "a cat", "a dog"])
    again = encoder.encode_prompts(["a cat", "a dog"])
    assert loaded == ["text_model"]
    np.testing.assert_array_equal(first[[1, 0]], again)
    np.testing.assert_array_equal(first[0], first[2])
    encoder.encode_prompts(["a cat", "a bird"])
    assert loaded == ["text_model"] * 2


def test_the_prompts_kept_are_limited(monkeypatch):
    monkeypatch.setattr(prompts_module, "MAX_CACHED", 3)
    encoder = ClipEncoder(FIXTURES / "siglip", threads=1)
    wanted = encoder.encode_prompts(PROMPTS)
    assert len(wanted) == len(PROMPTS)
    assert len(encoder._prompt_vectors._cached) == 3
    np.testing.assert_array_equal(encoder.encode_prompts(PROMPTS), wanted)


def test_threads_may_share_an_encoder(pictures):
    encoder = ClipEncoder(FIXTURES / "clip", threads=1, quantized=False)
    wanted = ClipEncoder(FIXTURES / "clip", threads=1, quantized=False)

    def use(number: int) -> np.ndarray:
        prompts = [*PROMPTS[number % 3 :], "a dog"]
        return LOG_ODDS.percent(
            encoder.similarity([encoder.encode_frames(pictures)], encoder.encode_prompts(prompts))
        )

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(use, range(12)))
    for number, scores in enumerate(results):
        prompts = [*PROMPTS[number % 3 :], "a dog"]
        alone = LOG_ODDS.percent(
            wanted.similarity([wanted.encode_frames(pictures)], wanted.encode_prompts(prompts))
        )
        np.testing.assert_allclose(scores, alone, rtol=1e-3, atol=1e-6)


def test_siglip_scores_are_its_sigmoid(copied):
    frames = np.array([[1.0, 0.0], [0.6, 0.8]], np.float32)
    prompts = np.array([[0.0, 1.0], [1.0, 0.0]], np.float32)
    folder = copied("siglip")
    scores = LOG_ODDS.percent(ClipEncoder(folder, threads=1).similarity([frames], prompts))
    wanted = 100 / (1 + np.exp(-(117.330795 * (frames @ prompts.T) - 12.932437)))
    np.testing.assert_allclose(scores, wanted, rtol=1e-3)
    assert scores.dtype == np.float32
    change(folder / "config.json", logit_scale=0.0, logit_bias=0.5)
    scores = LOG_ODDS.percent(ClipEncoder(folder, threads=1).similarity([frames], prompts))
    np.testing.assert_allclose(scores, 100 / (1 + np.exp(-(frames @ prompts.T + 0.5))), rtol=1e-4)


BASE = {"text_config": {"vocab_size": 32000}, "vision_config": {"patch_size": 16}}
SECOND = {"text_config": {"vocab_size": 256000}, "vision_config": {}}


@pytest.mark.parametrize(
    ("sizes", "repository", "scale", "bias"),
    [
        (BASE, None, 117.330795, -12.932437),
        (BASE, "Xenova/siglip-base-patch16-224", 117.330795, -12.932437),
        (SECOND, None, 112.668907, -16.771725),
        (SECOND, "onnx-community/siglip2-base-patch16-224-ONNX", 112.668907, -16.771725),
        (SECOND | {"vision_config": {"image_size": 256}}, None, 112.901, -16.7718),
    ],
)
def test_a_siglip_that_is_known_has_its_published_scale(copied, sizes, repository, scale, bias):
    folder = copied("siglip")
    change(folder / "config.json", logit_scale=None, logit_bias=None, **sizes)
    if repository:
        write_record(folder, Fetched(repository, "main", "c", "mit", "2026", {}))
    assert scale_and_bias(folder) == (scale, bias)
    assert ClipEncoder(folder, threads=1)._scale == pytest.approx(scale)


@pytest.mark.parametrize(
    ("sizes", "repository", "message"),
    [
        ({}, None, "those of this SigLIP are not known here: add both"),
        (BASE, "me/siglip-of-my-shop", "those of me/siglip-of-my-shop are not known"),
        (
            BASE | {"vision_config": {"image_size": 256}},
            None,
            "gives no logit_scale and logit_bias",
        ),
        (SECOND | {"model_type": "siglip2"}, None, "config.json gives no logit_scale"),
        (BASE | {"vision_config": {"hidden_size": 1024}}, None, "of the scale"),
    ],
)
def test_no_scale_is_guessed(copied, sizes, repository, message):
    folder = copied("siglip")
    change(folder / "config.json", logit_scale=None, logit_bias=None, **sizes)
    if repository:
        write_record(folder, Fetched(repository, "main", "c", "mit", "2026", {}))
    with pytest.raises(ModelError, match=message):
        ClipEncoder(folder, threads=1)


def test_clip_scores_are_its_softmax_against_the_pool():
    encoder = ClipEncoder(FIXTURES / "clip", threads=1, quantized=False)
    pool = encoder.encode_prompts(background_prompts())
    prompts = encoder.encode_prompts(PROMPTS)
    frames = pool[::20]
    scores = LOG_ODDS.percent(encoder.similarity([frames], prompts))
    for column, prompt in enumerate(prompts):
        others = pool[np.argsort(pool @ prompt)[: -clip_module.SAME_MEANING]]
        logits = 100 * (frames @ np.vstack([prompt, others]).T).astype(np.float64)
        exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
        wanted = 100 * exponentials[:, 0] / exponentials.sum(axis=1)
        np.testing.assert_allclose(scores[:, column], wanted, rtol=1e-2, atol=1e-6)


def test_a_pool_entry_that_says_the_same_takes_nothing_from_a_prompt():
    encoder = ClipEncoder(FIXTURES / "clip", threads=1, quantized=False)
    entry = background_prompts()[80]
    vector = encoder.encode_prompts([entry])
    assert LOG_ODDS.percent(encoder.similarity([vector], vector))[0, 0] > 50


def test_scores_stay_finite_and_in_order(family):
    encoder = ClipEncoder(FIXTURES / family, threads=1)
    prompt = encoder.encode_prompts(["a dog"])
    cosines = np.linspace(-1, 1, 21)
    across = np.linalg.svd(prompt)[2][-1]
    frames = np.outer(cosines, prompt[0]) + np.outer(np.sqrt(1 - cosines**2), across)
    scores = LOG_ODDS.percent(encoder.similarity([frames.astype(np.float32)], prompt))[:, 0]
    assert np.isfinite(scores).all()
    assert (scores >= 0).all()
    assert (scores <= 100).all()
    if family == "siglip":
        assert (np.diff(scores) >= 0).all()


def test_background_prompts_are_varied_and_clean():
    prompts = background_prompts()
    assert len(prompts) == len(set(prompts)) >= 100
    assert all(prompt and prompt == prompt.strip() for prompt in prompts)


def test_the_name_tells_weights_apart_and_not_folders(copied):
    folder = copied("siglip")
    name = ClipEncoder(folder, threads=1).name
    moved = folder.rename(folder.with_name("elsewhere")) / "siglip"
    shutil.copytree(moved.parent, moved)
    assert ClipEncoder(moved, threads=1).name == name
    graph(moved / "onnx" / "vision_model.onnx", "pixel_values", "pooler_output")
    assert ClipEncoder(moved, threads=1).name != name


# --- which model a setting means


def put_fetched(models_dir: Path, repository: str, at: str, family: str = "siglip") -> Path:
    folder = models_dir / folder_name(repository)
    shutil.copytree(FIXTURES / family, folder)
    files = {"onnx/vision_model.onnx": "ab" * 32}
    write_record(folder, Fetched(repository, "main", "c" * 40, "mit", at, files))
    return folder


def test_auto_takes_the_encoder_fetched_last(tmp_path):
    assert visual_folder("auto", "main", tmp_path) is None
    older = put_fetched(tmp_path, "a/older", "2026-01-01T00:00:00+00:00")
    assert visual_folder("auto", "main", tmp_path) == older
    newer = put_fetched(tmp_path, "b/newer", "2026-01-02T00:00:00+00:00")
    assert visual_folder("auto", "main", tmp_path) == newer
    assert visual_folder("imagenet", "main", tmp_path) is None
    assert visual_folder("a/older", "main", tmp_path) == older
    assert visual_folder("a/older", "c" * 40, tmp_path) == older
    assert visual_folder(str(older), "main", tmp_path) == older


def test_auto_passes_over_speech_models_and_unfinished_ones(tmp_path):
    speech = tmp_path / "Systran--faster-whisper-base"
    speech.mkdir()
    write_record(speech, Fetched("Systran/faster-whisper-base", "main", "c", "mit", "2026", {}))
    shutil.copytree(FIXTURES / "clip", tmp_path / "x--unfinished")
    assert visual_folder("auto", "main", tmp_path) is None
    assert whisper_folder("whisper:base", tmp_path) == speech
    assert whisper_folder("whisper:Systran/faster-whisper-base", tmp_path) == speech
    assert whisper_folder(f"whisper:{speech}", tmp_path) == speech


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (ModelChoice(visual="nothing"), "VISUAL_MODEL=nothing is not a folder"),
        (ModelChoice(visual="./nothing"), r"VISUAL_MODEL=./nothing is not a folder"),
        (ModelChoice(visual="../nothing"), r"VISUAL_MODEL=../nothing is not a folder"),
        (ModelChoice(visual="a/b"), "fetch --repository a/b$"),
        (ModelChoice(visual="a/here", visual_revision="v2"), "a/here --revision v2$"),
        (ModelChoice(speech="siri"), "SPEECH_MODEL=siri is not known"),
    ],
)
def test_a_missing_model_is_named_with_the_command_to_fetch_it(tmp_path, choice, message):
    put_fetched(tmp_path, "a/here", "2026")
    choice = ModelChoice(choice.visual, choice.visual_revision, choice.speech, tmp_path)
    with pytest.raises(ModelError, match=message):
        chosen_models(choice, threads=1)


def test_models_say_which_encoder_is_in_use(tmp_path):
    assert isinstance(chosen_models(ModelChoice(), threads=1).visual, ImageNetEncoder)
    put_fetched(tmp_path, "a/encoder", "2026")
    models = chosen_models(ModelChoice(visual="auto", models_dir=tmp_path), threads=1)
    assert models.names()["visual"] == "a/encoder abababababab (vision_model)"


WRONG = {"repository": "a/b", "revision": "", "commit": "", "licence": "", "fetched_at": ""}


@pytest.mark.parametrize(
    "text",
    [
        *("{}", '{"no": 1}', "[1]", "{"),
        json.dumps({**WRONG, "files": [1]}),
        json.dumps({**WRONG, "files": {"config.json": 1}}),
        json.dumps({**WRONG, "fetched_at": 2026}),
    ],
)
def test_a_record_that_is_damaged_is_named(tmp_path, text):
    (tmp_path / "fetched.json").write_text(text, encoding="utf-8")
    with pytest.raises(ModelError, match=r"fetched\.json"):
        read_record(tmp_path)
