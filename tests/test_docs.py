"""What the documentation says is so: commands, settings, files and links."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from core.classes import load_classes
from core.settings import table
from tests.support.paths import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
ENV_EXAMPLE = (ROOT / ".env.example").read_text(encoding="utf-8")
DOCUMENTS = {"README.md": README, ".env.example": ENV_EXAMPLE}


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


COMMANDS = [line for block in blocks("sh") for line in block.splitlines() if line]


def test_settings_table_is_the_table_of_settings() -> None:
    header = "| setting | default | what it is |\n| --- | --- | --- |\n"
    rows = "".join(
        f"| `{row.variable}` | {f'`{row.shown_default}`' if row.shown_default else 'empty'} "
        f"| {row.help} |\n"
        for row in table().values()
    )
    section = README.split("\n## Settings\n")[1].split("\n## ")[0]
    found = "".join(line + "\n" for line in section.splitlines() if line.startswith("|"))
    assert found == header + rows


def test_env_example_has_every_setting_with_its_default() -> None:
    entries = "\n".join(
        f"# {row.help}\n#{row.variable}={row.shown_default}\n" for row in table().values()
    )
    assert ENV_EXAMPLE.split("\n\n", 1)[1] == entries


@pytest.mark.parametrize("command", COMMANDS)
def test_command_is_one_that_exists(command: str) -> None:
    program, *arguments = shlex.split(command)
    check = {
        "make": check_make,
        "python": check_python,
        "python3": check_python,
        "pip": check_pip,
        "cp": check_copy,
        ".": check_activate,
    }
    check[program](arguments)


def check_make(arguments: list[str]) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for argument in arguments:
        variable, is_variable, _ = argument.partition("=")
        wanted = rf"^{variable} \?=" if is_variable else rf"^{argument}:"
        assert re.search(wanted, makefile, re.MULTILINE)


def check_python(arguments: list[str]) -> None:
    is_module = arguments[0] == "-m"
    command, options = (
        (arguments[:2], arguments[2:]) if is_module else (arguments[:1], arguments[1:])
    )
    text = help_of(tuple(command))
    for option in options:
        if option.startswith("-"):
            assert re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", text)


@cache
def help_of(command: tuple[str, ...]) -> str:
    done = subprocess.run(
        [sys.executable, *command, "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return done.stdout


def check_pip(arguments: list[str]) -> None:
    assert arguments[:2] == ["install", "-r"]
    assert (ROOT / arguments[2]).is_file()


def check_copy(arguments: list[str]) -> None:
    assert (ROOT / arguments[0]).is_file()


def check_activate(arguments: list[str]) -> None:
    assert arguments == [".venv/bin/activate"]


def test_there_are_commands_to_check() -> None:
    assert {"make demo", "make results", "make test", "python app.py"} <= set(COMMANDS)


@pytest.mark.parametrize(
    "target", ["demo", "results", "samples", "test", "test-fast", "check", "bench", "clean"]
)
def test_make_help_knows_the_target(target: str) -> None:
    done = subprocess.run(
        ["make", "--no-print-directory", "help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"make {target} " in done.stdout


@pytest.mark.parametrize("example", blocks("json"))
def test_example_of_a_classes_file_is_one(example: str, tmp_path: Path) -> None:
    file = tmp_path / "classes.json"
    file.write_text(example, encoding="utf-8")
    assert load_classes(file)
    assert json.loads(example)


def test_the_classes_that_come_along_are_valid() -> None:
    assert load_classes(ROOT / "classes.json")


def test_links_and_pictures_lead_somewhere() -> None:
    targets = re.findall(r"\]\(([^)#]+)\)", README)
    assert all(target.startswith("http") or (ROOT / target).exists() for target in targets)


# A path of ours in backticks; folders that only a run makes are named in the same way.
OUR_PATH = re.compile(
    r"`((?:app|bench|core|docs|engine|page|pipeline|platforms|static|steps|store|templates|tests"
    r"|transport|twelvelabs_client)(?:/[\w.]+)*(?:\.\w+|/))`"
)


@pytest.mark.parametrize("name", ["README.md", "docs/api.md", "docs/evidence.md"])
def test_files_that_the_documentation_names_exist(name: str) -> None:
    named = set(OUR_PATH.findall((ROOT / name).read_text(encoding="utf-8")))
    assert {path for path in named if not (ROOT / path).exists()} == set()
    assert len(named) > 30 or name != "README.md"


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
def test_nothing_is_left_to_fill_in(name: str) -> None:
    unfinished = r"TODO|FIXME|TBD|XXX|lorem ipsum|coming soon|placeholder|<[a-z ]+ here>"
    assert not re.search(unfinished, DOCUMENTS[name], re.IGNORECASE)
