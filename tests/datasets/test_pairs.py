"""Pairs: what is written is read back in each layout, others' files are understood, nothing is mixed up."""

from __future__ import annotations

import hashlib
import io
import os
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from unprompt.datasets.pairs import Pairs, read_pairs
from unprompt.datasets.pixels import images_fingerprint, open_pixels
from unprompt.datasets.write_pairs import OUTPUTS, Layout, write_pairs
from unprompt.errors import ConfigError, InputError, RunError, UnreadableImageError
from unprompt.networks.preprocess import Preprocess
from unprompt.records import Problem
from unprompt.storage.files import write_table
from unprompt.storage.images import ImageFile, encode_png, image_states, read_file
from unprompt.storage.parts import ROW_GROUP, PairPart, part_name, write_pair_part

LAYOUTS = tuple(OUTPUTS)
REPLACE = "add --overwrite to replace it, or name another folder"
WIDTH, HEIGHT = 6, 4


def picture(seed: int, width: int = WIDTH, height: int = HEIGHT) -> Image.Image:
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 256, size=(height, width, 3), dtype=np.uint8))


def source(number: int) -> Image.Image:
    return picture(2 * number)


def target(number: int) -> Image.Image:
    return picture(2 * number + 1)


def same(image: Image.Image, other: Image.Image) -> bool:
    return np.array_equal(np.asarray(image), np.asarray(other))


def make_pairs(folder: Path, ids: tuple[str, ...], captions: tuple[str, ...] | None = None) -> Pairs:
    """Pairs of PNG files, which are called by their numbers and not by their ids."""
    folder.mkdir(parents=True, exist_ok=True)
    sources, targets = [], []
    for number, image_id in enumerate(ids):
        for images, side, made in ((sources, "s", source(number)), (targets, "t", target(number))):
            path = folder / f"{side}{number}.png"
            path.write_bytes(encode_png(made))
            images.append(ImageFile(image_id, path))
    return Pairs(ids, tuple(sources), tuple(targets), captions)


def ids_of(count: int) -> tuple[str, ...]:
    return tuple(f"id{number:03d}" for number in range(count))


@pytest.fixture
def pairs(tmp_path: Path) -> Pairs:
    """Five pairs with captions."""
    return make_pairs(tmp_path / "made", ids_of(5), tuple(f"a fox, number “{n}”" for n in range(5)))


