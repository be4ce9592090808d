"""Models that do not come in a wheel: their folders, their records, and which one a setting means.

A model fetched from the hub has its own folder in the models folder, with a record of where it came
from. A folder that was filled by hand needs no record.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from core.errors import UserError
from core.files import write_whole

RECORD = "fetched.json"
CLIP_REPOSITORY = "Xenova/clip-vit-base-patch32"
MAIN = "main"
AUTO = "auto"
IMAGENET = "imagenet"
MOONSHINE = "moonshine"
WHISPER = "whisper:"
REPOSITORY = re.compile(r"\w[\w.-]*/\w[\w.-]*")
# Errors that pydantic words with the name of a Python class.
OBJECT_ERRORS = {"model_type", "dataclass_type"}

T = TypeVar("T")

WHISPER_SIZE = re.compile(r"(tiny|base|small|medium)(\.en)?|large-v[123]")


class ModelError(UserError):
    """A model cannot be used; the message names it, or its file, and says what to do."""

    title = "A model cannot be used"
    page_status = 503


@dataclass(frozen=True)
class Fetched:
    """Where a fetched model came from.

    `revision` is the requested one and `commit` what it stood for; `files` has the SHA-256 of each
    file; `fetched_at` is RFC 3339.
    """

    repository: str
    revision: str
    commit: str
    licence: str
    fetched_at: str
    files: dict[str, str] = field(default_factory=dict)


def folder_name(repository: str) -> str:
    """The name of the folder, in the models folder, that a repository is fetched into."""
    return repository.replace("/", "--")


def write_record(folder: Path, record: Fetched) -> None:
    """Record where a folder's files came from; written last, as a sign that they are complete."""
    write_whole(folder / RECORD, f"{json.dumps(asdict(record), indent=1)}\n".encode())


def read_record(folder: Path) -> Fetched | None:
    """Where a folder's files came from; None for a folder that was not completely fetched."""
    path = folder / RECORD
    if not path.is_file():
        return None
    return read_json(path, Fetched)


def read_json(path: Path, shape: type[T]) -> T:
    """A JSON file as a pydantic model or a dataclass; a value of null counts as missing.

    Raises ModelError that names the file and, where a value is missing or wrong, its key and the
    rule.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"), object_hook=_without_nulls)
        return TypeAdapter(shape).validate_python(values)
    except FileNotFoundError:
        raise ModelError(f"{path} is missing: the model's folder is incomplete") from None
    except ValidationError as error:
        raise ModelError(f"{path} {_complaint(error)}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path} cannot be read: {error}") from error


def _without_nulls(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def _complaint(error: ValidationError) -> str:
    """The first thing wrong with a file, in words that follow its name."""
    first = error.errors(include_url=False)[0]
    field = first.get("ctx", {}).get("field")
    key = ".".join(str(part) for part in (*first["loc"], *([field] if field else [])))
    if first["type"] == "missing":
        return f"does not say {key}"
    if first["type"] in OBJECT_ERRORS:
        rule = "it must be an object"
    else:
        rule = first["msg"].replace("Input should", "it must")
    return f"says {key} is {first['input']!r:.60}: {rule}" if key else "holds no JSON object"


def fetched(models_dir: Path) -> list[tuple[Path, Fetched]]:
    """The complete models in the models folder, the one fetched last first."""
    found = []
    for path in models_dir.glob(f"*/{RECORD}"):
        record = read_record(path.parent)
        if record:
            found.append((path.parent, record))
    return sorted(found, key=lambda one: one[1].fetched_at, reverse=True)


def visual_folder(choice: str, revision: str, models_dir: Path) -> Path | None:
    """The visual encoder's folder that VISUAL_MODEL and its revision stand for.

    None stands for the encoder in a wheel. Raises ModelError if the folder does not exist.
    """
    if choice == IMAGENET:
        return None
    if choice == AUTO:
        encoders = (folder for folder, _ in fetched(models_dir) if (folder / "onnx").is_dir())
        return next(encoders, None)
    if Path(choice).is_dir():
        return Path(choice)
    if not REPOSITORY.fullmatch(choice):
        raise ModelError(
            f"VISUAL_MODEL={choice} is not a folder: give {AUTO}, {IMAGENET}, a folder with an "
            f"ONNX encoder, or a repository of the hub such as {CLIP_REPOSITORY}"
        )
    return _fetched_folder("VISUAL_MODEL", choice, revision, models_dir)


def whisper_folder(choice: str, models_dir: Path) -> Path:
    """The folder that SPEECH_MODEL=whisper:... stands for; raises ModelError for none."""
    wanted = choice.removeprefix(WHISPER)
    if Path(wanted).is_dir():
        return Path(wanted)
    repository = f"Systran/faster-whisper-{wanted}" if WHISPER_SIZE.fullmatch(wanted) else wanted
    if choice == wanted or not REPOSITORY.fullmatch(repository):
        raise ModelError(
            f"SPEECH_MODEL={choice} is not known: give {MOONSHINE}, or {WHISPER} followed by a "
            "size (tiny, base, small, medium, large-v3), a folder, or a repository of the hub"
        )
    return _fetched_folder("SPEECH_MODEL", repository, MAIN, models_dir)


def repair(folder: Path, setting: str) -> str:
    """What to do about the unusable folder that a setting stands for."""
    try:
        record = read_record(folder)
    except ModelError:
        record = None
    again = ""
    if record:
        again = f" fetch it again (python -m engine.models fetch --repository {record.repository}),"
    return f"Repair that,{again} or set {setting} to another model"


def _fetched_folder(setting: str, repository: str, revision: str, models_dir: Path) -> Path:
    folder = models_dir / folder_name(repository)
    record = read_record(folder)
    pinned = "" if revision == MAIN else f" --revision {revision}"
    command = f"python -m engine.models fetch --repository {repository}{pinned}"
    if record is None:
        raise ModelError(f"{setting} needs {repository}, which is not in {models_dir}: {command}")
    if revision not in (MAIN, record.revision, record.commit):
        raise ModelError(
            f"{setting} needs revision {revision} of {repository}, but {folder} holds "
            f"{record.revision}: {command}"
        )
    return folder


def label(folder: Path, weights: Path) -> str:
    """Identifies a folder's weights: where they are from, and the start of their SHA-256."""
    record = read_record(folder)
    known = record.files.get(weights.relative_to(folder).as_posix()) if record else None
    title = record.repository if record else folder.resolve().name
    return f"{title} {(known or sha256(weights))[:12]}"


def sha256(path: Path) -> str:
    """The SHA-256 of a file in hexadecimal digits; raises ModelError if it cannot be read."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}") from error
    return digest.hexdigest()
