"""Questions of the command: asked on the terminal with the default, and replied to by it where nobody is there."""

import io
import sys

import pytest

from shelfsight.cli.questions import default_reply, reply_on_terminal


def test_a_question_is_shown_as_it_is_and_an_empty_reply_is_the_default(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("own\n\n"))
    question = "Taxonomy [of the feed]"
    assert [reply_on_terminal(question, "google"), reply_on_terminal(question, "google")] == ["own", "google"]
    output = capsys.readouterr()
    assert question in output.out + output.err
    assert default_reply(question, "google") == "google"
