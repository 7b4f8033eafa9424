"""Tuning: many training runs, each with settings that the finished ones suggest.

What is maximised is the best validation score of the fine-tuned epochs, the mean cosine of predicted and true
embeddings. Some public notebooks maximise the mean of the predicted numbers instead, which says nothing about
a prediction.

The study is a journal of Optuna's. What a trial tries is decided by the seed and the finished trials alone,
and training goes on exactly where it was killed, so a study that was killed ends as one that was not.
"""

from __future__ import annotations

import hashlib
import math
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unprompt import __version__
from unprompt.datasets.dataset import read_dataset
from unprompt.datasets.pixels import discard_decoded, images_fingerprint
from unprompt.errors import ChangedError, ConfigError, HeldError, NoMemoryError, RunError
from unprompt.networks.checkpoints import cache_folder, files_of
from unprompt.networks.devices import choose_device
from unprompt.progress import Progress, silent
from unprompt.regression import trials as trial_states
from unprompt.regression.config import MachineConfig, TrainConfig, TuneConfig
from unprompt.regression.scores import EpochScores, read_scores
from unprompt.regression.search import next_parameters, search_space, start_of, vision_transformer
from unprompt.regression.trials import Trial, best_trial, plot_trials, write_trials
from unprompt.storage.files import PARTS, locked, read_json, write_bytes, write_json
from unprompt.storage.images import file_state, image_states
from unprompt.storage.packages import needed_for
from unprompt.storage.resumable import WORK, fingerprint
from unprompt.storage.sources import describe_change
from unprompt.storage.toml_files import write_config
from unprompt.text.english import counted

if TYPE_CHECKING:
    import optuna

    from unprompt.datasets.dataset import Dataset
    from unprompt.regression.search import Space

RECORD = "tune.json"  # written last
PLAN = "plan.json"  # what the study is of; written first
JOURNAL = "study.journal"
BEST = "best.toml"
LOCK = ".lock"
FULL_TRIALS = 4  # are completed before any is pruned
FULL_EPOCHS = 2  # before which none is: the average of the weights has to come along


@dataclass(frozen=True)
class TuneResult:
    """What a study has come to.

    `config`: the settings of the best trial. `constant`: the score of the best constant vector.
    """

    out: Path
    trials: tuple[Trial, ...]
    best: Trial
    config: TrainConfig
    constant: float
    resumed: bool


def tune(
    dataset: Path,
    out: Path,
    base: TrainConfig | None = None,
    config: TuneConfig | None = None,
    machine: MachineConfig | None = None,
    progress: Progress = silent,
    on_trial: Callable[[Trial, Trial | None], None] = lambda trial, best: None,
) -> TuneResult:
    """Search for the settings that train best on a data set, and leave a STUDY folder.

    `base` has the settings that are not searched, and those of the first trial. `progress` is told trials
    done and in all, `on_trial` each trial that is done and the best one so far. Called again, it goes on up
    to `config.trials` in all. After every trial STUDY has best.toml, trials.csv and trials.png of those so
    far; of the runs in STUDY/trials only the best one keeps its checkpoints. A trial whose training ends in
    an error of its settings, a loss that is not a number or memory used up, counts as failed, and the study
    goes on.

    Raises RunError for a STUDY of something else, of other settings or at another precision, a full disk,
    where another process is writing what a trial needs, and where no trial gave a score; ConfigError for a
    search that has nothing to try; InputError and CheckpointError as `train` does.
    """
    base, config, machine = base or TrainConfig(), config or TuneConfig(), machine or MachineConfig()
    data = read_dataset(dataset)
    with needed_for("tuning", "train"):
        vit = vision_transformer(base)
        space, notes = search_space(base, config, vit, _training_images(len(data), base))
    for note in notes:
        warnings.warn(note, stacklevel=2)
    with _opened(out, _plan(data, base, config, machine)) as resumed:
        study = _open_study(out)
        start = start_of(base, vit, space)
        told = _trials(study)
        while True:
            _write_outcome(out, dataset, told, space, base, _constant(study))
            done = [trial for trial in told if trial.state != trial_states.RUNNING]
            progress("tuning", len(done), max(config.trials, len(told)))
            if len(done) == len(told) >= config.trials:
                break
            if len(done) == len(told):
                _add_trial(study, space, start, config.seed)
            trial = _running(study)
            _learn(trial, study, dataset, out, base, machine)
            told = _trials(study)
            on_trial(told[trial.number], best_trial(told))
        best = best_trial(told)
        if best is None:
            none = "the only trial gave no" if len(told) == 1 else f"none of {len(told):,} trials gave a"
            raise RunError(f"{none} score; the first ended with: {told[0].problem}")
        result = TuneResult(
            out, tuple(told), best, replace(base, **best.parameters), _constant(study), resumed
        )
        write_json(out / RECORD, _record(result, dataset, base, config))
    if not machine.keep_decoded:
        discard_kept(data, base, cache_folder() / "pixels")
    return result


