"""One contract, three clients: what the pipeline relies on holds on v1.1, v1.2 and v1.3.

The first two speak to the real engine with quick models, the third to the fake of v1.3.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from core.classes import PromptClass
from core.classification import Thresholds
from core.types import ClassifyRequest, Task
from engine.api import ApiOptions
from engine.server import served
from engine.service import Service
from platforms.v13.client import TwelveLabsV13Client
from tests.support.fake_v13 import KEY, running_platform
from tests.support.fakes import quick_models
from tests.support.media import write_video
from twelvelabs_client import (
    ApiConnectionError,
    ApiError,
    AuthError,
    Conflict,
    NotFound,
    TwelveLabsClient,
)

OPTIONS = ("visual", "conversation", "text_in_video")
EARLY = PromptClass("Early", ("early pictures",))
LATE = PromptClass("Late", ("late",))
NEVER = PromptClass("Never", ("a giraffe",))
REQUEST = ClassifyRequest((EARLY, LATE, NEVER), OPTIONS, thresholds=Thresholds(0.0, 1.0, 0.0))
VISUAL = replace(REQUEST, options=("visual",))
SECONDS = 4.0  # two of early pictures, two of late ones


@dataclass(frozen=True)
class Spoken:
    """A platform of one version and how to reach it."""

    version: str
    url: str

    def connect(self, key: str = KEY, **choices: Any) -> TwelveLabsClient:
        kind = TwelveLabsV13Client if self.version == "v1.3" else TwelveLabsClient
        given = {"poll_s": 0.0} if self.version == "v1.3" else {}
        return kind(self.url, key, **{"max_retries": 2, **given, **choices})  # type: ignore[arg-type]


@pytest.fixture(scope="module", params=["v1.1", "v1.2", "v1.3"])
def spoken(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Spoken]:
    folder = tmp_path_factory.mktemp("platform")
    if request.param == "v1.3":
        with running_platform(folder) as platform:
            yield Spoken("v1.3", platform.url)
        return
    with (
        Service(folder, quick_models(), workers=2) as service,
        served(service, ApiOptions(KEY)) as url,
    ):
        yield Spoken(request.param, f"{url}/{request.param}")


@pytest.fixture(scope="module")
def client(spoken: Spoken) -> Iterator[TwelveLabsClient]:
    with spoken.connect() as client:
        yield client


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("media") / "numbers.mp4"
    return write_video(path, seconds=SECONDS, fps=30, gop=15)


@pytest.fixture
def index_id(client: TwelveLabsClient, request: pytest.FixtureRequest) -> Iterator[str]:
    made = client.create_index(request.node.name, OPTIONS)
    yield made
    client.delete_index(made)


def ended(client: TwelveLabsClient, index_id: str, task_id: str) -> Task:
    """The task once it is ready or failed, by the list as `monitor` asks for it."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        (task,) = (task for task in client.tasks(index_id) if task.task_id == task_id)
        if task.has_ended:
            return task
        time.sleep(0.02)
    raise AssertionError(f"still {task.status}")


def failure_of(client: TwelveLabsClient, index_id: str, path: Path) -> str:
    """Why a file is refused, at once or by its task; "" where it is not."""
    try:
        task = ended(client, index_id, client.upload_video(index_id, path))
    except ApiError as error:
        return str(error)
    return task.error


@pytest.fixture(scope="module")
def shared(client: TwelveLabsClient, video: Path) -> tuple[str, str]:
    """An index with one ready video; both ids. For tests that change nothing."""
    made = client.create_index("shared", OPTIONS)
    task = ended(client, made, client.upload_video(made, video, 'sub/ž "1".mp4'))
    return made, task.video_id


# Indexes


