"""Classifications out of v1.3: by segments and by search, what is paid, and what goes wrong."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from core.classes import PromptClass
from core.classification import Clip, Thresholds
from core.types import ClassifyRequest, Video
from platforms.v13.client import TwelveLabsV13Client
from platforms.v13.search import DISTRACTORS, Hit, best_ranks, cut, kinds_of, queries_in
from platforms.v13.segments import Part, clips_of, definition
from tests.support.fake_v13 import V13Platform, clients_of, running_platform
from twelvelabs_client import ApiError, AuthError, BadRequest, BadResponse

OPTIONS = ("visual", "conversation", "text_in_video")
EARLY = PromptClass("Early", ("early pictures", "the start"))
LATE = PromptClass("Late", ("late",))
NEVER = PromptClass("Never", ("a giraffe",))
ANYTHING = Thresholds(0.0, 0.0, 0.0)
REQUEST = ClassifyRequest((EARLY, LATE, NEVER), OPTIONS, thresholds=ANYTHING)


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[V13Platform]:
    with running_platform(tmp_path) as platform:
        platform.is_video = False
        models = [{"model_name": "marengo3.0", "model_options": ["visual", "audio"]}]
        platform.indexes["i"] = {"_id": "i", "index_name": "films", "models": models}
        yield platform


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def connect(
    platform: V13Platform, waits: list[float]
) -> Iterator[Callable[..., TwelveLabsV13Client]]:
    with clients_of(platform, waits) as connect:
        yield connect


def add_video(platform: V13Platform, name: str = "a.mp4", **metadata: Any) -> str:
    """A ready video of ten seconds; its id."""
    asset = platform.make_asset(name, name.encode(), "direct")
    platform.get_asset({}, None, asset["_id"])
    _, made = platform.index_asset({}, {"asset_id": asset["_id"]}, "i")
    video = platform.indexed[made["_id"]]
    video["status"] = "ready"
    video["system_metadata"] |= metadata
    return str(made["_id"])


def run(
    client: TwelveLabsV13Client,
    *classes: PromptClass,
    options: tuple[str, ...] = OPTIONS,
    conversation_option: str = "semantic",
    thresholds: Thresholds = ANYTHING,
    **choices: Any,
) -> list[dict[str, Any]]:
    """Classify with clips, by REQUEST where nothing else is said."""
    request = ClassifyRequest(classes or REQUEST.classes, options, conversation_option, thresholds)
    return client.classify_index("i", request, **{"include_clips": True, **choices})


def requests_of(platform: V13Platform) -> list[dict[str, Any]]:
    return platform.sent("POST", "/analyze/tasks")


# Segments


def test_a_classification_is_derived_from_segments(
    platform: V13Platform, connect: Callable[..., TwelveLabsV13Client]
) -> None:
    video_id = add_video(platform)
    client = connect()
    clip = {"score": 90.0, "option": "visual"}
    assert run(client, show_detailed_score=True) == [
        {
            "video_id": video_id,
            "classes": [
                {
                    "name": name,
                    "score": 91.67,
                    "duration_ratio": 0.5,
                    "clips": [{"start": start, "end": start + 5.0, "prompt": prompt, **clip}],
                    "detailed_scores": {
                        "max_score": 90.0,
                        "avg_score": 90.0,
                        "normalized_score": 50.0,
                    },
                }
                for name, start, prompt in (
                    ("Early", 0.0, "early pictures"),
                    ("Late", 5.0, "late"),
                )
            ],
        }
    ]
    assert client.scores.startswith("self-rated")
    assert "not calibrated" in client.scores


def test_the_request_is_as_specified(
    platform: V13Platform, connect: Callable[..., TwelveLabsV13Client]
) -> None:
    add_video(platform)
    run(connect())
    (body,) = requests_of(platform)
    assert len(body.pop("custom_id")) == 64
    formats = body.pop("response_format")
    assert body == {
        "model_name": "pegasus1.5",
        "analysis_mode": "time_based_metadata",
        "video": {"type": "asset_id", "asset_id": next(iter(platform.assets))},
        "min_segment_duration": 2,
        "max_tokens": 32768,
    }
    assert formats["type"] == "segment_definitions"
    assert formats["segment_time_format"] == "seconds"
    assert [each["id"] for each in formats["segment_definitions"]] == [
        "class_0",
        "class_1",
        "class_2",
    ]


@pytest.mark.parametrize(
    ("options", "conversation_option", "judged_by"),
    [
        (["visual"], "semantic", "what is seen in the picture"),
        (["text_in_video"], "semantic", "what is written on the screen"),
        (["conversation"], "semantic", "what is said"),
        (["conversation"], "exact_match", "one of these phrases being said word for word"),
        (["visual", "conversation"], "semantic", "what is seen in the picture, or what is said"),
    ],
)
def test_options_and_prompts_are_in_the_description(
    options: list[str], conversation_option: str, judged_by: str
) -> None:
    made = definition(4, EARLY, ClassifyRequest((EARLY,), tuple(options), conversation_option))
    assert made["id"] == "class_4"
    assert made["description"] == f"Early: early pictures; the start. Judge by {judged_by} only."
    fields = {field["name"]: field for field in made["fields"]}
    assert fields["confidence"]["type"] == "integer"
    assert fields["prompt"]["enum"] == list(EARLY.prompts)
    assert ("evidence" in fields) is (len(options) > 1)


def test_one_prompt_and_one_option_need_no_choice() -> None:
    made = definition(0, LATE, ClassifyRequest((LATE,), ("visual",)))
    assert [field["name"] for field in made["fields"]] == ["confidence"]


def test_other_thresholds_and_choices_are_not_paid_again(
    platform: V13Platform, connect: Callable[..., TwelveLabsV13Client]
) -> None:
    add_video(platform)
    client = connect()
    without = run(client, include_clips=False)
    assert without[0]["classes"][0].keys() == {"name", "score", "duration_ratio"}
    assert run(client, thresholds=Thresholds(95.0, 65.0, 0.5)) == []
    assert len(run(client, thresholds=Thresholds())) == 1
    assert len(platform.analyses) == 1


def test_a_later_run_finds_what_an_earlier_one_has_paid(
    platform: V13Platform, connect: Callable[..., TwelveLabsV13Client]
) -> None:
    add_video(platform)
    first = run(connect())
    assert run(connect(), thresholds=ANYTHING) == first
    assert len(platform.analyses) == 1
    run(connect(), LATE)
    assert len(platform.analyses) == 2, "other classes are another request"


def test_only_the_wanted_videos_are_paid(
    platform: V13Platform, connect: Callable[..., TwelveLabsV13Client]
) -> None:
    wanted, _ = add_video(platform), add_video(platform, "b.mp4")
    client = connect()
    assert [video["video_id"] for video in run(client, only={wanted})] == [wanted]
    assert len(platform.analyses) == 1
    assert [found["video_id"] for found in client.classify_videos([wanted], REQUEST)] == [wanted]
    assert len(platform.analyses) == 1
    with pytest.raises(ApiError, match="no index of this account holds the videos nowhere"):
        client.classify_videos(["nowhere"], REQUEST)


def test_more_than_twenty_classes_are_asked_in_several_requests(
    platform: V13Platform, connect: Callable[..., TwelveLabsV13Client]
) -> None:
    add_video(platform)
    classes = [PromptClass(f"Class {n}", (f"early {n}",)) for n in range(45)]
    (video,) = run(connect(), *classes)
    assert sorted(found["name"] for found in video["classes"]) == sorted(
        each.name for each in classes
    )
    numbers = [
        len(body["response_format"]["segment_definitions"]) for body in requests_of(platform)
    ]
    assert numbers == [20, 20, 5]


@pytest.mark.parametrize(
    ("limits", "requests"),
    [
        ({"most_definitions": 1}, 5),  # 3, then 1 and 2, then 1 and 1
        ({"longest_window_s": 5.0}, 3 + 2 + 6),  # to single classes, then each in two halves
    ],
)
def test_an_analysis_that_is_cut_off_is_repeated_in_smaller_parts(
    platform: V13Platform,
    connect: Callable[..., TwelveLabsV13Client],
    limits: dict[str, Any],
    requests: int,
) -> None:
    add_video(platform)
    expected = {entry["name"]: entry["duration_ratio"] for entry in run(connect())[0]["classes"]}
    platform.analyses.clear()
    del platform.calls[:]
    vars(platform).update(limits)
    (video,) = run(connect())
    assert {each["name"]: each["duration_ratio"] for each in video["classes"]} == expected
    assert len(requests_of(platform)) == requests
    del platform.calls[:]
    assert run(connect()) == [video]
    assert requests_of(platform) == [], "the parts are found again as well"


def test_an_analysis_that_is_always_cut_off_leaves_the_video_out(
    platform: V13Platform, connect: Callable[..., TwelveLabsV13Client]
) -> None:
    video_id = add_video(platform)
    platform.longest_window_s = 0.0
    client = connect()
    assert run(client) == []
    assert "cut off even for the smallest request" in client.unclassified[video_id]


def fails(task: dict[str, Any]) -> None:
    task |= {"status": "failed", "error": {"message": "Video too dark"}}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (fails, "the analysis failed: Video too dark"),
        (lambda task: task.update(status="failed"), "gives no reason"),
        (lambda task: task["result"].update(data="no JSON"), "cannot be read"),
        (lambda task: task["result"].update(data="[]"), "not a JSON object"),
        (lambda task: task["result"].update(data='{"class_0": {}}'), "not a list"),
        (lambda task: task["result"].update(data='{"class_0": [1]}'), "'Early' lacks times"),
        (
            lambda task: task.update(status="processing-for-ever"),
            "will be found and not paid for twice",
        ),
    ],
)
def test_an_analysis_that_fails_leaves_out_its_video_only(
    platform: V13Platform,
    connect: Callable[..., TwelveLabsV13Client],
    change: Callable[[dict[str, Any]], None],
    reason: str,
) -> None:
    good, bad = add_video(platform), add_video(platform, "b.mp4")
    asset_id = platform.indexed[bad]["asset_id"]
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds
        for task in platform.analyses.values():
            if task["video_source"]["asset_id"] == asset_id:
                change(task)

    client = connect(sleep=sleep)
    client._finder._clock, client._finder._patience_s = lambda: now[0], 60
    assert [video["video_id"] for video in run(client)] == [good]
    assert client.unclassified.keys() == {bad}
    assert reason in client.unclassified[bad]
    requests = len(requests_of(platform))
    assert [video["video_id"] for video in run(client)] == [good]
    assert len(requests_of(platform)) == requests, (
        "what failed is not paid for again in the same run"
    )


def test_a_video_the_platform_refuses_is_left_out_but_a_plan_limit_ends_it(
    platform: V13Platform, connect: Callable[..., TwelveLabsV13Client]
) -> None:
    video_id = add_video(platform)
    platform.faults = [("POST", "/analyze/tasks", 422)]
    client = connect()
    assert run(client) == []
    assert "cannot be analysed" in client.unclassified[video_id]
    platform.refusal = (400, "usage_limit_exceeded")
    with pytest.raises(BadRequest, match="plan of this account"):
        run(connect())


def test_an_expired_key_ends_it(
    platform: V13Platform, connect: Callable[..., TwelveLabsV13Client]
) -> None:
    add_video(platform)
    platform.faults = [("POST", "/analyze/tasks", 401)]
    with pytest.raises(AuthError, match="have expired"):
        run(connect())


@pytest.mark.parametrize(
    "fault", ["cut", "accept, then cut", "half a response", "say nothing", 429, 503]
)
def test_an_analysis_is_paid_once_whatever_breaks(
    platform: V13Platform, connect: Callable[..., TwelveLabsV13Client], fault: str | int
) -> None:
    add_video(platform)
    platform.faults = [("POST", "/analyze/tasks", fault)]
    assert len(run(connect(read_timeout_s=0.3))) == 1
    assert (len(platform.analyses), platform.faults) == (1, [])


def test_looks_that_break_are_repeated(
    platform: V13Platform, connect: Callable[..., TwelveLabsV13Client]
) -> None:
    add_video(platform)
    platform.faults = [("GET", "/analyze/tasks/", fault) for fault in ("cut", 429, 500, "wait")]
    assert len(run(connect())) == 1
    assert platform.faults == []


def test_a_few_analyses_are_in_work_at_a_time(
    platform: V13Platform, connect: Callable[..., TwelveLabsV13Client], waits: list[float]
) -> None:
    ids = {add_video(platform, f"{number}.mp4") for number in range(12)}
    most = 0

    def sleep(seconds: float) -> None:
        nonlocal most
        running = [task for task in platform.analyses.values() if task["status"] != "ready"]
        most = max(most, len(running))

    assert {video["video_id"] for video in run(connect(sleep=sleep))} == ids
    assert most == 5


@pytest.mark.parametrize(
    ("classify_by", "missing"),
    [("segmentation", "duration"), ("segmentation", "asset"), ("search", "duration")],
)
def test_a_video_that_cannot_be_judged_is_left_out(
    platform: V13Platform,
    connect: Callable[..., TwelveLabsV13Client],
    classify_by: str,
    missing: str,
) -> None:
    video_id = add_video(platform, **({"duration": None} if missing == "duration" else {}))
    if missing == "asset":
        del platform.indexed[video_id]["asset_id"]
    client = connect(classify_by=classify_by)
    assert run(client) == []
    assert client.unclassified == {video_id: f"the platform does not tell its {missing}"}
    assert requests_of(platform) == []


def part(window: tuple[float, float] | None = None) -> Part:
    request = ClassifyRequest((EARLY,), ("visual", "conversation"))
    return Part(Video("v", duration_s=10.0, asset_id="a"), request, window=window)


def segment(start: Any = 1.0, end: Any = 4.0, **metadata: Any) -> dict[str, Any]:
    return {"start_time": start, "end_time": end, "metadata": {"confidence": 80, **metadata}}


@pytest.mark.parametrize(
    ("given", "clip"),
    [
        (segment(), (1.0, 4.0, 80.0, "visual", "early pictures, the start")),
        (
            segment(prompt="the start", evidence="conversation"),
            (1.0, 4.0, 80.0, "conversation", "the start"),
        ),
        (
            segment(prompt="other", evidence="smell"),
            (1.0, 4.0, 80.0, "visual", "early pictures, the start"),
        ),
        (segment(-1, 40), (0.0, 10.0, 80.0, "visual", "early pictures, the start")),
        (segment(confidence=140), (1.0, 4.0, 100.0, "visual", "early pictures, the start")),
        (segment(confidence=-4), (1.0, 4.0, 0.0, "visual", "early pictures, the start")),
        (segment(4, 4), None),
        (segment(11, 12), None),
    ],
)
def test_segments_become_clips(given: dict[str, Any], clip: tuple[Any, ...] | None) -> None:
    (clips,) = clips_of(part(), json.dumps({"class_0": [given]})).values()
    assert clips == ([Clip(*clip)] if clip else [])


@pytest.mark.parametrize(
    "given",
    [
        {"start_time": 1, "end_time": 2},
        {"start_time": 1, "metadata": {"confidence": 1}},
        segment(confidence="very"),
        segment(confidence=None),
        segment(float("nan")),
        segment("00:01"),
    ],
)
def test_segments_that_make_no_sense_are_errors(given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="'Early' lacks times or a confidence"):
        clips_of(part(), json.dumps({"class_0": [given]}))


def test_times_that_are_not_the_videos_own_are_errors() -> None:
    with pytest.raises(ValueError, match="lies outside of 5-10 s"):
        clips_of(part((5.0, 10.0)), {"class_0": [segment(0.0, 5.0)]})


# Search


def search_platform(platform: V13Platform) -> list[str]:
    """Two videos; "early" is found first in the first one, the distractors at its end."""
    ids = [add_video(platform), add_video(platform, "b.mp4")]
    moments = [
        (video_id, float(start), start + 2.0) for video_id in ids for start in range(0, 10, 2)
    ]
    by_default = moments[::-1]
    platform.rankings = dict.fromkeys(DISTRACTORS, by_default)
    platform.rankings |= {"early pictures": moments, "the start": by_default, "late": by_default}
    platform.rankings["a giraffe"] = by_default
    return ids


def test_a_classification_is_derived_from_ranks(
    platform: V13Platform, connect: Callable[..., TwelveLabsV13Client]
) -> None:
    ids = search_platform(platform)
    client = connect(classify_by="search")
    (video,) = run(client, options=("visual",))
    assert video["video_id"] == ids[0]
    (found,) = video["classes"]
    assert found["name"] == "Early", "what ranks no better than distractors is cut"
    assert found["clips"] == [
        {
            "start": 2.0 * place,
            "end": 2.0 * place + 2,
            "score": score,
            "option": "visual",
            "prompt": "early pictures",
        }
        for place, score in enumerate((100.0, 90.0, 80.0, 70.0, 60.0))
    ]
    assert found["duration_ratio"] == 1.0
    assert client.scores.startswith("by rank: search gives no score")
    fields = [body[0] for body in platform.sent("POST", "/search")]
    assert len(fields) == queries_in(4, ["visual"]) == 7
    assert fields[0] == {
        "index_id": "i",
        "query_text": "early pictures",
        "search_options": "visual",
        "group_by": "clip",
        "page_limit": "50",
        "filter": json.dumps({"id": sorted(ids)}),
    }
    run(client, options=("visual",), include_clips=False)
    assert len(platform.sent("POST", "/search")) == 7


@pytest.mark.parametrize(
    ("options", "kinds"),
    [
        (["visual"], {"visual": "visual"}),
        (["text_in_video"], {"visual": "text_in_video"}),
        (["visual", "text_in_video"], {"visual": "visual"}),
        (["conversation"], {"transcription": "conversation"}),
        (list(OPTIONS), {"visual": "visual", "transcription": "conversation"}),
    ],
)
def test_options_become_kinds_of_search(options: list[str], kinds: dict[str, str]) -> None:
    assert kinds_of(options) == kinds
    assert queries_in(10, options) == 13 * len(kinds)


@pytest.mark.parametrize(
    ("conversation_option", "sent"), [("semantic", "semantic"), ("exact_match", "lexical")]
)
def test_speech_is_searched_as_asked(
    platform: V13Platform,
    connect: Callable[..., TwelveLabsV13Client],
    conversation_option: str,
    sent: str,
) -> None:
    search_platform(platform)
    client = connect(classify_by="search")
    run(client, LATE, options=("conversation",), conversation_option=conversation_option)
    (fields, _), *_ = platform.sent("POST", "/search")
    assert (fields["search_options"], fields["transcription_options"]) == ("transcription", sent)


def test_scores_of_an_older_index_are_used_as_they_are(
    platform: V13Platform, connect: Callable[..., TwelveLabsV13Client]
) -> None:
    ids = search_platform(platform)
    platform.scored = {rank: 84.0 - rank for rank in range(1, 11)}
    client = connect(classify_by="search")
    given: dict[str, Any] = {"options": ("visual",), "thresholds": Thresholds(75.0, 79.0, 0.5)}
    (video,) = run(client, EARLY, only={ids[0]}, **given)
    assert video["classes"][0]["clips"][0]["score"] == 83.0
    assert len(platform.sent("POST", "/search")) == 2, "no distractor is paid"
    assert client.scores.startswith("the search scores of an older index")


def test_all_pages_are_read_and_dead_tokens_start_the_query_again(
    platform: V13Platform, connect: Callable[..., TwelveLabsV13Client]
) -> None:
    video_id = add_video(platform, duration=400.0)
    moments = [(video_id, float(start), start + 1.0) for start in range(120)]
    platform.rankings = {"late": moments} | {text: [] for text in DISTRACTORS}
    platform.faults = [("GET", "/search/", 400), ("GET", "/search/", "accept, then cut")]
    (video,) = run(connect(classify_by="search"), LATE, options=("visual",))
    assert len(video["classes"][0]["clips"]) == 120
    assert platform.faults == []


def test_tokens_that_always_die_are_an_error(
    platform: V13Platform, connect: Callable[..., TwelveLabsV13Client]
) -> None:
    video_id = add_video(platform)
    platform.rankings = {"late": [(video_id, 0.0, 1.0)] * 60}
    platform.faults = [("GET", "/search/", 400)] * 3
    with pytest.raises(BadRequest, match=r"GET .*/search/"):
        run(connect(classify_by="search"), LATE, options=("visual",))
    assert platform.faults == []


def test_a_result_without_times_is_an_error(
    platform: V13Platform, connect: Callable[..., TwelveLabsV13Client]
) -> None:
    video_id = add_video(platform)
    platform.rankings = {"late": [(video_id, None, 1.0)]}  # type: ignore[list-item]
    with pytest.raises(BadResponse, match="lacks its video_id, start or end"):
        run(connect(classify_by="search"), LATE, options=("visual",))


def test_an_empty_index_has_no_clips_and_costs_nothing(
    platform: V13Platform, connect: Callable[..., TwelveLabsV13Client]
) -> None:
    assert run(connect()) == run(connect(classify_by="search")) == []
    assert platform.sent("POST", "/") == []


def hit(start: float, rank: int, video_id: str = "v") -> Hit:
    return Hit(video_id, start, start + 1.5, rank, None)


def test_the_cut_is_by_moment() -> None:
    best = best_ranks([hit(0.0, 3), hit(1.0, 1), hit(4.0, 9)])
    assert best == {("v", 0): 3, ("v", 1): 1, ("v", 2): 1, ("v", 4): 9, ("v", 5): 9}
    hits = [hit(0.0, 1), hit(4.0, 8), hit(4.0, 9), hit(7.0, 50), hit(0.0, 40, "w")]
    assert cut(hits, best) == [hit(4.0, 8), hit(7.0, 50), hit(0.0, 40, "w")]
