"""Observing tasks: what ends a task and what does not.

The platform is a script and the clock a counter here: a real platform neither stalls nor forgets a
task when a test asks it to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from core.types import Task
from steps import monitor
from steps.monitor import monitor_tasks, poll_interval, watch
from steps.status_log import status_log
from tests.support.jobs import job_on, rows_of
from twelvelabs_client import ApiConnectionError, NotFound, ServerError

TEN_SECONDS = 10.0


class Platform:
    """Answers each observation with the next step of every task's script; the last step stays."""

    def __init__(self, scripts: Mapping[str, Sequence[Task | Exception]], listed: bool = True):
        self.scripts = scripts
        self.listed = listed
        self.look = -1

    def tasks(self, index_id: str) -> Iterator[Task]:
        self.look += 1
        if self.listed:
            for task_id in self.scripts:
                step = self.step(task_id)
                if not isinstance(step, Exception):
                    yield step

    def task(self, task_id: str) -> Task:
        step = self.step(task_id)
        if isinstance(step, Exception):
            raise step
        return step

    def step(self, task_id: str) -> Task | Exception:
        script = self.scripts[task_id]
        step = script[min(self.look, len(script) - 1)]
        return replace(step, task_id=task_id) if isinstance(step, Task) else step


def observe(
    tmp_path: Path, platform: Platform, stall_s: float = 60.0
) -> tuple[list[Task], list[dict[str, str]]]:
    """Observe every ten seconds to the end; returns the ended tasks, and the rows of the log."""
    seconds = [0.0]
    names = {task_id: f"{task_id}.mp4" for task_id in platform.scripts}

    def sleep(pause_s: float) -> None:
        seconds[0] += pause_s
        assert seconds[0] < 10_000, "it would loop for ever"

    path = tmp_path / "upload_status.csv"
    ends = []
    with status_log(path) as log:
        for elapsed_s, tasks in watch(
            platform,  # type: ignore[arg-type]
            "index",
            names,
            lambda _: TEN_SECONDS,
            stall_s,
            clock=lambda: seconds[0],
            sleep=sleep,
        ):
            log.write(tasks, elapsed_s)
            ends += [task for task in tasks if task.has_ended]
    return ends, rows_of(path)


def working(percentage: float, remaining_s: float = 9.0) -> Task:
    return Task(
        "",
        "indexing",
        filename="another name.mp4",
        percentage=percentage,
        upload_percentage=100.0,
        remaining_s=remaining_s,
    )


READY = Task("", "ready", video_id="v1")
PENDING = Task("", "pending", percentage=0.0, remaining_s=5.0)


@pytest.mark.parametrize("listed", [True, False], ids=["from the list", "one by one"])
def test_follows_tasks_to_their_end(tmp_path: Path, listed: bool) -> None:
    scripts = {"a": [PENDING, working(40), READY], "b": [Task("", "validating"), READY]}
    ends, rows = observe(tmp_path, Platform(scripts, listed))
    assert [(end.filename, end.status, end.video_id) for end in ends] == [
        ("b.mp4", "ready", "v1"),
        ("a.mp4", "ready", "v1"),
    ]
    assert [tuple(row.values())[1:] for row in rows] == [
        ("a", "a.mp4", "pending", "0", "5", "0.0", ""),
        ("b", "b.mp4", "validating", "", "", "0.0", ""),
        ("a", "a.mp4", "indexing", "100", "9", "10.0", ""),
        ("b", "b.mp4", "ready", "100", "0", "10.0", ""),
        ("a", "a.mp4", "ready", "100", "0", "20.0", ""),
    ]


@pytest.mark.parametrize(("error", "reason"), [("Broken", "Broken"), ("", "gives no reason")])
def test_a_failed_task_ends_with_its_reason(tmp_path: Path, error: str, reason: str) -> None:
    scripts = {
        "a": [working(1), Task("", "failed", error=error)],
        "b": [working(1)] * 3 + [READY],
    }
    ends, rows = observe(tmp_path, Platform(scripts))
    assert [end.status for end in ends] == ["failed", "ready"]
    assert reason in ends[0].error
    assert [row["error"] for row in rows if row["status"] == "failed"] == [ends[0].error]


