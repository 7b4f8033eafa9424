"""The work of a run: members look at chunks of images and guess. It writes nothing, so anybody can do it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np

from unprompt.bundle.bundles import Bundle, load_members
from unprompt.crew.work import Place, Ready
from unprompt.ensemble.members import Member, distinct_backbones, guess_from
from unprompt.ensemble.prior import prior_embedding
from unprompt.networks.loader import Loader
from unprompt.networks.pipeline import Seen, gather, open_pipeline
from unprompt.runs.chunks import Chunk, Level
from unprompt.storage.images import ImageFile


@dataclass(frozen=True)
class Look:
    """Chunk `number` of a run's images, and how much of the bundle it gets; `alone`: one member's name."""

    number: int
    files: tuple[ImageFile, ...]
    level: Level
    alone: str | None = None


@dataclass(frozen=True, eq=False)
class Looked:
    """What came of it. `busy`: seconds by step. `steps`: for each member those that it needs."""

    chunk: Chunk
    busy: Mapping[str, float]
    steps: Mapping[str, set[str]]


@dataclass(frozen=True, eq=False)
class Looking:
    """The work: a bundle's members guess. `members`: those that are loaded already, if any are."""

    bundle: Bundle
    loader: Loader
    members: Sequence[Member] | None = None

    @property
    def wants_gpu(self) -> bool:
        """Where the bundle is loaded on one."""
        return self.loader.device.startswith("cuda")

    @contextmanager
    def open(self, place: Place) -> Iterator[Ready[Look, Looked]]:
        """Load the members. Raises what `load_members` raises."""
        members = self.members or load_members(self.bundle, self.loader)
        steps = {m.name: {m.name, *(backbone.name for backbone in m.backbones)} for m in members}
        with open_pipeline(place.cores, self.loader.device) as pipeline:

            def begin(look: Look) -> Callable[[], Looked]:
                active = [m for m in members if look.level is Level.FULL or m.name == look.alone]
                futures: list[Future[Seen]] = []
                if look.level is not Level.PRIOR:
                    futures = pipeline.submit(look.files, distinct_backbones(active))
                return partial(finish, look, futures)

            def finish(look: Look, futures: Sequence[Future[Seen]]) -> Looked:
                seen = gather(futures) if futures else None
                chunk, busy = _guess(len(look.files), look.level, look.alone, members, seen)
                return Looked(chunk, busy, steps)

            yield Ready(begin, ahead=1)


def _guess(
    count: int, level: Level, alone: str | None, members: Sequence[Member], seen: Seen | None
) -> tuple[Chunk, dict[str, float]]:
    """Let the members guess, and put the prior or a stand-in where one could not."""
    prior = prior_embedding()
    embeddings = {member.name: np.tile(prior, (count, 1)) for member in members}  # (count, 384) each
    prompts = [""] * count
    problems = [""] * count if seen is None else [problem or "" for problem in seen.problems]
    readable = [] if seen is None else [row for row, problem in enumerate(problems) if not problem]
    busy = {} if seen is None else dict(seen.seconds)
    if seen is not None and readable:
        for member in members:
            if level is Level.CHEAPEST and member.name != alone:
                continue
            start = time.perf_counter()
            guess = guess_from(member, seen.features)
            busy[member.name] = time.perf_counter() - start
            embeddings[member.name][readable] = guess.embeddings
            if guess.prompts is not None:
                for row, prompt in zip(readable, guess.prompts, strict=True):
                    prompts[row] = prompts[row] or prompt  # the first member that has one is believed
        if alone is not None:  # the one that guessed stands in for the others, so that blends stay complete
            embeddings = dict.fromkeys(embeddings, embeddings[alone])
    levels = np.full(count, level, dtype=np.int8)
    return Chunk(embeddings, tuple(prompts), tuple(problems), levels), busy
