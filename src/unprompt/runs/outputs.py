"""What a run leaves behind: chunks joined, members blended and scored, and every file but the chunks."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from unprompt import __version__
from unprompt.bundle.bundles import Bundle
from unprompt.ensemble.blend import blend_lazily
from unprompt.ensemble.prior import prior_embedding
from unprompt.ensemble.score import Score, cosines, score_similarities, share_ids
from unprompt.metadata.config import USE
from unprompt.metadata.files import FilePrompt, count_tools, write_file_prompts
from unprompt.networks.devices import core_count
from unprompt.networks.minilm import PromptEncoder
from unprompt.records import DIM, AnyEmbeddings, LazyEmbeddings, Problem, Prompts, rows_of
from unprompt.runs.chunks import Kept, Level, RunFolder, member_paths
from unprompt.runs.config import PredictConfig
from unprompt.runs.earlier import FROM_FILE
from unprompt.runs.report import Report, ReportImage, choose_images, render_report
from unprompt.storage.files import read_rows, write_bytes, write_embeddings, write_problems, write_prompts
from unprompt.storage.images import NOT_IN_FOLDER, ImageFile
from unprompt.storage.submission import submittable, write_submission
from unprompt.text.english import agreed, counted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from unprompt.records import FloatArray, Rows

ENCODED = 4096  # texts that are encoded together; the tokens of one take kilobytes
VERSIONS_OF = ("numpy", "pillow", "polars", "timm", "tokenizers", "torch")


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
    known: int  # images that a finished RUN, which was added to, had seen already
    submitted: int  # images whose rows are in submission.csv, which is not there where it is 0
    left_out: int  # images that the sample submission does not ask for
    from_files: tuple[FilePrompt, ...]  # the images whose file has a prompt, where it was looked for
    seconds: float
    texts: int = 0  # pictures that got a caption for training
    notes: tuple[str, ...] = ()  # sentences about these, and about what submission.csv lacks


@dataclass(frozen=True, eq=False)
class Outcome:
    """All chunks joined: the members' blend, and what belongs to each image."""

    files: Sequence[ImageFile]
    blended: LazyEmbeddings
    prompts: Prompts
    problems: tuple[Problem, ...]
    levels: NDArray[np.int8]

    def counts(self) -> Counter[Level]:
        """How many images got how much of the bundle."""
        return Counter(Level(int(level)) for level in self.levels)


def write_members(folder: RunFolder, kept: Kept, files: Sequence[ImageFile], bundle: Bundle) -> Outcome:
    """Write the members' files of all `files`, and blend what stands there with the bundle's weights."""
    ids = tuple(file.image_id for file in files)
    texts = [NOT_IN_FOLDER if file.absent else text for file, text in zip(files, kept.problems, strict=True)]
    levels = kept.levels.copy()
    levels[[bool(text) for text in texts]] = Level.PRIOR  # which their rows carry
    tables = []
    for name, path in member_paths(folder.path, bundle).items():
        write_embeddings(path, LazyEmbeddings(ids, kept.embeddings[name]), levels=levels)
        tables.append(LazyEmbeddings(ids, partial(read_rows, path)))
    return Outcome(
        files=files,
        blended=blend_lazily(tables, [spec.weight for spec in bundle.members]),
        prompts=Prompts(ids, tuple(kept.prompts)),
        problems=tuple(
            Problem(file.image_id, file.name, text) for file, text in zip(files, texts, strict=True) if text
        ),
        levels=levels,
    )


def use_file_prompts(done: Outcome, from_files: Sequence[FilePrompt], encoder: PromptEncoder) -> Outcome:
    """The outcome with files' own prompts, and their embeddings, in the place of guesses and blend.

    The members' tables stay what the members said.
    """
    ids, texts = done.blended.ids, list(done.prompts.texts)
    rows = rows_of(ids, [one.file.image_id for one in from_files], "embedding")
    places = np.full(len(ids), -1)  # (N,) among the files' own
    places[rows] = range(len(rows))
    own = np.empty((len(rows), DIM), dtype=np.float32)
    for start in range(0, len(rows), ENCODED):
        some = slice(start, start + ENCODED)
        own[some] = encoder.encode([one.prompt for one in from_files[some]])
    for row, one in zip(rows, from_files, strict=True):
        texts[row] = one.prompt

    def take(rows: Rows) -> FloatArray:
        return np.where(places[rows, None] < 0, done.blended.take(rows), own[places[rows]])

    return replace(done, blended=LazyEmbeddings(ids, take), prompts=Prompts(ids, tuple(texts)))


@dataclass(frozen=True, eq=False)
class RunScore:
    """A run's score, the prior's on the same images, and the true prompts."""

    score: Score
    baseline: float
    truth_by_id: dict[str, str]


def score_run(blended: AnyEmbeddings, truths: Prompts, encoder: PromptEncoder) -> RunScore:
    """Score a blend against the true prompts of its images, and the prior beside it."""
    ids = share_ids(blended.ids, truths.ids)
    texts = truths.at(ids.shared).texts
    guessed, constant = np.empty(len(texts)), np.empty(len(texts))  # similarities (n,)
    prior, done = prior_embedding(), 0
    for some in blended.at(ids.shared).blocks(ENCODED):
        rows = slice(done, done := done + len(some))
        target = encoder.encode(texts[rows])  # (b, 384)
        guessed[rows] = cosines(some.vectors, target)
        constant[rows] = cosines(np.tile(prior, (len(some), 1)), target)
    return RunScore(
        score=score_similarities(ids, guessed),
        baseline=float(constant.mean()),
        truth_by_id=dict(zip(truths.ids, truths.texts, strict=True)),
    )


