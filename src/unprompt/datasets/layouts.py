"""The layouts in which others keep images with their prompts, and a reader of each.

- imagefolder: metadata.csv, metadata.jsonl or metadata.parquet above or beside the images, with `file_name`,
  the path from the metadata's folder, as the Hugging Face `datasets` library reads it;
- diffusiondb: folders part-000001/, each with part-000001.json: by file name the prompt `p`, the seed …; or
  part-000001.zip with that file in it or beside it;
- shards: .tar or .zip files as webdatasets are, 0001.jpg with 0001.txt or 0001.json, as img2dataset has them;
- texts: images, each with a text of the same stem beside it: .txt, .caption, or .json with a prompt.

All look into nested folders. Images and prompts are matched by name, in any of Unicode's forms, and what is
left over is an error.
"""

from __future__ import annotations

import json
import os
import posixpath
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unprompt.errors import InputError
from unprompt.storage.archives import Member, ids_of_members, list_members, read_member
from unprompt.storage.damage import DAMAGED_JSON
from unprompt.storage.files import read_json, read_table, read_text
from unprompt.storage.images import ImageFile, image_endings
from unprompt.storage.matching import fit_keys, match_forms
from unprompt.storage.parts import column_types, read_text_column
from unprompt.storage.remote import AnyPath, RemotePath
from unprompt.text.english import agreed, counted, part_of

PROMPT_COLUMNS = ("prompt", "caption", "text")
FILE_NAME = "file_name"
METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
TEXTS = (".txt", ".caption")  # where an image has both, the first
JSON = ".json"
_DIFFUSIONDB_PROMPT = "p"
_DIFFUSIONDB_PART = "part-"

Found = tuple[list[ImageFile], list[str]]  # images and their prompts, in the same order


def folders_of(path: AnyPath, images: Sequence[ImageFile]) -> list[AnyPath]:
    """The folders from `path` down to the images."""
    folders = {image.path.parent for image in images}
    for folder in tuple(folders):
        while folder != path and path in folder.parents:
            folder = folder.parent
            folders.add(folder)
    return sorted(folders)


# --- imagefolder


def find_metadata(folders: Iterable[AnyPath]) -> list[AnyPath]:
    """The metadata files of an imagefolder."""
    return [file for folder in folders for name in METADATA if (file := folder / name).is_file()]


def read_imagefolder(path: AnyPath, images: Sequence[ImageFile], tables: Sequence[AnyPath]) -> Found:
    """Images and the prompts that metadata files give them.

    Raises InputError for a file without the columns, rows without a prompt, a file_name or an image, and
    images without a row.
    """
    prompt_by_file: dict[str, str] = {}
    for table in tables:
        for name, prompt in _metadata_rows(table):
            file = _file_named(name.replace("\\", "/"), table.parent)
            if file in prompt_by_file:
                raise InputError(f"{table}: {name} has two rows, or one in another metadata file too")
            prompt_by_file[file] = prompt
    return _join(path, images, prompt_by_file, f"row in {tables[0].name}")


def _metadata_rows(path: AnyPath) -> list[tuple[str, str]]:
    """Names of files and prompts."""
    if path.suffix == ".parquet":
        prompt = prompt_column(path, list(column_types(path)))
        names, texts = read_text_column(path, FILE_NAME), read_text_column(path, prompt)
        rows = [(name or "", text or "") for name, text in zip(names, texts, strict=True)]
    else:
        table = read_table(path, (FILE_NAME,))
        prompt = prompt_column(path, table.columns)
        rows = [(row[FILE_NAME], row[prompt]) for row in table.rows]
    for what, values in ((FILE_NAME, [name for name, _ in rows]), (prompt, [text for _, text in rows])):
        empty = sum(not value.strip() for value in values)
        if empty:
            raise InputError(
                f"{path}: {part_of(empty, len(rows), 'row')} {agreed(empty, 'have')} no {what}; write it, or "
                "remove the row"
            )
    return rows


