"""Data sets: what `render` writes is read back in each form, and others' layouts are understood."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
from PIL import Image

from unprompt.datasets.dataset import read_dataset, read_what_is_there
from unprompt.doodles.captioned import read_captioned
from unprompt.errors import InputError, UnreadableImageError
from unprompt.generate.prompt_files import read_any_prompts
from unprompt.records import DIM, Embeddings, Prompts, unit_rows
from unprompt.runs.config import PredictConfig
from unprompt.runs.predict import predict
from unprompt.storage.files import write_embeddings, write_prompts
from unprompt.storage.images import find_images, read_file
from unprompt.storage.parts import ROW_GROUP, Part, part_name, read_columns, read_image_bytes, write_part


def png(shade: int) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (8, 8), (shade, 0, 255 - shade)).save(stream, "PNG")
    return stream.getvalue()


def make_part(numbers: range) -> Part:
    rng = np.random.default_rng(numbers.start)
    return Part(
        ids=tuple(f"id{n:04d}" for n in numbers),
        prompts=tuple(f"prompt, “{n}”" for n in numbers),
        images=tuple(png(n % 256) for n in numbers),
        seeds=tuple(2**32 - 1 - n for n in numbers),
        engine="pocket",
        settings='{"size": 8}',
        embeddings=unit_rows(rng.normal(size=(len(numbers), DIM))),
    )


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    """A data set of 150 rows in two parts."""
    folder = tmp_path / "DATASET"
    write_part(folder / part_name(0), make_part(range(100)))
    write_part(folder / part_name(1), make_part(range(100, 150)))
    return folder


@pytest.mark.parametrize("read", [read_what_is_there, read_any_prompts, lambda path: read_captioned([path])])
def test_a_data_set_that_is_not_finished_is_told(
    parts: Path, read: Callable[[Path], object], recwarn: pytest.WarningsRecorder
) -> None:
    read(parts)  # of other makers, perhaps
    (parts / ".work").mkdir()
    (parts / "dataset.json").write_text("{}")
    read(parts)
    assert not recwarn.list
    (parts / "dataset.json").unlink()
    with pytest.warns(UserWarning, match="DATASET is not finished, and only 150 images of it will be taken"):
        read(parts)


class TestParts:
    def test_every_column_comes_back(self, parts: Path) -> None:
        part = make_part(range(100))
        table = read_columns(parts / part_name(0), ("imgId", "prompt", "seed", "engine", "settings"))
        assert tuple(table["imgId"]) == part.ids
        assert tuple(table["prompt"]) == part.prompts
        assert tuple(table["seed"]) == part.seeds
        assert set(table["engine"]) == {"pocket"}
        assert set(table["settings"]) == {'{"size": 8}'}
        for row in (0, ROW_GROUP - 1, ROW_GROUP, 99):
            assert read_image_bytes(parts / part_name(0), row) == part.images[row]

    def test_the_same_rows_give_the_same_bytes(self, parts: Path) -> None:
        before = (parts / part_name(0)).read_bytes()
        write_part(parts / part_name(0), make_part(range(100)))
        assert (parts / part_name(0)).read_bytes() == before

    def test_the_bytes_are_those_of_earlier_versions(self, tmp_path: Path) -> None:
        """Columns, their order, types, compression and the library's metadata."""
        write_part(tmp_path / "a.parquet", make_part(range(3)))
        schema = pq.read_schema(tmp_path / "a.parquet")
        assert json.loads(schema.metadata[b"huggingface"]) == {
            "info": {
                "features": {
                    "imgId": {"dtype": "string", "_type": "Value"},
                    "prompt": {"dtype": "string", "_type": "Value"},
                    "image": {"_type": "Image"},
                    "seed": {"dtype": "int64", "_type": "Value"},
                    "engine": {"dtype": "string", "_type": "Value"},
                    "settings": {"dtype": "string", "_type": "Value"},
                    "embedding": {
                        "feature": {"dtype": "float32", "_type": "Value"},
                        "length": DIM,
                        "_type": "List",
                    },
                }
            }
        }
        group = pq.ParquetFile(tmp_path / "a.parquet").metadata.row_group(0)
        columns = {group.column(n).path_in_schema: group.column(n) for n in range(group.num_columns)}
        assert {name: column.compression for name, column in columns.items()} == {
            "imgId": "ZSTD",
            "prompt": "ZSTD",
            "image.bytes": "UNCOMPRESSED",
            "image.path": "ZSTD",
            "seed": "ZSTD",
            "engine": "ZSTD",
            "settings": "ZSTD",
            "embedding.list.element": "UNCOMPRESSED",
        }
        assert {name for name, column in columns.items() if column.has_dictionary_page} == {
            "engine",
            "settings",
        }

    def test_a_part_that_changes_is_read_anew(self, parts: Path) -> None:
        path = parts / part_name(0)
        read_image_bytes(path, 0)
        write_part(path, make_part(range(50, 60)))
        assert read_image_bytes(path, 0) == png(50)

    def test_the_datasets_library_gives_pictures(self, parts: Path, tmp_path: Path) -> None:
        datasets = pytest.importorskip("datasets")
        loaded = datasets.load_dataset(
            "parquet", data_files=str(parts / "*.parquet"), split="train", cache_dir=str(tmp_path / "hf")
        )
        assert len(loaded) == 150
        row = loaded[120]
        assert row["imgId"] == "id0120"
        assert row["image"].getpixel((0, 0)) == (120, 0, 135)
        assert row["seed"] == 2**32 - 1 - 120
        np.testing.assert_array_equal(np.float32(row["embedding"]), make_part(range(100, 150)).embeddings[20])


