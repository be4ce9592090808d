"""The walls of the house: who may import whom, and that importing builds nothing.

A new module needs a row in OUTSIDE or ENGINE. That is on purpose: say where it stands.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# Each module outside the engine, with the modules of ours that it may import.
OUTSIDE: dict[str, set[str]] = {
    "app": {
        "export_routes",
        "lab_routes",
        "page_routes",
        "results",
        "selection",
        "settings",
        "shelf",
    },
    "page_routes": {
        "card_views",
        "library",
        "results",
        "selection",
        "shelf",
        "video_files",
        "view_models",
        "wording",
    },
    "export_routes": {"classification", "exports", "library", "results", "selection", "shelf"},
    "lab_routes": {
        "backends",
        "classes",
        "lab",
        "lab_form",
        "library",
        "questions",
        "results",
        "selection",
        "settings",
        "shelf",
        "twelvelabs_client",
        "view_models",
        "wording",
    },
    "lab": {
        "classification",
        "library",
        "plain_files",
        "questions",
        "results",
        "twelvelabs_client",
    },
    "lab_form": {"classes", "classification", "questions", "selection"},
    "shelf": {"library", "results", "settings", "video_files", "video_media"},
    "video_files": set(),
    "video_media": {"classification"},
    "holdings": {"preflight"},
    "media_gathering": {"console", "twelvelabs_client", "video_media"},
    "view_models": {
        "card_views",
        "charts",
        "classification",
        "library",
        "results",
        "selection",
        "wording",
    },
    "card_views": {"classification", "results", "selection", "wording"},
    "charts": {"classification", "library", "results"},
    "selection": {"classification", "results"},
    "library": {"classification", "results"},
    "exports": {"classification"},
    "questions": {"classification", "costs", "results", "settings", "twelvelabs_client"},
    "plain_files": set(),
    "wording": set(),
    "pipeline": {
        "backends",
        "classes",
        "console",
        "holdings",
        "media_gathering",
        "monitor",
        "preflight",
        "questions",
        "results",
        "settings",
        "summary",
        "twelvelabs_client",
    },
    "samples": {"preflight", "settings"},
    "monitor": {"console", "twelvelabs_client"},
    "backends": {
        "costs",
        "settings",
        "twelvelabs_client",
        "twelvelabs_v13",
        "engine.models",
        "engine.server",
    },
    "twelvelabs_client": {
        "classification",
        "costs",
        "twelvelabs_errors",
        "twelvelabs_form",
        "twelvelabs_http",
    },
    "costs": {"twelvelabs_errors"},
    "twelvelabs_v13": {
        "classification",
        "costs",
        "twelvelabs_client",
        "twelvelabs_errors",
        "twelvelabs_form",
        "twelvelabs_http",
        "twelvelabs_v13_search",
        "twelvelabs_v13_segments",
        "twelvelabs_v13_upload",
    },
    "twelvelabs_v13_search": {"classification", "costs", "twelvelabs_errors", "twelvelabs_http"},
    "twelvelabs_v13_segments": {"classification", "costs", "twelvelabs_errors", "twelvelabs_http"},
    "twelvelabs_v13_upload": {"twelvelabs_errors", "twelvelabs_form", "twelvelabs_http"},
    "twelvelabs_form": {"twelvelabs_errors", "twelvelabs_http"},
    "twelvelabs_http": {"twelvelabs_errors"},
    "twelvelabs_errors": set(),
    "summary": {"console", "preflight"},
    "preflight": {"engine.media"},
    "console": set(),
    "classes": {"results"},
    "results": {"classification", "plain_files"},
    "settings": set(),
    "classification": set(),
}

# The engine's floors from the top: a module may import from the floors below its own.
ENGINE: tuple[set[str], ...] = (
    {"engine.__main__"},
    {"engine.server"},
    {"engine.api"},
    {"engine.answers", "engine.schemas"},
    {"engine.pages", "engine.service"},
    {"engine.classifying", "engine.search"},
    {"engine.indexing", "engine.matching"},
    {"engine.fetching", "engine.gathering", "engine.listing", "engine.scoring", "engine.subtitles"},
    {"engine.moments", "engine.screen_text", "engine.stretches", "engine.transcript"},
    {"engine.catalog", "engine.media", "engine.models"},
    {"engine.errors", "engine.evidence"},
)
# What the engine may import of the rest of the house.
ENGINE_OUTSIDE: dict[str, set[str]] = {
    "engine.__main__": {"classification", "settings"},
    "engine.server": {"classification"},
    "engine.api": {"classification"},
    "engine.models.__main__": {"settings"},
    "engine.answers": {"classification"},
    "engine.schemas": {"classification"},
    "engine.classifying": {"classification"},
    "engine.matching": {"classification"},
    "engine.search": {"classification"},
    "engine.scoring": {"classification"},
}

# Packages of others that only some modules may know; "engine.models" includes what is in it.
ONLY_KNOWN_TO: dict[str, set[str]] = {
    "av": {"engine.media", "samples"},
    "flask": {
        "app",
        "export_routes",
        "lab_routes",
        "page_routes",
        "shelf",
        "video_files",
        "engine.api",
    },
    "werkzeug": {"app", "lab_routes", "video_files", "engine.api"},
    "cheroot": {"app", "engine.server"},
    "waitress": {"app", "video_files", "engine.server"},
    "sqlalchemy": {
        "engine.catalog",
        "engine.classifying",
        "engine.indexing",
        "engine.listing",
        "engine.search",
        "engine.service",
    },
    "itsdangerous": {"engine.api"},
    "pydantic": {"engine.api", "engine.listing", "engine.schemas"},
    "requests": {"twelvelabs_http"},
    "requests_toolbelt": {"twelvelabs_form", "twelvelabs_v13_search"},
    "dotenv": {"settings"},
    "onnx": {"engine.models"},
    "onnxruntime": {"engine.models"},
    "moonshine_voice": {"engine.models"},
    "rapidocr": {"engine.models"},
    "tokenizers": {"engine.models"},
    "huggingface_hub": {"engine.models"},
    "httpx2": {"engine.models"},
    "faster_whisper": {"engine.models"},
    "wordllama": set(),  # its files are read; importing it reconfigures the root logger
    "torch": set(),
}

# What no module may hold once it is imported; made on request, never by an import.
BUILT = {"Flask", "Session", "InferenceSession", "Engine", "ThreadPoolExecutor", "Thread"}

# Imports each module as the first of ours and prints what it did besides. What the packages of
# others do while they are imported is their own affair (urllib3 binds a socket to learn whether
# there is IPv6), and they are imported once only.
IMPORT_EACH_ALONE = """
import importlib, json, os, sys, threading
root, names = sys.argv[1], sys.argv[2:]
def is_ours(path):
    return path.startswith(root + os.sep) and "site-packages" not in path
