"""Data sets in the layouts of others: each image gets its own prompt, and what is left over is told."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.datasets.test_dataset import png
from tests.stores import put
from unprompt.datasets.dataset import Dataset, read_dataset
from unprompt.datasets.picture_check import check_pictures
from unprompt.datasets.provenance import read_origin
from unprompt.errors import InputError, UnreadableImageError
from unprompt.generate.prompt_files import read_any_prompts
from unprompt.records import Prompts
from unprompt.storage import archives
from unprompt.storage.images import find_images, read_encoded, read_file
from unprompt.storage.remote import path_of, read_span


def paint(folder: Path, shades: dict[str, int]) -> None:
    for name, shade in shades.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(png(shade))


def shades_of(dataset: Dataset) -> list[int]:
    """The red of each picture: which of them stands at which id."""
    return [read_file(image).getpixel((0, 0))[0] for image in dataset.images]


COMPOSED, DECOMPOSED = "\u00e4pfel", "a\u0308pfel"  # the same to read, as macOS writes names the second


@pytest.mark.parametrize("layout", ["imagefolder", "links", "diffusiondb", "zipped", "texts", "records"])
@pytest.mark.parametrize(("named", "told"), [(COMPOSED, DECOMPOSED), (DECOMPOSED, COMPOSED)])
def test_names_meet_in_any_of_unicodes_forms(tmp_path: Path, layout: str, named: str, told: str) -> None:
    folder = tmp_path / "part-000001"
    paint(folder, {f"{named}.png": 1, "b.png": 2})
    record = json.dumps({f"{told}.png": {"p": "apples"}, "b.png": {"p": "b"}})
    if layout in ("imagefolder", "links"):
        if layout == "links":
            (folder / f"{named}.png").rename(tmp_path / "elsewhere.png")
            (folder / f"{named}.png").symlink_to(tmp_path / "elsewhere.png")
        lines = [{"file_name": f"{told}.png", "text": "apples"}, {"file_name": "b.png", "text": "b"}]
        (folder / "metadata.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    elif layout == "diffusiondb":
        (folder / "part-000001.json").write_text(record)
    elif layout == "zipped":
        with zipfile.ZipFile(tmp_path / "part-000001.zip", "w") as archive:
            for file in sorted(folder.iterdir()):
                archive.write(file, file.name)
                file.unlink()
        folder.rmdir()
        (tmp_path / "part-000001.json").write_text(record)
    elif layout == "texts":
        (folder / f"{told}.txt").write_text("apples")
        (folder / "b.caption").write_text("b")
    else:
        (folder / f"{told}.json").write_text('{"caption": "apples"}')
        (folder / "b.txt").write_text("b")
    dataset = read_dataset(tmp_path if layout == "zipped" else folder)
    assert dict(zip(*(dataset.prompts.ids, dataset.prompts.texts), strict=True)) == {
        "b": "b",
        named: "apples",
    }


class TestTrain:
    def test_names_with_dots_folders_and_endings(self, tmp_path: Path) -> None:
        paint(tmp_path / "train_images", {"v1.5_01.png": 1, "v1.5_02.png": 2, "a/3.png": 3, "b/3.png": 4})
        rows = "v1.5_02,two\nv1.5_01.png,one\na/3.png,three\nC:\\set\\train_images\\b\\3.png,four\n"
        (tmp_path / "train.csv").write_text(f"image_name,prompt\n{rows}")
        dataset = read_dataset(tmp_path)
        assert dataset.prompts == Prompts(
            ("a/3", "b/3", "v1.5_01", "v1.5_02"), ("three", "four", "one", "two")
        )
        assert shades_of(dataset) == [3, 4, 1, 2]

    def test_an_unclosed_quote(self, tmp_path: Path) -> None:
        paint(tmp_path / "train_images", {"1.png": 1})
        (tmp_path / "train.csv").write_text('image_name,prompt\n1,"a fox\n')
        with pytest.raises(InputError, match=r"train\.csv, line 2: a quote opens that is never closed"):
            read_dataset(tmp_path)

    def test_prompts_beside_the_images(self, tmp_path: Path) -> None:
        """As `interrogate FOLDER --out FOLDER/prompts.jsonl` leaves them."""
        paint(tmp_path, {"1.png": 1, "in/2.png": 2})
        (tmp_path / "prompts.jsonl").write_text(
            '{"imgId": "in/2.png", "prompt": "two"}\n{"imgId": "1", "prompt": "one"}\n'
        )
        assert read_dataset(tmp_path).prompts == Prompts(("1", "2"), ("one", "two"))


class TestImagefolder:
    @pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
    def test_each_kind_of_metadata(self, tmp_path: Path, ending: str) -> None:
        paint(tmp_path, {"1.png": 1, "deep/er/2.png": 2})
        rows = [
            {"file_name": "deep/er/2.png", "seed": "7", "text": "a whale, at sea"},
            {"file_name": "1.png", "seed": "8", "text": "a red fox"},
        ]
        frame, file = pl.DataFrame(rows), tmp_path / f"metadata.{ending}"
        writers = {"csv": frame.write_csv, "jsonl": frame.write_ndjson, "parquet": frame.write_parquet}
        writers[ending](file)
        dataset = read_dataset(tmp_path)
        assert dataset.prompts == Prompts(("1", "2"), ("a red fox", "a whale, at sea"))
        assert shades_of(dataset) == [1, 2]

    def test_the_datasets_library_gives_the_same(self, tmp_path: Path) -> None:
        datasets = pytest.importorskip("datasets")
        for split, shade in (("train", 1), ("test", 2)):
            paint(tmp_path / split, {"x.png": shade, "y.png": shade + 10})
            (tmp_path / split / "metadata.csv").write_text(
                f'file_name,text\ny.png,"y, {split}"\nx.png,x {split}\n'
            )
        theirs = datasets.load_dataset("imagefolder", data_dir=str(tmp_path), cache_dir=str(tmp_path / ".c"))
        expected = {
            row["text"]: row["image"].convert("RGB").getpixel((0, 0))[0]
            for split in theirs.values()
            for row in split
        }
        ours = read_dataset(tmp_path)
        assert dict(zip(ours.prompts.texts, shades_of(ours), strict=True)) == expected
        assert len(expected) == 4

    @pytest.mark.parametrize(
        ("rows", "words"),
        [
            ("1.png,a\n", r"1 of 2 images in .* has no row in metadata\.csv, first: 2\.png"),
            ("1.png,a\n2.png,b\n3.png,c\n", r"1 of 3 prompts in .* has no image, first: 3\.png"),
            ("1.png,a\n2.png,\n", "1 of 2 rows has no text; write it"),
            ("1.png,a\n1.png,b\n", r"1\.png has two rows"),
        ],
    )
    def test_what_is_left_over(self, tmp_path: Path, rows: str, words: str) -> None:
        paint(tmp_path, {"1.png": 1, "2.png": 2})
        (tmp_path / "metadata.csv").write_text(f"file_name,text\n{rows}")
        with pytest.raises(InputError, match=words):
            read_dataset(tmp_path)

    def test_a_file_without_its_columns(self, tmp_path: Path) -> None:
        paint(tmp_path, {"1.png": 1})
        (tmp_path / "metadata.csv").write_text("file_name,label\n1.png,fox\n")
        with pytest.raises(InputError, match=r"no column for the prompt \(it has: file_name, label\)"):
            read_dataset(tmp_path)
        (tmp_path / "metadata.csv").write_text("name,text\n1.png,fox\n")
        with pytest.raises(InputError, match="no column 'file_name'"):
            read_dataset(tmp_path)


class TestParquetOfTheHub:
    """Columns of images and of texts, and no ids."""

    def test_rows_are_called_by_file_and_number(self, tmp_path: Path) -> None:
        for number, split in enumerate(("test", "train")):
            rows = [
                {"image": {"bytes": png(10 * number + row), "path": None}, "text": f"{split} {row}"}
                for row in range(2)
            ]
            (tmp_path / "data").mkdir(exist_ok=True)
            pl.DataFrame(rows).write_parquet(tmp_path / "data" / f"{split}-00000-of-00001.parquet")
        dataset = read_dataset(tmp_path)
        ids = tuple(f"{split}-00000-of-00001-000000{row}" for split in ("test", "train") for row in range(2))
        assert dataset.prompts == Prompts(ids, ("test 0", "test 1", "train 0", "train 1"))
        assert shades_of(dataset) == [0, 1, 10, 11]
        assert find_images(tmp_path) == list(dataset.images)
        assert check_pictures(dataset.images).sizes == (((8, 8), 4),)
        one = tmp_path / "data" / "train-00000-of-00001.parquet"
        assert read_dataset(one).prompts.texts == ("train 0", "train 1")

    def test_a_column_of_pictures_by_another_name(self, tmp_path: Path) -> None:
        rows = {"img": [{"bytes": png(5)}], "caption": ["five"], "label": [1]}
        pl.DataFrame(rows).write_parquet(tmp_path / "a.parquet")
        dataset = read_dataset(tmp_path)
        assert dataset.prompts == Prompts(("a-0000000",), ("five",))
        assert shades_of(dataset) == [5]
        pl.DataFrame(rows | {"mask": [{"bytes": png(6)}]}).write_parquet(tmp_path / "a.parquet")
        with pytest.raises(InputError, match=r"no column 'image' .it has: img, caption, label, mask"):
            read_dataset(tmp_path)

    @pytest.mark.parametrize("name", ["image", "jpg"])
    def test_a_column_of_plain_bytes(self, tmp_path: Path, name: str) -> None:
        """As img2dataset's parquet files have it; a struct is taken before it."""
        rows: dict[str, list[Any]] = {"key": ["000"] * 2, name: [png(5), None], "caption": ["five", "none"]}
        pl.DataFrame(rows).write_parquet(tmp_path / "a.parquet")
        for source in (tmp_path, path_of(put(tmp_path, f"memory://bytes-{name}"))):
            dataset = read_dataset(source)
            assert dataset.prompts.texts == ("five", "none")
            assert read_encoded(dataset.images[0]) == png(5)
            with pytest.raises(UnreadableImageError, match="no image"):
                read_encoded(dataset.images[1])
        if name == "jpg":
            pl.DataFrame(rows | {"img": [{"bytes": png(6)}] * 2}).write_parquet(tmp_path / "a.parquet")
            assert shades_of(read_dataset(tmp_path)) == [6, 6]


