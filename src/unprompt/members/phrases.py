"""A readable prompt of what the packaged networks see.

The member `phrases` makes every short sentence that what was found allows (its things, their numbers, where
they stand to one another), and says the one whose embedding is nearest to where the zeroshot member places
the image: the sentence of least expected loss, as far as that place is the mean of what the prompt may be
(minimum Bayes risk, after Kumar and Byrne 2004). Nothing is said that was not seen: no medium unless the
classifier sees a drawn one, no style, no artist. Where nothing is sure, the prompt says no more than that
there is a picture.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import TYPE_CHECKING

import numpy as np

from unprompt.ensemble.kinds import MemberKind, MemberSpec
from unprompt.ensemble.members import Guess, softmax
from unprompt.errors import ConfigError
from unprompt.interrogator.modes import Interrogation
from unprompt.interrogator.tables import Choice
from unprompt.members.sight import Box, Found, find_things, likeliest_thing
from unprompt.members.zeroshot import Projection, ZeroshotConfig, checkpoints
from unprompt.networks.detector import Detector
from unprompt.networks.imagenet import ImageNetClassifier
from unprompt.networks.loader import Loader
from unprompt.networks.minilm import PromptEncoder
from unprompt.networks.things import spoken_class_names, thing_names, thing_of_class
from unprompt.settings import check_settings, setting
from unprompt.text.english import add_article, list_in_words

if TYPE_CHECKING:
    from unprompt.records import FloatArray

SUBJECTS = "subjects"  # the kind of all its phrases
SURE = 0.5  # probability from which a class, or a thing by all its classes, is named
MOSTLY = (
    0.8  # share of its thing's probability from which a class stands for the thing: "a macaw", not "a bird"
)
LIKELY = 0.25  # the same for the likeliest class where nothing else is found
DRAWN = 0.4  # probability of the classes below together from which the picture is an illustration
DRAWN_CLASSES = (917, 921)  # comic book, dust jacket: what the classifier calls pictures that are drawn
REMEMBERED = 20_000  # sentences whose embeddings are kept: most images' are few and common


@dataclass(frozen=True)
class PhrasesConfig:
    """Settings of the phrases member."""

    least: float = setting(0.5, "probability from which what the detector finds is named")
    count: int = setting(3, "things that a prompt names at most", least=1)

    def __post_init__(self) -> None:
        check_settings(self)
        if not 0 < self.least <= 1:
            raise ConfigError(f"least is a probability, above 0 and at most 1, got {self.least}")


@dataclass(frozen=True)
class Subject:
    """Something to name: its words, and its box where the detector found it."""

    words: str
    box: Box | None = None


@dataclass(frozen=True)
class Sentence:
    """A prompt that may be said, and the words of the subjects that it names, in its order."""

    text: str
    named: tuple[str, ...] = ()


class PhrasesMember:
    """The member `phrases`: a sentence about what is seen, and its embedding."""

    title = "a classifier of 1,000 kinds of things and a detector of 80"

    def __init__(
        self,
        name: str,
        classifier: ImageNetClassifier,
        detector: Detector,
        projection: Projection,
        encoder: PromptEncoder,
        config: PhrasesConfig,
    ) -> None:
        self.name = name
        self.backbones = (classifier, detector)
        self._projection = projection
        self._encoder = encoder
        self._config = config
        self._remembered: dict[str, FloatArray] = {}

    def guess(self, logits: FloatArray, boxes: FloatArray) -> Guess:
        """(B, 1000) logits and (B, K, 6) boxes -> prompts, and their embeddings."""
        told = self.interrogate(logits, boxes)
        prompts = tuple(one.prompt for one in told)
        phrases = tuple(tuple(choice.phrase for choice in one.choices) for one in told)
        return Guess(self._embed(prompts), prompts, phrases)

    def interrogate(self, logits: FloatArray, boxes: FloatArray) -> list[Interrogation]:
        """(B, 1000) logits and (B, K, 6) boxes -> prompts with what they name, as the kind `subjects`.

        Similarities are cosines in MiniLM's space with the image's place there.
        """
        probabilities = softmax(logits)
        found = [find_things(*one) for one in zip(probabilities, boxes, strict=True)]
        places = self._projection.embeddings(probabilities, found)  # (B, 384)
        subjects = [self.subjects(*one) for one in zip(probabilities, found, strict=True)]
        drawn = probabilities[:, DRAWN_CLASSES].sum(axis=1) >= DRAWN
        sentences = [tuple(write_sentences(*one)) for one in zip(subjects, drawn.tolist(), strict=True)]
        self._embed(
            [one.text for some in sentences for one in some]
            + [one.words for some in subjects for one in some]
        )
        told = []
        for some, place in zip(sentences, places, strict=True):
            cosines = self._embed([one.text for one in some]) @ place
            best = int(np.round(cosines, 5).argmax())  # of equals the plainer, which comes first
            choices = tuple(
                Choice(SUBJECTS, words, float(self._embed([words])[0] @ place)) for words in some[best].named
            )
            told.append(Interrogation(some[best].text, float(cosines[best]), choices))
        return told

    def subjects(self, probabilities: FloatArray, found: Sequence[Found]) -> list[Subject]:
        """What to name: class probabilities (1000,) and the things found -> subjects, the surest first."""
        things, names = thing_names(), spoken_class_names()
        classes = probabilities.copy()
        classes[list(DRAWN_CLASSES)] = 0
        best = int(classes.argmax())
        own = thing_of_class().get(best)
        sure = float(classes[best]) > SURE
        if own is not None:
            sure &= float(classes[best]) >= MOSTLY * float(classes[list(things[own].classes)].sum())
        named = [one for one in found if one.probability >= self._config.least]
        subjects = [
            Subject(
                add_article(names[best])
                if sure and own == one.thing and one.count == 1
                else things[one.thing].counted(one.count),
                one.box,
            )
            for one in named
        ]
        known = {one.thing for one in named}
        likeliest, share = likeliest_thing(classes)
        if sure and own not in known:
            subjects.insert(0, Subject(add_article(names[best])))
        elif not sure and share >= SURE and likeliest not in known:
            subjects.insert(0, Subject(things[likeliest].counted(1)))
        elif not subjects and float(classes[best]) >= LIKELY:
            subjects.append(Subject(add_article(names[best])))
        return list({one.words: one for one in reversed(subjects)}.values())[::-1][: self._config.count]

    def _embed(self, texts: Sequence[str]) -> FloatArray:
        """Texts -> (N, 384) unit rows; those met before are not embedded again."""
        if len(self._remembered) > REMEMBERED:
            self._remembered.clear()
        new = [text for text in dict.fromkeys(texts) if text not in self._remembered]
        self._remembered.update(zip(new, self._encoder.encode(new), strict=True))
        return np.stack([self._remembered[text] for text in texts])


def write_sentences(subjects: Sequence[Subject], drawn: bool) -> Iterator[Sentence]:
    """The sentences that subjects allow, plain ones first; at least one."""
    if not subjects:
        yield Sentence("an illustration" if drawn else "a picture")
        return
    head = "an illustration of " if drawn else ""
    for one in subjects:
        yield Sentence(head + one.words, (one.words,))
    for pair in permutations(subjects, 2):
        first, second = (one.words for one in pair)
        for relation in relations(*(one.box for one in pair)):
            yield Sentence(f"{head}{first} {relation} {second}", (first, second))
    for three in permutations(subjects, 3):
        first, *others = words = tuple(one.words for one in three)
        yield Sentence(f"{head}{list_in_words(words)}", words)
        yield Sentence(f"{head}{first} with {list_in_words(others)}", words)


def relations(first: Box | None, second: Box | None) -> Iterator[str]:
    """How a thing at one place may be said to stand to a thing at another."""
    yield "and"
    yield "with"
    if first is None or second is None:
        return
    narrower = min(first.right - first.left, second.right - second.left)
    shared = min(first.right, second.right) - max(first.left, second.left)
    height = second.bottom - second.top
    if shared < 0.3 * narrower:
        yield "next to"
    elif (
        shared > 0.6 * narrower
        and second.top - 0.1 < first.bottom < second.bottom
        and (first.top + first.bottom) / 2 < (second.top + second.bottom) / 2 - 0.15 * height
    ):
        yield "on"


def build(loader: Loader, spec: MemberSpec) -> PhrasesMember:
    """The member of a table in a bundle."""
    return PhrasesMember(
        spec.name,
        loader.once(ImageNetClassifier.load, spec.checkpoint),
        loader.once(Detector.load),
        loader.once(Projection.load, loader.encoder, ZeroshotConfig().gain),
        loader.encoder,
        spec.read(PhrasesConfig),
    )


KIND = MemberKind((PhrasesConfig,), build, checkpoints)
