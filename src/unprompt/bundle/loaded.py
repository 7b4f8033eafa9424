"""A bundle that stays loaded, asked about images by a program: what demos, servers and people's scripts use.

Folders of images are predict.py's. Here nothing is written, and every question can be asked on its own:
the bundle's prompt and embedding, a caption, a prompt by another of the interrogator's modes, how near
phrases are to an image, which known prompts are near to an embedding.

An image is whatever `storage.images.image_of` takes: a path, a file's bytes, Pillow's image, an array. One
image gives one answer, a list a list of them. Of a long list one image is decoded at a time, and the models
are free for other threads after every `CHUNK` of them. UnreadableImageError says which image it is about.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar, overload

import numpy as np

from unprompt.bundle.bundles import Bundle, load_members, read_bundle
from unprompt.ensemble.blend import blend
from unprompt.ensemble.members import Guess, Member, distinct_backbones, guess_from
from unprompt.errors import ConfigError, UnreadableImageError
from unprompt.interrogator.config import MODES
from unprompt.interrogator.modes import Interrogation, Interrogator
from unprompt.members.interrogator import InterrogatorMember
from unprompt.members.phrases import PhrasesMember
from unprompt.members.retrieval import RetrievalMember
from unprompt.networks.devices import choose_device
from unprompt.networks.loader import Loader
from unprompt.networks.pipeline import NOT_FINITE, Backbone, Fits, finite_rows, look_through
from unprompt.records import Embeddings, Prompts, first_rows
from unprompt.storage.images import image_of, images_of_rows, is_one_image
from unprompt.text.english import counted

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

    from unprompt.networks.captioners import Captioner
    from unprompt.networks.clip import Clip
    from unprompt.records import FloatArray
    from unprompt.storage.images import AnyImage

Answer = TypeVar("Answer")

CHUNK = 64  # images of a list between two turns; batches of all our backbones end with it
PHRASES = "phrases"  # the one mode of a bundle without a CLIP: what its member `phrases` says
UNCAPTIONED = (PHRASES, "negative")  # modes whose prompts begin with no caption


@dataclass(frozen=True)
class Caption:
    """A sentence about an image, and who says it.

    `captioned`: whether `model` is a captioner. Where there is none, the sentence names what a classifier and
    a detector found, and whoever shows it should say so.
    """

    text: str
    model: str
    captioned: bool


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a bundle makes of one image: the blend's `embedding` (384,), the first prompt of a member's.

    `phrases`: those that this prompt is made of, in its order; () where its member makes it of none.
    `members`: each member's own embedding (384,). `prompts`: those of the members that make any.
    """

    prompt: str
    embedding: FloatArray
    phrases: tuple[str, ...]
    members: Mapping[str, FloatArray]
    prompts: Mapping[str, str]


class _NotFiniteError(Exception):
    """What a model made of the image number `row` of a chunk is not finite."""

    def __init__(self, row: int) -> None:
        super().__init__(row)
        self.row = row


@contextmanager
def _named(start: int, images: int) -> Iterator[None]:
    """Name the image of a _NotFiniteError, from a chunk that begins with the image `start` of so many."""
    try:
        yield
    except _NotFiniteError as error:
        place = f"images[{start + error.row}]: " if images > 1 else ""
        raise UnreadableImageError(f"{place}{NOT_FINITE}") from None


