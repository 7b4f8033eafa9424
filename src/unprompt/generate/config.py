"""Settings of the data set factory. Light to import, since the command line's options are these."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from unprompt.errors import ConfigError
from unprompt.settings import CLUSTER, CLUSTERS, DEVICES, check_settings, setting


@dataclass(frozen=True)
class SamplingConfig:
    """How a language model's tokens are drawn: settings of all engines that have one."""

    model: str = setting("", "folder or checkpoint name", metavar="FOLDER", shown="the engine's name")
    seed: int = setting(0, "other prompts of the same kind", metavar="S")
    temperature: float = setting(1.0, "higher is wilder", metavar="T", above=0, below=math.inf)
    top_k: int = setting(50, "from the K likeliest tokens; 0: from all", metavar="K", least=0)
    top_p: float = setting(
        0.95, "from the likeliest tokens that make up P; 1: from all", metavar="P", above=0, most=1
    )
    # CLIP reads 75 tokens, and its tokens are about as long.
    max_tokens: int = setting(70, "tokens to write at most, after the start", least=1)
    batch: int = setting(
        64,
        "texts at once; decides which texts share a rounding",
        shown="64 with gpt2, 128 with smollm2",
        least=1,
    )
    device: str = setting("auto", DEVICES, metavar="DEVICE")

    def __post_init__(self) -> None:
        check_settings(self)


@dataclass(frozen=True)
class Gpt2Config(SamplingConfig):
    """Settings of `unprompt prompts --engine gpt2`: all of them decide which texts come."""

    model: str = setting("gpt2", "folder or checkpoint name", metavar="FOLDER")
    starts: tuple[str, ...] = setting(("A picture of",), "start phrases, taken in turn, one a text")

    def __post_init__(self) -> None:
        starts = tuple(" ".join(start.split()) for start in self.starts)
        object.__setattr__(self, "starts", starts)
        if not starts or not all(starts):
            raise ConfigError("each start phrase needs at least one word")
        super().__post_init__()


@dataclass(frozen=True)
class Smollm2Config(SamplingConfig):
    """Settings of `unprompt prompts --engine smollm2`: all of them decide which texts come."""

    model: str = setting("smollm2", "folder or checkpoint name", metavar="FOLDER")
    examples: tuple[str, ...] = setting((), "prompts that show what is wanted", shown="64 of ours")
    shots: int = setting(8, "examples that each batch is shown, drawn anew for it", least=1)
    # With the examples, a batch costs memory only for what it writes; 128 is where more gains little.
    batch: int = setting(128, "texts at once, which are shown the same examples", least=1)

    def __post_init__(self) -> None:
        # An example is one line, and one that stands twice would be drawn twice.
        examples = tuple(dict.fromkeys(" ".join(text.split()) for text in self.examples))
        object.__setattr__(self, "examples", examples)
        if not all(examples):
            raise ConfigError("an example prompt is empty; give each at least one word")
        if examples and len(examples) < self.shots:
            raise ConfigError(
                f"there are {len(examples)} different examples, and each batch is to be shown {self.shots}; "
                "give more, or fewer --shots"
            )
        super().__post_init__()


@dataclass(frozen=True)
class FilterConfig:
    """Settings of `unprompt filter`."""

    threshold: float = setting(
        0.95, "drop at this cosine of embeddings and above", metavar="COSINE", above=0, most=1
    )
    against: tuple[Path, ...] = setting(
        (), "other lists: what is too close to one of theirs goes too", metavar="PROMPTS"
    )
    column: str | None = setting(
        None, "column of the prompts; other lists' too, where they have it", shown="prompt"
    )
    embeddings: Path | None = setting(None, "their embeddings, by id, instead of making them", metavar="NPZ")
    device: str = setting("auto", DEVICES, metavar="DEVICE")
    overwrite: bool = setting(False, "replace another list in CSV, and what lies beside it")

    def __post_init__(self) -> None:
        object.__setattr__(self, "against", tuple(dict.fromkeys(self.against)))  # each list once
        check_settings(self)


@dataclass(frozen=True)
class RenderConfig:
    """Settings of `unprompt render` that are not the engine's."""

    seed: int = setting(0, "each image's own seed comes from it and from the image's id", metavar="S")
    workers: int = setting(1, "processes; of several GPUs each takes one", least=1)
    cluster: str | None = setting(None, CLUSTER, choices=CLUSTERS)
    as_folder: bool = setting(False, "images/*.png and prompts.csv instead of parquet parts")
    chunk: int = setting(
        0, "images between two saves: what a kill can cost a worker", shown="the engine's choice", least=0
    )
    part: int = setting(1024, "rows of a parquet part", least=1)
    column: str | None = setting(None, "column that holds the prompts", shown="prompt", metavar="C")
    device: str = setting("auto", DEVICES, metavar="DEVICE")
    overwrite: bool = setting(False, "replace another data set in DATASET")

    def __post_init__(self) -> None:
        check_settings(self)
