"""Clips out of v1.3's segmentation: one definition per class, one paid analysis per video and 20.

The model (pegasus1.5) names stretches of the video that fit a class and rates its own confidence
in each; it also says which prompt fits and by what evidence. None of this is calibrated, and it is
the model's word, not a measurement: `SCORES` says so to whoever reads the results.

An analysis is marked with a digest of its request (`custom_id`). One that an earlier run has
started or finished is found by it and not paid again, for as long as the platform keeps it.

Not promised by the published specification, and checked where it can be: that times stay those of
the whole video when only a part of it is analysed (`start_time`, `end_time`); other times are an
error. That `GET /analyze/tasks` keeps old analyses is not needed: without it they are paid again.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from core.classes import PromptClass
from core.classification import Clip
from core.types import ClassifyRequest, Video
from platforms.costs import Estimate
from transport.errors import PLAN_CODES, BadRequest, NotFound
from transport.http import Fetch, Json, Transport

MODEL = "pegasus1.5"
SCORES = (
    f"self-rated: {MODEL} names the stretches of a class, their evidence and prompt, and rates its "
    "own confidence 0-100; not calibrated"
)
MOST_DEFINITIONS = 20  # in one request
# A Free account may have five tasks in work; more would only wait on the platform's side.
MOST_AT_ONCE = 5
MAX_TOKENS = 32_768  # the platform's own default for segmentations
SHORTEST_SEGMENT_S = 2  # the least that the platform takes
SHORTEST_WINDOW_S = 4.0  # the same for a part of a video
TIME_SLACK_S = 1.0  # how far a segment may reach over the window that was asked for
EVIDENCE = {
    "visual": "what is seen in the picture",
    "conversation": "what is said",
    "text_in_video": "what is written on the screen",
}
WORD_FOR_WORD = "one of these phrases being said word for word"

ClipsByClass = dict[str, list[Clip]]


@dataclass(frozen=True)
class Part:
    """What one analysis is asked: some classes of one video, or of a window of it in seconds.

    The classes of `request` are among those of a whole request, from place `first` on.
    """

    video: Video
    request: ClassifyRequest
    first: int = 0
    window: tuple[float, float] | None = None

    def body(self) -> Json:
        """The body of the analysis, marked with a digest of itself."""
        definitions = [
            definition(number, each, self.request)
            for number, each in enumerate(self.request.classes, self.first)
        ]
        body: Json = {
            "model_name": MODEL,
            "analysis_mode": "time_based_metadata",
            "video": {"type": "asset_id", "asset_id": self.video.asset_id},
            "min_segment_duration": SHORTEST_SEGMENT_S,
            "max_tokens": MAX_TOKENS,
            "response_format": {
                "type": "segment_definitions",
                "segment_time_format": "seconds",
                "segment_definitions": definitions,
            },
        }
        if self.window:
            body["start_time"], body["end_time"] = self.window
        digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
        return body | {"custom_id": digest}

    def about(self, classes: tuple[PromptClass, ...], first: int) -> Part:
        """The same for some of the classes, from place `first` on among all."""
        return replace(self, request=replace(self.request, classes=classes), first=first)

    def halves(self) -> tuple[Part, Part] | None:
        """Two smaller parts, for one whose response was cut off; None where there are none."""
        classes = self.request.classes
        if half := len(classes) // 2:
            return (
                self.about(classes[:half], self.first),
                self.about(classes[half:], self.first + half),
            )
        start, end = self.window or (0.0, self.video.duration_s)
        if end - start < 2 * SHORTEST_WINDOW_S:
            return None
        middle = (start + end) / 2
        return replace(self, window=(start, middle)), replace(self, window=(middle, end))


def definition(number: int, prompt_class: PromptClass, request: ClassifyRequest) -> Json:
    """A class as a segment definition, with its prompts in the description."""
    options, prompts = request.options, list(prompt_class.prompts)
    evidence = [EVIDENCE[option] for option in options]
    if request.conversation_option == "exact_match" and "conversation" in options:
        evidence[options.index("conversation")] = WORD_FOR_WORD
    fields: list[Json] = [
        {
            "name": "confidence",
            "type": "integer",
            "description": "how sure you are that the segment fits, from 0 to 100",
        }
    ]
    if len(options) > 1:
        told = "; ".join(f"{option}: {EVIDENCE[option]}" for option in options)
        fields.append(_choice("evidence", options, f"what shows it best ({told})"))
    if len(prompts) > 1:
        fields.append(_choice("prompt", prompts, "which of the descriptions fits best"))
    judged_by = ", or ".join(evidence)
    return {
        "id": _id_of(number),
        "description": f"{prompt_class.name}: {'; '.join(prompts)}. Judge by {judged_by} only.",
        "fields": fields,
    }


def _choice(name: str, values: Sequence[str], description: str) -> Json:
    return {"name": name, "type": "string", "description": description, "enum": list(values)}


def _id_of(number: int) -> str:
    return f"class_{number}"


def clips_of(part: Part, data: Any) -> dict[str, list[Clip]]:
    """The clips in `result.data`, by class; raises ValueError for what is not as specified."""
    answer = json.loads(data) if isinstance(data, str) else data
    if not isinstance(answer, dict):
        raise ValueError("the segments are no JSON object")
    if not all(isinstance(segments, list) for segments in answer.values()):
        raise ValueError("the segments of a definition are no list")
    return {
        each.name: [
            clip
            for segment in answer.get(_id_of(number), ())
            if (clip := _clip(part, each, segment))
        ]
        for number, each in enumerate(part.request.classes, part.first)
    }


def _clip(part: Part, prompt_class: PromptClass, segment: Json) -> Clip | None:
    try:
        start, end = float(segment["start_time"]), float(segment["end_time"])
        told = segment["metadata"]
        confidence = float(told["confidence"])
        if not all(map(math.isfinite, (start, end, confidence))):
            raise ValueError
    except (KeyError, TypeError, ValueError):
        raise ValueError(
            f"a segment of {prompt_class.name!r} lacks times or a confidence"
        ) from None
    first, last = part.window or (0.0, part.video.duration_s)
    if part.window and not first - TIME_SLACK_S <= start <= end <= last + TIME_SLACK_S:
        raise ValueError(
            f"a segment of {prompt_class.name!r} ({start:g}-{end:g} s) lies outside of"
            f" {first:g}-{last:g} s"
        )
    start, end = max(start, first), min(end, last)
    if not start < end:
        return None
    # An answer outside the choices stands for the description as a whole.
    prompts, options = prompt_class.prompts, part.request.options
    prompt = told.get("prompt") if told.get("prompt") in prompts else ", ".join(prompts)
    option = told.get("evidence") if told.get("evidence") in options else options[0]
    return Clip(start, end, min(max(confidence, 0.0), 100.0), str(option), str(prompt))


class Segmentation:
    """Asks for the segments of many videos, some at a time, and gathers their clips."""

    scores = SCORES

    def __init__(
        self,
        http: Transport,
        *,
        poll_s: float = 5.0,
        patience_s: float = 3600.0,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._http = http
        self._poll_s = poll_s
        self._patience_s = patience_s
        self._sleep = sleep
        self._clock = clock
        self._known: dict[str, dict[str, str]] = {}  # of each asset, task id by digest

    def models(self, held: Sequence[Json]) -> dict[str, str]:
        """The model that judges each kind of evidence, whatever models an index holds."""
        return dict.fromkeys(EVIDENCE, MODEL)

    def find_clips(
        self,
        index_id: str,
        videos: Sequence[Video],
        request: ClassifyRequest,
    ) -> tuple[dict[str, ClipsByClass], dict[str, str]]:
        """Clips by video id and class, and the reason for each video that has none to give.

        Raises ApiError where the whole cannot go on; what has been analysed until then is found
        again by the next run.
        """
        clips: dict[str, ClipsByClass] = {
            video.video_id: {each.name: [] for each in request.classes} for video in videos
        }
        work = _Work(deque(), clips, {})
        for video in videos:
            self._plan(work, video, request)
        running: list[tuple[str, Part, float]] = []
        while work.waiting or running:
            while work.waiting and len(running) < MOST_AT_ONCE:
                part = work.waiting.popleft()
                if part.video.video_id not in work.failed and (task_id := self._start(work, part)):
                    running.append((task_id, part, self._clock()))
            running = [each for each in running if not self._has_ended(work, *each)]
            if running:
                self._sleep(self._poll_s)
        return {key: found for key, found in clips.items() if key not in work.failed}, work.failed

    def estimate(
        self, videos: Sequence[Video], request: ClassifyRequest, new_minutes: float
    ) -> Estimate:
        """Minutes times classes that are still to be paid: of these videos and of new ones."""
        work = _Work(deque(), {}, {})
        for video in videos:
            self._plan(work, video, request)
        minutes = new_minutes * len(request.classes) + sum(
            part.video.duration_s / 60 * len(part.request.classes)
            for part in work.waiting
            if part.body()["custom_id"] not in self._known_of(part.video.asset_id)
        )
        return Estimate(analysis_minutes=minutes)

    def _plan(self, work: _Work, video: Video, request: ClassifyRequest) -> None:
        if not video.duration_s or not video.asset_id:
            lacking = "asset" if video.duration_s else "duration"
            work.failed[video.video_id] = f"the platform does not tell its {lacking}"
            return
        whole = Part(video, request)
        for first in range(0, len(request.classes), MOST_DEFINITIONS):
            some = request.classes[first : first + MOST_DEFINITIONS]
            work.waiting.append(whole.about(some, first))

    def _start(self, work: _Work, part: Part) -> str | None:
        """The id of the analysis, one that is there already if possible; None where refused."""
        body = part.body()
        known = self._known_of(part.video.asset_id)
        if kept := known.get(body["custom_id"]):
            return kept

        def send() -> str:
            response = self._http.fetch("POST", "analyze", "tasks", json=body)
            return str(self._http.json(response, "task_id")["task_id"])

        def look() -> str | None:
            return self._analyses(part.video.asset_id, self._http.fetch).get(body["custom_id"])

        try:
            task_id = self._http.send_once(send, look)
        except (BadRequest, NotFound) as error:
            if error.code in PLAN_CODES:
                raise
            work.failed[part.video.video_id] = f"cannot be analysed: {error}"
            return None
        known[body["custom_id"]] = task_id
        return task_id

    def _known_of(self, asset_id: str) -> dict[str, str]:
        if asset_id not in self._known:
            self._known[asset_id] = self._analyses(asset_id, self._http.call)
        return self._known[asset_id]

    def _analyses(self, asset_id: str, fetch: Fetch) -> dict[str, str]:
        """Analyses of an asset that have not failed: task id by digest."""
        found: dict[str, str] = {}
        query = {"asset_id": asset_id, "analysis_mode": "time_based_metadata"}
        with suppress(BadRequest, NotFound):
            for task in self._http.items(fetch, ("analyze", "tasks"), query, "task_id"):
                if task.get("custom_id") and task.get("status") != "failed":
                    found.setdefault(task["custom_id"], task["task_id"])
        return found

    def _has_ended(self, work: _Work, task_id: str, part: Part, since: float) -> bool:
        """Look at one analysis; gather its clips, or split it, or note why it failed."""
        try:
            response = self._http.call("GET", "analyze", "tasks", task_id)
        except NotFound as error:
            work.failed[part.video.video_id] = f"the analysis is gone: {error}"
            return True
        task = self._http.json(response, "status")
        result = task.get("result") or {}
        if task["status"] == "failed":
            work.failed[part.video.video_id] = f"the analysis failed: {_reason(task)}"
        elif task["status"] == "ready" and result.get("finish_reason") == "length":
            work.split(part)
        elif task["status"] == "ready":
            work.gather(part, result.get("data"))
        elif self._clock() - since >= self._patience_s:
            work.failed[part.video.video_id] = (
                f"the analysis is still {task['status']} after {self._patience_s:g} s: run again,"
                " it is found and not paid twice"
            )
        else:
            return False
        return True


@dataclass
class _Work:
    """What is left to ask, and what has come of the rest."""

    waiting: deque[Part]
    clips: dict[str, ClipsByClass]
    failed: dict[str, str]

    def split(self, part: Part) -> None:
        halves = part.halves()
        if halves:
            self.waiting.extendleft(reversed(halves))
        else:
            self.failed[part.video.video_id] = (
                "the analysis is cut off even for the smallest request"
            )

    def gather(self, part: Part, data: Any) -> None:
        try:
            found = clips_of(part, data)
        except ValueError as error:
            self.failed[part.video.video_id] = f"the analysis cannot be read: {error}"
            return
        for name, clips in found.items():
            self.clips[part.video.video_id][name] += clips


def _reason(task: Json) -> str:
    error = task.get("error")
    message = error.get("message") if isinstance(error, dict) else error
    return str(message or "the platform does not say why")
