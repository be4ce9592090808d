"""The command line of every command: --help, options over settings, errors alike."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from functools import cache

import pytest

import app
import engine.__main__
import engine.models.__main__
import pipeline
import steps.samples
from core.command_line import make_parser, read_settings
from core.settings import SettingError, table
from tests.support.paths import ROOT

# Each command as its program and the parts of sys.argv before its options.
COMMANDS = {
    "pipeline.py": pipeline.OPTIONS,
    "app.py": app.OPTIONS,
    "-m engine": engine.__main__.OPTIONS,
    "-m engine.models fetch": engine.models.__main__.OPTIONS,
    "-m steps.samples": steps.samples.OPTIONS,
}
# Libraries that take long to load, and nobody needs them to read --help.
SLOW = {
    "av",
    "cheroot",
    "flask",
    "huggingface_hub",
    "moonshine_voice",
    "numpy",
    "onnxruntime",
    "PIL",
    "rapidocr",
    "sqlalchemy",
    "tokenizers",
    "waitress",
    "werkzeug",
}
HELP = """
import runpy, sys
command = sys.argv[1:]
try:
    if command[0] == "-m":
        sys.argv = command[1:]
        runpy.run_module(command[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = command
        runpy.run_path(command[0], run_name="__main__")
finally:
    print("LOADED", *sys.modules)
"""


@cache
def help_of(command: str) -> tuple[str, frozenset[str]]:
    """What a command prints for --help, as one line, and the modules it has loaded by then."""
    done = subprocess.run(
        [sys.executable, "-B", "-c", HELP, *command.split(), "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "COLUMNS": "1000", "PORT": "not a port"},  # --help reads no setting
    )
    text, loaded = done.stdout.split("LOADED ")
    return " ".join(text.split()), frozenset(loaded.split())


@pytest.mark.parametrize("command", [*COMMANDS, "-m engine.models"])
def test_help_loads_nothing_slow(command: str) -> None:
    text, loaded = help_of(command)
    assert text.startswith("usage: ")
    assert "core.settings" in loaded
    assert not SLOW & loaded


@pytest.mark.parametrize("command", COMMANDS)
def test_help_tells_every_option_with_its_default_and_variable(command: str) -> None:
    text, _ = help_of(command)
    for option, name in COMMANDS[command].items():
        row = table()[name]
        told = f"{row.help} (default: {row.shown_default or 'empty'}; or set {row.variable})"
        assert f"{option} {row.kind.placeholder} {told}" in text


@pytest.mark.parametrize(
    ("command", "option", "rule"),
    [
        ("pipeline.py", "--reindex", "yes or no"),
        ("app.py", "--port", "a whole number from 0 to 65535"),
        ("-m engine", "--port", "a whole number from 0 to 65535"),
    ],
)
def test_wrong_value_is_told_with_its_option_and_rule(command: str, option: str, rule: str) -> None:
    done = run(command, option, "maybe")
    assert done.returncode == 2
    assert f"{option}='maybe' must be {rule}" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("command", "option"),
    [
        ("-m engine.models fetch", "--to"),
        ("-m steps.samples", "--videos"),
        ("-m engine", "--data-dir"),
    ],
)
def test_empty_value_is_told_with_its_option(command: str, option: str) -> None:
    done = run(command, option, "")
    assert (done.returncode, done.stderr) == (
        2,
        f"error: {option} is empty: give a value or leave it out\n",
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_unknown_and_abbreviated_options_are_refused(command: str) -> None:
    done = run(command, "--no-such-option")
    assert done.returncode == 2
    assert "unrecognized arguments: --no-such-option" in done.stderr


def run(command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command.split(), *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


# The adapter itself


OPTIONS = {"--index": "index_name", "--again": "reindex", "--use": "options", "--url": "api_url"}


def parse(*arguments: str) -> argparse.Namespace:
    return make_parser("Does it.\n\nAnd more.", OPTIONS).parse_args(arguments)


def test_options_are_laid_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INDEX_NAME", "set")
    monkeypatch.setenv("API_URL", "https://set.example/v1.2")
    assert read_settings(parse(), OPTIONS).index_name == "set"
    settings = read_settings(
        parse("--index", "given", "--again", "yes", "--use", "visual,visual", "--url", ""), OPTIONS
    )
    assert (settings.index_name, settings.reindex) == ("given", True)
    assert (settings.options, settings.api_url) == (("visual",), "")


def test_setting_without_an_option_keeps_its_variable_in_errors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PORT", "many")
    with pytest.raises(SettingError, match=r"^PORT='many' must be"):
        read_settings(parse(), OPTIONS)


def test_options_are_not_guessed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse("--ind", "given")
    assert "unrecognized arguments: --ind given" in capsys.readouterr().err


def test_document_is_above_and_below_the_options() -> None:
    text = make_parser("Does it.\n\nAnd more.", OPTIONS, "python -m it").format_help()
    assert re.search(r"(?s)^usage: python -m it .*Does it\..*--again YES\|NO.*And more\.\n$", text)
