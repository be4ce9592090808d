"""Results files: equal in both forms, and nothing but plain data of the types that are due."""

from __future__ import annotations

import json
import math
import os
import pickle
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from core.classification import Clip, Score, Seconds
from core.files import write_together
from store.results import read_result
from store.safe_files import ResultsBroken, ResultsRefused, StoredFile, both_forms

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def adjacent_surrogates(value: Any) -> bool:
    """A high surrogate before a low one is one character in JSON."""
    text = json.dumps(value)
    return any(f"\\ud{high}" in text for high in "89ab")


@given(data=PLAIN)
def test_json_and_pickle_give_the_same(tmp_path_factory: pytest.TempPathFactory, data: Any) -> None:
    folder = tmp_path_factory.mktemp("results")
    write_together(both_forms(folder, "any", data))
    from_json = read_result(folder, "any")
    (folder / "any.json").unlink()
    assert repr(read_result(folder, "any")) == repr(from_json)
    if not adjacent_surrogates(data):
        assert from_json == data


def test_undecodable_file_name_survives(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.mp4")
    write_together(both_forms(tmp_path, "any", [name]))
    assert read_result(tmp_path, "any") == [name]


@pytest.mark.parametrize("data", [{1, 2}, object(), b"bytes"])
def test_what_json_cannot_say_is_a_fault_of_the_program(tmp_path: Path, data: Any) -> None:
    with pytest.raises(TypeError):
        both_forms(tmp_path, "any", [data])


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_is_refused_by_its_place(tmp_path: Path, number: float) -> None:
    with pytest.raises(ResultsRefused, match=r"any\.json: data\[0\]\.x\[1\]: expected a finite"):
        both_forms(tmp_path, "any", {"data": [{"x": (1.0, number)}]})


# Types


class Part(Struct):
    at: Seconds
    name: str = ""


class Whole(Struct):
    score: Score
    parts: list[Part] = []


def stored(text: str | bytes, name: str = "any.json") -> StoredFile:
    return StoredFile(Path(name), text.encode() if isinstance(text, str) else text)


def pickled(data: Any) -> StoredFile:
    return stored(pickle.dumps(data), "any.pickle")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"score": 7, "parts": [{"at": 1}]}', Whole(7.0, [Part(1.0)])),
        ('{"score": 7.5, "unknown": [{}], "parts": [{"at": 1e306}]}', Whole(7.5, [Part(1e306)])),
        ('{"score": -0.0, "score": 100}', Whole(100.0)),
        ('{"score": 1, "parts": [{"at": 1, "name": "\\ud800 \\udce9"}]}', "\ud800 \udce9"),
        ('{"score": 1, "parts": [{"at": 1, "name": "\\ud83d\\ude00"}]}', "\U0001f600"),
        ('{"score": 1, "note": "\\ud800", "parts": [{"at": 1, "name": "é"}]}', "é"),
        ('{"score": 1, "note": NaN}', Whole(1.0)),
        ('\ufeff{"score": 1}', Whole(1.0)),
        ('{"score": 1}'.encode("utf-16"), Whole(1.0)),
    ],
)
def test_files_become_types(text: str | bytes, expected: Whole | str) -> None:
    whole = Whole(1.0, [Part(1.0, expected)]) if isinstance(expected, str) else expected
    file = stored(text)
    assert file.decode(Whole) == whole
    assert pickled(file.plain()).decode(Whole) == whole
    assert type(file.decode(Whole).score) is float


