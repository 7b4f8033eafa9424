"""Images at the training size: the same bytes however they are kept, and whatever happened on the way."""

from __future__ import annotations

import io
import os
import pickle
import shutil
import signal
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from tests.processes import killed_itself
from unprompt.datasets import pixels as module
from unprompt.datasets.dataset import Dataset, read_dataset
from unprompt.datasets.pixels import DecodedPixels, EncodedPixels, images_fingerprint, open_pixels
from unprompt.errors import HeldError, InputError, RunError
from unprompt.networks.preprocess import Preprocess
from unprompt.records import DIM, Prompts, unit_rows
from unprompt.storage.files import write_prompts
from unprompt.storage.images import read_file
from unprompt.storage.parts import Part, part_name, write_part
from unprompt.storage.resumable import fingerprint

COUNT = 150
FIT = Preprocess(12, crop=0.9)


def picture(number: int) -> Image.Image:
    rng = np.random.default_rng(number)
    return Image.fromarray(rng.integers(0, 256, size=(24 + number % 5, 30, 3), dtype=np.uint8))


def ids_of(count: int) -> tuple[str, ...]:
    return tuple(f"id{number:04d}" for number in range(count))


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set in the folder form."""
    folder = tmp_path_factory.mktemp("made") / "SET"
    (folder / "images").mkdir(parents=True)
    for number, image_id in enumerate(ids_of(COUNT)):
        picture(number).save(folder / "images" / f"{image_id}.png")
    write_prompts(folder / "prompts.csv", Prompts(ids_of(COUNT), ids_of(COUNT)))
    return folder


@pytest.fixture
def folder(made_once: Path, tmp_path: Path) -> Path:
    """A copy of it to spoil; times are copied too."""
    return Path(shutil.copytree(made_once, tmp_path / "SET"))


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same images in two parts of several row groups, whose rows are not in the order of ids."""
    folder = tmp_path_factory.mktemp("parts")
    shuffled = np.random.default_rng(0).permutation(COUNT)
    for number, rows in enumerate((shuffled[:90], shuffled[90:])):
        encoded = []
        for row in rows:
            stream = io.BytesIO()
            picture(int(row)).save(stream, "PNG")
            encoded.append(stream.getvalue())
        ids = tuple(ids_of(COUNT)[row] for row in rows)
        vectors = unit_rows(np.random.default_rng(1).normal(size=(len(rows), DIM)))
        part = Part(ids, ids, tuple(encoded), tuple(range(len(rows))), "pocket", "{}", vectors)
        write_part(folder / part_name(number), part)
    return folder


def expected(dataset: Dataset) -> np.ndarray:
    return np.stack([FIT.fit(read_file(file)) for file in dataset.images])


def test_every_form_gives_the_same_pixels(made_once: Path, parts: Path, tmp_path: Path) -> None:
    truth = np.stack([FIT.fit(picture(number)) for number in range(COUNT)])
    for source in (made_once, parts):
        dataset = read_dataset(source)
        for where, decoded in (("yes", True), ("no", False), ("auto", True)):
            pixels = open_pixels(dataset, FIT, where, tmp_path / source.name)
            assert pixels.decoded is decoded
            assert len(pixels) == COUNT
            rows = np.array([3, 149, 3, 0])
            taken = pixels.take(rows)
            assert type(taken) is np.ndarray
            assert taken.dtype == np.uint8
            assert taken.flags.writeable
            np.testing.assert_array_equal(taken, truth[rows])
            np.testing.assert_array_equal(pixels[77], truth[77])
        np.testing.assert_array_equal(
            open_pixels(dataset, FIT, "yes", tmp_path / source.name).take(range(COUNT)), truth
        )
        assert len(list((tmp_path / source.name).iterdir())) == 1  # the array, and nothing of the work


def test_arrays_are_named_as_ever(made_once: Path) -> None:
    """So that arrays which earlier versions made are found again."""
    dataset = read_dataset(made_once)
    images = [
        [file.image_id, file.path.name, None, file.path.stat().st_size, file.path.stat().st_mtime_ns]
        for file in dataset.images
    ]
    plan = {"images": images, "size": 12, "crop": 0.9, "format": 1}
    assert images_fingerprint(dataset, FIT) == fingerprint(plan)


def test_pixels_travel_to_other_processes_without_their_bytes(made_once: Path, tmp_path: Path) -> None:
    dataset = read_dataset(made_once)
    for where, most in (("yes", 500), ("no", 50_000)):
        pixels = open_pixels(dataset, FIT, where, tmp_path)
        sent = pickle.dumps(pixels)
        assert len(sent) < most
        np.testing.assert_array_equal(pickle.loads(sent).take([5, 1]), pixels.take([5, 1]))


