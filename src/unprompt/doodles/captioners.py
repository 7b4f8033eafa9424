"""Captioners of drawings: strokes in, a sentence and its facts out, whatever is inside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from unprompt.doodles.facts import SceneFacts, say_facts
from unprompt.doodles.group_config import CaptionConfig, GroupConfig
from unprompt.errors import CheckpointError
from unprompt.networks.weight_files import WeightsForm
from unprompt.text.english import counted

if TYPE_CHECKING:
    from unprompt.doodles.drawing import Drawing
    from unprompt.doodles.group_network import GroupNetwork
    from unprompt.doodles.groups import Group
    from unprompt.doodles.name import Names

FORM = WeightsForm("captioner of drawings", "unprompt-doodle-captioner", 2, "unprompt doodle train")
SHIPPED = "doodle_captioner"
NOTHING = "an empty sheet"


@dataclass(frozen=True)
class Caption:
    """A sentence about a drawing; `sure`: how probable its least sure noun is, 0 to 1."""

    text: str
    facts: SceneFacts
    sure: float


class Captioner(Protocol):
    """What writes captions."""

    def caption(self, drawings: Sequence[Drawing]) -> list[Caption]:
        """One for each drawing; an empty sheet has one too."""


def captioned(facts: SceneFacts, sure: float) -> Caption:
    """The caption that says these facts."""
    return Caption(say_facts(facts) or NOTHING, facts, sure)


def read_group_network(path: Path | None = None) -> GroupNetwork:
    """A captioner's network in evaluation mode; None: the package's own. Raises CheckpointError."""
    from unprompt.doodles.group_network import GroupNetwork
    from unprompt.networks.shipped import shipped_file

    return FORM.read(path or shipped_file(SHIPPED), GroupConfig, GroupNetwork)[1]


class GroupCaptioner:
    """Groups strokes into things, has them named, and names them again in their context."""

    def __init__(self, network: GroupNetwork, namer: Names, sure: float = CaptionConfig.sure) -> None:
        """Raises CheckpointError where the namer has other words than the captioner was taught with."""
        own, known = set(network.config.words), set(namer.words)
        if own != known:
            raise CheckpointError(
                f"this captioner was taught with {counted(len(own), 'word')} and the namer has "
                f"{counted(len(known), 'word')}, {len(own & known)} of them the same; give the namer that it "
                "was taught with, with --namer"
            )
        self._network = network.eval()
        self._namer = namer
        self._sure = sure

    @classmethod
    def load(cls, config: CaptionConfig | None = None, device: str = "cpu") -> GroupCaptioner:
        """The captioner and the namer of a config, by default the package's own.

        Raises CheckpointError, also where the two do not belong together.
        """
        from unprompt.doodles.name import Namer

        config = config or CaptionConfig()
        network = read_group_network(config.weights).to(device)
        namer = Namer.load(config.namer, device)
        return cls(network, namer, config.sure)

    def group(self, drawings: Sequence[Drawing]) -> list[list[Group]]:
        """The things of each drawing, as groups of its strokes; none for an empty sheet."""
        from unprompt.doodles.groups import group_strokes

        return group_strokes(self._network, drawings, self._namer)

    def caption(self, drawings: Sequence[Drawing], words: Sequence[Mapping[int, str]] = ()) -> list[Caption]:
        """One for each drawing.

        `words`: for each drawing what its things are, by the number of one of their strokes, as somebody
        says.
        """
        import numpy as np

        from unprompt.doodles.drawing import take
        from unprompt.doodles.groups import facts_of, name_groups, renamed

        groups = self.group(drawings)
        parts = [
            take(one, group.strokes) for one, those in zip(drawings, groups, strict=True) for group in those
        ]
        named_in = list(self._namer.words)
        order = [named_in.index(word) for word in self._network.config.words]
        answers = self._namer.probabilities(parts)[:, order]
        found, first = [], 0
        for drawing, those, known in zip(drawings, groups, words or [{}] * len(drawings), strict=True):
            if not those:
                found.append(captioned(SceneFacts(()), 1.0))
                continue
            some = np.ascontiguousarray(answers[first : first + len(those)])
            first += len(those)
            named = renamed(name_groups(self._network, drawing, those, some, self._sure), those, known)
            found.append(captioned(facts_of(named, those), min(named.sure)))
        return found


class TemplateCaptioner:
    """The plain way, with nothing learnt: connected strokes, the namer's first word for each."""

    def __init__(self, namer: Names) -> None:
        self._namer = namer

    def caption(self, drawings: Sequence[Drawing]) -> list[Caption]:
        """One for each drawing."""
        from unprompt.doodles.drawing import take
        from unprompt.doodles.groups import connected_groups, facts_of, name_alone

        found = []
        for drawing in drawings:
            groups = connected_groups(drawing)
            if not groups:
                found.append(captioned(SceneFacts(()), 1.0))
                continue
            answers = self._namer.probabilities([take(drawing, group.strokes) for group in groups])
            named = name_alone(groups, answers, self._namer.words)
            found.append(captioned(facts_of(named, groups), min(named.sure)))
        return found
