"""Images that are in memory, a few at a time, through a bundle that stays loaded: what demos and servers use.

Folders of images are predict.py's. Here nothing is written, and every question can be asked on its own:
the bundle's prompt and embedding, a caption, a prompt by another of the interrogator's modes, how near
phrases are to an image, which known prompts are near to an embedding.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from unprompt.bundle.bundles import Bundle, load_members, read_bundle
from unprompt.ensemble.blend import blend
from unprompt.ensemble.members import Guess, Member, distinct_backbones, guess_from
from unprompt.errors import ConfigError
from unprompt.interrogator.config import MODES, InterrogatorConfig
from unprompt.interrogator.modes import Interrogation, Interrogator
from unprompt.members.interrogator import InterrogatorMember
from unprompt.members.phrases import PhrasesMember, plain_sentence
from unprompt.members.retrieval import RetrievalMember
from unprompt.networks.devices import choose_device
from unprompt.networks.loader import Loader
from unprompt.networks.pipeline import Backbone
from unprompt.records import Embeddings, Prompts

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

    from unprompt.networks.captioner import Captioner
    from unprompt.networks.clip import Clip
    from unprompt.records import FloatArray

PHRASES = "phrases"  # the one mode of a bundle without a CLIP: what its member `phrases` says


@dataclass(frozen=True)
class Caption:
    """A sentence about an image, and who says it.

    `captioned`: whether `model` is a captioner. Where there is none, the sentence names the labels of a
    classifier, and whoever shows it should say so. `subjects`: these labels; empty for a captioner's.
    """

    text: str
    model: str
    captioned: bool
    subjects: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a bundle makes of one image: the blend's `embedding` (384,), the first prompt of a member's.

    `members`: each member's own embedding (384,). `prompts`: those of the members that make any.
    """

    prompt: str
    embedding: FloatArray
    members: Mapping[str, FloatArray]
    prompts: Mapping[str, str]


