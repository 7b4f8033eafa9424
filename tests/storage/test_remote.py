"""Addresses: the same images as of a folder, failures told in a line, and nothing told that is secret."""

from __future__ import annotations

import asyncio
import io
import json
import pickle
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import fsspec
import numpy as np
import pytest
from PIL import Image

from tests.stores import ADDRESS, FailingStore, failing_store, put, web_hdfs, web_pages
from unprompt.datasets.dataset import read_dataset
from unprompt.errors import ConfigError, InputError, StoreError, UnreadableImageError
from unprompt.storage.images import (
    ImageFile,
    find_images,
    image_states,
    open_encoded,
    read_encoded,
    read_file,
)
from unprompt.storage.matching import match_names, paths_by_id
from unprompt.storage.parts import read_image_bytes, write_text_part
from unprompt.storage.remote import RemotePath, path_of, without_secrets
from unprompt.storage.sources import Sources
from unprompt.storage.text_config import TextConfig
from unprompt.storage.training_texts import TextPlaces, find_pictures


def png(number: int, side: int = 8) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (side, side), (number * 5, 100, 200 - number)).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Images, one of them damaged, one empty, in nested folders, and what is no image or hidden."""
    folder = tmp_path / "pictures"
    for place, name in enumerate(
        ("a.png", "b c.PNG", "ü.jpg", "sub/a.png", "sub/deep/d.webp", "other/e#1.png")
    ):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(place))
    (folder / "broken.png").write_bytes(png(9)[:40])
    (folder / "empty.png").touch()
    (folder / ".hidden.png").write_bytes(png(1))
    (folder / "notes.txt").write_text("no image")
    return folder


@pytest.fixture
def store(folder: Path) -> Iterator[type[FailingStore]]:
    with failing_store(folder) as store:
        yield store


def what_is_read(source: Path | RemotePath, recursive: bool = False) -> list[tuple[object, ...]]:
    """Ids, names, states and what comes of each image of a source, in order."""
    found = []
    for file in find_images(source, recursive, same_stems=True):
        try:
            seen: object = (read_file(file).tobytes(), read_encoded(file))
            with open_encoded(file) as stream:
                assert stream.read() == read_encoded(file)
        except UnreadableImageError as error:
            seen = str(error)
        found.append((file.image_id, file.name, file.row, file.span, seen))
    return found


def addresses_of(folder: Path) -> Iterator[str]:
    """A folder's files at addresses of several kinds."""
    yield put(folder, "memory://here/pictures")
    yield f"file://{folder}"
    yield f"dir::file://{folder}"
    archive = folder.with_suffix(".zip")
    with zipfile.ZipFile(archive, "w") as packed:
        for path in sorted(folder.rglob("*")):
            packed.write(path, path.relative_to(folder.parent).as_posix())
    yield f"zip://pictures::file://{archive}"
    put(folder.parent, "memory://packed")
    yield "zip://pictures::memory://packed/pictures.zip"


