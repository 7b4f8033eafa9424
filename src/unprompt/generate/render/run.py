"""`unprompt render`: prompts -> a DATASET, in chunks that survive a kill and parts that are written whole."""

from __future__ import annotations

import hashlib
import json
import platform
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from unprompt import __version__
from unprompt.datasets.dataset import EMBEDDINGS
from unprompt.datasets.embedded import read_beside
from unprompt.datasets.seeds import derive_seed
from unprompt.generate.config import RenderConfig
from unprompt.generate.prompt_files import read_any_prompts
from unprompt.generate.render.workers import Chunk, Rendering, renderers
from unprompt.networks.devices import choose_device
from unprompt.networks.minilm import PromptEncoder, encoder_identity
from unprompt.painting.engine import Picture, RenderEngine
from unprompt.pocket.version import WORLD
from unprompt.progress import Progress, silent
from unprompt.records import Embeddings, Prompts
from unprompt.storage import resumable as folders
from unprompt.storage.files import (
    check_file_names,
    read_arrays,
    write_arrays,
    write_embeddings,
    write_loose,
    write_table,
)
from unprompt.storage.images import DATASET_RECORD
from unprompt.storage.parts import Part, part_name, write_part
from unprompt.storage.submission import check_image_ids

if TYPE_CHECKING:
    from unprompt.records import FloatArray

MODEL = "model_sha256"  # the setting of an engine that says what is in its model's files
KIND = folders.FolderKind(
    noun="rendered data set",
    record=DATASET_RECORD,
    outputs=("part-*.parquet", "images", "prompts.csv", EMBEDDINGS, "describe.html"),
)
FOLDER_HEADER = ("imgId", "prompt", "seed")


@dataclass(frozen=True)
class RenderResult:
    """What `render_prompts` made."""

    out: Path
    images: int
    made: int  # by this start
    seconds: float
    resumed: bool


def render_prompts(
    source: Path,
    out: Path,
    engine: RenderEngine,
    config: RenderConfig | None = None,
    progress: Progress = silent,
) -> RenderResult:
    """Render the prompts of a file into the data set folder `out`.

    Every picture's seed comes from the run's and its id, so a picture does not depend on its neighbours and
    can be made again alone. Killed at any moment and called again with the same arguments, it goes on and
    ends with the same bytes; so do any number of workers. Embeddings of the prompts are taken from the file
    beside `source` that `filter` leaves, else made.

    Raises InputError for prompts that cannot be read or drawn, RunError for a folder that is finished or
    belongs to something else, a full disk and too little memory.
    """
    config = config or RenderConfig()
    started = time.monotonic()
    prompts = read_any_prompts(source, config.column)
    check_image_ids(prompts.ids)
    check_file_names(prompts.ids)
    engine = engine.resolved()
    engine.check(prompts.texts)
    pictures = [
        Picture(image_id, text, derive_seed(config.seed, "image", image_id))
        for image_id, text in zip(prompts.ids, prompts.texts, strict=True)
    ]
    chunk_size = config.chunk or engine.chunk
    settings = engine.settings()
    plan = {
        "unprompt": __version__,
        "engine": engine.name,
        "settings": {name: value for name, value in settings.items() if name not in (MODEL, WORLD)},
        "model": settings.get(MODEL),
        WORLD: settings.get(WORLD),
        "seed": config.seed,
        "as_folder": config.as_folder,
        "chunk": chunk_size,
        "part": config.part,
        "prompts": _digest(prompts),
    }
    with folders.open_folder(out, KIND, plan, config.overwrite) as resumed:
        folder = _DatasetFolder(out, pictures, engine, config, chunk_size)
        missing = folder.missing_chunks()
        made = sum(len(chunk.pictures) for chunk in missing)
        if not folder.all_parts_done():
            embed = _Embedder(source, prompts, config.device)
            done = len(pictures) - made
            progress("rendering", done, len(pictures))
            for part in folder.whole_parts():
                folder.write_part(part, embed.rows(*folder.border(part)))
            for chunk, images in _rendered(engine, missing, config):
                folder.write_chunk(chunk.first, images)
                done += len(images)
                part = chunk.first // config.part
                if folder.has_all_chunks(part):
                    folder.write_part(part, embed.rows(*folder.border(part)))
                progress("rendering", done, len(pictures))
        folder.finish(prompts, _record(len(pictures), engine, config))
    return RenderResult(out, len(pictures), made, time.monotonic() - started, resumed)


def _rendered(
    engine: RenderEngine, chunks: Sequence[Chunk], config: RenderConfig
) -> Iterator[tuple[Chunk, Sequence[bytes]]]:
    """Chunks with their PNG files, as they are done."""
    if chunks:
        with (
            renderers(config) as crew,
            closing(crew.do(Rendering(engine), chunks, ordered=False)) as rendered,
        ):
            yield from rendered


