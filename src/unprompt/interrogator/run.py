"""The command `interrogate`: images -> captions and phrases -> prompts, batch by batch as they come."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from unprompt import __version__
from unprompt.crew.hiring import hire
from unprompt.crew.work import Crew
from unprompt.errors import InputError
from unprompt.interrogator.asking import Batch, Interrogating, batch_of
from unprompt.interrogator.config import InterrogateConfig
from unprompt.interrogator.prompt_files import (
    PromptTexts,
    PromptWriter,
    Table,
    open_prompts,
    output_for,
)
from unprompt.interrogator.vocabulary import own_lists
from unprompt.metadata.config import OFF
from unprompt.metadata.files import read_file_prompts, write_file_prompts
from unprompt.networks.captioner import read_captions
from unprompt.networks.captioner_files import CHECKPOINT as CAPTIONER
from unprompt.networks.checkpoints import files_of, sha256_of
from unprompt.networks.clip import CHECKPOINTS as CLIPS
from unprompt.networks.devices import core_count
from unprompt.progress import Progress, silent
from unprompt.records import Problem, check_unique, rows_of
from unprompt.storage.images import ImageFile, identify_images
from unprompt.storage.matching import match_names, paths_by_id
from unprompt.storage.remote import AnyPath
from unprompt.storage.text_config import TextConfig
from unprompt.storage.training_texts import TextPlaces, find_pictures, open_texts
from unprompt.text.english import none_readable


@dataclass(frozen=True)
class InterrogateResult:
    """What a finished run tells its caller.

    `problems`: the images without a prompt, listed in their file. `skipped`: the images that had a text
    already, or share another's. `notes`: sentences for the user.
    """

    path: Path
    images: int
    problems: tuple[Problem, ...]
    problems_path: Path
    resumed: bool
    skipped: int
    notes: tuple[str, ...]
    from_files: int  # images whose file has a prompt, where it was looked for …
    from_files_path: Path  # … and the table of these


def interrogate(
    sources: Sequence[AnyPath],
    out: Path | None,
    config: InterrogateConfig | None = None,
    texts: TextConfig | None = None,
    progress: Progress = silent,
) -> InterrogateResult:
    """Write a prompt for each image of some folders and files.

    `out`: a .csv or .jsonl, which gets rows as they come, or a folder for text files. `texts`: captions for
    training, in place of a table. `progress` is told images done and in all. Work that was interrupted goes
    on when called again with the same arguments, and ends with the same bytes as work that was not. An image
    that cannot be read has no row; it is listed in a problems.csv beside the results. Prompts that stand in
    the images' files go into a from_file.csv there.

    Raises InputError for unusable images, captions and lists of phrases, and where no image can be read;
    CheckpointError for models; ConfigError for settings; RunError for a place that holds something else;
    StoreError for images in a store that cannot be reached.
    """
    config = config or InterrogateConfig()
    output = output_for(out, texts or TextConfig())
    pictures = find_pictures(sources, config.recursive)
    files = [picture.file for picture in pictures]
    with hire(config.cluster, config.workers, [file.path for file in files]) as crew:
        device = crew.device(config.device)
        if isinstance(output, Table):
            captions = captions_of(files, config)
            plan = _plan(files, captions, device, config)
            with open_prompts(output, files, plan, config.overwrite, _models(config)) as done:
                return _finish(done, files, captions, device, config, crew, progress)
        places = TextPlaces(pictures, output, config.overwrite)
        captions = captions_of(places.wanted(), config)
        plan = _plan(files, captions, device, config)
        with open_texts(places, "interrogate", plan, config.overwrite, _models(config)) as writer:
            result = _finish(PromptTexts(writer), files, captions, device, config, crew, progress)
            return replace(result, notes=places.notes)


def _finish(
    done: PromptWriter | PromptTexts,
    files: Sequence[ImageFile],
    captions: Mapping[str, str] | None,
    device: str,
    config: InterrogateConfig,
    crew: Crew,
    progress: Progress,
) -> InterrogateResult:
    """Do what is not done yet, and say what came of it."""
    if done.todo:
        _interrogate(captions, device, config, crew, done, progress)
    from_files_path = done.problems_path.with_name(
        f"{done.problems_path.name.removesuffix('.problems.csv')}.from_file.csv"
    )
    from_files = _write_from_files(files, from_files_path, config, progress)
    done.finish()
    if len(done.problems) == len(files):
        first = done.problems[0]
        why = none_readable(len(files), "image", f"{first.file}: {first.problem}")
        raise InputError(f"{why}; see {done.problems_path}")
    return InterrogateResult(
        path=done.path,
        images=len(files),
        problems=done.problems,
        problems_path=done.problems_path,
        resumed=done.resumed,
        skipped=done.skipped,
        notes=(),
        from_files=from_files,
        from_files_path=from_files_path,
    )


def _write_from_files(
    files: Sequence[ImageFile], path: Path, config: InterrogateConfig, progress: Progress
) -> int:
    """Write the prompts that stand in the images' files, if any; returns how many."""
    path.unlink(missing_ok=True)
    if config.from_file == OFF:
        return 0
    found = read_file_prompts(files, config.workers or core_count(), False, progress)
    named = [one for one in found if one.prompt]
    if named:
        write_file_prompts(path, named)
    return len(named)