def test_a_finished_array_is_used_again(folder: Path, tmp_path: Path) -> None:
    first = open_pixels(read_dataset(folder), FIT, "yes", tmp_path / "cache").take(range(COUNT))
    for path in (folder / "images").iterdir():  # as if decoding were impossible: same sizes, same times
        state = path.stat()
        path.write_bytes(bytes(state.st_size))
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    told: list[tuple[str, int, int]] = []
    for where in ("yes", "auto"):
        again = open_pixels(
            read_dataset(folder), FIT, where, tmp_path / "cache", lambda *what: told.append(what)
        )
        np.testing.assert_array_equal(again.take(range(COUNT)), first)
    assert not told
    normalised = Preprocess(FIT.size, FIT.crop, mean=(0.1, 0.2, 0.3))  # another network, the same pixels
    assert len(open_pixels(read_dataset(folder), normalised, "yes", tmp_path / "cache")) == COUNT


@pytest.mark.parametrize("what", ["an image", "one more image", "the size", "the crop"])
def test_what_changes_makes_a_new_array(folder: Path, tmp_path: Path, what: str) -> None:
    open_pixels(read_dataset(folder), FIT, "yes", tmp_path / "cache")
    fit = FIT
    if what == "an image":
        path = folder / "images" / "id0007.png"
        state = path.stat()
        picture(8).save(path)
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns + 1))
    elif what == "one more image":
        picture(500).save(folder / "images" / "id9999.png")
        ids = (*ids_of(COUNT), "id9999")
        write_prompts(folder / "prompts.csv", Prompts(ids, ids))
    else:
        fit = Preprocess(16, FIT.crop) if what == "the size" else Preprocess(FIT.size, 1.0)
    dataset = read_dataset(folder)
    pixels = open_pixels(dataset, fit, "yes", tmp_path / "cache")
    assert len(list((tmp_path / "cache").iterdir())) == 2
    truth = np.stack([fit.fit(read_file(file)) for file in dataset.images])
    np.testing.assert_array_equal(pixels.take(range(len(pixels))), truth)


def decode_and_die(parts: Path, cache: Path, at: int) -> None:
    def told(step: str, done: int, total: int) -> None:
        if done == at:
            os.kill(os.getpid(), signal.SIGKILL)

    module.SAVE = 20
    open_pixels(read_dataset(parts), FIT, "yes", cache, told)


def test_killed_again_and_again_it_goes_on_and_ends_with_the_same_bytes(parts: Path, tmp_path: Path) -> None:
    for at in (7, 55, 130):  # before the first save, after one, and near the end
        assert killed_itself(decode_and_die, parts, tmp_path / "cache", at)
    told: list[tuple[str, int, int]] = []
    dataset = read_dataset(parts)
    pixels = open_pixels(dataset, FIT, "yes", tmp_path / "cache", lambda *what: told.append(what))
    assert told[0] == ("decoding", 120, COUNT)
    assert told[-1] == ("decoding", COUNT, COUNT)
    np.testing.assert_array_equal(pixels.take(range(COUNT)), expected(dataset))
    open_pixels(dataset, FIT, "yes", tmp_path / "at once")
    (killed,), (whole,) = ((tmp_path / name).glob("*.npy") for name in ("cache", "at once"))
    assert killed.name == whole.name
    assert killed.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize("at", [0, 19, 20, 100, COUNT])
