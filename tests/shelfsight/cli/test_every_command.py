"""Properties of all commands: help, options, suggestions, completion, exit codes, and JSON of errors."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shelfsight.cli import status as status_module
from shelfsight.cli.command import COMMANDS, NAME, click_command, main

HEAVY = ("torch", "dagster", "polars", "duckdb", "numpy", "mlflow", "pyarrow", "aiohttp")
SHELLS = ("bash", "zsh", "fish", "powershell")


def tree(words: tuple[str, ...], command: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The commands of the tree that have no other below them."""
    inner = getattr(command, "commands", None)
    if inner is None:
        yield words, command
    for word, each in (inner or {}).items():
        yield from tree((*words, word), each)


LEAVES = dict(tree((), click_command()))
WITHOUT_STORE = {("init",)}  # it makes a project, and with it a store
EVERY_COMMAND = pytest.mark.parametrize("words", LEAVES, ids=" ".join)


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_the_tree_has_every_command() -> None:
    assert {words[0] for words in LEAVES} == set(COMMANDS)


@EVERY_COMMAND
def test_help_has_a_sentence_the_options_and_the_exit_codes(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--help"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"Usage: {NAME} {' '.join(words)}")
    assert ("--store FOLDER_OR_URL" in shown) != (words in WITHOUT_STORE)
    assert "--json" in shown
    command = LEAVES[words]
    assert command.help.splitlines()[0].endswith(".")
    assert all(parameter.help for parameter in command.params)


@EVERY_COMMAND
def test_the_first_line_of_the_help_is_not_cut_in_the_list(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words[:-1], "--help"]) == 0
    listed = " ".join(capsys.readouterr().out.split())
    assert f"{words[-1]} {LEAVES[words].help.splitlines()[0]}" in listed


def test_the_help_documents_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert "0 success, 1 failure, 2 malformed command, 130 interrupted" in shown


@EVERY_COMMAND
def test_a_misspelled_option_is_malformed_and_suggests_the_right_one(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--jso", "--json"]) == 2
    output = capsys.readouterr()
    assert re.search(r"No such option: --jso \(Possible options: .*--json", output.err)
    error = json.loads(output.out)["error"]
    assert (error["command"], error["exit_code"]) == (f"{NAME} {' '.join(words)}", 2)
    assert "--jso" in error["message"]


@EVERY_COMMAND
def test_a_misspelled_command_suggests_the_right_one(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words[:-1], f"{words[-1]}s"]) == 2
    assert f"Did you mean '{words[-1]}'" in capsys.readouterr().err


@given(
    words=st.sampled_from([(), *LEAVES]),
    option=st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="="), min_size=1),
    is_early=st.booleans(),
)
def test_a_malformed_command_prints_one_json_document(words: tuple[str, ...], option: str, is_early: bool) -> None:
    capture = pytest.MonkeyPatch()
    arguments = ["--json", *words] if is_early else [*words, "--json"]
    with capture.context() as patch:
        written: list[str] = []
        patch.setattr(sys.stdout, "write", written.append)
        assert main([*arguments, f"--no-such-{option}"]) == 2
    error = json.loads("".join(written))["error"]
    assert error["exit_code"] == 2
    assert error["message"]


@pytest.mark.parametrize("shell", SHELLS)
def test_a_completion_script_is_produced(shell: str) -> None:
    code = "from shelfsight.cli.command import main; main()"
    done = python(code, _SHELFSIGHT_COMPLETE=f"source_{shell}", PYTHONPATH=":".join(sys.path))
    assert done.returncode == 0, done.stderr
    assert "_SHELFSIGHT_COMPLETE" in done.stdout


@pytest.mark.parametrize(("typed", "completed"), [("shelfsight cla", "classify"), ("shelfsight status --js", "--json")])
def test_words_are_completed(typed: str, completed: str) -> None:
    done = python(
        "from shelfsight.cli.command import main; main()",
        _SHELFSIGHT_COMPLETE="complete_bash",
        COMP_WORDS=typed,
        COMP_CWORD=str(len(typed.split()) - 1),
        PYTHONPATH=":".join(sys.path),
    )
    assert done.stdout.split() == [completed], done.stderr


@EVERY_COMMAND
def test_help_loads_no_heavy_library(words: tuple[str, ...]) -> None:
    code = (
        "import sys; from shelfsight.cli.command import main\n"
        f"main([*{words!r}, '--help'])\n"
        f"print([each for each in {HEAVY!r} if each in sys.modules], file=sys.stderr)"
    )
    done = python(code, PYTHONPATH=":".join(sys.path))
    assert done.stderr.strip() == "[]"


@pytest.mark.parametrize("arguments", [["--json", "--store", "{store}", "status"], ["status", "--store", "{store}"]])
def test_options_of_all_commands_may_stand_before_the_command(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([each.format(store=tmp_path / "nowhere") for each in arguments]) == 1
    output = capsys.readouterr()
    assert f"shelfsight status: there is no store at '{tmp_path / 'nowhere'}'" in output.err
    assert bool(output.out) == ("--json" in arguments)


def test_an_interrupted_command_exits_with_130(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(_store: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(status_module, "status", interrupted)
    assert main(["status", "--json"]) == 130
    error = json.loads(capsys.readouterr().out)["error"]
    assert error == {"command": "shelfsight status", "message": "interrupted", "exit_code": 130}


def test_a_fault_of_the_program_is_raised_and_is_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def faulty(_store: str) -> None:
        raise RuntimeError("a fault")

    monkeypatch.setattr(status_module, "status", faulty)
    with pytest.raises(RuntimeError):
        main(["status", "--json"])
    assert json.loads(capsys.readouterr().out)["error"]["message"] == "a fault"
