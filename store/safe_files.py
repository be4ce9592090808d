"""Plain files: JSON and pickles of plain data, read with suspicion.

ResultsError
+-- ResultsMissing   a file is not there: the pipeline has not run, or not into this folder
+-- ResultsBroken    a file is there and breaks a rule; the message names both
"""

from __future__ import annotations

import io
import json
import pickle
import pickletools
from pathlib import Path
from typing import Any, NoReturn

from core.errors import UserError


class ResultsError(UserError):
    """The results cannot be shown; `path` is the file in question."""

    def __init__(self, path: Path, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.path = path


class ResultsMissing(ResultsError):
    """A results file is not there."""

    title = "No results yet"
    page_status = 404


class ResultsBroken(ResultsError):
    """A results file cannot be read, or its content breaks a rule."""

    title = "The results cannot be read"
    page_status = 500


# Writing


def json_bytes(data: Any) -> bytes:
    """Data as the text of a JSON file."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, indent=1) + "\n"
    # A file name that is not valid Unicode carries lone surrogates; backslashreplace writes them
    # as \udcXX, which is what JSON wants.
    return text.encode("utf-8", errors="backslashreplace")


# Reading


def read_plain(path: Path) -> Any:
    """The content of a JSON file or a pickle; raises ResultsMissing or ResultsBroken."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ResultsMissing(path, "there is no such file: run pipeline.py first") from None
    except OSError as error:
        raise ResultsBroken(path, f"it cannot be read: {error.strerror}") from error
    if path.suffix == ".pickle":
        return _unpickle(path, content)
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ResultsBroken(path, f"it is not valid JSON: {error}") from error


_STRINGS = frozenset(("SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"))
_STORES = frozenset(("MEMOIZE", "BINPUT", "LONG_BINPUT"))
_FETCHES = frozenset(("BINGET", "LONG_BINGET"))
_CONTAINERS = frozenset(
    ("MARK", "EMPTY_DICT", "EMPTY_LIST", "SETITEM", "SETITEMS", "APPEND", "APPENDS")
)
_SCALARS = frozenset(
    ("NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT")
)
_FRAMING = frozenset(("PROTO", "FRAME", "STOP"))
_PLAIN = _STRINGS | _STORES | _FETCHES | _CONTAINERS | _SCALARS | _FRAMING


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> NoReturn:
        raise pickle.UnpicklingError(f"{module}.{name} is not plain data")


def _unpickle(path: Path, content: bytes) -> Any:
    try:
        _check_opcodes(content)
        return _PlainUnpickler(io.BytesIO(content)).load()
    # A hostile or cut pickle makes the unpickler raise nearly anything.
    except Exception as error:
        raise ResultsBroken(path, f"it is not a pickle of plain data: {error}") from error


def _check_opcodes(content: bytes) -> None:
    """Refuse a pickle that is more than lists, dicts, strings, numbers, bools and None.

    The check reads the program without running it. Besides classes it refuses what makes a small
    file need much memory or time: far memo places, and containers within each other or themselves.
    """
    containers: set[int] = set()
    stored = 0
    previous = ""
    for opcode, argument, position in pickletools.genops(content):
        if opcode.name not in _PLAIN:
            raise pickle.UnpicklingError(f"{opcode.name} at byte {position} is not plain data")
        if opcode.name in _STORES:
            place = stored if argument is None else int(argument)
            if place > stored:
                raise pickle.UnpicklingError(f"memo place {place} at byte {position} is too far")
            stored = max(stored, place + 1)
            if previous not in _STRINGS:
                containers.add(place)
        elif opcode.name in _FETCHES and argument in containers:
            raise pickle.UnpicklingError(f"one container in two places at byte {position}")
        previous = opcode.name
