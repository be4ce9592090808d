"""One table of settings: name, type, default, help. Read from the environment and `.env`.

The environment wins over `.env`; an empty value counts as not set. A command's own options win
over both: they are laid over with `dataclasses.replace`.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, get_type_hints

from dotenv import dotenv_values

from core.errors import UserError


class SettingError(UserError):
    """A setting has a value it cannot have; the message names the setting and the rule."""

    title = "A setting is wrong"


def setting(
    default: Any,
    help_text: str,
    *,
    least: float | None = None,
    most: float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """One row of the table: numbers from `least` to `most`, words out of `choices`."""
    rule = {"help": help_text, "least": least, "most": most, "choices": choices}
    return field(default=default, metadata=rule)


@dataclass(frozen=True)
class Settings:
    """The values in force. A field's environment variable is its name in capitals."""

    api_url: str = setting(
        "", "Platform to use, for example https://host/v1.3; empty starts the embedded engine"
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
    reindex: str = setting(
        "no",
        "Whether an index whose evidence other models, or another edition, made is emptied and its "
        "videos indexed again: yes, no",
        choices=("no", "yes"),
    )
    options: tuple[str, ...] = setting(
        ("visual", "conversation", "text_in_video"),
        "Evidence to use, separated by commas: visual, conversation, text_in_video",
        choices=("visual", "conversation", "text_in_video"),
    )
    conversation_option: str = setting(
        "semantic",
        "How speech is matched: semantic (by meaning) or exact_match (by words)",
        choices=("semantic", "exact_match"),
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
        600.0,
        "Give up on a task that has not moved for so long; on v1.3, which tells no progress, an "
        "hour at least",
        least=1,
    )
    connect_timeout_s: float = setting(10.0, "Seconds to wait for a connection", least=0.1)
    read_timeout_s: float = setting(60.0, "Seconds to wait for an answer", least=0.1)
    max_retries: int = setting(
        5, "Tries after the first when the platform is out of reach or busy", least=0, most=100
    )
    v13_upload: str = setting(
        "assets",
        "How v1.3 is sent videos: assets (chunks above 200 MB, up to 10 GB) or tasks (up to 2 GB, "
        "announced to be withdrawn)",
        choices=("assets", "tasks"),
    )
    v13_classify: str = setting(
        "segmentation",
        "What v1.3 classifies by: segmentation (paid per class and minute, self-rated scores) or "
        "search (paid per prompt, scores by rank only)",
        choices=("segmentation", "search"),
    )
    v13_price_index: float = setting(
        0.042,
        "US dollars for indexing a minute on v1.3, to estimate costs (usagepricing.com, 2026)",
        least=0,
    )
    v13_price_analysis: float = setting(
        0.0292,
        "US dollars for analysing a minute on v1.3, once per class (usagepricing.com, 2026; times "
        "classes by the vendor's release notes of May 2026)",
        least=0,
    )
    v13_price_search: float = setting(
        0.004, "US dollars for a search on v1.3 (usagepricing.com, 2026)", least=0
    )
    v13_confirm_above: float = setting(
        1.0, "Ask before a run on v1.3 that may cost more US dollars; --yes does not ask", least=0
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
    engine_rate_limit: int = setting(
        0,
        "Uploads, classifications, searches (each counted for itself) that the engine takes in a "
        "minute; 0: no limit",
        least=0,
        most=10**6,
    )
    engine_max_video_gb: float = setting(
        2.0,
        "Largest video in GB that `python -m engine` takes; the engine that the pipeline starts "
        "takes any that the disk has room for",
        least=0.001,
    )
    engine_fetch_private: str = setting(
        "no",
        "Whether a video_url may lead into the engine's own machine or private networks: yes, no",
        choices=("no", "yes"),
    )
    visual_model: str = setting(
        "auto",
        "Picture encoder: auto (the one fetched last, else the one in the wheel), imagenet (the "
        "one in the wheel), a folder with CLIP or SigLIP in ONNX, or a fetched hub repository",
    )
    visual_model_revision: str = setting(
        "main", "Branch, tag or commit of VISUAL_MODEL's repository; main: whichever was fetched"
    )
    speech_model: str = setting(
        "moonshine",
        "Speech recogniser: moonshine (in the wheel), or whisper: and a size, a folder or a "
        "fetched hub repository",
    )
    models_dir: Path = setting(Path("models"), "Folder that models are fetched to")
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
    given: dict[str, Any] = {}
    for row in fields(Settings):
        text = (values.get(environment_name(row.name)) or "").strip()
        if text:
            given[row.name] = parse_setting(row.name, text)
    return Settings(**given)


def parse_setting(field_name: str, text: str, shown_as: str = "") -> Any:
    """The value of one setting out of text, held to the rules of its row.

    Raises SettingError that calls the setting `shown_as`, or by its environment variable.
    """
    (row,) = (row for row in fields(Settings) if row.name == field_name)
    kind = get_type_hints(Settings)[field_name]
    rule, what = row.metadata, shown_as or environment_name(field_name)
    if kind is str and not rule.get("choices"):
        return text
    if not text.strip():
        raise SettingError(f"{what} is empty: give a value or leave it out")
    if kind in (int, float):
        return _number(what, text, kind, rule)
    if kind is Path:
        return Path(text).expanduser()
    words = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    unknown = [word for word in words if word not in rule["choices"]]
    if unknown or not words or (kind is str and len(words) > 1):
        wanted = "one" if kind is str else "one or more, separated by commas,"
        raise SettingError(f"{what}={text!r} must be {wanted} of: {', '.join(rule['choices'])}")
    return words[0] if kind is str else words


def _number(what: str, text: str, kind: Callable[[str], float], rule: Mapping[str, Any]) -> float:
    try:
        number = kind(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        wanted = "a whole number" if kind is int else "a number"
        raise SettingError(f"{what}={text!r} is not {wanted}")
    least, most = rule.get("least"), rule.get("most")
    if not (least is None or number >= least) or not (most is None or number <= most):
        span = f"at least {least}" if most is None else f"from {least} to {most}"
        raise SettingError(f"{what}={text} is out of range: it must be {span}")
    return number
