"""How messages count, and that they do so everywhere: of one thing they speak as of one."""

from __future__ import annotations

import ast
import errno
import json
import os
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rooms import PACKAGE
from unprompt.errors import agreed, counted, describe_os_error, none_readable, part_of, shown

# A number, more words, and a verb of several: "{n} ids stand", "{n} of {m} images in {path} have".
SEVERAL = re.compile(
    r"\{(?!counted|part_of)[^{}]*\} (?:of \{(?!counted|part_of)[^{}]*\} )?"
    r"(?:[a-z]+ ){0,2}[a-z]+s(?: in \{[^{}]*\})? "
    r"(?:are|have|were|do|hold|carry|stand|fill|need|lack|differ)\b"
)
A_NUMBER = re.compile(r"\{(?:len\(|[^{}]*\.size|[^{}]*count|number)")


def test_no_terminal_obeys_what_is_shown() -> None:
    assert shown("cat é 🐈 ünd.png") == "cat é 🐈 ünd.png"
    assert shown("a\x1b[31mb\x07\r\n\t") == "a\\x1b[31mb\\x07\\x0d\\x0a\\x09"
    assert shown("a\n\tb\x9b2J\x7f", lines=True) == "a\n\tb\\u009b2J\\u007f"
    assert shown("gpj.\u202eexe caf\udce9") == "gpj.\\u202eexe caf\\udce9"
    every = "".join(map(chr, (*range(0x3000), 0xFEFF)))
    assert not [one for one in shown(every) if unicodedata.category(one) in ("Cc", "Cs")]
    hidden = {one for one in shown(every) if unicodedata.bidirectional(one)[:2] in ("LR", "RL", "PD", "FS")}
    assert not [one for one in hidden if unicodedata.category(one) == "Cf"]
    text = '"caf\udce9 \u202e \x9b"'
    assert json.loads(shown(text)) == json.loads(text)  # what is JSON stays it, with the same contents


def test_what_the_system_refuses_says_what_to_do() -> None:
    locked = PermissionError(errno.EACCES, os.strerror(errno.EACCES), "RUN/a.csv")
    told = "RUN/a.csv: permission denied; get the right to it, or name another place"
    assert describe_os_error(locked) == told
    assert describe_os_error(OSError(errno.EPIPE, "Broken pipe")) == "broken pipe"
    assert describe_os_error(OSError("what a library says")) == "what a library says"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (counted(1, "image"), "1 image"),
        (counted(1200, "image"), "1,200 images"),
        (part_of(1, 1200, "image"), "1 of 1,200 images"),
        (part_of(1, 1, "image"), "1 of 1 image"),
        (
            " ".join(agreed(1, word) for word in ("have", "are", "stand", "carry", "them")),
            "has is stands carries it",
        ),
        (
            " ".join(agreed(0, word) for word in ("have", "are", "stand", "carry", "them")),
            "have are stand carry them",
        ),
        (
            none_readable(3, "image", "a.png: cut short"),
            "none of 3 images can be read, first: a.png: cut short",
        ),
        (none_readable(1, "image", "a.png: cut short"), "the only image cannot be read: a.png: cut short"),
    ],
)
def test_one_and_several(said: str, expected: str) -> None:
    assert said == expected


def sentences(path: Path) -> Iterator[str]:
    """The f-strings of a file, what is put into them in braces."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.JoinedStr):
            yield "".join(
                f"{{{ast.unparse(part.value)}}}" if isinstance(part, ast.FormattedValue) else str(part.value)  # type: ignore[attr-defined]
                for part in node.values
            )


def is_wrong_of_one(sentence: str) -> bool:
    found = SEVERAL.search(sentence)
    return found is not None and A_NUMBER.match(found[0]) is not None


def test_a_sentence_that_is_wrong_of_one_is_found() -> None:
    assert is_wrong_of_one("{path}: {len(lost)} of {len(images)} images in {path} have no prompt")
    assert is_wrong_of_one("{bad.size} embeddings hold NaN")
    assert not is_wrong_of_one(
        "{part_of(len(lost), 3, 'image')} in {path} {agreed(len(lost), 'have')} no prompt"
    )


def test_no_sentence_is_wrong_of_one() -> None:
    wrong = [
        f"{path.relative_to(PACKAGE)}: {sentence}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for sentence in sentences(path)
        if is_wrong_of_one(sentence)
    ]
    assert wrong == []
