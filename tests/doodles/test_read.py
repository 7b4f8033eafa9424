"""One reader for files and folders of any kind, and sets of sketched scenes as others keep them."""

from __future__ import annotations

import gzip
import io
import json
from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from tests.doodles.near import FACE, FISH, HOUSE, OWN, distances, quickdraw
from tests.doodles.test_files import GOOD, bitmap_of, pack, write_lines
from unprompt.doodles.drawing import Drawing
from unprompt.doodles.ink import picture_of
from unprompt.doodles.layouts import find_sketches
from unprompt.doodles.read import find_units, read_doodles, read_drawing, word_of
from unprompt.doodles.simplify import simplified
from unprompt.doodles.svg import svg_of
from unprompt.errors import InputError
from unprompt.records import Problem


def test_a_drawing_of_every_kind_of_file(tmp_path: Path) -> None:
    flat = simplified(HOUSE)
    columns = [[stroke[:, 0].tolist(), stroke[:, 1].tolist()] for stroke in flat.strokes]
    write_lines(tmp_path / "a.ndjson", {"drawing": columns})
    (tmp_path / "a.ndjson.gz").write_bytes(gzip.compress((tmp_path / "a.ndjson").read_bytes()))
    (tmp_path / "a.bin").write_bytes(pack(1, b"DE", 1, flat))
    (tmp_path / "a.json").write_text(json.dumps([stroke.tolist() for stroke in flat.strokes]))
    (tmp_path / "a.SVG").write_text(svg_of(flat))
    save_vectors(tmp_path / "a.npy", flat)
    picture_of(HOUSE).save(tmp_path / "a.png")
    picture_of(HOUSE).convert("RGB").save(tmp_path / "a.jpg")
    for path in sorted(tmp_path.iterdir()):
        drawing = read_drawing(path)
        low, high = drawing.bounds
        same = drawing.moved(255 / float((high - low).max()))
        low, _ = same.bounds
        assert max(distances(flat, same.moved(1, -low))) < 2, path.name


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.png", b"", "the file is empty"),
        ("a.png", b"nothing", "not an image"),
        ("a.txt", b"nothing", "not an image"),
        ("a.json", b"[", "is no JSON"),
        ("a.json", b"[" * 100_000, "is no JSON"),
        ("a.json", b"[[1]]", "point 1 of stroke 1"),
        ("a.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "nothing in it is a line"),
        ("a.ndjson", b"", "holds no drawing"),
        ("a.ndjson", (json.dumps(GOOD) + "\n").encode() * 2, "holds several drawings"),
        ("a.npz", b"", "cannot be read as bitmaps"),
        ("a.bin", b"1", "the file ends within it"),
    ],
)
def test_a_file_that_is_no_drawing_is_told_by_name(
    name: str, content: bytes, said: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError) as raised:
        read_drawing(tmp_path / name)
    assert said in str(raised.value)
    assert str(raised.value).count(str(tmp_path / name)) == 1


def test_missing_and_empty_places_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        list(read_doodles(tmp_path / "nothing"))
    with pytest.raises(InputError, match="holds no drawings"):
        list(read_doodles(tmp_path))
    with pytest.raises(InputError, match="is a folder"):
        read_drawing(tmp_path)


def test_a_quick_draw_folder_has_one_category_a_file(tmp_path: Path) -> None:
    drawings = [simplified(drawing) for drawing in OWN.values()]
    (tmp_path / "full_binary_alarm clock.bin").write_bytes(
        b"".join(pack(n, b"DE", 1, d) for n, d in enumerate(drawings))
    )
    (tmp_path / "full%2Fbinary%2Fcat.bin").write_bytes(pack(9, b"DE", 0, drawings[0]) + b"cut short")
    Image.new("L", (50, 50), 255).save(tmp_path / "preview.jpg")  # a picture beside strokes is none of them
    (tmp_path / "README.md").write_text("words")
    problems: list[Problem] = []
    found = list(read_doodles(tmp_path, problems))
    assert Counter(doodle.word for doodle in found) == {"alarm clock": 4, "cat": 1}
    assert [problem.file for problem in problems] == ["full%2Fbinary%2Fcat.bin"]


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("cat.ndjson", "cat"),
        ("full_simplified_The Eiffel Tower.ndjson", "The Eiffel Tower"),
        ("full_numpy_bitmap_hot_dog.npy", "hot dog"),
        ("full%2Fraw%2Fice%20cream.ndjson.gz", "ice cream"),
        ("binary file.bin", "binary file"),
    ],
)
def test_the_category_is_the_file_s_name(name: str, word: str) -> None:
    assert word_of(Path(name)) == word


