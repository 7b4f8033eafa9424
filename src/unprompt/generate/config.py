"""Settings of the data set factory. Light to import, since the command line's defaults are these."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from unprompt.errors import ConfigError


@dataclass(frozen=True)
class Gpt2Config:
    """Settings of `unprompt prompts --engine gpt2`: all of them decide which texts come."""

    model: str = "gpt2"  # a folder, or the name of a declared checkpoint
    starts: tuple[str, ...] = ("A picture of",)  # taken in turn, one a text
    seed: int = 0
    temperature: float = 1.0
    top_k: int = 50  # 0: all tokens
    top_p: float = 0.95  # 1: all tokens
    max_tokens: int = 70  # after the start; CLIP reads 75, and its tokens are about as long
    batch: int = 64  # texts; decides which texts share a rounding
    device: str = "auto"

    def __post_init__(self) -> None:
        starts = tuple(" ".join(start.split()) for start in self.starts)
        object.__setattr__(self, "starts", starts)
        if not starts or not all(starts):
            raise ConfigError("each start phrase needs at least one word")
        for name, least in (("top_k", 0), ("max_tokens", 1), ("batch", 1)):
            if getattr(self, name) < least:
                raise ConfigError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if not 0 < self.temperature < float("inf"):
            raise ConfigError(f"temperature must be above 0, got {self.temperature}")
        if not 0 < self.top_p <= 1:
            raise ConfigError(f"top_p must be above 0 and at most 1, got {self.top_p}")


@dataclass(frozen=True)
class FilterConfig:
    """Settings of `unprompt filter`."""

    threshold: float = 0.95  # a prompt this close to an earlier kept one is dropped
    against: tuple[Path, ...] = ()  # other lists that also exclude what is too close to them
    column: str | None = None  # of the prompts, where it is not called `prompt`
    embeddings: Path | None = None  # an .npz of embeddings by id, instead of making them
    device: str = "auto"

    def __post_init__(self) -> None:
        object.__setattr__(self, "against", tuple(dict.fromkeys(self.against)))  # each list once
        if not 0 < self.threshold <= 1:
            raise ConfigError(f"threshold is a cosine, above 0 and up to 1, got {self.threshold}")


@dataclass(frozen=True)
class RenderConfig:
    """Settings of `unprompt render` that are not the engine's."""

    seed: int = 0  # each picture's own seed comes from it and from the picture's id
    workers: int = 1  # processes
    cluster: str | None = None  # "ray": the workers are Ray's
    as_folder: bool = False  # loose PNG files instead of parquet parts
    chunk: int = 0  # pictures between two saves: what a kill can cost a worker (0: the engine's choice)
    part: int = 1024  # rows of a parquet part
    column: str | None = None
    device: str = "auto"  # of the prompts' embeddings
    overwrite: bool = False

    def __post_init__(self) -> None:
        for name, least in (("workers", 1), ("chunk", 0), ("part", 1)):
            if getattr(self, name) < least:
                raise ConfigError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if self.cluster not in (None, "ray"):
            raise ConfigError(f"cluster must be 'ray', got '{self.cluster}'")
