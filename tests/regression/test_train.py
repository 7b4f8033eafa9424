"""Training: whole runs of timm's smallest networks on pocket scenes, and the parts with numbers by hand."""

from __future__ import annotations

import csv
import json
import math
import os
import re
import resource
import shlex
import shutil
import signal
import socket
import sys
import time
import warnings
from contextlib import ExitStack, nullcontext, redirect_stdout
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
import timm
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from tests.other_content import touch
from tests.processes import run_command, started
from unprompt.cli import main
from unprompt.datasets.dataset import read_dataset
from unprompt.datasets.split import first_of_shuffled
from unprompt.errors import ConfigError, InputError, NoMemoryError, RunError
from unprompt.learning.accelerator import choose_precision
from unprompt.learning.schedule import learning_rate_share
from unprompt.learning.state import Standing, read_state, write_state
from unprompt.networks.backbones import own_preprocess, parameter_groups
from unprompt.progress import silent
from unprompt.regression.checkpoint import load_model
from unprompt.regression.config import MachineConfig, TrainConfig
from unprompt.regression.material import constant_score, read_material
from unprompt.regression.model import new_model
from unprompt.regression.objective import Objective, loss_of
from unprompt.regression.probe import fit_ridge
from unprompt.regression.scores import EpochScores, read_scores
from unprompt.regression.train import _Run, check_finite, check_parts, memory_told, train, validation_score
from unprompt.storage.images import read_file

pytestmark = pytest.mark.usefixtures("small_gallery")

TINY = TrainConfig(
    backbone="test_vit",
    from_scratch=True,
    size=32,
    epochs=2,
    batch=16,
    learning_rate=1e-3,
    drop_path=0.2,
    augment=("crop", "colour"),
    validation=0.25,
    ema=0.9,
    precision="fp32",
)
# Stochastic depth differs where processes or parts of a batch drop layers of their own images.
UNDROPPED = replace(TINY, drop_path=0.0, epochs=1)
CPU = MachineConfig(device="cpu", save_minutes=0)


