"""Quick, Draw!'s files: strokes in ndjson and .bin, bitmaps; damaged ones lose no other drawing."""

from __future__ import annotations

import gzip
import json
import struct
from pathlib import Path

import numpy as np
import pytest

from tests.doodles.near import OWN, assert_same, distances, quickdraw
from unprompt.doodles.binary import read_binary
from unprompt.doodles.bitmaps import read_bitmaps, trace_bitmaps
from unprompt.doodles.drawing import Drawing
from unprompt.doodles.ink import ink
from unprompt.doodles.ndjson import read_ndjson
from unprompt.doodles.simplify import simplified
from unprompt.errors import InputError
from unprompt.records import Problem

GOOD = {"word": "cat", "key_id": "7", "countrycode": "DE", "recognized": True, "drawing": [[[1, 2], [3, 4]]]}


def write_lines(path: Path, *entries: object) -> Path:
    lines = [entry if isinstance(entry, str) else json.dumps(entry) for entry in entries]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_line_is_a_drawing_with_what_is_known(tmp_path: Path) -> None:
    raw = {"drawing": [[[1.5, 2], [3, 4], [0, 9]]], "caption": "a line"}
    first, second = read_ndjson(write_lines(tmp_path / "a.ndjson", GOOD, "", raw))
    assert (first.key, first.word, first.country, first.recognised) == ("7", "cat", "DE", True)
    assert first.drawing.strokes[0].tolist() == [[1, 3], [2, 4]]
    assert (second.key, second.word, second.recognised, second.caption) == ("a-3", "", None, "a line")
    assert second.drawing.strokes[0].tolist() == [[1.5, 3], [2, 4]]


WRONG = {
    "no drawing": {"word": "cat"},
    "a text": '"drawing"',
    "no JSON": "{'drawing': 1}",
    "cut short": '{"drawing": [[[1, 2], [3',
    "not as many x as y": {"drawing": [[[1, 2], [3]]]},
    "only x": {"drawing": [[[1, 2]]]},
    "no numbers": {"drawing": [[["a"], ["b"]]]},
    "lists": {"drawing": [[[[1]], [[2]]]]},
    "not a number": '{"drawing": [[[1, NaN], [3, 4]]]}',
    "infinite": '{"drawing": [[[1, 1e999], [3, 4]]]}',
    "too large": {"drawing": [[[1, 10**400], [3, 4]]]},
    "huge": {"drawing": [[[1, 1e9], [3, 4]]]},
    "a million points": {"drawing": [[[1] * 1_000_000, [2] * 1_000_000]]},
    "nested": "[" * 100_000,
    "nothing": {"drawing": [[[None], [None]]]},
}


@pytest.mark.parametrize("what", WRONG)
def test_one_damaged_line_loses_no_other(what: str, tmp_path: Path) -> None:
    path = write_lines(tmp_path / "cat.ndjson", GOOD, WRONG[what], {**GOOD, "key_id": "8"})
    with pytest.raises(InputError, match=r"cat\.ndjson, line 2: "):
        list(read_ndjson(path))
    problems: list[Problem] = []
    assert [doodle.key for doodle in read_ndjson(path, problems)] == ["7", "8"]
    (problem,) = problems
    assert (problem.image_id, problem.file) == ("cat-2", "cat.ndjson")
    assert problem.problem.startswith("line 2: ")


