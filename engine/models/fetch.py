"""Downloads a model from the Hugging Face hub into the models folder, verified and resumable.

    source = look_up("Xenova/clip-vit-base-patch32", "main")
    folder = fetch(source, Path("models"))

    ModelError
      FetchError            nothing usable was fetched; partial files are kept for the next time
        HubUnreachable      no connection, no such repository or revision, or out of time
        LicenceRefused      the licence does not clearly allow use in products

The hub's address, access token, proxies and offline mode are set as huggingface_hub has them
(HF_ENDPOINT, HF_TOKEN, HTTPS_PROXY, HF_HUB_OFFLINE). Its own downloader starts an interrupted file
again in the next run, so files are downloaded here, through its session, into part files that a
later run resumes. Every file is checked against the size and the digest that the hub gives for it.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path

import httpx2
from filelock import FileLock, Timeout
from huggingface_hub import (
    HfApi,
    ModelInfo,
    constants,
    get_session,
    get_token,
    hf_hub_url,
    hf_raise_for_status,
)
from huggingface_hub.errors import (
    GatedRepoError,
    HFValidationError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from tqdm import tqdm

from core.files import move_into_place
from engine.models.clip import graph_kinds
from engine.models.store import (
    Fetched,
    ModelError,
    folder_name,
    read_record,
    sha256,
    write_record,
)

log = logging.getLogger(__name__)

PARTIAL = ".partial"
FILES_ID = re.compile(r"[0-9a-f]{12}")
TRIES = 4  # in a row without another byte
NO_LICENCE = "none named"
# Licence tags of the hub that allow use in products; cc-by requires the credits that show prints.
PERMISSIVE = {
    "apache-2.0",
    "bsd",
    "bsd-2-clause",
    "bsd-3-clause",
    "cc-by-3.0",
    "cc-by-4.0",
    "cc0-1.0",
    "isc",
    "mit",
    "unlicense",
    "zlib",
}
# Beginnings of tags that forbid it: MobileCLIP, MetaCLIP and DFN have the first few.
FORBIDDING = (
    "apple-amlr",
    "apple-ascl",
    "cc-by-nc",
    "fair-noncommercial",
    "intel-research",
    "c-uda",
)
# Models whose cards may not name a licence. OpenAI's repository, openai/CLIP, has code and weights
# under MIT; google/siglip-base-patch16-224, which Xenova's was converted from, is under Apache 2.0.
LICENCES = {
    "Xenova/clip-vit-base-patch32": "mit",
    "Xenova/clip-vit-base-patch16": "mit",
    "Xenova/siglip-base-patch16-224": "apache-2.0",
    "openai/clip-vit-base-patch32": "mit",
    "openai/clip-vit-base-patch16": "mit",
    "openai/clip-vit-large-patch14": "mit",
    "openai/clip-vit-large-patch14-336": "mit",
}
ENCODER_FILES = ("config.json", "preprocessor_config.json", "tokenizer.json")
WHISPER_FILES = ("model.bin", "config.json", "tokenizer.json")
EXTRAS = ("tokenizer_config.json", "README.md", "LICENSE")
WHISPER_EXTRAS = ("vocabulary.json", "vocabulary.txt", "preprocessor_config.json")


class FetchError(ModelError):
    """Nothing usable was fetched; the message says why and what to do."""


class HubUnreachable(FetchError):
    """The hub did not respond, or has no such repository."""


class LicenceRefused(FetchError):
    """The licence does not clearly allow use in products."""


@dataclass(frozen=True)
class RemoteFile:
    """A file on the hub; `digest` is its SHA-256, or Git's SHA-1 for one stored in Git itself."""

    name: str
    size: int
    digest: str


@dataclass(frozen=True)
class Source:
    """A model on the hub at one commit, with the files that the engine needs."""

    repository: str
    revision: str
    commit: str
    licence: str
    files: tuple[RemoteFile, ...]
    endpoint: str | None = None

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(file.size for file in self.files)