class LoadedBundle:
    """A loaded bundle. Several threads may ask at once; models work for one of them at a time."""

    def __init__(
        self, bundle: Bundle, members: Sequence[Member], loader: Loader, known: Prompts | None = None
    ) -> None:
        """`known`: prompts to look embeddings up in; without them, those of the bundle's bank."""
        self.bundle = bundle
        self.device = loader.device
        self._members = tuple(members)
        self._loader = loader
        self._given = known
        self._turn = threading.RLock()
        self._interrogators: dict[str, Interrogator] = {}
        self._compared: tuple[tuple[str, ...], FloatArray] | None = None

    @classmethod
    def load(cls, bundle: str, device: str = "auto", known: Prompts | None = None) -> LoadedBundle:
        """Load a bundle by its name or its file. Raises what `read_bundle` and `load_members` raise."""
        read = read_bundle(bundle)
        loader = Loader(choose_device(device))
        return cls(read, load_members(read, loader), loader, known)

    # --- what the bundle is for

    def predict(self, images: Sequence[Image.Image]) -> list[Prediction]:
        """B RGB images -> what members and the blend make of them. Prediction i depends on image i alone."""
        if not images:
            return []
        with self._turn:
            seen = {one.name: _features(one, images) for one in distinct_backbones(self._members)}
            guesses = {member.name: guess_from(member, seen) for member in self._members}
        ids = tuple(map(str, range(len(images))))
        weights = [member.weight for member in self.bundle.members]
        tables = [Embeddings(ids, guesses[member.name].embeddings) for member in self._members]
        blended = blend(tables, weights).vectors  # (B, 384)
        return [self._prediction(row, blended[row], guesses) for row in range(len(images))]

    def _prediction(self, row: int, embedding: FloatArray, guesses: Mapping[str, Guess]) -> Prediction:
        prompts = {name: one.prompts[row] for name, one in guesses.items() if one.prompts is not None}
        return Prediction(
            prompt=next(filter(None, prompts.values()), ""),
            embedding=embedding,
            members={name: one.embeddings[row] for name, one in guesses.items()},
            prompts=prompts,
        )

    def embed(self, texts: Sequence[str]) -> FloatArray:
        """N texts -> (N, 384) unit rows, by all-MiniLM-L6-v2."""
        with self._turn:
            return self._loader.encoder.encode(list(texts))

    # --- captions and prompts

    def caption(self, images: Sequence[Image.Image]) -> list[Caption]:
        """B RGB images -> what the captioner says, or the classifier where the bundle has no captioner.

        Raises ConfigError for a bundle that has neither.
        """
        if not images:
            return []
        with self._turn:
            if self._captioner is not None:
                model = self._captioner.title
                return [Caption(str(text), model, True) for text in _features(self._captioner, images)]
            speaker = self._phrases_member("captions")
            found = speaker.interrogate(_features(speaker.backbones[0], images))
            subjects = [tuple(choice.phrase for choice in one.by_kind().get("subjects", ())) for one in found]
            return [
                Caption(plain_sentence(names), speaker.backbones[0].title, False, names) for names in subjects
            ]

    @property
    def modes(self) -> tuple[str, ...]:
        """The modes that `interrogate` takes."""
        return MODES if self._clip is not None else (PHRASES,)

    def interrogate(
        self, images: Sequence[Image.Image], mode: str, captions: Sequence[str] | None = None
    ) -> list[Interrogation]:
        """B RGB images -> prompts with their phrases, by one of `modes`.

        `captions`: to begin the prompts with, in place of the captioner's. Raises ConfigError for a mode that
        the bundle does not have.
        """
        if mode not in self.modes:
            raise ConfigError(
                f"the bundle '{self.bundle.name}' has no mode '{mode}'; it has {', '.join(self.modes)}"
            )
        if not images:
            return []
        with self._turn:
            if self._clip is None:
                speaker = self._phrases_member("prompts")
                return speaker.interrogate(_features(speaker.backbones[0], images))
            interrogator = self._interrogator(mode)
            if interrogator.needs_captions and captions is None:
                captions = [caption.text for caption in self.caption(images)]
            return interrogator.prompts(
                _features(self._clip, images), captions if interrogator.needs_captions else None
            )

    def likeness(self, images: Sequence[Image.Image], texts: Sequence[str]) -> FloatArray:
        """Cosines (B, T) of B RGB images with T texts, in CLIP's space; without a CLIP, in MiniLM's.

        There the image stands where the blend places it.
        """
        if not images or not texts:
            return np.zeros((len(images), len(texts)), dtype=np.float32)
        with self._turn:
            if self._clip is not None:
                seen = _features(self._clip, images)  # (B, D)
            else:
                seen = np.stack([prediction.embedding for prediction in self.predict(images)])  # (B, 384)
            return np.asarray(seen @ self._rows_of(tuple(texts)).T, dtype=np.float32)

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
        for member in self._members:
            if isinstance(member, RetrievalMember):
                return member.bank.prompts, member.bank.embeddings.astype(np.float32)
        return (), np.zeros((0, 384), dtype=np.float32)

    # --- what it is made of

    @property
    def _speaking(self) -> InterrogatorMember | None:
        return next((one for one in self._members if isinstance(one, InterrogatorMember)), None)

    @property
    def _clip(self) -> Clip | None:
        return self._speaking.clip if self._speaking else None

    @property
    def _captioner(self) -> Captioner | None:
        return self._speaking.captioner if self._speaking else None

    def _phrases_member(self, what: str) -> PhrasesMember:
        for member in self._members:
            if isinstance(member, PhrasesMember):
                return member
        raise ConfigError(
            f"the bundle '{self.bundle.name}' has no member that makes {what}; "
            "choose one with an interrogator or phrases"
        )

    def _interrogator(self, mode: str) -> Interrogator:
        if mode not in self._interrogators:
            assert self._speaking is not None  # as there is a CLIP
            self._interrogators[mode] = Interrogator.build(
                self._speaking.clip.texts, InterrogatorConfig(mode=mode), self._speaking.lists
            )
        return self._interrogators[mode]


def _features(backbone: Backbone, images: Sequence[Image.Image]) -> NDArray[Any]:
    """What a backbone makes of B RGB images, in its batches."""
    step = backbone.batch
    return np.concatenate(
        [
            backbone.features([backbone.prepare(image) for image in images[start : start + step]])
            for start in range(0, len(images), step)
        ]
    )
