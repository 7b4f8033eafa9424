"""The submission file: what Kaggle's own tools would read in it, and what is refused."""

from __future__ import annotations

import csv
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.real_images import real_folder
from unprompt.errors import InputError
from unprompt.records import BLOCK, DIM, Embeddings, unit_rows
from unprompt.storage.submission import (
    check_image_ids,
    read_submission,
    read_submission_ids,
    write_submission,
)

TRICKY_IDS = (
    "b",
    "a",
    "a_1",
    "a_1_2",
    "20057f34d",
    "007",
    "1e5",
    "nan",
    "日本 語",
    "x-y.z",
    "_",
    "#a",
    "'q'",
)


def unit_embeddings(*ids: str, seed: int = 0) -> Embeddings:
    return Embeddings(ids, unit_rows(np.random.default_rng(seed).normal(size=(len(ids), DIM))))


def pandas_submission(embeddings: Embeddings) -> pd.DataFrame:
    """The table as the competition's public notebooks build it."""
    row_ids = [f"{image_id}_{element}" for image_id in embeddings.ids for element in range(DIM)]
    return pd.DataFrame({"imgId_eId": row_ids, "val": embeddings.vectors.ravel()})


def same(one: Embeddings, other: Embeddings) -> bool:
    return one.ids == other.ids and one.vectors.tobytes() == other.vectors.tobytes()


# --- writing


def test_the_file_equals_the_one_made_with_pandas(tmp_path: Path) -> None:
    embeddings = unit_embeddings(*TRICKY_IDS)
    write_submission(tmp_path / "ours.csv", embeddings)
    pandas_submission(embeddings).to_csv(tmp_path / "theirs.csv", index=False, quoting=csv.QUOTE_NONE)
    ours, theirs = (
        pd.read_csv(tmp_path / name, dtype={"imgId_eId": str}, keep_default_na=False)
        for name in ("ours.csv", "theirs.csv")
    )
    assert list(ours.columns) == ["imgId_eId", "val"]
    assert ours["imgId_eId"].tolist() == theirs["imgId_eId"].tolist()
    exact = embeddings.vectors.ravel()
    assert (ours["val"].to_numpy().astype(np.float32) == exact).all()
    assert (theirs["val"].to_numpy().astype(np.float32) == exact).all()


def test_rows_stand_image_by_image_in_the_order_of_the_ids(tmp_path: Path) -> None:
    vectors = np.zeros((2, DIM), np.float32)
    vectors[0, 0], vectors[1, 383] = 1, -1
    write_submission(tmp_path / "s.csv", Embeddings(("z", "a_1"), vectors))
    lines = (tmp_path / "s.csv").read_text().splitlines()
    assert len(lines) == 1 + 2 * DIM
    assert lines[0] == "imgId_eId,val"
    assert [line.split(",")[0] for line in lines[1:]] == [
        f"{i}_{e}" for i in ("z", "a_1") for e in range(DIM)
    ]
    assert [float(line.split(",")[1]) for line in lines[1:]] == vectors.ravel().tolist()


def test_small_and_large_numbers_come_back_exactly(tmp_path: Path) -> None:
    vectors = np.zeros((1, DIM), np.float32)
    tiny = np.array([1e-3, 1e-9, -1.17e-38, 1e-45, 1 / 3, -0.0, 0.1, 2**-24], np.float32)
    vectors[0, :8] = tiny
    vectors[0, 8] = np.sqrt(1 - (tiny.astype(np.float64) ** 2).sum())
    write_submission(tmp_path / "s.csv", Embeddings(("a",), vectors))
    assert (read_submission(tmp_path / "s.csv").vectors == vectors).all()
    pandas = pd.read_csv(tmp_path / "s.csv")["val"].to_numpy().astype(np.float32)
    assert (pandas == vectors[0]).all()


def test_more_images_than_are_written_at_a_time(tmp_path: Path) -> None:
    embeddings = unit_embeddings(*(f"{number}" for number in range(BLOCK + 3)))
    write_submission(tmp_path / "s.csv", embeddings)
    assert same(read_submission(tmp_path / "s.csv"), embeddings)


@pytest.mark.parametrize("length", [0.0, 0.99, 1.01, 30.0])
def test_vectors_that_are_not_unit_are_refused(tmp_path: Path, length: float) -> None:
    embeddings = unit_embeddings("a", "b")
    embeddings.vectors[1] *= length
    with pytest.raises(InputError, match=rf"1 of 2 embeddings .* unit length, first: b with {length:.4f}"):
        write_submission(tmp_path / "s.csv", embeddings)
    assert list(tmp_path.iterdir()) == []


def test_lengths_within_the_tolerance_go_out(tmp_path: Path) -> None:
    embeddings = unit_embeddings("a")
    embeddings.vectors[0] *= 1.0005
    write_submission(tmp_path / "s.csv", embeddings)
    assert same(read_submission(tmp_path / "s.csv"), embeddings)