def discard_kept(data: Dataset, base: TrainConfig, cache: Path) -> None:
    """Remove what all trials have read of the images: decoded, and as frozen stages make them."""
    from unprompt.learning.frozen_stages import Activations, activations_path, frozen_stages
    from unprompt.networks.backbones import own_preprocess
    from unprompt.regression.model import new_backbone

    seen = own_preprocess(base.backbone, base.size)
    discard_decoded(data, seen, cache)
    if base.keep_frozen:
        backbone = new_backbone(base)
        stages = frozen_stages(base.backbone, backbone, base.freeze)
        path = activations_path(images_fingerprint(data, seen), backbone, stages, seen, cache)
        if path.exists():
            Activations(path).discard()


def _training_images(images: int, base: TrainConfig) -> int:
    """About how many images a trial learns from; the exact split is made when it trains."""
    most = images - round(base.validation * images)
    return min(most, base.limit) if base.limit else most


def _plan(data: Dataset, base: TrainConfig, config: TuneConfig, machine: MachineConfig) -> dict[str, Any]:
    """What must stay the same for a study and its trial to go on. The number of trials may change."""
    from unprompt.learning.accelerator import choose_precision

    search = asdict(config)
    del search["trials"]
    own = hashlib.sha256(data.embeddings.vectors.tobytes()).hexdigest() if data.embeddings else ""
    return {
        "unprompt": __version__,
        "precision": choose_precision(base.precision, choose_device(machine.device)),
        "data": fingerprint({"ids": data.prompts.ids, "prompts": data.prompts.texts, "embeddings": own}),
        "images": fingerprint({"images": image_states(data.images)}),
        "weights": [file_state(path) for path in files_of([base.weights] if base.weights else [])],
        "base": base.as_dict(),
        "search": search,
    }


@contextmanager
def _opened(out: Path, plan: Mapping[str, Any]) -> Iterator[bool]:
    """Open STUDY for the search that `plan` describes; yields whether it goes on from an earlier start."""
    if out.exists() and not out.is_dir():
        raise RunError(f"{out} is a file; name a folder for the study with --out")
    begun = (out / PLAN).exists()
    if out.is_dir() and not begun and any(not path.name.startswith(".") for path in out.iterdir()):
        raise RunError(f"{out} is not empty and not a study of unprompt; name another folder with --out")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{out} cannot be written: {error.strerror}") from error
    with locked(out / LOCK, out):
        if begun:
            before = read_json(out / PLAN)
            if change := describe_change(before, plan):
                raise RunError(
                    f"{out} was begun with {change}; run what was begun, or name another folder with --out"
                )
        for part in out.glob(PARTS):  # what a killed process had begun to write
            part.unlink()
        (out / RECORD).unlink(missing_ok=True)
        if not begun:
            write_json(out / PLAN, plan)
        yield begun


def _open_study(out: Path) -> optuna.Study:
    """Optuna's study in STUDY/study.journal. The caller holds the lock of STUDY."""
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    journal = out / JOURNAL
    # A killed process may leave its own lock, for which Optuna would wait, and half a line at the end, to
    # which it would add the next.
    journal.with_name(f"{JOURNAL}.lock").unlink(missing_ok=True)
    if journal.exists() and not (content := journal.read_bytes()).endswith(b"\n"):
        write_bytes(journal, content[: content.rfind(b"\n") + 1])
    return optuna.create_study(
        study_name="unprompt",
        storage=JournalStorage(JournalFileBackend(str(journal))),
        direction="maximize",
        pruner=optuna.pruners.MedianPruner(n_startup_trials=FULL_TRIALS, n_warmup_steps=FULL_EPOCHS),
        load_if_exists=True,
    )


def _add_trial(study: optuna.Study, space: Space, start: Mapping[str, Any], seed: int) -> None:
    """Add the next trial, with all its parameters in one line of the journal: it is there whole or not."""
    import optuna

    parameters = next_parameters(study.trials, space, start, seed)
    study.add_trial(
        optuna.create_trial(
            state=optuna.trial.TrialState.RUNNING, params=parameters, distributions=dict(space)
        )
    )


def _running(study: optuna.Study) -> optuna.Trial:
    """The trial under way: the one that was just added, or one that was killed."""
    import optuna

    (frozen,) = study.get_trials(states=(optuna.trial.TrialState.RUNNING,))
    return optuna.Trial(study, frozen._trial_id)  # Optuna has no public way back to a running trial