def look_up(
    repository: str,
    revision: str,
    *,
    full: bool = False,
    endpoint: str | None = None,
    timeout_s: float = 10.0,
) -> Source:
    """Look up a repository on the hub.

    Args:
        full: choose the graphs in full precision instead of int8.
        endpoint: the hub's address, if it is not huggingface_hub's default.
        timeout_s: seconds to wait for each response.

    Raises HubUnreachable, or FetchError for a repository without a model for this engine.
    """
    api = HfApi(endpoint=endpoint)
    info = _model_info(api, repository, revision, timeout_s)
    siblings = {one.rfilename: one for one in info.siblings or []}
    names = _needed_files(set(siblings), full)
    if not names:
        raise FetchError(
            f"{repository} has no model for this engine: needed are {', '.join(ENCODER_FILES)} "
            f"with onnx/vision_model.onnx and onnx/text_model.onnx, or {', '.join(WHISPER_FILES)}"
        )
    remote = []
    for name in names:
        one = siblings[name]
        digest = one.lfs.sha256 if one.lfs else one.blob_id
        remote.append(RemoteFile(name, one.size or 0, digest or ""))
    licence = _licence(info) or _base_licence(api, info, timeout_s) or NO_LICENCE
    return Source(repository, revision, info.sha or revision, licence, tuple(remote), endpoint)


def check_licence(source: Source) -> None:
    """Raise LicenceRefused unless the licence is known to allow use in products."""
    if source.licence in PERMISSIVE:
        return
    verdict = "is not known to allow"
    if source.licence.startswith(FORBIDDING):
        verdict = "forbids"
    raise LicenceRefused(
        f"{source.repository}: licence {source.licence}, which {verdict} use in products. Read its "
        "model card; --accept-licence fetches it anyway."
    )


def fetch(
    source: Source,
    models_dir: Path,
    *,
    timeout_s: float = 30.0,
    limit_s: float = float("inf"),
) -> Path:
    """Download what is missing and return the model's folder.

    An undamaged model at the same commit is only marked as the one fetched last; of a damaged one,
    only the files that have changed are downloaded again. A model at another commit is replaced
    once the new one is complete. Unfinished downloads of the repository are removed.

    Args:
        timeout_s: seconds to wait for a connection or for more bytes.
        limit_s: give up after this many seconds in total.

    Raises FetchError; partial files are kept, and the next call resumes them.
    """
    target = models_dir / folder_name(source.repository)
    held = _held(target, source)
    intact = _intact_files(target, source, held) if held else []
    if held and len(intact) == len(source.files):
        write_record(target, replace(held, revision=source.revision, fetched_at=_now()))
        return target
    work = models_dir / PARTIAL / f"{target.name}-{_files_id(source)}"
    try:
        work.mkdir(parents=True, exist_ok=True)
        with FileLock(_lock(work), timeout=0):
            _copy(intact, target, work)
            _Download(source, work, timeout_s, time.monotonic() + limit_s).run()
            _replace(target, work)
        _remove_unfinished(models_dir / PARTIAL, target.name)
    except Timeout:
        raise FetchError(f"{source.repository} is being fetched by another program") from None
    except OSError as error:
        raise FetchError(f"Cannot write to {models_dir}: {error}") from error
    return target