def test_a_task_that_is_gone_has_failed(tmp_path: Path) -> None:
    gone = NotFound(404, "resource_not_exist", "No such task")
    ends, _ = observe(tmp_path, Platform({"a": [working(1), gone], "b": [working(1), READY]}))
    assert {end.task_id: end.status for end in ends} == {"a": "failed", "b": "ready"}
    assert "no longer knows this task" in ends[0].error


@pytest.mark.parametrize("step", [working(40), PENDING, Task("", "paused"), Task("")])
def test_a_task_without_progress_is_given_up(tmp_path: Path, step: Task) -> None:
    ends, rows = observe(tmp_path, Platform({"a": [step]}), stall_s=60)
    assert [end.status for end in ends] == ["failed"]
    assert ends[0].error.startswith("stalled: ")
    assert "no progress for 60 s" in ends[0].error
    assert [float(row["elapsed_seconds"]) for row in rows] == [0, 10, 20, 30, 40, 50, 60]


def test_slow_is_not_stalled(tmp_path: Path) -> None:
    slow = [working(percent) for percent in range(100) for _ in range(6)]
    ends, _ = observe(tmp_path, Platform({"a": [*slow, READY]}), stall_s=60)
    assert [end.status for end in ends] == ["ready"]


def test_waiting_behind_others_is_not_stalled(tmp_path: Path) -> None:
    others = [working(percent) for percent in range(20)]
    scripts = {"a": [*others, READY], "b": [PENDING] * 20 + [working(50)] * 3 + [READY]}
    ends, _ = observe(tmp_path, Platform(scripts), stall_s=60)
    assert [end.status for end in ends] == ["ready", "ready"]


def test_a_hanging_task_is_given_up_while_others_progress(tmp_path: Path) -> None:
    others = [working(percent) for percent in range(20)]
    ends, _ = observe(tmp_path, Platform({"a": [*others, READY], "b": [working(3)]}), stall_s=60)
    assert [(end.task_id, end.status) for end in ends] == [("b", "failed"), ("a", "ready")]


@pytest.mark.parametrize("error", [ApiConnectionError("gone"), ServerError(500, "", "trouble")])
def test_an_unreachable_platform_raises_its_error(tmp_path: Path, error: Exception) -> None:
    with pytest.raises(type(error)):
        observe(tmp_path, Platform({"a": [working(1), error]}, listed=False))
    assert [row["status"] for row in rows_of(tmp_path / "upload_status.csv")] == ["indexing"]


# What the platform says of itself


@pytest.mark.parametrize(
    ("setting_s", "platform_s", "count", "interval_s"),
    [
        (0.0, 0.5, 1, 0.5),
        (0.0, 0.5, 100, 2.5),
        (0.0, 0.5, 1000, 10.0),
        (0.0, 5.0, 1, 5.0),
        (0.0, 5.0, 1000, 10.0),
        (3.0, 5.0, 1000, 3.0),
    ],
)
def test_polling_is_slower_on_a_hosted_platform_and_for_many_tasks(
    tmp_path: Path, setting_s: float, platform_s: float, count: int, interval_s: float
) -> None:
    job = job_on(object(), tmp_path)
    job.settings = replace(job.settings, poll_seconds=setting_s)
    job.platform = replace(job.platform, poll_s=platform_s)
    assert poll_interval(job)(count) == interval_s


@pytest.mark.parametrize(("least_stall_s", "stall_s"), [(0.0, 600.0), (3600.0, 3600.0)])
def test_a_platform_without_progress_gets_more_patience(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, least_stall_s: float, stall_s: float
) -> None:
    given: list[float] = []
    monkeypatch.setattr(monitor, "watch", lambda *arguments: given.append(arguments[-1]) or ())
    job = job_on(object(), tmp_path)
    job.platform = replace(job.platform, least_stall_s=least_stall_s)
    with status_log(tmp_path / "upload_status.csv") as log:
        monitor_tasks(job, {"a": "a.mp4"}, log)
    assert given == [stall_s]