def prompt_column(path: AnyPath, columns: Sequence[str]) -> str:
    """The first of PROMPT_COLUMNS that a file has. Raises InputError where it has none."""
    there = [name for name in PROMPT_COLUMNS if name in columns]
    if not there:
        raise InputError(
            f"{path} has no column for the prompt (it has: {', '.join(columns)}); "
            f"expected one of: {', '.join(PROMPT_COLUMNS)}"
        )
    return there[0]


# --- diffusiondb


def find_diffusiondb(folders: Iterable[AnyPath]) -> list[AnyPath]:
    """The files part-000001/part-000001.json of DiffusionDB."""
    files = (folder.resolve() / f"{folder.resolve().name}{JSON}" for folder in folders)
    return [file for file in files if file.name.startswith(_DIFFUSIONDB_PART) and file.is_file()]


def read_diffusiondb(path: AnyPath, images: Sequence[ImageFile], tables: Sequence[AnyPath]) -> Found:
    """Images and the prompts of DiffusionDB's parts.

    Raises InputError for a part's file that is not one, images without an entry and entries without an image.
    """
    prompt_by_file = {
        _file_named(name, table.parent): prompt
        for table in tables
        for name, prompt in _diffusiondb_record(table, read_json(table)).items()
    }
    return _join(path, images, prompt_by_file, f"entry in {tables[0].name}")


def _diffusiondb_record(path: AnyPath, record: Any) -> dict[str, str]:
    """Prompts by file name, of the record of a part. Raises InputError, with `path`, where it is none."""
    prompt_by_name = {}
    for name, entry in record.items() if isinstance(record, dict) else [("", record)]:
        prompt = entry.get(_DIFFUSIONDB_PROMPT) if isinstance(entry, dict) else None
        if not isinstance(prompt, str):
            raise InputError(
                f"{path}: '{name}' has no prompt '{_DIFFUSIONDB_PROMPT}'; expected DiffusionDB's "
                '{"1.png": {"p": "a prompt", "se": 1, …}}'
            )
        prompt_by_name[name] = prompt
    return prompt_by_name


def _join(path: AnyPath, images: Sequence[ImageFile], prompt_by_file: Mapping[str, str], what: str) -> Found:
    """Images and prompts by the images' files, once it is sure that each has the other."""
    file_by_id = {image.image_id: _file_named(image.path.name, image.path.parent) for image in images}
    prompt_by_file = fit_keys(prompt_by_file, file_by_id.values())
    is_here = isinstance(path, Path)
    if is_here and any(file not in prompt_by_file for file in file_by_id.values()):  # there may be links
        file_by_id = {image.image_id: os.path.realpath(image.local_path) for image in images}
        real = {os.path.realpath(file): prompt for file, prompt in prompt_by_file.items()}
        prompt_by_file = fit_keys(real, file_by_id.values())
    without = [image for image in images if file_by_id[image.image_id] not in prompt_by_file]
    if without:
        raise InputError(
            f"{part_of(len(without), len(images), 'image')} in {path} {agreed(len(without), 'have')} no "
            f"{what}, first: {_relative(without[0].path, path)}"
        )
    lost = sorted(prompt_by_file.keys() - set(file_by_id.values()))
    if lost:
        raise InputError(
            f"{part_of(len(lost), len(prompt_by_file), 'prompt')} in {path} {agreed(len(lost), 'have')} no "
            f"image, first: {_relative(lost[0], path)}"
        )
    return list(images), [prompt_by_file[file_by_id[image.image_id]] for image in images]


def _file_named(name: str, folder: AnyPath) -> str:
    """The path of a file that a table in a folder names."""
    if isinstance(folder, RemotePath):
        return str(folder / posixpath.normpath(name))
    return os.path.normpath(folder / name)


def _relative(file: str | AnyPath, folder: AnyPath) -> str:
    return os.path.relpath(str(file), str(folder))