def caller():
    frame = sys._getframe(2)
    while frame and frame.f_code.co_filename.startswith(("<frozen", sys.base_prefix)):
        frame = frame.f_back
    return frame.f_code.co_filename if frame else ""
def watch(event, arguments):
    acts = event in ("os.mkdir", "os.remove", "os.rename", "socket.__new__", "subprocess.Popen")
    if (acts or event == "open" and set(str(arguments[1])) & set("wax+")) and is_ours(caller()):
        done.append(f"{event} {arguments[0]}")
sys.addaudithook(watch)
found = {}
for name in names:
    for loaded in sys.modules.keys() & names:
        del sys.modules[loaded]
    done, before = [], threading.enumerate()
    try:
        module = importlib.import_module(name)
    except Exception as error:
        done.append(repr(error))
    else:
        values = vars(module).items()
        done += [f"{key} is built" for key, value in values if type(value).__name__ in BUILT]
    done += [f"{thread} is started" for thread in threading.enumerate() if thread not in before]
    found[name] = done
json.dump(found, sys.stdout)
"""


def files() -> Iterator[tuple[str, Path]]:
    for path in sorted([*ROOT.glob("*.py"), *(ROOT / "engine").rglob("*.py")]):
        parts = path.relative_to(ROOT).with_suffix("").parts
        yield ".".join(part for part in parts if part != "__init__"), path


FILES = dict(files())


def imported(path: Path) -> set[str]:
    """Every module that a file imports, at its top or in a function."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports are not used here"
            submodules = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= submodules & FILES.keys() or {str(node.module)}
    return found


def ours(module: str) -> set[str]:
    return imported(FILES[module]) & FILES.keys()


def room(module: str) -> str:
    """The row a module stands in: what is in a package stands where the package does."""
    return ".".join(module.split(".")[:2])


def outside(module: str) -> set[str]:
    return ENGINE_OUTSIDE.get(module, ENGINE_OUTSIDE.get(room(module), set()))


def floor(module: str) -> int | None:
    return next((at for at, modules in enumerate(ENGINE) if room(module) in modules), None)


@pytest.mark.parametrize("module", sorted(FILES.keys() - {"engine"}))
def test_imports_only_what_its_row_allows(module: str) -> None:
    own_floor = floor(module)
    if own_floor is None:
        assert module in OUTSIDE, f"{module} has no row yet: say what it may import"
        allowed = OUTSIDE[module]
    else:
        below = set().union(*ENGINE[own_floor + 1 :])
        allowed = below | {room(module)} | outside(module)
    strangers = {name for name in ours(module) if room(name) not in allowed}
    assert not strangers, f"{module} imports {strangers}: only {sorted(allowed)} are allowed"


def test_no_row_is_left_of_a_module_that_is_gone() -> None:
    rooms = {room(module) for module in FILES}
    assert set(OUTSIDE) | set().union(*ENGINE) | set(ENGINE_OUTSIDE) <= rooms | FILES.keys()


def test_there_are_no_cycles() -> None:
    TopologicalSorter({module: ours(module) - {module} for module in FILES}).prepare()


@pytest.mark.parametrize("package", sorted(ONLY_KNOWN_TO))
def test_package_is_known_only_where_it_is_used(package: str) -> None:
    users = {
        room(module)
        for module, path in FILES.items()
        if package in {name.split(".")[0] for name in imported(path)}
    }
    assert users <= ONLY_KNOWN_TO[package]


@pytest.fixture(scope="module")
def done_by_imports() -> dict[str, list[str]]:
    code = IMPORT_EACH_ALONE.replace("BUILT", repr(BUILT))
    command = [sys.executable, "-B", "-W", "error", "-c", code, str(ROOT), *FILES]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize("module", sorted(FILES))
def test_importing_it_alone_builds_nothing(
    done_by_imports: dict[str, list[str]], module: str
) -> None:
    assert done_by_imports[module] == []


@pytest.mark.parametrize(
    ("module", "slow"),
    [
        ("pipeline", {"flask", "sqlalchemy", "onnxruntime"}),
        ("engine.server", {"onnx", "omegaconf", "rapidocr.ch_ppocr_det"}),
    ],
)
def test_start_loads_nothing_slow_that_it_may_not_need(module: str, slow: set[str]) -> None:
    code = f"import sys, {module}; print(*sys.modules)"
    command = [sys.executable, "-B", "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert not slow & set(done.stdout.split())