def test_interrupted_it_goes_on(
    made_once: Path, tmp_path: Path, at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SAVE", 20)

    def interrupt(step: str, done: int, total: int) -> None:
        if done == at:
            raise KeyboardInterrupt

    dataset = read_dataset(made_once)
    with pytest.raises(KeyboardInterrupt):
        open_pixels(dataset, FIT, "yes", tmp_path, interrupt)
    assert not list(tmp_path.glob("*.npy"))
    told: list[int] = []
    pixels = open_pixels(dataset, FIT, "yes", tmp_path, lambda step, done, total: told.append(done))
    assert told == list(range(at if at == COUNT else at // 20 * 20, COUNT + 1))
    np.testing.assert_array_equal(pixels.take(range(COUNT)), expected(dataset))


def test_a_lost_array_or_a_damaged_record_begins_anew(
    made_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SAVE", 20)
    dataset = read_dataset(made_once)

    def interrupted_at(at: int, cache: Path) -> None:
        def interrupt(step: str, done: int, total: int) -> None:
            if done == at:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            open_pixels(dataset, FIT, "yes", cache, interrupt)

    for spoil in ("array.npy", "progress.json"):
        cache = tmp_path / spoil
        interrupted_at(50, cache)
        (spoilt,) = cache.glob(f"*/{spoil}")
        spoilt.write_text("{}") if spoil == "progress.json" else spoilt.unlink()
        interrupted_at(10, cache)  # before the new start has saved anything
        pixels = open_pixels(dataset, FIT, "yes", cache)
        np.testing.assert_array_equal(pixels.take(range(COUNT)), expected(dataset))


# --- what cannot be read


def test_all_unreadable_images_are_told_at_once(folder: Path, tmp_path: Path) -> None:
    (folder / "images" / "id0100.png").write_bytes(b"")
    (folder / "images" / "id0011.png").write_text("not an image")
    (folder / "images" / "id0120.png").write_bytes((folder / "images" / "id0120.png").read_bytes()[:200])
    words = rf"^3 of 150 images of {folder} cannot be read, first: id0011 \(not an image, .*\); remove them"
    with pytest.raises(InputError, match=words):
        open_pixels(read_dataset(folder), FIT, "yes", tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())


def test_unreadable_images_before_an_interruption_are_not_forgotten(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SAVE", 20)
    (folder / "images" / "id0011.png").write_bytes(b"")

    def interrupt(step: str, done: int, total: int) -> None:
        if done == 50:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        open_pixels(read_dataset(folder), FIT, "yes", tmp_path / "cache", interrupt)
    with pytest.raises(InputError, match=r"1 of 150 .* id0011 \(the file is empty\); remove it"):
        open_pixels(read_dataset(folder), FIT, "yes", tmp_path / "cache")


def test_an_image_decoded_when_asked_for(folder: Path, tmp_path: Path) -> None:
    (folder / "images" / "id0011.png").write_bytes(b"")
    pixels = open_pixels(read_dataset(folder), FIT, "no", tmp_path)
    assert isinstance(pixels, EncodedPixels)
    assert pixels[10].shape == (12, 12, 3)
    with pytest.raises(InputError, match=r"1 of 150 images of .* id0011 \(the file is empty\); remove it"):
        pixels.take([10, 11])


# --- the cache folder


def test_a_full_disk_is_told_and_what_is_done_stays(
    made_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SAVE", 20)
    dataset, fsync, calls = read_dataset(made_once), os.fsync, []

    def full(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == 5:  # twice for each save: the array's bytes, the record's
            raise OSError(28, "No space left on device")
        fsync(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(RunError, match=r"no space left .* writing .*12px-.*\.npy; free some"):
            open_pixels(dataset, FIT, "yes", tmp_path)
    told: list[int] = []
    pixels = open_pixels(dataset, FIT, "yes", tmp_path, lambda step, done, total: told.append(done))
    assert told[0] == 40
    np.testing.assert_array_equal(pixels.take(range(COUNT)), expected(dataset))


def test_auto_decodes_where_it_takes_half_the_free_space(
    made_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset, needed = read_dataset(made_once), COUNT * 12 * 12 * 3
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=2 * needed - 1))
    assert isinstance(open_pixels(dataset, FIT, "auto", tmp_path), EncodedPixels)
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=2 * needed))
    assert isinstance(open_pixels(dataset, FIT, "auto", tmp_path), DecodedPixels)


def test_a_cache_that_cannot_be_written(made_once: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    dataset = read_dataset(made_once)
    with pytest.raises(RunError, match=r"cannot be written: .* set XDG_CACHE_HOME .* \(decoded no\)"):
        open_pixels(dataset, FIT, "yes", tmp_path / "file" / "cache")
    assert not open_pixels(dataset, FIT, "auto", tmp_path / "file" / "cache").decoded


def test_a_second_process_does_not_write_into_the_first_ones_array(made_once: Path, tmp_path: Path) -> None:
    dataset = read_dataset(made_once)

    def meanwhile(step: str, done: int, total: int) -> None:
        if done == 30:
            with pytest.raises(HeldError, match=r"another unprompt is writing .*; wait for it or decode"):
                open_pixels(dataset, FIT, "yes", tmp_path)

    pixels = open_pixels(dataset, FIT, "yes", tmp_path, meanwhile)
    np.testing.assert_array_equal(pixels.take(range(COUNT)), expected(dataset))


def test_each_row_group_of_a_part_is_read_once(
    parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the number of reads of the file, with many threads."""
    from unprompt.storage import parts as reader

    monkeypatch.setattr(module, "core_count", lambda: 8)
    reader._read_block.cache_clear()
    open_pixels(read_dataset(parts), FIT, "yes", tmp_path)
    assert reader._read_block.cache_info().misses == 3  # 90 and 60 rows in groups of 64
