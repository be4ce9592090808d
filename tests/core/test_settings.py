"""Settings: precedence, types, ranges, and keys that stay out of sight."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.classification import Thresholds
from core.settings import Row, SettingError, Settings, load_settings, table

NO_FILE = Path("no-such-file")


def test_defaults_apply_without_any_environment() -> None:
    assert load_settings({}, NO_FILE) == Settings()


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text("INDEX_NAME=from-file\nPORT=6000\n", encoding="utf-8")
    settings = load_settings({"INDEX_NAME": "from-environment"}, dotenv)
    assert (settings.index_name, settings.port) == ("from-environment", 6000)


def test_empty_values_count_as_not_set() -> None:
    assert load_settings({"PORT": " ", "INDEX_NAME": ""}, NO_FILE) == Settings()


def test_lists_and_paths_are_read() -> None:
    settings = load_settings({"OPTIONS": "visual, conversation", "VIDEOS_DIR": "films"}, NO_FILE)
    assert settings.options == ("visual", "conversation")
    assert settings.videos_dir == Path("films")


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("PORT", "eighty", "PORT='eighty' must be a whole number from 0 to 65535"),
        ("PORT", "70000", "from 0 to 65535"),
        ("MIN_VIDEO_SCORE", "101", "from 0 to 100"),
        ("MIN_DURATION_RATIO", "nan", "must be a number from 0 to 1"),
        ("UPLOAD_WORKERS", "0", "UPLOAD_WORKERS='0' must be a whole number from 1 to 64"),
        ("POLL_SECONDS", "inf", "must be a number, 0 or more"),
        ("REINDEX", "maybe", "REINDEX='maybe' must be yes or no"),
        ("OPTIONS", "visual,smell", "must be one or more, separated by commas, of: visual"),
        ("CONVERSATION_OPTION", "loud", "must be one of: semantic, exact_match"),
    ],
)
def test_bad_values_are_refused_by_name_and_rule(variable: str, value: str, words: str) -> None:
    with pytest.raises(SettingError, match=words):
        load_settings({variable: value}, NO_FILE)


@pytest.mark.parametrize("text", ["yes", "Yes", "TRUE", "on", "1"])
def test_yes_has_several_spellings(text: str) -> None:
    assert load_settings({"REINDEX": text, "ENGINE_FETCH_PRIVATE": text}, NO_FILE) == Settings(
        reindex=True, engine_fetch_private=True
    )


@pytest.mark.parametrize("text", ["no", "No", "FALSE", "off", "0"])
def test_no_has_several_spellings(text: str) -> None:
    assert load_settings({"REINDEX": text}, NO_FILE).reindex is False


@pytest.mark.parametrize("row", table().values(), ids=lambda row: row.name)
def test_default_can_be_written_as_it_is_shown(row: Row) -> None:
    if row.shown_default:
        assert row.parse(row.shown_default) == row.default
    else:
        assert row.default == ""


def test_rules_name_whole_limits() -> None:
    with pytest.raises(SettingError, match=r"must be a whole number from 0 to 1000000$"):
        load_settings({"ENGINE_RATE_LIMIT": "-1"}, NO_FILE)


def test_thresholds_are_those_of_the_settings() -> None:
    assert Settings().thresholds == Thresholds()
    assert Settings(min_clip_score=1, min_duration_ratio=0.25).thresholds == Thresholds(75, 1, 0.25)


def test_keys_never_show() -> None:
    settings = load_settings({"API_KEY": "tlk_secret", "ENGINE_API_KEY": "other_secret"}, NO_FILE)
    assert "secret" not in repr(settings)
