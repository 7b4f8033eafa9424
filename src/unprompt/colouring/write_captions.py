"""Captions for pictures that have none: of pairs or of loose images, into a table that training reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unprompt import __version__
from unprompt.colouring.captions import caption_by_fills, noun_of_name, turn_into
from unprompt.colouring.captions_config import (
    CAPTIONER,
    FILLS,
    INTERROGATOR,
    LSTM,
    NAMES,
    CaptionWay,
    FillSettings,
)
from unprompt.colouring.material import open_side
from unprompt.datasets.pairs import RECORD, TABLE, join_pairs, read_pairs
from unprompt.errors import InputError, UnreadableImageError
from unprompt.interrogator.caption_files import caption_files
from unprompt.interrogator.prompt_files import CaptionRow, Table, open_prompts
from unprompt.networks import captioners
from unprompt.networks.captioner import HEADER
from unprompt.networks.checkpoints import files_of, sha256_of
from unprompt.networks.devices import choose_device, core_count
from unprompt.progress import Progress, silent
from unprompt.records import Problem, check_unique, rows_of
from unprompt.storage.files import files_in, read_ids, read_table
from unprompt.storage.images import (
    ImageFile,
    find_images,
    has_images,
    identify_images,
    image_states,
)
from unprompt.storage.matching import fit_keys
from unprompt.text.english import none_readable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

BATCH = 32  # pictures between two saves where they are measured
NOUN = "noun"
PHRASES = 4  # of the interrogator's captions
NO_LISTS = ("artists", "mediums", "movements", "trendings")  # that say nothing about colours


@dataclass(frozen=True)
class Picture:
    """A coloured picture to caption; `line_art` where it is of a pair."""

    file: ImageFile
    line_art: ImageFile | None = None


@dataclass(frozen=True)
class WrittenCaptions:
    """What came of it. `problems`: the pictures that could not be read, listed beside the table."""

    path: Path
    images: int
    problems: tuple[Problem, ...]
    resumed: bool


def read_pictures(sources: Sequence[Path]) -> list[Picture]:
    """The coloured pictures of pairs and of folders of images.

    A folder of images that has neither pairs.json nor a table of pairs is images; all else but single images
    is pairs, as `read_pairs` reads them. Raises InputError for what is neither, and for doubled ids.
    """
    if not sources:
        raise InputError("name pairs, images or folders of images")
    kinds = [(source, _holds_pairs(source)) for source in sources]
    pairs = join_pairs([read_pairs(source) for source, paired in kinds if paired])
    found = [Picture(target, source) for target, source in zip(pairs.targets, pairs.sources, strict=True)]
    for source, paired in kinds:
        if not paired:
            found += [Picture(file) for file in find_images(source)]
    check_unique([one.file.image_id for one in found], "the pictures")
    return found


def _holds_pairs(source: Path) -> bool:
    if source.is_file():
        return source.suffix.lower() in (".csv", ".parquet")
    if not source.is_dir() or not has_images(source):
        return True  # and where it is nothing at all, `read_pairs` says so
    return (source / RECORD).exists() or (source / TABLE).exists()


def write_captions(
    sources: Sequence[Path],
    out: Path,
    way: CaptionWay | None = None,
    device: str = "auto",
    progress: Progress = silent,
    overwrite: bool = False,
) -> WrittenCaptions:
    """Write imgId,caption of pictures to a .csv or .jsonl; `overwrite` replaces one that is there.

    Killed and called again with the same arguments it goes on. `progress` is told pictures done and in all.
    Raises InputError for pictures and nouns that cannot be used, and where none can be read; ConfigError for
    settings; CheckpointError for the network; RunError for a table that is there.
    """
    way = way or CaptionWay()
    output = Table(out, HEADER)
    pictures = read_pictures(sources)
    files = [one.file for one in pictures]
    nouns = _nouns_of(files, way.fills)
    where = "cpu" if way.by == FILLS else choose_device(device)
    settings = {**asdict(way.fills), **asdict(way.models), "model": str(way.models.model)}
    line_art = [one.line_art for one in pictures if one.line_art]
    plan = {
        "unprompt": __version__,
        "by": way.by,
        "settings": settings,
        "turn_into": way.turn_into,
        "nouns": nouns,
        "device": where,
        "images": identify_images(files),
        "line_art": image_states(line_art),
        "phrases": [[path.name, sha256_of(path)] for path in files_in(Path(way.models.phrases))]
        if way.models.phrases
        else [],
    }
    models = files_of(filter(None, [way.models.model or _declared_model(way)]))
    with open_prompts(output, files, plan, overwrite, models) as table:
        batches: Iterator[list[tuple[ImageFile, str | Problem]]] = iter(())
        if table.todo:
            todo = pictures[table.done :]
            if way.by == FILLS:
                batches = _measured(todo, nouns, way.fills)
            else:
                batches = _told(todo, open_captioner(way, where), where)
        started = False
        for batch in batches:
            if not started:  # a network that cannot be loaded leaves the place as it was
                table.start()
                started = True
            rows = [
                CaptionRow(file, turn_into(said) if way.turn_into else said)
                for file, said in batch
                if isinstance(said, str)
            ]
            table.add(rows, [said for _, said in batch if isinstance(said, Problem)])
            progress("captioning", table.done, len(files))
        table.finish()
        if len(table.problems) == len(files):
            first = table.problems[0]
            raise InputError(none_readable(len(files), "image", f"{first.file}: {first.problem}"))
        return WrittenCaptions(out, len(files), table.problems, table.resumed)


def _declared_model(way: CaptionWay) -> str:
    """The declared checkpoint that a way takes where nobody names a model; "" where there is none."""
    from unprompt.networks.captioner_files import CHECKPOINT
    from unprompt.networks.clip import CHECKPOINTS

    by_way = {CAPTIONER: CHECKPOINT, INTERROGATOR: CHECKPOINTS.get(way.models.clip, "")}
    return by_way.get(way.by, "")


def _nouns_of(files: Sequence[ImageFile], settings: FillSettings) -> dict[str, str]:
    """What each picture shows, by its id, where settings say so for each."""
    ids = [file.image_id for file in files]
    if not settings.nouns:
        return dict.fromkeys(ids, settings.noun)
    if settings.nouns == NAMES:
        return {
            file.image_id: noun_of_name(file.image_id if file.row is not None else file.path.stem)
            for file in files
        }
    path = Path(settings.nouns)
    table = read_table(path, (HEADER[0], NOUN))
    check_unique(read_ids(table, path), str(path))
    named = dict(zip(read_ids(table, path), (row[NOUN] for row in table.rows), strict=True))
    named = fit_keys(named, ids)
    rows_of(tuple(named), ids, f"noun in {path}")
    return {image_id: named[image_id] for image_id in ids}


def _measured(
    pictures: Sequence[Picture], nouns: Mapping[str, str], settings: FillSettings
) -> Iterator[list[tuple[ImageFile, str | Problem]]]:
    def measure(one: Picture) -> tuple[ImageFile, str | Problem]:
        file = one.file
        try:
            line_art = None if one.line_art is None else open_side(one.line_art)
            return file, caption_by_fills(open_side(file), line_art, nouns[file.image_id], settings)
        except UnreadableImageError as error:
            return file, Problem(file.image_id, file.name, str(error))

    with ThreadPoolExecutor(core_count()) as pool:
        for start in range(0, len(pictures), BATCH):
            yield list(pool.map(measure, pictures[start : start + BATCH]))


def _told(
    pictures: Sequence[Picture], captioner: Any, device: str
) -> Iterator[list[tuple[ImageFile, str | Problem]]]:
    batch: list[tuple[ImageFile, str | Problem]] = []
    for one in caption_files([one.file for one in pictures], captioner, device, core_count()):
        why = Problem(one.file.image_id, one.file.name, str(one.problem))
        batch.append((one.file, why if one.caption is None else one.caption))
        if len(batch) == captioner.batch:
            yield batch
            batch = []
    if batch:
        yield batch


def open_captioner(way: CaptionWay, device: str) -> Any:
    """The network that writes captions, as a backbone. Raises CheckpointError."""
    model = way.models.model
    if way.by == LSTM:
        from unprompt.networks.cnn_lstm import CnnLstmCaptioner

        assert model is not None, "CaptionWay asks for it"
        return CnnLstmCaptioner.load(device, model)
    if way.by == CAPTIONER:
        return captioners.open_captioner(device, model)
    return ClipCaptioner.load(device, way.models.clip, model, way.models.phrases)


class ClipCaptioner:
    """The interrogator without a captioner, as a backbone: phrases that are near a picture in a CLIP."""

    def __init__(self, clip: Any, interrogator: Any) -> None:
        self.name, self.batch = f"interrogator {clip.name}", clip.batch
        self._clip, self._interrogator = clip, interrogator

    @classmethod
    def load(cls, device: str, clip: str, checkpoint: Path | None = None, phrases: str = "") -> ClipCaptioner:
        """A CLIP that open_clip knows by name, from a file or folder or where it is found.

        `phrases`: a folder of lists, "" for the package's. Raises CheckpointError, InputError for the lists.
        """
        from unprompt.interrogator.config import InterrogatorConfig
        from unprompt.interrogator.modes import Interrogator
        from unprompt.interrogator.vocabulary import own_lists
        from unprompt.networks.clip import Clip

        loaded = Clip.load(device, clip, checkpoint)
        config = InterrogatorConfig("fast", max_flavors=PHRASES, without=NO_LISTS, repeats=False)
        return cls(loaded, Interrogator.build(loaded.texts, config, own_lists(phrases)))

    def prepare(self, image: Image.Image) -> NDArray[Any]:
        """What the CLIP makes of an RGB image."""
        prepared: NDArray[Any] = self._clip.prepare(image)
        return prepared

    def features(self, prepared: Sequence[NDArray[Any]]) -> NDArray[np.str_]:
        """B prepared images -> B captions."""
        import numpy as np

        seen = self._clip.features(prepared)
        found = self._interrogator.prompts(seen, [""] * len(prepared), measured=False)
        return np.array([one.prompt.strip(" ,") for one in found], dtype=np.str_)
