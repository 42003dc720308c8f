from __future__ import annotations

import shlex

from hypothesis import given
from hypothesis import strategies as st

from edge_lab.stacks.unit import command_line, quoted

words = st.text(st.characters(codec="ascii", exclude_characters="\0\r"), max_size=30)


def read_back(text: str) -> str:
    """A word as systemd reads it: quotes and backslashes first, then % and $ (systemd.service)."""
    inner = text
    if text.startswith('"'):
        inner, at = "", 1
        while text[at] != '"':
            if text[at] == "\\":
                at += 1
                inner += {"n": "\n", "t": "\t"}.get(text[at], text[at])
            else:
                inner += text[at]
            at += 1
        assert at == len(text) - 1, "something follows the closing quote"
    return inner.replace("$$", "$").replace("%%", "%")


@given(words)
def test_a_word_is_read_back_as_it_was(word: str) -> None:
    assert read_back(quoted(word)) == word


@given(words)
def test_a_word_never_breaks_the_line(word: str) -> None:
    assert "\n" not in quoted(word)


def test_a_command_that_may_fail_keeps_its_mark_outside_the_quotes() -> None:
    assert command_line(("-/bin/a b", "c")) == '-"/bin/a b" c'


def test_percent_and_dollar_are_not_expanded() -> None:
    assert command_line(("/bin/x", "%n", "$HOME")) == "/bin/x %%n $$HOME"


def test_the_parser_of_a_shell_agrees_on_plain_words() -> None:
    command = ("/opt/edge-lab/bin/kubelet", "--node-ip=10.0.0.1", "--labels=a=b,c/d=e")
    assert tuple(shlex.split(command_line(command))) == command
