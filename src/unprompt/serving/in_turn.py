"""A loaded bundle whose networks work by turns: what a long run asks with, so that others can ask between.

`take` is given each forward pass and each guess as a call, does it when its turn has come, and may refuse it
by raising.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from unprompt.bundle.loaded import LoadedBundle

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

    from unprompt.ensemble.members import Guess, Member
    from unprompt.networks.pipeline import Backbone

Take = Callable[[Callable[[], Any]], Any]


@dataclass(frozen=True, eq=False)
class BackboneInTurn:
    """A backbone; images are prepared by whoever calls, since that touches nothing that is shared."""

    backbone: Backbone
    take: Take

    @property
    def name(self) -> str:
        """The backbone's own."""
        return self.backbone.name

    @property
    def batch(self) -> int:
        """The backbone's own."""
        return self.backbone.batch

    def prepare(self, image: Image.Image) -> NDArray[Any]:
        """One RGB image -> the array that `features` stacks."""
        return self.backbone.prepare(image)

    def features(self, prepared: Sequence[NDArray[Any]]) -> NDArray[Any]:
        """B prepared images -> B rows, in its turn."""
        rows: NDArray[Any] = self.take(partial(self.backbone.features, prepared))
        return rows


@dataclass(frozen=True, eq=False)
class MemberInTurn:
    """A member that looks and guesses in its turn."""

    member: Member
    take: Take

    @property
    def name(self) -> str:
        """The member's own."""
        return self.member.name

    @property
    def backbones(self) -> tuple[Backbone, ...]:
        """The member's own, in their turn."""
        return tuple(BackboneInTurn(backbone, self.take) for backbone in self.member.backbones)

    def guess(self, *seen: NDArray[Any]) -> Guess:
        """B rows from each backbone -> B guesses."""
        guesses: Guess = self.take(partial(self.member.guess, *seen))
        return guesses


def members_in_turn(loaded: LoadedBundle, take: Take) -> LoadedBundle:
    """The same bundle with the same networks; all that `predict` asks of its members goes through `take`."""
    members = [MemberInTurn(member, take) for member in loaded.members]
    return LoadedBundle(loaded.bundle, members, loaded.loader)
