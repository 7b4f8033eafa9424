"""Settings of `unprompt predict`. Light to import, since the command line's options are these."""

from __future__ import annotations

from dataclasses import dataclass

from unprompt.bundle.config import DEFAULT_BUNDLE
from unprompt.errors import ConfigError
from unprompt.metadata.config import OFF, SHOW, USE
from unprompt.settings import CLUSTER, CLUSTERS, DEVICES, WORKERS, check_settings, setting


@dataclass(frozen=True)
class PredictConfig:
    """Settings of a run of `unprompt predict`."""

    bundle: str = setting(DEFAULT_BUNDLE, "shipped bundle or TOML file")
    recursive: bool = setting(False, "look into nested folders too")
    device: str = setting("auto", DEVICES, metavar="DEVICE")
    workers: int | None = setting(None, WORKERS, shown="one for each core", least=1)
    cluster: str | None = setting(None, CLUSTER, choices=CLUSTERS)
    chunk: int = setting(32, "images between two saves: what a kill can cost", least=1)
    report_images: int = setting(120, "images in the report's gallery", least=0)
    deadline: float | None = setting(None, "seconds from the start of the command", least=0)
    from_file: str = setting(
        SHOW,
        "prompts in the images' files: shown beside the guesses, used in their place, or not looked for",
        choices=(SHOW, USE, OFF),
    )
    overwrite: bool = setting(False, "replace another run in RUN")
    update: bool = setting(False, "add to a finished RUN: look only at images that are new or have changed")

    def __post_init__(self) -> None:
        check_settings(self)
        if self.overwrite and self.update:
            raise ConfigError("--overwrite replaces a run, --update adds to it; give one of both")
        if self.cluster and self.deadline is not None:
            raise ConfigError("--deadline goes by the pace of one machine; leave out --deadline or --cluster")
