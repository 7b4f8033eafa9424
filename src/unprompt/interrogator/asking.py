"""The work of `interrogate`: batches of images -> prompts. It writes nothing, so anybody can do it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from unprompt.crew.work import Place, Ready
from unprompt.interrogator.config import InterrogateConfig
from unprompt.interrogator.cores import cores_for
from unprompt.interrogator.modes import Interrogation, Interrogator
from unprompt.interrogator.prompt_files import PromptRow
from unprompt.interrogator.vocabulary import own_lists
from unprompt.networks import captioners
from unprompt.networks import clip as clips
from unprompt.networks.captioners import Captioner, load_captioner_of
from unprompt.networks.clip import Clip
from unprompt.networks.loader import Loader
from unprompt.networks.pipeline import Seen, gather, open_pipeline
from unprompt.records import Problem
from unprompt.storage.images import ImageFile

if TYPE_CHECKING:
    from unprompt.networks.pipeline import Backbone


@dataclass(frozen=True)
class Batch:
    """Images that are looked at together; `captions`: by image id, where they were given."""

    files: tuple[ImageFile, ...]
    captions: Mapping[str, str] | None


@dataclass(frozen=True)
class Asked:
    """What came of a batch: a row or a problem for each image."""

    rows: tuple[PromptRow, ...]
    problems: tuple[Problem, ...]


def batch_of(config: InterrogateConfig, device: str) -> int:
    """How many images are looked at together: as many as the one of CLIP and captioner that takes more."""
    clip = config.batch or clips.batch_on(device)
    if not config.needs_captioner:
        return clip
    model = config.captioner.captioner
    return max(clip, captioners.batch_of(device, Path(model) if model else None))


@dataclass(frozen=True)
class Interrogating:
    """The work: CLIP, captioner and tables of phrases, as the settings say."""

    config: InterrogateConfig
    device: str

    @property
    def wants_gpu(self) -> bool:
        """Where the networks are loaded on one."""
        return self.device.startswith("cuda")

    @contextmanager
    def open(self, place: Place) -> Iterator[Ready[Batch, Asked]]:
        """Load the networks. Raises CheckpointError, and ConfigError for settings that make no sense."""
        config, loader = self.config, Loader(self.device)
        checkpoint = Path(config.checkpoint) if config.checkpoint else None
        clip = loader.once(
            Clip.load, config.clip.clip, checkpoint, config.clip.statistics, config.clip.pretrained
        )
        clip.batch = config.batch or clip.batch
        captioner = load_captioner_of(loader, config.captioner) if config.needs_captioner else None
        tables = Path(config.tables) if config.tables else None
        interrogator = Interrogator.build(clip.texts, config.prompts, own_lists(config.phrases), tables)
        backbones: list[Backbone] = [clip] if captioner is None else [clip, captioner]
        with open_pipeline(place.cores, self.device) as pipeline:

            def begin(batch: Batch) -> Callable[[], Asked]:
                return partial(finish, batch, pipeline.submit(batch.files, backbones))

            def finish(batch: Batch, futures: Sequence[Future[Seen]]) -> Asked:
                return _ask(batch, gather(futures), clip, captioner, interrogator)

            # One more is under way than can be worked on, so that no worker waits.
            yield Ready(begin, ahead=place.cores)


def _ask(
    batch: Batch, seen: Seen, clip: Clip, captioner: Captioner | None, interrogator: Interrogator
) -> Asked:
    """Prompts of the images that could be read."""
    whys = list(zip(batch.files, seen.problems, strict=True))
    readable = [file for file, why in whys if why is None]
    said: Sequence[str] = [""] * len(readable)
    if batch.captions is not None:
        said = [batch.captions[file.image_id] for file in readable]
    elif captioner is not None and readable:
        said = seen.features[captioner.name].tolist()
    found: list[Interrogation] = []
    if readable:
        with cores_for(interrogator):
            found = interrogator.prompts(seen.features[clip.name], said)
    rows = (
        PromptRow(file, one.prompt, caption, one.similarity)
        for file, one, caption in zip(readable, found, said, strict=True)
    )
    problems = (Problem(file.image_id, file.name, why) for file, why in whys if why is not None)
    return Asked(tuple(rows), tuple(problems))
