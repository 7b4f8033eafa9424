"""The main job: images in, a RUN folder with prompts, embeddings, a submission and a report out."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unprompt import __version__
from unprompt.bundle.bundles import Bundle, check_checkpoints, own_states, read_bundle, sources_of
from unprompt.crew.hiring import hire
from unprompt.crew.work import Crew
from unprompt.errors import InputError
from unprompt.metadata.config import OFF, USE
from unprompt.metadata.files import FilePrompt, read_file_prompts
from unprompt.networks.devices import core_count, device_here
from unprompt.networks.loader import Loader
from unprompt.progress import Progress, silent
from unprompt.runs.chunks import Level, RunFolder, join, open_run
from unprompt.runs.config import PredictConfig
from unprompt.runs.deadline import Deadline
from unprompt.runs.earlier import IMAGES, image_rows, read_earlier, rows_in_order, write_images
from unprompt.runs.looking import Look, Looking
from unprompt.runs.outputs import (
    Outcome,
    RunResult,
    describe_run,
    score_run,
    use_file_prompts,
    write_members,
    write_outputs,
)
from unprompt.storage.files import read_json, read_prompts, write_json
from unprompt.storage.images import ImageFile, identify_images
from unprompt.storage.matching import fit_prompts, match_forms, paths_by_id
from unprompt.storage.remote import AnyPath
from unprompt.storage.resumable import as_begun, fingerprint
from unprompt.storage.sources import Sources
from unprompt.storage.submission import describe_unsubmittable, read_submission_ids, submittable
from unprompt.storage.text_config import TextConfig
from unprompt.storage.training_texts import Picture, TextPlaces, find_pictures
from unprompt.text.english import counted, none_readable

if TYPE_CHECKING:
    from unprompt.bundle.loaded import LoadedBundle

CHUNK = "chunk"  # of the plan: by how many images the finished ones are kept
TEXTS_BEGUN = "texts-begun.json"  # in the work folder: captions for training are being written
TEXTS, REPLACES = "texts", "replaces"  # their settings, and whether they take the place of what is there
# Seconds kept for what follows the last image: once, and for each image, file that is looked into and truth.
FINISHING, FINISHING_IMAGE, FINISHING_FILE, FINISHING_TRUTH = 2.0, 0.001, 0.002, 0.01


def predict(
    source: AnyPath | Sequence[AnyPath],
    out: Path,
    config: PredictConfig | None = None,
    truth: Path | None = None,
    sample: Path | None = None,
    started: float | None = None,
    progress: Progress = silent,
    texts: TextConfig | None = None,
    loaded: LoadedBundle | None = None,
) -> RunResult:
    """Run a bundle over images and leave a RUN folder.

    `source`: a folder of images, an image or a data set, here or at an address, or several of these; their
    images have the ids that `find_pictures` gives them, and are taken in the ids' order. `truth`: a
    prompts.csv to score against. `sample`: a sample submission whose ids and order the submission takes.
    `started`: `time.monotonic()` when the deadline began to count. `progress` is told images done and in all.
    `texts`: captions for training that are written besides, of the images that got a prompt; where existing
    ones are skipped, the run is of all images all the same. `loaded`: the bundle, where it is loaded already;
    `config` then has no say in the bundle, the device and who works. A run that was interrupted goes on when
    called again with the same arguments, and leaves the same submission, prompts and members' files as one
    that was not, and so does one on a cluster. Prompts that stand in the images' files are written apart, and
    change nothing else unless `config.from_file` is "use".

    Raises InputError for unusable images or files, CheckpointError for missing models, RunError for a RUN
    folder that is finished or belongs to something else, StoreError for images in a store that cannot be
    reached. A single unreadable image is not an error: it is
    listed in problems.csv and its rows carry the prior embedding. Where no image can be read, RUN is left all
    the same, and then InputError raised.
    """
    config = config or PredictConfig()
    started = time.monotonic() if started is None else started
    bundle = loaded.bundle if loaded else read_bundle(config.bundle)
    pictures = find_pictures(source if isinstance(source, Sequence) else [source], config.recursive)
    pictures.sort(key=lambda picture: picture.file.image_id)
    order, pictures, left_out = _match_sample(pictures, sample)
    files = [picture.file for picture in pictures]
    pictures = [picture for picture in pictures if not picture.file.absent]
    truths = None
    if truth:
        truths = fit_prompts(read_prompts(truth), paths_by_id([picture.file for picture in pictures]))
    if truths is not None and not set(truths.ids) & set(order):
        raise InputError(
            f"no image id of {truth} is among the {counted(len(order), 'image')}, first: {truths.ids[0]}"
        )
    texts = texts or TextConfig()
    texts.check_use()
    if config.update:
        texts = replace(texts, skip_existing=True)
    places = TextPlaces(pictures, texts, config.overwrite) if texts.is_wanted else None
    if not loaded:
        check_checkpoints(bundle)  # before a run that is to be replaced goes
    rows, own = image_rows(pictures), own_states(bundle)
    earlier = read_earlier(out, files, rows, bundle, config.from_file == USE) if config.update else None
    known = earlier.known if earlier else ()
    known_ids = {file.image_id for file in known}
    new = [file for file in files if file.image_id not in known_ids]
    sources = sources_of(bundle, new)
    cluster = None if loaded else config.cluster
    with ExitStack() as stack:
        crew = stack.enter_context(hire(cluster, config.workers, [file.path for file in new]))
        device = loaded.device if loaded else crew.device(config.device)
        plan = as_begun(out, _plan(bundle, device, config, new), CHUNK)
        folder, resumed = stack.enter_context(
            open_run(out, plan, config.overwrite, earlier is not None, sources)
        )
        texts_begun = folder.work / TEXTS_BEGUN
        if places:
            _go_on_with_texts(places, texts_begun)
        loader = loaded.loader if loaded else Loader(device_here(device))
        an_image = FINISHING_IMAGE + (FINISHING_FILE if config.from_file != OFF else 0)
        scored_ids = {file.image_id for file in files} & set(truths.ids if truths else ())
        reserve = FINISHING + an_image * len(files) + FINISHING_TRUTH * len(scored_ids)
        deadline = Deadline(config.deadline, started, reserve)
        chunks = [new[first : first + plan[CHUNK]] for first in range(0, len(new), plan[CHUNK])]
        kept = [folder.level_of(number) for number in range(len(chunks))]
        if any(level is not Level.FULL for level in kept):
            elsewhere = loader if loader.device == device else Loader(device)
            work = Looking(bundle, elsewhere, loaded.members if loaded else None)
            _fill(folder, chunks, kept, crew, work, deadline, sources, progress)
        names = [spec.name for spec in bundle.members]
        parts = [folder.read_chunk(number, names) for number in range(len(chunks))]
        made = join([*parts, earlier.kept] if earlier else parts, names)
        if earlier:
            made = made.at(rows_in_order(made.levels, [*new, *earlier.files], files))
        done = write_members(folder, made, files, bundle)
        from_files = _read_files(files, config, progress)
        if config.from_file == USE and from_files:
            done = use_file_prompts(done, from_files, loader.encoder)
        scored = score_run(done.blended, truths, loader.encoder) if truths else None
        write_outputs(folder, bundle, config, order, done, scored, from_files)
        unread = {problem.image_id for problem in done.problems}
        write_images(out / IMAGES, [row for image_id, row in rows.items() if image_id not in unread])
        written = _write_texts(places, done, texts_begun) if places else 0
        notes = [*(places.notes if places else ()), describe_unsubmittable(order, out / "submission.csv")]
        result = RunResult(
            folder=out,
            images=len(files),
            problems=done.problems,
            score=scored.score if scored else None,
            prompts=done.prompts,
            levels=done.counts(),
            resumed=resumed,
            known=len(known),
            submitted=len(submittable(order)),
            left_out=left_out,
            from_files=from_files,
            seconds=time.monotonic() - started,
            texts=written,
            notes=tuple(filter(None, notes)),
        )
        folder.finish(describe_run(result, bundle, own, config, device, scored))
    if len(done.problems) == len(files):
        first = done.problems[0]
        why = none_readable(len(files), "image", f"{first.file}: {first.problem}")
        raise InputError(f"{why}; see {out / 'problems.csv'}")
    return result


def _plan(bundle: Bundle, device: str, config: PredictConfig, files: Sequence[ImageFile]) -> dict[str, Any]:
    """All that decides the results and how they are kept. Who does the work does not, nor texts beside it."""
    return {
        "unprompt": __version__,
        "bundle": bundle.as_dict(),
        "device": device,
        CHUNK: config.chunk,
        "images": fingerprint({"images": identify_images(files)}),
    }


def _go_on_with_texts(places: TextPlaces, begun: Path) -> None:
    """Raise RunError where texts are there already and are not those that an earlier start had begun."""
    earlier = read_json(begun) if begun.exists() else {}
    if earlier.get(TEXTS) != asdict(places.config):
        places.check_free()
    elif earlier[REPLACES]:
        places.go_on_replacing()


def _write_texts(places: TextPlaces, done: Outcome, begun: Path) -> int:
    """Write captions for training of the images that got a prompt; returns how many texts are new.

    `begun`: a file that says, if the work is killed from here on, that texts which are there may be its own,
    and whether it replaces others.
    """
    write_json(begun, {TEXTS: asdict(places.config), REPLACES: places.replaces})
    line_by_id = {
        image_id: places.finished_line(prompt)
        for image_id, prompt in zip(done.prompts.ids, done.prompts.texts, strict=True)
        if prompt
    }
    wanted = {file.image_id for file in places.wanted()}
    line_by_id = {image_id: line for image_id, line in line_by_id.items() if image_id in wanted}
    places.write_all(line_by_id)
    return len(line_by_id)


def _read_files(
    files: Sequence[ImageFile], config: PredictConfig, progress: Progress
) -> tuple[FilePrompt, ...]:
    """The images whose files have a prompt; none where they are not to be looked at."""
    if config.from_file == OFF:
        return ()
    workers = config.workers or core_count()
    found = read_file_prompts([file for file in files if not file.absent], workers, False, progress)
    return tuple(one for one in found if one.prompt)


def _match_sample(pictures: list[Picture], sample: Path | None) -> tuple[list[str], list[Picture], int]:
    """Ids in the submission's order, the pictures to look at, and how many of them the sample leaves out.

    They have the sample's ids, which may be in another of Unicode's forms than their names. An id of the
    sample without an image counts as a file that cannot be read: its rows carry the prior. The images that
    the sample asks for come first, so that a deadline costs the others more.
    """
    ids = [picture.file.image_id for picture in pictures]
    if sample is None:
        return ids, pictures, 0
    wanted = read_submission_ids(sample)
    asked_by_id = dict(zip(match_forms(wanted, ids), wanted, strict=True))
    pictures = [
        replace(picture, file=replace(picture.file, image_id=asked_by_id.get(image_id, image_id)))
        for picture, image_id in zip(pictures, ids, strict=True)
    ]
    known, asked = {picture.file.image_id for picture in pictures}, set(wanted)
    if not known & asked:
        raise InputError(
            f"no image id of {sample} is among the {counted(len(ids), 'image')} "
            f"(the sample starts with '{wanted[0]}', the folder with '{ids[0]}')"
        )
    folder = pictures[0].file.path.parent
    absent = [
        Picture(ImageFile(image_id, folder / image_id, absent=True), folder)
        for image_id in wanted
        if image_id not in known
    ]
    pictures = sorted(
        [*pictures, *absent], key=lambda one: (one.file.image_id not in asked, one.file.image_id)
    )
    return wanted, pictures, len(known - asked)


def _fill(
    folder: RunFolder,
    chunks: Sequence[Sequence[ImageFile]],
    kept: Sequence[Level | None],
    crew: Crew,
    work: Looking,
    deadline: Deadline,
    sources: Sources,
    progress: Progress,
) -> None:
    """Have the crew do the chunks that are not done yet, and keep them.

    `kept`: how much of the bundle each chunk got at an earlier start. What a deadline cut short is done again
    where there is time for more, the cheapest member's after those that have no guess.
    """
    total = sum(len(chunk) for chunk in chunks)
    bare = [number for number, level in enumerate(kept) if level in (None, Level.PRIOR)]
    cheap = [number for number, level in enumerate(kept) if level is Level.CHEAPEST]
    left = sum(len(chunks[number]) for number in (*bare, *cheap))
    begun = 0  # images under way
    steps: Mapping[str, set[str]] = {}
    last = deadline.clock()

    def looks() -> Iterator[Look]:
        """Each chunk, with as much of the bundle as there is time for when it is its turn."""
        nonlocal begun, last, left
        progress("predicting", total - left, total)
        last = deadline.clock()
        after = sum(len(chunks[number]) for number in bare)  # these need a guess, while the others have one
        for number in (*bare, *cheap):
            count, before = len(chunks[number]), kept[number]
            if before is not Level.CHEAPEST:
                after -= count
            level, alone = deadline.level(count, after, begun, steps)
            if before is not None and before <= level:
                left -= count
                progress("predicting", total - left, total)
                continue
            begun += count
            yield Look(number, tuple(chunks[number]), level, alone)

    most = None if deadline.seconds is None else lambda: deadline.chunks_ahead
    with closing(crew.do(work, looks(), ordered=False, most=most)) as done:
        for look, looked in done:
            folder.write_chunk(look.number, looked.chunk)
            sources.note(look.files)
            now, count = deadline.clock(), len(look.files)
            deadline.note(look.level, count, now - last, looked.busy)
            last, steps = now, looked.steps
            begun -= count
            left -= count
            progress("predicting", total - left, total)