def hashes(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


# --- the record


class TestRecord:
    def test_it_checks_itself(self, pairs: Pairs) -> None:
        with pytest.raises(InputError, match="5 ids of pairs but 4 targets"):
            replace(pairs, targets=pairs.targets[:4])
        with pytest.raises(InputError, match="5 ids of pairs but 1 captions"):
            replace(pairs, captions=("a fox",))
        with pytest.raises(InputError, match=r"1 id stands more than once in the pairs, first: id000"):
            Pairs(("id000",) * 2, pairs.sources[:1] * 2, pairs.targets[:1] * 2)
        mixed = tuple(pairs.targets[row] for row in (0, 2, 1, 3, 4))
        with pytest.raises(
            InputError, match=r"2 of 5 targets have another id than the pair, first: id002 at id001"
        ):
            replace(pairs, targets=mixed)

    def test_rows_by_id(self, pairs: Pairs) -> None:
        some = pairs.at(["id003", "id001"])
        assert some.ids == ("id003", "id001")
        assert some.captions == ("a fox, number “3”", "a fox, number “1”")
        assert same(read_file(some.sources[0]), source(3))
        assert same(read_file(some.targets[1]), target(1))
        assert replace(pairs, captions=None).at(["id003"]).captions is None
        with pytest.raises(InputError, match="1 of 2 images has no pair, first: x"):
            pairs.at(["id003", "x"])

    def test_a_side_of_files_named_in_different_ways(
        self, pairs: Pairs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        Path("here").mkdir()
        here = replace(pairs.sources[0], path=Path("here") / "0.png")
        assert replace(pairs, sources=(here, *pairs.sources[1:])).side("source").path == tmp_path
        assert pairs.side("target").path == tmp_path / "made"

    def test_the_other_way_round(self, pairs: Pairs) -> None:
        assert pairs.swapped() == Pairs(pairs.ids, pairs.targets, pairs.sources, pairs.captions)


# --- round trips

NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/\\\0"), min_size=1, max_size=20)
IDS = st.lists(NAMES.filter(lambda name: not name.startswith(".")), min_size=1, max_size=4, unique=True)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
COMMAS = ("a fox, red", 'a "fox"', "two\nlines\r\nof “ängström”", "狐", "")


class TestRoundTrips:
    @pytest.mark.parametrize("layout", LAYOUTS)
    @settings(max_examples=25, deadline=None)
    @given(ids=IDS, data=st.data())
    def test_ids_captions_and_pixels_come_back(
        self, layout: Layout, ids: list[str], data: st.DataObject
    ) -> None:
        texts = TEXTS
        if layout == "aligned":  # whose captions are texts by themselves, which editors end with a line
            texts = TEXTS.map(str.strip).filter(lambda text: not text.startswith("\ufeff"))
        captions = data.draw(st.lists(texts | st.sampled_from(COMMAS), min_size=len(ids), max_size=len(ids)))
        with TemporaryDirectory() as folder:
            made = make_pairs(Path(folder) / "made", tuple(ids), tuple(captions))
            write_pairs(made, Path(folder) / "out", layout, part=3)
            read = read_pairs(Path(folder) / "out")
            assert read.ids == tuple(sorted(ids))
            again = read.at(ids)
            assert again.captions == (None if layout == "aligned" and not any(captions) else made.captions)
            for number in range(len(ids)):
                assert same(read_file(again.sources[number]), source(number))
                assert same(read_file(again.targets[number]), target(number))

    @pytest.mark.parametrize("layout", ["parts", "folders", "aligned"])
    def test_pairs_without_captions(self, pairs: Pairs, tmp_path: Path, layout: Layout) -> None:
        write_pairs(replace(pairs, captions=None), tmp_path / "out", layout)
        assert read_pairs(tmp_path / "out").captions is None

    @pytest.mark.parametrize("before", LAYOUTS)
    @pytest.mark.parametrize("after", LAYOUTS)
    def test_from_each_layout_to_each(
        self, pairs: Pairs, tmp_path: Path, before: Layout, after: Layout
    ) -> None:
        write_pairs(pairs, tmp_path / "one", before, part=2)
        write_pairs(read_pairs(tmp_path / "one"), tmp_path / "two", after, part=3)
        read = read_pairs(tmp_path / "two")
        assert read.ids == pairs.ids
        assert read.captions == pairs.captions
        assert all(same(read_file(file), source(n)) for n, file in enumerate(read.sources))
        assert all(same(read_file(file), target(n)) for n, file in enumerate(read.targets))

    @pytest.mark.parametrize("layout", ["parts", "instruct", "folders"])
    def test_files_are_taken_as_they_are(self, tmp_path: Path, layout: Layout) -> None:
        stream = io.BytesIO()
        picture(0, 40, 30).save(stream, "JPEG", quality=50)
        (tmp_path / "a.jpg").write_bytes(stream.getvalue())
        picture(1).save(tmp_path / "b.ppm")  # which Pillow knows and `find_images` does not
        made = Pairs(
            ("x",), (ImageFile("x", tmp_path / "a.jpg"),), (ImageFile("x", tmp_path / "b.ppm"),), ("",)
        )
        write_pairs(made, tmp_path / "out", layout)
        read = read_pairs(tmp_path / "out")
        assert same(read_file(read.sources[0]), read_file(made.sources[0]))
        assert same(read_file(read.targets[0]), picture(1))
        if layout == "folders":
            assert (tmp_path / "out" / "sources" / "x.jpg").read_bytes() == stream.getvalue()
            assert (tmp_path / "out" / "targets" / "x.png").exists()
        else:
            (part,) = (tmp_path / "out").glob("*.parquet")
            names = ("source", "target") if layout == "parts" else ("input_image", "edited_image")
            row = pl.read_parquet(part).row(0, named=True)
            assert row[names[0]] == {"bytes": stream.getvalue(), "path": "x.jpg"}
            assert row[names[1]]["path"] == "x.png"

    def test_which_half_is_which(self, pairs: Pairs, tmp_path: Path) -> None:
        write_pairs(pairs, tmp_path / "AB", "aligned")
        write_pairs(pairs, tmp_path / "BA", "aligned", direction="BtoA")
        both = Image.open(tmp_path / "AB" / "id002.png")
        assert both.size == (2 * WIDTH, HEIGHT)
        assert same(both.crop((0, 0, WIDTH, HEIGHT)), source(2))
        assert same(Image.open(tmp_path / "BA" / "id002.png").crop((0, 0, WIDTH, HEIGHT)), target(2))
        for name, other in (("AB", "BtoA"), ("BA", "AtoB")):  # as it was noted, and as it is asked for
            assert same(read_file(read_pairs(tmp_path / name).sources[2]), source(2))
            assert same(read_file(read_pairs(tmp_path / name, direction=other).sources[2]), target(2))  # type: ignore[arg-type]
            (tmp_path / name / "pairs.json").unlink()
        assert same(
            read_file(read_pairs(tmp_path / "BA").sources[2]), target(2)
        )  # AtoB where nothing is noted


# --- what others make of it, and what they have made


class TestHuggingFace:
    def test_the_datasets_library_shows_parts(self, pairs: Pairs, tmp_path: Path) -> None:
        datasets = pytest.importorskip("datasets")
        write_pairs(pairs, tmp_path / "out", part=2)
        loaded = datasets.load_dataset(
            "parquet",
            data_files=str(tmp_path / "out" / "*.parquet"),
            split="train",
            cache_dir=str(tmp_path / "hf"),
        )
        assert loaded.column_names == ["imgId", "source", "caption", "target"]
        assert [row["imgId"] for row in loaded] == list(pairs.ids)
        assert [row["caption"] for row in loaded] == list(pairs.captions or ())
        assert all(same(row["source"], source(n)) for n, row in enumerate(loaded))
        assert all(same(row["target"], target(n)) for n, row in enumerate(loaded))

    def test_the_datasets_library_opens_an_instruct_folder(self, pairs: Pairs, tmp_path: Path) -> None:
        datasets = pytest.importorskip("datasets")
        write_pairs(pairs, tmp_path / "out", "instruct", part=2)
        loaded = datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "hf"))["train"]
        assert {"input_image", "edit_prompt", "edited_image"} <= {*loaded.column_names}
        assert [row["edit_prompt"] for row in loaded] == list(pairs.captions or ())
        assert all(same(row["input_image"], source(n)) for n, row in enumerate(loaded))
        assert all(same(row["edited_image"], target(n)) for n, row in enumerate(loaded))

    def test_what_the_library_writes_is_read(self, tmp_path: Path) -> None:
        datasets = pytest.importorskip("datasets")
        features = datasets.Features(
            {
                "edit_prompt": datasets.Value("string"),
                "input_image": datasets.Image(),
                "edited_image": datasets.Image(),
            }
        )
        rows = {
            "edit_prompt": ["make it red", None],
            "input_image": [source(0), source(1)],
            "edited_image": [target(0), target(1)],
        }
        folder = tmp_path / "hub" / "data"
        folder.mkdir(parents=True)
        for split in ("train", "test"):
            made = datasets.Dataset.from_dict(rows, features=features)
            made.to_parquet(str(folder / f"{split}-00000-of-00001.parquet"))
        read = read_pairs(tmp_path / "hub", split="train")
        assert read.ids == ("train-00000-of-00001-0000000", "train-00000-of-00001-0000001")
        assert read.captions == ("make it red", "")
        assert same(read_file(read.sources[1]), source(1))
        assert same(read_file(read.targets[0]), target(0))
        assert len(read_pairs(tmp_path / "hub")) == 4
        assert read_pairs(folder / "test-00000-of-00001.parquet").ids[0] == "test-00000-of-00001-0000000"
        with pytest.raises(InputError, match=r"no split 'val': looked for a folder val/ .* val-\*\.parquet"):
            read_pairs(tmp_path / "hub", split="val")


