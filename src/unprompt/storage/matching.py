"""Which image a table means: its names of images -> their ids.

Tables call one image `1`, `1.png`, `train_images/1.png` or `C:\\data\\train_images\\1.png`. A name means an
image where it is its id; else where one of the two paths, of the name and of the image, ends in the other,
whole folders counted, and an ending such as `.png` may be missing from either. `v1.5_0001` has no ending.
Where no image is meant so, letters and their accents count as one whether they are written as one character
or as two (Unicode's forms NFC and NFD, of which macOS gives files the second).
"""

from __future__ import annotations

import os
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from unprompt.errors import InputError
from unprompt.records import Embeddings, Prompts
from unprompt.storage.images import EXTENSIONS, ImageFile
from unprompt.storage.remote import AnyPath, RemotePath

Row = TypeVar("Row")


def paths_by_id(files: Sequence[ImageFile], folder: AnyPath | None = None) -> dict[str, str]:
    """What `match_names` compares: images' paths from `folder` (None: from the folder that all are in).

    Images within other files, such as parquet parts, have their ids instead. Of images in stores the folder
    that all are in is the whole store.
    """
    path_by_id = {file.image_id: file.image_id for file in files}
    loose = [(file.image_id, file.path) for file in files if file.row is None]
    local = [(image_id, path) for image_id, path in loose if isinstance(path, Path)]
    if local:
        top = str(folder or os.path.commonpath([str(path.parent.absolute()) for _, path in local]))
        path_by_id |= {image_id: Path(os.path.relpath(path, top)).as_posix() for image_id, path in local}
    for image_id, path in loose:
        if isinstance(path, RemotePath):
            store = folder if isinstance(folder, RemotePath) else path.parents[-1]
            path_by_id[image_id] = path.relative_to(store).as_posix()
    return path_by_id


def match_names(names: Sequence[str], path_by_id: Mapping[str, str]) -> list[str]:
    """The ids that `names` mean; a name that means no image is given back as it is.

    `path_by_id`: the images, with their paths from their folder (or again their ids, where only these are
    known). Raises InputError for a name that may mean several images.
    """
    ids_by_stem: dict[str, list[str]] = defaultdict(list)
    for image_id, path in path_by_id.items():
        stem = _parts(path)[-1]
        for form in {stem, _composed(stem)}:
            ids_by_stem[form].append(image_id)
    named = path_by_id.keys() & set(names)
    return [name if name in named else _match(name, ids_by_stem, path_by_id, named) for name in names]


def match_forms(names: Sequence[str], ids: Iterable[str]) -> list[str]:
    """The ids that `names` are, for names that are whole ids: in the same or in another of Unicode's forms.

    A name that is no id, or may be several, is given back as it is, as are two that would be the same one.
    """
    known, given = set(ids), set(names)
    forms = Counter(map(_composed, given - known))
    ids_by_form: dict[str, list[str]] = defaultdict(list)
    for image_id in known - given:
        ids_by_form[_composed(image_id)].append(image_id)
    id_by_form = {form: same[0] for form, same in ids_by_form.items() if len(same) == forms[form] == 1}
    return [name if name in known else id_by_form.get(_composed(name), name) for name in names]


def fit_keys(rows: Mapping[str, Row], ids: Iterable[str]) -> dict[str, Row]:
    """The same rows under those of the `ids` that their keys are in another form, see `match_forms`."""
    return dict(zip(match_forms(list(rows), ids), rows.values(), strict=True))


def fit_embeddings(embeddings: Embeddings, ids: Sequence[str]) -> Embeddings:
    """The same embeddings under those of the `ids` that theirs are in another form, see `match_forms`."""
    return replace(embeddings, ids=tuple(match_forms(embeddings.ids, ids)))


def fit_prompts(prompts: Prompts, path_by_id: Mapping[str, str]) -> Prompts:
    """The same prompts under the ids of the images that theirs mean, see `match_names`.

    Raises InputError also where two of them mean one image.
    """
    return replace(prompts, ids=tuple(match_names(prompts.ids, path_by_id)))


def _match(
    name: str,
    ids_by_stem: Mapping[str, Sequence[str]],
    path_by_id: Mapping[str, str],
    named: Collection[str],
) -> str:
    """`named`: ids that stand in the table as they are, and so are no other name's in another form."""
    candidates = [
        image_id
        for image_id in ids_by_stem.get(_parts(name)[-1], ())
        if _may_be(_parts(name), _parts(path_by_id[image_id]))
    ]
    if not candidates:
        parts = _parts(_composed(name))
        candidates = [
            image_id
            for image_id in ids_by_stem.get(parts[-1], ())
            if image_id not in named and _may_be(parts, _parts(_composed(path_by_id[image_id])))
        ]
    if len(candidates) > 1:  # 1.png and 1.jpg: the ending decides
        file = _slashed(name).rpartition("/")[2]
        candidates = [one for one in candidates if path_by_id[one].rpartition("/")[2] == file] or candidates
    if len(candidates) > 1:
        raise InputError(
            f"'{name}' may mean {len(candidates)} images, first: {path_by_id[candidates[0]]} and "
            f"{path_by_id[candidates[1]]}; write the folder and the ending in the table"
        )
    return candidates[0] if candidates else name


def _composed(name: str) -> str:
    """A name with each accent in one character with its letter, where there is such a character."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def _slashed(name: str) -> str:
    return name.strip().replace("\\", "/")


def _parts(name: str) -> list[str]:
    """ "./a\\1.png" -> ["a", "1"]."""
    parts = [part for part in _slashed(name).split("/") if part not in ("", ".")] or [""]
    stem, dot, ending = parts[-1].rpartition(".")
    if stem and dot + ending.lower() in EXTENSIONS:
        parts[-1] = stem
    return parts


def _may_be(name: Sequence[str], path: Sequence[str]) -> bool:
    """Whether one of two paths ends in the other."""
    shorter = min(len(name), len(path))
    return name[-shorter:] == path[-shorter:]
