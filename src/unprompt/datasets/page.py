"""The HTML page about a data set, the sister of the report about a run."""

from __future__ import annotations

import os
from pathlib import Path

from unprompt.datasets.describe import NEAR, Description
from unprompt.errors import RunError
from unprompt.html.histograms import bin_lengths, bin_similarities
from unprompt.html.kit import render_page, thumbnail_addresses
from unprompt.storage.files import write_bytes
from unprompt.text.english import counted

SIZES_SHOWN = 12


def page_path(dataset: Path) -> Path:
    """Where the page goes by default: into a data set's folder, or beside its only parquet file."""
    if dataset.is_dir():
        return dataset / "describe.html"
    return dataset.with_name(f"{dataset.stem}.describe.html")


def check_place(path: Path) -> None:
    """Raise RunError where no page can be written, before a data set is looked at for minutes."""
    folder = next(one for one in (path.absolute().parent, *path.absolute().parents) if one.exists())
    if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
        raise RunError(f"{path} cannot be written; name another place with --out")


def write_page(path: Path, description: Description, workers: int = 2) -> None:
    """Write the page, whole or not at all. Raises RunError where nothing can be written there."""
    page = render_description(description, workers).encode()
    try:
        write_bytes(path, page)
    except OSError as error:
        raise RunError(
            f"{path} cannot be written ({error.strerror}); name another place with --out"
        ) from error


def render_description(description: Description, workers: int = 2) -> str:
    """The page as text; `workers` threads make the thumbnails. The same description gives the same page."""
    files = [None if image.problem is not None else image.file for image in description.sheet]
    near = description.neighbours
    return render_page(
        "dataset.html.j2",
        description=description,
        cards=list(zip(description.sheet, thumbnail_addresses(files, workers), strict=True)),
        lengths=[
            (lengths, bin_lengths(lengths.values, lengths.p95)) for lengths in description.wording.lengths
        ],
        neighbours=near,
        histogram=bin_similarities(near.cosines) if near else None,
        near=NEAR,
        facts=[("Image sizes", write_sizes(description)), *description.facts.items()],
    )


def write_sizes(description: Description) -> str:
    """How many of the images that were opened have each size, a line each, the most frequent first."""
    sizes, opened = description.pictures.sizes, description.pictures.opened
    lines = [f"{opened:,} of {counted(description.images, 'image')} opened"]
    lines += [f"{width:,} × {height:,}: {count:,}" for (width, height), count in sizes[:SIZES_SHOWN]]
    if len(sizes) > SIZES_SHOWN:
        rest = sum(count for _, count in sizes[SIZES_SHOWN:])
        lines.append(f"{counted(len(sizes) - SIZES_SHOWN, 'other size')}: {rest:,}")
    return "\n".join(lines)
