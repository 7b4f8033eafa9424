"""A readable prompt from an image's predicted place in MiniLM space.

The member `phrases` names what the classifier sees, adds the phrases of clip-interrogator's vocabulary that
lie nearest to the image's predicted embedding, and embeds the sentence it made.

A sentence names one to three of a thousand classes, and the classifier is seldom sure of them. So its
embedding is not taken at its word: like a class sentence in ConSE it moves the prior, by the share s(x) of
the probability that the named classes hold,

    e(x) = unit( m + g * s(x) * (embedding of the prompt - mean_c s_c) )

with m, g and s_c as in zeroshot.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from unprompt.ensemble.kinds import MemberKind, MemberSpec
from unprompt.ensemble.members import Guess, softmax
from unprompt.errors import ConfigError
from unprompt.interrogator.modes import Interrogation
from unprompt.interrogator.tables import Choice
from unprompt.interrogator.vocabulary import read_phrases
from unprompt.members.zeroshot import ConSE, check_gain, checkpoints
from unprompt.networks.imagenet import ImageNetClassifier, class_names
from unprompt.networks.loader import Loader
from unprompt.networks.minilm import PromptEncoder, encode_cached
from unprompt.records import unit_rows
from unprompt.settings import check_settings, setting
from unprompt.text.english import add_article, list_in_words
from unprompt.text.words import find_stems

if TYPE_CHECKING:
    from unprompt.records import FloatArray

DEFAULT_MEDIUM = "a photo"
SUBJECTS = 3  # at most this many things are named
SUBJECT_SHARE = 0.25  # a further subject must be this likely, relative to the first
SAME_THING = 0.35  # classes nearer than this (cosine of their offsets) are one thing: convertible, sports car
REDUNDANT = 0.6  # phrases nearer than this to a chosen one say it again: car, cars, car photography


@dataclass(frozen=True)
class PhrasesConfig:
    """Settings of the phrases member."""

    flavors: int = setting(
        6000, "how many of the flavors, which are sorted by how often people write them", least=1
    )
    count: int = setting(2, "flavors in a prompt", least=0)
    gain: float = setting(0.5, "as the zeroshot member's")
    least: float = setting(
        0.4, "cosine with the image's direction below which a phrase says too little of it"
    )

    def __post_init__(self) -> None:
        check_settings(self)
        check_gain(self.gain)
        if not -1 <= self.least <= 1:
            raise ConfigError(f"least is a cosine, between -1 and 1, got {self.least}")


@dataclass(frozen=True, eq=False)
class PhraseTable:
    """One kind of phrase: `texts` (P), `embeddings` (P, 384) unit rows, and their `directions`.

    A direction is an embedding less the table's mean, scaled to unit length: what sets a phrase apart from
    its kind. Nearest by direction finds "comic book panel" where nearest by embedding finds whichever
    phrase is most like all the others.
    """

    texts: tuple[str, ...]
    embeddings: FloatArray
    directions: FloatArray

    @classmethod
    def build(cls, encoder: PromptEncoder, kind: str, limit: int | None = None) -> PhraseTable:
        """Read and embed a list of clip-interrogator's, or its first `limit` phrases."""
        texts = read_phrases(kind)[:limit]
        embeddings = encode_cached(encoder, texts, kind)
        return cls(tuple(texts), embeddings, unit_rows(embeddings - embeddings.mean(axis=0)))

    def nearest(self, direction: FloatArray, count: int, least: float, said: str = "") -> list[str]:
        """Up to `count` phrases at cosine >= `least` from `direction` (384,), none of which repeats another.

        A phrase whose words are all in `said`, or in phrases already taken, adds nothing and is left out.
        """
        cosines = self.directions @ direction  # (P,)
        chosen: list[int] = []
        words = find_stems(said)
        for row in np.argsort(-cosines, kind="stable"):
            if len(chosen) == count or cosines[row] < least:
                break
            redundant = (
                bool(chosen) and float((self.embeddings[chosen] @ self.embeddings[row]).max()) > REDUNDANT
            )
            if redundant or find_stems(self.texts[row]) <= words:
                continue
            chosen.append(int(row))
            words |= find_stems(self.texts[row])
        return [self.texts[row] for row in chosen]


@dataclass(frozen=True)
class _Sentence:
    """A prompt and its phrases by kind."""

    prompt: str
    phrases: Mapping[str, Sequence[str]]

    def in_order(self) -> list[tuple[str, str]]:
        """Kinds and phrases, as they stand in the prompt."""
        named = [(kind, phrase) for kind, some in self.phrases.items() for phrase in some]
        return sorted(named, key=lambda pair: self.prompt.find(pair[1]))