# --- texts beside the images


Names = Mapping[tuple[str, str], str]  # of files by stem and ending, the ending in small letters


def _names_in(folder: AnyPath, stems: Iterable[str]) -> Names:
    """What lies in a folder and may be a text, by the images' `stems`; hidden files do not count."""
    texts = (file for file in folder.iterdir() if file.suffix.lower() in (*TEXTS, JSON))
    files = [file for file in texts if not file.name.startswith(".")]
    own = list(dict.fromkeys(file.stem for file in files))
    stem_by_own = dict(zip(own, match_forms(own, stems), strict=True))
    return {(stem_by_own[file.stem], file.suffix.lower()): file.name for file in files}


def have_texts(images: Sequence[ImageFile]) -> bool:
    """Whether any text stands beside an image, or in its folder."""
    names_by_folder = _names_by_folder(images)
    return any(ending in TEXTS for names in names_by_folder.values() for _, ending in names) or any(
        (image.path.stem, JSON) in names_by_folder[image.path.parent] for image in images
    )


def read_texts(path: AnyPath, images: Sequence[ImageFile]) -> Found:
    """Images and the texts beside them; white space around a text does not count.

    Raises InputError for an image without a text or with an empty one, a text without an image, and one that
    is not UTF-8.
    """
    names_by_folder = _names_by_folder(images)
    stems = {(image.path.parent, image.path.stem) for image in images}
    lonely = sorted(
        _relative(folder / name, path)
        for folder, names in names_by_folder.items()
        for (stem, ending), name in names.items()
        if ending in TEXTS and (folder, stem) not in stems
    )
    if lonely:
        raise InputError(
            f"{counted(len(lonely), 'text')} in {path} {agreed(len(lonely), 'have')} no image beside "
            f"{agreed(len(lonely), 'them')}, first: {lonely[0]}; move {agreed(len(lonely), 'them')} "
            "elsewhere or add the images"
        )
    texts = [_text_beside(image.path, names_by_folder[image.path.parent]) for image in images]
    without = [(image, text) for image, text in zip(images, texts, strict=True) if not text]
    if without:
        image, text = without[0]
        state = f"{image.path.stem}{TEXTS[0]} is {'not there' if text is None else 'empty'}"
        raise InputError(
            f"{part_of(len(without), len(images), 'image')} in {path} {agreed(len(without), 'have')} no text "
            f"beside {agreed(len(without), 'them')}, first: {_relative(image.path, path)} ({state}); write "
            "it or remove the image"
        )
    return list(images), [str(text) for text in texts]


def _names_by_folder(images: Sequence[ImageFile]) -> dict[AnyPath, Names]:
    stems_in: dict[AnyPath, list[str]] = defaultdict(list)
    for image in images:
        stems_in[image.path.parent].append(image.path.stem)
    return {folder: _names_in(folder, stems) for folder, stems in stems_in.items()}


def _text_beside(image: AnyPath, names: Names) -> str | None:
    """The text beside an image; None where there is none. `names`: of what lies in its folder."""
    for ending in TEXTS:
        if name := names.get((image.stem, ending)):
            return read_text(image.with_name(name)).strip()
    name = names.get((image.stem, JSON))
    return _prompt_in(read_json(image.with_name(name))) if name else None


def _prompt_in(record: Mapping[str, Any]) -> str | None:
    """The prompt in an image's record; None where it has none."""
    for name in PROMPT_COLUMNS:
        if isinstance(record.get(name), str):
            return str(record[name]).strip()
    return None


# --- shards


@dataclass
class _Sample:
    """What an archive has of one key."""

    image: Member | None = None
    row: int = 0  # the image's number in the archive
    text: Member | None = None
    record: Member | None = None


