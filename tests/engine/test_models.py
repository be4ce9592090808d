"""The default models on real images and real speech, all from wheels."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import moonshine_voice
import numpy as np
import pytest
import skimage.data
import skimage.io

from engine.models.attributes import FACE, attributes
from engine.models.imagenet import read_labels
from engine.models.lazy import Lazy
from engine.models.prompts import products


def picture(name: str) -> np.ndarray:
    image = skimage.io.imread(Path(skimage.data.__file__).parent / name)
    return image[..., :3] if image.ndim == 3 else np.stack([image] * 3, axis=-1)


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    path = Path(moonshine_voice.__file__).parent / "assets" / "two_cities.wav"
    samples, rate = moonshine_voice.load_wav_file(path)
    assert rate == 48_000
    return np.asarray(samples, dtype=np.float32)[::3]


def test_labels_are_in_the_order_of_the_network(real_models):
    labels = read_labels()
    assert len(labels) == 1000
    assert labels[281].words == ["tabby", "tabby cat"]
    assert {"cat", "feline", "animal"} <= set(labels[281].broader)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("chelsea.png", {"Egyptian cat", "tabby", "tiger cat"}),
        ("coffee.png", {"espresso"}),
        ("rocket.jpg", {"missile", "projectile", "space shuttle"}),
        ("motorcycle_left.png", {"moped", "motor scooter"}),
        ("camera.png", {"tripod"}),  # a cameraman
    ],
)
def test_best_label_of_a_known_image(real_models, name, wanted):
    vectors = real_models.visual.encode_frames([picture(name)])
    assert vectors.shape == (1, real_models.visual.dimension)
    assert wanted & set(read_labels()[int(vectors[0, :1000].argmax())].words)


def test_prompts_find_their_images(real_models):
    names = ["chelsea.png", "coffee.png", "rocket.jpg", "motorcycle_left.png"]
    prompts = ["a cat", "a cup of coffee", "space rocket", "motorcycle"]
    vectors = real_models.visual.encode_frames([picture(name) for name in names])
    pooled = real_models.visual.pool(vectors, range(len(names)))
    similarity = real_models.visual.similarity([pooled], real_models.visual.encode_prompts(prompts))
    scores = real_models.visual.calibration.percent(similarity)
    assert scores.shape == (4, 4)
    assert scores.argmax(axis=0).tolist() == [0, 1, 2, 3]
    assert ((scores >= 0) & (scores <= 100)).all()


def test_no_frames_give_no_vectors(real_models):
    assert real_models.visual.encode_frames([]).shape == (0, real_models.visual.dimension)


def test_a_window_is_what_its_frames_have_in_common(real_models):
    cat, coffee = picture("chelsea.png"), picture("coffee.png")
    vectors = real_models.visual.encode_frames([cat, coffee, cat, coffee])
    prompts = real_models.visual.encode_prompts(["cat", "cup of coffee"])
    apart = real_models.visual.similarity([real_models.visual.pool(vectors, [0, 1])], prompts)
    together = real_models.visual.similarity([real_models.visual.pool(vectors, [0])], prompts)
    assert apart.argmax(axis=1).tolist() == [0, 1]
    assert apart[1, 0] < together[0, 0] < apart[0, 0]


def test_prompts_are_weighed_the_same_alone_and_among_others(real_models):
    alone = real_models.visual.encode_prompts(["dog"])
    among = real_models.visual.encode_prompts(["tree", "dog", "tree"])
    assert among[1] == pytest.approx(alone[0])
    assert among[0] == pytest.approx(among[2])


@pytest.mark.parametrize("shape", [(1, 1, 3), (2, 900, 3), (900, 2, 3), (224, 224, 3)])
def test_frames_of_any_shape(real_models, shape):
    frame = np.full(shape, 127, dtype=np.uint8)
    assert np.isfinite(real_models.visual.encode_frames([frame])).all()


def slide(ground: int, ink: tuple[int, int, int]) -> np.ndarray:
    image = np.full((360, 640, 3), ground, dtype=np.uint8)
    for row in range(6):
        where = (40, 60 + 50 * row)
        cv2.putText(image, "Potential energy E = m g h", where, 0, 1.2, ink, 2)
    return image


def cinema(image: np.ndarray) -> np.ndarray:
    """The picture as a film without colours, with bars above and below."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return cv2.copyMakeBorder(cv2.merge([grey] * 3), 60, 60, 0, 0, cv2.BORDER_CONSTANT)


@pytest.mark.parametrize(
    ("image", "wanted"),
    [
        (slide(255, (0, 0, 140)), [0, 1, 0, 0]),
        (slide(25, (220, 220, 90)), [1, 0, 0, 0]),
        (cinema(picture("coffee.png")), [0, 0, 1, 0]),
        (picture("astronaut.png"), [0, 0, 0, 1]),
        (picture("coffee.png"), [0, 0, 0, 0]),
        (picture("chelsea.png"), [0, 0, 0, 0]),
        (np.zeros((360, 640, 3), np.uint8), [0, 0, 0, 0]),
        (np.zeros((360, 3, 3), np.uint8), [0, 0, 0, 0]),
    ],
    ids=["slide", "screen", "old film", "face", "coffee", "cat", "black", "narrow"],
)
def test_attributes(image, wanted):
    assert attributes(image) == pytest.approx(wanted, abs=0.34)


