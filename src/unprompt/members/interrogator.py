"""The member `interrogator`: caption and phrases made into a prompt, and the prompt's embedding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from unprompt.ensemble.kinds import MemberKind, MemberSpec
from unprompt.ensemble.members import Guess
from unprompt.interrogator.config import InterrogatorConfig
from unprompt.interrogator.cores import cores_for
from unprompt.interrogator.modes import Interrogator
from unprompt.interrogator.vocabulary import NO_OWN_LISTS, OwnLists, own_lists
from unprompt.networks import captioner_files, clip, minilm
from unprompt.networks.captioner_config import CaptionerConfig
from unprompt.networks.captioners import Several, load_captioner_of
from unprompt.networks.clip import Clip
from unprompt.networks.clip_config import ClipConfig
from unprompt.networks.loader import Loader
from unprompt.records import DIM, unit_rows
from unprompt.settings import setting

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from unprompt.networks.captioners import Captioner
    from unprompt.networks.minilm import PromptEncoder
    from unprompt.networks.pipeline import Backbone
    from unprompt.records import FloatArray


@dataclass(frozen=True)
class MemberConfig(InterrogatorConfig):
    """How the interrogator member makes its prompts."""

    mode: str = "kaggle"
    phrases: str = ""  # folder with lists of one's own
    samples: int = setting(
        1,
        "captions an image, of whose prompts the mean is the embedding",
        least=1,
    )
    tables: str = ""  # folder with tables of the phrases' features, in place of the cache


class InterrogatorMember:
    """The member `interrogator`: one CLIP, its phrases, and a captioner, which the mode negative has not."""

    def __init__(
        self,
        name: str,
        clip: Clip,
        captioner: Captioner | None,
        interrogator: Interrogator,
        encoder: PromptEncoder,
        lists: OwnLists = NO_OWN_LISTS,
        samples: int = 1,
        tables: Path | None = None,
    ) -> None:
        """`lists`, `tables`: the phrases of one's own and the folder that the interrogator was built with.

        `samples`: captions an image.
        """
        self.name = name
        self.clip = clip
        self.captioner = captioner
        self.lists = lists
        speaker = Several(captioner, samples) if captioner and samples > 1 else captioner
        self.backbones: tuple[Backbone, ...] = (clip,) if speaker is None else (clip, speaker)
        self.tables = tables
        self.interrogator = interrogator
        self._encoder = encoder

    def guess(self, features: FloatArray, captions: Sequence[str] | NDArray[np.str_] | None = None) -> Guess:
        """(B, D) features and captions, (B,) or (B, 1 + K) -> B prompts and embeddings (B, 384).

        The prompt is that of an image's first caption, the likeliest, and the embedding is the prompt's.
        Where K more captions were drawn, it is the mean of those of their prompts: the expected embedding, as
        far as the captioner knows, which has the highest expected cosine of all vectors.
        """
        said = None if captions is None else np.asarray(captions)
        each = said.shape[1] if said is not None and said.ndim == 2 else 1
        with cores_for(self.interrogator):
            found = self.interrogator.prompts(
                features, None if said is None else said.ravel().tolist(), measured=False, each=each
            )
        counted = [one.prompt for row, one in enumerate(found) if each == 1 or row % each]
        embeddings = self._embedded(counted).reshape(len(features), -1, DIM).mean(1)
        likeliest = found[::each]
        phrases = tuple(tuple(choice.phrase for choice in one.choices) for one in likeliest)
        return Guess(unit_rows(embeddings), tuple(one.prompt for one in likeliest), phrases)

    def _embedded(self, prompts: Sequence[str]) -> FloatArray:
        """Each different prompt is embedded once."""
        different = {prompt: row for row, prompt in enumerate(dict.fromkeys(prompts))}
        return self._encoder.encode(list(different))[[different[prompt] for prompt in prompts]]


def build(loader: Loader, spec: MemberSpec) -> InterrogatorMember:
    """The member of a table in a bundle."""
    config = spec.read(MemberConfig)
    seen_by = clip_of(loader, spec)
    lists = own_lists(config.phrases)
    tables = Path(config.tables) if config.tables else None
    interrogator = Interrogator.build(seen_by.texts, config, lists, tables)
    captioner = None
    if interrogator.needs_captions:
        captioner = load_captioner_of(loader, spec.read(CaptionerConfig))
    return InterrogatorMember(
        spec.name, seen_by, captioner, interrogator, loader.encoder, lists, config.samples, tables
    )


def clip_of(loader: Loader, spec: MemberSpec) -> Clip:
    """The CLIP that a table names, shared by the members that name the same one."""
    which = spec.read(ClipConfig)
    return loader.once(Clip.load, which.clip, spec.checkpoint, which.statistics, which.pretrained)


def checkpoints(spec: MemberSpec) -> list[str]:
    """The declared checkpoints of what the table names no files of: CLIP, captioner, and MiniLM."""
    names = clip_checkpoints(spec)
    if spec.settings.get("mode") != "negative":
        captioner = Path(str(spec.settings.get("captioner") or captioner_files.CHECKPOINT))
        names += [captioner.name] if captioner_files.is_declared(captioner) else []
    return [*names, minilm.CHECKPOINT]


def clip_checkpoints(spec: MemberSpec) -> list[str]:
    """The declared checkpoint of the CLIP that a table names, if it names no file of it."""
    declared = clip.CHECKPOINTS.get(spec.read(ClipConfig).clip)
    return [declared] if declared and not spec.checkpoint else []


KIND = MemberKind(
    (MemberConfig, ClipConfig, CaptionerConfig),
    build,
    checkpoints,
    paths=("captioner", "phrases", "tables", "vocabulary"),
)