def plain_sentence(subjects: Sequence[str]) -> str:
    """Names of things as one phrase: "a tabby cat and a cardigan"."""
    return list_in_words([add_article(name) for name in subjects])


class PhrasesMember:
    """The member `phrases`: a sentence from classes and vocabulary, and its embedding."""

    def __init__(
        self,
        name: str,
        backbone: ImageNetClassifier,
        conse: ConSE,
        encoder: PromptEncoder,
        config: PhrasesConfig,
    ) -> None:
        self.name = name
        self.backbones = (backbone,)
        self._conse = conse
        self._encoder = encoder
        self._config = config
        self._mediums = PhraseTable.build(encoder, "mediums")
        self._movements = PhraseTable.build(encoder, "movements")
        self._flavors = PhraseTable.build(encoder, "flavors", config.flavors)

    def interrogate(self, features: FloatArray) -> list[Interrogation]:
        """(B, 1000) logits -> prompts with their phrases, the classes as the kind `subjects`.

        Similarities are cosines in MiniLM's space with the image's place there.
        """
        probabilities = softmax(features)
        places = self._conse.embeddings(probabilities)  # (B, 384)
        directions = unit_rows(self._conse.directions(probabilities))  # (B, 384)
        found = []
        for row, place, direction in zip(probabilities, places, directions, strict=True):
            sentence = self._compose(self.named_classes(row), direction)
            phrases = sentence.in_order()
            texts = [sentence.prompt, *(phrase for _, phrase in phrases)]
            whole, *each = (self._encoder.encode(texts) @ place).tolist()
            choices = (Choice(*phrase, cosine) for phrase, cosine in zip(phrases, each, strict=True))
            found.append(Interrogation(sentence.prompt, whole, tuple(choices)))
        return found

    def guess(self, features: FloatArray) -> Guess:
        """(B, 1000) logits -> prompts, and their embeddings."""
        probabilities = softmax(features)
        directions = unit_rows(self._conse.directions(probabilities))  # (B, 384)
        named = [self.named_classes(row) for row in probabilities]
        sentences = [self._compose(*row) for row in zip(named, directions, strict=True)]
        prompts = tuple(sentence.prompt for sentence in sentences)
        phrases = tuple(tuple(phrase for _, phrase in sentence.in_order()) for sentence in sentences)
        shares = np.array([row[classes].sum() for row, classes in zip(probabilities, named, strict=True)])
        differences = shares[:, None] * (self._encoder.encode(prompts) - self._conse.centre)
        return Guess(self._conse.moved(differences.astype(np.float32)), prompts, phrases)

    def _compose(self, classes: Sequence[int], direction: FloatArray) -> _Sentence:
        """One image's prompt: medium of subjects, flavors, movement."""
        names = class_names()
        subjects = [names[row] for row in classes]
        medium = self._mediums.nearest(direction, 1, self._config.least) or [DEFAULT_MEDIUM]
        head = f"{medium[0]} of {plain_sentence(subjects)}"
        flavors = self._flavors.nearest(direction, self._config.count, self._config.least, said=head)
        movement = self._movements.nearest(direction, 1, self._config.least, said=", ".join([head, *flavors]))
        return _Sentence(
            prompt=", ".join([head, *flavors, *movement]),
            phrases={"mediums": medium, "flavors": flavors, "movements": movement, "subjects": subjects},
        )

    def named_classes(self, probabilities: FloatArray) -> list[int]:
        """The likely classes to name, (1000,) -> 1 to 3 classes that mean different things."""
        offsets = self._conse.offsets
        order = np.argsort(-probabilities, kind="stable")[:10]
        chosen: list[int] = []
        for row in order:
            if len(chosen) == SUBJECTS or probabilities[row] < SUBJECT_SHARE * probabilities[order[0]]:
                break
            known = unit_rows(offsets[chosen]) @ unit_rows(offsets[[row]])[0] if chosen else np.zeros(1)
            if float(known.max()) < SAME_THING:
                chosen.append(int(row))
        return chosen


def build(loader: Loader, spec: MemberSpec) -> PhrasesMember:
    """The member of a table in a bundle."""
    config = spec.read(PhrasesConfig)
    return PhrasesMember(
        spec.name,
        loader.once(ImageNetClassifier.load, spec.checkpoint),
        ConSE.build(loader.encoder, config.gain),
        loader.encoder,
        config,
    )


KIND = MemberKind((PhrasesConfig,), build, checkpoints)