def test_an_index_is_made_found_renamed_and_deleted(client: TwelveLabsClient) -> None:
    assert client.find_index("life of an index") is None
    made = client.create_index("life of an index", OPTIONS)
    found = client.find_index("life of an index")
    assert found is not None
    assert (found.index_id, client.index(made).name) == (made, "life of an index")
    with pytest.raises(Conflict):
        client.create_index("life of an index", OPTIONS)
    client.rename_index(made, "renamed")
    assert client.find_index("renamed").index_id == made  # type: ignore[union-attr]
    client.delete_index(made)
    assert client.find_index("renamed") is None


def test_all_indexes_are_listed_over_pages(client: TwelveLabsClient) -> None:
    made = {client.create_index(f"one of many {number}", ["visual"]) for number in range(7)}
    listed = [index.index_id for index in client.indexes(page_limit=3)]
    assert made <= set(listed)
    assert len(listed) == len(set(listed))
    for index_id in made:
        client.delete_index(index_id)


def test_every_option_asked_for_is_usable(
    client: TwelveLabsClient, shared: tuple[str, str]
) -> None:
    assert client.index(shared[0]).options >= set(OPTIONS)


# Uploads


def test_a_video_goes_from_file_to_list(
    client: TwelveLabsClient, index_id: str, video: Path
) -> None:
    seen: list[tuple[int, int]] = []
    task_id = client.upload_video(
        index_id, video, "a b/ü.mp4", on_progress=lambda *at: seen.append(at)
    )
    assert seen == sorted(seen)
    assert seen[-1][0] == seen[-1][1] >= video.stat().st_size
    task = ended(client, index_id, task_id)
    assert (task.status, task.index_id) == ("ready", index_id)
    assert task.filename == "a b/ü.mp4"
    (listed,) = client.videos(index_id)
    assert listed.video_id == task.video_id
    assert (listed.filename, listed.size) == ("a b/ü.mp4", video.stat().st_size)
    assert listed.duration_s == pytest.approx(SECONDS, abs=0.1)
    assert listed.fps == pytest.approx(30)
    assert listed.created_at is not None
    assert client.video(index_id, listed.video_id) == listed
    assert client.task(task_id).status == "ready"
    assert list(client.videos(index_id, filename="a b/ü.mp4")) == [listed]
    assert list(client.videos(index_id, filename="other.mp4")) == []
    client.delete_video(index_id, listed.video_id)
    assert list(client.videos(index_id)) == []


def test_a_pool_may_share_a_client(client: TwelveLabsClient, index_id: str, video: Path) -> None:
    names = [f"{number}.mp4" for number in range(4)]
    with ThreadPoolExecutor(4) as pool:
        tasks = list(pool.map(lambda name: client.upload_video(index_id, video, name), names))
    assert len(set(tasks)) == len(names)
    for task_id in tasks:
        assert ended(client, index_id, task_id).status == "ready"
    assert sorted(each.filename for each in client.videos(index_id)) == names


def test_a_file_that_is_no_video_is_refused_with_a_reason(
    client: TwelveLabsClient, index_id: str, tmp_path: Path
) -> None:
    diary = tmp_path / "diary.mp4"
    diary.write_text("Dear diary")
    assert "video" in failure_of(client, index_id, diary)
    assert list(client.videos(index_id)) == []


@pytest.mark.parametrize("name", ["a\nb.mp4", "a%22b.mp4", "a\udcff.mp4"])
def test_a_name_that_no_form_carries_is_refused(
    client: TwelveLabsClient, shared: tuple[str, str], video: Path, name: str
) -> None:
    with pytest.raises(ApiError, match="rename the file"):
        client.upload_video(shared[0], video, name)


def test_a_file_that_is_gone_is_the_systems_error(
    client: TwelveLabsClient, shared: tuple[str, str], tmp_path: Path
) -> None:
    with pytest.raises(FileNotFoundError):
        client.upload_video(shared[0], tmp_path / "gone.mp4")


# Classification