class TestTables:
    """Two folders and a CSV."""

    @staticmethod
    def folders(path: Path, lines: str = "line", colours: str = "colour") -> None:
        for name, made in ((lines, source), (colours, target)):
            (path / name).mkdir(parents=True, exist_ok=True)
            for number in range(3):
                made(number).save(path / name / f"{number}.png")

    @pytest.mark.parametrize(
        ("header", "lines", "colours"),
        [
            ("line image,colour image,caption", "line", "colour"),
            ("Line_Image,Color_Image,Prompt", "Lines", "Colors"),
            ("source,target,text", "sources", "targets"),
            ("input_image,edited_image,edit_prompt", "input", "output"),
            ("sketch,photo,caption", "sketches and more", "photos"),
        ],
    )
    @pytest.mark.parametrize("relative_to", ["table", "folders"])
    def test_headers_and_folders_by_the_usual_names(
        self, tmp_path: Path, header: str, lines: str, colours: str, relative_to: str
    ) -> None:
        self.folders(tmp_path, lines, colours)
        if relative_to == "table":
            first, second = f"{lines}/", f"{colours}/"
        else:
            first, second = f"{lines}/" if " " in lines else "", ""
        rows = [(f"{first}{n}.png", f"{second}{n}.png", f"fox, {n}") for n in (2, 0)]
        write_table(tmp_path / "triples.csv", header.split(","), iter(rows))
        for path in (tmp_path, tmp_path / "triples.csv"):
            read = read_pairs(path)
            assert read.ids == ("0", "2")
            assert read.captions == ("fox, 0", "fox, 2")
            assert same(read_file(read.sources[1]), source(2))
            assert same(read_file(read.targets[1]), target(2))

    def test_ids(self, tmp_path: Path) -> None:
        self.folders(tmp_path)
        table = tmp_path / "pairs.csv"
        rows = [("line/0.png", "colour/1.png"), ("line/0.png", "colour/2.png")]
        write_table(table, ("line", "colour"), iter(rows))
        assert read_pairs(tmp_path).ids == ("pairs-0000000", "pairs-0000001")  # the stems are not different
        write_table(table, ("ID", "line", "colour"), iter([("b", *rows[0]), ("a", *rows[1])]))
        read = read_pairs(tmp_path)
        assert (read.ids, read.captions) == (("a", "b"), None)
        assert same(read_file(read.targets[0]), target(2))
        write_table(table, ("ID", "line", "colour"), iter([("a", *rows[0]), ("a", *rows[1])]))
        with pytest.raises(
            InputError, match=r"pairs\.csv: 1 id stands more than once in the pairs, first: a"
        ):
            read_pairs(tmp_path)

    def test_a_byte_order_mark_and_other_tables_beside_it(self, tmp_path: Path) -> None:
        self.folders(tmp_path)
        (tmp_path / "b.csv").write_bytes("\ufeffline,colour\nline/0.png,colour/1.png\n".encode())
        (tmp_path / "notes.csv").write_text("what,who\n")
        (tmp_path / "problems.csv").write_text("imgId,file,problem\n")
        assert read_pairs(tmp_path).ids == ("0",)
        (tmp_path / "c.csv").write_text("line,colour\nline/1.png,colour/1.png\n")
        with pytest.raises(InputError, match=r"has 2 tables of pairs, b\.csv and c\.csv; name the one"):
            read_pairs(tmp_path)
        (tmp_path / "pairs.csv").write_text("line,colour\nline/2.png,colour/1.png\n")
        assert read_pairs(tmp_path).ids == ("2",)

    def test_what_is_wrong_is_told(self, tmp_path: Path) -> None:
        self.folders(tmp_path)
        table = tmp_path / "t.csv"
        table.write_text("line,caption\nline/0.png,a\n")
        with pytest.raises(
            InputError,
            match=r"no column for the target \(its header is 'line,caption'\); expected a header like "
            r"source,target,caption; the target may be called: target, .*colour",
        ):
            read_pairs(table)
        with pytest.raises(InputError, match=r"t\.csv has the header 'line,caption'"):
            read_pairs(tmp_path)
        table.write_text("line,colour\n0.png,1.png\n5.png,1.png\nno/6.png,1.png\n")
        with pytest.raises(
            InputError, match=r"2 of 3 sources in .*t\.csv name no file, first: '5\.png' \(looked in .*line\)"
        ):
            read_pairs(table)
        table.write_text("line,colour,caption\n0.png,1.png,a fox, red\n")
        with pytest.raises(InputError, match=r"line 2: more fields than the header's 3"):
            read_pairs(table)
        table.write_text("line,colour,caption\n")
        with pytest.raises(InputError, match="has a header but no rows"):
            read_pairs(table)


