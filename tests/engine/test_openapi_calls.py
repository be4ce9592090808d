"""Calls of every route of both versions, made from its OpenAPI description: some are as it says,
others break one of its rules."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask

from engine.api import create_app
from engine.api.app import VERSIONS
from engine.api.openapi import openapi
from engine.service import Service
from tests.support.api_calls import create_index, upload, wait_for
from tests.support.fakes import quick_models
from tests.support.media import write_video

pytestmark = pytest.mark.slow

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis needs Python 3.11")
CHECKS = schemathesis.checks

schema = schemathesis.openapi.from_dict(openapi(VERSIONS), config=schemathesis.Config(seed=0))
schema.config.generation.update(max_examples=10, deterministic=True)
schema.config.phases.coverage.enabled = False

# Ids of things that are there, so that what is behind them is reached.
KNOWN: dict[str, str] = {}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    folder = tmp_path_factory.mktemp("openapi")
    with Service(folder / "data", quick_models(), workers=1) as service:
        app = create_app(service)
        client = app.test_client()
        KNOWN["index_id"] = create_index(client)
        video = write_video(folder / "a.mp4", seconds=2, fps=10).read_bytes()
        task = wait_for(client, upload(client, KNOWN["index_id"], video))
        KNOWN.update(task_id=task["_id"], video_id=task["video_id"])
        yield app


def put_known_ids(part: Any) -> None:
    """Replace the ids in a path, a query or a body, where they are texts that an id may be."""
    if not isinstance(part, dict):
        return
    for name in KNOWN.keys() & part.keys():
        if isinstance(part[name], str) and 0 < len(part[name].strip()) <= 2000:
            part[name] = KNOWN[name]


def holds_null(value: Any) -> bool:
    if isinstance(value, dict | list):
        return any(map(holds_null, value.values() if isinstance(value, dict) else value))
    return value is None


@schema.parametrize()
def test_every_call_gets_a_response_as_described(case: Any, app: Flask) -> None:
    if case.method != "DELETE":
        for part in (case.path_parameters, case.query, case.body):
            put_known_ids(part)
    # Rules about two fields at once are not in the description, so it allows too much; and it
    # allows too little, for null is taken for "not given" everywhere.
    more_than_described = [CHECKS.negative_data_rejection] if holds_null(case.body) else []
    excluded = [CHECKS.positive_data_acceptance, *more_than_described]
    case.call_and_validate(app=app, excluded_checks=excluded)
