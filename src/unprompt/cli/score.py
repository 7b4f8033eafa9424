"""`unprompt score`: how well a guess fits the truth."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from unprompt.cli.options import add_json, describe_score
from unprompt.settings import DEVICES

if TYPE_CHECKING:
    from unprompt.ensemble.score import Score

EXAMPLE = """\
  unprompt score RUN/submission.csv prompts.csv
  unprompt score RUN/prompts.csv prompts.csv --json
"""
SHOWN = 10


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("guess", type=Path, metavar="GUESS", help="a submission.csv, or a prompts.csv")
    parser.add_argument("truth", type=Path, metavar="TRUTH", help="a prompts.csv")
    parser.add_argument("--device", default="auto", help=f"{DEVICES} (%(default)s)")
    add_json(parser)


def run(options: argparse.Namespace) -> None:
    """Score and print."""
    from unprompt.ensemble.score_files import score_files

    result = score_files(options.guess, options.truth, options.device)
    if options.json:
        print(json.dumps(result.numbers()))
        return
    print("\n".join(describe_score(result)))
    print("\n".join(best_and_worst(result)))


def best_and_worst(score: Score) -> list[str]:
    """The ten best and ten worst images, each image once."""
    ranked = score.ranked()
    best = ranked[:SHOWN]
    worst = ranked[len(best) :][-SHOWN:][::-1]
    lines = []
    for title, rows in (("best", best), ("worst", worst)):
        if rows:
            lines += ["", title, *(f"  {similarity:7.4f}  {image_id}" for image_id, similarity in rows)]
    return lines
