"""Classification of indexed videos: every class is judged by its clips of all kinds of evidence."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np
import pytest

from core.classification import Thresholds, classify
from engine.catalog.tables import Video
from engine.evidence import Evidence, TextSpan, write_evidence
from engine.models.protocols import Models
from engine.pooling import prepare
from engine.retrieval.classify import Classifier, ClassQuery
from engine.retrieval.prompts import PromptSet
from engine.service import EngineSpec, Service
from tests.support.fakes import quick_models

BOTH = ("visual", "conversation")
QUERIES = [
    ClassQuery("First half", ("early", "early and late"), ("visual",)),
    ClassQuery("Beeps", ("beep",), ("conversation",)),
    ClassQuery("Beeps from the start", ("early beep",), BOTH),
    ClassQuery("Nothing", ("neither",), BOTH),
]


@pytest.fixture(scope="module")
def models() -> Models:
    return quick_models()


def evidence(models: Models, early_s: int, beeps: range, duration_s: int = 20) -> Evidence:
    """A video that shows early pictures first, and beeps in some seconds."""
    early = np.arange(duration_s) < early_s
    made = Evidence(
        duration_s=float(duration_s),
        frame_times=np.arange(duration_s, dtype=np.float32),
        frame_vectors=np.stack([early, ~early], axis=1).astype(np.float16),
        scene_starts=np.array([0, early_s], np.float32),
        transcript=tuple(TextSpan(at, at + 1.0, "beep") for at in map(float, beeps)),
        screen_text=(),
        thumbnail_times=np.zeros(0, np.float32),
        thumbnails=(),
        models=models.names(),
    )
    return prepare(made, models)


@pytest.fixture(scope="module")
def stored(
    models: Models, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Classifier, str, dict[str, Evidence]]]:
    """A classifier, the index it is asked about, and the evidence of the index's videos."""
    data_dir = tmp_path_factory.mktemp("engine")
    made = [
        evidence(models, 6, range(14, 20)),
        evidence(models, 20, range(20)),
        evidence(models, 0, range(0)),
        evidence(models, 9, range(0), duration_s=10),
    ]
    with Service(data_dir, models, workers=1) as service:
        index = service.create_index("videos", [EngineSpec("marengo2.6", BOTH)])
        by_id = {}
        for at, each in enumerate(made):
            by_id[_add(service, index.id, f"{at}.mp4", each)] = each
        for video_id, each in by_id.items():
            write_evidence(data_dir / "evidence" / f"{video_id}.safetensors", each)
        yield service.classifier, index.id, by_id


def _add(service: Service, index_id: str, name: str, evidence: Evidence) -> str:
    with service._catalog.transaction() as session:
        video = Video(
            index_id=index_id,
            filename=name,
            duration=evidence.duration_s,
            fps=25.0,
            width=640,
            height=360,
            size=1,
        )
        session.add(video)
    return video.id


@pytest.mark.parametrize(
    "thresholds",
    [Thresholds(), Thresholds(0, 0, 0), Thresholds(0, 50, 0.25), Thresholds(0, 0, 1.0)],
)
def test_classes_are_those_that_a_look_at_all_clips_gives(stored, models, thresholds):
    classifier, index_id, videos = stored
    expected = {}
    for video_id, evidence in videos.items():
        clips = defaultdict(list)
        for query in QUERIES:
            for option in query.options:
                prompt_set = PromptSet({query.name: query.prompts}, option, models)
                clips[query.name] += prompt_set.clips(evidence)[query.name]
        if classes := classify(clips, evidence.duration_s, thresholds):
            expected[video_id] = tuple(classes)
    found = classifier.index(index_id, QUERIES, thresholds)
    assert {video.video_id: video.classes for video in found} == expected
    assert expected


def test_two_kinds_of_evidence_together_make_a_class_last(stored):
    classifier, _, videos = stored
    alone = [ClassQuery("Beeps", ("early beep",), (option,)) for option in BOTH]
    together = [ClassQuery("Beeps", ("early beep",), BOTH)]
    first = next(iter(videos))
    for query in alone:
        assert classifier.videos([first], [query], Thresholds(0, 50, 0.5)) == []
    ((found,),) = [
        video.classes for video in classifier.videos([first], together, Thresholds(0, 50, 0.5))
    ]
    assert found.duration_ratio == 0.6
    assert {clip.option for clip in found.clips} == set(BOTH)