def test_pictures_in_folders_of_their_word(tmp_path: Path) -> None:
    for word, drawing in (("cat", HOUSE), ("hot_dog", FACE)):
        (tmp_path / word).mkdir()
        picture_of(drawing).save(tmp_path / word / "001.png")
    (tmp_path / "cat" / "own.svg").write_text(svg_of(FISH))
    (tmp_path / "cat" / "empty.png").write_bytes(b"")
    Image.new("L", (64, 64), 255).save(tmp_path / "cat" / "blank.png")
    problems: list[Problem] = []
    found = {doodle.key: doodle for doodle in read_doodles(tmp_path, problems)}
    assert sorted(found) == ["cat/001", "cat/own", "hot_dog/001"]
    assert found["hot_dog/001"].word == "hot dog"
    assert sorted((problem.image_id, problem.file) for problem in problems) == [
        ("blank", "blank.png"),
        ("empty", "empty.png"),
    ]
    with pytest.raises(InputError, match="empty"):
        list(read_doodles(tmp_path))


def test_a_folder_of_a_canvas_s_json(tmp_path: Path) -> None:
    write_canvas(tmp_path / "sheet.json", HOUSE)
    (tmp_path / "test" / "hot_dog").mkdir(parents=True)
    write_canvas(tmp_path / "test" / "hot_dog" / "a.JSON", FACE)
    (house,) = read_doodles(tmp_path)  # as of pictures, the folder's own come first
    assert (house.key, house.word, len(house.drawing.strokes)) == ("sheet", "", len(HOUSE.strokes))
    (tmp_path / "sheet.json").unlink()
    (unit,) = find_units(tmp_path)
    ((face, split),) = unit.read(None)
    assert (face.key, face.word, split) == ("test/hot_dog/a", "hot dog", "test")
    (tmp_path / "test" / "hot_dog" / "about.json").write_text('{"author": "ann"}')
    problems: list[Problem] = []
    assert [one.key for one in read_doodles(tmp_path, problems)] == ["test/hot_dog/a"]
    assert [(one.file, 'has no "strokes"' in one.problem) for one in problems] == [("about.json", True)]


def test_a_json_beside_other_drawings_is_none(tmp_path: Path) -> None:
    (tmp_path / "metadata.json").write_text("{}")
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "own.svg").write_text(svg_of(FISH))
    (tmp_path / "cat" / "own.json").write_text("[]")
    assert [one.key for one in read_doodles(tmp_path)] == ["cat/own"]


def write_canvas(path: Path, drawing: Drawing) -> None:
    path.write_text(json.dumps([{"points": stroke.tolist()} for stroke in drawing.strokes]))


def test_bitmaps_of_a_folder(tmp_path: Path) -> None:
    np.save(tmp_path / "full_numpy_bitmap_cat.npy", np.stack([bitmap_of(FACE)] * 2).reshape(2, 784))
    assert [(doodle.key, doodle.word) for doodle in read_doodles(tmp_path)] == [
        ("cat-0", "cat"),
        ("cat-1", "cat"),
    ]


# --- sets of scenes


def save_vectors(path: Path, drawing: Drawing) -> None:
    rows = [
        (*point, float(n + 1 == len(stroke))) for stroke in drawing.strokes for n, point in enumerate(stroke)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, np.array(rows))