class TestImages:
    @pytest.mark.parametrize("recursive", [False, True])
    def test_ids_order_pixels_and_problems_are_the_folders(self, folder: Path, recursive: bool) -> None:
        expected = what_is_read(folder, recursive)
        assert len(expected) == (8 if recursive else 5)
        for address in addresses_of(folder):
            assert what_is_read(path_of(address), recursive) == expected, address

    def test_a_server_that_is_asked_over_http(self, folder: Path) -> None:
        expected = what_is_read(folder, recursive=True)
        with web_hdfs(folder.parent) as server:
            address = f"webhdfs://127.0.0.1:{server.server_port}/pictures"
            assert what_is_read(path_of(address), recursive=True) == expected
            assert what_is_read(path_of(f"{address}/sub/a.png")) == what_is_read(folder / "sub" / "a.png")

    def test_an_index_of_a_web_server(self, folder: Path) -> None:
        pytest.importorskip("aiohttp", reason="aiohttp is not installed")
        (folder / "other" / "e#1.png").unlink()  # which the links of Python's own server do not name
        with web_pages(folder.parent) as server:
            address = f"http://127.0.0.1:{server.server_port}/pictures"
            for recursive in (False, True):
                expected = what_is_read(folder, recursive)
                assert what_is_read(path_of(address), recursive) == expected
                assert what_is_read(path_of(f"{address}/"), recursive) == expected
            assert what_is_read(path_of(f"{address}/sub/a.png")) == what_is_read(folder / "sub" / "a.png")
            with pytest.raises(InputError, match="does not exist"):
                find_images(path_of(f"{address}/none"))
            with pytest.raises(InputError, match="not an image"):
                find_images(path_of(f"{address}/notes.txt"))
            find_images(path_of(address))
        with pytest.raises(StoreError, match="cannot be read"):
            find_images(path_of(address))

    def test_an_index_of_which_copies_are_kept(self, folder: Path) -> None:
        pytest.importorskip("aiohttp", reason="aiohttp is not installed")
        (folder / "other" / "e#1.png").unlink()
        with web_pages(folder.parent) as server:
            address = f"simplecache::http://127.0.0.1:{server.server_port}/pictures"
            assert what_is_read(path_of(address), recursive=True) == what_is_read(folder, recursive=True)

    def test_a_file_without_bytes_on_a_web_server(self, tmp_path: Path) -> None:
        pytest.importorskip("aiohttp", reason="aiohttp is not installed")
        for name in ("0.tar", "0.zip", "0.parquet"):
            folder = tmp_path / name[2:]
            folder.mkdir()
            (folder / name).touch()
        with web_pages(tmp_path) as server:
            for kind in ("tar", "zip", "parquet"):
                address = f"http://127.0.0.1:{server.server_port}/{kind}/"
                with pytest.raises(InputError, match=rf"0\.{kind} cannot be read as"):
                    find_images(path_of(address))

    def test_one_image_a_part_and_archives(self, folder: Path, tmp_path: Path) -> None:
        contents = [(png(n), f"{n}.png") for n in range(150)]
        parts = tmp_path / "parts"
        for number in range(2):
            ids = [f"{number}-{row}" for row in range(150)]
            write_text_part(parts / f"part-0000{number}.parquet", ids, contents, ids)
        shards = tmp_path / "shards"
        shards.mkdir()
        with tarfile.open(shards / "0.tar", "w") as tar:
            tar.add(folder, "x")
        with zipfile.ZipFile(shards / "1.zip", "w", zipfile.ZIP_DEFLATED) as packed:
            packed.write(folder / "a.png", "y/z.png")
        for place in (parts, parts / "part-00001.parquet", shards, shards / "0.tar", folder / "ü.jpg"):
            expected = what_is_read(place)
            assert expected
            remote = put(tmp_path, "memory://all") + f"/{place.relative_to(tmp_path).as_posix()}"
            assert what_is_read(path_of(remote)) == expected, remote

    def test_of_a_part_only_its_end_and_the_column_of_images_are_fetched(self, tmp_path: Path) -> None:
        """Rows of one group cost one reading, and the texts none."""
        noise = [(bytes(1000), f"{n}.png") for n in range(200)]
        texts = [np.random.default_rng(n).bytes(3000).hex() for n in range(200)]
        write_text_part(tmp_path / "parts" / "a.parquet", [str(n) for n in range(200)], noise, texts)
        with failing_store(tmp_path / "parts"):
            read: list[int] = []

            class Counting(io.BytesIO):
                def read(self, size: int | None = -1) -> bytes:
                    content = super().read(size)
                    read.append(len(content))
                    return content

            part = path_of(ADDRESS) / "a.parquet"
            whole = part.read_bytes()
            kept = FailingStore._open
            FailingStore._open = lambda self, *_, **__: Counting(whole)  # type: ignore[method-assign]
            try:
                files = find_images(part)
                listed = sum(read)
                assert {read_image_bytes(part, row) for row in range(64)} == {bytes(1000)}
                assert read_encoded(files[5]) == bytes(1000)
            finally:
                FailingStore._open = kept  # type: ignore[method-assign]
        assert sum(read) - listed < 3 * 64 * 1000
        assert sum(read) < len(whole) / 2

    def test_a_part_that_was_replaced_is_read_anew(self, tmp_path: Path) -> None:
        for ids in (["a", "b"], ["c"]):
            write_text_part(tmp_path / "0.parquet", ids, [(png(len(ids)), "x.png")] * len(ids), ids)
            files = find_images(path_of(put(tmp_path, "memory://replaced")))
            assert [file.image_id for file in files] == ids
            assert read_encoded(files[0]) == png(len(ids))

    def test_members_of_a_shard_are_fetched_by_their_place(self, folder: Path, tmp_path: Path) -> None:
        (tmp_path / "shards").mkdir()
        with tarfile.open(tmp_path / "shards" / "0.tar", "w") as tar:
            tar.add(folder, "x")
        with failing_store(tmp_path / "shards") as store:
            file = next(one for one in find_images(path_of(ADDRESS)) if one.image_id == "ü")
            store.asked.clear()
            assert file.span is not None
            read_file(file)
            assert store.asked == [("0.tar", file.span[0], sum(file.span))]

    def test_what_an_address_does_not_have(self, store: type[FailingStore]) -> None:
        for place, told in (("none", "does not exist"), ("notes.txt", "not an image")):
            with pytest.raises(InputError, match=told):
                find_images(path_of(f"{ADDRESS}/{place}"))
        with pytest.raises(InputError, match="holds no images"):
            find_images(path_of("memory://empty" if put(Path(__file__).parent, "memory://empty") else ""))

    def test_a_file_too_large_to_be_fetched_is_a_problem(
        self, store: type[FailingStore], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("unprompt.storage.images.MOST_FETCHED", 10)
        file = find_images(path_of(ADDRESS))[0]
        with pytest.raises(UnreadableImageError, match="the limit is 10"):
            read_file(file)
        assert not store.asked

    def test_names_that_would_lead_elsewhere_are_passed_over(self, tmp_path: Path) -> None:
        fsspec.filesystem("memory").pipe({"/up/../x.png": png(1), "/up/a.png": png(2)})
        assert [file.image_id for file in find_images(path_of("memory://up"), recursive=True)] == ["a"]


class TestFailures:
    @pytest.mark.parametrize(
        "error",
        [
            PermissionError("denied"),
            TimeoutError("timed out"),
            ConnectionResetError("reset"),
            FileNotFoundError("gone"),
            asyncio.TimeoutError(),
            RuntimeError("503: slow down"),
            EOFError("cut"),
        ],
    )
    def test_a_store_that_fails_is_no_damaged_image(
        self, store: type[FailingStore], error: Exception
    ) -> None:
        """Of one image that is asked for after all were listed, too."""
        files = find_images(path_of(ADDRESS))
        store.errors["a.png"] = error
        readers: tuple[Callable[[ImageFile], Any], ...] = (read_file, read_encoded, _opened)
        for read in readers:
            with pytest.raises(StoreError, match=rf"^{ADDRESS}/a.png: .*; what is done stays done") as told:
                read(files[0])
            assert "\n" not in str(told.value)
            assert told.value.__cause__ is None
        store.errors.clear()
        assert read_file(files[0]).size == (8, 8)

    def test_a_transfer_that_ends_early_is_no_damaged_image(self, store: type[FailingStore]) -> None:
        files = find_images(path_of(ADDRESS))
        store.short["a.png"] = 50
        with pytest.raises(StoreError, match=rf"a.png: .*50 of {len(png(0))} bytes came"):
            read_file(files[0])

    def test_a_web_server_without_range_requests_is_no_damaged_image(
        self, folder: Path, tmp_path: Path
    ) -> None:
        """It answers with the whole file where a part is asked for."""
        pytest.importorskip("aiohttp", reason="aiohttp is not installed")
        with tarfile.open(tmp_path / "0.tar", "w") as tar:
            tar.add(folder / "a.png", "a.png")
        with zipfile.ZipFile(tmp_path / "1.zip", "w") as packed:
            packed.write(folder / "a.png", "a.png")
        write_text_part(tmp_path / "2.parquet", ["a"], [(png(0), "a.png")], ["a text"])
        with web_pages(tmp_path) as server:
            for name in ("0.tar", "1.zip", "2.parquet"):
                with pytest.raises(StoreError, match=rf"{name}: its server gives whole files .*; copy the"):
                    what_is_read(path_of(f"http://127.0.0.1:{server.server_port}/{name}"))

    def test_a_connection_that_is_cut_and_a_file_that_is_denied(self, folder: Path) -> None:
        with web_hdfs(folder.parent) as server:
            address = f"webhdfs://127.0.0.1:{server.server_port}/pictures"
            file = find_images(path_of(address))[0]
            server.cut = "a.png"
            with pytest.raises(StoreError, match=r"pictures/a.png: the store cannot be read"):
                read_file(file)
            server.cut, server.denied = None, "a.png"
            with pytest.raises(StoreError, match=r"pictures/a.png: no permission to read it"):
                read_file(file)
        with pytest.raises(StoreError, match="the store cannot be read"):
            read_file(file)
        with pytest.raises(StoreError, match="the store cannot be read"):
            find_images(path_of(address))

    @pytest.mark.parametrize("where", ["ls", "info"])
    def test_a_folder_that_cannot_be_listed_ends_it(self, store: type[FailingStore], where: str) -> None:
        """A nested one too: to leave it out would be to leave images out."""
        store.errors[where] = PermissionError("no")
        with pytest.raises(StoreError, match="no permission"):
            find_images(path_of(ADDRESS), recursive=True)

    def test_a_shard_and_a_part_that_fail(self, folder: Path, tmp_path: Path) -> None:
        (tmp_path / "data" / "shards").mkdir(parents=True)
        with tarfile.open(tmp_path / "data" / "shards" / "0.tar", "w") as tar:
            tar.add(folder, "x")
        write_text_part(tmp_path / "data" / "parts" / "0.parquet", ["a"], [(png(1), "a.png")], ["t"])
        with failing_store(tmp_path / "data") as store:
            for place, name in (("shards", "0.tar"), ("parts", "0.parquet")):
                files = find_images(path_of(f"{ADDRESS}/{place}"))
                store.errors[name] = TimeoutError()
                with pytest.raises(StoreError, match=f"{name}: the store cannot be read"):
                    read_file(files[0])
                with pytest.raises(StoreError, match=f"{name}: the store cannot be read"):
                    find_images(path_of(f"{ADDRESS}/{place}"))
                store.errors.clear()

    def test_what_is_missing_is_told_with_its_command(self, monkeypatch: pytest.MonkeyPatch) -> None:
        cases = {"nothing://x": "Protocol not known: nothing"}
        if not _there("s3fs"):
            cases["s3://bucket/x"] = "s3://bucket/x needs a package .* pip install s3fs"
        if not _there("aiohttp"):
            cases["https://example.org/x"] = "pip install aiohttp"
        for address, told in cases.items():
            with pytest.raises(InputError, match=told):
                find_images(path_of(address))
        monkeypatch.setitem(sys.modules, "fsspec", None)
        with pytest.raises(InputError, match=r"s3://b needs fsspec; run: pip install 'unprompt\[remote\]'"):
            find_images(path_of("s3://b"))


def _opened(file: ImageFile) -> bytes:
    with open_encoded(file) as stream:
        return stream.read()


def _there(package: str) -> bool:
    from importlib.util import find_spec

    return find_spec(package) is not None


class TestSecrets:
    @pytest.mark.parametrize(
        ("address", "told"),
        [
            ("s3://AKIA:abc/d+e/f@bucket/images", "s3://…@bucket/images"),
            ("ftp://me:hunter2@host:21/a@b/c", "ftp://…@host:21/a@b/c"),
            ("sftp://me:p@ss@host/c", "sftp://…@host/c"),
            ("https://host:8080/a@b/c.png?X-Amz-Signature=dead", "https://host:8080/a@b/c.png?…"),
            ("zip://in::https://me:pw@host/z.zip?sig=1::x", "zip://in::https://…@host/z.zip?…::x"),
            ("hf://datasets/o/n@main/images", "hf://datasets/o/n@main/images"),
            ("s3://bucket/what?.png", "s3://bucket/what?.png"),
        ],
    )
    def test_an_address_is_shown_without_them(self, address: str, told: str) -> None:
        assert without_secrets(address) == told
        remote = path_of(address)
        shown = f"{remote} {remote!r} {remote.name}"
        assert not any(secret in shown for secret in ("abc", "hunter2", "dead", "pw", "sig", "AKIA"))

    def test_two_queries_are_two_files(self) -> None:
        one, two = path_of("https://h/view?id=1"), path_of("https://h/view?id=2")
        assert (one.name, str(one) == str(two)) == ("view", False)

    def test_a_store_that_takes_none_is_not_asked(self) -> None:
        with pytest.raises(InputError, match="takes no user and password in the address") as told:
            find_images(path_of("memory://key:hunter2@bucket/images"))
        assert "hunter2" not in str(told.value)

    def test_what_a_store_says_of_them_is_not_told(
        self, store: type[FailingStore], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(fsspec.config.conf, "failing", {"client": {"headers": ["Bearer t0psecret"]}})
        FailingStore.clear_instance_cache()
        files = find_images(path_of(ADDRESS))
        store.errors["a.png"] = RuntimeError(
            "refused with Bearer t0psecret\nat https://me:hunter2@host/a.png?X-Amz-Signature=dead in bucket"
        )
        with pytest.raises(StoreError) as told:
            read_file(files[0])
        assert "refused with … at https://…@host/a.png?… in bucket" in str(told.value)
        FailingStore.clear_instance_cache()


class TestPaths:
    def test_a_text_is_an_address_by_its_protocol(self) -> None:
        for text in ("images", "./a:b", "C:\\images", "/a/b::c", "a/b://c"):
            assert path_of(text) == Path(text)
        for text in ("s3://b", "zip::memory://a.zip", "hf://datasets/o/n"):
            assert isinstance(path_of(text), RemotePath)
            assert str(path_of(text)) == text

    def test_names(self) -> None:
        path = path_of("memory://b/x") / "sub/a.tar.gz"
        assert (path.name, path.stem, path.suffix) == ("a.tar.gz", "a.tar", ".gz")
        assert [str(one) for one in path.parents] == [
            "memory://b/x/sub",
            "memory://b/x",
            "memory://b",
            "memory://",
        ]
        assert path.relative_to(path_of("memory://b/x")) == PurePosixPath("sub/a.tar.gz")
        with pytest.raises(ValueError, match="not below"):
            path.relative_to(path_of("memory://b/y"))
        assert str(path.with_suffix(".txt")) == "memory://b/x/sub/a.tar.txt"
        archive = io.BytesIO()
        zipfile.ZipFile(archive, "w").close()
        fsspec.filesystem("memory").pipe("/z.zip", archive.getvalue())
        assert str(path_of("zip://d::memory://z.zip") / "a.png") == "zip://d/a.png::memory://z.zip"

    def test_another_process_and_another_thread_open_it_themselves(self, folder: Path) -> None:
        file = find_images(path_of(f"zip::file://{_zipped(folder)}"), recursive=True)[0]
        again = pickle.loads(pickle.dumps(file))
        assert again == file
        assert again.path.state(again=True).st_size == file.path.state().st_size
        assert read_file(again).tobytes() == read_file(file).tobytes()

    def test_tables_name_their_images(self, store: type[FailingStore]) -> None:
        files = find_images(path_of(ADDRESS), recursive=True, same_stems=True)
        names = ["b c", "ü.jpg", "sub/a.png", "bucket/a.png", "deep/d.webp"]
        assert match_names(names, paths_by_id(files)) == ["b c", "ü", "sub/a", "a", "d"]
        below = paths_by_id(files, path_of(ADDRESS))
        assert below["sub/a"] == "sub/a.png"

    def test_texts_have_no_place_beside(self, store: type[FailingStore], tmp_path: Path) -> None:
        pictures = find_pictures([path_of(ADDRESS)], recursive=True)
        for config in (TextConfig(txt=True), TextConfig(metadata_jsonl=True), TextConfig(meta_cap="x.json")):
            with pytest.raises(ConfigError, match=r"no place beside .*; name a folder with --txt-folder"):
                TextPlaces(pictures, config)
        places = TextPlaces(pictures, TextConfig(txt_folder=str(tmp_path / "texts")))
        places.write_all({"d": "a fox"})
        assert (tmp_path / "texts" / "sub" / "deep" / "d.txt").read_text() == "a fox\n"


def _zipped(folder: Path) -> Path:
    archive = folder.with_suffix(".zip")
    with zipfile.ZipFile(archive, "w") as packed:
        packed.write(folder / "a.png", "a.png")
    return archive


class TestChanges:
    """Work that goes on must notice other images."""

    def begun(self, work: Path) -> Sources:
        work.mkdir(exist_ok=True)
        files = find_images(path_of(ADDRESS))
        sources = Sources(files)
        sources.begin(work)
        sources.note(files[:2])
        return sources

    def changes(self, work: Path) -> str:
        return Sources(find_images(path_of(ADDRESS))).go_on(work)

    @pytest.mark.parametrize("marks", [True, False])
    def test_other_bytes_of_the_same_number_are_noticed(
        self, store: type[FailingStore], tmp_path: Path, marks: bool
    ) -> None:
        """By the store's mark, without any reading; else, of what was looked at, by the hash."""
        store.marks = marks
        self.begun(tmp_path / "work")
        assert len(store.asked) == (0 if marks else 2)
        assert self.changes(tmp_path / "work") == ""
        content = bytearray(png(0))
        content[-1] ^= 1
        fsspec.filesystem("failing").pipe("/bucket/a.png", bytes(content))
        assert self.changes(tmp_path / "work") == f"other images: {ADDRESS}/a.png has changed since"

    def test_a_new_one_and_one_that_is_gone(self, store: type[FailingStore], tmp_path: Path) -> None:
        self.begun(tmp_path / "work")
        states = image_states(find_images(path_of(ADDRESS)))
        json.dumps(states)
        fsspec.filesystem("failing").rm("/bucket/a.png")
        assert self.changes(tmp_path / "work") == "other images"


class TestDatasets:
    """What `bank` is given."""

    @pytest.mark.parametrize(
        "kind", ["folder", "train", "imagefolder", "texts", "parts", "shards", "diffusiondb"]
    )
    def test_the_forms_of_a_data_set(self, tmp_path: Path, kind: str) -> None:
        folder = tmp_path / "DATA"
        write_dataset(folder, kind)
        here, there = read_dataset(folder), read_dataset(path_of(put(folder, f"memory://data/{kind}")))
        assert here.prompts == there.prompts
        assert len(here) == 3
        for one, other in zip(here.images, there.images, strict=True):
            assert (one.image_id, one.name, read_encoded(one)) == (
                other.image_id,
                other.name,
                read_encoded(other),
            )

    def test_one_that_is_not_there(self) -> None:
        with pytest.raises(InputError, match="memory://no/data is not there"):
            read_dataset(path_of("memory://no/data"))


def write_dataset(folder: Path, kind: str) -> None:
    """Three images with prompts in one of the forms."""
    prompts = {f"i{n}": f"a {n}, of gold" for n in range(3)}
    inside = {
        "folder": "images",
        "train": "train_images",
        "imagefolder": "train",
        "diffusiondb": "part-000001",
    }
    images = folder / inside.get(kind, ".")
    images.mkdir(parents=True)
    for number, name in enumerate(prompts):
        (images / f"{name}.png").write_bytes(png(number))
    rows = "".join(f'{name},"{text}"\n' for name, text in prompts.items())
    files = "".join(f'{name}.png,"{text}"\n' for name, text in prompts.items())
    if kind == "folder":
        (folder / "prompts.csv").write_text(f"imgId,prompt\n{rows}")
    elif kind == "train":
        (folder / "train.csv").write_text(f"image_name,prompt\n{files}")
    elif kind == "imagefolder":
        (images / "metadata.csv").write_text(f"file_name,prompt\n{files}")
    elif kind == "diffusiondb":
        record = {f"{name}.png": {"p": text} for name, text in prompts.items()}
        (images / "part-000001.json").write_text(json.dumps(record))
    elif kind == "parts":
        contents = [(png(n), f"{name}.png") for n, name in enumerate(prompts)]
        write_text_part(folder / "a.parquet", list(prompts), contents, list(prompts.values()))
    if kind in ("texts", "shards"):
        for name, text in prompts.items():
            (images / f"{name}.txt").write_text(text)
    if kind == "shards":
        with tarfile.open(folder / "0.tar", "w") as tar:
            for path in sorted(folder.glob("i*")):
                tar.add(path, path.name)
    if kind in ("parts", "shards"):
        for path in folder.glob("i*"):
            path.unlink()
