"""Extraction of evidence: chunks of sound, frames to read, spans, and whole videos."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from engine import media
from engine.evidence import TextSpan
from engine.indexing import extract
from engine.indexing.extract import build_evidence
from engine.indexing.screen_text import CHANGED_CELL, PACE_S, ScreenText
from engine.indexing.transcript import CHUNK_S, Chunk, Chunker, Transcript, quiet_cut
from engine.media import AudioBlock, Frame, MediaError, MediaInfo
from tests.support.fakes import BeepRecogniser, NumberEncoder, quick_models
from tests.support.media import join_tracks, write_video

RATE = media.SAMPLE_RATE
FloatArray = npt.NDArray[np.float32]


def noise(seconds: float, seed: int = 0) -> FloatArray:
    return np.random.default_rng(seed).uniform(-1, 1, int(seconds * RATE)).astype(np.float32)


def all_chunks(blocks: Sequence[AudioBlock]) -> list[Chunk]:
    chunks = Chunker()
    return [chunk for block in blocks for chunk in chunks.add(block)] + list(chunks.finish())


# --- Sound in chunks ------------------------------------------------------------------------


def test_chunks_have_all_of_the_sound_at_its_time():
    sound = noise(100)
    blocks = [
        AudioBlock(at / RATE, sound[at : at + 15 * RATE]) for at in range(0, len(sound), 15 * RATE)
    ]
    chunks = all_chunks(blocks)
    assert np.array_equal(np.concatenate([chunk.samples for chunk in chunks]), sound)
    ends = np.cumsum([len(chunk.samples) for chunk in chunks]) / RATE
    assert [chunk.start_s for chunk in chunks] == pytest.approx([0, *ends[:-1]])
    assert len(chunks) >= 4
    assert max(len(chunk.samples) for chunk in chunks) <= CHUNK_S * RATE


def test_piece_ends_where_it_is_quiet():
    sound = noise(40)
    sound[int(27.0 * RATE) : int(27.4 * RATE)] *= 0.001
    first, second = all_chunks([AudioBlock(0.0, sound)])
    assert 27.0 < second.start_s < 27.4
    assert len(first.samples) + len(second.samples) == len(sound)


def test_sound_after_a_gap_starts_a_new_chunk():
    chunks = all_chunks([AudioBlock(2.0, noise(5)), AudioBlock(60.0, noise(5))])
    assert [chunk.start_s for chunk in chunks] == [2.0, 60.0]


def test_small_wobble_of_times_is_no_gap():
    (chunk,) = all_chunks([AudioBlock(0.0, noise(5)), AudioBlock(5.2, noise(5))])
    assert len(chunk.samples) == 10 * RATE


@pytest.mark.parametrize("samples", [0, 1, 100, 1600, 3199])
def test_short_sound_is_not_cut(samples):
    assert quiet_cut(noise(1)[:samples]) == samples


class Counting(BeepRecogniser):
    def __init__(self) -> None:
        self.heard = 0

    def transcribe(self, samples: FloatArray) -> list[TextSpan]:
        self.heard += 1
        return [TextSpan(0.5, 1.5, "word")]


def test_lines_get_the_time_of_their_piece_and_none_is_beyond_the_end():
    transcript = Transcript(Counting())
    for start_s in (0.0, 30.0, 59.0, 61.0):
        transcript.recognise(Chunk(start_s, noise(2)))
    lines = [(line.start, line.end) for line in transcript.spans(duration_s=60.0)]
    assert lines == [(0.5, 1.5), (30.5, 31.5), (59.5, 60.0)]


def test_silence_is_not_given_to_the_recogniser():
    recogniser = Counting()
    transcript = Transcript(recogniser)
    transcript.recognise(Chunk(0.0, np.zeros(RATE, np.float32)))
    transcript.recognise(Chunk(1.0, 0.0005 * noise(1)))
    assert recogniser.heard == 0
    assert transcript.spans(10.0) == ()
    transcript.recognise(Chunk(2.0, 0.01 * noise(1)))
    assert recogniser.heard == 1


# --- Pictures worth reading -----------------------------------------------------------------


class WrittenReader:
    """Reads the number that the first pixel holds; 0 is no text."""

    name = "written-1"

    def __init__(self) -> None:
        self.read_times = 0

    def read(self, image: npt.NDArray[np.uint8]) -> list[str]:
        self.read_times += 1
        return [f"text {image[0, 0, 0]}"] if image[0, 0, 0] else []

    def follow(self) -> WrittenReader:
        return self


@dataclass
class Shown:
    """What is shown in one second: a text, and how the background is, in grey levels."""

    text: int = 0
    background: float = 0.0

    def frame(self, time_s: float) -> Frame:
        return Frame(time_s, np.full((2, 2, 3), self.text, np.uint8))

    def miniature(self) -> FloatArray:
        """A text fills a tenth of the picture."""
        cells = np.full((10, 10), self.background, np.float32)
        cells[-1] = 20 * self.text
        return cells


def spans_of(shown: Sequence[Shown], reader: WrittenReader | None = None) -> list[tuple]:
    text = ScreenText(reader or WrittenReader())
    for second, each in enumerate(shown):
        for due in text.add(each.frame(float(second)), each.miniature()):
            text.read(due)
    for due in text.finish():
        text.read(due)
    return [(span.start, span.end, span.text) for span in text.spans(float(len(shown)))]


def moving(texts: Sequence[int], step: float = 2 * CHANGED_CELL) -> list[Shown]:
    return [Shown(text, step * second) for second, text in enumerate(texts)]


def test_a_still_frame_is_read_once():
    reader = WrittenReader()
    assert spans_of([Shown(3)] * 50, reader) == [(0.0, 50.0, "text 3")]
    assert reader.read_times == 1


def test_noise_of_coding_is_no_change():
    reader = WrittenReader()
    shown = [Shown(3, 0.9 * CHANGED_CELL * (second % 2)) for second in range(20)]
    assert spans_of(shown, reader) == [(0.0, 20.0, "text 3")]
    assert reader.read_times == 1


def test_moving_frames_are_read_at_a_limited_pace():
    reader = WrittenReader()
    spans_of(moving([0] * 20), reader)
    assert reader.read_times == 20 / PACE_S + 1  # and the last


@pytest.mark.parametrize("start", range(1, 8))
@pytest.mark.parametrize("length", [2, 3, 5])
@pytest.mark.parametrize("step", [0.0, 2 * CHANGED_CELL])
def test_caption_is_met_and_its_times_are_right(start, length, step):
    texts = [7 if start <= second < start + length else 0 for second in range(14)]
    assert spans_of(moving(texts, step)) == [(start, start + length, "text 7")]


def test_new_scene_is_read_at_once():
    reader = WrittenReader()
    shown = [Shown(1, 0.0), Shown(2, 100.0), Shown(3, 200.0), Shown(4, 0.0)]
    assert [text for *_, text in spans_of(shown, reader)] == [
        "text 1",
        "text 2",
        "text 3",
        "text 4",
    ]


def test_the_last_frame_is_read():
    assert spans_of(moving([0, 0, 0, 5])) == [(3.0, 4.0, "text 5")]


def test_one_caption_after_another():
    assert spans_of(moving([1, 1, 1, 2, 2, 2, 0, 0])) == [
        (0.0, 3.0, "text 1"),
        (3.0, 6.0, "text 2"),
    ]


def test_text_beyond_the_end_that_the_file_tells_is_dropped():
    text = ScreenText(WrittenReader())
    for second, each in enumerate([Shown(1), Shown(0), Shown(2)]):
        for due in text.add(each.frame(10.0 * second), each.miniature()):
            text.read(due)
    assert text.spans(15.0) == (TextSpan(0.0, 10.0, "text 1"),)


# --- Whole videos ---------------------------------------------------------------------------


def extracted(path: Path, **options):
    models = options.pop("models", quick_models())
    return build_evidence(path, media.probe(path), models, **options)


def test_evidence_of_a_video(tmp_path):
    shares: list[float] = []
    path = write_video(tmp_path / "clip.mp4", seconds=5, fps=30)
    evidence = extracted(path, on_progress=shares.append)
    assert evidence.duration_s == pytest.approx(5, abs=0.1)
    assert evidence.frame_times == pytest.approx([0, 1, 2, 3, 4], abs=0.04)
    assert evidence.frame_vectors.dtype == np.float16
    assert evidence.frame_vectors.tolist() == [[1, 0], [1, 0], [0, 1], [0, 1], [0, 1]]
    assert [line.start for line in evidence.transcript] == pytest.approx(
        np.arange(0, 5, 0.5), abs=0.05
    )
    assert evidence.thumbnail_times == pytest.approx(evidence.frame_times)
    assert all(image.startswith(b"\xff\xd8") for image in evidence.thumbnails)
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(0.8, abs=0.02)


def test_video_of_one_frame(tmp_path):
    evidence = extracted(write_video(tmp_path / "one.mp4", times=[0.0], sound=[]))
    assert evidence.frame_times.tolist() == [0.0]
    assert evidence.frame_vectors.tolist() == [[1, 0]]
    assert evidence.scene_starts.tolist() == [0.0]
    assert evidence.transcript == evidence.screen_text == ()
    assert len(evidence.thumbnails) == 1


def test_video_without_sound(tmp_path):
    evidence = extracted(write_video(tmp_path / "silent.mp4", seconds=2, sound=[]))
    assert evidence.transcript == ()
    assert len(evidence.frame_times) == 2


def test_scene_starts_where_the_colours_change(tmp_path):
    chunks = [((200, 30, 30), 3), ((30, 200, 30), 2), ((30, 30, 200), 3)]
    frames = [
        Frame(float(second), np.full((90, 160, 3), colour, np.uint8))
        for second, colour in enumerate(colour for colour, count in chunks for _ in range(count))
    ]
    assert gather_frames(frames).scene_starts.tolist() == [0.0, 3.0, 5.0]


def test_movement_is_no_scene():
    picture = np.random.default_rng(0).integers(0, 255, (90, 160, 3)).astype(np.uint8)
    picture[:, :80] //= 4
    frames = [Frame(float(n), np.roll(picture, 20 * n, axis=1)) for n in range(8)]
    assert gather_frames(frames).scene_starts.tolist() == [0.0]


def test_still_frames_are_encoded_once():
    encoder = CountingEncoder()
    shades = [10] * 5 + [90] + [10] * 6 + [250] * 3
    frames = [
        Frame(float(n), np.full((90, 160, 3), shade, np.uint8)) for n, shade in enumerate(shades)
    ]
    evidence = gather_frames(frames, visual=encoder)
    assert encoder.encoded == 4
    assert evidence.frame_vectors[:, 0].tolist() == shades


def test_thumbnails_of_a_long_video_are_few():
    frames = [Frame(float(n), np.full((36, 64, 3), n % 256, np.uint8)) for n in range(1000)]
    evidence = gather_frames(frames)
    assert len(evidence.frame_times) == 1000
    assert len(evidence.thumbnails) == extract.MAX_THUMBNAILS
    assert np.diff(evidence.thumbnail_times) == pytest.approx(10)


@dataclass
class CountingEncoder(NumberEncoder):
    """A picture's vector is its first pixel's red."""

    encoded: int = 0
    most: int = 0

    def encode_frames(self, frames: Sequence[npt.NDArray[np.uint8]]) -> FloatArray:
        self.encoded += len(frames)
        self.most = max(self.most, len(frames))
        return np.array([[frame[0, 0, 0], 0] for frame in frames], np.float32)


def gather_frames(frames: Iterable[Frame], length: int | None = None, **models):
    """Evidence of frames that no file holds, one for each second."""
    length = len(frames) if length is None else length
    info = MediaInfo(float(length), 1.0, 160, 90, has_audio=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(media, "decode", lambda path, **options: iter(frames))
        return build_evidence(Path("made.mp4"), info, replace(quick_models(), **models))


def test_a_video_without_frames_is_an_error():
    with pytest.raises(MediaError, match="no frame that can be decoded"):
        gather_frames([])


def test_only_the_requested_kinds_are_extracted(tmp_path):
    path = write_video(tmp_path / "clip.mp4", seconds=2)
    reader = WrittenReader()
    models = replace(quick_models(), reader=reader)
    evidence = extracted(path, models=models, kinds=("visual",))
    assert evidence.transcript == ()
    assert reader.read_times == 0
    assert extracted(path, models=models, kinds=("conversation",)).transcript
    assert reader.read_times == 0
    extracted(path, models=models, kinds=("text_in_video",))
    assert reader.read_times > 0


class FailingReader(WrittenReader):
    def read(self, image: npt.NDArray[np.uint8]) -> list[str]:
        raise RuntimeError("the reader broke")


@pytest.mark.parametrize("seconds", [1, 12])
def test_failure_beside_ends_the_job_and_its_thread(tmp_path, seconds):
    path = write_video(tmp_path / "clip.mp4", seconds=seconds, fps=5)
    before = threading.active_count()
    with pytest.raises(RuntimeError, match="the reader broke"):
        extracted(path, models=replace(quick_models(), reader=FailingReader()))
    assert threading.active_count() == before


def test_stopping_ends_the_job_and_its_thread(tmp_path):
    class Stop(Exception):
        pass

    def stop(share: float) -> None:
        raise Stop

    before = threading.active_count()
    with pytest.raises(Stop):
        extracted(write_video(tmp_path / "clip.mp4", seconds=3), on_progress=stop)
    assert threading.active_count() == before


def test_few_frames_wait_for_a_slow_reader():
    decoded, ahead = [], []

    class SlowReader(WrittenReader):
        def read(self, image: npt.NDArray[np.uint8]) -> list[str]:
            threading.Event().wait(0.02)
            ahead.append(len(decoded) - self.read_times)
            return super().read(image)

    def frames():
        for number in range(30):
            decoded.append(number)
            shade = 0 if number % 2 else 200
            yield Frame(float(number), np.full((90, 160, 3), shade, np.uint8))

    gather_frames(frames(), length=30, reader=SlowReader())
    assert len(ahead) == 30
    # Besides those that wait: the one being read, the one being handed over, the next decoded.
    assert max(ahead) <= extract.MAX_WAITING + 3


def test_few_frames_wait_for_the_encoder():
    encoder = CountingEncoder()
    frames = [Frame(float(n), np.full((90, 160, 3), 5 * n, np.uint8)) for n in range(50)]
    gather_frames(frames, visual=encoder)
    assert encoder.encoded == 50
    assert encoder.most == extract.BATCH_FRAMES


# --- The default models on real videos ------------------------------------------------------


def overlap(spans: Sequence[TextSpan], words: str, start: float, end: float) -> float:
    """Share of a segment, and of the spans with these words, that both have in common."""
    found = [span for span in spans if words.lower() in span.text.lower()]
    common = sum(max(min(span.end, end) - max(span.start, start), 0) for span in found)
    whole = sum(span.end - span.start for span in found) + (end - start) - common
    return common / whole


@pytest.mark.parametrize(
    ("name", "written", "said"),
    [
        (
            "d039.mp4",
            [
                ("Conservation of mechanical energy", 0.0, 10.0),
                ("Potential energy E = m g h", 10.0, 23.0),
                ("150 joules of kinetic energy", 23.0, 36.0),
            ],
            "conservation of mechanical energy",
        ),
        (
            "d042.mp4",
            [
                ("WEATHER FORECAST Monday: sunny, 24 degrees", 4.0, 11.0),
                ("WEATHER FORECAST Tuesday: rain showers, 16 degrees", 11.0, 18.0),
            ],
            "",
        ),
    ],
)
def test_real_video(corpus, real_models, name, written, said):
    evidence = extracted(corpus / "videos" / name, models=real_models)
    for words, start, end in written:
        assert overlap(evidence.screen_text, words, start, end) > 0.85, words
    spoken = " ".join(line.text for line in evidence.transcript).lower()
    assert said in spoken
    assert bool(said) == bool(spoken)
    assert np.isfinite(evidence.frame_vectors.astype(np.float32)).all()
    assert evidence.models == real_models.names()


def test_nothing_is_read_where_nothing_is_written(corpus, real_models):
    evidence = extracted(corpus / "videos" / "d004.mp4", models=real_models)
    assert evidence.screen_text == evidence.transcript == ()


@pytest.mark.parametrize(
    ("marked", "known", "lines"),
    [("fre", "eng", 0), ("eng", "eng", 1), ("en", "eng", 1), ("und", "eng", 1), ("fre", "", 1)],
)
def test_speech_in_a_language_that_is_not_known_is_marked(
    tmp_path: Path, marked: str, known: str, lines: int
) -> None:
    film = write_video(tmp_path / "film.mp4", seconds=1)
    path = join_tracks(tmp_path / "a.mp4", [film], languages={1: marked})
    recogniser = BeepRecogniser()
    recogniser.language = known
    models = replace(quick_models(), speech=recogniser)
    report = media.DecodeReport()
    info = media.probe(path)
    evidence = build_evidence(path, info, models, report=report)
    assert (len(evidence.transcript) > 0) == bool(lines)
    expected = "its audio is marked as language 'fre', which the speech recogniser does not know"
    assert report.damage(info) == ("" if lines else expected)