def test_attributes_are_found_by_several_threads_at_once():
    pictures = [picture("astronaut.png"), picture("coffee.png")] * 4
    with ThreadPoolExecutor(4) as pool:
        faces = [found[FACE] for found in pool.map(attributes, pictures)]
    assert faces == [faces[0], 0] * 4


def test_speech_has_words_and_times(real_models, speech):
    lines = real_models.speech.transcribe(speech)
    said = " ".join(line.text for line in lines).lower()
    for words in ("best of times", "age of wisdom", "spring of hope"):
        assert words in said
    best, season = lines[0], next(line for line in lines if "season of light" in line.text)
    assert best.start == pytest.approx(1.0, abs=0.3)
    assert season.start == pytest.approx(13.2, abs=0.3)
    assert all(0 <= line.start < line.end <= len(speech) / 16_000 for line in lines)


def test_speech_does_not_depend_on_earlier_sound(real_models, speech):
    sentence = speech[: 16_000 * 6]
    before = real_models.speech.transcribe(sentence)
    real_models.speech.transcribe(speech[16_000 * 20 : 16_000 * 26])
    after = real_models.speech.transcribe(sentence)
    assert [line.text for line in after] == [line.text for line in before]
    assert [line.start for line in after] == pytest.approx([line.start for line in before], abs=0.1)


@pytest.mark.parametrize(
    "sound",
    [
        np.zeros(0),
        np.zeros(1),
        np.zeros(32_000),
        np.random.default_rng(0).standard_normal(48_000) / 10,
        np.sin(np.arange(48_000) / 6) / 2,
    ],
    ids=["none", "one sample", "silence", "noise", "tone"],
)
def test_sound_without_speech(real_models, sound):
    assert real_models.speech.transcribe(sound.astype(np.float32)) == []


def caption(*lines: str) -> np.ndarray:
    image = np.full((360, 640, 3), 255, dtype=np.uint8)
    for row, line in enumerate(lines):
        where = (30, 80 + 90 * row)
        cv2.putText(image, line, where, cv2.FONT_HERSHEY_SIMPLEX, 1.5, (0, 0, 160), 3)
    return image


def test_text_is_read_top_to_bottom(real_models):
    assert real_models.reader.read(caption("Road closed", "Long delays")) == [
        "Road closed",
        "Long delays",
    ]


def test_image_without_text(real_models):
    assert real_models.reader.read(np.full((360, 640, 3), 127, dtype=np.uint8)) == []


def test_text_is_read_by_several_threads_at_once(real_models):
    words = ["Weather", "Kitchen", "Football", "Galaxy"] * 2
    with ThreadPoolExecutor(4) as pool:
        read = list(pool.map(real_models.reader.read, [caption(word) for word in words]))
    assert read == [[word] for word in words]


def test_similarity_of_texts(real_models):
    vectors = real_models.text.encode(["dog", "a puppy and its owner", "rain and thunder", ""])
    similarity = vectors @ vectors.T
    assert similarity[0, 1] > similarity[0, 2] + 0.2
    assert np.diag(similarity) == pytest.approx([1, 1, 1, 0], abs=1e-5)


@pytest.mark.parametrize(
    ("word", "stem"), [("coats", "coat"), ("COATS", "coat"), ("dancing", "dance")]
)
def test_words_are_compared_by_stems_that_are_known(real_models, word, stem):
    one, other = real_models.text.encode([word, stem])
    assert one @ other == pytest.approx(1, abs=1e-5)


def test_models_say_their_names(real_models):
    names = real_models.names()
    assert set(names) == {"visual", "conversation", "text_in_video", "text"}
    assert all(names.values())


def test_lazy_makes_once_for_all_threads():
    made = []
    barrier = threading.Barrier(4)

    def make():
        made.append(1)
        return "value"

    lazy = Lazy(make)

    def ask(_):
        barrier.wait()
        return lazy()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(ask, range(4))) == ["value"] * 4
    assert made == [1]


def test_lazy_tries_again_after_a_failure():
    responses = iter([OSError("no weights"), "value"])

    def make():
        response = next(responses)
        if isinstance(response, Exception):
            raise response
        return response

    lazy = Lazy(make)
    with pytest.raises(OSError, match="no weights"):
        lazy()
    assert lazy() == "value"


def test_products_of_several_videos_lie_one_after_another():
    random = np.random.default_rng(1)
    parts = [random.normal(size=(rows, 5)).astype(np.float32) for rows in (3, 1, 4)]
    prompts = random.normal(size=(2, 5)).astype(np.float32)
    made = products([parts[0], np.zeros((0, 0), np.float32), *parts[1:]], prompts)
    np.testing.assert_allclose(made, np.vstack(parts) @ prompts.T, rtol=1e-5)
    assert products([], prompts).shape == (0, 2)
    assert products(parts, prompts[:0]).shape == (8, 0)