def write_outputs(
    folder: RunFolder,
    bundle: Bundle,
    config: PredictConfig,
    order: Sequence[str],
    done: Outcome,
    scored: RunScore | None,
    from_files: Sequence[FilePrompt] = (),
) -> None:
    """Write everything but the members' files and run.json.

    `order` is the submission's, which has those of the ids that can stand in one. `from_files`: prompts that
    files have.
    """
    write_prompts(folder.path / "prompts.csv", done.prompts)
    write_problems(folder.path / "problems.csv", done.problems)
    fine = submittable(order)
    if fine:
        write_submission(folder.path / "submission.csv", done.blended.at(fine))
    else:
        (folder.path / "submission.csv").unlink(missing_ok=True)  # an earlier run's, which was added to
    if from_files:
        write_file_prompts(folder.path / FROM_FILE, from_files)
    else:
        (folder.path / FROM_FILE).unlink(missing_ok=True)
    page = render_report(_report(bundle, config, done, scored, from_files), config.workers or core_count())
    write_bytes(folder.path / "report.html", page.encode())


def _report(
    bundle: Bundle,
    config: PredictConfig,
    done: Outcome,
    scored: RunScore | None,
    from_files: Sequence[FilePrompt],
) -> Report:
    ids = done.blended.ids
    similarity_by_id = dict(scored.score.ranked()) if scored else {}
    problem_by_id = {problem.image_id: problem.problem for problem in done.problems}
    from_file_by_id = {one.file.image_id: one.prompt for one in from_files}
    shown = set(choose_images(ids, scored.score if scored else None, config.report_images))
    return Report(
        bundle=bundle.name,
        images=tuple(
            ReportImage(
                image_id=image_id,
                file=None if image_id in problem_by_id else file,
                guess=guess,
                truth=scored.truth_by_id.get(image_id) if scored else None,
                similarity=similarity_by_id.get(image_id),
                problem=problem_by_id.get(image_id),
                from_file=from_file_by_id.get(image_id, ""),
            )
            for image_id, file, guess in zip(ids, done.files, done.prompts.texts, strict=True)
            if image_id in shown
        ),
        total=len(ids),
        score=scored.score if scored else None,
        baseline=scored.baseline if scored else None,
        problems=done.problems,
        facts={
            "What it is": bundle.description,
            "Members and weights": ", ".join(f"{spec.name} {spec.weight:g}" for spec in bundle.members),
            "unprompt": __version__,
            **installed_versions(),
        },
        notes=tuple(level_notes(done.counts(), len(done.problems))),
    )


def level_notes(counts: Counter[Level], problems: int) -> list[str]:
    """Sentences for the reader where a deadline left images with less than the whole bundle.

    `problems`: how many of those that got the prior are no deadline's, but could not be read.
    """
    notes = []
    if cheapest := counts[Level.CHEAPEST]:
        notes.append(f"The deadline left {counted(cheapest, 'image')} to the cheapest member alone.")
    if prior := counts[Level.PRIOR] - problems:
        notes.append(
            f"The deadline left {counted(prior, 'image')} without a look: the prior embedding stands "
            f"for {agreed(prior, 'them')}."
        )
    return notes


def installed_versions() -> dict[str, str]:
    """Versions of the packages that decide the numbers, by name; those not installed are left out."""
    versions = {"Python": platform.python_version()}
    for package in VERSIONS_OF:
        with suppress(PackageNotFoundError):
            versions[package] = version(package)
    return versions


def _from_files(result: RunResult, config: PredictConfig) -> dict[str, Any]:
    """What run.json says of prompts that stood in files; nothing where there were none."""
    if not result.from_files:
        return {}
    used = config.from_file == USE
    return {"from_file": {"images": len(result.from_files), "used": used, **count_tools(result.from_files)}}


def describe_run(
    result: RunResult,
    bundle: Bundle,
    files: Mapping[str, Sequence[int | str]],
    config: PredictConfig,
    device: str,
    scored: RunScore | None,
) -> dict[str, Any]:
    """What run.json says. `files`: the bundle's own, as `own_states` told them before the work."""
    levels = {level.name.lower(): result.levels[level] for level in Level}
    return {
        "unprompt": __version__,
        "bundle": bundle.as_dict(),
        "files": dict(files),
        "images": result.images,
        "problems": len(result.problems),
        "submitted": result.submitted,
        "left_out_by_sample": result.left_out,
        **_from_files(result, config),
        "levels": levels,
        "deadline_seconds": config.deadline,
        "complete_bundle": levels["full"] + len(result.problems) == result.images,
        "score": {**scored.score.numbers(), "baseline": scored.baseline} if scored else None,
        "seconds": round(result.seconds, 3),
        "resumed": result.resumed,
        "known": result.known,
        "device": device,
        "finished": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "versions": installed_versions(),
    }
