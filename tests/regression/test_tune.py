"""`unprompt tune`: what is searched, that a killed study ends as an unbroken one, and what it leaves."""

from __future__ import annotations

import json
import math
import os
import signal
import warnings
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from PIL import Image

from tests.processes import killed_itself
from unprompt.cli import main
from unprompt.errors import ChangedError, ConfigError, NoMemoryError, RunError
from unprompt.generate.config import RenderConfig
from unprompt.generate.render.run import render_prompts
from unprompt.pocket.engine import PocketEngine
from unprompt.regression import outputs
from unprompt.regression.config import MachineConfig, TrainConfig, TuneConfig
from unprompt.regression.search import (
    STARTUP,
    VisionTransformer,
    next_parameters,
    search_space,
    start_of,
    vision_transformer,
)
from unprompt.regression.trials import (
    COMPLETE,
    FAILED,
    PRUNED,
    RUNNING,
    Trial,
    best_trial,
    describe_trial,
    plot_trials,
    write_trials,
)
from unprompt.regression.tune import tune
from unprompt.regression.words import vocabulary_of
from unprompt.storage.files import locked
from unprompt.storage.toml_files import read_config, write_config

pytestmark = pytest.mark.usefixtures("small_gallery")

VIT = VisionTransformer(patch=16, side=224)
CPU = MachineConfig(device="cpu", workers=0)
TINY = TrainConfig(
    backbone="test_vit",
    from_scratch=True,
    size=32,
    epochs=3,
    batch=16,
    probe=1,
    ema=0.5,
    validation=0.2,
    group_cosine=0.95,
)
SEARCH = TuneConfig(trials=3, batch=(16, 32), patch=(16, 32), seed=3)


# --- the search space


def test_the_space_is_what_the_settings_say() -> None:
    space, notes = search_space(TrainConfig(), TuneConfig(), VIT, 10_000)
    assert notes == []
    assert space["learning_rate"] == FloatDistribution(1e-5, 1e-3, log=True)
    assert space["batch"] == CategoricalDistribution((16, 32, 64, 128, 256))
    assert space["patch"] == CategoricalDistribution((8, 16, 32))
    assert set(space) == {
        "learning_rate",
        "batch",
        "patch",
        "layer_decay",
        "weight_decay",
        "drop_path",
        "head",
    }


def test_what_cannot_be_is_left_out_with_a_note() -> None:
    space, notes = search_space(TrainConfig(), TuneConfig(patch=(8, 14, 15)), VIT, 100)
    assert space["batch"] == CategoricalDistribution((16, 32, 64))
    assert space["patch"] == CategoricalDistribution((8, 14))
    assert notes == [
        "with about 100 training images, left out: batch 128, 256",
        "with an input of 224 pixels, left out: patch 15",
    ]
    with pytest.raises(ConfigError, match=r"each batch size of 16, 32, .* about 10 images; .* with --batch"):
        search_space(TrainConfig(), TuneConfig(), VIT, 10)
    with pytest.raises(ConfigError, match="batch must be at least 2, got 1"):
        search_space(TrainConfig(), TuneConfig(batch=(1, 16)), VIT, 1000)


@pytest.mark.parametrize("backbone", ["test_efficientnet", "open_clip:ViT-B-32"])
def test_only_a_vit_of_timm_has_patches_and_drop_path(backbone: str) -> None:
    vit = vision_transformer(TrainConfig(backbone=backbone))
    assert vit is None
    space, _ = search_space(TrainConfig(), TuneConfig(), vit, 1000)
    assert not {"patch", "drop_path"} & set(space)


def test_a_vit_tells_its_sizes() -> None:
    assert vision_transformer(TrainConfig()) == VIT
    assert vision_transformer(TrainConfig(size=384, patch=32)) == VisionTransformer(32, 384)
    with pytest.raises(ConfigError, match="vit_bace"):
        vision_transformer(TrainConfig(backbone="vit_bace_patch16_224"))


def test_the_first_trial_is_the_base_as_far_as_it_is_searched() -> None:
    base = TrainConfig(learning_rate=0.01, batch=48, head="mlp")
    space, _ = search_space(base, TuneConfig(), VIT, 1000)
    start = start_of(base, VIT, space)
    assert start == {"layer_decay": 0.8, "weight_decay": 0.02, "head": "mlp", "patch": 16, "drop_path": 0.0}
    first = next_parameters([], space, start, seed=0)
    assert start.items() <= first.items()
    assert set(first) == set(space)
    assert 1e-5 <= first["learning_rate"] <= 1e-3


