"""What somebody should know of a data set before training on it, in numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from unprompt import __version__
from unprompt.datasets.config import DescribeConfig
from unprompt.datasets.neighbours import Neighbours, constant_score, study_neighbours
from unprompt.datasets.picture_check import PictureCheck, check_pictures
from unprompt.datasets.provenance import read_provenance
from unprompt.datasets.seeds import derive_seed
from unprompt.datasets.wording import Wording, study_wording
from unprompt.errors import CheckpointError
from unprompt.networks.devices import choose_device, core_count
from unprompt.networks.minilm import PromptEncoder, encode_cached
from unprompt.records import first_rows
from unprompt.storage.images import ImageFile
from unprompt.text.english import agreed, counted, part_of

if TYPE_CHECKING:
    from unprompt.datasets.dataset import Dataset
    from unprompt.records import FloatArray

SEED = 0  # of the samples: the same data set always gives the same page
ALL_QUERIES = 5000  # up to so many distinct prompts, each one's nearest neighbour is looked for
SOME_QUERIES = 2000  # beyond, that of so many
NEAR = (0.9, 0.95)  # cosines from which prompts count as near-duplicates
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class SheetImage:
    """One picture of the contact sheet. `problem` says why it cannot be read, None where it can."""

    file: ImageFile
    prompt: str
    problem: str | None


@dataclass(frozen=True, eq=False)
class Description:
    """All that the page about a data set shows.

    `images` is how many there are, `distinct` how many different prompts they have, `most_repeated` how many
    images share the prompt that most do, `empty` how many have none. `constant` is the mean cosine of the
    best constant vector. `constant` and `neighbours` are None where there are no embeddings, `neighbours`
    also where there is a single prompt. `facts` are label -> text, `notes` sentences not to be missed.
    """

    name: str
    images: int
    distinct: int
    most_repeated: int
    empty: int
    pictures: PictureCheck
    wording: Wording
    constant: float | None
    neighbours: Neighbours | None
    sheet: tuple[SheetImage, ...]
    facts: Mapping[str, str]
    notes: tuple[str, ...]

    def numbers(self) -> dict[str, Any]:
        """What `--json` prints."""
        near = self.neighbours
        return {
            "images": self.images,
            "distinct_prompts": self.distinct,
            "most_repeated_prompt": self.most_repeated,
            "empty_prompts": self.empty,
            "opened": self.pictures.opened,
            "unreadable": len(self.pictures.problems),
            "sizes": {f"{width}x{height}": count for (width, height), count in self.pictures.sizes},
            "lengths": {
                lengths.unit: {
                    "median": lengths.median,
                    "p95": lengths.p95,
                    "max": lengths.longest,
                    **({} if lengths.limit is None else {f"over_{lengths.limit}": lengths.over_limit}),
                }
                for lengths in self.wording.lengths
            },
            "vocabulary": self.wording.vocabulary,
            "words": {word.text: round(word.share, 6) for word in self.wording.words},
            "openings": {opening.text: round(opening.share, 6) for opening in self.wording.openings},
            "constant": None if self.constant is None else round(self.constant, 6),
            "nearest_neighbours": near
            and {
                "prompts": len(near.cosines),
                "among": near.total,
                "quantiles": {str(share): round(near.quantile(share), 6) for share in QUANTILES},
                "at_least": {str(cosine): near.at_least(cosine) for cosine in NEAR},
            },
        }

    def lines(self) -> list[str]:
        """The most important numbers in lines for people."""
        near = self.neighbours
        lines = [f"images      {self.images:,} with {counted(self.distinct, 'different prompt')}"]
        lines += [
            f"{lengths.unit:<11} median {lengths.median:,}, 95% have at most {lengths.p95:,}, "
            f"the longest {lengths.longest:,}"
            for lengths in self.wording.lengths
        ]
        if self.constant is not None:
            lines.append(f"constant    {self.constant:.4f} is what one vector for all images scores")
        if near:
            close = near.at_least(NEAR[-1])
            lines.append(
                f"neighbours  {part_of(close, len(near.cosines), 'prompt')} {agreed(close, 'have')} one "
                f"at cosine {NEAR[-1]} or nearer"
            )
        return lines


def describe_dataset(dataset: Dataset, config: DescribeConfig | None = None) -> Description:
    """Look at a data set: pictures, prompts, embeddings. An unreadable picture is listed, never raised.

    Embeddings that the data set lacks are computed, where all-MiniLM-L6-v2 and what loads it are
    there; else `notes` says that they are missing. Raises InputError for an embedding without a direction.
    """
    config = config or DescribeConfig()
    texts = dataset.prompts.texts
    times_by_text = Counter(texts)
    provenance = read_provenance(dataset)
    notes = list(provenance.notes)

    sheet = sample_rows(len(dataset), config.images, "sheet")
    opened = sorted({*sheet, *sample_rows(len(dataset), config.checked, "checked")})
    pictures = check_pictures([dataset.images[row] for row in opened], core_count())
    problem_by_id = {problem.image_id: problem.problem for problem in pictures.problems}

    wording = study_wording(texts)
    empty = sum(not text.strip() for text in texts)
    if empty:
        notes.append(f"{part_of(empty, len(texts), 'prompt')} {agreed(empty, 'are')} empty.")

    constant, neighbours, source = None, None, "none"
    try:
        vectors = dataset.embeddings.vectors if dataset.embeddings else embed_prompts(texts, config.device)
    except CheckpointError as error:
        notes.append(f"The data set has no embeddings, and they could not be computed here: {error}.")
    else:
        source = "in the data set" if dataset.embeddings else "computed for this page, the data set has none"
        constant = constant_score(vectors)
        neighbours = study_distinct(texts, vectors, ALL_QUERIES, SOME_QUERIES)
    return Description(
        name=dataset.path.resolve().name,
        images=len(dataset),
        distinct=len(times_by_text),
        most_repeated=max(times_by_text.values()),
        empty=empty,
        pictures=pictures,
        wording=wording,
        constant=constant,
        neighbours=neighbours,
        sheet=tuple(
            SheetImage(dataset.images[row], texts[row], problem_by_id.get(dataset.images[row].image_id))
            for row in sheet
        ),
        facts={**provenance.facts, "Embeddings": source, "unprompt": __version__},
        notes=tuple(notes),
    )


def study_distinct(
    texts: Sequence[str],
    vectors: FloatArray,
    all_queries: int = ALL_QUERIES,
    some_queries: int = SOME_QUERIES,
) -> Neighbours | None:
    """The nearest neighbours among the different prompts; None where all are the same.

    Equal prompts are counted elsewhere. Here they would stand at cosine 1 and hide what is nearly equal.
    Where there are more than `all_queries`, the neighbours of `some_queries` are looked for.
    """
    rows = first_rows(texts)
    if len(rows) == 1:
        return None
    count = len(rows) if len(rows) <= all_queries else some_queries
    queries = sample_rows(len(rows), count, "neighbours")
    return study_neighbours([texts[row] for row in rows], vectors[rows], queries)


def sample_rows(total: int, count: int, purpose: str) -> list[int]:
    """Rows of a table of `total`: all up to `count`, else one of each of `count` equal stretches, seeded."""
    if total <= count:
        return list(range(total))
    rows = []
    for stretch in range(count):
        start, end = stretch * total // count, (stretch + 1) * total // count
        rows.append(start + derive_seed(SEED, purpose, start) % (end - start))
    return rows


def embed_prompts(texts: Sequence[str], device: str) -> FloatArray:
    """N prompts -> (N, 384) unit rows, each different one embedded once and kept in the user's cache.

    Raises CheckpointError where all-MiniLM-L6-v2 or what loads it is missing.
    """
    distinct = list(dict.fromkeys(texts))
    row_by_text = {text: row for row, text in enumerate(distinct)}
    encoder = PromptEncoder.load(choose_device(device))
    return encode_cached(encoder, distinct, "prompts")[[row_by_text[text] for text in texts]]