class TestAligned:
    @staticmethod
    def both(path: Path, number: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        image = Image.new("RGB", (2 * WIDTH, HEIGHT))
        image.paste(source(number), (0, 0))
        image.paste(target(number), (WIDTH, 0))
        image.save(path)

    def test_folders_of_splits(self, tmp_path: Path) -> None:
        for name, number in (("train/2.png", 2), ("train/1.png", 1), ("val/3.png", 3)):
            self.both(tmp_path / name, number)
        (tmp_path / "train" / "1.txt").write_bytes("\ufeffa fox\n".encode())
        read = read_pairs(tmp_path)
        assert read.ids == ("1", "2", "3")
        assert read.captions == ("a fox", "", "")
        assert [file.name for file in read.targets] == [f"{n}.png, right half" for n in (1, 2, 3)]
        assert same(read_file(read.targets[2]), target(3))
        assert read_pairs(tmp_path, split="val").ids == read_pairs(tmp_path / "val").ids == ("3",)
        self.both(tmp_path / "test" / "1.png", 1)
        with pytest.raises(InputError, match=r"first: 1; read one split at a time: train, val, test"):
            read_pairs(tmp_path)

    def test_names_in_two_folders_may_be_in_other_forms_of_unicode(self, tmp_path: Path) -> None:
        for side, name in (("A", "\u00e4"), ("B", "a\u0308")):
            (tmp_path / f"train{side}").mkdir()
            picture(0, 8, 8).save(tmp_path / f"train{side}" / f"{name}.png")
        assert read_pairs(tmp_path, split="train").ids == ("\u00e4",)

    def test_an_odd_width_is_an_error_that_names_the_file(self, tmp_path: Path) -> None:
        self.both(tmp_path / "1.png", 1)
        for name in ("7.png", "8.png"):
            picture(0, 11, 4).save(tmp_path / name)
        (tmp_path / "9.png").write_bytes(b"no image")
        with pytest.raises(InputError, match=r"2 of 4 images in .* odd width, first: 7\.png \(11 x 4\)"):
            read_pairs(tmp_path)
        with pytest.raises(UnreadableImageError, match="11 pixels wide, which is odd"):
            read_file(ImageFile("7", tmp_path / "7.png", half="left"))

    def test_a_text_without_an_image(self, tmp_path: Path) -> None:
        self.both(tmp_path / "1.png", 1)
        (tmp_path / "2.txt").write_text("a fox")
        with pytest.raises(InputError, match=r"1 text in .* has no image beside it, first: 2\.txt"):
            read_pairs(tmp_path)

    def test_images_of_different_sizes_cannot_be_aligned(self, pairs: Pairs, tmp_path: Path) -> None:
        picture(0, 8, 4).save(pairs.targets[3].path)
        with pytest.raises(InputError, match=r"pair 'id003' have different sizes, 6 x 4 and 8 x 4, "):
            write_pairs(pairs, tmp_path / "out", "aligned")


class TestErrors:
    def test_what_was_looked_for(self, tmp_path: Path) -> None:
        with pytest.raises(
            InputError,
            match=r"holds no pairs; looked for: parquet .* source and target, or input_image and "
            r"edited_image; a CSV .*; images side by side .* train/, val/",
        ):
            read_pairs(tmp_path)
        with pytest.raises(InputError, match="does not exist; name a folder of pairs"):
            read_pairs(tmp_path / "nowhere")
        (tmp_path / "a.zip").write_bytes(b"")
        with pytest.raises(InputError, match=r"a\.zip is neither a \.parquet nor a \.csv file"):
            read_pairs(tmp_path / "a.zip")
        with pytest.raises(ConfigError, match="direction must be one of AtoB, BtoA, got 'left'"):
            read_pairs(tmp_path, direction="left")  # type: ignore[arg-type]
        with pytest.raises(InputError, match="is a file; name the folder that has the split 'val'"):
            read_pairs(tmp_path / "a.zip", split="val")

    @pytest.mark.parametrize("second", [None, ""])
    def test_a_row_without_an_id(self, tmp_path: Path, second: str | None) -> None:
        pictures = [{"bytes": b"", "path": "a.png"}] * 2
        rows = {"imgId": ["b", second], "source": pictures, "target": pictures}
        pl.DataFrame(rows).write_parquet(tmp_path / "a.parquet")
        with pytest.raises(InputError, match=r"a\.parquet, row 1: has no imgId$"):
            read_pairs(tmp_path)

    def test_captions_that_are_no_text(self, tmp_path: Path) -> None:
        pictures = [{"bytes": b"", "path": "a.png"}]
        rows = {"imgId": ["a"], "source": pictures, "target": pictures, "caption": [[1, 2]]}
        pl.DataFrame(rows).write_parquet(tmp_path / "a.parquet")
        with pytest.raises(InputError, match=r"the column 'caption' holds List\(Int64\), expected text$"):
            read_pairs(tmp_path)

    def test_parquet_files_of_something_else(self, tmp_path: Path) -> None:
        pl.DataFrame({"imgId": ["1"], "image": ["x"]}).write_parquet(tmp_path / "a.parquet")
        with pytest.raises(
            InputError, match=r"neither the columns source and target nor .* \(it has: imgId, image\)"
        ):
            read_pairs(tmp_path)
        frame = pl.DataFrame({"imgId": ["1"], "source": ["a.png"], "target": ["b.png"]})
        frame.write_parquet(tmp_path / "a.parquet")
        with pytest.raises(InputError, match=r"the column 'source' holds String, expected pictures"):
            read_pairs(tmp_path)
        part = PairPart((), (), (), None)
        write_pair_part(tmp_path / "a.parquet", part)
        with pytest.raises(InputError, match=r"a\.parquet holds no rows"):
            read_pairs(tmp_path)
        (tmp_path / "a.parquet").write_bytes(b"PAR1 nothing PAR1")
        with pytest.raises(InputError, match=r"a\.parquet cannot be read as parquet"):
            read_pairs(tmp_path)

    def test_parts_of_which_some_have_captions(self, tmp_path: Path) -> None:
        image = (encode_png(picture(0)), "x.png")
        write_pair_part(tmp_path / "a.parquet", PairPart(("1",), (image,), (image,), ("a fox",)))
        write_pair_part(tmp_path / "b.parquet", PairPart(("2",), (image,), (image,), None))
        with pytest.raises(InputError, match=r"b\.parquet has no column 'caption'"):
            read_pairs(tmp_path)

    def test_what_a_layout_cannot_hold(self, pairs: Pairs, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="no captions, and the layout instruct has them as edit_prompt"):
            write_pairs(replace(pairs, captions=None), tmp_path / "out", "instruct")
        with pytest.raises(InputError, match="there are no pairs to write"):
            write_pairs(pairs.at([]), tmp_path / "out")
        for layout in ("folders", "aligned"):
            with pytest.raises(InputError, match="1 id cannot name a file, first: 'a/b'"):
                write_pairs(make_pairs(tmp_path / "m", ("a/b",)), tmp_path / "out", layout)  # type: ignore[arg-type]
        for wrong, words in (
            ({"layout": "zip"}, "layout must be"),
            ({"direction": "x"}, "direction must be"),
        ):
            with pytest.raises(ConfigError, match=words):
                write_pairs(pairs, tmp_path / "out", **wrong)  # type: ignore[arg-type]
        with pytest.raises(ConfigError, match="part must be at least 1, got 0"):
            write_pairs(pairs, tmp_path / "out", part=0)
        assert not (tmp_path / "out").exists()


# --- damaged images, kills, places


class TestWriting:
    @pytest.mark.parametrize("layout", LAYOUTS)
    def test_a_damaged_image_costs_its_own_pair(self, pairs: Pairs, tmp_path: Path, layout: Layout) -> None:
        whole = pairs.sources[1].path.read_bytes()
        pairs.sources[1].path.write_bytes(whole[: len(whole) // 2])
        pairs.targets[3].path.unlink()
        result = write_pairs(pairs, tmp_path / "out", layout, part=2)
        assert result.pairs == 3
        assert [(problem.image_id, problem.file) for problem in result.problems] == [
            ("id001", "s1.png"),
            ("id003", "t3.png"),
        ]
        assert "truncated" in result.problems[0].problem
        assert result.problems[1] == Problem(
            "id003", "t3.png", "the file is gone, or a link that leads nowhere"
        )
        told = (tmp_path / "out" / "problems.csv").read_text()
        assert told.startswith("imgId,file,problem\nid001,s1.png,")
        read = read_pairs(tmp_path / "out")
        assert read.ids == ("id000", "id002", "id004")
        assert read.captions == tuple(f"a fox, number “{n}”" for n in (0, 2, 4))
        assert same(read_file(read.targets[2]), target(4))

    def test_none_that_can_be_read(self, pairs: Pairs, tmp_path: Path) -> None:
        for file in pairs.targets:
            file.path.write_bytes(b"")
        with pytest.raises(
            InputError, match=r"none of 5 pairs can be read, first: id000 \(t0\.png: the file is empty\)"
        ):
            write_pairs(pairs, tmp_path / "out", part=2)
        assert not (tmp_path / "out" / "pairs.json").exists()

    @pytest.mark.parametrize("layout", LAYOUTS)
    def test_a_write_that_was_ended_goes_on_with_the_same_bytes(
        self, pairs: Pairs, tmp_path: Path, layout: Layout
    ) -> None:
        pairs.targets[1].path.write_bytes(b"damaged")
        write_pairs(pairs, tmp_path / "whole", layout, part=2)
        told: list[int] = []

        def ended(step: str, done: int, total: int) -> None:
            told.append(done)
            if done == 4:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            write_pairs(pairs, tmp_path / "out", layout, part=2, progress=ended)
        with pytest.raises(InputError, match="is not finished; run again what was writing it"):
            read_pairs(tmp_path / "out")
        files = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("block-*")}
        assert len(files) == 2
        again = write_pairs(pairs, tmp_path / "out", layout, part=2)
        assert (again.pairs, len(again.problems)) == (4, 1)
        assert hashes(tmp_path / "out") == hashes(tmp_path / "whole")

    def test_what_is_done_is_not_done_again(self, pairs: Pairs, tmp_path: Path) -> None:
        def ended(step: str, done: int, total: int) -> None:
            if done == 4:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            write_pairs(pairs, tmp_path / "out", part=2, progress=ended)
        first = (tmp_path / "out" / part_name(0)).stat()
        write_pairs(pairs, tmp_path / "out", part=2)
        assert (tmp_path / "out" / part_name(0)).stat().st_ino == first.st_ino

    @pytest.mark.parametrize("layout", LAYOUTS)
    def test_a_finished_folder_and_overwriting(self, pairs: Pairs, tmp_path: Path, layout: Layout) -> None:
        write_pairs(pairs, tmp_path / "out", layout)
        before = hashes(tmp_path / "out")
        with pytest.raises(RunError, match=f"holds a finished set of pairs; {REPLACE}$"):
            write_pairs(pairs, tmp_path / "out", layout)
        assert hashes(tmp_path / "out") == before
        (tmp_path / "out" / "notes.md").write_text("mine")
        write_pairs(pairs.at(["id004"]), tmp_path / "out", layout, overwrite=True)
        assert read_pairs(tmp_path / "out").ids == ("id004",)
        assert (tmp_path / "out" / "notes.md").exists()
        other: Layout = "folders" if layout == "parts" else "parts"
        with pytest.raises(RunError, match=f"holds pairs in the layout {layout}; name another folder"):
            write_pairs(pairs, tmp_path / "out", other, overwrite=True)

    @pytest.mark.parametrize("layout", LAYOUTS)
    def test_a_folder_is_not_written_over_its_own_images(
        self, pairs: Pairs, tmp_path: Path, layout: Layout
    ) -> None:
        write_pairs(pairs, tmp_path / "out", layout)
        before = hashes(tmp_path / "out")
        with pytest.raises(RunError, match="holds the images that are to be written"):
            write_pairs(read_pairs(tmp_path / "out"), tmp_path / "out", layout, overwrite=True)
        assert hashes(tmp_path / "out") == before


# --- decoded pixels

FIT = Preprocess(3, crop=0.9)


class TestPixels:
    @pytest.mark.parametrize("layout", LAYOUTS)
    @pytest.mark.parametrize("where", ["yes", "no"])
    def test_they_are_those_of_single_decoding(self, tmp_path: Path, layout: Layout, where: str) -> None:
        count = ROW_GROUP + 3
        made = make_pairs(tmp_path / "made", ids_of(count), ids_of(count))
        write_pairs(made, tmp_path / "out", layout, part=40)
        read = read_pairs(tmp_path / "out")
        sources = open_pixels(read.side("source"), FIT, where, tmp_path / "cache")
        targets = open_pixels(read.side("target"), FIT, where, tmp_path / "cache")
        assert sources.decoded is targets.decoded is (where == "yes")
        np.testing.assert_array_equal(
            sources.take(range(count)), np.stack([FIT.fit(source(n)) for n in range(count)])
        )
        np.testing.assert_array_equal(
            targets.take(range(count)), np.stack([FIT.fit(target(n)) for n in range(count)])
        )

    def test_sides_of_the_same_names_sizes_and_times_have_arrays_of_their_own(self, tmp_path: Path) -> None:
        rows = []
        for number in range(2):
            for folder, made in (("line", source), ("colour", target)):
                (tmp_path / folder).mkdir(exist_ok=True)
                made(number).save(tmp_path / folder / f"{number}.bmp")
                os.utime(tmp_path / folder / f"{number}.bmp", (10, 10))
            rows.append((f"line/{number}.bmp", f"colour/{number}.bmp"))
        write_table(tmp_path / "pairs.csv", ("line", "colour"), iter(rows))
        read = read_pairs(tmp_path)
        assert image_states(read.sources) == image_states(read.targets)
        for side, truth in (("source", source), ("target", target)):
            pixels = open_pixels(read.side(side), FIT, "yes", tmp_path / "cache")  # type: ignore[arg-type]
            np.testing.assert_array_equal(pixels[1], FIT.fit(truth(1)))

    def test_halves_and_columns_are_told_apart(self, pairs: Pairs, tmp_path: Path) -> None:
        write_pairs(pairs, tmp_path / "AB", "aligned")
        one = read_pairs(tmp_path / "AB").side("source")
        other = read_pairs(tmp_path / "AB", direction="BtoA").side("source")
        assert images_fingerprint(one, FIT) != images_fingerprint(other, FIT)
        write_pairs(pairs, tmp_path / "parts")
        file = read_pairs(tmp_path / "parts").sources[0]
        assert image_states([file]) != image_states([replace(file, column="target")])

    def test_a_damaged_image_is_named(self, pairs: Pairs, tmp_path: Path) -> None:
        write_pairs(pairs, tmp_path / "out", "folders")
        (tmp_path / "out" / "targets" / "id002.png").write_bytes(b"damaged")
        read = read_pairs(tmp_path / "out")
        with pytest.raises(
            InputError, match=r"1 of 5 images of .*targets cannot be read, first: id002 \(not an"
        ):
            open_pixels(read.side("target"), FIT, "yes", tmp_path / "cache")
        assert len(open_pixels(read.side("source"), FIT, "yes", tmp_path / "cache")) == 5
        assert same(read_file(read.targets[3]), target(3))

    def test_a_damaged_row_of_a_part_costs_itself_alone(self, tmp_path: Path) -> None:
        good = (encode_png(source(1)), "x.png")
        part = PairPart(("a", "b"), ((b"damaged", "a.png"), good), (good, good), None)
        write_pair_part(tmp_path / part_name(0), part)
        read = read_pairs(tmp_path)
        with pytest.raises(UnreadableImageError, match="not an image"):
            read_file(read.sources[0])
        assert read.sources[0].name == "part-00000.parquet, row 0, source"
        assert same(read_file(read.targets[0]), source(1))
        assert same(read_file(read.sources[1]), source(1))
