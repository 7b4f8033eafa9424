"""`unprompt blend`: members' files made earlier -> one submission, or the weights that suit them best."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unprompt.cli.options import add_json
from unprompt.errors import ConfigError
from unprompt.progress import StepBars
from unprompt.settings import DEVICES
from unprompt.text.english import agreed, counted

if TYPE_CHECKING:
    from unprompt.ensemble.blend_files import FilesFit
    from unprompt.ensemble.fit_weights import Estimate

EXAMPLE = """\
  unprompt blend RUN/members/phrases.npz RUN/members/zeroshot.npz --weights 0.45 0.55 --out submission.csv
  unprompt blend RUN/members/phrases.npz RUN/members/zeroshot.npz --fit prompts.csv
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("members", type=Path, nargs="+", metavar="NPZ", help="RUN/members/NAME.npz")
    parser.add_argument(
        "--weights",
        type=float,
        nargs="+",
        metavar="W",
        help="one weight a member, in their order; with --fit, what to compare with",
    )
    parser.add_argument(
        "--fit",
        type=Path,
        metavar="TRUTH",
        help="find the best weights for these prompts (a prompts.csv, or an .npz of their embeddings)",
    )
    parser.add_argument("--out", type=Path, metavar="CSV", help="the submission to write")
    parser.add_argument("--sample", type=Path, metavar="CSV", help="sample submission: gives ids and order")
    parser.add_argument("--device", default="auto", help=f"for --fit's prompts: {DEVICES} (%(default)s)")
    add_json(parser)


def run(options: argparse.Namespace) -> None:
    """Fit where that is asked, blend where a file is named, say what came of it."""
    from unprompt.ensemble.blend_files import blend_files

    if not options.fit and not options.weights:
        raise ConfigError("give the members' --weights, or --fit TRUTH to find them")
    if not options.fit and not options.out:
        raise ConfigError("name the submission to write with --out")
    if options.sample and not options.out:
        raise ConfigError("--sample orders a submission; name it with --out")
    if options.device != "auto" and not options.fit:
        raise ConfigError("--device is for the prompts of --fit, without which it does nothing")
    numbers: dict[str, Any] = {}
    weights = options.weights
    if options.fit:
        fitted = fit(options)
        weights = [weight.value for weight in fitted.fit.weights]
        numbers = fit_numbers(fitted)
        if not options.json:
            print("\n".join(describe_fit(fitted)))
    if options.out:
        images = blend_files(options.members, weights, options.out, options.sample)
        numbers |= {"out": str(options.out), "blended": images}
        if not options.json:
            print(f"{counted(images, 'image')} from {counted(len(options.members), 'member')}: {options.out}")
    if options.json:
        print(json.dumps(numbers))


def fit(options: argparse.Namespace) -> FilesFit:
    """Fit with a progress bar."""
    from unprompt.ensemble.blend_files import fit_files

    with StepBars("sample") as bars:
        return fit_files(options.members, options.fit, options.weights, options.device, bars.show)


def fit_numbers(fitted: FilesFit) -> dict[str, Any]:
    """What `--json` prints of a fit."""
    numbers = asdict(fitted.fit)
    members = zip(fitted.members, numbers.pop("weights"), numbers.pop("alone"), strict=True)
    return {
        "members": [{"file": str(path), "weight": weight, "alone": alone} for path, weight, alone in members],
        **numbers,
        "without_truth": fitted.untold,
    }


def describe_fit(fitted: FilesFit) -> list[str]:
    """A fit in two small tables: the members, and the ways to weigh them."""
    from unprompt.ensemble.fit_weights import FEW

    fit = fitted.fit
    given = " ".join(f"{weight:g}" for weight in fit.given_weights)
    names = [str(path) for path in fitted.members]
    ways = {
        "best weights": (fit.best, fit.best_gain),
        f"{fit.folds}-fold held out": (fit.held_out, fit.held_out_gain),
        f"weights {given}": (fit.given, None),
    }
    width = max(map(len, [*names, *ways]))
    lines = [f"{'member':{width}}  best weight  95% interval      score alone  95% interval"]
    lines += [
        f"{name:{width}}  {_columns(weight, 3):29}  {_columns(alone, 4)}"
        for name, weight, alone in zip(names, fit.weights, fit.alone, strict=True)
    ]
    lines += ["", f"{'blend':{width}}  score        95% interval      over {given}"]
    for name, (score, gain) in ways.items():
        over = f"  {gain.value:+.4f} ({gain.low:+.4f} to {gain.high:+.4f})" if gain else ""
        lines.append(f"{name:{width}}  {_columns(score, 4):28}{over}".rstrip())
    lines.append("")
    lines.append(
        f"n = {fit.images}. The best weights' score is on the images they were fitted on; 'held out' scores "
        "each image with weights fitted on the others."
    )
    if fit.images < FEW:
        lines.append(
            f"With {counted(fit.images, 'image')} the intervals are wide: {FEW} or more would say more."
        )
    if fitted.untold:
        lines.append(
            f"{counted(fitted.untold, 'image')} of the members {agreed(fitted.untold, 'have')} no truth and "
            f"{agreed(fitted.untold, 'were')} not fitted on."
        )
    return lines


def _columns(estimate: Estimate, digits: int) -> str:
    """A value, and its interval under a heading of the same width."""
    interval = f"{estimate.low:.{digits}f} to {estimate.high:.{digits}f}"
    return f"{f'{estimate.value:.{digits}f}':11}  {interval:16}"
