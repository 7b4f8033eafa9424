"""Where a data set comes from, as far as it says so itself: dataset.json and the columns of its parts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from unprompt.errors import InputError
from unprompt.storage.files import read_json
from unprompt.storage.images import DATASET_RECORD
from unprompt.storage.parts import column_types, read_columns
from unprompt.text.english import agreed, counted

if TYPE_CHECKING:
    from unprompt.datasets.dataset import Dataset

COLUMNS = ("engine", "settings", "seed")


@dataclass(frozen=True)
class Provenance:
    """`facts` are label -> text for people; `notes` are sentences about what does not fit together."""

    facts: Mapping[str, str]
    notes: tuple[str, ...]


def read_provenance(dataset: Dataset) -> Provenance:
    """Engine, settings, seeds and versions; what the data set does not say is left out.

    dataset.json counts first, then the parts' columns. A dataset.json that cannot be read becomes a note.
    """
    record: dict[str, Any] = {}
    notes = []
    columns = read_origin(dataset)
    path = dataset.path / DATASET_RECORD
    if path.exists():
        try:
            record = read_json(path)
        except InputError as error:
            notes.append(f"{DATASET_RECORD} was passed over: {error}.")
    elif dataset.path.is_dir() and "engine" in columns:
        notes.append(
            f"There is no {DATASET_RECORD}. Rendering writes it last, so this data set may not be finished: "
            "run unprompt render again to go on."
        )
    promised = record.get("images")
    if isinstance(promised, int) and promised != len(dataset):
        notes.append(
            f"{DATASET_RECORD} says {counted(promised, 'image')}, but there {agreed(len(dataset), 'are')} "
            f"{len(dataset):,}."
        )
    facts = {
        "Engine": record.get("engine", _only(columns, "engine")),
        "Settings": record.get("settings", _only(columns, "settings")),
        "Seed": record.get("seed"),
        "Seeds of the images": _count_seeds(columns),
        "Made with": record.get("versions"),
    }
    return Provenance(
        {label: write_value(value) for label, value in facts.items() if value is not None}, tuple(notes)
    )


def read_origin(dataset: Dataset) -> pl.DataFrame:
    """Those of the columns engine, settings and seed that all parts have; of a folder of images, none.

    Others' parts may have columns of these names that hold something else: these are passed over.
    """
    parts = sorted({image.path for image in dataset.images if image.row is not None and not image.span})
    types = [column_types(part) for part in parts]
    there = [column for column in COLUMNS if _is_plain([kinds.get(column) for kinds in types])]
    if not parts or not there:
        return pl.DataFrame()
    return pl.concat([read_columns(part, there) for part in parts])


def _is_plain(kinds: Sequence[pl.DataType | None]) -> bool:
    """Whether a column holds texts, or whole numbers, in all parts alike; None: a part has no such column."""
    return len(set(kinds)) == 1 and kinds[0] is not None and (kinds[0] == pl.String or kinds[0].is_integer())


def _only(columns: pl.DataFrame, name: str) -> str | None:
    """The value of all rows, or how many different ones there are."""
    if name not in columns:
        return None
    values = columns[name].cast(pl.String).drop_nulls().unique().sort().to_list()
    if len(values) == 1:
        return str(values[0])
    return f"{len(values)} different" if values else None


def _count_seeds(columns: pl.DataFrame) -> str | None:
    """How many different seeds the images have of which it is known."""
    if "seed" not in columns:
        return None
    known = columns["seed"].drop_nulls()
    if known.is_empty():
        return None
    return f"{known.n_unique():,} different for {counted(len(known), 'image')}"


def write_value(value: Any) -> str:
    """A JSON value for people: an object as lines "key: value", everything else short on one line."""
    if isinstance(value, str):
        try:
            inside = json.loads(value)
        except ValueError:
            return value
        return write_value(inside) if isinstance(inside, dict) else value
    if isinstance(value, dict):
        return "\n".join(
            f"{key}: {inner if isinstance(inner, str) else json.dumps(inner, ensure_ascii=False)}"
            for key, inner in value.items()
        )
    return json.dumps(value, ensure_ascii=False)
