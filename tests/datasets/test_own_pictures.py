"""A person's pictures with prompts in their files become a data set that every stage can read."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from tests.marked_pictures import (
    PARAMETERS,
    SETTINGS,
    comfy_png,
    graph,
    picture,
    png_with,
    saved,
    with_comment,
)
from tests.thumbnails import Thumbnails
from unprompt.datasets.config import OwnPicturesConfig
from unprompt.datasets.dataset import read_dataset
from unprompt.datasets.own_pictures import OwnPicturesResult, write_own_dataset
from unprompt.errors import InputError, RunError
from unprompt.members.bank import build_bank, read_bank
from unprompt.metadata.files import read_file_prompts
from unprompt.networks.minilm import PromptEncoder
from unprompt.storage.images import find_loose_images, read_file

FOX = f"a (fox:1.3)\nin snow <lora:ink:0.8>\n{SETTINGS.replace('42', str(2**64 - 1))}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    (pictures / "b, one.jpg").write_bytes(with_comment("JPEG", PARAMETERS.encode()))
    (pictures / "a.png").write_bytes(png_with(parameters=FOX))
    (pictures / "c.png").write_bytes(saved("PNG"))
    (pictures / "d.png").write_bytes(comfy_png(graph("a red boat"))[:-200])  # cut
    (pictures / "e.png").write_bytes(comfy_png(graph("a blue boat")))
    return pictures


def write(folder: Path, out: Path, **settings: object) -> OwnPicturesResult:
    found = list(read_file_prompts(find_loose_images([folder]), 2))
    return write_own_dataset(found, out, OwnPicturesConfig(**settings))  # type: ignore[arg-type]


def test_pictures_as_they_are_and_prompts_as_written(folder: Path, tmp_path: Path) -> None:
    result = write(folder, tmp_path / "D", part=2)
    assert (result.images, result.without_prompt) == (3, 1)
    assert [one.file for one in result.problems] == ["d.png"]
    assert result.tools == {"AUTOMATIC1111": 2, "ComfyUI": 1}
    data = read_dataset(tmp_path / "D")
    assert data.prompts.ids == ("a", "b_ one", "e")
    assert data.prompts.texts == (
        "a (fox:1.3) in snow <lora:ink:0.8>",
        "a lighthouse at dusk, (warm light:1.2)",
        "a blue boat",
    )
    assert data.embeddings is not None
    np.testing.assert_allclose(
        data.embeddings.vectors, PromptEncoder.load("cpu").encode(data.prompts.texts), atol=1e-6
    )
    np.testing.assert_array_equal(np.asarray(read_file(data.images[0])), np.asarray(picture()))
    rows = pl.read_parquet(tmp_path / "D" / "*.parquet")
    assert rows["seed"].to_list() == [None, 42, 7]  # the first has one that no column of integers holds
    names = rows["image"].struct.field("path").to_list()
    assert names == ["a.png", "b_ one.jpg", "e.png"]
    encoded = rows["image"].struct.field("bytes").to_list()
    assert encoded[1] == (folder / "b, one.jpg").read_bytes()
    assert Image.open(io.BytesIO(encoded[2])).size == picture().size
    record = json.loads((tmp_path / "D" / "dataset.json").read_text())
    assert record["left_out"] == {"without_prompt": 1, "unreadable": 1}
    assert record["parts"] == [
        {"file": "part-00000.parquet", "images": 2},
        {"file": "part-00001.parquet", "images": 1},
    ]


def test_names_of_pictures_in_tables_and_archives_end_as_their_formats(folder: Path, tmp_path: Path) -> None:
    tables, archives = tmp_path / "D", tmp_path / "archives"
    write(folder, tables)
    archives.mkdir()
    with zipfile.ZipFile(archives / "pictures.zip", "w") as archive:
        for path in folder.iterdir():
            archive.write(path, path.name.upper())
    for source in (tables, archives):
        write(source, tmp_path / "again", overwrite=True)
        rows = pl.read_parquet(tmp_path / "again" / "*.parquet")
        names = rows["image"].struct.field("path").to_list()
        assert [Path(name).suffix for name in names] == [".png", ".jpg", ".png"]


def test_plain_prompts(folder: Path, tmp_path: Path) -> None:
    write(folder, tmp_path / "D", plain=True)
    assert read_dataset(tmp_path / "D").prompts.texts == (
        "a fox in snow",
        "a lighthouse at dusk, warm light",
        "a blue boat",
    )


def test_a_bank_is_made_of_it(folder: Path, tmp_path: Path) -> None:
    write(folder, tmp_path / "D", plain=True)
    bank = read_bank(build_bank([tmp_path / "D"], tmp_path / "BANK", Thumbnails()).folder)
    assert bank.prompts == ("a fox in snow", "a lighthouse at dusk, warm light", "a blue boat")


def test_killed_it_goes_on_to_the_same_bytes(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from unprompt.datasets import own_pictures

    write(folder, tmp_path / "WHOLE", part=1)

    def stop(path: Path, part: object) -> None:
        if path.name == "part-00001.parquet":
            raise KeyboardInterrupt
        real(path, part)  # type: ignore[arg-type]

    real = own_pictures.write_part
    monkeypatch.setattr(own_pictures, "write_part", stop)
    with pytest.raises(KeyboardInterrupt):
        write(folder, tmp_path / "D", part=1)
    monkeypatch.undo()
    first = (tmp_path / "D" / "part-00000.parquet").stat().st_mtime_ns
    assert write(folder, tmp_path / "D", part=1).resumed
    assert (tmp_path / "D" / "part-00000.parquet").stat().st_mtime_ns == first
    for path in sorted((tmp_path / "WHOLE").iterdir()):
        assert (tmp_path / "D" / path.name).read_bytes() == path.read_bytes()
    with pytest.raises(RunError, match="holds a finished data set of own pictures; add"):
        write(folder, tmp_path / "D", part=1)
    write(folder, tmp_path / "D", overwrite=True)


def test_pictures_without_any_prompt_are_an_error(folder: Path, tmp_path: Path) -> None:
    for name in ("a.png", "b, one.jpg", "e.png"):
        (folder / name).unlink()
    with pytest.raises(InputError, match=r"the only picture cannot be read: d\.png: damaged"):
        write(folder, tmp_path / "D")
    (folder / "d.png").unlink()
    with pytest.raises(InputError, match="the only image has no prompt in its file"):
        write(folder, tmp_path / "E")