DEEP = 100_000
TOO_LARGE = "9" * 400


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("[]", "expected an object, got a list"),
        ("{}", '"score" is missing'),
        ('{"score": null}', "score: expected a number, got null"),
        ('{"score": true}', "score: expected a number, got a boolean"),
        ('{"score": "1"}', "score: expected a number, got a string"),
        ('{"score": -1}', "score: expected a number >= 0.0"),
        ('{"score": 100.01}', "score: expected a number <= 100.0"),
        ('{"score": NaN}', "score: expected a number >= 0.0"),
        ('{"score": -Infinity}', "score: expected a number >= 0.0"),
        ('{"score": 1, "parts": {}}', "parts: expected a list, got an object"),
        ('{"score": 1, "parts": [{"at": 1}, {}]}', 'parts[1]: "at" is missing'),
        ('{"score": 1, "parts": [{"at": 1e999}]}', "parts[0].at: expected a finite number"),
        ('{"score": 1, "parts": [{"at": Infinity}]}', "parts[0].at: expected a finite number"),
        (f'{{"score": 1, "parts": [{{"at": {TOO_LARGE}}}]}}', "parts[0].at: number out of range"),
        ('{"score": 1, "parts": [{"at": 1, "name": 7}]}', "parts[0].name: expected a string"),
    ],
)
def test_broken_rule_is_named_with_its_place(text: str, rule: str) -> None:
    for file in (stored(text), pickled(json.loads(text))):
        with pytest.raises(ResultsBroken) as caught:
            file.decode(Whole)
        assert caught.value.rule.startswith(rule)
        assert str(caught.value) == f"{file.path}: {caught.value.rule}: run pipeline.py again"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe\x00",
        b"[" * 200_000,
        b'{"score": 1, "unknown": ' + b"[" * 200_000,
        b"9" * 5_000,
        '{"score": [}'.encode("utf-16"),
        b'{"score": 1} 2',
        b'{"score": 1, "parts": [{"at": 1, "name": "\xff"}]}',
    ],
)
def test_broken_json(content: bytes) -> None:
    with pytest.raises(ResultsBroken, match=r"^any\.json: it is not valid JSON: .*: run pipeline"):
        stored(content).decode(Whole)


# Pickles


class Runs:
    """A pickle that runs a command when it is read by the usual unpickler."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (self.command,)


SHARED: list[Any] = []
CYCLE: list[Any] = []
CYCLE.append(CYCLE)
LAUGHS: list[Any] = ["ha"]
for _ in range(40):
    LAUGHS = [LAUGHS, LAUGHS]

HOSTILE = {
    "class": pickle.dumps(Clip(0, 1, 2, "visual", "dog")),
    "path": pickle.dumps(Path("x")),
    "builtin": pickle.dumps(len),
    "tuple": pickle.dumps((1, 2)),
    "set": pickle.dumps({1}),
    "bytes": pickle.dumps(b"x"),
    "bytearray": pickle.dumps(bytearray(4), protocol=5),
    "text protocol": pickle.dumps(["a"], protocol=0),
    "stack global": b"\x80\x04\x8c\x02os\x8c\x06system\x93.",
    "extension": b"\x80\x02\x82\x01.",
    "persistent id": b"\x80\x02X\x01\x00\x00\x00aQ.",
    "shared list": pickle.dumps([SHARED, SHARED]),
    "shared dictionary": pickle.dumps([d := {"a": 1}, d]),
    "cycle": pickle.dumps(CYCLE),
    "billion laughs": pickle.dumps(LAUGHS),
    "memo place stored again": (
        b"\x80\x04X\x01\x00\x00\x00aq\x00X\x01\x00\x00\x00aq\x00" + b"]\x94h\x01a."
    ),
    "far memo place": b"\x80\x02]r" + struct.pack("<I", 2**32 - 1) + b".",
    "promised gigabytes": b"\x80\x04\x8d" + struct.pack("<Q", 2**40) + b"x.",
    "promised frame": b"\x80\x04\x95" + struct.pack("<Q", 2**62) + b"].",
    "list as a key": b"\x80\x02}]K\x01s.",
    "nothing on the stack": b"\x80\x02.",
    "items into a string": b"\x80\x02X\x01\x00\x00\x00aK\x01K\x02s.",
    "newer protocol": b"\x80\x63].",
    "cut": pickle.dumps({"data": [1, 2, 3]})[:-4],
    "empty": b"",
    "text": b'{"data": []}',
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE.keys())
def test_unpickler_refuses_all_but_plain_data(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "any.pickle").write_bytes(content)
    with pytest.raises(ResultsBroken, match=r"any\.pickle: it is not a pickle of plain"):
        read_result(tmp_path, "any")


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_hostile_pickle_is_not_run(tmp_path: Path, protocol: int) -> None:
    mark = tmp_path / "ran"
    hostile = pickle.dumps({"data": [Runs(f"touch '{mark}'")]}, protocol=protocol)
    (tmp_path / "any.pickle").write_bytes(hostile)
    with pytest.raises(ResultsBroken):
        read_result(tmp_path, "any")
    assert not mark.exists()
    pickle.loads(hostile)
    assert mark.exists(), "the pickle is really hostile"


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_pickles_of_other_programs_are_read(tmp_path: Path, protocol: int) -> None:
    data = {"data": [{"name": "é", "n": [1, -2, 70_000, 2**80, 0.5, None]}, {"name": "é"}]}
    (tmp_path / "any.pickle").write_bytes(pickle.dumps(data, protocol=protocol))
    assert read_result(tmp_path, "any") == data
