"""`unprompt blend`: members' files made earlier -> one submission."""

from __future__ import annotations

import argparse
from pathlib import Path

from unprompt.cli.options import command

EXAMPLE = """\
  unprompt blend RUN/members/phrases.npz RUN/members/zeroshot.npz --weights 0.45 0.55 --out submission.csv
"""


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = command(subparsers, "blend", run, "blend members' embeddings into one submission", EXAMPLE)
    parser.add_argument("members", type=Path, nargs="+", metavar="NPZ", help="RUN/members/NAME.npz")
    parser.add_argument(
        "--weights",
        type=float,
        nargs="+",
        required=True,
        metavar="W",
        help="one weight a member, in their order",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="CSV", help="the submission to write")
    parser.add_argument("--sample", type=Path, metavar="CSV", help="sample submission: gives ids and order")


def run(options: argparse.Namespace) -> None:
    """Read, blend, write."""
    from unprompt.ensemble import blend, check_weights
    from unprompt.files import read_embeddings
    from unprompt.submission import read_submission_ids, write_submission

    check_weights(options.weights, len(options.members))
    blended = blend([read_embeddings(path) for path in options.members], options.weights)
    if options.sample:
        blended = blended.at(read_submission_ids(options.sample))
    write_submission(options.out, blended)
    print(f"{len(blended)} images from {len(options.members)} members: {options.out}")