@pytest.mark.parametrize("bad", ["a,b", 'a"b', "a\nb", "a\rb", "a\tb", "a\0b", "", "a\udcff"])
def test_ids_that_break_the_csv_are_refused(tmp_path: Path, bad: str) -> None:
    """The last one is how Python reads a file name that is not UTF-8: it cannot stand in a UTF-8 file."""
    with pytest.raises(InputError, match=r"1 of 2 image ids .* rename the file"):
        check_image_ids(["good", bad])
    with pytest.raises(InputError, match="rename the file"):
        write_submission(tmp_path / "s.csv", unit_embeddings("good", bad))
    assert list(tmp_path.iterdir()) == []


# --- reading


def test_rows_may_stand_in_any_order(tmp_path: Path) -> None:
    embeddings = unit_embeddings(*TRICKY_IDS)
    write_submission(tmp_path / "s.csv", embeddings)
    frame = pl.read_csv(tmp_path / "s.csv", schema_overrides={"imgId_eId": pl.String})
    frame.sample(fraction=1, shuffle=True, seed=1).write_csv(tmp_path / "shuffled.csv")
    back = read_submission(tmp_path / "shuffled.csv")
    assert back.ids != embeddings.ids
    assert same(back.at(embeddings.ids), embeddings)


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_what_pandas_writes_is_read(tmp_path: Path, line_end: str) -> None:
    embeddings = unit_embeddings("a_1", "007", "b")
    frame = pandas_submission(embeddings)
    frame.to_csv(tmp_path / "s.csv", index=False, lineterminator=line_end, quoting=csv.QUOTE_NONNUMERIC)
    assert same(read_submission(tmp_path / "s.csv"), embeddings)


def test_vectors_of_any_length_are_read(tmp_path: Path) -> None:
    frame = pandas_submission(unit_embeddings("a"))
    frame["val"] *= 7
    frame.to_csv(tmp_path / "s.csv", index=False)
    assert np.linalg.norm(read_submission(tmp_path / "s.csv").vectors[0]) == pytest.approx(7, rel=1e-6)


def test_ids_come_in_the_order_of_their_first_row(tmp_path: Path) -> None:
    lines = ["imgId_eId,val", "z_5,0", "a_1_0,0", "z_4,0", "m_0,0", "a_1_1,0", "a_0,0"]
    (tmp_path / "s.csv").write_text("\n".join(lines))
    assert read_submission_ids(tmp_path / "s.csv") == ["z", "a_1", "m", "a"]


@pytest.mark.parametrize("size", [1, 20, 64, 1000])
def test_ids_are_read_by_parts_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    path = tmp_path / "s.csv"
    monkeypatch.setattr("unprompt.storage.submission.BYTES_AT_A_TIME", size)
    rows = ['z_5,0,"two', 'lines, 2 ""words"" too"', "a_1_0,0,", '"m_0",0,x', "z_4,0,", "é_3,0,", "a_1_1,0,y"]
    path.write_text("\n".join(["\ufeffimgId_eId,val,note", *rows]), encoding="utf-8")
    assert read_submission_ids(path) == ["z", "a_1", "m", "é"]
    path.write_text("imgId_eId,val\n" + "a_0,0\n" * 9 + "b_400,0\n" + "a_1,0\n" * 9)
    with pytest.raises(InputError, match=r"s\.csv, line 11: 'b_400' is not an imgId_eId"):
        read_submission_ids(path)


@pytest.mark.parametrize("bad", ["b", "b_384", "_3", "", "b_x", "b-7"])
def test_a_row_of_a_sample_that_names_no_image_is_told_and_not_dropped(tmp_path: Path, bad: str) -> None:
    path = tmp_path / "sample.csv"
    path.write_text(f"imgId_eId,val\na_0,0\n{bad},0\na_1,0\n")
    with pytest.raises(
        InputError, match=r"sample.csv, line 3: .* is not an imgId_eId .*; mend or remove the row"
    ):
        read_submission_ids(path)
    path.write_text(f"imgId_eId,val\n{bad},0\n{bad},0\n")
    with pytest.raises(
        InputError, match=r"sample.csv, line 2: .* is not an imgId_eId .*, and 1 more row has none"
    ):
        read_submission_ids(path)


def damage(rows: list[str], kind: str) -> list[str]:
    """The rows of two images, `a` and `b`, with one thing wrong."""
    at = rows.index
    where = next(number for number, row in enumerate(rows) if row.startswith("b_7,"))
    match kind:
        case "missing row":
            return rows[:where] + rows[where + 1 :]
        case "doubled row":
            return [*rows, rows[where]]
        case "swapped element":
            return [*rows[:where], rows[where].replace("b_7,", "b_8,"), *rows[where + 1 :]]
        case "half an image":
            return rows[: at(next(row for row in rows if row.startswith("b_100,")))]
    replaced = {
        "no element": "b,0.5",
        "no image": "_7,0.5",
        "empty id": ",0.5",
        "word": "b_x,0.5",
        "element 384": "b_384,0.5",
        "element -1": "b_-1,0.5",
        "element 1000": "b_1000,0.5",
        "decimal": "b_7.0,0.5",
        "missing value": "b_7,",
        "no value field": "b_7",
        "NaN": "b_7,NaN",
        "infinity": "b_7,inf",
        "not a number": "b_7,much",
        "decimal comma": 'b_7,"0,5"',
    }
    return [*rows[:where], replaced[kind], *rows[where + 1 :]]