class _DatasetFolder:
    """A DATASET that this process has opened for writing.

    Chunks that are done lie in .work; when a part has all of its chunks it is written, and they go. In the
    folder form a part's pictures become files of their own, and its embeddings stay in .work until the end.
    """

    def __init__(
        self,
        path: Path,
        pictures: Sequence[Picture],
        engine: RenderEngine,
        config: RenderConfig,
        chunk_size: int,
    ) -> None:
        self._path = path
        self._work = path / folders.WORK
        self._pictures = pictures
        self._engine = engine
        self._part_size = config.part
        self._as_folder = config.as_folder
        self._chunk_size = chunk_size
        self._parts = range(-(-len(pictures) // config.part))

    def border(self, part: int) -> tuple[int, int]:
        """The first row of a part and the one after its last."""
        return part * self._part_size, min((part + 1) * self._part_size, len(self._pictures))

    def _chunk_starts(self, part: int) -> range:
        return range(*self.border(part), self._chunk_size)

    def _chunk_path(self, first: int) -> Path:
        return self._work / f"chunk-{first:09d}.npz"

    def _part_path(self, part: int) -> Path:
        if self._as_folder:
            return self._work / f"part-{part:05d}.npz"
        return self._path / part_name(part)

    def all_parts_done(self) -> bool:
        """Whether nothing but the record is missing."""
        return all(self._part_path(part).exists() for part in self._parts)

    def has_all_chunks(self, part: int) -> bool:
        """Whether a part can be put together."""
        return all(self._chunk_path(first).exists() for first in self._chunk_starts(part))

    def whole_parts(self) -> list[int]:
        """Parts that an earlier start has rendered but not put together."""
        return [
            part for part in self._parts if not self._part_path(part).exists() and self.has_all_chunks(part)
        ]

    def missing_chunks(self) -> list[Chunk]:
        """What is left to be rendered."""
        return [
            Chunk(first, tuple(self._pictures[first : min(first + self._chunk_size, self.border(part)[1])]))
            for part in self._parts
            if not self._part_path(part).exists()
            for first in self._chunk_starts(part)
            if not self._chunk_path(first).exists()
        ]

    def write_chunk(self, first: int, images: Sequence[bytes]) -> None:
        """Keep a finished chunk, whose first row is given."""
        write_arrays(
            self._chunk_path(first),
            content=np.frombuffer(b"".join(images), dtype=np.uint8),
            lengths=np.array([len(image) for image in images], dtype=np.int64),
        )

    def _read_chunk(self, first: int) -> list[bytes]:
        arrays = read_arrays(self._chunk_path(first), ("content", "lengths"))
        content, ends = arrays["content"].tobytes(), np.cumsum(arrays["lengths"])
        return [content[end - length : end] for end, length in zip(ends, arrays["lengths"], strict=True)]

    def write_part(self, part: int, embeddings: FloatArray) -> None:
        """Put a part together from its chunks, and remove them."""
        start, end = self.border(part)
        pictures = self._pictures[start:end]
        images = [image for first in self._chunk_starts(part) for image in self._read_chunk(first)]
        if self._as_folder:
            self._write_files(pictures, images)
            write_arrays(self._part_path(part), embeddings=embeddings)
        else:
            rows = Part(
                ids=tuple(picture.image_id for picture in pictures),
                prompts=tuple(picture.prompt for picture in pictures),
                images=tuple(images),
                seeds=tuple(picture.seed for picture in pictures),
                engine=self._engine.name,
                settings=json.dumps(self._engine.settings(), sort_keys=True),
                embeddings=embeddings,
            )
            write_part(self._part_path(part), rows)
        for first in self._chunk_starts(part):
            self._chunk_path(first).unlink()

    def _write_files(self, pictures: Sequence[Picture], images: Sequence[bytes]) -> None:
        names = (f"{picture.image_id}.png" for picture in pictures)
        write_loose((self._path / "images" / name, image) for name, image in zip(names, images, strict=True))

    def finish(self, prompts: Prompts, record: dict[str, Any]) -> None:
        """Write what belongs to the whole, the record last, and remove the work folder."""
        if self._as_folder:
            embeddings = [
                read_arrays(self._part_path(part), ("embeddings",))["embeddings"] for part in self._parts
            ]
            write_embeddings(self._path / EMBEDDINGS, Embeddings(prompts.ids, np.concatenate(embeddings)))
            rows = ((p.image_id, p.prompt, str(p.seed)) for p in self._pictures)
            write_table(self._path / "prompts.csv", FOLDER_HEADER, rows)
        else:
            record["parts"] = [
                {"file": part_name(part), "images": end - start}
                for part in self._parts
                for start, end in (self.border(part),)
            ]
        folders.finish(self._path, KIND, record)


class _Embedder:
    """Embeddings of stretches of the prompts: those beside the file, else made when they are needed."""

    def __init__(self, source: Path, prompts: Prompts, device: str) -> None:
        self._texts = prompts.texts
        self._known = read_beside(source, prompts, encoder_identity())
        # If there is work for it, it is loaded now: what is missing is told before anything is rendered.
        self._encoder = None if self._known is not None else PromptEncoder.load(choose_device(device))

    def rows(self, start: int, end: int) -> FloatArray:
        """(end - start, 384)."""
        if self._encoder is not None:
            return self._encoder.encode(self._texts[start:end])
        assert self._known is not None
        return self._known[start:end]


def _digest(prompts: Prompts) -> str:
    content = json.dumps([prompts.ids, prompts.texts]).encode()
    return hashlib.sha256(content).hexdigest()


def _record(images: int, engine: RenderEngine, config: RenderConfig) -> dict[str, Any]:
    return {
        "images": images,
        "engine": engine.name,
        "settings": dict(engine.settings()),
        "seed": config.seed,
        "form": "folder" if config.as_folder else "parts",
        "versions": {
            "unprompt": __version__,
            "python": platform.python_version(),
            **{package: version(package) for package in engine.packages},
        },
    }