class LoadedBundle:
    """A loaded bundle. Several threads may ask at once; models work for one of them at a time."""

    def __init__(
        self, bundle: Bundle, members: Sequence[Member], loader: Loader, known: Prompts | None = None
    ) -> None:
        """`known`: prompts to look embeddings up in; without them, those of the bundle's bank."""
        self.bundle = bundle
        self.device = loader.device
        self.members = tuple(members)
        self.loader = loader
        self._given = known
        self._turn = threading.RLock()
        self._interrogators: dict[str, Interrogator] = {}
        self._compared: tuple[tuple[str, ...], FloatArray] | None = None
        self._fits = Fits()

    @classmethod
    def load(cls, bundle: str, device: str = "auto", known: Prompts | None = None) -> LoadedBundle:
        """Load a bundle by its name or its file. Raises what `read_bundle` and `load_members` raise."""
        read = read_bundle(bundle)
        loader = Loader(choose_device(device))
        return cls(read, load_members(read, loader), loader, known)

    # --- what the bundle is for

    @overload
    def predict(self, images: AnyImage) -> Prediction: ...  # type: ignore[overload-overlap]
    @overload
    def predict(self, images: Sequence[AnyImage]) -> list[Prediction]: ...
    def predict(self, images: AnyImage | Sequence[AnyImage]) -> Prediction | list[Prediction]:
        """Images -> what members and the blend make of them. Prediction i depends on image i alone."""
        return self._answers(images, self._predicted)

    def _predicted(self, images: Iterator[Image.Image]) -> list[Prediction]:
        seen = self._look(images, distinct_backbones(self.members))
        with self._turn:
            guesses = {member.name: guess_from(member, seen) for member in self.members}
        count = len(next(iter(seen.values())))
        ids = tuple(map(str, range(count)))
        weights = [member.weight for member in self.bundle.members]
        tables = [Embeddings(ids, guesses[member.name].embeddings) for member in self.members]
        blended = blend(tables, weights).vectors  # (B, 384)
        return [self._prediction(row, blended[row], guesses) for row in range(count)]

    def _prediction(self, row: int, embedding: FloatArray, guesses: Mapping[str, Guess]) -> Prediction:
        prompts = {name: one.prompts[row] for name, one in guesses.items() if one.prompts is not None}
        speaker = next((name for name, prompt in prompts.items() if prompt), None)
        phrases = guesses[speaker].phrases if speaker is not None else None
        return Prediction(
            prompt=prompts[speaker] if speaker is not None else "",
            embedding=embedding,
            phrases=phrases[row] if phrases is not None else (),
            members={name: one.embeddings[row] for name, one in guesses.items()},
            prompts=prompts,
        )

    def embed(self, texts: str | Sequence[str]) -> FloatArray:
        """N texts -> (N, 384) unit rows, one text -> (384,), by all-MiniLM-L6-v2."""
        with self._turn:
            rows = self.loader.encoder.encode([texts] if isinstance(texts, str) else list(texts))
        return rows[0] if isinstance(texts, str) else rows

    # --- captions and prompts

    @overload
    def caption(self, images: AnyImage) -> Caption: ...  # type: ignore[overload-overlap]
    @overload
    def caption(self, images: Sequence[AnyImage]) -> list[Caption]: ...
    def caption(self, images: AnyImage | Sequence[AnyImage]) -> Caption | list[Caption]:
        """Images -> what the captioner says, or the classifier where the bundle has no captioner.

        Raises ConfigError for a bundle that has neither.
        """
        return self._answers(images, lambda some: self._captions(self._look(some, self._describers)))

    @property
    def _describers(self) -> Sequence[Backbone]:
        """What captions are made through."""
        return [self._captioner] if self._captioner else self._phrases_member("captions").backbones

    def _captions(self, seen: Mapping[str, NDArray[Any]]) -> list[Caption]:
        """Captions from what the describers saw."""
        said = [seen[backbone.name] for backbone in self._describers]
        if self._captioner is not None:
            return [Caption(str(text), self._captioner.title, True) for text in said[0]]
        speaker = self._phrases_member("captions")
        with self._turn:
            told = speaker.interrogate(*said)
        return [Caption(one.prompt, speaker.title, False) for one in told]

    @property
    def modes(self) -> tuple[str, ...]:
        """The modes that `interrogate` takes."""
        return MODES if self._clip is not None else (PHRASES,)

    @overload
    def interrogate(  # type: ignore[overload-overlap]
        self, images: AnyImage, mode: str | None = None, captions: str | None = None
    ) -> Interrogation: ...
    @overload
    def interrogate(
        self, images: Sequence[AnyImage], mode: str | None = None, captions: Sequence[str] | None = None
    ) -> list[Interrogation]: ...
    def interrogate(
        self,
        images: AnyImage | Sequence[AnyImage],
        mode: str | None = None,
        captions: str | Sequence[str] | None = None,
    ) -> Interrogation | list[Interrogation]:
        """Images -> prompts with their phrases, by one of `modes`; None: the first of them.

        `captions`: one an image, to begin the prompts with, in place of the captioner's. Raises ConfigError
        for a mode that the bundle does not have, and for captions that are not as many as the images or that
        the mode has no use for (phrases, negative).
        """
        mode = self.modes[0] if mode is None else mode
        if mode not in self.modes:
            raise ConfigError(
                f"the bundle '{self.bundle.name}' has no mode '{mode}'; it has {', '.join(self.modes)}"
            )
        said = None
        if captions is not None:
            if mode in UNCAPTIONED:
                raise ConfigError(f"the mode {mode} takes no captions; leave them out")
            texts = [captions] if isinstance(captions, str) else list(captions)
            wanted = 1 if is_one_image(images) else len(images)
            if len(texts) != wanted:
                raise ConfigError(
                    f"{counted(len(texts), 'caption')} for {counted(wanted, 'image')}; give one for each"
                )
            said = iter(texts)
        return self._answers(images, lambda some: self._interrogated(some, mode, said))

    def _interrogated(
        self, images: Iterator[Image.Image], mode: str, said: Iterator[str] | None
    ) -> list[Interrogation]:
        if self._clip is None:
            speaker = self._phrases_member("prompts")
            looked = self._look(images, speaker.backbones)
            with self._turn:
                return speaker.interrogate(*(looked[backbone.name] for backbone in speaker.backbones))
        with self._turn:
            interrogator = self._interrogator(mode)
        to_caption = interrogator.needs_captions and said is None
        seen = self._look(images, [self._clip, *self._describers] if to_caption else [self._clip])
        features = seen[self._clip.name]  # (B, D)
        captions = None
        if to_caption:
            captions = [caption.text for caption in self._captions(seen)]
        elif interrogator.needs_captions and said is not None:
            captions = list(islice(said, len(features)))
        with self._turn:
            return interrogator.prompts(features, captions)

    # --- comparisons

    @overload
    def similar(self, texts: str, images: AnyImage) -> float: ...  # type: ignore[overload-overlap]
    @overload
    def similar(self, texts: str | Sequence[str], images: AnyImage | Sequence[AnyImage]) -> FloatArray: ...
    def similar(
        self, texts: str | Sequence[str], images: AnyImage | Sequence[AnyImage]
    ) -> float | FloatArray:
        """How near texts are to images: cosines as `likeness` gives them, texts first.

        Shapes: T texts and B images give (T, B), T texts and one image (T,), one text and B images (B,),
        one text and one image a number.
        """
        cosines = self.likeness(
            [images] if is_one_image(images) else images, [texts] if isinstance(texts, str) else texts
        ).T  # (T, B)
        if isinstance(texts, str):
            return float(cosines[0, 0]) if is_one_image(images) else cosines[0]
        return cosines[:, 0] if is_one_image(images) else cosines

    def likeness(self, images: Sequence[AnyImage], texts: Sequence[str]) -> FloatArray:
        """Cosines (B, T) of B images with T texts, in CLIP's space; without a CLIP, in MiniLM's.

        There the image stands where the blend places it.
        """
        if not images or not texts:
            return np.zeros((len(images), len(texts)), dtype=np.float32)
        seen = np.asarray(self._answers(images, self._places))  # (B, D)
        with self._turn:
            return np.asarray(seen @ self._rows_of(tuple(texts)).T, dtype=np.float32)

    def _places(self, images: Iterator[Image.Image]) -> list[FloatArray]:
        """Where images stand in the space in which `likeness` compares, (D,) each."""
        if self._clip is not None:
            return list(self._look(images, [self._clip])[self._clip.name])
        return [prediction.embedding for prediction in self._predicted(images)]

    def _rows_of(self, texts: tuple[str, ...]) -> FloatArray:
        """T texts -> (T, D) unit rows where `likeness` compares; the last ones are kept, as lists repeat."""
        if self._compared is None or self._compared[0] != texts:
            if self._clip is not None:
                rows = self._clip.texts.encode(texts).cpu().numpy()
            else:
                rows = self.embed(texts)
            self._compared = (texts, rows)
        return self._compared[1]

    def known(self, embedding: FloatArray, count: int = 5) -> list[tuple[str, float]]:
        """The known prompts nearest to an embedding (384,), and their similarities; [] without a bank."""
        prompts, rows = self._known
        cosines = rows @ embedding  # (N,)
        nearest = np.argsort(-cosines, kind="stable")[:count]
        return [(prompts[row], float(cosines[row])) for row in nearest]

    @cached_property
    def _known(self) -> tuple[tuple[str, ...], FloatArray]:
        """Known prompts, each once, and their embeddings (N, 384)."""
        if self._given is not None:
            texts = tuple(dict.fromkeys(self._given.texts))
            return texts, self.embed(texts)
        for member in self.members:
            if isinstance(member, RetrievalMember):
                rows = first_rows(member.bank.prompts)
                texts = tuple(member.bank.prompts[row] for row in rows)
                return texts, member.bank.embeddings[rows].astype(np.float32)
        return (), np.zeros((0, 384), dtype=np.float32)

    # --- how images are looked at

    def _answers(
        self,
        images: AnyImage | Sequence[AnyImage],
        answer: Callable[[Iterator[Image.Image]], list[Answer]],
    ) -> Answer | list[Answer]:
        """One image -> its answer; several -> the list of theirs, CHUNK after CHUNK."""
        if is_one_image(images):
            with _named(0, 1):
                return answer(iter([image_of(images)]))[0]
        rows = range(len(images))
        answers: list[Answer] = []
        for start in rows[::CHUNK]:
            with _named(start, len(rows)):
                answers += answer(images_of_rows(images, rows[start : start + CHUNK]))
        return answers

    def _look(self, images: Iterator[Image.Image], backbones: Sequence[Backbone]) -> dict[str, NDArray[Any]]:
        """What backbones make of B RGB images, in their batches, by their names.

        Raises _NotFiniteError where that is not finite, NoMemoryError as `look_through` does.
        """
        parts: dict[str, list[NDArray[Any]]] = {backbone.name: [] for backbone in backbones}
        step = max(backbone.batch for backbone in backbones)
        while batch := [[one.prepare(image) for one in backbones] for image in islice(images, step)]:
            for backbone, prepared in zip(backbones, zip(*batch, strict=True), strict=True):
                for start in range(0, len(prepared), backbone.batch):
                    some = prepared[start : start + backbone.batch]
                    with self._turn:
                        parts[backbone.name].append(look_through(backbone, some, self._fits))
        seen = {name: np.concatenate(some) for name, some in parts.items()}
        fine = np.logical_and.reduce([finite_rows(rows) for rows in seen.values()])  # (B,)
        if not fine.all():
            raise _NotFiniteError(int(fine.argmin()))
        return seen

    # --- what it is made of

    @property
    def _speaking(self) -> InterrogatorMember | None:
        return next((one for one in self.members if isinstance(one, InterrogatorMember)), None)

    @property
    def _clip(self) -> Clip | None:
        return self._speaking.clip if self._speaking else None

    @property
    def _captioner(self) -> Captioner | None:
        return self._speaking.captioner if self._speaking else None

    def _phrases_member(self, what: str) -> PhrasesMember:
        for member in self.members:
            if isinstance(member, PhrasesMember):
                return member
        raise ConfigError(
            f"the bundle '{self.bundle.name}' has no member that makes {what}; "
            "choose one with an interrogator or phrases"
        )

    def _interrogator(self, mode: str) -> Interrogator:
        """As the bundle has it, but for the mode; how many phrases another mode takes is its own."""
        speaking = self._speaking
        assert speaking is not None  # as there is a CLIP
        own = speaking.interrogator
        if mode == own.config.mode:
            return own
        if mode not in self._interrogators:
            config = replace(own.config, mode=mode, max_flavors=None)
            self._interrogators[mode] = Interrogator.build(
                speaking.clip.texts, config, speaking.lists, speaking.tables
            )
        return self._interrogators[mode]
