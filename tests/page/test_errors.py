"""Error pages: one handler for every error that a user can repair."""

from __future__ import annotations

from html import unescape
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from core.classes import ClassesError
from core.errors import UserError
from core.settings import SettingError
from engine.catalog.tables import CatalogError
from engine.models.fetch import LicenceRefused
from engine.server import EngineError
from page.lab import routes as lab
from page.lab.drafts import LabError, NoSuchDraft
from page.query import QueryError
from platforms.errors import NotSupported, PlatformUnavailable, SpendingRefused
from store.exports import NoFrameRate
from tests.support.pages import write_run
from transport.errors import ApiError, AuthError, NotFound

ERRORS = [
    (UserError("repair it"), 400, "That cannot be done"),
    (SettingError("repair it"), 400, "A setting is wrong"),
    (ClassesError("repair it"), 400, "The classes cannot be used"),
    (QueryError("repair it"), 400, QueryError.title),
    (SpendingRefused("repair it"), 402, "The costs are not confirmed"),
    (NoSuchDraft("repair it"), 404, NoSuchDraft.title),
    (LabError("repair it"), 409, LabError.title),
    (NoFrameRate("repair it"), 409, NoFrameRate.title),
    (NotSupported("repair it"), 501, "Not supported on this platform"),
    (PlatformUnavailable("repair it"), 503, "The platform cannot be opened"),
    (EngineError("repair it"), 503, "The engine cannot start"),
    (CatalogError("repair it"), 503, "The database cannot be used"),
    (LicenceRefused("repair it"), 503, "A model cannot be used"),
    (ApiError("repair it"), 503, ApiError.title),
    # What a platform answered is not what the page answers.
    (NotFound(404, "resource_not_exist", "repair it"), 503, ApiError.title),
    (AuthError(401, "api_key_invalid", "repair it"), 503, ApiError.title),
]


@pytest.fixture
def app(tmp_path: Path) -> Flask:
    write_run(tmp_path, tmp_path, {"a.mp4": []})
    return create_app({"RESULTS_DIR": tmp_path})


def client_of(app: Flask, error: UserError) -> FlaskClient:
    """A visitor of two addresses at which this is raised."""

    def fail() -> str:
        raise error

    app.add_url_rule("/fail", "fail", fail)
    app.add_url_rule("/api/fail", "fail_for_programs", fail)
    return app.test_client()


@pytest.mark.parametrize(("error", "status", "title"), ERRORS, ids=lambda each: str(type(each)))
def test_error_is_answered_with_its_status_title_and_message(
    app: Flask, error: UserError, status: int, title: str
) -> None:
    client = client_of(app, error)
    answer = client.get("/fail")
    assert (answer.status_code, answer.mimetype) == (status, "text/html")
    assert f"<h1>{title}</h1>" in answer.text
    assert "repair it" in answer.text
    answer = client.get("/api/fail")
    assert (answer.status_code, answer.json) == (
        status,
        {"error": title, "explanation": str(error)},
    )


@pytest.mark.parametrize(("error", "status"), [(SpendingRefused("$9"), 402), (ApiError("$9"), 503)])
def test_lab_keeps_the_form_and_answers_with_the_status(
    app: Flask, monkeypatch: pytest.MonkeyPatch, error: UserError, status: int
) -> None:
    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr(lab, "open_platform", refuse)
    client = app.test_client()
    token = client.get("/lab").text.partition('name="csrf_token" value="')[2].partition('"')[0]
    form = {"csrf_token": token, "name": "Pets", "prompts": "a dog", "options": "visual"}
    answer = client.post("/lab", data={**form, "action": "run"})
    assert answer.status_code == status
    assert "No draft: $9" in unescape(answer.text)
    assert "a dog" in answer.text, "what was typed is still there"
