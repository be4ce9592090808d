import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from core.classes import MAX_CHARACTERS, ClassesError, PromptClass, load_classes
from engine.api.schemas.classify import ClassBody

PETS = {"name": "Pets", "prompts": ["dog", "cat"]}
SPACE = {"name": "Space", "prompts": ["rocket"]}


def write(folder: Path, content: object) -> Path:
    path = folder / "classes.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "content",
    [
        {"classes": [PETS, SPACE]},
        [PETS, SPACE],
        {"about": "for the demo", "classes": [PETS, SPACE]},
        [{"name": " Pets ", "prompts": ["dog\n", "cat"]}, SPACE],
    ],
    ids=["tutorial", "bare list", "with a note", "space around"],
)
def test_both_shapes_give_the_same_classes(tmp_path: Path, content: object) -> None:
    assert load_classes(write(tmp_path, content)) == (
        PromptClass("Pets", ("dog", "cat")),
        PromptClass("Space", ("rocket",)),
    )


def test_a_byte_order_mark_is_no_content(tmp_path: Path) -> None:
    path = tmp_path / "classes.json"
    path.write_text(json.dumps([PETS]), encoding="utf-8-sig")
    assert load_classes(path) == (PromptClass("Pets", ("dog", "cat")),)


def test_the_same_prompt_may_serve_two_classes(tmp_path: Path) -> None:
    twice = [PETS, {"name": "Animals", "prompts": ["dog"]}]
    assert [found.prompts for found in load_classes(write(tmp_path, twice))] == [
        ("dog", "cat"),
        ("dog",),
    ]


def test_a_hundred_prompts_are_taken(tmp_path: Path) -> None:
    many = [{"name": str(n), "prompts": [f"{n} {m}" for m in range(50)]} for n in range(2)]
    assert sum(len(found.prompts) for found in load_classes(write(tmp_path, many))) == 100


