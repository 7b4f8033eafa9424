"""Settings of reading what stands in image files. Light to import: command lines' options are these."""

from __future__ import annotations

from dataclasses import dataclass

from unprompt.settings import check_settings, setting

SHOW, USE, OFF = "show", "use", "off"


@dataclass(frozen=True)
class InfoConfig:
    """Settings of `unprompt info`."""

    recursive: bool = setting(False, "look into nested folders too")
    workers: int | None = setting(None, "threads", shown="one for each core", least=1)

    def __post_init__(self) -> None:
        check_settings(self)
