"""What the trials of a study came to: trials.csv and the picture of the search."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unprompt.learning.curves import BLUE, GREY, ORANGE, drawn, label_ends, tidy
from unprompt.storage.files import write_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from optuna.distributions import BaseDistribution

    from unprompt.regression.search import Space

COMPLETE, PRUNED, FAILED, RUNNING = "complete", "pruned", "failed", "running"
COLUMNS = 4  # panels side by side


@dataclass(frozen=True)
class Trial:
    """One training run of a study.

    `score`: the best validation score of its fine-tuned epochs so far, and `epoch` where it was; None where
    there was none. `epochs` and `seconds` of training so far. `problem`: why it failed.
    """

    number: int
    state: str
    parameters: Mapping[str, Any]
    score: float | None
    epoch: int | None
    epochs: int
    seconds: float
    problem: str = ""


def best_trial(trials: Sequence[Trial]) -> Trial | None:
    """The complete trial with the highest score, the first of equals; None where none is complete."""
    complete = [trial for trial in trials if trial.state == COMPLETE and trial.score is not None]
    return max(complete, key=_score, default=None)


def write_trials(path: Path, trials: Sequence[Trial], parameters: Sequence[str]) -> None:
    """Write trials.csv: a row a trial, a column a parameter."""
    header = ("number", "state", "score", "epochs", "seconds", *parameters, "problem")
    write_table(path, header, (_row(trial, parameters) for trial in trials))


def _row(trial: Trial, parameters: Sequence[str]) -> list[str]:
    score = "" if trial.score is None else f"{trial.score:.6f}"
    values = [format_value(trial.parameters.get(name, "")) for name in parameters]
    return [
        str(trial.number),
        trial.state,
        score,
        str(trial.epochs),
        f"{trial.seconds:.1f}",
        *values,
        trial.problem,
    ]


def format_value(value: Any) -> str:
    """A parameter's value for people: four digits of a float."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def describe_trial(trial: Trial, best: Trial | None) -> str:
    """One trial in a line for people."""
    settings = ", ".join(f"{name} {format_value(value)}" for name, value in trial.parameters.items())
    if trial.state == FAILED:
        outcome = f"failed: {trial.problem}"
    else:
        outcome = f"{trial.score:.4f} {trial.state}{', the best so far' if best == trial else ''}"
    return f"trial {trial.number:3d}  {outcome}  ({settings})"


def plot_trials(path: Path, trials: Sequence[Trial], space: Space, constant: float, title: str) -> None:
    """Draw the score by trial and against each parameter of the search space.

    `constant`: the score of the best constant vector.
    """
    columns = min(COLUMNS, len(space))
    rows = -(-len(space) // columns)
    with drawn(path, 12.5, 3.8 + 2.6 * rows) as figure:
        figure.suptitle(title, x=0.01, ha="left", fontsize=13, fontweight="bold", parse_math=False)
        grid = figure.add_gridspec(1 + rows, columns, height_ratios=[1.4] + [1.0] * rows)
        _plot_course(figure.add_subplot(grid[0, :]), trials, constant)
        scored = _scored(trials)
        first = None
        for number, (name, values) in enumerate(space.items()):
            row, column = divmod(number, columns)
            axes = figure.add_subplot(grid[1 + row, column], sharey=first)
            first = first or axes
            _plot_parameter(axes, scored, name, values)
            if column == 0:
                axes.set_ylabel("validation score")
            else:
                axes.tick_params(labelleft=False)


def _plot_course(axes: Axes, trials: Sequence[Trial], constant: float) -> None:
    """Score by trial: complete, pruned and failed ones, and the best so far."""
    from matplotlib.ticker import MaxNLocator

    _scatter(axes, _scored(trials), lambda trial: trial.number)
    for trial in trials:
        if trial.state == FAILED:  # has no score: it stands on the lower edge
            axes.plot(trial.number, 0.03, "x", color="black", ms=6, transform=axes.get_xaxis_transform())
    best: list[Trial] = []  # each the best one up to the next
    for trial in trials:
        if trial.state == COMPLETE and (not best or _score(trial) > _score(best[-1])):
            best.append(trial)
    last = trials[-1].number
    if best:
        steps = [trial.number for trial in best]
        scores = [_score(trial) for trial in best]
        axes.plot([*steps, last], [*scores, scores[-1]], color=ORANGE, drawstyle="steps-post", zorder=1)
    axes.axhline(constant, ls="--", color=GREY, zorder=1)
    axes.set_title("● complete   ○ pruned   × failed", loc="left", fontsize=9.5, color="#333333")
    axes.set_xlabel("trial")
    axes.set_ylabel("validation score (mean cosine)")
    axes.set_xlim(-0.5, last + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=12, integer=True, min_n_ticks=1))
    tidy(axes)
    ends = {f"best constant {constant:.3f}": (constant, GREY)}
    if best:
        ends[f"best {scores[-1]:.4f}, trial {steps[-1]}"] = (scores[-1], ORANGE)
    label_ends(axes, ends)


def _plot_parameter(axes: Axes, scored: Sequence[Trial], name: str, values: BaseDistribution) -> None:
    """Score against one parameter over all that was searched: choices side by side, numbers to scale."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    if isinstance(values, CategoricalDistribution):
        choices = values.choices
        _scatter(axes, scored, lambda trial: choices.index(trial.parameters[name]))
        axes.set_xticks(range(len(choices)), [str(choice) for choice in choices])
        axes.set_xlim(-0.5, len(choices) - 0.5)
    else:
        assert isinstance(values, FloatDistribution)
        _scatter(axes, scored, lambda trial: trial.parameters[name])
        if values.log:
            axes.set_xscale("log")
        if values.low < values.high:
            axes.set_xlim(values.low, values.high)
    axes.set_xlabel(name.replace("_", " "))
    tidy(axes)


def _scatter(axes: Axes, scored: Sequence[Trial], place: Callable[[Trial], float]) -> None:
    """Scores of trials: dots for complete ones, rings for pruned and unfinished ones, the best in orange."""
    best = best_trial(scored)
    for trial in scored:
        colour = ORANGE if trial is best else BLUE
        axes.plot(
            place(trial),
            _score(trial),
            "o",
            color=colour,
            markerfacecolor=colour if trial.state == COMPLETE else "white",
            markersize=8 if trial is best else 5.5,
            zorder=3 if trial is best else 2,
            clip_on=False,
        )


def _scored(trials: Sequence[Trial]) -> list[Trial]:
    return [trial for trial in trials if trial.score is not None and trial.state != FAILED]


def _score(trial: Trial) -> float:
    assert trial.score is not None
    return trial.score