def test_what_is_taken_here_is_taken_by_the_engine(tmp_path: Path) -> None:
    longest = "d" * MAX_CHARACTERS
    (found,) = load_classes(write(tmp_path, [{"name": longest, "prompts": [f" {longest} "]}]))
    body = ClassBody(name=found.name, prompts=list(found.prompts))
    assert (body.name, body.prompts) == (longest, [longest])
    with pytest.raises(ValidationError):
        ClassBody(name="d", prompts=[longest + "d"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("Pets", "must contain a list of classes"),
        ({"labels": [PETS]}, "must contain a list of classes"),
        ({"classes": {"Pets": ["dog"]}}, "must contain a list of classes"),
        ([], "contains no class"),
        ([PETS, "Space"], "class 2 must be an object"),
        ([{"prompts": ["dog"]}], "the name of class 1 is missing"),
        ([{"name": "", "prompts": ["dog"]}], "the name of class 1 is empty"),
        ([PETS, {"name": " \t", "prompts": ["dog"]}], "the name of class 2 is empty"),
        ([{"name": 7, "prompts": ["dog"]}], "the name of class 1 must be a string, not 7"),
        ([{"name": "Pets"}], "the prompts of class 1 ('Pets') must be a list"),
        ([{"name": "Pets", "prompts": "dog"}], "the prompts of class 1 ('Pets') must be a list"),
        ([{"name": "Pets", "prompts": []}], "class 1 ('Pets') has no prompts"),
        ([{"name": "Pets", "prompts": ["dog", ""]}], "prompt 2 of class 1 ('Pets') is empty"),
        ([{"name": "Pets", "prompts": [None]}], "prompt 1 of class 1 ('Pets') is missing"),
        ([{"name": "Pets", "prompts": [["dog"]]}], "prompt 1 of class 1 ('Pets') must be a string"),
        ([{"name": "Pets", "prompt": ["dog"]}], "class 1 ('Pets') has an unknown field 'prompt'"),
        ([PETS, SPACE, PETS], "class 3 ('Pets') repeats number 1"),
        ([PETS, {**SPACE, "name": "PETS "}], "class 2 ('PETS') repeats number 1"),
        (
            [SPACE, {"name": "Pets", "prompts": ["dog", "cat", "Dog"]}],
            "class 2 ('Pets'), prompt 3 ('Dog') repeats number 1",
        ),
        (
            [{"name": "Pets", "prompts": [f"dog {n}" for n in range(101)]}],
            "101 prompts in total exceed the limit of 100",
        ),
        ([{"name": "\ud800", "prompts": ["dog"]}], "contains half of a surrogate pair"),
        (
            [{"name": "Pets", "prompts": ["dog", "cat" * 700]}],
            "prompt 2 of class 1 ('Pets') has 2100 characters, and the limit is 2000: shorten it",
        ),
        ([{"name": "d" * 2001, "prompts": ["dog"]}], "the name of class 1 has 2001 characters"),
    ],
)
def test_bad_entries_are_named(tmp_path: Path, content: object, message: str) -> None:
    path = write(tmp_path, content)
    with pytest.raises(ClassesError) as caught:
        load_classes(path)
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is not JSON: Expecting value at line 1, column 1"),
        (b'[{"name": "Pets",\n "prompts": ["dog",]}]', "at line 2, column "),
        (b"\xff\xfe[\x00]\x00", "byte 1 is not UTF-8"),
        (b"[" * 100_000, "it cannot be read as JSON"),
    ],
    ids=["empty", "trailing comma", "UTF-16", "deep"],
)
def test_what_is_not_json_says_where(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "classes.json"
    path.write_bytes(content)
    with pytest.raises(ClassesError, match=r"classes\.json: ") as caught:
        load_classes(path)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '{"classes": [{"name": "Cats", "prompts": ["cat"], "prompts": ["coffee"]}]}',
            "the key 'prompts' appears 2 times in the class 'Cats': merge its values",
        ),
        ('[{"name": "A", "name": "B", "prompts": ["cat"]}]', "the key 'name' appears 2 times"),
        ('{"classes": [], "classes": []}', "the key 'classes' appears 2 times: merge its values"),
        ('{"notes": {"by": 1, "by": 2}, "classes": []}', "the key 'by' appears 2 times"),
    ],
)
def test_a_key_that_is_there_twice_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "classes.json"
    path.write_text(text)
    with pytest.raises(ClassesError) as caught:
        load_classes(path)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "twin",
    [
        "cafe\u0301",  # composed of two characters
        "CAFÉ",
        "caf\u200bé",  # zero width space
        "\ufeffcafé",
        "café\u00ad",  # soft hyphen
        "\uff43\uff41\uff46é",  # wide letters
        "cafe\u034f\u0301",
        "café\ufe0f",
        "c\u2060afé",
        "café\u3164",
    ],
)
def test_names_that_look_the_same_are_twins(tmp_path: Path, twin: str) -> None:
    classes = [{"name": "café", "prompts": ["a"]}, {"name": twin, "prompts": ["b"]}]
    with pytest.raises(ClassesError, match=r"class 2 .* repeats number 1 \('café'\)"):
        load_classes(write(tmp_path, classes))
    prompts = [{"name": "Drinks", "prompts": ["café", twin]}]
    with pytest.raises(ClassesError, match=r"prompt 2 .* repeats number 1"):
        load_classes(write(tmp_path, prompts))


def test_spaces_of_all_kinds_look_alike_and_letters_do_not(tmp_path: Path) -> None:
    alike = [{"name": "ice cream", "prompts": ["a"]}, {"name": "ice\u00a0 cream", "prompts": ["b"]}]
    with pytest.raises(ClassesError, match="repeats number 1"):
        load_classes(write(tmp_path, alike))
    names = ["resume", "résumé", "Resümee", "日本", "日本語", "x2", "x\u0302"]
    classes = [{"name": name, "prompts": ["a"]} for name in names]
    assert [each.name for each in load_classes(write(tmp_path, classes))] == names


@pytest.mark.parametrize("name", ["\u200b", "\u3164 \ufe0f", "\u00ad"])
def test_a_name_that_cannot_be_seen_is_empty(tmp_path: Path, name: str) -> None:
    with pytest.raises(ClassesError, match="the name of class 1 is empty"):
        load_classes(write(tmp_path, [{"name": name, "prompts": ["a"]}]))


def test_a_missing_file_shows_the_shape(tmp_path: Path) -> None:
    with pytest.raises(ClassesError, match="no such file: write your classes as"):
        load_classes(tmp_path / "classes.json")


def test_a_folder_is_not_a_classes_file(tmp_path: Path) -> None:
    with pytest.raises(ClassesError, match="cannot be read"):
        load_classes(tmp_path)
