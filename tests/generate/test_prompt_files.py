"""Prompts from files of three kinds, good and bad."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from unprompt.errors import InputError
from unprompt.generate.prompt_files import FilePrompts, read_any_prompts
from unprompt.generate.prompts import Draft, extend_prompts
from unprompt.records import Prompts


def write(tmp_path: Path, name: str, content: bytes | str) -> Path:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def parquet(tmp_path: Path, **columns: list[object]) -> Path:
    pl.DataFrame(columns).write_parquet(tmp_path / "old.parquet")
    return tmp_path / "old.parquet"


# --- reading


@pytest.mark.parametrize(
    ("name", "content", "prompts"),
    [
        ("p.csv", "imgId,prompt\nx1,a cat\nx2,a dog\n", Prompts(("x1", "x2"), ("a cat", "a dog"))),
        ("p.csv", b"\xef\xbb\xbfimgId,prompt\r\nx1,a cat\r\n", Prompts(("x1",), ("a cat",))),
        ("p.csv", "imgId,prompt\n\nx1,a cat\n\n", Prompts(("x1",), ("a cat",))),
        ("p.csv", "prompt\na cat\na cat\n", Prompts(("p-0000000", "p-0000001"), ("a cat", "a cat"))),
        ("p.csv", "imgId,prompt\n,a cat\nx1,\n", Prompts(("p-0000000", "x1"), ("a cat", ""))),
        ("P.CSV", "seed,prompt,imgId\n7,a cat,x1\n", Prompts(("x1",), ("a cat",))),
        ("p.csv", 'imgId,prompt,source,seed\nx1,"a, ""b""",gpt2,7\n', Prompts(("x1",), ('a, "b"',))),
        ("p.csv", "imgId,prompt\nx1,a cat,\n", Prompts(("x1",), ("a cat",))),
        (
            "p.txt",
            "a cat\n\n  \nimgId,prompt\n",
            Prompts(("p-0000000", "p-0000003"), ("a cat", "imgId,prompt")),
        ),
        (
            "p.txt",
            b"\xef\xbb\xbfa cat\r\na\x0bdog\rno end",
            Prompts(("p-0000000", "p-0000001", "p-0000002"), ("a cat", "a\x0bdog", "no end")),
        ),
    ],
)
def test_what_is_read(tmp_path: Path, name: str, content: bytes | str, prompts: Prompts) -> None:
    assert read_any_prompts(write(tmp_path, name, content)) == prompts


def test_parquet_is_read_with_its_ids_and_without(tmp_path: Path) -> None:
    path = parquet(tmp_path, prompt=["a cat", None], imgId=["x1", "x2"], image=[b"1", b"2"])
    assert read_any_prompts(path) == Prompts(("x1", "x2"), ("a cat", ""))
    path = parquet(tmp_path, prompt=["a cat"], imgId=[17])
    assert read_any_prompts(path) == Prompts(("17",), ("a cat",))
    path = parquet(tmp_path, prompt=["a cat", "a dog"])
    assert read_any_prompts(path) == Prompts(("old-0000000", "old-0000001"), ("a cat", "a dog"))


def test_another_column(tmp_path: Path) -> None:
    path = write(tmp_path, "p.csv", "imgId,prompt,TEXT\nx1,wrong,right\n")
    assert read_any_prompts(path, "TEXT").texts == ("right",)
    assert read_any_prompts(parquet(tmp_path, TEXT=["right"]), "TEXT").texts == ("right",)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("p.csv", "imgId,text\nx1,a cat\n", r"no column 'prompt' \(its header is 'imgId,text'\)"),
        ("p.csv", "a cat\na dog\n", r"no column 'prompt' \(its header is 'a cat'\)"),
        ("p.csv", "", "no column 'prompt'"),
        ("p.csv", "imgId,prompt\n", "has a header but no rows"),
        ("p.csv", "imgId,prompt\nx1,a cat\nx2\n", "line 3: expected prompt, found too few fields"),
        (
            "p.csv",
            "imgId,prompt\nx1,a cat, a dog\n",
            "line 2: more fields than the header's 2; put text with commas",
        ),
        ("p.csv", "imgId,prompt\nx1,a cat\nx1,a dog\n", "1 id stands more than once .*first: x1"),
        ("p.csv", b"imgId,prompt\nx1,a cat\nx2,caf\xe9\n", r"line 3: is not UTF-8 \(byte 28\)"),
        ("p.csv", b"\xef\xbb\xbfimgId,prompt\nx1,caf\xe9\n", r"line 2: is not UTF-8 \(byte 22\)"),
        ("p.txt", b"a cat\ncaf\xe9\n", r"line 2: is not UTF-8 \(byte 9\)"),
        ("p.txt", "a cat\n".encode("utf-16"), "line 1: is not UTF-8"),
        ("p.txt", "\n \n", "has no prompts"),
        ("p.parquet", b"PAR1 and no more", "cannot be read as parquet"),
        ("p.parquet", b"", "cannot be read as parquet"),
        ("p.json", "[]", r"is not one of \.csv, \.jsonl, \.ndjson, \.txt, \.parquet"),
        ("prompts", "a cat", "is not one of"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(
    tmp_path: Path, name: str, content: bytes | str, words: str
) -> None:
    path = write(tmp_path, name, content)
    for read in (read_any_prompts, FilePrompts):
        with pytest.raises(InputError, match=words) as caught:
            read(path)
        assert str(path) in str(caught.value)


@pytest.mark.parametrize("name", ["p.csv", "p.txt", "p.parquet"])
def test_a_missing_file_and_a_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="does not exist"):
        read_any_prompts(tmp_path / name)
    (tmp_path / name).mkdir()
    with pytest.raises(InputError, match="is no data set"):
        read_any_prompts(tmp_path / name)
    with pytest.raises(InputError, match="leave out --column"):
        read_any_prompts(tmp_path / name, "text")