class TestReading:
    def test_parts(self, parts: Path) -> None:
        dataset = read_dataset(parts)
        assert len(dataset) == 150
        assert dataset.prompts.texts[149] == "prompt, “149”"
        assert dataset.embeddings is not None
        np.testing.assert_array_equal(dataset.embeddings.vectors[:100], make_part(range(100)).embeddings)
        assert read_file(dataset.images[149]).getpixel((0, 0)) == (149, 0, 106)

    def test_one_part_alone(self, parts: Path) -> None:
        assert read_dataset(parts / part_name(1)).prompts.ids[0] == "id0100"

    def test_others_parquet_without_embeddings(self, tmp_path: Path) -> None:
        rows = {"imgId": [2, 1], "prompt": ["two", "one"], "image": [{"bytes": png(2)}, {"bytes": png(1)}]}
        pl.DataFrame(rows).write_parquet(tmp_path / "train-00000-of-00001.parquet")
        dataset = read_dataset(tmp_path)
        assert dataset.prompts == Prompts(("1", "2"), ("one", "two"))
        assert dataset.embeddings is None
        assert read_file(dataset.images[0]).getpixel((0, 0)) == (1, 0, 254)

    @pytest.mark.parametrize("column", [[[0.5] * 512, [0.1] * 512], ["first", "second"]])
    def test_embeddings_of_another_model(self, tmp_path: Path, column: list[object]) -> None:
        images = [{"bytes": png(2)}, {"bytes": png(1)}]
        rows = {"imgId": ["b", "a"], "prompt": ["two", "one"], "image": images, "embedding": column}
        pl.DataFrame(rows).write_parquet(tmp_path / "a.parquet")
        with pytest.raises(
            InputError, match=r"a\.parquet: the column 'embedding' holds .*, expected 384 numbers .* rename"
        ):
            read_dataset(tmp_path)

    @pytest.mark.parametrize("second", [None, ""])
    def test_a_row_without_an_id(self, tmp_path: Path, second: str | None) -> None:
        images = [{"bytes": png(2)}, {"bytes": png(1)}]
        rows = {"imgId": ["b", second], "prompt": ["two", "one"], "image": images}
        pl.DataFrame(rows).write_parquet(tmp_path / "a.parquet")
        for read in (read_dataset, find_images):
            with pytest.raises(InputError, match=r"a\.parquet, row 1: has no imgId$"):
                read(tmp_path)

    @pytest.mark.parametrize("column", ["imgId", "prompt"])
    @pytest.mark.parametrize("values", [[[1], [2]], [b"\xff", b"a"]])
    def test_columns_that_hold_no_text(self, tmp_path: Path, column: str, values: list[object]) -> None:
        images = [{"bytes": png(2)}, {"bytes": png(1)}]
        rows = {"imgId": ["b", "a"], "prompt": ["two", "one"], "image": images, column: values}
        pl.DataFrame(rows).write_parquet(tmp_path / "a.parquet")
        with pytest.raises(InputError, match=rf"a\.parquet: the column '{column}' holds .*, expected text$"):
            read_dataset(tmp_path)

    def test_the_folder_form(self, tmp_path: Path) -> None:
        (tmp_path / "images").mkdir()
        for shade in (3, 4):
            (tmp_path / "images" / f"x{shade}.png").write_bytes(png(shade))
        write_prompts(tmp_path / "prompts.csv", Prompts(("x4", "x3"), ("four", "three")))
        dataset = read_dataset(tmp_path)
        assert dataset.prompts == Prompts(("x3", "x4"), ("three", "four"))
        assert dataset.embeddings is None
        vectors = unit_rows(np.random.default_rng(0).normal(size=(2, DIM)))
        write_embeddings(tmp_path / "embeddings.npz", Embeddings(("x4", "x3"), vectors))
        with_embeddings = read_dataset(tmp_path).embeddings
        assert with_embeddings is not None
        np.testing.assert_array_equal(with_embeddings.vectors, vectors[::-1])
        write_embeddings(tmp_path / "embeddings.npz", Embeddings(("x4",), vectors[:1]))
        with pytest.raises(InputError, match=r"embeddings\.npz: 1 of 2 images has no embedding, first: x3"):
            read_dataset(tmp_path)

    @pytest.mark.parametrize(
        "header", ["image_name,prompt", "file_name,text", "imgId,prompt", ",path,caption"]
    )
    def test_the_80k_sets_layout(self, tmp_path: Path, header: str) -> None:
        (tmp_path / "train_images").mkdir()
        for shade in (3, 4):
            (tmp_path / "train_images" / f"{shade}.png").write_bytes(png(shade))
        number = "0," if header.startswith(",") else ""
        rows = f'{number}4.png,"a cat, asleep"\n{number}train_images/3.png,a dog\n'
        (tmp_path / "train.csv").write_text(f"{header}\n{rows}")
        assert read_dataset(tmp_path).prompts == Prompts(("3", "4"), ("a dog", "a cat, asleep"))