def test_classes_come_with_their_proof(client: TwelveLabsClient, shared: tuple[str, str]) -> None:
    (found,) = client.classify_index(
        shared[0], VISUAL, include_clips=True, show_detailed_score=True
    )
    assert found["video_id"] == shared[1]
    assert sorted(each["name"] for each in found["classes"]) == ["Early", "Late"]
    scores = [each["score"] for each in found["classes"]]
    assert scores == sorted(scores, reverse=True)
    for each, start in zip(sorted(found["classes"], key=lambda c: c["name"]), (0, 2), strict=True):
        assert each.keys() == {"name", "score", "duration_ratio", "clips", "detailed_scores"}
        assert each["duration_ratio"] == pytest.approx(0.5, abs=0.15)
        clip = each["clips"][0]
        assert {"start", "end", "score", "option", "prompt"} <= clip.keys()
        assert clip["option"] == "visual"
        assert abs(clip["start"] - start) <= 0.6
        assert 0 <= clip["start"] < clip["end"] <= SECONDS + 0.1
        assert clip["prompt"] in EARLY.prompts + LATE.prompts
        assert each["detailed_scores"]["max_score"] == clip["score"]
    shares = [each["detailed_scores"]["normalized_score"] for each in found["classes"]]
    assert sum(shares) == pytest.approx(100)


def test_keys_that_were_not_asked_for_are_absent(
    client: TwelveLabsClient, shared: tuple[str, str]
) -> None:
    (found,) = client.classify_index(shared[0], REQUEST)
    assert all(each.keys() == {"name", "score", "duration_ratio"} for each in found["classes"])


@pytest.mark.parametrize(
    "strict", [Thresholds(100.0, 1.0, 0.0), Thresholds(0.0, 100.0, 0.0), Thresholds(0.0, 1.0, 0.95)]
)
def test_each_threshold_leaves_out_what_is_below_it(
    client: TwelveLabsClient, shared: tuple[str, str], strict: Thresholds
) -> None:
    assert client.classify_index(shared[0], replace(VISUAL, thresholds=strict)) == []


def test_some_videos_and_a_whole_index_get_the_same_response(
    client: TwelveLabsClient, shared: tuple[str, str]
) -> None:
    whole = client.classify_index(shared[0], REQUEST, include_clips=True)
    assert client.classify_index(shared[0], REQUEST, include_clips=True, only={shared[1]}) == whole
    assert client.classify_index(shared[0], REQUEST, include_clips=True, only=set()) == []
    assert client.classify_videos([shared[1]], REQUEST, include_clips=True) == whole
    assert client.unclassified == {}


# What goes wrong


@pytest.mark.parametrize(
    "do",
    [
        lambda client, index_id: client.index("0" * 24),
        lambda client, index_id: client.task("0" * 24),
        lambda client, index_id: client.video(index_id, "0" * 24),
        lambda client, index_id: list(client.videos("0" * 24)),
        lambda client, index_id: client.delete_index("0" * 24),
    ],
)
def test_what_is_not_there_is_not_found(
    client: TwelveLabsClient,
    shared: tuple[str, str],
    do: Callable[[TwelveLabsClient, str], object],
) -> None:
    with pytest.raises(NotFound):
        do(client, shared[0])


def test_a_wrong_key_is_told_as_such_and_not_repeated(spoken: Spoken) -> None:
    with spoken.connect("tlk_wrong") as client, pytest.raises(AuthError) as caught:
        client.find_index("any")
    assert "API_KEY" in str(caught.value)
    assert "tlk_wrong" not in str(caught.value)


def test_a_platform_that_is_gone_is_a_connection_error(spoken: Spoken) -> None:
    waits: list[float] = []
    gone = Spoken(spoken.version, f"http://127.0.0.1:9/{spoken.version}")
    with gone.connect(sleep=waits.append) as client, pytest.raises(ApiConnectionError):
        client.find_index("any")
    assert len(waits) == 2


def test_the_version_and_the_key_do_not_show(spoken: Spoken, client: TwelveLabsClient) -> None:
    assert client.version == spoken.version
    assert spoken.url in repr(client)
    assert KEY not in repr(client) + repr(vars(client))
