"""The member `interrogator`: caption and phrases made into a prompt, and the prompt's embedding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from unprompt.interrogator.clip import MODEL
from unprompt.interrogator.cores import cores_for
from unprompt.interrogator.modes import Interrogator, InterrogatorConfig
from unprompt.interrogator.vocabulary import NO_OWN_LISTS, OwnLists
from unprompt.members import Guess

if TYPE_CHECKING:
    from unprompt.embed import PromptEncoder
    from unprompt.interrogator.caption import Captioner
    from unprompt.interrogator.clip import Clip
    from unprompt.members import Backbone
    from unprompt.records import FloatArray


@dataclass(frozen=True)
class ClipConfig:
    """Which CLIP a member looks through. Its file is the member's checkpoint."""

    clip: str = MODEL  # open_clip's name of the model
    statistics: str = ""  # of the channels: half; "" for the model's own


@dataclass(frozen=True)
class CaptionerConfig:
    """Which captioner a member looks through."""

    captioner: str = ""  # folder or file; "" for the declared checkpoint
    vocabulary: str = ""  # folder with BERT's vocab.txt, for a .pth that has it not beside it


@dataclass(frozen=True)
class MemberConfig(InterrogatorConfig):
    """How the interrogator member makes its prompts."""

    mode: str = "kaggle"
    phrases: str = ""  # folder with lists of one's own


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
    ) -> None:
        """`lists`: the phrases of one's own that the interrogator was built with."""
        self.name = name
        self.clip = clip
        self.captioner = captioner
        self.lists = lists
        self.backbones: tuple[Backbone, ...] = (clip,) if captioner is None else (clip, captioner)
        self._interrogator = interrogator
        self._encoder = encoder

    def guess(self, features: FloatArray, captions: Sequence[str] | None = None) -> Guess:
        """(B, D) features and B captions -> B prompts, and their embeddings (B, 384)."""
        with cores_for(self._interrogator):
            found = self._interrogator.prompts(features, captions, measured=False)
        prompts = tuple(one.prompt for one in found)
        return Guess(self._encoder.encode(prompts), prompts)


def own_lists(folder: str | Path) -> OwnLists:
    """The lists of phrases in a folder; without one, none. Raises as `OwnLists.in_folder` does."""
    return OwnLists.in_folder(Path(folder)) if folder else NO_OWN_LISTS
