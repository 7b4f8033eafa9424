"""Files are written whole or not at all, come back as they went out, and damage is told in words."""

from __future__ import annotations

import csv
import errno
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unprompt.errors import InputError, RunError
from unprompt.records import BLOCK, DIM, Embeddings, LazyEmbeddings, Problem, Prompts
from unprompt.storage.files import (
    check_file_names,
    check_paths_below,
    check_whole,
    csv_line,
    full_disk_told,
    locked,
    part_beside,
    read_arrays,
    read_embeddings,
    read_json,
    read_prompts,
    read_rows,
    write_bytes,
    write_embeddings,
    write_json,
    write_loose,
    write_problems,
    write_prompts,
    writing,
)
from unprompt.storage.places import check_place

TRICKY_TEXTS = (
    "a cat, a dog",
    'she said "hello"',
    "two\nlines",
    "windows\r\nlines",
    "old mac\rlines",
    "emoji 🐈‍⬛ and 日本語",
    "",
    "  spaces  ",
    "=cmd()",
    "tab\there",
    '"',
    "#",
    "it's",
)


def random_embeddings(*ids: str, seed: int = 0) -> Embeddings:
    vectors = np.random.default_rng(seed).normal(size=(len(ids), DIM)).astype(np.float32)
    return Embeddings(ids, vectors)


# --- writing


def test_loose_files_are_written_whole(tmp_path: Path) -> None:
    first, second = tmp_path / "new" / "a.png", tmp_path / "b.png"
    second.write_bytes(b"old")

    def contents() -> Iterator[tuple[Path, bytes]]:
        yield first, b"1"
        raise KeyboardInterrupt
        yield second, b"2"

    with pytest.raises(KeyboardInterrupt):
        write_loose(contents())
    assert (first.read_bytes(), second.read_bytes()) == (b"1", b"old")
    write_loose([(first, b"3"), (second, b"4")])
    assert (first.read_bytes(), second.read_bytes()) == (b"3", b"4")
    assert {path.name for path in tmp_path.rglob("*")} == {"new", "a.png", "b.png"}


def test_ids_that_cannot_be_names_of_files() -> None:
    check_file_names(["a", "ä, “b”", "a.b", " "])
    for wrong in ("", ".a", "a/b", "a\\b", "a\0"):
        with pytest.raises(InputError, match="1 id cannot name a file"):
            check_file_names(["a", wrong])


def test_ids_that_lead_out_of_a_folder() -> None:
    check_paths_below(["a", "sub/a", "..a", "a..", "sub/..a/b", "ä, “b”"])
    for wrong in ("", ".", "..", "../a", "sub/../../a", "/a", "//host/a", "C:\\a", "c:a", "a\\..\\b", "a\0"):
        with pytest.raises(InputError, match="1 id cannot name a file below a folder"):
            check_paths_below(["a", wrong])


def test_writing_makes_the_folder_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "a.txt"
    write_bytes(path, b"first")
    write_bytes(path, b"second")
    assert path.read_bytes() == b"second"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("error", [ValueError("no"), OSError(5, "input/output error"), KeyboardInterrupt()])
