"""Settings of a bank. Light to import: the command line's options are these."""

from __future__ import annotations

from dataclasses import dataclass

from unprompt.settings import CLUSTER, CLUSTERS, WORKERS, check_settings, setting


@dataclass(frozen=True)
class BankConfig:
    """Settings of `unprompt bank`.

    With a `limit`, images are drawn at random, but always the same, and a larger one has more of them.
    """

    limit: int = setting(0, "so many images at most", shown="all", least=0)
    workers: int | None = setting(None, WORKERS, shown="one for each core", least=1)
    cluster: str | None = setting(None, CLUSTER, choices=CLUSTERS)

    def __post_init__(self) -> None:
        check_settings(self)