def read_shards(path: AnyPath, archives: Sequence[AnyPath]) -> Found:
    """The images in archives and their prompts; images are found by their places when they are decoded.

    Archives that hold no images are passed over. Raises InputError for one that is not whole, an image
    without a prompt, a prompt of DiffusionDB's without an image, and two files of one key.
    """
    places: list[tuple[AnyPath, _Sample, Member]] = []
    prompts: list[str] = []
    without = []
    for archive in archives:
        samples = _samples_in(archive)
        names = [_file_name(sample.image) for sample in samples.values() if sample.image]
        listed = fit_keys(_diffusiondb_prompts(archive, samples), names)
        for sample in samples.values():
            if sample.image is None:
                continue
            own = listed.pop(_file_name(sample.image), None)
            prompt = _prompt_of(archive, sample) or own
            if not prompt:
                without.append(f"{archive.name}, {sample.image.name}")
            places.append((archive, sample, sample.image))
            prompts.append(prompt or "")
        if listed:
            raise InputError(
                f"{counted(len(listed), 'prompt')} of {archive} {agreed(len(listed), 'have')} no image, "
                f"first: {min(listed)}"
            )
    if not places:
        raise InputError(f"{archives[0]} holds no images")
    if without:
        raise InputError(
            f"{part_of(len(without), len(places), 'image')} in {path} {agreed(len(without), 'have')} no "
            f"prompt in the archive, first: {without[0]}; expected a .txt or a .json of the same name"
        )
    ids = ids_of_members([(archive, image) for archive, _, image in places], path)
    images = [
        ImageFile(image_id, archive, row=sample.row, span=(image.offset, image.size))
        for image_id, (archive, sample, image) in zip(ids, places, strict=True)
    ]
    return images, prompts


def _file_name(member: Member) -> str:
    return member.name.rpartition("/")[2]


def _samples_in(archive: AnyPath) -> dict[str, _Sample]:
    """The samples in an archive by their key, the path without its ending."""
    samples: dict[str, _Sample] = {}
    endings = image_endings()
    row = 0
    for member in list_members(archive):
        sample = samples.setdefault(member.key, _Sample())
        if member.ending in endings:
            if sample.image is not None:
                raise InputError(
                    f"{archive}: {sample.image.name} and {member.name} are one image; leave one out"
                )
            sample.image, sample.row = member, row
            row += 1
        elif member.ending == TEXTS[0] or (member.ending in TEXTS and sample.text is None):
            sample.text = member
        elif member.ending == JSON:
            sample.record = member
    return samples


def _diffusiondb_prompts(archive: AnyPath, samples: Mapping[str, _Sample]) -> dict[str, str]:
    """The prompts of DiffusionDB's part-000001.zip by file name, from the JSON file in it or beside it.

    Of another archive none. Raises InputError for a file that is not one.
    """
    name = f"{archive.stem}{JSON}"
    if not name.startswith(_DIFFUSIONDB_PART):
        return {}
    inside = [
        sample.record for sample in samples.values() if sample.record and _file_name(sample.record) == name
    ]
    if inside:
        return _diffusiondb_record(archive / name, _read_json(archive, inside[0]))
    beside = archive.with_name(name)
    return _diffusiondb_record(beside, read_json(beside)) if beside.is_file() else {}


def _prompt_of(archive: AnyPath, sample: _Sample) -> str | None:
    """The prompt of a sample. Raises InputError where its text is not UTF-8, or its record no JSON."""
    if sample.text:
        return _read_text(archive, sample.text).strip()
    record = _read_json(archive, sample.record) if sample.record else None
    return _prompt_in(record) if isinstance(record, dict) else None


def _read_text(archive: AnyPath, member: Member) -> str:
    try:
        return read_member(archive, member.offset, member.size).decode("utf-8-sig")
    except UnicodeError as error:
        raise InputError(f"{archive}, {member.name} cannot be read: {error}") from error


def _read_json(archive: AnyPath, member: Member) -> Any:
    try:
        return json.loads(_read_text(archive, member))
    except DAMAGED_JSON as error:
        raise InputError(f"{archive}, {member.name} cannot be read: {error}") from error
