"""One table of settings: name, type, default, help. Read from the environment and `.env`.

The environment takes precedence over `.env`, and a command's own options over both (see
`core.command_line`). An empty value counts as not set.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, get_type_hints

from dotenv import dotenv_values

from core.classification import Thresholds
from core.errors import UserError


class SettingError(UserError):
    """A setting has an invalid value; the message names the setting and the rule."""

    title = "A setting is wrong"


# What a value may be


class Kind(NamedTuple):
    """How the values of one type are read from text and written as text.

    Attributes:
        parse: the value of a text; raises ValueError.
        show: the text of a value.
        words: what such a value is, in words.
        placeholder: what stands for a value in --help.
    """

    parse: Callable[[str], Any]
    show: Callable[[Any], str]
    words: str
    placeholder: str


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError
    return number


def _flag(text: str) -> bool:
    word = text.lower()
    if word not in YES | NO:
        raise ValueError
    return word in YES


def _list(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


YES, NO = frozenset(("yes", "true", "on", "1")), frozenset(("no", "false", "off", "0"))

KINDS: Mapping[Any, Kind] = {
    str: Kind(str, str, "text", "TEXT"),
    Path: Kind(lambda text: Path(text).expanduser(), str, "a path", "PATH"),
    int: Kind(int, str, "a whole number", "N"),
    float: Kind(_finite, "{:g}".format, "a number", "N"),
    bool: Kind(_flag, lambda value: "yes" if value else "no", "yes or no", "YES|NO"),
    tuple[str, ...]: Kind(_list, ",".join, "words, separated by commas,", "A,B"),
}


# The table


def setting(
    default: Any,
    help_text: str,
    *,
    least: float = -math.inf,
    most: float = math.inf,
    choices: tuple[str, ...] = (),
    secret: bool = False,
) -> Any:
    """One row of the table: a number from `least` to `most`, or one or more of `choices`."""
    rule = {"help": help_text, "least": least, "most": most, "choices": choices}
    return field(default=default, repr=not secret, metadata=rule)


@dataclass(frozen=True)
class Settings:
    """The values in force. A field's environment variable is its name in capitals."""

    api_url: str = setting(
        "", "Platform to use, for example https://host/v1.3; empty starts the embedded engine"
    )
    api_key: str = setting(
        "", "Key of the hosted platform; needed when API_URL is set", secret=True
    )
    videos_dir: Path = setting(Path("classify"), "Folder with your videos")
    classes_file: Path = setting(Path("classes.json"), "Classes and their prompts")
    results_dir: Path = setting(Path("results"), "Folder the results are written to")
    index_name: str = setting("video-classification", "Index the videos are put in")
    reindex: bool = setting(
        False,
        "Whether to empty an index whose evidence was made by other models or in another format "
        "version, and to index its videos again: yes or no",
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
        "Seconds between two polls of the tasks; 0: 0.5 on this machine, 5 on a hosted platform",
        least=0,
    )
    stall_seconds: float = setting(
        600.0,
        "Seconds without progress after which a task is given up; on v1.3, which reports no "
        "progress, at least an hour",
        least=1,
    )
    connect_timeout_s: float = setting(10.0, "Seconds to wait for a connection", least=0.1)
    read_timeout_s: float = setting(60.0, "Seconds to wait for a response", least=0.1)
    max_retries: int = setting(
        5, "Retries when the platform is out of reach or busy", least=0, most=100
    )
    v13_upload: str = setting(
        "assets",
        "How videos are sent to v1.3: assets (chunks above 200 MB, up to 10 GB) or tasks (up to "
        "2 GB, announced to be withdrawn)",
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
        1.0,
        "US dollars above which a run on v1.3 asks first; --yes skips the question",
        least=0,
    )
    engine_data_dir: Path = setting(
        Path("engine_data"), "Where the embedded engine keeps its catalogue and evidence"
    )
    engine_api_key: str = setting(
        "", "Key that callers of `python -m engine` have to send; empty: none", secret=True
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
        "Uploads, classifications and searches (each counted separately) that the engine accepts "
        "in a minute; 0: no limit",
        least=0,
        most=10**6,
    )
    engine_max_video_gb: float = setting(
        2.0,
        "Largest video in GB that `python -m engine` accepts; the engine that the pipeline starts "
        "accepts any that the disk has room for",
        least=0.001,
    )
    engine_fetch_private: bool = setting(
        False,
        "Whether a video_url may lead to the engine's own machine or to private networks: yes or "
        "no",
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
    port: int = setting(5000, "Port the page listens on; 0: any free one", least=0, most=65535)

    @property
    def thresholds(self) -> Thresholds:
        """What a class needs to apply."""
        return Thresholds(self.min_video_score, self.min_clip_score, self.min_duration_ratio)


class Row(NamedTuple):
    """One row of the table: a setting and the rules for its values."""

    name: str
    kind: Kind
    default: Any
    help: str
    least: float
    most: float
    choices: tuple[str, ...]

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return self.name.upper()

    @property
    def shown_default(self) -> str:
        """The default as it would be written in `.env`."""
        return self.kind.show(self.default)

    def parse(self, text: str, called: str = "") -> Any:
        """The value of a text.

        Raises SettingError, which names the setting `called` or else its environment variable.
        """
        called = called or self.variable
        if not (text.strip() or self._may_be_empty()):
            raise SettingError(f"{called} is empty: give a value or leave it out")
        try:
            value = self.kind.parse(text.strip())
        except ValueError:
            value = None
        if value is None or not self._allows(value):
            raise SettingError(f"{called}={text!r} must be {self._rule()}")
        return value

    def _may_be_empty(self) -> bool:
        return isinstance(self.default, str) and not self.choices

    def _allows(self, value: Any) -> bool:
        if self.choices:
            words = (value,) if isinstance(value, str) else value
            return bool(words) and set(words) <= set(self.choices)
        return not isinstance(value, (int, float)) or self.least <= value <= self.most

    def _rule(self) -> str:
        if self.choices:
            many = "" if isinstance(self.default, str) else " or more, separated by commas,"
            return f"one{many} of: {', '.join(self.choices)}"
        show = self.kind.show
        if math.isfinite(self.most):
            return f"{self.kind.words} from {show(self.least)} to {show(self.most)}"
        if math.isfinite(self.least):
            return f"{self.kind.words}, {show(self.least)} or more"
        return self.kind.words


@cache
def table() -> Mapping[str, Row]:
    """All rows of the table in order, by the names of their settings."""
    hints = get_type_hints(Settings)
    return {
        row.name: Row(row.name, KINDS[hints[row.name]], row.default, **row.metadata)
        for row in fields(Settings)
    }


def load_settings(
    environ: Mapping[str, str] | None = None, dotenv_file: Path = Path(".env")
) -> Settings:
    """Read all settings; raises SettingError for a value that its row does not allow."""
    values = {**dotenv_values(dotenv_file), **(os.environ if environ is None else environ)}
    given: dict[str, Any] = {}
    for row in table().values():
        if text := (values.get(row.variable) or "").strip():
            given[row.name] = row.parse(text)
    return Settings(**given)
