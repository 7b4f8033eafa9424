"""The main job: images in, a RUN folder with prompts, embeddings, a submission and a report out."""

from __future__ import annotations

import platform
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from unprompt import __version__
from unprompt.bundles import Bundle, Loader, read_bundle
from unprompt.config import PredictConfig
from unprompt.deadline import Deadline
from unprompt.devices import choose_device, core_count
from unprompt.ensemble import blend
from unprompt.errors import InputError
from unprompt.files import read_prompts, write_bytes, write_embeddings, write_problems, write_prompts
from unprompt.images import NOT_IN_FOLDER, ImageFile, find_images
from unprompt.members import Member
from unprompt.pipeline import Pipeline, Seen, gather, running
from unprompt.records import Embeddings, Problem, Prompts
from unprompt.report import Report, ReportImage, choose_images, render_report
from unprompt.runs import Chunk, Level, RunFolder, opened
from unprompt.score import Score, cosines, score
from unprompt.submission import check_image_ids, read_submission_ids, write_submission
from unprompt.zeroshot import prior_embedding

if TYPE_CHECKING:
    from numpy.typing import NDArray

FINISHING, FINISHING_IMAGE, FINISHING_TRUTH = 2.0, 0.001, 0.01  # seconds kept for what follows the last image
VERSIONS_OF = ("numpy", "pillow", "polars", "sentence-transformers", "timm", "torch")


@dataclass(frozen=True, eq=False)
class RunResult:
    """What a finished run tells its caller; everything else is in the RUN folder."""

    folder: Path
    images: int
    problems: tuple[Problem, ...]
    score: Score | None
    prompts: Prompts
    levels: Counter[Level]
    resumed: bool
    left_out: int  # images that the sample submission does not ask for
    seconds: float