def test_bytes_that_are_no_text_are_a_line_s_problem(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    path.write_bytes(json.dumps(GOOD).encode() + b"\n\xff\xfe\x00\n" + json.dumps(GOOD).encode())
    problems: list[Problem] = []
    assert len(list(read_ndjson(path, problems))) == 2
    assert len(problems) == 1


def test_a_line_without_end_is_not_kept_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unprompt.doodles.ndjson.LONGEST_LINE", 200)
    path = write_lines(tmp_path / "a.ndjson", GOOD, {"drawing": [[[1] * 500, [2] * 500]]}, GOOD)
    problems: list[Problem] = []
    assert len(list(read_ndjson(path, problems))) == 2
    assert problems[0].problem == "line 2: is longer than 200 bytes, which no drawing is"


def test_strokes_without_points_are_nothing_and_dots_stay(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.ndjson", {"drawing": []}, {"drawing": [[[], []], [[5], [6]]]})
    empty, dot = read_ndjson(path)
    assert empty.drawing.strokes == ()
    assert [stroke.tolist() for stroke in dot.drawing.strokes] == [[[5, 6]]]


def test_a_gzipped_file_that_is_cut_short_gives_what_it_has(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson.gz"
    lines = "".join(
        json.dumps({**GOOD, "key_id": str(n), "noise": str(hash(str(n)))}) + "\n" for n in range(3000)
    )
    path.write_bytes(gzip.compress(lines.encode()))
    assert len(list(read_ndjson(path))) == 3000
    path.write_bytes(path.read_bytes()[:-2000])
    problems: list[Problem] = []
    found = list(read_ndjson(path, problems))
    assert 1000 < len(found) < 3000
    assert "cannot be read to its end" in problems[-1].problem
    with pytest.raises(InputError, match=r"cannot read .*a\.ndjson\.gz"):
        list(read_ndjson(path))


# --- .bin


def pack(key: int, country: bytes, recognised: int, drawing: Drawing) -> bytes:
    content = struct.pack("<Q2sbIH", key, country, recognised, 1_488_000_000, len(drawing.strokes))
    for stroke in drawing.strokes:
        x, y = stroke.astype(np.uint8).T
        content += struct.pack("<H", len(stroke)) + x.tobytes() + y.tobytes()
    return content


@pytest.mark.parametrize("name", ["cat.bin", "cat.bin.gz"])
def test_binary_files_hold_what_was_packed(name: str, tmp_path: Path) -> None:
    drawings = [simplified(drawing) for drawing in OWN.values()]
    content = b"".join(pack(2**63 + n, b"DE", n % 2, drawing) for n, drawing in enumerate(drawings))
    path = tmp_path / name
    path.write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    found = list(read_binary(path, "cat"))
    assert [doodle.key for doodle in found] == [str(2**63 + n) for n in range(4)]
    assert [doodle.recognised for doodle in found] == [False, True, False, True]
    assert {(doodle.word, doodle.country) for doodle in found} == {("cat", "DE")}
    for doodle, drawing in zip(found, drawings, strict=True):
        assert_same(doodle.drawing, drawing)


def test_bytes_by_hand(tmp_path: Path) -> None:
    """As the data set's own example lays them out: 17 bytes of head, then each stroke's x and y."""
    path = tmp_path / "dot.bin"
    path.write_bytes(
        bytes([1, 0, 0, 0, 0, 0, 0, 0]) + b"US" + bytes([1, 0, 0, 0, 0, 1, 0, 2, 0, 10, 20, 30, 40])
    )
    (doodle,) = read_binary(path)
    assert (doodle.key, doodle.country, doodle.recognised) == ("1", "US", True)
    assert doodle.drawing.strokes[0].tolist() == [[10, 30], [20, 40]]


def test_every_cut_of_a_binary_file_keeps_the_drawings_before(tmp_path: Path) -> None:
    one = pack(1, b"DE", 1, simplified(OWN["house"]))
    content = one + pack(2, b"DE", 1, simplified(OWN["fish"]))
    path = tmp_path / "a.bin"
    for size in range(len(one) + 1, len(content), 7):
        path.write_bytes(content[:size])
        problems: list[Problem] = []
        assert [doodle.key for doodle in read_binary(path, "", problems)] == ["1"]
        assert problems == [Problem("a-2", "a.bin", "drawing 2: the file ends within it")]
    with pytest.raises(InputError, match="drawing 2: the file ends within it"):
        list(read_binary(path))


# --- bitmaps


def bitmap_of(drawing: Drawing) -> np.ndarray:
    return np.rint(255 * ink(drawing.fitted(28, 1.6), 28, 28, 1.6)).astype(np.uint8)


def test_bitmaps_come_back_as_strokes(tmp_path: Path) -> None:
    pictures = np.stack([bitmap_of(drawing) for drawing in OWN.values()])
    np.save(tmp_path / "thing.npy", pictures.reshape(-1, 784))
    np.savez(tmp_path / "things.npz", **{"alarm clock": pictures[:1], "cat": pictures[1:]})
    ((word, again),) = read_bitmaps(tmp_path / "thing.npy", "thing")
    assert word == "thing"
    assert np.array_equal(again, pictures)
    found = list(trace_bitmaps(tmp_path / "things.npz"))
    assert [doodle.key for doodle in found] == ["alarm clock-0", "cat-0", "cat-1", "cat-2"]
    assert [doodle.word for doodle in found] == ["alarm clock", "cat", "cat", "cat"]
    for doodle, drawing in zip(found, OWN.values(), strict=True):
        assert max(distances(drawing.fitted(28, 1.6), doodle.drawing)) < 4  # of 255: half of a pixel


def test_arrays_of_other_kinds_are_told(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((3, 5), np.uint8))
    with pytest.raises(InputError, match=r"has an array \(3, 5\) of uint8"):
        list(read_bitmaps(tmp_path / "a.npy"))
    np.savez(tmp_path / "b.npz", train=np.array([{"a": 1}], object))
    with pytest.raises(InputError, match="Python objects"):
        list(read_bitmaps(tmp_path / "b.npz"))
    (tmp_path / "c.npy").write_bytes(b"\x93NUMPY\x01\x00what")
    problems: list[Problem] = []
    assert list(trace_bitmaps(tmp_path / "c.npy", "", problems)) == []
    assert problems[0].file == "c.npy"


def test_googles_bitmaps_are_traced(tmp_path: Path) -> None:
    path = quickdraw() / "bitmaps" / "test.npz"
    overlaps = []
    for word, bitmaps in read_bitmaps(path):
        np.save(tmp_path / f"{word}.npy", bitmaps[:3])
        for doodle, bitmap in zip(trace_bitmaps(tmp_path / f"{word}.npy", word), bitmaps, strict=False):
            again = ink(doodle.drawing, 28, 28, 1.8)
            overlaps.append(np.minimum(again, bitmap / 255).sum() / np.maximum(again, bitmap / 255).sum())
    assert min(overlaps) > 0.35
    assert np.mean(overlaps) > 0.6