def searched(count: int, seed: int) -> list[optuna.trial.FrozenTrial]:
    """Finished trials of a search for the learning rate 1e-4."""
    space, _ = search_space(TrainConfig(), TuneConfig(), VIT, 1000)
    finished: list[optuna.trial.FrozenTrial] = []
    for _ in range(count):
        parameters = next_parameters(finished, space, {}, seed)
        value = -abs(math.log10(parameters["learning_rate"]) + 4)
        finished.append(optuna.create_trial(value=value, params=parameters, distributions=space))
    return finished


def test_the_seed_and_the_finished_trials_decide_what_comes_next() -> None:
    once, again = ([trial.params for trial in searched(STARTUP + 4, seed=1)] for _ in range(2))
    assert once == again
    assert len({json.dumps(parameters) for parameters in once}) == len(once)
    assert once != [trial.params for trial in searched(STARTUP + 4, seed=2)]


def test_the_search_comes_near_to_the_best() -> None:
    trials = searched(30, seed=0)

    def distance(some: list[optuna.trial.FrozenTrial]) -> float:
        return -sum(trial.value for trial in some) / len(some)

    assert distance(trials[-10:]) < distance(trials[:STARTUP]) / 2


# --- what the trials came to


def trial(number: int, state: str, score: float | None, problem: str = "") -> Trial:
    parameters = {"learning_rate": 10.0 ** -(number % 3 + 3), "head": ("linear", "mlp")[number % 2]}
    return Trial(number, state, parameters, score, 2 if score else None, 3, 61.234, problem)


TRIALS = [
    trial(0, COMPLETE, 0.5),
    trial(1, FAILED, 0.9, "the loss is not a number, in epoch 1"),
    trial(2, COMPLETE, 0.625),
    trial(3, PRUNED, 0.8),
    trial(4, COMPLETE, 0.625),
    trial(5, RUNNING, None),
]
SPACE = {
    "learning_rate": FloatDistribution(1e-5, 1e-3, log=True),
    "head": CategoricalDistribution(("linear", "mlp")),
}


def test_the_best_is_the_first_complete_one_with_the_highest_score() -> None:
    best = best_trial(TRIALS)
    assert best is not None
    assert best.number == 2
    assert best_trial([TRIALS[1], TRIALS[3], TRIALS[5]]) is None


def test_trials_csv(tmp_path: Path) -> None:
    write_trials(tmp_path / "trials.csv", TRIALS, list(SPACE))
    lines = (tmp_path / "trials.csv").read_text().splitlines()
    assert lines[:3] == [
        "number,state,score,epochs,seconds,learning_rate,head,problem",
        "0,complete,0.500000,3,61.2,0.001,linear,",
        '1,failed,0.900000,3,61.2,0.0001,mlp,"the loss is not a number, in epoch 1"',
    ]
    assert lines[6] == "5,running,,3,61.2,1e-05,mlp,"


def test_a_trial_in_a_line() -> None:
    best = TRIALS[2]
    assert describe_trial(best, best) == (
        "trial   2  0.6250 complete, the best so far  (learning_rate 1e-05, head linear)"
    )
    assert "failed: the loss is not a number" in describe_trial(TRIALS[1], best)


@pytest.mark.parametrize("count", [1, 2, 6])
def test_trials_are_a_picture(tmp_path: Path, count: int, recwarn: pytest.WarningsRecorder) -> None:
    plot_trials(tmp_path / "trials.png", TRIALS[:count], SPACE, 0.45, "a $title$")
    with Image.open(tmp_path / "trials.png") as image:
        assert min(image.size) > 500
    assert not recwarn.list


# --- whole studies


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of 60 pocket pictures, 64 pixels."""
    folder = tmp_path_factory.mktemp("tune")
    assert main(["prompts", "--out", str(folder / "p.csv"), "--count", "60", "--engine", "pocket"]) == 0
    render_prompts(folder / "p.csv", folder / "D", PocketEngine(64), RenderConfig(device="cpu"))
    return folder / "D"


def outcome(study: Path) -> list[str]:
    """The study's trials without the times."""
    lines = [line.split(",") for line in (study / "trials.csv").read_text().splitlines()]
    return [",".join([*line[:4], *line[5:]]) for line in lines]


def tune_and_die(dataset: Path, study: Path, owner: type, name: str, count: int) -> None:
    """Tune, and be killed when a method of Optuna's is called for the count-th time."""
    import torch

    torch.set_num_threads(1)
    outputs.GALLERY_IMAGES = 2
    left, do = [count], getattr(owner, name)

    def die(self: object, *given: object, **named: object) -> object:
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
        return do(self, *given, **named)

    setattr(owner, name, die)
    tune(dataset, study, TINY, SEARCH, CPU)