def test_an_error_while_writing_leaves_the_old_file_alone(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"old")

    def begin() -> None:
        with writing(path) as stream:
            stream.write(b"half of the n")
            stream.flush()
            assert path.read_bytes() == b"old"  # a reader at this moment sees the old file
            raise error

    with pytest.raises(type(error)):
        begin()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_before_anything_was_there_leaves_nothing(tmp_path: Path) -> None:
    def begin() -> None:
        with writing(tmp_path / "a.txt") as stream:
            stream.write(b"half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        begin()
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_told_in_words(tmp_path: Path, full_disk: None) -> None:
    (tmp_path / "a.txt").write_bytes(b"old")
    with pytest.raises(RunError, match=r"no space left on the disk while writing .*a\.txt; free some"):
        write_bytes(tmp_path / "a.txt", b"new")
    assert (tmp_path / "a.txt").read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_a_full_disk_of_which_a_library_tells_in_words_only_is_told_too(tmp_path: Path) -> None:
    frame = pl.DataFrame({"a": range(100_000)})
    with pytest.raises(Exception, match="No space left") as raised:
        frame.write_csv("/dev/full")
    assert getattr(raised.value, "errno", None) is None  # which is why its words count
    told = pytest.raises(RunError, match=r"no space left on the disk while writing .*s\.csv; free some")
    with told, full_disk_told(tmp_path / "s.csv"):
        frame.write_csv("/dev/full")
    with pytest.raises(ZeroDivisionError), full_disk_told(tmp_path / "s.csv"):
        raise ZeroDivisionError


def test_what_a_killed_process_had_begun_to_write_goes_with_the_next_write(tmp_path: Path) -> None:
    """By any command, of the same file; what a process that runs is writing stays, and others' files too."""
    killed = subprocess.Popen([sys.executable, "-c", ""])
    killed.wait()
    long = "n" * 250
    ours = [tmp_path / f".a.csv.{killed.pid}.part", part_beside(tmp_path / long, f".{killed.pid}")]
    kept = [
        tmp_path / name
        for name in (
            f".a.csv.{os.getppid()}.part",
            f".b.csv.{killed.pid}.part",
            ".a.csv.x.part",
            "a.csv.part",
        )
    ]
    for path in (*ours, *kept):
        path.write_bytes(b"half of")
    write_bytes(tmp_path / "a.csv", b"whole")
    write_bytes(tmp_path / long, b"whole")
    assert sorted(tmp_path.iterdir()) == sorted([*kept, tmp_path / "a.csv", tmp_path / long])


def test_a_place_that_is_a_folder_is_told_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError), writing(tmp_path):
        raise AssertionError("the work must not begin")
    assert not list(tmp_path.parent.glob(f".{tmp_path.name}*"))


def test_places_that_cannot_be_written_are_told(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "gone" / "away")
    check_place(tmp_path / "folder")
    for name, why in (
        ("folder", "folder is a folder; name a file in it"),
        ("file/a.csv", "a.csv cannot be written: .*file is a file; name another place"),
        ("link", "link is a link that leads nowhere"),
        ("link/a.csv", "link is a link that leads nowhere"),
    ):
        with pytest.raises(RunError, match=why):
            check_place(tmp_path / name, is_file=True)
    for name in ("file", "new.csv", "folder/new.csv", "new/newer/new.csv"):
        check_place(tmp_path / name, is_file=True)