class TestDiffusionDB:
    @staticmethod
    def folder(path: Path) -> Path:
        for part, names in (("part-000001", ("x1.png", "x2.png")), ("part-000002", ("y1.webp",))):
            paint(path / part, {name: 10 * int(part[-1]) + int(name[1]) for name in names})
            entry = {"se": 1, "c": 7.0, "st": 50, "sa": "k_lms"}
            record = {name: {"p": f"prompt of {name}", **entry} for name in reversed(names)}
            (path / part / f"{part}.json").write_text(json.dumps(record))
        return path

    def test_parts(self, tmp_path: Path) -> None:
        dataset = read_dataset(self.folder(tmp_path))
        assert dataset.prompts == Prompts(
            ("x1", "x2", "y1"), ("prompt of x1.png", "prompt of x2.png", "prompt of y1.webp")
        )
        assert shades_of(dataset) == [11, 12, 21]

    def test_one_part_by_any_path(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        part = self.folder(tmp_path) / "part-000002"
        assert read_dataset(part).prompts.ids == ("y1",)
        monkeypatch.chdir(part)
        assert read_dataset(Path()).prompts.ids == ("y1",)

    def test_what_is_left_over(self, tmp_path: Path) -> None:
        part = self.folder(tmp_path) / "part-000001"
        (part / "x1.png").rename(part / "z.png")
        with pytest.raises(
            InputError, match=r"1 of 3 images .* no entry in part-000001\.json, first: part-000001/z\.png"
        ):
            read_dataset(tmp_path)
        (part / "z.png").unlink()
        with pytest.raises(InputError, match=r"1 of 3 prompts .* has no image, first: part-000001/x1\.png"):
            read_dataset(tmp_path)

    @pytest.mark.parametrize("packed", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
    @pytest.mark.parametrize("inside", [True, False])
    def test_parts_as_zip_files(self, tmp_path: Path, packed: int, inside: bool) -> None:
        """As they come from the hub: part-000001.zip, its record in it, or beside it."""
        unpacked = self.folder(tmp_path / "unpacked")
        zipped = tmp_path / "zipped" / "images"
        zipped.mkdir(parents=True)
        for part in sorted(unpacked.iterdir()):
            with zipfile.ZipFile(zipped / f"{part.name}.zip", "w", packed) as archive:
                for file in sorted(part.iterdir()):
                    if file.suffix != ".json" or inside:
                        archive.write(file, file.name)
                    else:
                        (zipped / file.name).write_bytes(file.read_bytes())
        dataset = read_dataset(tmp_path / "zipped")
        assert dataset.prompts == read_dataset(unpacked).prompts
        assert shades_of(dataset) == [11, 12, 21]
        assert read_dataset(zipped / "part-000002.zip").prompts.ids == ("y1",)
        assert [file.image_id for file in find_images(zipped)] == ["x1", "x2", "y1"]
        assert [read_encoded(file) for file in find_images(zipped / "part-000002.zip")] == [png(21)]

    def test_a_picture_in_a_zip_file_is_read_at_once(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "0.zip"
        long = "/".join(["folder"] * 100)  # its header and its bytes are too far apart
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("1.png", png(21))
            archive.writestr(zipfile.ZipInfo("2.png"), png(22))  # not packed
            archive.writestr(f"{long}/3.png", png(23))
            archive.writestr("4.png", png(24))
        spans: list[int] = []

        def counted(path: Path, start: int, size: int) -> bytes:
            spans.append(start)
            return read_span(path, start, size)

        monkeypatch.setattr(archives, "read_span", counted)
        files = find_images(path)
        assert [read_encoded(file) for file in files] == [png(shade) for shade in (21, 22, 23, 24)]
        assert len(spans) == 5

    def test_what_is_left_over_in_a_zip_file(self, tmp_path: Path) -> None:
        with zipfile.ZipFile(tmp_path / "part-000001.zip", "w") as archive:
            archive.writestr("1.png", png(1))
            archive.writestr("part-000001.json", '{"1.png": {"p": "one"}, "2.png": {"p": "two"}}')
        with pytest.raises(InputError, match=r"1 prompt of .*part-000001\.zip has no image, first: 2\.png"):
            read_dataset(tmp_path)

    def test_a_text_in_a_zip_file_comes_before_the_parts_record(self, tmp_path: Path) -> None:
        with zipfile.ZipFile(tmp_path / "part-000001.zip", "w") as archive:
            archive.writestr("1.png", png(1))
            archive.writestr("1.txt", "by hand")
            archive.writestr("2.png", png(2))
            archive.writestr("part-000001.json", '{"1.png": {"p": "one"}, "2.png": {"p": "two"}}')
        assert read_dataset(tmp_path).prompts.texts == ("by hand", "two")

    def test_a_zip_file_that_cannot_be_read(self, tmp_path: Path) -> None:
        path = tmp_path / "0.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("1.png", png(1) + bytes(500))
        whole = path.read_bytes()
        [image] = find_images(path)
        path.write_bytes(whole[:-9])
        with pytest.raises(InputError, match=r"0\.zip cannot be read as a zip archive"):
            find_images(path)
        for damaged in (b"XX" + whole[2:], whole[:40] + b"\xff" * 20 + whole[60:], whole[:50], b""):
            path.write_bytes(damaged)
            with pytest.raises(UnreadableImageError):
                read_file(image)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_BZIP2) as archive:
            archive.writestr("1.png", png(1))
        with pytest.raises(InputError, match="unpack it first"):
            find_images(path)

    def test_a_file_that_is_none(self, tmp_path: Path) -> None:
        part = self.folder(tmp_path) / "part-000001"
        (part / "part-000001.json").write_text('{"x1.png": {"prompt": "x"}}')
        with pytest.raises(InputError, match=r"part-000001\.json: 'x1\.png' has no prompt 'p'"):
            read_dataset(tmp_path)


class TestNestedTexts:
    """As img2dataset writes files: 00000/000000000.jpg with .txt and .json, and 00000.parquet beside."""

    @staticmethod
    def folder(path: Path) -> Path:
        paint(path, {"00000/000000000.jpg": 1, "00000/000000001.jpg": 2, "00001/000010000.jpg": 3})
        for number, key in enumerate(("00000/000000000", "00000/000000001", "00001/000010000"), start=1):
            (path / f"{key}.json").write_text(json.dumps({"caption": f"record {number}", "key": key[6:]}))
        (path / "00000/000000000.txt").write_text("text 1")
        for shard in ("00000", "00001"):
            pl.DataFrame({"url": ["x"], "caption": ["y"]}).write_parquet(path / f"{shard}.parquet")
            (path / f"{shard}_stats.json").write_text('{"count": 2}')
        return path

    def test_files_of_img2dataset(self, tmp_path: Path) -> None:
        dataset = read_dataset(self.folder(tmp_path))
        assert dataset.prompts == Prompts(
            ("000000000", "000000001", "000010000"), ("text 1", "record 2", "record 3")
        )
        assert shades_of(dataset) == [1, 2, 3]

    def test_the_same_names_in_two_folders(self, tmp_path: Path) -> None:
        paint(tmp_path, {"10_cat/1.png": 1, "5_dog/1.png": 2})
        (tmp_path / "10_cat/1.txt").write_text("a cat")
        (tmp_path / "5_dog/1.caption").write_text("a dog")
        assert read_dataset(tmp_path).prompts == Prompts(("10_cat/1", "5_dog/1"), ("a cat", "a dog"))

    def test_a_text_in_another_folder_is_not_beside(self, tmp_path: Path) -> None:
        paint(tmp_path, {"a/1.png": 1, "b/2.png": 2})
        (tmp_path / "a/1.txt").write_text("one")
        (tmp_path / "a/2.txt").write_text("two")
        with pytest.raises(InputError, match=r"1 text in .* has no image beside it, first: a/2\.txt"):
            read_dataset(tmp_path)

    def test_images_alone_get_no_advice_that_does_not_help(self, tmp_path: Path) -> None:
        paint(tmp_path, {"a/1.png": 1})
        with pytest.raises(InputError, match=r"is no data set: .*DiffusionDB.*\.tar") as caught:
            read_dataset(tmp_path)
        assert "--recursive" not in str(caught.value)


def write_tar(path: Path, contents: dict[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, content in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


class TestShards:
    """.tar files, as img2dataset writes webdatasets."""

    @staticmethod
    def folder(path: Path) -> Path:
        long = "folder-with-a-name/" * 8
        write_tar(
            path / "00000.tar",
            {
                "0001.json": b'{"caption": "record 1"}',
                "0001.txt": b"\xef\xbb\xbfa fox, red\n",
                "0001.jpg": png(1),
                ".hidden.jpg": b"",
                f"{long}v1.5_2.png": png(2),  # a name that takes headers of its own
                f"{long}v1.5_2.json": b'{"prompt": "a whale"}',
            },
        )
        write_tar(path / "00001.tar", {"0001.webp": png(3), "0001.txt": b"another"})
        pl.DataFrame({"url": ["x"]}).write_parquet(path / "00000.parquet")
        return path

    def test_shards(self, tmp_path: Path) -> None:
        dataset = read_dataset(self.folder(tmp_path))
        assert dataset.prompts == Prompts(
            ("00000/0001", "00001/0001", "v1.5_2"), ("a fox, red", "another", "a whale")
        )
        assert shades_of(dataset) == [1, 3, 2]
        assert [read_encoded(image) for image in dataset.images] == [png(1), png(3), png(2)]
        assert [image.name for image in dataset.images] == [
            "00000.tar, row 0",
            "00001.tar, row 0",
            "00000.tar, row 1",
        ]

    def test_what_data_sets_are_asked(self, tmp_path: Path) -> None:
        dataset = read_dataset(self.folder(tmp_path))
        assert check_pictures(dataset.images).sizes == (((8, 8), 3),)
        assert read_origin(dataset).is_empty()
        assert read_any_prompts(tmp_path) == dataset.prompts

    def test_one_shard_alone(self, tmp_path: Path) -> None:
        shard = self.folder(tmp_path) / "00001.tar"
        assert read_dataset(shard).prompts == read_any_prompts(shard) == Prompts(("0001",), ("another",))

    def test_their_images_alone(self, tmp_path: Path) -> None:
        """As `predict` and the others take them: the same ids, without a look at prompts or tables."""
        folder = self.folder(tmp_path / "shards")
        files = find_images(folder)
        assert files == list(read_dataset(folder).images)
        assert find_images(folder / "00001.tar") == list(read_dataset(folder / "00001.tar").images)
        assert find_images(tmp_path, recursive=True) == files
        with pytest.raises(InputError, match=r"holds no images .* add --recursive"):
            find_images(tmp_path)
        paint(folder, {"own.png": 9})
        with pytest.warns(UserWarning, match=r"left out: \.tar 2"):
            assert [file.image_id for file in find_images(folder, tell=True)] == ["own"]

    def test_the_same_name_with_two_endings(self, tmp_path: Path) -> None:
        write_tar(tmp_path / "0.tar", {"1.png": png(1), "1.jpg": png(2)})
        assert [file.image_id for file in find_images(tmp_path)] == ["0/1.jpg", "0/1.png"]

    def test_an_image_without_a_prompt(self, tmp_path: Path) -> None:
        write_tar(tmp_path / "0.tar", {"1.png": png(1), "1.txt": b"x", "2.png": png(2), "2.json": b"{}"})
        with pytest.raises(
            InputError, match=r"1 of 2 images .* no prompt in the archive, first: 0\.tar, 2\.png"
        ):
            read_dataset(tmp_path)

    def test_archives_without_images(self, tmp_path: Path) -> None:
        write_tar(tmp_path / "0.tar", {"1.txt": b"x"})
        with pytest.raises(InputError, match=r"0\.tar holds no images"):
            read_dataset(tmp_path)

    @pytest.mark.parametrize("cut", [100, 512, 700, 1024, 1100])
    def test_an_archive_that_is_cut_short(self, tmp_path: Path, cut: int) -> None:
        whole = write_tar(tmp_path / "0.tar", {"1.png": png(1) + bytes(600), "1.txt": b"x"})
        whole.write_bytes(whole.read_bytes()[:cut])
        with pytest.raises(InputError, match=r"0\.tar"):
            read_dataset(tmp_path)

    def test_a_damaged_header_is_not_the_end(self, tmp_path: Path) -> None:
        path = write_tar(tmp_path / "0.tar", {"1.png": png(1), "1.txt": b"x", "2.png": png(2), "2.txt": b"y"})
        content = bytearray(path.read_bytes())
        content[content.index(b"2.png")] ^= 1
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"0\.tar is damaged at byte 2,048"):
            read_dataset(tmp_path)

    def test_a_compressed_archive(self, tmp_path: Path) -> None:
        with tarfile.open(tmp_path / "0.tar", "w:gz") as archive:
            archive.addfile(tarfile.TarInfo("1.png"))
        with pytest.raises(InputError, match="must be whole and not compressed"):
            read_dataset(tmp_path)

    def test_an_archive_that_goes_away_is_a_problem_not_a_crash(self, tmp_path: Path) -> None:
        image = read_dataset(self.folder(tmp_path)).images[0]
        (tmp_path / "00000.tar").write_bytes(b"")
        with pytest.raises(UnreadableImageError, match="the row has no image"):
            read_file(image)
        (tmp_path / "00000.tar").unlink()
        with pytest.raises(UnreadableImageError):
            read_file(image)