class _Download:
    """Downloads the files of one source into a folder, one after another."""

    def __init__(self, source: Source, folder: Path, timeout_s: float, give_up_at: float) -> None:
        self._source = source
        self._folder = folder
        self._timeout_s = timeout_s
        self._give_up_at = give_up_at

    def run(self) -> None:
        here = sum(
            _size(self._path(file)) or _size(self._part(file)) for file in self._source.files
        )
        self._check_space(self._source.size - here)
        digests = {}
        with tqdm(
            desc=self._source.repository,
            total=self._source.size,
            initial=here,
            unit="B",
            unit_scale=True,
            disable=None,  # shown on a terminal only
        ) as bar:
            for file in self._source.files:
                path = self._path(file)
                if not path.is_file():
                    path.parent.mkdir(parents=True, exist_ok=True)
                    self._complete(file, bar.update)
                digests[file.name] = sha256(path)
        source = self._source
        write_record(
            self._folder,
            Fetched(
                source.repository, source.revision, source.commit, source.licence, _now(), digests
            ),
        )

    def _path(self, file: RemoteFile) -> Path:
        return self._folder / file.name

    def _part(self, file: RemoteFile) -> Path:
        return self._folder / f"{file.name}.part"

    def _check_space(self, needed: int) -> None:
        free = shutil.disk_usage(self._folder).free
        if needed > free:
            raise FetchError(
                f"{self._source.repository} needs {needed / 1e6:.0f} MB more and "
                f"{self._folder} has {free / 1e6:.0f} MB free: make room, or choose another folder "
                "with --to"
            )

    def _complete(self, file: RemoteFile, arrived: Callable[[int], object]) -> None:
        """Download until the part file has its full length, over as many connections as needed."""
        part = self._part(file)
        part.touch()
        idle = 0
        while (held := _size(part)) < file.size:
            self._check_time()
            broken: Exception | None = None
            try:
                self._read_on(file, held, arrived)
            except (httpx2.HTTPError, OfflineModeIsEnabled) as error:
                broken = error
            idle = 0 if _size(part) > held else idle + 1
            if idle == TRIES or isinstance(broken, (GatedRepoError, OfflineModeIsEnabled)):
                raise HubUnreachable(
                    f"{file.name} of {self._source.repository} stopped at {_size(part)} of "
                    f"{file.size} bytes ({broken or 'no more came'}): try again, it resumes there"
                ) from broken
            time.sleep(0.5 * idle)
        self._accept(file)

    def _read_on(self, file: RemoteFile, held: int, arrived: Callable[[int], object]) -> None:
        source = self._source
        url = hf_hub_url(
            source.repository, file.name, revision=source.commit, endpoint=source.endpoint
        )
        headers = {"Accept-Encoding": "identity"}
        if token := get_token():
            headers["Authorization"] = f"Bearer {token}"
        if held:
            headers["Range"] = f"bytes={held}-"
        with get_session().stream("GET", url, headers=headers, timeout=self._timeout_s) as response:
            hf_raise_for_status(response)
            goes_on = response.status_code == httpx2.codes.PARTIAL_CONTENT
            if not goes_on:
                arrived(-held)
            with self._part(file).open("ab" if goes_on else "wb") as out:
                for block in response.iter_bytes():
                    out.write(block)
                    arrived(len(block))
                    self._check_time()

    def _check_time(self) -> None:
        if time.monotonic() > self._give_up_at:
            raise HubUnreachable(
                f"{self._source.repository} could not be fetched in time: partial files are "
                "kept, and the next fetch resumes them"
            )

    def _accept(self, file: RemoteFile) -> None:
        part = self._part(file)
        digest = sha256(part) if len(file.digest) == 64 else _git_digest(part)
        if digest != file.digest:
            part.unlink()
            raise FetchError(
                f"{file.name} of {self._source.repository} arrived damaged (its digest is not the "
                "hub's) and was removed: fetch it again"
            )
        move_into_place({part: self._path(file)})


def _needed_files(names: set[str], full: bool) -> list[str]:
    """The files to fetch from a repository; none if it has no model for this engine."""
    if names >= set(WHISPER_FILES):
        return [*WHISPER_FILES, *(name for name in (*WHISPER_EXTRAS, *EXTRAS) if name in names)]
    for kind in graph_kinds(quantized=not full):
        graphs = [f"onnx/{tower}_model{kind}.onnx" for tower in ("vision", "text")]
        if names >= {*graphs, *ENCODER_FILES}:
            extras = (*EXTRAS, *(f"{graph}_data" for graph in graphs))
            return [*ENCODER_FILES, *graphs, *(name for name in extras if name in names)]
    return []


