"""Which crew a command's settings ask for."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

from unprompt.crew.here import Here
from unprompt.crew.ray_actors import join_ray
from unprompt.crew.work import Crew
from unprompt.storage.remote import AnyPath


def hire(
    cluster: str | None, cores: int | None, files: Sequence[AnyPath] = ()
) -> AbstractContextManager[Crew]:
    """This process, or with the `cluster` "ray" its actors, each with `cores`; None: all of a machine's.

    `files`: what the work is given, which every machine must see. Raises as `join_ray` does.
    """
    return join_ray(cores, files=files) if cluster else nullcontext(Here(cores))
