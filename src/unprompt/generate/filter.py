"""`unprompt filter`: a prompt list without its near-duplicates, and what was dropped because of what."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from unprompt import __version__
from unprompt.datasets.embedded import beside, encode_in_steps, read_beside, write_beside
from unprompt.datasets.near_duplicates import Filtered, filter_near_duplicates
from unprompt.datasets.neighbours import nearest_rows
from unprompt.errors import InputError, RunError
from unprompt.generate.config import FilterConfig
from unprompt.generate.prompt_files import PromptTable, read_any_prompts, read_prompt_table
from unprompt.networks.devices import choose_device
from unprompt.networks.minilm import PromptEncoder, encoder_identity
from unprompt.progress import Progress, silent
from unprompt.records import Prompts, first_rows
from unprompt.storage.files import PROMPTS_HEADER, read_embeddings, write_json, write_table
from unprompt.storage.resumable import PROGRESS, hold_work

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from unprompt.records import FloatArray

DROPPED_HEADER = ("imgId", "prompt", "cosine", "closeToId", "closeToPrompt", "closeToList")
NOUN = "filtered list of prompts"  # what is written here
GIVEN = "given"  # in place of the encoder's identity
SAMPLE = 2000  # prompts whose nearest neighbours the histogram counts
BINS = 20  # of the histogram, between 0 and 1


@dataclass(frozen=True)
class Reason:
    """Why a prompt was dropped: the kept prompt that it is too close to, and the list which that is from."""

    image_id: str
    prompt: str
    cosine: float
    close_to_id: str
    close_to: str
    close_to_list: str


@dataclass(frozen=True)
class NearestHistogram:
    """How near the nearest neighbours of a sample are: counts of `BINS` stretches between 0 and 1.

    Cosines below 0 count as 0.
    """

    sampled: int
    counts: tuple[int, ...]


@dataclass(frozen=True)
class FilterResult:
    """What `filter_prompts` did: counts, and nearest neighbours before and after."""

    out: Path
    dropped_file: Path
    read: int
    kept: int
    duplicates: int  # with the very text of an earlier one
    near_duplicates: int
    by_against: int  # too close to another list
    before: NearestHistogram
    after: NearestHistogram
    encoded: int  # prompts whose embedding was not known

    def numbers(self) -> dict[str, Any]:
        """For `--json` and the record."""
        counts = ("read", "kept", "duplicates", "near_duplicates", "by_against")
        return {
            **{name: getattr(self, name) for name in counts},
            "nearest_before": {"sampled": self.before.sampled, "counts": list(self.before.counts)},
            "nearest_after": {"sampled": self.after.sampled, "counts": list(self.after.counts)},
        }


def filter_prompts(
    source: Path, out: Path, config: FilterConfig, progress: Progress = silent
) -> FilterResult:
    """Write the prompts of `source` that are not too close to an earlier one, nor to those of other lists.

    Leaves `out` (a CSV with the columns of `source`), and for kept.csv beside it: kept.npz (embeddings of the
    kept prompts, which `render` takes), kept.dropped.csv (what was dropped because of what) and kept.csv.json
    (counts and settings). Interrupted, it goes on with the embeddings that are done.

    Raises InputError for files that cannot be used, ConfigError for a threshold that is no cosine, RunError
    where `out` is there already, unless it is to be replaced, and where another process or command is at it.
    """
    _check_place(source, out, config)
    table = read_prompt_table(source, config.column)
    others = [_read_other(path, config.column) for path in config.against]
    work = out.with_name(f".{out.name}.work")
    with hold_work(work, out, NOUN, config.overwrite):
        result = _filter(source, table, others, out, work, config, progress)
        (work / PROGRESS).unlink(missing_ok=True)
    return result


def _check_place(source: Path, out: Path, config: FilterConfig) -> None:
    """Raise InputError where what is to be read would be replaced, RunError where another list would."""
    if out.suffix != ".csv":
        raise InputError(f"{out} must end in .csv")
    replaced = {path.resolve() for path in (out, beside(out), _dropped_file(out), _record_file(out))}
    read = (source, *config.against, *((config.embeddings,) if config.embeddings else ()))
    for path in read:
        if path.resolve() in replaced:
            raise InputError(f"{path} is to be read, and would be replaced; name another file with --out")
    if out.exists() and not config.overwrite:
        raise RunError(f"{out} is there already; add --overwrite to replace it, or name another --out")


def _dropped_file(out: Path) -> Path:
    return out.with_suffix(".dropped.csv")


def _record_file(out: Path) -> Path:
    return out.with_name(f"{out.name}.json")


def _read_other(path: Path, column: str | None) -> Prompts:
    """A list of `against`, whose prompts are in the column, or where it has no such, where its own are."""
    try:
        return read_any_prompts(path, column)
    except InputError:
        if column is None:
            raise
        return read_any_prompts(path)


def _filter(
    source: Path,
    table: PromptTable,
    others: Sequence[Prompts],
    out: Path,
    work: Path,
    config: FilterConfig,
    progress: Progress,
) -> FilterResult:
    """Filter what was read, and write it; embeddings that are made lie in `work` until that is done."""

    @cache
    def load() -> PromptEncoder:  # only if texts are to be embedded
        encoder = PromptEncoder.load(choose_device(config.device))
        write_json(work / PROGRESS, {"source": source.name})  # from now on there is something to go on with
        return encoder

    prompts = table.prompts
    distinct = first_rows(prompts.texts)
    vectors, encoded = _embeddings(source, prompts, distinct, load, work, config.embeddings, progress)
    against = _against(config.against, others, load, work, progress)

    found = filter_near_duplicates(vectors, config.threshold, against, progress)
    kept = distinct[found.kept]
    result = FilterResult(
        out=out,
        dropped_file=_dropped_file(out),
        read=len(prompts),
        kept=len(kept),
        duplicates=len(prompts) - len(distinct),
        near_duplicates=int((found.because_of >= 0).sum()),
        by_against=int((found.because_of < -1).sum()),
        before=nearest_histogram(vectors),
        after=nearest_histogram(vectors[found.kept]),
        encoded=encoded,
    )
    remaining = prompts.at([prompts.ids[row] for row in kept])
    write_table(
        result.dropped_file,
        DROPPED_HEADER,
        (
            (r.image_id, r.prompt, f"{r.cosine:.6f}", r.close_to_id, r.close_to, r.close_to_list)
            for r in _reasons(
                source, prompts, distinct, found, dict(zip(config.against, others, strict=True))
            )
        ),
    )
    # Of given ones nobody knows what made them: `render` is not to take them for the encoder's.
    encoder = encoder_identity() if config.embeddings is None else GIVEN
    write_beside(out, remaining, vectors[found.kept], encoder)
    write_json(_record_file(out), _record(result, source, config, encoder))
    more = tuple(table.others[0])
    write_table(
        out,
        (*PROMPTS_HEADER, *more),
        ((prompts.ids[row], prompts.texts[row], *(table.others[row][name] for name in more)) for row in kept),
    )
    return result


def _reasons(
    source: Path,
    prompts: Prompts,
    distinct: NDArray[np.int64],
    found: Filtered,
    others: Mapping[Path, Prompts],
) -> Iterator[Reason]:
    """Why each dropped row was dropped. `found` is about the rows `distinct`, against all of `others`."""
    listed = [
        (image_id, text, path.name)
        for path, other in others.items()
        for image_id, text in zip(other.ids, other.texts, strict=True)
    ]
    place_by_text = {prompts.texts[row]: place for place, row in enumerate(distinct)}
    for row, (image_id, text) in enumerate(zip(prompts.ids, prompts.texts, strict=True)):
        place = place_by_text[text]
        first, cause, cosine = int(distinct[place]), int(found.because_of[place]), float(found.cosines[place])
        if cause < -1:
            yield Reason(image_id, text, cosine, *listed[-2 - cause])
        elif cause >= 0:
            near = int(distinct[cause])
            yield Reason(image_id, text, cosine, prompts.ids[near], prompts.texts[near], source.name)
        elif first != row:  # the very text of a kept prompt
            yield Reason(image_id, text, 1.0, prompts.ids[first], text, source.name)


def nearest_histogram(vectors: FloatArray) -> NearestHistogram:
    """Count the cosines of a spread of up to `SAMPLE` of (N, 384) unit rows with their nearest others."""
    if len(vectors) < 2:
        return NearestHistogram(0, (0,) * BINS)
    queries = np.linspace(0, len(vectors) - 1, min(SAMPLE, len(vectors))).astype(np.intp)
    _, cosines = nearest_rows(vectors, queries)
    counts, _ = np.histogram(np.clip(cosines, 0, 1), bins=BINS, range=(0, 1))
    return NearestHistogram(len(queries), tuple(int(count) for count in counts))


def _embeddings(
    source: Path,
    prompts: Prompts,
    distinct: NDArray[np.int64],
    load: Callable[[], PromptEncoder],
    work: Path,
    given: Path | None,
    progress: Progress,
) -> tuple[FloatArray, int]:
    """Embeddings of the distinct prompts: given, kept beside the list, or made; and how many were made."""
    if given is not None:
        known = read_embeddings(given)
        try:
            return known.at([prompts.ids[row] for row in distinct]).unit().vectors, 0
        except InputError as error:
            raise InputError(f"{given}: {error}; name the embeddings of {source}") from error
    known_beside = read_beside(source, prompts, encoder_identity())
    if known_beside is not None:
        return known_beside[distinct], 0
    texts = [prompts.texts[row] for row in distinct]
    made = encode_in_steps(load(), texts, work, progress)
    return made, len(texts)


def _against(
    paths: Sequence[Path],
    others: Sequence[Prompts],
    load: Callable[[], PromptEncoder],
    work: Path,
    progress: Progress,
) -> FloatArray | None:
    """Embeddings of the other lists, one under another."""
    if not paths:
        return None
    found = []
    for path, other in zip(paths, others, strict=True):
        known = read_beside(path, other, encoder_identity())

        def told(step: str, done: int, total: int, name: str = path.name) -> None:
            progress(f"{step} of {name}", done, total)

        found.append(encode_in_steps(load(), other.texts, work, told) if known is None else known)
    return np.concatenate(found)


def _record(result: FilterResult, source: Path, config: FilterConfig, encoder: str) -> dict[str, Any]:
    return {
        **result.numbers(),
        "source": source.name,
        "threshold": config.threshold,
        "against": [path.name for path in config.against],
        "encoder": encoder,
        "versions": {"unprompt": __version__, "python": platform.python_version(), "numpy": np.__version__},
    }
