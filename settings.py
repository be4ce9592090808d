"""One table of settings: name, type, default, help. Read from the environment and `.env`.

The environment wins over `.env`; an empty value counts as not set. A command's own options win
over both: they are laid over with `dataclasses.replace`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, get_type_hints

from dotenv import dotenv_values


class SettingError(ValueError):
    """A setting has a value it cannot have; the message names the setting and the rule."""


def setting(
    default: Any, help_text: str, *, least: float | None = None, most: float | None = None
) -> Any:
    """One row of the table; numbers outside `least`..`most` are refused."""
    return field(default=default, metadata={"help": help_text, "least": least, "most": most})


@dataclass(frozen=True)
class Settings:
    """The values in force. A field's environment variable is its name in capitals."""

    api_url: str = setting(
        "", "Platform to use, for example https://host/v1.2; empty starts the embedded engine"
    )
    api_key: str = field(
        default="",
        repr=False,
        metadata={"help": "Key of the hosted platform; needed when API_URL is set"},
    )
    videos_dir: Path = setting(Path("classify"), "Folder with your videos")
    classes_file: Path = setting(Path("classes.json"), "Classes and their prompts")
    results_dir: Path = setting(Path("results"), "Folder the results are written to")
    index_name: str = setting("video-classification", "Index the videos are put in")
    options: tuple[str, ...] = setting(
        ("visual", "conversation", "text_in_video"),
        "Evidence to use, separated by commas: visual, conversation, text_in_video",
    )
    conversation_option: str = setting(
        "semantic", "How speech is matched: semantic (by meaning) or exact_match (by words)"
    )
    min_video_score: float = setting(
        75.0, "A class applies from this score on, 0-100", least=0, most=100
    )
    min_clip_score: float = setting(
        65.0, "A clip counts from this score on, 0-100", least=0, most=100
    )
    min_duration_ratio: float = setting(
        0.5, "A class applies from this share of the video on, 0-1", least=0, most=1
    )
    upload_workers: int = setting(4, "Uploads at the same time", least=1, most=64)
    poll_seconds: float = setting(
        0.0,
        "Seconds between two looks at the tasks; 0: 0.5 on this machine, 5 on a hosted platform",
        least=0,
    )
    stall_seconds: float = setting(
        600.0, "Give up on a task that has not moved for so long", least=1
    )
    connect_timeout_s: float = setting(10.0, "Seconds to wait for a connection", least=0.1)
    read_timeout_s: float = setting(60.0, "Seconds to wait for an answer", least=0.1)
    max_retries: int = setting(
        5, "Tries after the first when the platform is out of reach or busy", least=0, most=100
    )
    engine_data_dir: Path = setting(
        Path("engine_data"), "Where the embedded engine keeps its catalogue and evidence"
    )
    engine_api_key: str = field(
        default="",
        repr=False,
        metadata={"help": "Key that `python -m engine` asks of its callers; empty: none"},
    )
    engine_host: str = setting("127.0.0.1", "Address `python -m engine` listens on")
    engine_port: int = setting(
        8000, "Port `python -m engine` listens on; 0: any free one", least=0, most=65535
    )
    engine_workers: int = setting(
        0, "Videos the engine indexes side by side; 0: one per processor", least=0, most=256
    )
    database_url: str = setting(
        "", "Database of the engine's catalogue; empty: an SQLite file in ENGINE_DATA_DIR"
    )
    host: str = setting("127.0.0.1", "Address the page listens on")
    port: int = setting(5000, "Port the page listens on", least=0, most=65535)


def environment_name(field_name: str) -> str:
    """The environment variable of a setting."""
    return field_name.upper()


def load_settings(
    environ: Mapping[str, str] | None = None, dotenv_file: Path = Path(".env")
) -> Settings:
    """Read all settings; raises SettingError for a value outside its type or range."""
    values = {**dotenv_values(dotenv_file), **(os.environ if environ is None else environ)}
    types = get_type_hints(Settings)
    given: dict[str, Any] = {}
    for row in fields(Settings):
        text = (values.get(environment_name(row.name)) or "").strip()
        if text:
            given[row.name] = _parse(row.name, text, types[row.name], row.metadata)
    return Settings(**given)


def _parse(name: str, text: str, kind: Any, rule: Mapping[str, Any]) -> Any:
    variable = environment_name(name)
    if kind in (int, float):
        try:
            number = kind(text)
        except ValueError:
            wanted = "a whole number" if kind is int else "a number"
            raise SettingError(f"{variable}={text!r} is not {wanted}") from None
        least, most = rule.get("least"), rule.get("most")
        if not (least is None or number >= least) or not (most is None or number <= most):
            span = f"at least {least}" if most is None else f"from {least} to {most}"
            raise SettingError(f"{variable}={text} is out of range: it must be {span}")
        return number
    if kind is Path:
        return Path(text).expanduser()
    if kind is str:
        return text
    return tuple(part.strip() for part in text.split(",") if part.strip())