def test_fs_coco(tmp_path: Path) -> None:
    root = tmp_path / "fscoco"
    for user, key, drawing in (("1", "000000000009", HOUSE), ("2", "000000000025", FACE)):
        save_vectors(root / "vector_sketches" / user / f"{key}.npy", drawing)
        (root / "text" / user).mkdir(parents=True)
        (root / "text" / user / f"{key}.txt").write_text(f"  a drawing\nof {key[-2:]}\n")
        (root / "raster_sketches" / user).mkdir(parents=True)
        picture_of(drawing).save(root / "raster_sketches" / user / f"{key}.jpg")
    (root / "raster_sketches" / "2" / "000000000030.jpg").write_bytes(b"")
    (root / "val_normal.txt").write_text("25\n")
    sketches = find_sketches(tmp_path) or []
    assert [(s.key[-2:], s.caption, s.split) for s in sketches] == [
        ("09", "a drawing of 09", "train"),
        ("25", "a drawing of 25", "validation"),
        ("30", "", "train"),
    ]
    assert [stroke.tolist() for stroke in sketches[0].read_drawing().strokes] == [
        stroke.tolist() for stroke in HOUSE.strokes
    ]
    assert sketches[1].read_picture().mode == "RGB"
    problems: list[Problem] = []
    assert [doodle.caption for doodle in read_doodles(tmp_path, problems)] == [
        "a drawing of 09",
        "a drawing of 25",
    ]
    assert [problem.image_id for problem in problems] == ["000000000030"]


def jpeg(drawing: Drawing) -> bytes:
    stream = io.BytesIO()
    picture_of(drawing).convert("RGB").save(stream, "JPEG")
    return stream.getvalue()


def test_parquet_with_image_and_text(tmp_path: Path) -> None:
    """As the hub keeps `zoheb/sketch-scene`."""
    pictures = [{"bytes": jpeg(HOUSE), "path": None}, {"bytes": b"broken", "path": None}]
    (tmp_path / "data").mkdir()
    part = tmp_path / "data" / "train-00000-of-00001-0123456789abcdef.parquet"
    pl.DataFrame({"image": pictures, "text": ["a house", "nothing"]}).write_parquet(part)
    for place in (tmp_path, part):
        sketches = find_sketches(place) or []
        assert [(s.caption, s.split) for s in sketches] == [("a house", "train"), ("nothing", "train")]
        problems: list[Problem] = []
        (house,) = read_doodles(place, problems)
        assert max(distances(HOUSE.fitted(400, 400 / 12), house.drawing)) < 2
        assert house.caption == "a house"
        assert len(problems) == 1


def test_sketchy_scene(tmp_path: Path) -> None:
    scipy_io = pytest.importorskip("scipy.io", reason="scipy is not installed")
    for split in ("train", "val"):
        for folder in ("DRAWING_GT", "CLASS_GT", "INSTANCE_GT"):
            (tmp_path / split / folder).mkdir(parents=True)
        for number in (1, 12):
            picture_of(HOUSE, 200).save(tmp_path / split / "DRAWING_GT" / f"L0_sample{number}.png")
    places, instances = np.zeros((20, 20), np.uint8), np.zeros((20, 20), np.uint8)
    for number, (row, kind) in enumerate(((0, 2), (5, 2), (10, 1)), 1):
        places[row : row + 4], instances[row : row + 4] = kind, number
    scipy_io.savemat(tmp_path / "val" / "CLASS_GT" / "sample_12_class.mat", {"CLASS_GT": places})
    scipy_io.savemat(tmp_path / "val" / "INSTANCE_GT" / "sample_12_instance.mat", {"INSTANCE_GT": instances})
    names = np.empty((2, 1), object)
    names[:, 0] = ["bird", "tree"]
    scipy_io.savemat(tmp_path / "colorMapC46.mat", {"colorMap": names})
    sketches = find_sketches(tmp_path) or []
    assert [(s.key, s.split) for s in sketches] == [
        ("train-1", "train"),
        ("train-12", "train"),
        ("val-1", "validation"),
        ("val-12", "validation"),
    ]
    assert sketches[3].read_objects() == {"tree": 2, "bird": 1}
    assert sketches[3].read_drawing().strokes
    with pytest.raises(InputError, match="cannot be read"):
        sketches[0].read_objects()


def test_real_sketched_scenes_are_read() -> None:
    found = list(read_doodles(quickdraw() / "scenes"))
    assert len(found) == 6
    assert all(len(doodle.drawing.strokes) > 30 for doodle in found)