@pytest.fixture(scope="session")
def whole(pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing interrupted."""
    out = tmp_path_factory.mktemp("whole") / "RUN"
    train(pairs, out, TINY, CPU)
    return out


@pytest.fixture(scope="module")
def one(pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An epoch by one process with all the memory it wants."""
    out = tmp_path_factory.mktemp("one") / "RUN"
    train(pairs, out, UNDROPPED, CPU)
    return out


def learnt(run: Path) -> list[dict[str, float]]:
    """The metrics of a run without those that a clock decides."""
    clocks = ("images_per_second", "seconds")
    return [
        {name: value for name, value in vars(row).items() if name not in clocks}
        for row in read_scores(run / "metrics.csv")
    ]


def same_weights(one: Path, other: Path) -> bool:
    """Whether two checkpoints hold the same bits."""
    left, right = load_file(one), load_file(other)
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def test_run_leaves_everything(whole: Path, pairs: Path) -> None:
    left = sorted(path.name for path in whole.iterdir())
    assert left == sorted(
        [
            *("best.safetensors", "last.safetensors", "metrics.csv", "tensorboard", "curves.png"),
            *("gallery.png", "bundle.toml", "config.toml", "train.json"),
        ]
    )
    record = json.loads((whole / "train.json").read_text())
    assert record["images"]["train"] + record["images"]["validation"] == 64
    assert record["config"]["backbone"] == "test_vit"
    rows = read_scores(whole / "metrics.csv")
    assert [row.epoch for row in rows] == [0, 1, 2]
    assert record["best"]["validation"] == max(row.validation for row in rows)


def test_a_finished_run_is_told_before_anything_is_read(tmp_path: Path) -> None:
    run = tmp_path / "RUN"
    run.mkdir()
    (run / "train.json").write_text("{}")
    with pytest.raises(RunError, match="holds a finished training run; add --overwrite"):
        train(tmp_path / "no data set", run, TINY, CPU)
    assert [path.name for path in run.iterdir()] == ["train.json"]


def test_a_score_that_is_no_number_ends_the_training() -> None:
    truth = torch.eye(2, 384)
    assert validation_score(3 * truth, truth, "") == 1
    with pytest.raises(RunError, match="score of the validation images is not a number; try this"):
        validation_score(torch.full((2, 384), torch.nan), truth, "try this")


def test_features_that_are_no_numbers_end_the_training() -> None:
    features = torch.zeros(3, 4)
    check_finite(features, "")
    features[1, 2], features[2] = torch.inf, torch.nan
    with pytest.raises(RunError, match="features of 2 of 3 images are infinite or not numbers; try this"):
        check_finite(features, "try this")


def test_batch_norm_gets_no_single_image() -> None:
    mlp = replace(TINY, head="mlp", batch=8)
    check_parts(mlp, replace(CPU, accumulate=2), 100, 2)
    check_parts(replace(mlp, head="linear"), replace(CPU, accumulate=8), 100, 1)
    for accumulate, images, processes in ((8, 100, 1), (4, 100, 2), (1, 1, 1), (2, 3, 1)):
        with pytest.raises(ConfigError, match="needs 2 images in each part of a batch"):
            check_parts(mlp, replace(CPU, accumulate=accumulate), images, processes)


def test_a_data_set_that_is_not_finished_is_told(pairs: Path, tmp_path: Path) -> None:
    """A rendering that was killed, or goes on, has left some of its parts."""
    shutil.copytree(pairs, tmp_path / "HALF")
    (tmp_path / "HALF" / "dataset.json").unlink()
    (tmp_path / "HALF" / ".work").mkdir()
    seen = own_preprocess(TINY.backbone, TINY.size)
    with pytest.warns(UserWarning, match="HALF is not finished, and only 64 images of it will be taken"):
        read_material(tmp_path / "HALF", seen, TINY, replace(CPU, decoded="no"), silent)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_material(pairs, seen, TINY, replace(CPU, decoded="no"), silent)


def test_no_part_of_a_batch_is_empty() -> None:
    check_parts(TINY, replace(CPU, accumulate=8), 100, 2)
    for accumulate, images, processes in ((17, 100, 1), (9, 100, 2), (4, 3, 1)):
        with pytest.raises(ConfigError, match="raise batch or lower accumulate"):
            check_parts(TINY, replace(CPU, accumulate=accumulate), images, processes)


def test_validation_score_is_that_of_the_saved_checkpoint(whole: Path, pairs: Path) -> None:
    """Computed here from the files alone: decoded images, the checkpoint, the data set's embeddings."""
    from unprompt.datasets.split import split_rows

    dataset = read_dataset(pairs)
    assert dataset.embeddings is not None
    split = split_rows(dataset.embeddings.vectors, TINY.validation, TINY.group_cosine, TINY.seed)
    model = load_model(whole / "last.safetensors").model
    preprocess = model.spec.preprocess
    pixels = np.stack([preprocess.fit(read_file(dataset.images[row])) for row in split.validation])
    with torch.inference_mode():
        guess = model(preprocess.normalise(torch.from_numpy(pixels))).numpy()
    score = (guess * dataset.embeddings.vectors[split.validation]).sum(axis=1).mean()
    assert read_scores(whole / "metrics.csv")[-1].validation == pytest.approx(score, abs=1e-5)


@pytest.mark.parametrize("images", [5, 17, 60, 100])
def test_interrupted_run_ends_as_a_whole_one(pairs: Path, whole: Path, tmp_path: Path, images: int) -> None:
    class StoppedError(Exception):
        pass

    done = [0]

    def interrupt(step: str, at: int, total: int) -> None:
        if step.startswith("epoch"):
            done[0] += 16
            if done[0] > images:
                raise StoppedError

    with pytest.raises(StoppedError):
        train(pairs, tmp_path / "RUN", TINY, CPU, progress=interrupt)
    assert not (tmp_path / "RUN" / "train.json").exists()
    part = min(pairs.glob("*.parquet"))
    kept = part.stat()
    touch(part)
    with pytest.raises(RunError, match=f"RUN was begun with other images: {part} has changed since"):
        train(pairs, tmp_path / "RUN", TINY, replace(CPU, decoded="no"))
    os.utime(part, ns=(kept.st_atime_ns, kept.st_mtime_ns))
    result = train(pairs, tmp_path / "RUN", TINY, CPU)
    assert result.resumed
    assert learnt(tmp_path / "RUN") == learnt(whole)
    for name in ("last.safetensors", "best.safetensors"):
        assert same_weights(tmp_path / "RUN" / name, whole / name)


@pytest.mark.slow
def test_killed_run_ends_as_a_whole_one(pairs: Path, whole: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    shutil.copy(whole / "config.toml", config)
    command = ["train", str(pairs), "--out", str(tmp_path / "RUN")]
    command += ["--config", str(config), "--device", "cpu", "--save-minutes", "0"]
    state = tmp_path / "RUN" / ".work" / "state.pt"
    with started(run_command, command, tmp_path / "printed.txt") as process:
        while process.exitcode is None and not state.exists():
            time.sleep(0.002)
    assert process.exitcode == -signal.SIGKILL
    assert not (tmp_path / "RUN" / "train.json").exists()
    assert main(command) == 0
    assert learnt(tmp_path / "RUN") == learnt(whole)
    assert same_weights(tmp_path / "RUN" / "last.safetensors", whole / "last.safetensors")


def run_as_rank(rank: int, port: int, command: list[str], printed: Path) -> None:
    """Run a command as one of two processes that a launcher has started."""
    place = {
        "RANK": rank,
        "LOCAL_RANK": rank,
        "WORLD_SIZE": 2,
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": port,
    }
    os.environ.update({name: str(value) for name, value in place.items()})
    torch.set_num_threads(1)
    with printed.open("w") as stream, redirect_stdout(stream):
        code = main(command)
    sys.exit(code)


@pytest.mark.slow
def test_two_processes_learn_what_one_does(pairs: Path, one: Path, tmp_path: Path) -> None:
    command = ["train", str(pairs), "--out", str(tmp_path / "TWO")]
    command += ["--config", str(one / "config.toml"), "--device", "cpu", "--json"]
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    printed = [tmp_path / f"printed-{rank}.txt" for rank in range(2)]
    with ExitStack() as stack:
        processes = [
            stack.enter_context(started(run_as_rank, rank, port, command, file))
            for rank, file in enumerate(printed)
        ]
        for process in processes:
            process.join(300)
        assert [process.exitcode for process in processes] == [0, 0]
    assert json.loads(printed[0].read_text())["out"] == str(tmp_path / "TWO")
    assert printed[1].read_text() == ""  # it was said once
    record = json.loads((tmp_path / "TWO" / "train.json").read_text())
    assert record["machine"]["processes"] == 2
    for alone, both in zip(learnt(one), learnt(tmp_path / "TWO"), strict=True):
        assert both == pytest.approx(alone, abs=2e-5)


def test_the_manual_starts_several_processes_as_accelerate_takes_it() -> None:
    from accelerate.commands.launch import launch_command_parser

    from unprompt.cli import build_parser

    page = (Path(__file__).parents[2] / "docs" / "train.md").read_text(encoding="utf-8")
    (line,) = re.findall(r"^accelerate launch .*$", page, re.MULTILINE)
    launch = launch_command_parser().parse_args(shlex.split(line)[2:])
    assert (launch.num_processes, launch.module, launch.training_script) == (2, True, "unprompt")
    assert build_parser(["train"]).parse_args(launch.training_script_args).dataset == Path("DATASET")


@pytest.mark.parametrize("machine", [replace(CPU, accumulate=3), replace(CPU, checkpointing=True)])
def test_less_memory_gives_the_same_losses(
    pairs: Path, one: Path, tmp_path: Path, machine: MachineConfig
) -> None:
    train(pairs, tmp_path / "RUN", UNDROPPED, machine)
    for plain, sparing in zip(learnt(one), learnt(tmp_path / "RUN"), strict=True):
        assert sparing == pytest.approx(plain, abs=1e-5)


@pytest.mark.slow
def test_images_decoded_when_asked_for_give_the_same_run(pairs: Path, whole: Path, tmp_path: Path) -> None:
    train(pairs, tmp_path / "RUN", TINY, replace(CPU, decoded="no", workers=1))
    assert learnt(tmp_path / "RUN") == learnt(whole)


def test_one_batch_is_learnt_by_heart(pairs: Path) -> None:
    dataset = read_dataset(pairs)
    assert dataset.embeddings is not None
    network = new_model(replace(TINY, drop_path=0.0))
    preprocess = network.spec.preprocess
    pixels = torch.from_numpy(np.stack([preprocess.fit(read_file(image)) for image in dataset.images[:16]]))
    targets = torch.from_numpy(dataset.embeddings.vectors[:16])
    objective = Objective(network, mse=0.0, word_share=0.0, channels_last=True)
    optimizer = torch.optim.AdamW(parameter_groups(network, 2e-3, 2e-3, 1.0, 0.0))
    for _ in range(150):
        loss, _ = objective(pixels, targets, None)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    network.eval()
    with torch.inference_mode():
        assert objective(pixels, targets, None)[1]["train"] / 16 > 0.99


@pytest.mark.slow
def test_every_form_of_data_set_trains_alike(pairs: Path, whole: Path, tmp_path: Path) -> None:
    """images/ with prompts.csv, and train_images/ with train.csv, give the run of the parquet parts."""
    dataset = read_dataset(pairs)
    for images, table, column in (
        ("images", "prompts.csv", "imgId"),
        ("train_images", "train.csv", "image_name"),
    ):
        folder = tmp_path / table.removesuffix(".csv")
        (folder / images).mkdir(parents=True)
        for image in dataset.images:
            read_file(image).save(folder / images / f"{image.image_id}.png")
        pl.DataFrame({column: dataset.prompts.ids, "prompt": dataset.prompts.texts}).write_csv(folder / table)
        train(folder, tmp_path / f"RUN-{table}", TINY, CPU)
        for parts, other in zip(learnt(whole), learnt(tmp_path / f"RUN-{table}"), strict=True):
            assert other == pytest.approx(parts, abs=1e-4)  # MiniLM's last digits depend on the batch


def test_mlp_head_and_squared_error(pairs: Path, tmp_path: Path) -> None:
    result = train(pairs, tmp_path / "RUN", replace(TINY, head="mlp", mse=0.3, epochs=1, probe=2), CPU)
    model = load_model(tmp_path / "RUN" / "best.safetensors").model
    assert model.spec.head == "mlp"
    assert result.epochs[0].epoch == 0
    assert result.epochs[1].loss > 1 - result.epochs[1].train  # the squared error comes on top


def test_limit_takes_training_images_only(pairs: Path, tmp_path: Path) -> None:
    few = train(pairs, tmp_path / "RUN", replace(TINY, limit=20, epochs=1), CPU)
    assert few.train_images == 20
    assert few.validation_images == 16


def test_features_of_the_probe_outlive_a_kill(
    pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unprompt.regression.train.LOOK_BATCH", 8)
    monkeypatch.setattr("unprompt.regression.train.KEPT_BATCHES", 2)
    config = replace(TINY, epochs=1)
    train(pairs, tmp_path / "WHOLE", config, CPU)
    told: list[tuple[str, int]] = []

    def tell(step: str, done: int, total: int) -> None:
        if "features" in step:
            told.append((step, done))
            if done == stop:
                raise KeyboardInterrupt

    held_out = "features of validation images"
    for stop, expected in (
        (40, [("features", done) for done in (8, 16, 24, 32, 40)]),
        (16, [("features", 40), ("features", 48), (held_out, 8), (held_out, 16)]),
        (0, []),
    ):
        told.clear()
        if stop:
            with pytest.raises(KeyboardInterrupt):
                train(pairs, tmp_path / "RUN", config, CPU, progress=tell)
            assert told == expected
        else:
            train(pairs, tmp_path / "RUN", config, CPU, progress=tell)
            assert told == expected
    assert learnt(tmp_path / "RUN") == learnt(tmp_path / "WHOLE")
    assert same_weights(tmp_path / "RUN" / "last.safetensors", tmp_path / "WHOLE" / "last.safetensors")


def test_each_of_several_processes_keeps_its_features_of_the_probe(
    pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unprompt.regression.train.LOOK_BATCH", 8)
    monkeypatch.setattr("unprompt.regression.train.KEPT_BATCHES", 2)
    seen = own_preprocess(TINY.backbone, TINY.size)
    material = read_material(pairs, seen, TINY, CPU, silent)
    network = new_model(TINY)
    done: list[int] = []
    stop = 0

    def look(process: int, out: Path) -> torch.Tensor:
        """What one of two processes sees of the 48 images; `gather` would join it with the other's."""

        def tell(step: str, so_far: int, total: int) -> None:
            done.append(so_far)
            if so_far == stop:
                raise KeyboardInterrupt

        place = SimpleNamespace(num_processes=2, process_index=process, device=torch.device("cpu"))
        alone = SimpleNamespace(autocast=nullcontext, gather=lambda rows: rows, **vars(place))
        run = _Run(alone, network, material, TINY, CPU, out, tell)
        return run._over(material.train, network.features, "features", "train")

    whole = [look(process, tmp_path / "elsewhere") for process in range(2)]
    assert not (tmp_path / "elsewhere").exists()  # a machine without the main process's disk
    assert not torch.equal(*whole)
    (tmp_path / "RUN" / ".work").mkdir(parents=True)
    stop = 24
    for process in range(2):
        with pytest.raises(KeyboardInterrupt):
            look(process, tmp_path / "RUN")
    stop = 0
    done.clear()
    for process in range(2):
        assert torch.equal(look(process, tmp_path / "RUN"), whole[process])
    assert done == [24, 24]  # of each, 16 were kept


def test_callback_that_stops_a_run_leaves_it_resumable(pairs: Path, whole: Path, tmp_path: Path) -> None:
    class StoppedError(Exception):
        pass

    def stop(scores: EpochScores) -> None:
        if scores.epoch == 1:
            raise StoppedError

    with pytest.raises(StoppedError):
        train(pairs, tmp_path / "RUN", TINY, CPU, on_epoch=stop)
    train(pairs, tmp_path / "RUN", TINY, CPU)
    assert learnt(tmp_path / "RUN") == learnt(whole)


def test_frozen_parameters_stay_as_they_are(pairs: Path, tmp_path: Path) -> None:
    config = replace(TINY, freeze=("blocks.0.*", "patch_embed.*"), epochs=1)
    train(pairs, tmp_path / "RUN", config, CPU)
    before = new_model(config).backbone.state_dict()
    after = load_model(tmp_path / "RUN" / "last.safetensors").model.backbone.state_dict()
    same = {name for name in before if torch.equal(before[name], after[name])}
    assert same == {name for name in before if name.startswith(("blocks.0.", "patch_embed."))}


def test_pattern_that_freezes_nothing(pairs: Path, tmp_path: Path) -> None:
    told: list[str] = []
    with pytest.raises(ConfigError, match=r"no parameter of test_vit matches 'stages\.\*'"):
        train(
            pairs,
            tmp_path / "RUN",
            replace(TINY, freeze=("stages.*",)),
            CPU,
            progress=lambda step, *_: told.append(step),
        )
    assert not [step for step in told if "features" in step]  # not after an hour of looking at images


# --- what can go wrong


def test_loss_that_is_no_number_ends_the_run_and_keeps_its_checkpoints(pairs: Path, tmp_path: Path) -> None:
    state = timm.create_model("test_vit", img_size=32).state_dict()
    state["norm.weight"] *= 1e38  # what a learning rate far too high leads to
    save_file(state, tmp_path / "weights.safetensors")
    config = replace(TINY, from_scratch=False, weights=tmp_path / "weights.safetensors", mse=0.9, probe=0)
    with pytest.raises(RunError, match=r"not a number, at step \d+ in epoch \d+.*lower --learning-rate"):
        train(pairs, tmp_path / "RUN", config, CPU)


def test_data_set_too_small_to_split(scenes: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="change the share or add images"):
        train(scenes, tmp_path / "RUN", replace(TINY, validation=0.1), CPU)
    assert not (tmp_path / "RUN").exists()


def test_other_settings_in_the_same_folder(pairs: Path, whole: Path) -> None:
    with pytest.raises(RunError, match="finished training run"):
        train(pairs, whole, replace(TINY, epochs=3), CPU)


def test_unknown_augmentation(pairs: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="mirror"):
        train(pairs, tmp_path / "RUN", replace(TINY, augment=("mirror",)), CPU)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        MemoryError(),
    ],
)
def test_memory_used_up_is_told(error: Exception) -> None:
    with pytest.raises(RunError, match=r"^out of memory \(.+\); do less"), memory_told("do less"):
        raise error


def test_other_errors_are_not_taken_for_memory() -> None:
    with pytest.raises(RuntimeError, match="shapes"), memory_told("do less"):
        raise RuntimeError("shapes differ")


def test_memory_used_up_while_it_learns_or_at_the_end_costs_nothing(
    pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_memory(*_: object, **__: object) -> None:
        raise MemoryError

    run, one_epoch = tmp_path / "RUN", replace(TINY, epochs=1)
    with monkeypatch.context() as patched:
        patched.setattr("unprompt.regression.train.write_epoch", no_memory)
        with pytest.raises(RunError, match="--accumulate 4 or --checkpointing: the result stays the same"):
            train(pairs, run, one_epoch, replace(CPU, accumulate=2))
    with monkeypatch.context() as patched:
        patched.setattr("unprompt.regression.outputs.draw_gallery", no_memory)
        with pytest.raises(NoMemoryError, match=r"run the same command again: .*RUN keeps all"):
            train(pairs, run, one_epoch, CPU)
    best = (run / "best.safetensors").read_bytes()
    assert train(pairs, run, one_epoch, CPU).resumed
    assert (run / "best.safetensors").read_bytes() == best
    assert (run / "gallery.png").exists()


def test_damaged_state_says_so(pairs: Path, tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        train(pairs, tmp_path / "RUN", TINY, CPU, on_epoch=lambda scores: 1 / 0)
    state = tmp_path / "RUN" / ".work" / "state.pt"
    state.write_bytes(state.read_bytes()[:1000])
    with pytest.raises(RunError, match=r"state\.pt cannot be read.*--overwrite"):
        train(pairs, tmp_path / "RUN", TINY, CPU)


def test_disk_that_takes_no_more_is_told_as_such(tmp_path: Path) -> None:
    """Here a limit on the size of files; torch alone would say "unexpected pos"."""
    standing = Standing()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            write_state(tmp_path, standing, {"network": {"weight": torch.zeros(1_000_000)}})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert read_state(tmp_path) is None
    assert not list(tmp_path.iterdir())


# --- the parts


def test_loss_by_hand() -> None:
    raw = torch.tensor([[3.0, 4.0], [0.0, 2.0]])
    targets = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    assert loss_of(raw, targets, 0.0).tolist() == pytest.approx([0.4, 0.0], abs=1e-6)
    # squared errors: (3 - 1)^2 + 4^2 = 20 and (2 - 1)^2 = 1
    assert loss_of(raw, targets, 0.25).tolist() == pytest.approx([0.3 + 5, 0.25], abs=1e-6)


def test_learning_rate_by_hand() -> None:
    shares = [learning_rate_share(step, 10, 0.2) for step in range(10)]
    assert shares[:3] == [0.5, 1.0, 1.0]
    assert shares[6] == pytest.approx(0.5)  # half of the eight falling steps
    assert shares[9] == pytest.approx(0.5 * (1 + math.cos(math.pi * 7 / 8)))


@given(steps=st.integers(1, 500), warmup=st.floats(0, 0.99))
def test_learning_rate_rises_then_falls(steps: int, warmup: float) -> None:
    shares = [learning_rate_share(step, steps, warmup) for step in range(steps)]
    assert all(0 < share <= 1 for share in shares)
    top = shares.index(max(shares))
    assert shares[: top + 1] == sorted(shares[: top + 1])
    assert shares[top:] == sorted(shares[top:], reverse=True)


def test_ridge_agrees_with_scikit_learn() -> None:
    from sklearn.linear_model import Ridge

    dice = torch.Generator().manual_seed(0)
    features = torch.randn(200, 12, generator=dice) + 3
    targets = torch.nn.functional.normalize(
        features[:, :5] @ torch.randn(5, 384, generator=dice) + torch.randn(200, 384, generator=dice), dim=1
    )
    ridge = fit_ridge(features[:150], targets[:150], features[150:], targets[150:])
    centred = (features[:150] - features[:150].mean(0)).double()
    alpha = ridge.strength * float(centred.square().sum()) / 12
    reference = Ridge(alpha=alpha).fit(features[:150].numpy().astype(np.float64), targets[:150].numpy())
    assert np.allclose(ridge.weight.numpy(), reference.coef_, atol=1e-5)
    assert np.allclose(ridge.bias.numpy(), reference.intercept_, atol=1e-5)


def test_constant_score_by_hand() -> None:
    train_rows = np.array([[1.0, 0.0], [0.0, 1.0]], dtype=np.float32)
    assert constant_score(train_rows, np.array([[1.0, 0.0]], dtype=np.float32)) == pytest.approx(
        math.sqrt(0.5)
    )


@given(limit=st.integers(1, 60), more=st.integers(0, 20))
def test_larger_limit_gives_a_superset(limit: int, more: int) -> None:
    rows = np.arange(100, 160)
    few, many = first_of_shuffled(rows, limit, 0), first_of_shuffled(rows, limit + more, 0)
    assert set(few) <= set(many) <= set(rows)
    assert len(few) == limit


def test_precision_by_device() -> None:
    assert choose_precision("auto", "cpu") == "fp32"
    assert choose_precision("bf16", "cpu") == "bf16"


# --- the command


def test_command_trains_then_predicts(
    pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, predicted = tmp_path / "RUN", tmp_path / "PREDICTED"
    settings = (
        "--backbone test_vit --from-scratch --size 32 --epochs 1 --batch 16 --validation 0.25 --device cpu"
    )
    assert main(["train", str(pairs), "--out", str(run), *settings.split()]) == 0
    assert "validation score" in capsys.readouterr().out
    assert main(["predict", str(pairs), "--out", str(predicted), "--bundle", str(run / "bundle.toml")]) == 0
    with (predicted / "submission.csv").open() as stream:
        assert sum(1 for _ in csv.reader(stream)) == 1 + 64 * 384


def test_command_takes_a_config_and_options_override_it(
    pairs: Path, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["train", str(pairs), "--out", str(tmp_path / "RUN"), "--config", str(whole / "config.toml")]
    assert main([*arguments, "--epochs", "1", "--device", "cpu", "--json"]) == 0
    numbers = json.loads(capsys.readouterr().out)
    assert numbers["best"]["epoch"] in (0, 1)
    assert json.loads((tmp_path / "RUN" / "train.json").read_text())["config"]["augment"] == [
        "crop",
        "colour",
    ]