@pytest.mark.slow
def test_a_study_killed_again_and_again_ends_as_an_unbroken_one(pictures: Path, tmp_path: Path) -> None:
    import torch

    killed, whole = tmp_path / "killed", tmp_path / "whole"
    # An epoch is saved, but not told to the study.
    assert killed_itself(tune_and_die, pictures, killed, optuna.Trial, "report", 2)
    # A run is finished, but not told.
    assert killed_itself(tune_and_die, pictures, killed, optuna.Study, "tell", 1)
    with (killed / "study.journal").open("ab") as stream:
        stream.write(b'{"op_code": 5, "half a li')
    (killed / "study.journal.lock").symlink_to(killed / "study.journal")  # Optuna's, of a killed process
    (killed / "trials" / "0000" / ".metrics.csv.1.part").write_text("half")
    assert killed_itself(tune_and_die, pictures, killed, optuna.Study, "add_trial", 2)  # between two trials
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as the killed ones had: sums differ in the last bits with the threads
    try:
        result = tune(pictures, killed, TINY, SEARCH, CPU)
        unbroken = tune(pictures, whole, TINY, SEARCH, CPU)
    finally:
        torch.set_num_threads(threads)
    assert result.resumed
    assert not unbroken.resumed
    assert outcome(killed) == outcome(whole)
    assert len(outcome(whole)) == 1 + SEARCH.trials
    assert [trial.score for trial in result.trials] == [trial.score for trial in unbroken.trials]
    assert result.config == unbroken.config

    kept = {path.parent.name for path in (whole / "trials").rglob("*.safetensors")}
    assert kept == {f"{unbroken.best.number:04d}"}
    assert not list((whole / "trials").rglob(".work"))
    assert TrainConfig(**read_config(whole / "best.toml", TrainConfig)) == unbroken.config
    assert f"score {unbroken.best.score:.4f}" in (whole / "best.toml").read_text()
    assert (whole / "trials.png").exists()
    record = json.loads((whole / "tune.json").read_text())
    assert record["trials"] == SEARCH.trials == record["complete"] + record["pruned"] + record["failed"]
    assert record["best"]["score"] == max(trial.score for trial in unbroken.trials if trial.state == COMPLETE)