def test_names_that_are_not_utf_8_come_back(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9")
    write_json(tmp_path / "a.json", {"file": name})
    assert read_json(tmp_path / "a.json") == {"file": name}
    assert (tmp_path / "a.json").read_bytes().isascii()
    assert csv_line((name, "a")) == b"caf\\udce9,a\n"


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every flush to the disk fails as it does when the disk is full."""

    def fsync(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fsync)


# --- JSON


def test_json_round_trip(tmp_path: Path) -> None:
    content = {"b": [1, 2.5, None], "a": {"é": "🎨"}}
    write_json(tmp_path / "a.json", content)
    assert read_json(tmp_path / "a.json") == content
    assert list(read_json(tmp_path / "a.json")) == ["b", "a"]
    assert "🎨" in (tmp_path / "a.json").read_text("utf-8")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{", "cannot be read as JSON"),
        (b"", "cannot be read as JSON"),
        (b'{"a": "\xff"}', "cannot be read"),
        (b"[1]", "holds no JSON object"),
        (b"[" * 100_000, "cannot be read as JSON"),
    ],
)
def test_bad_json_is_an_input_error(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(InputError, match=words):
        read_json(tmp_path / "a.json")


def test_missing_json_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        read_json(tmp_path / "a.json")


# --- prompts.csv


def test_prompts_round_trip_and_pandas_reads_the_same(tmp_path: Path) -> None:
    prompts = Prompts(tuple(f"id{n}" for n in range(len(TRICKY_TEXTS))), TRICKY_TEXTS)
    write_prompts(tmp_path / "prompts.csv", prompts)
    assert read_prompts(tmp_path / "prompts.csv") == prompts
    frame = pd.read_csv(tmp_path / "prompts.csv", keep_default_na=False, dtype=str)
    assert list(frame.columns) == ["imgId", "prompt"]
    # pandas' C reader turns a lone \r or \r\n inside quotes into other line ends, so those rows are left out
    plain = ["\r" not in text for text in TRICKY_TEXTS]
    assert frame["prompt"][plain].tolist() == [text for text in TRICKY_TEXTS if "\r" not in text]


@given(
    st.dictionaries(
        st.text(min_size=1).map(str.strip).filter(bool),
        st.text(),
        min_size=1,
        max_size=8,
    )
)
def test_any_prompts_come_back_as_they_were(text_by_id: dict[str, str]) -> None:
    prompts = Prompts(tuple(text_by_id), tuple(text_by_id.values()))
    with tempfile.TemporaryDirectory() as folder:
        write_prompts(Path(folder) / "prompts.csv", prompts)
        assert read_prompts(Path(folder) / "prompts.csv") == prompts


def test_prompts_are_plain_unix_csv(tmp_path: Path) -> None:
    write_prompts(tmp_path / "prompts.csv", Prompts(("a", "b"), ("one, two", 'a "b"')))
    assert (tmp_path / "prompts.csv").read_bytes() == b'imgId,prompt\na,"one, two"\nb,"a ""b"""\n'


def test_a_carriage_return_in_a_prompt_is_quoted(tmp_path: Path) -> None:
    """Bare, it would end the line for every reader of the file."""
    write_prompts(tmp_path / "prompts.csv", Prompts(("a",), ("one\rtwo",)))
    assert read_prompts(tmp_path / "prompts.csv").texts == ("one\rtwo",)


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbfimgId,prompt\nx1,a cat\n",  # a byte-order mark, as Excel writes it
        b"imgId,prompt\r\nx1,a cat\r\n",
        b"imgId,prompt\nx1,a cat",
        b"imgId,prompt\n x1 ,a cat\n\n",
        b"seed,prompt,imgId\n7,a cat,x1\n",
        b'"imgId","prompt"\n"x1","a cat"\n',
    ],
)
def test_prompts_of_other_writers_are_read(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "prompts.csv").write_bytes(content)
    assert read_prompts(tmp_path / "prompts.csv") == Prompts(("x1",), ("a cat",))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "has no column 'imgId'"),
        (b"imgId,prompt\n", "has a header but no rows"),
        (b"id,prompt\na,b\n", r"has no column 'imgId' \(its header is 'id,prompt'\).*header imgId,prompt"),
        (b"imgId,text\na,b\n", "has no column 'prompt'"),
        (b"imgId,prompt\na,one\nb\n", r"line 3: expected imgId,prompt, found too few fields"),
        (b"imgId,prompt\na,caf\xe9\n", r"is not UTF-8 \(byte 18\); save it as UTF-8"),
        ("imgId,prompt\na,b\n".encode("utf-16"), "is not UTF-8"),
        (b"imgId,prompt\na,one\nb,two\na,three\n", "1 id stands more than once .*first: a"),
    ],
)
def test_bad_prompts_are_told_with_the_file(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "my-prompts.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=words) as caught:
        read_prompts(path)
    assert "my-prompts.csv" in str(caught.value)


def test_missing_prompts_and_a_folder_are_input_errors(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        read_prompts(tmp_path / "prompts.csv")
    with pytest.raises(InputError, match="cannot be read"):
        read_prompts(tmp_path)


def test_problems_have_their_header_even_where_there_are_none(tmp_path: Path) -> None:
    path = tmp_path / "problems.csv"
    write_problems(path, [])
    assert path.read_bytes() == b"imgId,file,problem\n"
    write_problems(path, [Problem("a", "in/a, b.png", 'says "no"')])
    with path.open(newline="") as stream:
        assert list(csv.reader(stream))[1] == ["a", "in/a, b.png", 'says "no"']


# --- .npz


def test_embeddings_round_trip_bit_for_bit(tmp_path: Path) -> None:
    embeddings = random_embeddings("b", "a", "日本", "a_1")
    write_embeddings(tmp_path / "a.npz", embeddings, levels=np.arange(4))
    back = read_embeddings(tmp_path / "a.npz")
    assert back.ids == embeddings.ids
    assert back.vectors.tobytes() == embeddings.vectors.tobytes()
    with np.load(tmp_path / "a.npz", allow_pickle=False) as archive:  # as any reader of numpy sees it
        assert archive["ids"].tolist() == list(embeddings.ids)
        assert archive["embeddings"].dtype == np.float32
        assert archive["levels"].tolist() == [0, 1, 2, 3]


def test_the_same_arrays_give_the_same_bytes(tmp_path: Path) -> None:
    embeddings = random_embeddings("a", "b")
    write_embeddings(tmp_path / "a.npz", embeddings)
    write_embeddings(tmp_path / "b.npz", embeddings)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.npz") as archive:  # the clock is not in the file
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


@pytest.mark.parametrize("count", [1, 2, BLOCK, BLOCK + 1])
def test_in_blocks_they_are_numpys_own_bytes(tmp_path: Path, count: int) -> None:
    ids = tuple(f"{'é' * (number % 3)}{number}" for number in range(count))
    vectors = np.random.default_rng(0).normal(size=(count, DIM)).astype(np.float32)
    levels = np.arange(count, dtype=np.int8)
    np.savez(tmp_path / "whole.npz", ids=np.array(ids), embeddings=vectors, levels=levels)
    asked = []

    def take(rows: np.ndarray) -> np.ndarray:
        asked.append(len(rows))
        return vectors[rows]

    for embeddings in (Embeddings(ids, vectors), LazyEmbeddings(ids, take)):
        write_embeddings(tmp_path / "blocks.npz", embeddings, levels=levels)
        assert (tmp_path / "blocks.npz").read_bytes() == (tmp_path / "whole.npz").read_bytes()
    assert sum(asked) == count
    assert max(asked) <= BLOCK  # more are never in memory
    rows = np.array([count - 1, 0])
    np.testing.assert_array_equal(read_rows(tmp_path / "blocks.npz", rows), vectors[rows])


def test_no_embeddings_are_numpys_own_bytes_too(tmp_path: Path) -> None:
    nothing = np.empty((0, DIM), np.float32)
    np.savez(tmp_path / "whole.npz", ids=np.array((), dtype=np.str_), embeddings=nothing)
    write_embeddings(tmp_path / "blocks.npz", Embeddings((), nothing))
    assert (tmp_path / "blocks.npz").read_bytes() == (tmp_path / "whole.npz").read_bytes()


def test_a_changed_byte_of_an_npz_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    write_embeddings(path, random_embeddings("a", "b"))
    check_whole(path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.npz cannot be read .*embeddings\.npy is damaged"):
        check_whole(path)
    path.write_bytes(content[:-30])
    for read in (check_whole, lambda path: read_rows(path, np.array([0]))):
        with pytest.raises(InputError, match=r"a\.npz cannot be read as an \.npz file"):
            read(path)


def test_pickled_objects_are_refused_and_never_run(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    trap = tmp_path / "trap"

    class Trap:
        def __reduce__(self) -> tuple[object, tuple[object, ...]]:
            return os.mkdir, (str(trap),)

    np.savez(path, ids=np.array([Trap()], dtype=object), embeddings=np.ones((1, DIM), np.float32))
    with pytest.raises(InputError, match=r"a\.npz cannot be read as an \.npz file"):
        read_embeddings(path)
    assert not trap.exists()
    np.array([Trap()], dtype=object).dump(path)  # a bare pickle, which np.load would also take
    with pytest.raises(InputError, match="cannot be read"):
        read_embeddings(path)
    assert not trap.exists()


def test_a_single_array_is_not_an_npz(tmp_path: Path) -> None:
    with (tmp_path / "a.npz").open("wb") as stream:
        np.save(stream, np.ones((1, DIM)))
    with pytest.raises(InputError, match=r"single array, expected an \.npz with ids, embeddings"):
        read_embeddings(tmp_path / "a.npz")


@pytest.mark.parametrize("content", [b"", b"imgId,prompt\n", b"PK\x03\x04 and then nothing", b"\x93NUMPY"])
def test_other_files_are_not_an_npz(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.npz"):
        read_embeddings(tmp_path / "a.npz")


def test_a_missing_npz_and_a_folder_are_input_errors(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        read_embeddings(tmp_path / "a.npz")
    with pytest.raises(InputError, match="cannot be read"):
        read_embeddings(tmp_path)


def test_an_npz_without_its_arrays_says_what_it_has(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", names=np.array(["a"]), embeddings=np.ones((1, DIM)))
    with pytest.raises(InputError, match=r"has no array 'ids' \(it has: names, embeddings\)"):
        read_arrays(tmp_path / "a.npz", ("ids", "embeddings"))


@pytest.mark.parametrize(
    ("ids", "vectors", "words"),
    [
        (["a", "a"], np.ones((2, DIM)), "first: a"),
        (["a"], np.ones((2, DIM)), "shape"),
        (["a", "b"], np.ones((2, 5)), "shape"),
        (["a"], np.full((1, DIM), np.nan), "NaN"),
        (["a"], np.array([["x"] * DIM]), "a.npz"),
    ],
)
def test_an_npz_with_bad_embeddings_is_named(
    tmp_path: Path, ids: list[str], vectors: np.ndarray, words: str
) -> None:
    np.savez(tmp_path / "a.npz", ids=np.array(ids), embeddings=vectors)
    with pytest.raises(InputError, match=words) as caught:
        read_embeddings(tmp_path / "a.npz")
    assert "a.npz" in str(caught.value)


def npz_bytes() -> bytes:
    stream = BytesIO()
    np.savez(stream, ids=np.array(["a", "b"]), embeddings=random_embeddings("a", "b").vectors)
    return stream.getvalue()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, len(npz_bytes()) - 1))
def test_a_truncated_npz_is_an_input_error(length: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.npz"
        path.write_bytes(npz_bytes()[:length])
        with pytest.raises(InputError, match=r"a\.npz"):
            read_embeddings(path)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_damaged_npz_is_read_right_or_refused(data: st.DataObject) -> None:
    content = bytearray(npz_bytes())
    framing = [*range(220), *range(len(content) - 320, len(content))]  # zip records and .npy headers
    position = data.draw(st.one_of(st.sampled_from(framing), st.integers(0, len(content) - 1)))
    content[position] = data.draw(st.integers(0, 255))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.npz"
        path.write_bytes(content)
        try:
            back = read_embeddings(path)
        except InputError:
            return
        assert back.vectors.tobytes() == random_embeddings("a", "b").vectors.tobytes()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "record.json")
    with pytest.raises(InputError, match=r"record\.json is no regular file"):
        read_json(tmp_path / "record.json")


def refuse_locks(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Have every lock end with an error of the system."""

    def refused(*arguments: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(pytest.importorskip("fcntl"), "flock", refused)


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EINVAL, errno.EIO])
def test_a_disk_without_locks_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    refuse_locks(monkeypatch, number)
    with locked(tmp_path / "lock", tmp_path / "RUN"):
        write_bytes(tmp_path / "a.txt", b"written")
    assert (tmp_path / "a.txt").read_bytes() == b"written"


@pytest.mark.parametrize("number", [errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES])
def test_a_lock_that_another_process_holds_is_waited_for_by_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    refuse_locks(monkeypatch, number)
    words = r"^another unprompt is writing .*RUN; wait for it or name another --out$"
    with pytest.raises(RunError, match=words), locked(tmp_path / "lock", tmp_path / "RUN"):
        pytest.fail("the folder is another's")
