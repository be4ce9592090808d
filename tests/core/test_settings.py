"""Settings: precedence, types, ranges, and keys that stay out of sight."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.settings import SettingError, Settings, load_settings

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
        ("PORT", "eighty", "PORT='eighty' is not a whole number"),
        ("PORT", "70000", "from 0 to 65535"),
        ("MIN_VIDEO_SCORE", "101", "from 0 to 100"),
        ("MIN_DURATION_RATIO", "nan", "is not a number"),
        ("UPLOAD_WORKERS", "0", "UPLOAD_WORKERS=0"),
        ("OPTIONS", "visual,smell", "smell"),
        ("CONVERSATION_OPTION", "loud", "semantic"),
    ],
)
def test_bad_values_are_refused_by_name_and_rule(variable: str, value: str, words: str) -> None:
    with pytest.raises(SettingError, match=words):
        load_settings({variable: value}, NO_FILE)


def test_keys_never_show() -> None:
    settings = load_settings({"API_KEY": "tlk_secret", "ENGINE_API_KEY": "other_secret"}, NO_FILE)
    assert "secret" not in repr(settings)