@pytest.mark.slow
def test_the_command_goes_on_and_refuses_what_is_another_study(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = tmp_path / "S"
    write_config(tmp_path / "base.toml", replace(TINY, epochs=7), "the base")
    given = ["tune", str(pictures), "--out", str(study), "--config", str(tmp_path / "base.toml")]
    given += ["--epochs", "1", "--batch", "16", "32", "64", "--patch", "16", "--device", "cpu"]
    assert main([*given, "--trials", "1"]) == 0
    told = capsys.readouterr()
    assert "trial   0  0." in told.out
    assert "batch 16, layer_decay 0.8" in told.out
    assert "with about 48 training images, left out: batch 64" in told.err
    assert main([*given, "--trials", "2", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["best"]["score"] > 0
    assert answer["best"]["epochs"] == 1
    assert len(outcome(study)) == 3
    before = outcome(study)
    assert main([*given, "--trials", "1", "--json"]) == 0  # done already
    assert json.loads(capsys.readouterr().out) == answer
    assert outcome(study) == before

    for change, words in (
        (["--epochs", "2"], "begun with other settings of the training"),
        (["--learning-rate", "1e-5", "1e-4"], "begun with another search"),
        (["--seed", "9", "--backbone", "test_vit2"], "other settings of the training and another search"),
    ):
        assert main([*given, *change]) == 1
        assert words in capsys.readouterr().err
    assert outcome(study) == before
    with locked(study / ".lock", study):
        assert main(given) == 1
    assert "another unprompt is writing" in capsys.readouterr().err


@pytest.mark.slow
def test_trials_that_fail_are_told_and_the_study_goes_on(pictures: Path, tmp_path: Path) -> None:
    from unprompt.regression import train as training

    one = TuneConfig(trials=2, batch=(16,), patch=(16,), learning_rate=(1e-4, 1e-4))
    # What is in the way of the first trial is a run that is not its own.
    (tmp_path / "S" / "trials").mkdir(parents=True)
    with pytest.raises(RunError, match="not empty and not a study"):
        tune(pictures, tmp_path / "S", replace(TINY, epochs=1), one, CPU)
    (tmp_path / "S" / "trials").rmdir()

    def block(step: str, done: int, total: int) -> None:
        folder = tmp_path / "S" / "trials" / "0000"
        if not folder.exists():
            folder.mkdir(parents=True)
            (folder / "notes.txt").write_text("mine")

    result = tune(pictures, tmp_path / "S", replace(TINY, epochs=1), one, CPU, progress=block)
    assert [trial.state for trial in result.trials] == [FAILED, COMPLETE]
    assert "is not empty and not a training run" in result.trials[0].problem
    assert result.best.number == 1
    assert (tmp_path / "S" / "trials" / "0001" / training.RECORD).exists()

    def block_all(step: str, done: int, total: int) -> None:
        for number in range(2):
            folder = tmp_path / "T" / "trials" / f"{number:04d}"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "notes.txt").write_text("mine")

    with pytest.raises(RunError, match=r"none of 2 trials gave a score; the first ended with: .*0000"):
        tune(pictures, tmp_path / "T", replace(TINY, epochs=1), one, CPU, progress=block_all)
    assert not (tmp_path / "T" / "tune.json").exists()
    assert "failed" in (tmp_path / "T" / "trials.csv").read_text()


def test_a_head_that_the_prompts_cannot_have_is_a_failed_trial(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def train(*_: object, **__: object) -> None:
        vocabulary_of(["a fox"], 2)

    monkeypatch.setattr("unprompt.regression.train.train", train)
    with pytest.raises(RunError, match=r"the only trial gave no score; .* no word occurs in 2 of 1 prompt"):
        tune(pictures, tmp_path / "S", TINY, replace(SEARCH, trials=1), CPU)


class Trainings:
    """Stands in for `train`: counts the calls, and ends each with an error."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls = 0
        self.ends_with: BaseException = KeyboardInterrupt()
        monkeypatch.setattr("unprompt.regression.train.train", self)

    def __call__(self, *_: object, **__: object) -> None:
        self.calls += 1
        raise self.ends_with


def test_a_study_does_not_go_on_at_another_precision(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainings = Trainings(monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        tune(pictures, tmp_path / "S", TINY, SEARCH, CPU)
    before = (tmp_path / "S" / "study.journal").read_bytes()
    monkeypatch.setattr("unprompt.learning.accelerator.choose_precision", lambda wanted, device: "fp16")
    with pytest.raises(RunError, match=r"S was begun with another precision, which device and .*; run what"):
        tune(pictures, tmp_path / "S", TINY, SEARCH, CPU)
    assert trainings.calls == 1
    assert (tmp_path / "S" / "study.journal").read_bytes() == before


def test_a_trial_that_cannot_go_on_ends_the_study_and_has_not_failed(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainings = Trainings(monkeypatch)
    trainings.ends_with = ChangedError("RUN was begun with another data set", "another data set")
    for _ in range(2):
        with pytest.raises(RunError, match=r"trial 0 of \S+S was begun with another data set; .* with --out"):
            tune(pictures, tmp_path / "S", TINY, SEARCH, CPU)
    trainings.ends_with = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        tune(pictures, tmp_path / "S", TINY, SEARCH, CPU)
    assert trainings.calls == 3
    assert [line.split(",")[:2] for line in outcome(tmp_path / "S")[1:]] == [["0", RUNNING]]


def test_what_another_process_is_writing_is_no_failure_of_a_trial(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a training of the same images is decoding them: else all trials would fail in a row."""
    trainings = Trainings(monkeypatch)
    lock = tmp_path / "lock"
    with locked(lock, tmp_path / "96px.npy"):
        try:
            with locked(lock, tmp_path / "96px.npy"):
                pass
        except RunError as error:
            trainings.ends_with = error
        with pytest.raises(RunError, match=r"another unprompt is writing \S+96px\.npy; wait for it"):
            tune(pictures, tmp_path / "S", TINY, SEARCH, CPU)
    trainings.ends_with = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        tune(pictures, tmp_path / "S", TINY, SEARCH, CPU)
    assert trainings.calls == 2
    assert [line.split(",")[:2] for line in outcome(tmp_path / "S")[1:]] == [["0", RUNNING]]


def test_too_little_memory_to_show_what_was_learnt_is_no_failure_of_a_trial(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainings = Trainings(monkeypatch)
    for error in (NoMemoryError("out of memory; run the same command again"), KeyboardInterrupt()):
        trainings.ends_with = error
        with pytest.raises(type(error)):
            tune(pictures, tmp_path / "S", TINY, SEARCH, CPU)
    assert [line.split(",")[:2] for line in outcome(tmp_path / "S")[1:]] == [["0", RUNNING]]


def test_a_folder_of_something_else_is_left_alone(pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "S").mkdir()
    (tmp_path / "S" / "thesis.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for out, words in ((tmp_path / "S", "not empty and not a study"), (tmp_path / "file", "is a file")):
            with pytest.raises(RunError, match=words):
                tune(pictures, out, TINY, SEARCH, CPU)
    assert [path.name for path in (tmp_path / "S").iterdir()] == ["thesis.txt"]
