"""What several commands share: how a command is declared, and arguments that mean the same everywhere."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from unprompt.errors import ConfigError

if TYPE_CHECKING:
    from unprompt.ensemble.score import Score
    from unprompt.generate.engines import EngineKind

MINUTE = 60.0  # seconds between two lines of progress where there is no terminal


def command(
    subparsers: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    run: Callable[[argparse.Namespace], None],
    summary: str,
    example: str,
) -> argparse.ArgumentParser:
    """Declare a command with its summary and example."""
    parser = subparsers.add_parser(
        name,
        help=summary,
        description=summary[0].upper() + summary[1:] + ".",
        epilog=f"example:\n{example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    return parser


def add_json(parser: argparse.ArgumentParser) -> None:
    """`--json`: numbers for programs on stdout, nothing else there."""
    parser.add_argument("--json", action="store_true", help="print the numbers as JSON")


def warn(text: str) -> None:
    """Tell the user on stderr."""
    print(f"unprompt: {text}", file=sys.stderr)


class StepBars:
    """Progress on stderr: one bar for each step of the work, opened when the step begins.

    Where stderr is no terminal, a log or a notebook's cell, it is a line a minute instead.
    """

    def __init__(self, unit: str) -> None:
        from tqdm import tqdm

        self._new_bar = partial(tqdm, unit=unit, disable=None)
        self._lines = not sys.stderr.isatty()
        self._step = ""
        self._bar = self._new_bar(total=0, disable=True)
        self._begun = self._told = time.monotonic()
        self._first = 0

    def __enter__(self) -> StepBars:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the step's bar; the next `show` opens another."""
        self._bar.close()
        self._step = ""

    def show(self, step: str, done: int, total: int) -> None:
        """Tell how much of a step is done; what is done when it begins does not count for the rate."""
        if step != self._step:
            self._bar.close()
            self._step, self._bar = step, self._new_bar(desc=step, total=total, initial=done)
            self._begun, self._first = time.monotonic(), done
        if not self._lines:
            self._bar.update(done - self._bar.n)
        elif (now := time.monotonic()) - self._told >= MINUTE:
            self._told = now
            print(self._line(done, total, now - self._begun), file=sys.stderr, flush=True)

    def _line(self, done: int, total: int, seconds: float) -> str:
        """ "drawing: 1,200 of 5,000, 20 a second, about 3 min left"."""
        line = f"{self._step}: {done:,}" + (f" of {total:,}" if total else "")
        made = done - self._first
        if made > 0 and seconds > 0:
            line += f", {made / seconds:.3g} a second"
            if total:
                left = (total - done) * seconds / made
                line += f", about {max(1, round(left / 60))} min left"
        return line


def own_options(
    options: argparse.Namespace, engine: str, kinds: Mapping[str, EngineKind[Any]]
) -> dict[str, Any]:
    """The chosen engine's own settings that were given, by name; none of them has a default of its own.

    Raises ConfigError for an option that was given and belongs to another engine.
    """
    for other, kind in kinds.items():
        given = {name: value for name in kind.settings if (value := getattr(options, name)) is not None}
        if other == engine:
            own = given
        elif given:
            first = next(iter(given))
            flag = {"source": "from"}.get(first, first).replace("_", "-")
            raise ConfigError(f"--{flag} belongs to --engine {other}; the engine here is {engine}")
    return own


def describe_score(score: Score) -> list[str]:
    """A score in lines for people."""
    lines = [
        f"score {score.mean:.4f}   95% interval {score.low:.4f} to {score.high:.4f}   n = {len(score.ids)}"
    ]
    for what, ids in (
        ("missing (in the truth, not in the guess)", score.missing),
        ("extra (no truth)", score.extra),
    ):
        if ids:
            lines.append(f"{len(ids)} ids {what}, first: {ids[0]}")
    return lines
