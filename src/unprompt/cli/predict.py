"""`unprompt predict`: the main job."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

from unprompt.cli.options import (
    add_json,
    add_memory,
    add_settings,
    add_texts,
    describe_score,
    settings_from,
    take_memory,
    warn,
)
from unprompt.progress import StepBars
from unprompt.runs.config import PredictConfig
from unprompt.storage.remote import path_of
from unprompt.storage.text_config import TextConfig
from unprompt.text.english import agreed, counted, part_of

if TYPE_CHECKING:
    from unprompt.runs.outputs import RunResult

EXAMPLE = """\
  unprompt predict my_images --out RUN
  unprompt predict a.png b.png more_images --out RUN
  unprompt predict my_images --out RUN --truth prompts.csv
  unprompt predict s3://bucket/images --out RUN
  unprompt predict my_images --out RUN --txt --skip-existing --prefix "ohwx, "
  unprompt predict /kaggle/input/COMPETITION/images --out RUN \\
      --sample /kaggle/input/COMPETITION/sample_submission.csv --deadline 8h30m
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "images", type=path_of, nargs="+", metavar="IMAGES", help="images, folders of them, or addresses"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="RUN", help="folder for the results")
    parser.add_argument("--truth", type=Path, metavar="CSV", help="prompts.csv to score against")
    parser.add_argument("--sample", type=Path, metavar="CSV", help="sample submission: gives ids and order")
    parser.add_argument(
        "--deadline",
        metavar="TIME",
        help="be done in this time (8h30m, 45m): images get less; loading, and the first "
        f"{PredictConfig.chunk} images, take what they take",
    )
    add_settings(parser, PredictConfig, skip=("chunk", "deadline"))
    add_memory(parser)
    add_texts(parser)
    add_json(parser)


def run(options: argparse.Namespace) -> None:
    """Predict, then say what was done and where it is."""
    started = time.monotonic()
    options.when_interrupted = "run the same command again to go on; what is done is kept"

    from unprompt.runs.deadline import parse_duration
    from unprompt.runs.outputs import level_notes
    from unprompt.runs.predict import predict
    from unprompt.storage.files import read_json

    deadline = parse_duration(options.deadline) if options.deadline is not None else None
    config = settings_from(options, PredictConfig, deadline=deadline)
    texts = settings_from(options, TextConfig)
    take_memory(options)
    with StepBars("image") as bars:
        bars.show("loading models", 0, 0)
        result = predict(
            options.images, options.out, config, options.truth, options.sample, started, bars.show, texts
        )
    if options.json:
        print(json.dumps({"out": str(result.folder), **read_json(result.folder / "run.json")}))
    else:
        _describe(result, config, texts)
    if texts.is_wanted and not any(result.prompts.texts):
        warn(f"no member of the bundle '{config.bundle}' makes prompts, so there are no captions")
    for note in result.notes:
        warn(note)
    if result.problems:
        first = result.problems[0]
        warn(
            f"{counted(len(result.problems), 'image')} could not be read and "
            f"{agreed(len(result.problems), 'carry')} the prior embedding (first: {first.file}: "
            f"{first.problem}); see {result.folder / 'problems.csv'}"
        )
    if result.left_out:
        warn(
            f"{counted(result.left_out, 'image')} {agreed(result.left_out, 'are')} not in the sample and "
            f"{agreed(result.left_out, 'were')} left out of submission.csv"
        )
    for note in level_notes(result.levels, len(result.problems)):
        warn(note)


def _describe(result: RunResult, config: PredictConfig, texts: TextConfig) -> None:
    """Say what a run did and where it is."""
    count = counted(result.images, "image")
    resumed = ", going on from an earlier start" if result.resumed else ""
    if result.known:
        resumed += f", {result.known:,} of them as before"
    print(f"{count} in {result.seconds:.1f} s with the bundle '{config.bundle}'{resumed}")
    if result.score:
        print("\n".join(describe_score(result.score)))
    if result.submitted:
        print(f"submission  {result.folder / 'submission.csv'}")
    print(f"prompts     {result.folder / 'prompts.csv'}")
    print(f"report      {result.folder / 'report.html'}")
    if texts.is_wanted:
        print(f"captions    {result.texts:,} new")
    if result.from_files:
        how = "used" if config.from_file == "use" else "beside the guesses"
        found = len(result.from_files)
        print(
            f"from files  {part_of(found, result.images, 'image')} {agreed(found, 'have')} "
            f"{agreed(found, 'their')} prompt in the file, {how}: {result.folder / 'from_file.csv'}"
        )