def _model_info(api: HfApi, repository: str, revision: str, timeout_s: float) -> ModelInfo:
    # Otherwise every call first tells the hub which packages and programs this machine has.
    constants.HF_HUB_DISABLE_TELEMETRY = True
    try:
        return api.model_info(repository, revision=revision, timeout=timeout_s, files_metadata=True)
    except RevisionNotFoundError as error:
        raise HubUnreachable(f"{repository} has no revision {revision}") from error
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise HubUnreachable(
            f"The hub has no repository {repository} that is open to you (HF_TOKEN is for others)"
        ) from error
    except (httpx2.HTTPError, OfflineModeIsEnabled) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise HubUnreachable(f"The hub cannot be reached: {reason}") from error


def _licence(info: ModelInfo) -> str | None:
    """The licence that a model card names, by its own name if it is of no known kind."""
    known = LICENCES.get(info.id)
    card = info.card_data
    if card is None or not card.license:
        return known
    named = card.get("license_name") if card.license == "other" else None
    return str(named or card.license).lower()


def _base_licence(api: HfApi, info: ModelInfo, timeout_s: float) -> str | None:
    """The licence of the model that this one was converted from."""
    base = info.card_data.base_model if info.card_data else None
    repository = base[0] if isinstance(base, list) and base else base
    if not isinstance(repository, str):
        return None
    if repository in LICENCES:
        return LICENCES[repository]
    try:
        return _licence(_model_info(api, repository, "main", timeout_s))
    except HubUnreachable:
        return None


def _held(folder: Path, source: Source) -> Fetched | None:
    """The record of a folder if it has the source's commit; a damaged record counts as none."""
    try:
        record = read_record(folder)
    except ModelError:
        return None
    return record if record and record.commit == source.commit else None


def _intact_files(folder: Path, source: Source, held: Fetched) -> list[str]:
    """Those of the source's files that are unchanged in a folder."""
    intact = []
    for file in source.files:
        path = folder / file.name
        if _size(path) == file.size and held.files.get(file.name) == sha256(path):
            intact.append(file.name)
        elif path.is_file():
            log.warning("%s has changed since it was fetched: it is fetched again", path)
    return intact


def _copy(names: Sequence[str], source: Path, target: Path) -> None:
    for name in names:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, target / name)


def _lock(work: Path) -> Path:
    return work.with_name(f"{work.name}.lock")


def _remove_unfinished(partial: Path, title: str) -> None:
    """Remove unfinished downloads of a model, except one that another program is working on."""
    lead = f"{title}-"
    for name in {path.name.removesuffix(".lock") for path in partial.iterdir()}:
        if name.startswith(lead) and FILES_ID.fullmatch(name.removeprefix(lead)):
            lock = _lock(partial / name)
            with suppress(Timeout), FileLock(lock, timeout=0):
                shutil.rmtree(partial / name, ignore_errors=True)
                lock.unlink(missing_ok=True)


def _files_id(source: Source) -> str:
    """Identifies exactly these files, so that parts of other ones are never resumed."""
    digests = "".join(file.digest for file in source.files)
    return hashlib.sha256(digests.encode()).hexdigest()[:12]


def _replace(target: Path, work: Path) -> None:
    """Replace the previous folder by the fetched one."""
    if target.exists():
        shutil.rmtree(target)
    os.replace(work, target)


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _git_digest(path: Path) -> str:
    """The SHA-1 under which Git stores a file."""
    content = path.read_bytes()
    header = b"blob %d\0" % len(content)
    return hashlib.sha1(header + content, usedforsecurity=False).hexdigest()


def _now() -> str:
    return datetime.now(timezone.utc).isoformat()