class TestTextsBesideImages:
    """As people keep captions for LoRA training."""

    @staticmethod
    def folder(path: Path) -> Path:
        path.mkdir()
        for name, shade in (("a.png", 1), ("b.PNG", 2), ("c d.webp", 3)):
            image = Image.open(io.BytesIO(png(shade)))
            image.save(path / name, "PNG" if name.lower().endswith("png") else "WEBP", lossless=True)
        (path / "a.txt").write_text("a fox, red\n", encoding="utf-8")
        (path / "b.txt").write_bytes("\ufeff“ängström”\r\n".encode())
        (path / "c d.TXT").write_text(" two\nlines ")
        (path / ".hidden.txt").write_text("x")
        return path

    def test_they_are_a_data_set(self, tmp_path: Path) -> None:
        dataset = read_dataset(self.folder(tmp_path / "D"))
        assert dataset.prompts == Prompts(("a", "b", "c d"), ("a fox, red", "“ängström”", "two\nlines"))
        assert dataset.embeddings is None
        assert [read_file(image).getpixel((0, 0)) for image in dataset.images] == [
            (shade, 0, 255 - shade) for shade in (1, 2, 3)
        ]

    def test_filter_reads_its_prompts(self, tmp_path: Path) -> None:
        folder = self.folder(tmp_path / "D")
        assert read_any_prompts(folder) == read_dataset(folder).prompts

    def test_images_without_a_text(self, tmp_path: Path) -> None:
        folder = self.folder(tmp_path / "D")
        (folder / "a.txt").unlink()
        with pytest.raises(
            InputError,
            match=r"1 of 3 images in .* has no text beside it, first: a\.png \(a\.txt is not there\)",
        ):
            read_dataset(folder)
        for empty in ("", " \n", "\ufeff"):  # an empty text is a missing one
            (folder / "a.txt").write_text(empty, encoding="utf-8")
            (folder / "b.txt").write_text(empty, encoding="utf-8")
            with pytest.raises(InputError, match=r"2 of 3 images .* first: a\.png \(a\.txt is empty\)"):
                read_dataset(folder)

    def test_texts_without_an_image(self, tmp_path: Path) -> None:
        folder = self.folder(tmp_path / "D")
        (folder / "z.txt").write_text("lost")
        (folder / "y.txt").write_text("lost too")
        with pytest.raises(InputError, match=r"2 texts in .* have no image beside them, first: y\.txt; move"):
            read_dataset(folder)

    def test_a_text_that_is_not_utf8(self, tmp_path: Path) -> None:
        folder = self.folder(tmp_path / "D")
        (folder / "a.txt").write_bytes(b"a fox\n\xff")
        with pytest.raises(InputError, match=r"a\.txt, line 2: is not UTF-8"):
            read_dataset(folder)

    def test_images_alone_and_texts_alone_are_no_data_set(self, tmp_path: Path) -> None:
        (tmp_path / "a.png").write_bytes(png(1))
        with pytest.raises(InputError, match=r"is no data set: .* or images with a \.txt beside each"):
            read_dataset(tmp_path)
        (tmp_path / "a.txt").write_text("a fox")
        (tmp_path / "a.png").unlink()
        with pytest.raises(InputError, match="is no data set"):
            read_dataset(tmp_path)


