"""How many cores making prompts may take while the pipeline's workers look at images.

On a CPU the pipeline gives every thread one core, the one that makes prompts too. That is right where
ranking takes little beside looking: classic, kaggle and fast. In best and negative a chain reads thousands of
candidates an image, longer than an image is looked at, so the workers soon wait with nothing to do.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from unprompt.interrogator.modes import Interrogator
from unprompt.networks.devices import core_count

CHAINS = ("best", "negative")


@contextmanager
def cores_for(interrogator: Interrogator) -> Iterator[None]:
    """Let torch use every core in this thread inside the block, where the mode makes chains."""
    import torch

    before = torch.get_num_threads()
    if interrogator.config.mode in CHAINS:
        torch.set_num_threads(core_count())
    try:
        yield
    finally:
        torch.set_num_threads(before)
