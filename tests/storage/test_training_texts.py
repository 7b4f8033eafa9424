"""Captions for training: where they go, what is never lost, and what a killed run leaves."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from unprompt.errors import ConfigError, InputError, RunError
from unprompt.records import Problem
from unprompt.storage.images import ImageFile
from unprompt.storage.remote import path_of
from unprompt.storage.text_config import TextConfig
from unprompt.storage.training_texts import (
    Picture,
    TextPlaces,
    TextWriter,
    find_pictures,
    open_texts,
    text_line,
    zip_texts,
)

PLAN = {"model": "a"}


def paint(folder: Path, *names: str) -> Path:
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (number, 0, 0)).save(folder / name)
    return folder


def places_of(folder: Path, overwrite: bool = False, **settings: object) -> TextPlaces:
    config = TextConfig(**settings)  # type: ignore[arg-type]
    return TextPlaces(find_pictures([folder], recursive=True), config, overwrite)


def caption_all(places: TextPlaces, overwrite: bool = False, plan: dict[str, str] = PLAN) -> TextWriter:
    """Give each picture that wants one the caption "a NAME"."""
    with open_texts(places, "caption", plan, overwrite) as writer:
        if writer.todo:
            writer.start()
        for file in writer.todo:
            writer.add([(file, f"a {file.image_id}")])
        writer.finish()
    return writer


def kill_after_two(places: TextPlaces) -> None:
    """Begin, give the first picture a caption, find the second broken, and stop."""
    with open_texts(places, "caption", PLAN, False) as writer:
        writer.start()
        first, second = writer.todo[:2]
        writer.add([(first, "first")], [Problem(second.image_id, second.path.name, "broken")])
        raise KeyboardInterrupt


def texts_in(folder: Path, ending: str = ".txt") -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(folder.rglob(f"*{ending}"))
    }


def rows_of(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a cat", "ohwx, a cat, film grain"),
        (" a cat\r\n on a  roof\u2028at night\n", "ohwx, a cat on a  roof at night, film grain"),
        ("", "ohwx, film grain"),
        (" \n", "ohwx, film grain"),
    ],
)
def test_a_text_is_one_line(text: str, line: str) -> None:
    assert text_line(text, "ohwx, ", ", film grain") == line
    assert text_line(text) == line.removeprefix("ohwx, ").removesuffix("film grain").removesuffix(", ")


def test_an_empty_caption_still_has_its_line(tmp_path: Path) -> None:
    # kohya's trainer takes the first line of a file and stops at a file that has none.
    places = places_of(paint(tmp_path, "a.png"), txt=True)
    places.write_files({"a": ""})
    assert (tmp_path / "a.txt").read_text(encoding="utf-8").splitlines() == [""]


def test_texts_lie_beside_their_own_pictures(tmp_path: Path) -> None:
    paint(tmp_path, "10_cat/001.png", "20_dog/001.png", "20_dog/v1.2.png")
    caption_all(places_of(tmp_path, txt=True, ending="caption", prefix="ohwx, "))
    assert texts_in(tmp_path, ".caption") == {
        "10_cat/001.caption": "ohwx, a 10_cat/001\n",
        "20_dog/001.caption": "ohwx, a 20_dog/001\n",
        "20_dog/v1.2.caption": "ohwx, a v1.2\n",
    }
    caption_all(places_of(tmp_path, txt_folder=str(tmp_path / "T")))
    assert list(texts_in(tmp_path / "T")) == ["10_cat/001.txt", "20_dog/001.txt", "20_dog/v1.2.txt"]
    assert not list(tmp_path.rglob(".*"))


def test_existing_texts_are_an_error_or_skipped_or_replaced(tmp_path: Path) -> None:
    paint(tmp_path, "1.png", "2.png", "3.png")
    (tmp_path / "1.txt").write_text("my own\nwords")
    with pytest.raises(RunError, match=r"1\.txt is there already; add --overwrite .*--skip-existing"):
        caption_all(places_of(tmp_path, txt=True))
    assert texts_in(tmp_path) == {"1.txt": "my own\nwords"}
    writer = caption_all(places_of(tmp_path, txt=True, skip_existing=True))
    assert writer.skipped == 1
    kept = {"1.txt": "my own\nwords", "2.txt": "a 2\n", "3.txt": "a 3\n"}
    assert texts_in(tmp_path) == kept
    # What is skipped is safe from --overwrite too, which predict needs for its RUN.
    caption_all(places_of(tmp_path, overwrite=True, txt=True, skip_existing=True, prefix="x "), True)
    assert texts_in(tmp_path) == kept
    caption_all(places_of(tmp_path, overwrite=True, txt=True), overwrite=True)
    assert texts_in(tmp_path)["1.txt"] == "a 1\n"


def test_tables_keep_what_they_say_of_other_things(tmp_path: Path) -> None:
    paint(tmp_path, "1.png", "sub/2.png", "3.png")
    metadata, caps = tmp_path / "metadata.jsonl", tmp_path / "meta_cap.json"
    metadata.write_text('{"file_name": "old.png", "text": "gone"}\n{"file_name": "3.png", "label": 7}\n')
    caps.write_text('{"1": {"tags": "dog"}, "3": {"caption": "by hand", "tags": "cat"}}')
    (tmp_path / "1.txt").write_text("written by hand")
    caption_all(places_of(tmp_path, txt=True, metadata_jsonl=True, meta_cap=str(caps), skip_existing=True))
    assert rows_of(metadata) == [
        {"file_name": "old.png", "text": "gone"},
        {"file_name": "3.png", "label": 7, "text": "by hand"},
        {"file_name": "1.png", "text": "written by hand"},
        {"file_name": "sub/2.png", "text": "a 2"},
    ]
    assert json.loads(caps.read_text()) == {
        "1": {"tags": "dog", "caption": "written by hand"},
        "3": {"caption": "by hand", "tags": "cat"},
        "2": {"caption": "a 2"},
    }
    assert texts_in(tmp_path) == {"1.txt": "written by hand", "3.txt": "by hand\n", "sub/2.txt": "a 2\n"}


@pytest.mark.parametrize("full_path", [False, True])
def test_rows_in_another_of_unicodes_forms_are_the_pictures_own(tmp_path: Path, full_path: bool) -> None:
    composed, decomposed = "\u00e4pfel", "a\u0308pfel"
    paint(tmp_path, f"{composed}.png", "b.png")
    metadata, caps = tmp_path / "metadata.jsonl", tmp_path / "meta_cap.json"
    key = str(tmp_path / f"{decomposed}.png") if full_path else decomposed
    metadata.write_text(json.dumps({"file_name": f"{decomposed}.png", "text": "by hand", "label": 7}) + "\n")
    caps.write_text(json.dumps({key: {"caption": "by hand", "tags": "fruit"}}))
    settings = {"metadata_jsonl": True, "meta_cap": str(caps), "full_path": full_path}
    with pytest.raises(RunError, match="is there already"):
        caption_all(places_of(tmp_path, **settings))
    writer = caption_all(places_of(tmp_path, **settings, skip_existing=True))
    assert writer.skipped == 1
    assert [row["text"] for row in rows_of(metadata)] == ["by hand", "a b"]

    caption_all(places_of(tmp_path, overwrite=True, **settings), overwrite=True)
    assert rows_of(metadata) == [
        {"file_name": f"{composed}.png", "text": f"a {composed}", "label": 7},
        {"file_name": "b.png", "text": "a b"},
    ]
    now = {Path(name).stem: entry for name, entry in json.loads(caps.read_text()).items()}
    assert now == {composed: {"caption": f"a {composed}", "tags": "fruit"}, "b": {"caption": "a b"}}


def test_meta_cap_by_whole_paths(tmp_path: Path) -> None:
    paint(tmp_path, "a/1.png", "b/1.png")
    caps = tmp_path / "meta_cap.json"
    with pytest.raises(InputError, match=r"would have the same caption, 1; add --full-path"):
        places_of(tmp_path, meta_cap=str(caps))
    caption_all(places_of(tmp_path, meta_cap=str(caps), full_path=True))
    assert json.loads(caps.read_text()) == {
        str(tmp_path / "a" / "1.png"): {"caption": "a a/1"},
        str(tmp_path / "b" / "1.png"): {"caption": "a b/1"},
    }


def test_two_pictures_with_one_text(tmp_path: Path) -> None:
    paint(tmp_path, "same.jpg", "same.png", "other.png")
    places = places_of(tmp_path, txt=True)
    assert [note.partition(";")[0] for note in places.notes] == [
        "same.jpg and same.png have one text, as trainers read one for both: that of same.jpg"
    ]
    writer = caption_all(places)
    assert (len(writer.todo), writer.skipped) == (2, 1)
    assert texts_in(tmp_path) == {"other.txt": "a other\n", "same.txt": "a same.jpg\n"}
    caption_all(places_of(tmp_path, metadata_jsonl=True))
    assert [row["text"] for row in rows_of(tmp_path / "metadata.jsonl")] == [
        "a other",
        "a same.jpg",
        "a same.png",
    ]


def test_a_clash_of_two_folders_is_refused(tmp_path: Path) -> None:
    paint(tmp_path, "a/1.png", "b/1.png")
    pictures = find_pictures([tmp_path / "a", tmp_path / "b", tmp_path / "a" / "1.png"])
    assert len(pictures) == 2
    TextPlaces(pictures, TextConfig(txt=True))
    with pytest.raises(InputError, match="would have the same caption"):
        TextPlaces(pictures, TextConfig(txt_folder=str(tmp_path / "T")))


@pytest.mark.filterwarnings("ignore:.* ids say the folder too")
def test_ids_of_files_that_are_named_one_by_one(tmp_path: Path) -> None:
    paint(tmp_path, "a/1.png", "a/same.png", "b/same.png", "b/same.jpg", "deep/b/same.png")
    named = [tmp_path / name for name in ("a/1.png", "a/same.png", "b/same.png", "b/same.jpg")]
    ids = [one.file.image_id for one in find_pictures(named)]
    assert ids == ["1", "a/same", "b/same.png", "b/same.jpg"]
    another = tmp_path / "deep" / "b" / "same.png"
    ids = [one.file.image_id for one in find_pictures([*named, another])]
    assert ids == ["1", "a/same", str(named[2]), "b/same.jpg", str(another)]


@pytest.mark.parametrize("skip", [False, True])
def test_what_was_killed_goes_on(skip: bool, tmp_path: Path) -> None:
    paint(tmp_path, "1.png", "2.png", "3.png", "4.png", "5.png")
    if skip:
        (tmp_path / "2.txt").write_text("by hand")

    def places() -> TextPlaces:
        return places_of(tmp_path, txt=True, metadata_jsonl=True, skip_existing=skip)

    with pytest.raises(KeyboardInterrupt):
        kill_after_two(places())
    (tmp_path / ".caption.work" / "texts.jsonl").open("ab").write(b'["half a li')
    (tmp_path / "1.txt").unlink()  # as if the kill had come before it was written
    assert not (tmp_path / "metadata.jsonl").exists()
    writer = caption_all(places())
    assert writer.resumed
    # A picture that could not be read is tried again where only the texts say what is done.
    assert [file.image_id for file in writer.todo] == ["3", "4", "5"]
    expected = {"1.png": "first", "3.png": "a 3", "4.png": "a 4", "5.png": "a 5"}
    if skip:
        expected["2.png"] = "by hand"
    assert {row["file_name"]: row["text"] for row in rows_of(tmp_path / "metadata.jsonl")} == expected
    assert texts_in(tmp_path)["1.txt"] == "first\n"
    assert not list(tmp_path.glob(".*"))


def test_what_was_begun_to_replace_goes_on_to_replace(tmp_path: Path) -> None:
    paint(tmp_path, "1.png", "2.png", "3.png")
    metadata, caps = tmp_path / "metadata.jsonl", tmp_path / "meta_cap.json"
    for number in "123":
        (tmp_path / f"{number}.txt").write_text("old")
    metadata.write_text("".join(f'{{"file_name": "{number}.png", "text": "old"}}\n' for number in "123"))
    caps.write_text('{"1": {"caption": "old"}, "3": {"caption": "old"}}')

    def places(overwrite: bool) -> TextPlaces:
        return places_of(tmp_path, overwrite, txt=True, metadata_jsonl=True, meta_cap=str(caps))

    with pytest.raises(KeyboardInterrupt):
        kill_after_two(places(overwrite=True))
    (tmp_path / "1.txt").write_text("old")  # as if the kill had come before it was written
    writer = caption_all(places(overwrite=False))
    assert writer.resumed
    assert [file.image_id for file in writer.todo] == ["3"]
    assert texts_in(tmp_path) == {"1.txt": "first\n", "2.txt": "old", "3.txt": "a 3\n"}
    assert [row["text"] for row in rows_of(metadata)] == ["first", "old", "a 3"]
    assert json.loads(caps.read_text()) == {"1": {"caption": "first"}, "3": {"caption": "a 3"}}
    with pytest.raises(RunError, match=r"1\.txt is there already"):  # what is finished says nothing any more
        caption_all(places(overwrite=False))


def test_what_was_begun_to_replace_never_touches_what_is_then_to_be_skipped(tmp_path: Path) -> None:
    paint(tmp_path, "1.png", "2.png", "3.png")
    (tmp_path / "3.txt").write_text("old")
    with pytest.raises(KeyboardInterrupt):
        kill_after_two(places_of(tmp_path, overwrite=True, txt=True))
    (tmp_path / "1.txt").write_text("by hand")
    caption_all(places_of(tmp_path, txt=True, skip_existing=True))
    assert texts_in(tmp_path) == {"1.txt": "by hand", "2.txt": "a 2\n", "3.txt": "old"}


def test_texts_that_others_have_written_since_a_kill_are_told(tmp_path: Path) -> None:
    paint(tmp_path, "1.png", "2.png", "same.jpg", "same.png")

    def places(overwrite: bool = False) -> TextPlaces:
        return places_of(tmp_path, overwrite, txt=True, metadata_jsonl=True)

    with open_texts(places(), "caption", PLAN, False) as writer:
        writer.start()
        writer.add([(file, f"a {file.image_id}") for file in writer.todo[:3]])
    # The text that same.png has too was made of same.jpg, by this work.
    assert places_of(tmp_path, txt=True).existing(places().pictures[3]) == tmp_path / "same.txt"
    (tmp_path / "metadata.jsonl").write_text('{"file_name": "same.png", "text": "by hand"}\n')
    with pytest.raises(RunError, match=r"metadata\.jsonl is there already; add --overwrite"):
        caption_all(places())
    (tmp_path / "metadata.jsonl").unlink()
    caption_all(places())
    assert [row["text"] for row in rows_of(tmp_path / "metadata.jsonl")] == [
        "a 1",
        "a 2",
        "a same.jpg",
        "a same.png",
    ]


def test_what_others_write_into_the_tables_meanwhile_stays(tmp_path: Path) -> None:
    paint(tmp_path, "1.png", "2.png")
    caps = tmp_path / "meta_cap.json"
    places = places_of(tmp_path, meta_cap=str(caps), metadata_jsonl=True)
    caps.write_text('{"1": {"tags": "cat"}, "other": {"caption": "theirs"}}')
    (tmp_path / "metadata.jsonl").write_text('{"file_name": "other.png", "text": "theirs"}\n')
    caption_all(places)
    assert json.loads(caps.read_text()) == {
        "1": {"tags": "cat", "caption": "a 1"},
        "other": {"caption": "theirs"},
        "2": {"caption": "a 2"},
    }
    assert [row["text"] for row in rows_of(tmp_path / "metadata.jsonl")] == ["theirs", "a 1", "a 2"]


@pytest.mark.parametrize("image_id", ["../../x", "a/../../x", "..", "/tmp/x", "C:/x", "C:x", "..\\x", "a\0b"])
def test_an_id_never_leads_out_of_the_folder_of_texts(image_id: str, tmp_path: Path) -> None:
    good, bad = (
        Picture(ImageFile(one, tmp_path / "part.parquet", row=row, column="image"), tmp_path)
        for row, one in enumerate(("sub/..x", image_id))
    )
    config = TextConfig(txt_folder=str(tmp_path / "deep" / "T"))
    with pytest.raises(InputError, match="1 id cannot name a file below a folder, first: "):
        TextPlaces([good, bad], config)
    TextPlaces([good], config).write_files({"sub/..x": "a"})
    assert texts_in(tmp_path) == {"deep/T/sub/..x.txt": "a\n"}


@pytest.mark.parametrize(
    ("closed", "settings", "advice"),
    [
        ("b", {"txt": True}, "with --txt-folder"),
        ("b", {"txt": True, "skip_existing": True}, ""),
        ("b", {"metadata_jsonl": True}, ""),
        ("", {"metadata_jsonl": True}, "leave out --metadata-jsonl"),
        ("b", {"txt_folder": "{}/b/T"}, "name another --txt-folder"),
        ("b", {"meta_cap": "{}/b/caps.json"}, "name another --meta-cap"),
    ],
)
def test_a_folder_that_cannot_be_written_is_told_before_the_work(
    closed: str, settings: dict[str, object], advice: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paint(tmp_path, "a/1.png", "b/2.png")
    (tmp_path / "b" / "2.txt").write_text("by hand")
    access = os.access
    monkeypatch.setattr(
        "unprompt.storage.places.os.access",
        lambda path, mode: access(path, mode) and not (mode & os.W_OK and path == tmp_path / closed),
    )
    given = {
        key: value.format(tmp_path) if isinstance(value, str) else value for key, value in settings.items()
    }
    if not advice:
        assert places_of(tmp_path, **given).pictures
        return
    with pytest.raises(RunError, match=f"{tmp_path / closed}.* cannot be written, .*{advice}"):
        places_of(tmp_path, **given)


def test_a_member_never_leads_out_of_the_folder_of_texts(tmp_path: Path) -> None:
    paint(tmp_path, "a.png")
    (tmp_path / "A").mkdir()
    with zipfile.ZipFile(tmp_path / "A" / "images.zip", "w") as archive:
        archive.write(tmp_path / "a.png", "../../a.png")
        archive.write(tmp_path / "a.png", "../a.png")
    config = TextConfig(txt_folder=str(tmp_path / "deep" / "T"))
    with pytest.raises(InputError, match=r"2 ids cannot name a file below a folder, first: '\.\./"):
        TextPlaces(find_pictures([tmp_path / "A"]), config)


def test_a_key_of_a_store_never_leads_out_of_the_folder_of_texts(tmp_path: Path) -> None:
    store, path = path_of("s3://bucket/pictures"), path_of("s3://bucket/pictures/../../a.png")
    with pytest.raises(
        InputError, match=r"1 id cannot name a file below a folder, first: '\.\./\.\./a\.png'"
    ):
        TextPlaces([Picture(ImageFile("a", path), store)], TextConfig(txt_folder=str(tmp_path)))


def test_a_save_costs_what_is_new_however_many_pictures_are_broken(tmp_path: Path) -> None:
    paint(tmp_path, *(f"{number}.png" for number in range(8)))
    progress = tmp_path / ".caption.work" / "progress.json"
    sizes = []
    with open_texts(places_of(tmp_path, txt=True), "caption", PLAN, False) as writer:
        writer.start()
        for file in writer.todo:
            writer.add([], [Problem(file.image_id, file.path.name, "broken")])
            sizes.append(progress.stat().st_size)
        assert writer.done == len(writer.problems) == 8
        assert max(sizes) < sizes[0] + 10  # longer numbers


def test_another_plan_does_not_go_on_unless_texts_are_skipped(tmp_path: Path) -> None:
    paint(tmp_path, "1.png", "2.png")
    with pytest.raises(KeyboardInterrupt):
        kill_after_two(places_of(tmp_path, txt=True))
    with pytest.raises(RunError, match="was begun with another checkpoint; run what was begun"):
        caption_all(places_of(tmp_path, txt=True), plan={"model": "b"})
    caption_all(places_of(tmp_path, txt=True, skip_existing=True), plan={"model": "b"})
    assert texts_in(tmp_path) == {"1.txt": "first\n", "2.txt": "a 2\n"}


def test_a_name_that_leaves_no_room_for_a_part(tmp_path: Path) -> None:
    name = "x" * 251
    paint(tmp_path, f"{name}.png")
    caption_all(places_of(tmp_path, txt=True))
    assert texts_in(tmp_path) == {f"{name}.txt": f"a {name}\n"}
    paint(tmp_path, "short.png")
    places = places_of(tmp_path, txt=True, ending=".caption")
    caption_all(places)
    assert [path.name for path in tmp_path.glob("*.caption")] == ["short.caption"]
    assert places.notes[0].startswith("1 of 2 texts is not written, as the file's name would be too long")


def test_a_name_that_is_not_utf8_has_a_text_and_no_row(tmp_path: Path) -> None:
    paint(tmp_path, "a.png", os.fsdecode(b"caf\xe9.png"))
    places = places_of(tmp_path, txt=True, metadata_jsonl=True)
    assert [picture.file.image_id for picture in places.pictures] == ["a", "caf\\xe9"]
    caption_all(places)
    assert sorted(os.fsencode(path.name) for path in tmp_path.iterdir()) == [
        *(b"a.png", b"a.txt", b"caf\xe9.png", b"caf\xe9.txt", b"metadata.jsonl")
    ]
    assert [row["file_name"] for row in map(json.loads, (tmp_path / "metadata.jsonl").open())] == ["a.png"]
    assert "1 of 2 pictures has no name in UTF-8, so no table has a row for it" in places.notes[0]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "line 1: is not JSON"),
        ('{"file_name": "a.png"}\n[]', "line 2: is no object with a 'file_name'"),
        ('{"file_name": "a.png"}\n{"file_name": "a.png"}', "line 2: a.png has a row already"),
    ],
)
def test_a_metadata_file_that_cannot_be_kept_is_refused(content: str, says: str, tmp_path: Path) -> None:
    paint(tmp_path, "a.png")
    (tmp_path / "metadata.jsonl").write_text(content)
    with pytest.raises(InputError, match=says):
        places_of(tmp_path, metadata_jsonl=True)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({}, "say where the captions go"),
        ({"txt": True, "ending": ".PNG"}, "must not be that of a picture"),
        ({"txt": True, "ending": "a/b"}, "ending must be like"),
        ({"txt": True, "ending": ""}, "ending must be like"),
        ({"txt": True, "full_path": True}, "--full-path is about pictures in --meta-cap"),
    ],
)
def test_settings_that_make_no_sense(settings: dict[str, object], says: str, tmp_path: Path) -> None:
    paint(tmp_path, "a.png")
    with pytest.raises(ConfigError, match=says):
        places_of(tmp_path, **settings)


def test_a_setting_without_captions_is_told() -> None:
    TextConfig().check_use()
    with pytest.raises(
        ConfigError, match=r"--skip-existing is about captions for training; say which: --txt"
    ):
        TextConfig(skip_existing=True).check_use()


def read_zip(content: bytes) -> dict[str, str]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name).decode() for name in archive.namelist()}


def test_a_zip_has_a_text_for_each_picture(tmp_path: Path) -> None:
    pictures: Sequence[tuple[str, str]] = [("same.png", "a"), ("same.jpg", "b\nc"), ("sub/ü.webp", "")]
    content = zip_texts(pictures)
    files = read_zip(content)
    assert content == zip_texts(pictures)
    assert list(files) == ["same.txt", "same-2.txt", "sub/ü.txt", "metadata.jsonl"]
    assert (files["same.txt"], files["same-2.txt"], files["sub/ü.txt"]) == ("a\n", "b c\n", "\n")
    assert [json.loads(line) for line in files["metadata.jsonl"].splitlines()] == [
        {"file_name": "same.png", "text": "a"},
        {"file_name": "same.jpg", "text": "b c"},
        {"file_name": "sub/ü.webp", "text": ""},
    ]


def test_a_zip_has_nothing_outside_its_folder() -> None:
    ids = ["../../x", "/tmp/x", "C:\\x", "..", "a/../x", "sub/..x"]
    files = read_zip(zip_texts([(one, "a") for one in ids], metadata=False))
    assert list(files) == ["x.txt", "tmp/x.txt", "x-2.txt", "_.txt", "a/x.txt", "sub/..x.txt"]


def test_hugging_face_opens_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    pictures = paint(tmp_path / "P", "1.png", "10_cat/001.png", "20_dog/001.png", "same.jpg", "same.png")
    caption_all(places_of(pictures, txt=True, metadata_jsonl=True, prefix="ohwx, "))
    opened = datasets.load_dataset(
        "imagefolder", data_dir=str(pictures), split="train", cache_dir=str(tmp_path / "cache")
    )
    assert {Path(row["image"].filename).relative_to(pictures).as_posix(): row["text"] for row in opened} == {
        "1.png": "ohwx, a 1",
        "10_cat/001.png": "ohwx, a 10_cat/001",
        "20_dog/001.png": "ohwx, a 20_dog/001",
        "same.jpg": "ohwx, a same.jpg",
        "same.png": "ohwx, a same.png",
    }