def _learn(
    trial: optuna.Trial,
    study: optuna.Study,
    dataset: Path,
    out: Path,
    base: TrainConfig,
    machine: MachineConfig,
) -> None:
    """Train with a trial's settings, or go on with it, and tell the study how it ended."""
    import optuna

    from unprompt.regression import train as training

    config = replace(base, **trial.params)
    folder = _folder(out, trial.number)
    known = study.trials[trial.number].intermediate_values  # what was reported before a kill
    scores: dict[int, float] = {}

    def report(row: EpochScores) -> None:
        """Pass an epoch on; told twice, as after a kill, it makes no difference."""
        if row.epoch == 0:  # the head alone: most settings would all have its score
            return
        scores[row.epoch] = row.validation
        if row.epoch not in known:
            trial.report(row.validation, row.epoch)
        trial.set_user_attr("seconds", row.seconds)
        trial.set_user_attr("constant", row.constant)
        if row.epoch < config.epochs and trial.should_prune():
            raise optuna.TrialPruned

    try:
        if (folder / "metrics.csv").exists():
            for row in read_scores(folder / "metrics.csv"):
                report(row)
        if not (folder / training.RECORD).exists():
            kept = replace(machine, keep_decoded=True)  # for the next trial
            training.train(dataset, folder, config, kept, on_epoch=report)
    except optuna.TrialPruned:
        study.tell(trial.number, state=optuna.trial.TrialState.PRUNED)
    except ChangedError as error:  # nor is what has changed since it was begun
        raise RunError(
            f"trial {trial.number} of {out} was begun with {error.change}; run what was begun, or name "
            "another folder with --out"
        ) from error
    except (ConfigError, RunError) as error:
        # A full disk, another training that decodes the same images, or too little memory to show what was
        # learnt, is no fault of the settings.
        if isinstance(error, (HeldError, NoMemoryError)) or isinstance(error.__cause__, OSError):
            raise
        trial.set_user_attr("problem", str(error))
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
    else:
        study.tell(trial.number, max(scores.values()))


def _folder(out: Path, number: int) -> Path:
    return out / "trials" / f"{number:04d}"


def _trials(study: optuna.Study) -> list[Trial]:
    """The study's trials as our records, by number."""
    from optuna.trial import TrialState

    state = {
        TrialState.COMPLETE: trial_states.COMPLETE,
        TrialState.PRUNED: trial_states.PRUNED,
        TrialState.FAIL: trial_states.FAILED,
        TrialState.RUNNING: trial_states.RUNNING,
    }
    trials = []
    for frozen in study.trials:
        scores = frozen.intermediate_values
        best = max(sorted(scores), key=scores.__getitem__, default=None)
        trials.append(
            Trial(
                number=frozen.number,
                state=state[frozen.state],
                parameters=frozen.params,
                score=None if best is None else scores[best],
                epoch=best,
                epochs=max(scores, default=0),
                seconds=frozen.user_attrs.get("seconds", 0.0),
                problem=frozen.user_attrs.get("problem", ""),
            )
        )
    return trials


def _constant(study: optuna.Study) -> float:
    """The score of the best constant, the same in all trials; NaN before the first epoch."""
    known = [trial.user_attrs["constant"] for trial in study.trials if "constant" in trial.user_attrs]
    return known[0] if known else math.nan


def _write_outcome(
    out: Path, dataset: Path, trials: Sequence[Trial], space: Space, base: TrainConfig, constant: float
) -> None:
    """Write what the trials so far came to, and remove the checkpoints of all but the best."""
    if not trials:
        return
    best = best_trial(trials)
    write_trials(out / "trials.csv", trials, list(space))
    if any(trial.score is not None for trial in trials):
        count = counted(len(trials), "trial")
        plot_trials(
            out / "trials.png", trials, space, constant, f"{base.backbone} on {dataset.name}: {count}"
        )
    if best is not None:
        heading = (
            f"The best of {counted(len(trials), 'trial')} of `unprompt tune` on {dataset.name}: trial "
            f"{best.number},\n"
            f"validation score {best.score:.4f} in epoch {best.epoch} (best constant {constant:.4f}).\n"
            f"unprompt train DATASET --out RUN --config {BEST}"
        )
        write_config(out / BEST, replace(base, **best.parameters), heading)
    for trial in trials:
        if trial.state != trial_states.RUNNING and trial is not best:
            _remove_checkpoints(_folder(out, trial.number))


def _remove_checkpoints(folder: Path) -> None:
    for path in (*folder.glob("*.safetensors"), *folder.glob("bundle.toml")):
        path.unlink()
    shutil.rmtree(folder / WORK, ignore_errors=True)


def _record(result: TuneResult, dataset: Path, base: TrainConfig, config: TuneConfig) -> dict[str, Any]:
    import optuna

    states = [trial.state for trial in result.trials]
    return {
        "unprompt": __version__,
        "optuna": optuna.__version__,
        "dataset": str(dataset),
        "trials": len(states),
        **{
            state: states.count(state)
            for state in (trial_states.COMPLETE, trial_states.PRUNED, trial_states.FAILED)
        },
        "best": asdict(result.best),
        "constant": result.constant,
        "seconds": round(sum(trial.seconds for trial in result.trials), 3),
        "base": base.as_dict(),
        "search": asdict(config),
    }