def captions_of(files: Sequence[ImageFile], config: InterrogateConfig) -> dict[str, str] | None:
    """The captions that were given, by image id; None where a captioner is to make them, or nobody.

    Raises InputError where an image has none in the file.
    """
    ids = [file.image_id for file in files]
    if config.caption:
        return dict.fromkeys(ids, config.caption)
    if not config.captions:
        return None
    given = read_captions(Path(config.captions))
    matched = match_names(list(given), paths_by_id(files))
    check_unique(matched, config.captions)
    captions = dict(zip(matched, given.values(), strict=True))
    rows_of(tuple(captions), ids, f"caption in {config.captions}")
    return {image_id: captions[image_id] for image_id in ids}


def _plan(
    files: Sequence[ImageFile], captions: Mapping[str, str] | None, device: str, config: InterrogateConfig
) -> dict[str, Any]:
    """All that decides the results."""
    lists = own_lists(config.phrases)
    return {
        "unprompt": __version__,
        "mode": asdict(config.prompts),
        "clip": [*asdict(config.clip).values(), config.checkpoint],
        "captioner": asdict(config.captioner),
        "captions": captions,
        "phrases": {
            f"{how} {kind}": sha256_of(path)
            for how, paths in (("instead", lists.instead), ("besides", lists.besides))
            for kind, path in paths.items()
        },
        "batch": config.batch,
        "device": device,
        "images": identify_images(files),
    }


def _models(config: InterrogateConfig) -> list[Path]:
    """The files of the models that make the prompts."""
    models = [config.checkpoint or CLIPS.get(config.clip.clip, "")]
    if config.needs_captioner:
        models += [config.captioner.captioner or CAPTIONER, config.captioner.vocabulary]
    return files_of(filter(None, models))


def _interrogate(
    captions: Mapping[str, str] | None,
    device: str,
    config: InterrogateConfig,
    crew: Crew,
    done: PromptWriter | PromptTexts,
    progress: Progress,
) -> None:
    """Have the crew do the images that are not done yet, and keep what it gives."""
    total = done.done + len(done.todo)

    def batches() -> Iterator[Batch]:
        files, step = done.todo, batch_of(config, device)
        done.start()
        progress("prompts", done.done, total)
        for first in range(0, len(files), step):
            some = tuple(files[first : first + step])
            given = None if captions is None else {file.image_id: captions[file.image_id] for file in some}
            yield Batch(some, given)

    with closing(crew.do(Interrogating(config, device), batches())) as found:
        for _, asked in found:
            done.add(asked.rows, asked.problems)
            progress("prompts", done.done, total)
