"""Only a command's output goes to stdout: what is printed while it runs, by Python, C or a child, goes to stderr."""

import json
import subprocess
import sys

import pytest

from shelfsight.cli.output import print_output
from shelfsight.cli.reserved_stdout import output_stream, reserving_stdout

PRINTING = """
import ctypes, os, subprocess, sys
from shelfsight.cli.output import print_output
from shelfsight.cli.reserved_stdout import reserving_stdout

@reserving_stdout
def command(fails):
    print("by Python")
    os.write(1, b"by a descriptor\\n")
    libc = ctypes.CDLL(None)
    libc.puts(b"by C")
    libc.fflush(None)
    subprocess.run([sys.executable, "-c", "print('by a child')"], check=True)
    print_output({"rows": [1, 2]}, as_json=True)
    if fails:
        raise ValueError("afterwards")

try:
    command("fails" in sys.argv)
except ValueError as error:
    print(error)
else:
    print("after it")
"""
PRINTED = {"by Python", "by a descriptor", "by C", "by a child"}


@pytest.mark.parametrize(("words", "after"), [([], "after it"), (["fails"], "afterwards")])
def test_what_is_printed_meanwhile_goes_to_stderr(words: list[str], after: str) -> None:
    done = subprocess.run([sys.executable, "-c", PRINTING, *words], capture_output=True, text=True, check=True)
    document, last = done.stdout.rstrip().rsplit("\n", 1)
    assert json.loads(document) == {"rows": [1, 2]}
    assert last == after  # stdout is what it was
    assert set(done.stderr.splitlines()) == PRINTED


def test_a_stream_in_memory_is_reserved_alike(capsys: pytest.CaptureFixture[str]) -> None:
    @reserving_stdout
    def command() -> None:
        print("by a library")  # noqa: T201
        print_output({"num": 1}, as_json=True)

    command()
    shown = capsys.readouterr()
    assert json.loads(shown.out) == {"num": 1}
    assert shown.err == "by a library\n"
    assert output_stream() is sys.stdout
