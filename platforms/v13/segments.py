"""Clips from v1.3's segmentation: a definition per class, a paid analysis per video and 20 classes.

The model (pegasus1.5) finds segments of the video that fit a class and rates its own confidence in
each. It also says which prompt fits and which evidence shows it. These are statements of a model,
not measurements, and nothing calibrates them: `SCORES` explains this to the user.

An analysis carries a digest of its request (`custom_id`). An analysis that an earlier run started
or finished is found by it and not paid for again, as long as the platform keeps it.

The published specification does not promise that times still count from the start of the video when
only a part of it is analysed (`start_time`, `end_time`): times outside that part are an error. Nor
does it promise that `GET /analyze/tasks` keeps old analyses: if it does not, they are paid for
again.
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
from transport import fields
from transport.errors import PLAN_CODES, BadRequest, NotFound
from transport.http import Fetch, Json, Transport

MODEL = "pegasus1.5"
SCORES = (
    f"self-rated: {MODEL} finds the segments of a class, with evidence and prompt, and rates its"
    " own confidence 0-100; not calibrated"
)
MAX_DEFINITIONS = 20  # in one request
# A free account may run five tasks at a time; more would only wait on the platform.
MAX_AT_ONCE = 5
MAX_TOKENS = 32_768  # the platform's own default for segmentations
SHORTEST_SEGMENT_S = 2  # that the platform accepts
SHORTEST_WINDOW_S = 4.0  # likewise, for a part of a video
TIME_SLACK_S = 1.0  # how far a segment may extend beyond the window
EVIDENCE = {
    "visual": "what is seen in the picture",
    "conversation": "what is said",
    "text_in_video": "what is written on the screen",
}
WORD_FOR_WORD = "one of these phrases being said word for word"

NO_REASON = "the platform gives no reason"

ClipsByClass = dict[str, list[Clip]]


@dataclass(frozen=True)
class Part:
    """The content of one analysis: some classes of a request, for a video or a window of it.

    `request` has these classes only, which begin at place `first` of all. `window` is in seconds.
    """

    video: Video
    request: ClassifyRequest
    first: int = 0
    window: tuple[float, float] | None = None

    def body(self) -> Json:
        """The body of the analysis, with a digest of itself."""
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
        """The same for some of the classes, which begin at place `first` of all."""
        return replace(self, request=replace(self.request, classes=classes), first=first)

    def halves(self) -> tuple[Part, Part] | None:
        """Two smaller parts of one whose response was cut off; None if it cannot be divided."""
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
    confidence = "how sure you are that the segment fits, from 0 to 100"
    choices: list[Json] = []
    if len(options) > 1:
        told = "; ".join(f"{option}: {EVIDENCE[option]}" for option in options)
        choices.append(_choice("evidence", options, f"what shows it best ({told})"))
    if len(prompts) > 1:
        choices.append(_choice("prompt", prompts, "which of the descriptions fits best"))
    judged_by = ", or ".join(evidence)
    return {
        "id": _id_of(number),
        "description": f"{prompt_class.name}: {'; '.join(prompts)}. Judge by {judged_by} only.",
        "fields": [
            {"name": "confidence", "type": "integer", "description": confidence},
            *choices,
        ],
    }


def _choice(name: str, values: Sequence[str], description: str) -> Json:
    return {"name": name, "type": "string", "description": description, "enum": list(values)}


def _id_of(number: int) -> str:
    return f"class_{number}"


def clips_of(part: Part, data: Any) -> dict[str, list[Clip]]:
    """The clips in `result.data`, by class; raises ValueError if it breaks the specification."""
    found = json.loads(data) if isinstance(data, str) else data
    if not isinstance(found, dict):
        raise ValueError("the segments are not a JSON object")
    if not all(isinstance(segments, list) for segments in found.values()):
        raise ValueError("the segments of a definition are not a list")
    clips: dict[str, list[Clip]] = {}
    for number, each in enumerate(part.request.classes, part.first):
        made = [_clip(part, each, segment) for segment in found.get(_id_of(number), ())]
        clips[each.name] = [clip for clip in made if clip]
    return clips


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
    # Any other value than the choices stands for the whole description.
    prompts, options = prompt_class.prompts, part.request.options
    prompt = told.get("prompt") if told.get("prompt") in prompts else ", ".join(prompts)
    option = told.get("evidence") if told.get("evidence") in options else options[0]
    return Clip(start, end, min(max(confidence, 0.0), 100.0), str(option), str(prompt))


class Segmentation:
    """Has many videos analysed, some at a time, and makes clips of their segments."""

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

    def models_of(self, models: Sequence[Json]) -> dict[str, str]:
        """The model that judges each kind of evidence, whatever models the index has."""
        return dict.fromkeys(EVIDENCE, MODEL)

    def find_clips(
        self,
        index_id: str,
        videos: Sequence[Video],
        request: ClassifyRequest,
    ) -> tuple[dict[str, ClipsByClass], dict[str, str]]:
        """Clips by video id and class, and by video id the reason why a video has none.

        Raises ApiError if the classification cannot go on; the next run finds the analyses that
        were made until then.
        """
        clips: dict[str, ClipsByClass] = {
            video.video_id: {each.name: [] for each in request.classes} for video in videos
        }
        work = _Work(deque(), clips, {})
        for video in videos:
            self._plan(work, video, request)
        running: list[tuple[str, Part, float]] = []
        while work.waiting or running:
            while work.waiting and len(running) < MAX_AT_ONCE:
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
        """Minutes times classes that are still to be paid for, of these videos and of new ones."""
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
            missing = "asset" if video.duration_s else "duration"
            work.failed[video.video_id] = f"the platform does not tell its {missing}"
            return
        whole = Part(video, request)
        for first in range(0, len(request.classes), MAX_DEFINITIONS):
            some = request.classes[first : first + MAX_DEFINITIONS]
            work.waiting.append(whole.about(some, first))

    def _start(self, work: _Work, part: Part) -> str | None:
        """The id of the analysis, an earlier one if there is one; None if it is refused."""
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
            work.fail(part, f"cannot be analysed: {error}")
            return None
        known[body["custom_id"]] = task_id
        return task_id

    def _known_of(self, asset_id: str) -> dict[str, str]:
        if asset_id not in self._known:
            self._known[asset_id] = self._analyses(asset_id, self._http.call)
        return self._known[asset_id]

    def _analyses(self, asset_id: str, fetch: Fetch) -> dict[str, str]:
        """The analyses of an asset that have not failed: task id by digest."""
        found: dict[str, str] = {}
        query = {"asset_id": asset_id, "analysis_mode": "time_based_metadata"}
        with suppress(BadRequest, NotFound):
            for task in self._http.items(fetch, ("analyze", "tasks"), query, "task_id"):
                if task.get("custom_id") and task.get("status") != "failed":
                    found.setdefault(task["custom_id"], task["task_id"])
        return found

    def _has_ended(self, work: _Work, task_id: str, part: Part, since: float) -> bool:
        """Whether an analysis has ended; adds its clips, divides it, or notes why it failed."""
        try:
            response = self._http.call("GET", "analyze", "tasks", task_id)
        except NotFound as error:
            work.fail(part, f"the analysis is gone: {error}")
            return True
        task = self._http.json(response, "status")
        result = fields.table(task, "result")
        if task["status"] == "failed":
            work.fail(part, f"the analysis failed: {fields.reason(task) or NO_REASON}")
        elif task["status"] == "ready" and result.get("finish_reason") == "length":
            work.split(part)
        elif task["status"] == "ready":
            work.add(part, result.get("data"))
        elif self._clock() - since >= self._patience_s:
            work.fail(
                part,
                f"the analysis is still {task['status']} after {self._patience_s:g} s: run again,"
                " it will be found and not paid for twice",
            )
        else:
            return False
        return True


@dataclass
class _Work:
    """The parts that are left to analyse, and the outcome of the others."""

    waiting: deque[Part]
    clips: dict[str, ClipsByClass]
    failed: dict[str, str]

    def fail(self, part: Part, reason: str) -> None:
        self.failed[part.video.video_id] = reason

    def split(self, part: Part) -> None:
        halves = part.halves()
        if halves:
            self.waiting.extendleft(reversed(halves))
        else:
            self.fail(part, "the analysis is cut off even for the smallest request")

    def add(self, part: Part, data: Any) -> None:
        try:
            found = clips_of(part, data)
        except ValueError as error:
            self.fail(part, f"the analysis cannot be read: {error}")
            return
        for name, clips in found.items():
            self.clips[part.video.video_id][name] += clips