class TestErrors:
    def test_a_part_that_is_cut_short(self, parts: Path) -> None:
        whole = (parts / part_name(1)).read_bytes()
        (parts / part_name(1)).write_bytes(whole[: len(whole) // 2])
        with pytest.raises(
            InputError, match=r"part-00001\.parquet cannot be read as parquet .*render the data set"
        ):
            read_dataset(parts)

    def test_bytes_that_are_wrong_in_a_part(self, parts: Path) -> None:
        damaged = bytearray((parts / part_name(0)).read_bytes())
        damaged[100:-2000] = b"\xff" * (len(damaged) - 2100)
        (parts / part_name(0)).write_bytes(damaged)
        with pytest.raises(InputError, match=r"part-00000\.parquet"):
            read_dataset(parts)

    def test_an_image_of_a_damaged_part_is_a_problem_not_a_crash(self, parts: Path) -> None:
        image = find_images(parts)[0]
        (parts / part_name(0)).write_bytes(b"PAR1 nothing PAR1")
        with pytest.raises(UnreadableImageError, match=r"part-00000\.parquet"):
            read_file(image)

    def test_a_missing_column(self, tmp_path: Path) -> None:
        pl.DataFrame({"imgId": ["1"], "image": [{"bytes": png(1)}]}).write_parquet(tmp_path / "a.parquet")
        with pytest.raises(InputError, match=r"no column for the prompt \(it has: imgId, image\)"):
            read_dataset(tmp_path)

    def test_parts_without_a_column_of_images(self, tmp_path: Path) -> None:
        pl.DataFrame({"imgId": ["1"], "prompt": ["a fox"]}).write_parquet(tmp_path / "a.parquet")
        for read in (read_dataset, find_images):
            with pytest.raises(InputError, match=r"no column 'image' \(it has: imgId, prompt\)"):
                read(tmp_path)

    def test_an_id_in_two_parts(self, parts: Path) -> None:
        write_part(parts / part_name(2), make_part(range(5, 8)))
        with pytest.raises(InputError, match=r"3 ids stand more than once .* first: id0005"):
            read_dataset(parts)

    def test_images_without_prompt_and_prompts_without_image(self, tmp_path: Path) -> None:
        (tmp_path / "images").mkdir()
        (tmp_path / "images" / "a.png").write_bytes(png(1))
        write_prompts(tmp_path / "prompts.csv", Prompts(("b",), ("b",)))
        with pytest.raises(InputError, match=r"1 of 1 image in .* has no prompt, first: a"):
            read_dataset(tmp_path)
        write_prompts(tmp_path / "prompts.csv", Prompts(("a", "b"), ("a", "b")))
        with pytest.raises(InputError, match=r"1 of 2 prompts in .* has no image, first: b"):
            read_dataset(tmp_path)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("picture,prompt\n1,a\n", "no column for the image .*'picture,prompt'"),
            ("image_name,words\n1,a\n", "no column for the prompt"),
            ("image_name,prompt\n1,\n", "1 row without"),
        ],
    )
    def test_a_train_csv_that_is_not_one(self, tmp_path: Path, text: str, message: str) -> None:
        (tmp_path / "train_images").mkdir()
        (tmp_path / "train.csv").write_text(text)
        with pytest.raises(InputError, match=message):
            read_dataset(tmp_path)

    def test_another_folder(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="is no data set: expected"):
            read_dataset(tmp_path)
        with pytest.raises(InputError, match="does not exist"):
            read_dataset(tmp_path / "nowhere")


class TestAsImages:
    def test_a_data_set_is_images(self, parts: Path) -> None:
        images = find_images(parts)
        assert [image.image_id for image in images] == [f"id{n:04d}" for n in range(150)]
        assert images[120].name == "part-00001.parquet, row 20"
        assert find_images(parts / part_name(1))[0].image_id == "id0100"

    def test_a_row_without_an_image(self, tmp_path: Path) -> None:
        rows = {"imgId": ["1", "2"], "image": [{"bytes": None}, {"bytes": b"GIF"}]}
        pl.DataFrame(rows, schema_overrides={"image": pl.Struct({"bytes": pl.Binary})}).write_parquet(
            tmp_path / "a.parquet"
        )
        first, second = find_images(tmp_path)
        with pytest.raises(UnreadableImageError, match="the row has no image"):
            read_file(first)
        with pytest.raises(UnreadableImageError, match="not an image"):
            read_file(second)

    @pytest.mark.slow
    def test_predict_takes_a_data_set(self, scenes: Path, tmp_path: Path) -> None:
        files = find_images(scenes / "images")[:4]
        ids = tuple(file.image_id for file in files)
        images = (*(file.path.read_bytes() for file in files[:3]), b"broken")
        vectors = unit_rows(np.ones((4, DIM)))
        write_part(tmp_path / "D" / part_name(0), Part(ids, ids, images, (0,) * 4, "pocket", "{}", vectors))
        result = predict(tmp_path / "D", tmp_path / "RUN", PredictConfig(workers=1))
        loose = predict(scenes / "images", tmp_path / "LOOSE", PredictConfig(workers=1))
        assert result.prompts.at(ids[:3]) == loose.prompts.at(ids[:3])
        assert [problem.file for problem in result.problems] == ["part-00000.parquet, row 3"]
