"""`unprompt demo`: sample scenes, prediction, score, report."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from unprompt.cli.options import describe_score

EXAMPLE = """\
  unprompt demo
  unprompt demo --out somewhere
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--out", type=Path, default=Path("unprompt-demo"), metavar="DIR", help="(%(default)s)"
    )


def run(options: argparse.Namespace) -> None:
    """Make the scenes, predict, print a table."""
    started = time.monotonic()
    options.when_interrupted = "run the same command again"

    from unprompt.demos.sample_scenes import run_demo

    demo = run_demo(options.out)
    print(
        f"{len(demo.truths)} sample scenes with known prompts, made of OpenMoji drawings: "
        f"{options.out / 'scenes'}\n"
    )
    similarity_by_id = dict(demo.run.score.ranked()) if demo.run.score else {}
    print("cosine  true prompt -> recovered prompt")
    for image_id, truth, guess in zip(
        demo.truths.ids, demo.truths.texts, demo.run.prompts.at(demo.truths.ids).texts, strict=True
    ):
        print(f"{similarity_by_id[image_id]:6.3f}  {truth} -> {guess}")
    if demo.run.score:
        print()
        print("\n".join(describe_score(demo.run.score)))
    print(
        f"done in {time.monotonic() - started:.0f} s. The scenes are flat drawings, which a network\n"
        "trained on photographs hardly knows: this shows that all works, not how well it does on real images."
    )
    print(f"report: {(demo.run.folder / 'report.html').resolve()}")