def test_columns_that_are_not_there_or_hold_no_text(tmp_path: Path) -> None:
    path = parquet(tmp_path, prompt=[1, 2], other=["a", "b"])
    with pytest.raises(InputError, match="the column 'prompt' holds Int64, expected text"):
        read_any_prompts(path)
    with pytest.raises(
        InputError, match=r"no column 'TEXT' \(it has: prompt, other\); name one with --column"
    ):
        read_any_prompts(path, "TEXT")
    with pytest.raises(InputError, match="has no columns: leave out --column"):
        read_any_prompts(write(tmp_path, "p.txt", "a cat\n"), "TEXT")


# --- as an engine


def drafts(path: Path, start: int = 0, **options: bool) -> list[Draft]:
    return list(FilePrompts(path, **options).drafts(start))


def test_each_row_is_a_draft(tmp_path: Path) -> None:
    path = write(tmp_path, "p.csv", 'imgId,prompt\nx1," a  cat\n on\ta \x07mat"\nx2,\nx3,   \n')
    assert drafts(path) == [
        Draft(0, "x1", "a cat on a mat", "p.csv", None),
        Draft(1, "x2", "", "p.csv", None, "empty"),
        Draft(2, "x3", "", "p.csv", None, "empty"),
    ]


def test_drafts_start_anywhere(tmp_path: Path) -> None:
    path = write(tmp_path, "p.txt", "one\n\ntwo\nthree\n")
    everything = drafts(path)
    assert [draft.number for draft in everything] == [0, 2, 3]
    for start in range(6):
        assert drafts(path, start) == [draft for draft in everything if draft.number >= start]


def test_cleaning_is_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path, "p.txt", 'A little "red" cat, 日本. And\nshort\n')
    assert [draft.text for draft in drafts(path)] == ['A little "red" cat, 日本. And', "short"]
    assert [(draft.text, draft.rejected) for draft in drafts(path, clean=True)] == [
        ("A little red cat", ""),
        ("short", "too short"),
    ]


def test_the_settings_name_the_content(tmp_path: Path) -> None:
    settings = FilePrompts(write(tmp_path, "p.txt", "a cat\n")).settings()
    assert settings == FilePrompts(write(tmp_path, "p.txt", "a cat\n")).settings()
    for other in (
        FilePrompts(write(tmp_path, "p.txt", "a dog\n")),
        FilePrompts(write(tmp_path, "q.txt", "a cat\n")),
        FilePrompts(write(tmp_path, "p.txt", "a cat\n"), clean=True),
    ):
        assert other.settings() != settings


@pytest.mark.parametrize("kind", ["csv", "txt", "parquet"])
def test_the_stream_of_a_file(tmp_path: Path, kind: str) -> None:
    """The same prompts from each kind: what is empty or there before is dropped and counted."""
    texts = ["a red cat", "A Red  Cat", "a blue dog", "a red cat", "ein Igel"]
    makers: dict[str, Callable[[], Path]] = {
        "csv": lambda: write(tmp_path, "old.csv", "prompt\n" + "\n".join(texts)),
        "txt": lambda: write(tmp_path, "old.txt", "\n".join(texts)),
        "parquet": lambda: parquet(tmp_path, prompt=[*texts]),
    }
    result = extend_prompts(tmp_path / "new.csv", FilePrompts(makers[kind]()), None)
    assert dict(result.rejected) == {"duplicate": 2}
    assert read_any_prompts(tmp_path / "new.csv") == Prompts(
        ("old-0000000", "old-0000002", "old-0000004"), ("a red cat", "a blue dog", "ein Igel")
    )


def test_more_duplicates_than_an_endless_engine_may_have(tmp_path: Path) -> None:
    path = write(tmp_path, "p.txt", "same\n" * 12_000 + "other\n")
    result = extend_prompts(tmp_path / "new.csv", FilePrompts(path), None, patience=None)
    assert (result.count, dict(result.rejected)) == (2, {"duplicate": 11_999})
