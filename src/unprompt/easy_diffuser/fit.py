"""`unprompt easy-diffuser fit`: images with prompts -> a relatedness, and its grade on held-out images."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from unprompt import __version__
from unprompt.bundle.loaded import LoadedBundle
from unprompt.datasets.dataset import read_what_is_there
from unprompt.datasets.seeds import derive_seed
from unprompt.datasets.split import random_order, split_rows
from unprompt.easy_diffuser.config import FitConfig
from unprompt.easy_diffuser.grading import Grade, grade
from unprompt.easy_diffuser.relatedness import Relatedness, best_threshold, check_both_kinds, fit_sigmoid
from unprompt.easy_diffuser.round_trips import RoundTrips, make_round_trips
from unprompt.easy_diffuser.space import space_of
from unprompt.easy_diffuser.tags import find_mentions, read_tags
from unprompt.progress import Progress, silent
from unprompt.records import Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from unprompt.datasets.dataset import Dataset
    from unprompt.records import FloatArray


@dataclass(frozen=True, eq=False)
class Fitted:
    """A relatedness, how it did on held-out images, and the images that could not be read."""

    relatedness: Relatedness
    grade: Grade
    problems: tuple[Problem, ...]


def fit(dataset: Path, config: FitConfig, progress: Progress = silent) -> Fitted:
    """Look at a data set's images, fit on one part of them, and grade on the rest.

    Near prompts stay on one side, so that no image is graded whose prompt was fitted on in other words. The
    same data set and settings give the same answer. `progress` is told the step, done and in all. Raises
    InputError for a data set that cannot be read or divided, or in which nothing can be learned.
    """
    data = read_what_is_there(dataset)
    tags = read_tags(config.tags)
    rows = draw_rows(len(data), config)
    prompts = data.prompts.at([data.prompts.ids[row] for row in rows])
    check_both_kinds(find_mentions(prompts.texts, tags))  # before the images are looked at, for minutes
    loaded = LoadedBundle.load(config.bundle, config.device)
    trips, problems = make_round_trips(
        [data.images[row] for row in rows],
        prompts,
        tags,
        loaded,
        progress,
    )
    vectors = embeddings_of(data, trips.ids, loaded)
    sides = split_rows(vectors, config.held_out, config.group_cosine, config.seed, loaded.device)
    learn, test = trips.at(sides.train), trips.at(sides.validation)
    relatedness = learn_relatedness(learn, tags, loaded.bundle.name, space_of(loaded))
    facts = {"data": dataset.resolve().name, **relatedness.fitted_on}
    graded = grade(relatedness, test)
    return Fitted(replace(relatedness, fitted_on=facts, held_out=asdict(graded)), graded, problems)


def draw_rows(count: int, config: FitConfig) -> Sequence[int]:
    """The rows of a data set that are looked at, sorted: all, or `limit` drawn by the seed."""
    if not config.limit or config.limit >= count:
        return range(count)
    order = random_order(count, derive_seed(config.seed, "easy diffuser"))
    rows: list[int] = np.sort(order[: config.limit]).tolist()
    return rows


def embeddings_of(data: Dataset, ids: Sequence[str], loaded: LoadedBundle) -> FloatArray:
    """The prompts' embeddings (N, 384), unit rows: the data set's own, or made now."""
    if data.embeddings is not None:
        return data.embeddings.at(ids).unit().vectors
    return loaded.embed(data.prompts.at(ids).texts)


def learn_relatedness(
    trips: RoundTrips, tags: Sequence[str], bundle: str, space: Sequence[float]
) -> Relatedness:
    """Fit sigmoid and threshold on round trips. Raises InputError where nothing can be learned."""
    a, b = fit_sigmoid(trips.cosines.ravel(), trips.there.ravel())
    fitted = Relatedness(
        a=a,
        b=b,
        threshold=0.5,
        bundle=bundle,
        space=tuple(space),
        tags=tuple(tags),
        fitted_on={
            "unprompt": __version__,
            "images": len(trips.ids),
            "pairs": trips.there.size,
            "in_prompt": int(trips.there.sum()),
        },
    )
    threshold = best_threshold(fitted.of(trips.cosines).ravel(), trips.there.ravel())
    return replace(fitted, threshold=threshold)