LINE = 1 + DIM + 7 + 1  # of row b_7, counting the header

BAD_ROWS = {
    "missing row": "1 of 2 images does not have each of 384 rows once, first: b_7 stands 0 times",
    "doubled row": "1 of 2 images does not have each of 384 rows once, first: b_7 stands 2 times",
    "swapped element": "1 of 2 .* first: b_7 stands 0 times",
    "half an image": "1 of 2 .* first: b_100 stands 0 times",
    "no element": f"line {LINE}: 'b' is not an imgId_eId such as",
    "no image": f"line {LINE}: '_7' is not",
    "empty id": f"line {LINE}: .* is not",
    "word": f"line {LINE}: 'b_x' is not",
    "element 384": f"line {LINE}: 'b_384' is not",
    "element -1": f"line {LINE}: 'b_-1' is not",
    "element 1000": f"line {LINE}: 'b_1000' is not",
    "decimal": f"line {LINE}: 'b_7.0' is not",
    "missing value": f"line {LINE}: 'b_7' has no value",
    "no value field": f"line {LINE}: 'b_7' has no value",
    "NaN": "1 of 2 embeddings holds NaN or infinity, first: b",
    "infinity": "1 of 2 embeddings holds NaN or infinity, first: b",
    "not a number": "cannot be read as a submission",
    "decimal comma": "cannot be read as a submission",
}


@pytest.mark.parametrize("kind", BAD_ROWS)
def test_a_bad_row_is_told_with_the_file(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "mine.csv"
    write_submission(path, unit_embeddings("a", "b"))
    header, *rows = path.read_text().splitlines()
    path.write_text("\n".join([header, *damage(rows, kind)]) + "\n")
    with pytest.raises(InputError, match=BAD_ROWS[kind]) as caught:
        read_submission(path)
    assert "mine.csv" in str(caught.value)


@pytest.mark.parametrize("name", ["image", "element", "parts", "val"])
def test_further_columns_are_passed_over(tmp_path: Path, name: str) -> None:
    path = tmp_path / "mine.csv"
    write_submission(path, unit_embeddings("a", "b"))
    header, *rows = path.read_text().splitlines()
    path.write_text("\n".join([f"{header},{name}", *(f"{row},a.png" for row in rows)]) + "\n")
    np.testing.assert_array_equal(read_submission(path).vectors, unit_embeddings("a", "b").vectors)
    assert read_submission_ids(path) == ["a", "b"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "cannot be read as a submission"),
        (b"imgId_eId,val\n", "has a header but no rows"),
        (b"imgId,prompt\na,a cat\n", "has the header 'imgId,prompt', expected 'imgId_eId,val'"),
        (b"val,imgId_eId\n0.5,a_0\n", "has the header 'val,imgId_eId', expected 'imgId_eId,val'"),
        (b"imgId_eId\na_0\n", "has the header 'imgId_eId', expected"),
        (b"imgId_eId,val\na_\xff\xfe0,1\n", "s.csv"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "s.csv"),
    ],
)
def test_another_file_is_not_a_submission(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "s.csv").write_bytes(content)
    for read in (read_submission, read_submission_ids):
        with pytest.raises(InputError, match=words):
            read(tmp_path / "s.csv")


def test_a_missing_submission_and_a_folder_are_input_errors(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "s.csv"):
        with pytest.raises(InputError, match="does not exist or is not a file"):
            read_submission(path)


ids_without_commas = st.text(
    st.characters(blacklist_categories=["Cs", "Cc"], blacklist_characters=',"'), min_size=1, max_size=12
)


@settings(max_examples=40, deadline=None)
@given(st.lists(ids_without_commas, min_size=1, max_size=5, unique=True), st.integers(0, 2**32 - 1))
def test_any_embeddings_come_back_bit_for_bit(ids: list[str], seed: int) -> None:
    embeddings = unit_embeddings(*ids, seed=seed)
    with tempfile.TemporaryDirectory() as folder:
        write_submission(Path(folder) / "s.csv", embeddings)
        assert same(read_submission(Path(folder) / "s.csv"), embeddings)
        assert read_submission_ids(Path(folder) / "s.csv") == ids


@pytest.mark.real
def test_the_official_sample_submission_is_read_and_written_again(tmp_path: Path) -> None:
    official = real_folder() / "kaggle7" / "sample_submission.csv"
    theirs = pd.read_csv(official)
    write_submission(tmp_path / "s.csv", read_submission(official))
    ours = pd.read_csv(tmp_path / "s.csv")
    assert ours["imgId_eId"].tolist() == theirs["imgId_eId"].tolist()
    assert (ours["val"].astype(np.float32) == theirs["val"].astype(np.float32)).all()
    in_order = dict.fromkeys(row_id.rsplit("_", 1)[0] for row_id in theirs["imgId_eId"])
    assert read_submission_ids(official) == list(in_order)
    assert len(in_order) == 7
