"""The setting of memory for images. Light to import, since the command line's options are these."""

from __future__ import annotations

from dataclasses import dataclass

from unprompt.settings import check_settings, setting


@dataclass(frozen=True)
class MemoryConfig:
    """How much memory images may take, of all threads of a process together."""

    memory: float | None = setting(
        None,
        "GB that images may take while they are decoded: large ones wait for each other",
        shown="a quarter of what is free",
        metavar="GB",
        above=0,
    )

    def __post_init__(self) -> None:
        check_settings(self)