def predict(
    source: Path,
    out: Path,
    config: PredictConfig | None = None,
    truth: Path | None = None,
    sample: Path | None = None,
    started: float | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> RunResult:
    """Run a bundle over a folder of images, and leave a RUN folder.

    `truth`: a prompts.csv to score against. `sample`: a sample submission whose ids and order the submission
    takes. `started`: `time.monotonic()` when the deadline began to count. `progress` is told images done and
    in all. A run that was interrupted goes on when called again with the same arguments, and leaves the same
    submission, prompts and members' files as one that was not.

    Raises InputError for unusable images or files, CheckpointError for missing models, RunError for a RUN
    folder that is finished or belongs to something else. A single unreadable image is not an error: it is
    listed in problems.csv and its rows carry the prior embedding.
    """
    config = config or PredictConfig()
    started = time.monotonic() if started is None else started
    bundle = read_bundle(config.bundle)
    images = find_images(source, config.recursive)
    order, files, left_out = _match_sample(images, sample)
    check_image_ids(order)
    truths = read_prompts(truth) if truth else None
    if truths is not None and not set(truths.ids) & set(order):
        raise InputError(f"no image id of {truth} is among the {len(order)} images, first: {truths.ids[0]}")
    device = choose_device(config.device)
    plan = {
        "unprompt": __version__,
        "bundle": bundle.as_dict(),
        "device": device,
        "chunk": config.chunk,
        "images": [[file.image_id, file.path.name, _size(file.path)] for file in files],
    }
    with opened(out, plan, config.overwrite) as (folder, resumed):
        loader = Loader(device)
        reserve = FINISHING + FINISHING_IMAGE * len(files) + FINISHING_TRUTH * len(truths or ())
        deadline = Deadline(config.deadline, started, reserve)
        chunks = [files[first : first + config.chunk] for first in range(0, len(files), config.chunk)]
        missing = [number for number in range(len(chunks)) if not folder.has_full_chunk(number)]
        if missing:
            members = loader.members(bundle)
            with running(config.workers or core_count(), device) as pipeline:
                _fill(folder, chunks, missing, members, pipeline, deadline, progress)
        names = [spec.name for spec in bundle.members]
        done = _join([folder.read_chunk(number, names) for number in range(len(chunks))], files, bundle)
        graded = _grade(done.blended, truths, loader) if truths else None
        _write_outputs(folder, bundle, config, order, done, graded)
        result = RunResult(
            folder=out,
            images=len(files),
            problems=done.problems,
            score=graded.score if graded else None,
            prompts=done.prompts,
            levels=done.counts(),
            resumed=resumed,
            left_out=left_out,
            seconds=time.monotonic() - started,
        )
        folder.finish(_record(result, bundle, config, device, graded))
        return result


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1


def _match_sample(images: list[ImageFile], sample: Path | None) -> tuple[list[str], list[ImageFile], int]:
    """Ids in the submission's order, the files to look at, and how many images the sample leaves out.

    An id of the sample without an image counts as a file that cannot be read: its rows carry the prior.
    """
    if sample is None:
        return [image.image_id for image in images], images, 0
    wanted = read_submission_ids(sample)
    file_by_id = {image.image_id: image for image in images}
    if not any(image_id in file_by_id for image_id in wanted):
        raise InputError(
            f"no image id of {sample} is among the {len(images)} images "
            f"(the sample starts with '{wanted[0]}', the folder with '{images[0].image_id}')"
        )
    folder = images[0].path.parent
    absent = [
        ImageFile(image_id, folder / image_id, absent=True)
        for image_id in wanted
        if image_id not in file_by_id
    ]
    asked = set(wanted)
    files = sorted([*images, *absent], key=lambda file: file.image_id)
    return wanted, files, sum(image.image_id not in asked for image in images)


def _fill(
    folder: RunFolder,
    chunks: Sequence[Sequence[ImageFile]],
    missing: Sequence[int],
    members: Sequence[Member],
    pipeline: Pipeline,
    deadline: Deadline,
    progress: Callable[[int, int], None],
) -> None:
    """Do the chunks that are not done yet, one under way while the one before is being finished."""
    total = sum(len(chunk) for chunk in chunks)
    done = total - sum(len(chunks[number]) for number in missing)
    progress(done, total)
    steps = {member.name: {member.backbone.name, member.name} for member in members}
    under_way: deque[tuple[int, Level, str | None, list[Future[Seen]]]] = deque()
    queue = deque(missing)
    last = deadline.clock()
    while queue or under_way:
        if queue:
            number = queue.popleft()
            after = sum(len(chunks[later]) for later in queue)
            begun = sum(len(chunks[earlier[0]]) for earlier in under_way)
            level, alone = deadline.level(len(chunks[number]), after, begun, steps)
            active = [m for m in members if level is Level.FULL or m.name == alone]
            backbones = list({member.backbone.name: member.backbone for member in active}.values())
            futures = [] if level is Level.PRIOR else pipeline.submit(chunks[number], backbones)
            under_way.append((number, level, alone, futures))
            if queue and len(under_way) < deadline.chunks_ahead:
                continue
        number, level, alone, futures = under_way.popleft()
        seen = gather(futures) if futures else None
        chunk, busy = _guess(len(chunks[number]), level, alone, members, seen)
        folder.write_chunk(number, chunk)
        now = deadline.clock()
        deadline.note(level, len(chunks[number]), now - last, busy)
        last = now
        done += len(chunks[number])
        progress(done, total)


def _guess(
    count: int, level: Level, alone: str | None, members: Sequence[Member], seen: Seen | None
) -> tuple[Chunk, dict[str, float]]:
    """Let the members guess, and put the prior or a stand-in where one could not."""
    prior = prior_embedding()
    embeddings = {member.name: np.tile(prior, (count, 1)) for member in members}  # (count, 384) each
    prompts = [""] * count
    problems = [""] * count if seen is None else [problem or "" for problem in seen.problems]
    readable = [] if seen is None else [row for row, problem in enumerate(problems) if not problem]
    busy = {} if seen is None else dict(seen.seconds)
    if seen is not None and readable:
        for member in members:
            if level is Level.CHEAPEST and member.name != alone:
                continue
            start = time.perf_counter()
            guess = member.guess(seen.features[member.backbone.name])
            busy[member.name] = time.perf_counter() - start
            embeddings[member.name][readable] = guess.embeddings
            if guess.prompts is not None:
                for row, prompt in zip(readable, guess.prompts, strict=True):
                    prompts[row] = prompt
        if alone is not None:  # the one that guessed stands in for the others, so that blends stay complete
            embeddings = dict.fromkeys(embeddings, embeddings[alone])
    levels = np.full(count, level, dtype=np.int8)
    return Chunk(embeddings, tuple(prompts), tuple(problems), levels), busy


@dataclass(frozen=True, eq=False)
class _Done:
    """All chunks joined: one table a member, their blend, and what belongs to each image."""

    files: Sequence[ImageFile]
    tables: dict[str, Embeddings]
    blended: Embeddings
    prompts: Prompts
    problems: tuple[Problem, ...]
    levels: NDArray[np.int8]

    def counts(self) -> Counter[Level]:
        """How many images got how much of the bundle."""
        return Counter(Level(int(level)) for level in self.levels)


def _join(chunks: Sequence[Chunk], files: Sequence[ImageFile], bundle: Bundle) -> _Done:
    ids = tuple(file.image_id for file in files)
    tables = {
        spec.name: Embeddings(ids, np.concatenate([chunk.embeddings[spec.name] for chunk in chunks]))
        for spec in bundle.members
    }
    texts = [text for chunk in chunks for text in chunk.problems]
    return _Done(
        files=files,
        tables=tables,
        blended=blend(list(tables.values()), [spec.weight for spec in bundle.members]),
        prompts=Prompts(ids, tuple(prompt for chunk in chunks for prompt in chunk.prompts)),
        problems=tuple(
            Problem(file.image_id, file.path.name, NOT_IN_FOLDER if file.absent else text)
            for file, text in zip(files, texts, strict=True)
            if text or file.absent
        ),
        levels=np.concatenate([chunk.levels for chunk in chunks]),
    )


@dataclass(frozen=True, eq=False)
class _Graded:
    """A run's score, the prior's on the same images, and the true prompts."""

    score: Score
    baseline: float
    truth_by_id: dict[str, str]


def _grade(blended: Embeddings, truths: Prompts, loader: Loader) -> _Graded:
    target = loader.encoder.embed(truths)
    graded = score(blended, target)
    constant = np.tile(prior_embedding(), (len(graded.ids), 1))
    return _Graded(
        score=graded,
        baseline=float(cosines(constant, target.at(graded.ids).vectors).mean()),
        truth_by_id=dict(zip(truths.ids, truths.texts, strict=True)),
    )


def _write_outputs(
    folder: RunFolder,
    bundle: Bundle,
    config: PredictConfig,
    order: Sequence[str],
    done: _Done,
    graded: _Graded | None,
) -> None:
    for name, table in done.tables.items():
        write_embeddings(folder.path / "members" / f"{name}.npz", table, levels=done.levels)
    write_prompts(folder.path / "prompts.csv", done.prompts)
    write_problems(folder.path / "problems.csv", done.problems)
    write_submission(folder.path / "submission.csv", done.blended.at(order))
    page = render_report(_report(bundle, config, done, graded), config.workers or core_count())
    write_bytes(folder.path / "report.html", page.encode())


def _report(bundle: Bundle, config: PredictConfig, done: _Done, graded: _Graded | None) -> Report:
    ids = done.blended.ids
    similarity_by_id = dict(graded.score.ranked()) if graded else {}
    problem_by_id = {problem.image_id: problem.problem for problem in done.problems}
    prompt_by_id = dict(zip(ids, done.prompts.texts, strict=True))
    file_by_id = {file.image_id: file.path for file in done.files}
    shown = choose_images(ids, graded.score if graded else None, config.report_images)
    return Report(
        bundle=bundle.name,
        images=tuple(
            ReportImage(
                image_id=image_id,
                file=None if image_id in problem_by_id else file_by_id[image_id],
                guess=prompt_by_id[image_id],
                truth=graded.truth_by_id.get(image_id) if graded else None,
                similarity=similarity_by_id.get(image_id),
                problem=problem_by_id.get(image_id),
            )
            for image_id in shown
        ),
        total=len(ids),
        score=graded.score if graded else None,
        baseline=graded.baseline if graded else None,
        problems=done.problems,
        facts={
            "Bundle": f"{bundle.name}: {bundle.description}",
            "Members and weights": ", ".join(f"{spec.name} {spec.weight:g}" for spec in bundle.members),
            "unprompt": __version__,
            **installed_versions(),
        },
        notes=tuple(level_notes(done.counts())),
    )


def level_notes(counts: Counter[Level]) -> list[str]:
    """Sentences for the reader where a deadline left images with less than the whole bundle."""
    notes = []
    if cheapest := counts[Level.CHEAPEST]:
        notes.append(f"The deadline left {cheapest} images to the cheapest member alone.")
    if prior := counts[Level.PRIOR]:
        notes.append(
            f"The deadline left {prior} images without a look: their rows carry the prior embedding."
        )
    return notes


def installed_versions() -> dict[str, str]:
    """Versions of the packages that decide the numbers, by name; those not installed are left out."""
    versions = {"Python": platform.python_version()}
    for package in VERSIONS_OF:
        with suppress(PackageNotFoundError):
            versions[package] = version(package)
    return versions


def _record(
    result: RunResult, bundle: Bundle, config: PredictConfig, device: str, graded: _Graded | None
) -> dict[str, Any]:
    """What run.json says."""
    levels = {level.name.lower(): result.levels[level] for level in Level}
    return {
        "unprompt": __version__,
        "bundle": bundle.as_dict(),
        "images": result.images,
        "problems": len(result.problems),
        "left_out_by_sample": result.left_out,
        "levels": levels,
        "deadline_seconds": config.deadline,
        "complete_bundle": levels["full"] == result.images,
        "score": {**graded.score.numbers(), "baseline": graded.baseline} if graded else None,
        "seconds": round(result.seconds, 3),
        "resumed": result.resumed,
        "device": device,
        "finished": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "versions": installed_versions(),
    }
