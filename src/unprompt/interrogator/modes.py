"""Ways to make a prompt of a caption and the phrases nearest to an image: clip-interrogator's modes.

classic   caption, medium, artist, site, movement, and a few flavors, each list's nearest
kaggle    classic without artist and site, which cost more similarity than they give
fast      caption and the nearest phrases of all lists together
best      caption and phrases chosen one by one so that the whole prompt comes nearer to the image; or the
          caption alone, or classic's or fast's prompt, where that is nearer still
negative  the same chain with the phrases farthest from the image, and no caption

The prompts are those of clip-interrogator 0.6.0 (github.com/pharmapsychotic/clip-interrogator, class
Interrogator) but for equals: where it iterates over a set, the better ranked phrase comes first here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING

from unprompt.errors import ConfigError
from unprompt.interrogator.config import InterrogatorConfig
from unprompt.interrogator.tables import Choice, Ranking, Table, build_tables
from unprompt.interrogator.vocabulary import NO_OWN_LISTS, OwnLists, read_vocabulary
from unprompt.text.english import counted, join_spaced_digits
from unprompt.text.words import find_stems

if TYPE_CHECKING:
    from torch import Tensor

    from unprompt.networks.text_tower import TextTower
    from unprompt.records import FloatArray

CLASSIC = ("mediums", "artists", "trendings", "movements", "flavors")  # the order in its prompts
COSINES = 1 << 24  # cosines of images with phrases that are kept at a time: 64 MiB


@dataclass(frozen=True)
class Interrogation:
    """What an image gave: the prompt, its similarity to the image, and its phrases in the prompt's order.

    Similarities are cosines of CLIP's features of text and image. The prompt's own is NaN where it was not
    asked for.
    """

    prompt: str
    similarity: float
    choices: tuple[Choice, ...]

    def spelled(self) -> Interrogation:
        """The same with the digits of its phrases joined, where a list has them apart."""
        prompt, end, choices = self.prompt, len(self.prompt), []
        for choice in reversed(
            self.choices
        ):  # "1 9 9 0" also stands within "1 9 9 0 s", so each at its place
            place = prompt.rindex(choice.phrase, 0, end)
            phrase = join_spaced_digits(choice.phrase)
            prompt = f"{prompt[:place]}{phrase}{prompt[place + len(choice.phrase) :]}"
            choices.append(replace(choice, phrase=phrase))
            end = place
        return Interrogation(prompt, self.similarity, tuple(reversed(choices)))

    def by_kind(self) -> dict[str, tuple[Choice, ...]]:
        """The phrases of each kind that the prompt has."""
        kinds = dict.fromkeys(choice.kind for choice in self.choices)
        return {kind: tuple(choice for choice in self.choices if choice.kind == kind) for kind in kinds}


@dataclass(frozen=True)
class _Draft:
    """A prompt in the making; the text of each choice ends at the position in `ends`."""

    text: str
    choices: tuple[Choice, ...] = ()
    ends: tuple[int, ...] = ()

    def plus(self, choice: Choice, separator: str = ", ") -> _Draft:
        text = f"{self.text}{separator}{choice.phrase}"
        return _Draft(text, (*self.choices, choice), (*self.ends, len(text)))

    def cut(self, length: int) -> _Draft:
        """The first `length` characters and the choices that are whole in them."""
        kept = sum(end <= length for end in self.ends)
        return _Draft(self.text[:length], self.choices[:kept], self.ends[:kept])

    def finished(self, similarity: float) -> Interrogation:
        return Interrogation(self.text, similarity, self.choices)


class Interrogator:
    """Features of images, and captions -> prompts, by one CLIP and its tables of phrases.

    Raises ConfigError where a list that the mode needs has no table.
    """

    def __init__(
        self,
        tower: TextTower,
        tables: Mapping[str, Table],
        config: InterrogatorConfig,
        cosines: int = COSINES,
    ) -> None:
        """`cosines`: of images with phrases, how many are kept at a time."""
        missing = [kind for kind in config.kinds if kind not in tables]
        if missing:
            raise ConfigError(f"mode '{config.mode}' needs a table of {', '.join(missing)}")
        self.config = config
        self._tower = tower
        self._tables = [tables[kind] for kind in config.kinds]
        self._block = max(1, cosines // sum(len(table.phrases) for table in self._tables))

    @classmethod
    def build(
        cls,
        tower: TextTower,
        config: InterrogatorConfig,
        own: OwnLists = NO_OWN_LISTS,
        tables: Path | None = None,
    ) -> Interrogator:
        """Read the lists that the mode needs; their tables are in the folder `tables`, the cache, or made."""
        return cls(tower, build_tables(tower, read_vocabulary(config.kinds, own), tables), config)

    @property
    def needs_captions(self) -> bool:
        """Whether the mode begins its prompts with a caption."""
        return self.config.mode != "negative"

    def prompts(
        self,
        features: FloatArray,
        captions: Sequence[str] | None = None,
        measured: bool = True,
        each: int = 1,
    ) -> list[Interrogation]:
        """Interrogate B images by their CLIP features (B, D), unit rows, and captions (B; not for negative).

        Row i depends on image i alone, up to rounding. `each`: captions of an image, K; then captions and
        prompts are B x K, image by image, and phrases are ranked once an image. `measured`: whether each
        prompt's own similarity is wanted; in classic, kaggle and fast it takes the text tower once more, some
        tenths of an image's time.
        """
        import torch

        if self.needs_captions and (captions is None or len(captions) != len(features) * each):
            raise ValueError(
                f"mode '{self.config.mode}' takes {counted(each, 'caption')} for each of "
                f"{counted(len(features), 'image')}"
            )
        said = [str(caption) for caption in captions] if captions is not None else []
        images = torch.as_tensor(features, dtype=torch.float32, device=self._tables[0].features.device)
        done: list[Interrogation] = []
        for start in range(0, len(images), self._block):
            end = start + self._block
            ranking = Ranking.of(images[start:end], self._tables, each)
            done += self._interrogated(ranking, said[start * each : end * each], measured)
        return done if self.config.exact else [one.spelled() for one in done]

    def _interrogated(self, ranking: Ranking, captions: Sequence[str], measured: bool) -> list[Interrogation]:
        """The images of one ranking, by the mode."""
        mode = self.config.mode
        if mode == "negative":
            return self._negative(ranking)
        if mode == "best":
            return self._best(ranking, captions)
        drafts = self._fast(ranking, captions) if mode == "fast" else self._classic(ranking, captions)
        cosines = self._cosines(ranking.images, drafts) if measured else [math.nan] * len(drafts)
        return [draft.finished(cosine) for draft, cosine in zip(drafts, cosines, strict=True)]

    def _classic(self, ranking: Ranking, captions: Sequence[str]) -> list[_Draft]:
        kinds = [kind for kind in CLASSIC if kind in self.config.kinds]
        most = {kind: self.config.most if kind == "flavors" else 1 for kind in kinds}
        nearest = [self._nearest(ranking, most[kind], kind) for kind in kinds]
        drafts = []
        for caption, *found in zip(captions, *nearest, strict=True):
            draft = _Draft(caption)
            for kind, choices in zip(kinds, found, strict=True):
                for choice in self._new(choices, draft.text, most[kind]):
                    if kind == "mediums" and caption.startswith(choice.phrase):
                        draft = _Draft(caption, (choice,), (len(choice.phrase),))
                    else:
                        draft = draft.plus(choice, " " if kind == "artists" else ", ")
            drafts.append(self._cut_to_fit(draft))
        return drafts

    def _fast(self, ranking: Ranking, captions: Sequence[str]) -> list[_Draft]:
        drafts = []
        for caption, choices in zip(captions, self._nearest(ranking, self.config.most), strict=True):
            draft = _Draft(caption)
            for choice in self._new(choices, caption, self.config.most):
                draft = draft.plus(choice)
            drafts.append(self._cut_to_fit(draft))
        return drafts

    def _best(self, ranking: Ranking, captions: Sequence[str]) -> list[Interrogation]:
        """The nearest to each image of: its caption, classic's, fast's and the chain's prompt."""
        plain = [_Draft(caption) for caption in captions]
        ways = (plain, self._classic(ranking, captions), self._fast(ranking, captions))
        cosines = [self._cosines(ranking.images, drafts) for drafts in ways]
        candidates = ranking.nearest(self.config.intermediate, self.config.chunk)
        done = []
        for row, choices in enumerate(candidates):
            tried = [(drafts[row], values[row]) for drafts, values in zip(ways, cosines, strict=True)]
            tried.append(self._chained(ranking.images[row], choices, *tried[0]))
            draft, cosine = max(tried, key=itemgetter(1))  # the first of equals
            done.append(draft.finished(cosine))
        return done

    def _negative(self, ranking: Ranking) -> list[Interrogation]:
        """Chains of the flavors farthest from each image and of all phrases of the list `negative`."""
        config = self.config
        everything = sum(len(table.phrases) for table in self._tables)
        limits = {"flavors": (config.intermediate, config.chunk), "negative": (everything, everything)}
        farthest = [ranking.nearest(*limits[kind], kind, reverse=True) for kind in config.kinds]
        done = []
        for image, *choices in zip(ranking.images, *farthest, strict=True):
            draft, cosine = self._chained(image, list(chain(*choices)), _Draft(""), 0.0, reverse=True)
            done.append(draft.finished(cosine))
        return done

    def _chained(
        self, image: Tensor, choices: Sequence[Choice], start: _Draft, cosine: float, reverse: bool = False
    ) -> tuple[_Draft, float]:
        """Add to `start` the phrase that brings the prompt nearest to the image (D,), and go on from there.

        Returns the nearest prompt on the way and its cosine; with `reverse`, the farthest. An empty `start`
        is replaced by the first phrase. The chain ends with a phrase, after the first `min_flavors`, that
        brings the prompt no nearer, with a full context, or with `most` phrases.
        """
        sign = -1 if reverse else 1
        once: dict[str, Choice] = {}
        for choice in choices:
            once.setdefault(choice.phrase, choice)
        left = list(once.values())
        if not start.text and left:
            first = max(left, key=lambda choice: sign * choice.similarity)
            left.remove(first)
            start, cosine = _Draft(first.phrase, (first,), (len(first.phrase),)), first.similarity
        # The reference starts with the cosine itself with `reverse` too, and compares its negative from then
        # on: only a prompt with a cosine below minus the first's is taken for farther.
        best, best_cosine, best_value = start, cosine, cosine
        current, current_value = start, cosine
        for step in range(self.config.most):
            if self._tower.is_full(current.text):  # what is added now is not read, so rounding would decide
                break
            if not self.config.repeats:
                said = find_stems(current.text)
                left = [choice for choice in left if not find_stems(choice.phrase) <= said]
            if not left:
                break
            rows = self._tower.continued(current.text, [choice.phrase for choice in left])  # (P, D)
            cosines = (rows @ image).cpu().numpy()  # (P,)
            row = int((sign * cosines).argmax())  # the first of equals, on every device
            cosine, value = float(cosines[row]), sign * float(cosines[row])
            longer = current.plus(left.pop(row))
            if value > best_value:
                best, best_cosine, best_value = longer, cosine, value
            if value <= current_value and step >= self.config.min_flavors:
                break
            current, current_value = longer, value
        return best, best_cosine

    def _nearest(self, ranking: Ranking, most: int, kind: str | None = None) -> Iterator[list[Choice]]:
        """As many phrases as `_new` may need to find `most`."""
        deeper = not self.config.repeats and most > 1
        found = ranking.nearest(self.config.intermediate if deeper else most, self.config.chunk, kind)
        return self._sure(ranking, found, kind) if self.config.sure else found

    def _sure(
        self, ranking: Ranking, found: Iterator[list[Choice]], kind: str | None
    ) -> Iterator[list[Choice]]:
        """Of each image's choices those that are probable enough among all phrases of their kind.

        The probabilities are the softmax of cosines at the temperature that the CLIP has learnt.
        """
        scale, least = self._tower.scale, math.log(self.config.sure)
        for choices, whole in zip(found, ranking.log_sums(scale, kind), strict=True):
            yield [choice for choice in choices if scale * choice.similarity - whole >= least]

    def _new(self, choices: Sequence[Choice], said: str, most: int) -> Sequence[Choice]:
        """The first `most` choices; where repeats are not wanted, of those that have a word of their own."""
        if self.config.repeats:
            return choices[:most]
        words = find_stems(said)
        new: list[Choice] = []
        for choice in choices:
            if len(new) < most and not find_stems(choice.phrase) <= words:
                new.append(choice)
                words |= find_stems(choice.phrase)
        return new

    def _cut_to_fit(self, draft: _Draft) -> _Draft:
        """The parts between commas that fit into CLIP's context, measured as the reference does.

        It measures each part without its comma, so the result may be cut by the tokenizer all the same.
        """
        kept, *parts = draft.text.split(", ")
        for part in parts:
            if self._tower.is_full(kept + part):
                break
            kept = f"{kept}, {part}"
        return draft.cut(len(kept))

    def _cosines(self, images: Tensor, drafts: Sequence[_Draft]) -> list[float]:
        """The cosine of each image with its own prompt."""
        rows = self._tower.encode([draft.text for draft in drafts])  # (B, D)
        cosines: list[float] = (rows * images).sum(dim=1).tolist()
        return cosines
