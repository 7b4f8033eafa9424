"""The loop, on networks of a few numbers: parts in turn, kills, averages, accumulation, samples."""

from __future__ import annotations

import math
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.processes import killed_itself
from unprompt.datasets.batches import epoch_batches
from unprompt.datasets.seeds import derive_seed
from unprompt.errors import ConfigError, RunError
from unprompt.learning.accelerator import open_accelerator
from unprompt.learning.curves import Row, read_metrics
from unprompt.learning.loop import Batch, Checkpoints, Examples, Loop, Samples, learn
from unprompt.learning.parts import Part, decayed
from unprompt.learning.schedule import Schedule, learning_rate_share
from unprompt.learning.state import Standing
from unprompt.storage.resumable import WORK

Measured = tuple[torch.Tensor, dict[str, torch.Tensor]]
ROWS = 32
SCHEDULE = Schedule(epochs=2, batch=8, learning_rate=0.1, weight_decay=0.0, clip=0.0, save_minutes=0)
STEPS = 8  # of two epochs of four batches


# --- a GAN of numbers: what is real lies about 3


def layers(seed: int) -> torch.nn.Module:
    torch.manual_seed(seed)
    return torch.nn.Sequential(torch.nn.Linear(1, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))


class Judging(torch.nn.Module):
    """The discriminator, with its loss; the generator is looked through."""

    def __init__(self, discriminator: torch.nn.Module, make: Callable[..., torch.Tensor]) -> None:
        super().__init__()
        self.discriminator = discriminator
        self._make = make

    def forward(self, real: torch.Tensor) -> Measured:
        made = self._make(torch.randn_like(real)).detach()
        softplus = torch.nn.functional.softplus
        losses = softplus(-self.discriminator(real)) + softplus(self.discriminator(made))
        return losses.mean(), {"discriminator": losses.detach().sum()}


class Making(torch.nn.Module):
    """The generator, with its loss; the discriminator is looked through."""

    def __init__(self, generator: torch.nn.Module, judge: Callable[..., torch.Tensor]) -> None:
        super().__init__()
        self.generator = generator
        self._judge = judge

    def forward(self, real: torch.Tensor) -> Measured:
        losses = torch.nn.functional.softplus(-self._judge(self.generator(torch.randn_like(real))))
        return losses.mean(), {"generator": losses.detach().sum()}


def real_numbers() -> torch.Tensor:
    return 3 + 0.5 * torch.randn(ROWS, 1, generator=torch.Generator().manual_seed(0))


def picture(networks: Any, step: int) -> Image.Image:
    """Eight made numbers, as grey pixels."""
    made = networks["generator"](torch.randn(8, 1))
    return Image.fromarray((made.clamp(0, 4) * 60).numpy().astype(np.uint8))


def gan(out: Path, schedule: Schedule = SCHEDULE, every: int = 3, draw: Any = picture, **more: Any) -> Loop:
    generator, discriminator = layers(1), layers(2)
    real = real_numbers()
    parts = [
        Part(Judging(discriminator, generator.forward), "discriminator", learning_rate=0.02),
        Part(
            Making(generator, discriminator.forward),
            "generator",
            betas=(0.5, 0.999),
            ema=0.9,
            network=generator,
        ),
    ]
    examples = Examples(np.arange(ROWS), lambda batch: (real[batch.rows],))
    return Loop(open_accelerator("cpu"), parts, examples, schedule, out, samples=Samples(every, draw), **more)


def run_through(loop: Loop) -> dict[str, Any]:
    """Train to the end; what came of it, without what a clock decides."""
    for row in loop.epochs():
        loop.finish_epoch(row)
    clocks = ("seconds", "images_per_second")
    return {
        "rows": [{name: value for name, value in row.items() if name not in clocks} for row in loop.rows],
        "weights": {
            f"{part} {name}": tensor.tolist()
            for part, network in loop.networks.items()
            for name, tensor in network.state_dict().items()
        },
    }


def drawn(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((out / "samples").iterdir())}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, bytes]]:
    """What a GAN comes to that nothing interrupted, and its samples."""
    out = tmp_path_factory.mktemp("gan")
    return run_through(gan(out)), drawn(out)


def test_both_parts_step_and_are_measured(whole: tuple[dict[str, Any], dict[str, bytes]]) -> None:
    learnt, _ = whole
    before = {"discriminator": Judging(layers(2), abs).state_dict(), "generator": layers(1).state_dict()}
    for part, state in before.items():
        for name, tensor in state.items():
            assert learnt["weights"][f"{part} {name}"] != tensor.tolist()
    assert list(learnt["rows"][0]) == ["epoch", "step", "discriminator", "generator", "learning_rate"]
    assert [row["step"] for row in learnt["rows"]] == [4, 8]


def test_turns_are_what_a_plain_loop_does(tmp_path: Path) -> None:
    """The discriminator first, then the generator against the discriminator as it is by then."""
    generator, discriminator, real = layers(1), layers(2), real_numbers()
    judge = torch.optim.AdamW(discriminator.parameters(), lr=0.02, betas=(0.9, 0.99), weight_decay=0)
    make = torch.optim.AdamW(generator.parameters(), lr=0.1, betas=(0.5, 0.999), weight_decay=0)
    judging, making = Judging(discriminator, generator.forward), Making(generator, discriminator.forward)
    order = [rows for epoch in (1, 2) for rows in epoch_batches(np.arange(ROWS), 8, 0, epoch)]
    for step, rows in enumerate(order):
        torch.manual_seed(derive_seed(0, "step", step, 0))
        for objective, optimizer, peak in ((judging, judge, 0.02), (making, make, 0.1)):
            optimizer.param_groups[0]["lr"] = peak * learning_rate_share(step, STEPS, SCHEDULE.warmup)
            optimizer.zero_grad()
            objective(real[rows])[0].backward()
            optimizer.step()
    loop = gan(tmp_path, every=100)
    run_through(loop)
    for name, tensor in discriminator.state_dict().items():
        found = loop.networks["discriminator"].state_dict()[f"discriminator.{name}"]
        torch.testing.assert_close(found, tensor, atol=1e-6, rtol=0)


def test_one_part_leaves_no_gradients_in_the_other(tmp_path: Path) -> None:
    def look(networks: Any, step: int) -> Image.Image:
        for network in networks.values():
            assert all(parameter.grad is None for parameter in network.parameters())
            assert all(parameter.requires_grad for parameter in network.parameters())
            assert not network.training
        seen.append(step)
        return Image.new("L", (1, 1))

    seen: list[int] = []
    run_through(gan(tmp_path, every=1, draw=look))
    assert seen == list(range(1, STEPS + 1))


def test_checkpoints_are_of_the_averaged_networks_at_rest(tmp_path: Path) -> None:
    def keep(networks: Any, step: int) -> None:
        assert all(not network.training for network in networks.values())
        assert not torch.is_grad_enabled()
        kept[step] = [value.clone() for value in networks["generator"].state_dict().values()]

    kept: dict[int, list[torch.Tensor]] = {}
    loop = gan(tmp_path, every=100, checkpoints=Checkpoints(4, keep))
    run_through(loop)
    assert list(kept) == [4, 8]
    last = list(loop.networks["generator"].state_dict().values())
    assert all(torch.equal(one, other) for one, other in zip(kept[8], last, strict=True))
    assert not torch.equal(kept[4][0], last[0])
    assert list(loop.networks["generator"].state_dict()) == list(layers(1).state_dict())  # the average itself


def test_checkpoints_need_steps_between_them() -> None:
    with pytest.raises(ConfigError, match="checkpoints come every step at most, got every 0"):
        Checkpoints(0, lambda networks, step: None)


def test_the_end_may_come_before_that_of_an_epoch(
    tmp_path: Path, whole: tuple[dict[str, Any], dict[str, bytes]]
) -> None:
    """Of two epochs of four batches, six steps; the first epoch's learning rates know of the nearer end."""
    loop = gan(tmp_path, most_steps=6)
    rows = run_through(loop)["rows"]
    assert [row["step"] for row in rows] == [4, 6]
    assert loop.last_epoch == 2
    assert rows[1]["learning_rate"] == pytest.approx(0.1 * learning_rate_share(5, 6, SCHEDULE.warmup))
    beyond = run_through(gan(tmp_path / "beyond", most_steps=100))
    assert beyond == whole[0]


# --- killed and gone on


@pytest.mark.parametrize("steps", [1, 3, 4, 6])
def test_interrupted_gan_ends_as_a_whole_one(
    tmp_path: Path, whole: tuple[dict[str, Any], dict[str, bytes]], steps: int
) -> None:
    class StoppedError(Exception):
        pass

    told = [0]

    def interrupt(step: str, done: int, total: int) -> None:
        told[0] += done > 0
        if told[0] > steps:
            raise StoppedError

    with pytest.raises(StoppedError):
        run_through(gan(tmp_path, progress=interrupt))
    loop = gan(tmp_path)
    assert loop.resumed
    assert loop.step == steps + 1
    assert run_through(loop) == whole[0]
    assert drawn(tmp_path) == whole[1]


def train_and_die(out: Path) -> None:
    """SIGKILL in the middle of the sixth step: after its forward pass, before it is saved."""
    loop, forward = gan(out), Making.forward

    def deadly(self: Any, real: Any) -> Any:
        if loop.step == 5:
            os.kill(os.getpid(), signal.SIGKILL)
        return forward(self, real)

    Making.forward = deadly  # type: ignore[method-assign]
    run_through(loop)


def test_killed_gan_ends_as_a_whole_one(
    tmp_path: Path, whole: tuple[dict[str, Any], dict[str, bytes]]
) -> None:
    assert killed_itself(train_and_die, tmp_path)
    assert list(drawn(tmp_path)) == ["0000003.png"]
    loop = gan(tmp_path)
    assert loop.step == 5
    assert run_through(loop) == whole[0]
    assert drawn(tmp_path) == whole[1]


def test_slow_steps_do_not_put_off_a_save(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four minutes each: after three of them, a save that is to come every ten minutes is due."""
    now = [0.0]
    monkeypatch.setattr("unprompt.learning.loop.time", SimpleNamespace(monotonic=lambda: now[0]))

    def interrupt(step: str, done: int, total: int) -> None:
        now[0] += 240
        if done == 24:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_through(gan(tmp_path, replace(SCHEDULE, save_minutes=10), progress=interrupt))
    assert gan(tmp_path).step == 3


def test_start_is_kept_once_saved(tmp_path: Path) -> None:
    row = {"epoch": 0, "step": 0, "seconds": 7.0}
    loop = gan(tmp_path, start=Standing(rows=(row,), seconds=7.0))
    assert (loop.rows, loop.seconds, loop.resumed) == ((row,), 7.0, False)
    loop.save()
    again = gan(tmp_path)
    assert (again.rows, again.seconds, again.resumed) == ((row,), 7.0, True)


# --- samples


def test_samples_come_at_their_steps_and_are_not_drawn_again(tmp_path: Path) -> None:
    steps: list[int] = []

    def draw(networks: Any, step: int) -> Image.Image:
        steps.append(step)
        return picture(networks, step)

    def interrupt(step: str, done: int, total: int) -> None:
        if step == "epoch 1" and done == 24:  # after the third step, whose sample is drawn and state saved
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_through(gan(tmp_path, replace(SCHEDULE, save_minutes=60), draw=draw, progress=interrupt))
    assert steps == [3]
    assert not (tmp_path / WORK / "state.pt").exists()  # so the first three steps are done again
    run_through(gan(tmp_path, draw=draw))
    assert steps == [3, 6]
    assert list(drawn(tmp_path)) == ["0000003.png", "0000006.png"]


def test_a_sample_that_a_kill_prevented_is_drawn_later(
    tmp_path: Path, whole: tuple[dict[str, Any], dict[str, bytes]]
) -> None:
    def die(networks: Any, step: int) -> Image.Image:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_through(gan(tmp_path, draw=die))
    assert run_through(gan(tmp_path)) == whole[0]
    assert drawn(tmp_path) == whole[1]


def test_samples_change_nothing_that_is_learnt(
    tmp_path: Path, whole: tuple[dict[str, Any], dict[str, bytes]]
) -> None:
    assert run_through(gan(tmp_path, every=1)) == whole[0]
    with pytest.raises(ConfigError, match="every 0"):
        Samples(0, picture)


# --- one number that learns: by hand


class Line(torch.nn.Module):
    """w x, which is to be y."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> Measured:
        losses = (self.weight * x - y).square()
        return losses.mean(), {"loss": losses.detach().sum()}


def line(
    out: Path, schedule: Schedule, accumulate: int = 1, **part: Any
) -> tuple[Loop, list[float], list[list[int]]]:
    """A loop that fits a line; lists that get the weight before each look at it, and the rows then."""
    x = torch.randn(ROWS, generator=torch.Generator().manual_seed(1))
    weights: list[float] = []
    seen: list[list[int]] = []
    objective = Line()

    def inputs(batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        weights.append(objective.weight.item())
        seen.append(batch.rows.tolist())
        return x[batch.rows], 3 * x[batch.rows] + 1

    examples = Examples(np.arange(ROWS), inputs)
    parts = [Part(objective, **part)]
    return Loop(open_accelerator("cpu"), parts, examples, schedule, out, accumulate), weights, seen


def test_learning_rate_goes_by_the_schedule(tmp_path: Path) -> None:
    """With betas of 0 a step of Adam is the learning rate long, whatever the gradient."""
    schedule = replace(SCHEDULE, learning_rate=0.01, warmup=0.25)
    loop, weights, _ = line(tmp_path, schedule, betas=(0.0, 0.0))
    rows = run_through(loop)["rows"]
    steps = np.diff([*weights, loop.networks["network"].weight.item()])
    # two steps up, then half a cosine over six
    shares = [0.5, 1.0, *(0.5 * (1 + math.cos(math.pi * k / 6)) for k in range(6))]
    assert steps == pytest.approx([0.01 * share for share in shares], abs=1e-6)
    assert [row["learning_rate"] for row in rows] == pytest.approx([0.01 * shares[3], 0.01 * shares[7]])


def test_parts_learn_at_their_own_rates(tmp_path: Path) -> None:
    accelerator = open_accelerator("cpu")
    slow, fast = Line(), Line()

    class Renamed(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.line = fast

        def forward(self, x: torch.Tensor, y: torch.Tensor) -> Measured:
            loss, sums = self.line(x, y)
            return loss, {"fast": sums["loss"]}

    parts = [
        Part(slow, "slow", betas=(0.0, 0.0)),
        Part(Renamed(), "fast", learning_rate=0.03, betas=(0.0, 0.0)),
    ]
    examples = Examples(np.arange(ROWS), lambda batch: (torch.ones(8), torch.full((8,), 3.0)))
    schedule = replace(SCHEDULE, epochs=1, learning_rate=0.01, warmup=0.0)
    run_through(Loop(accelerator, parts, examples, schedule, tmp_path))
    way = sum(0.5 * (1 + math.cos(math.pi * k / 4)) for k in range(4))
    assert slow.weight.item() == pytest.approx(0.01 * way, abs=1e-6)
    assert fast.weight.item() == pytest.approx(0.03 * way, abs=1e-6)


def test_groups_keep_their_own_peaks(tmp_path: Path) -> None:
    objective = Line()
    group = {"params": [objective.weight], "lr": 0.5, "weight_decay": 0.0}
    examples = Examples(np.arange(8), lambda batch: (torch.ones(8), torch.full((8,), 3.0)))
    schedule = replace(SCHEDULE, epochs=1, warmup=0.0)
    run_through(
        Loop(
            open_accelerator("cpu"),
            [Part(objective, groups=[group], betas=(0.0, 0.0))],
            examples,
            schedule,
            tmp_path,
        )
    )
    assert objective.weight.item() == pytest.approx(0.5, abs=1e-6)


def test_weights_decay_and_biases_do_not() -> None:
    layer = torch.nn.Linear(3, 2)
    layer.weight.requires_grad_(False)
    assert [len(group["params"]) for group in decayed(layer, 0.1)] == [0, 1]
    layer.weight.requires_grad_(True)
    first, second = decayed(layer, 0.1)
    assert first == {"params": [layer.weight], "weight_decay": 0.1}
    assert second["weight_decay"] == 0


def test_average_is_that_of_the_weights_so_far(tmp_path: Path) -> None:
    """By timm's warm-up the decay after step n + 1 is 1 - (1 + n)^(-2/3), at most the one asked for."""
    loop, weights, _ = line(tmp_path, SCHEDULE, ema=0.5)
    run_through(loop)
    (average,) = loop.networks.values()
    weights.append(loop._learners[0]._network.weight.item())
    expected = weights[1]
    for number, weight in enumerate(weights[2:], start=1):
        decay = min(0.5, 1 - (1 + number) ** (-2 / 3))
        expected = decay * expected + (1 - decay) * weight
    assert average.weight.item() == pytest.approx(expected, abs=1e-6)
    assert average.weight.item() != weights[-1]


@pytest.mark.parametrize("accumulate", [2, 3])
def test_parts_of_a_batch_add_up_to_it(tmp_path: Path, accumulate: int) -> None:
    """2 x 8 examples, and parts of unlike sizes, are a batch of 16."""
    schedule = replace(SCHEDULE, batch=16)
    plain, _, whole_rows = line(tmp_path / "plain", schedule)
    cut, _, cut_rows = line(tmp_path / "cut", schedule, accumulate)
    for one, other in zip(run_through(plain)["rows"], run_through(cut)["rows"], strict=True):
        assert other == pytest.approx(one, rel=1e-5)
    assert len(cut_rows) == accumulate * len(whole_rows)
    assert [sorted(rows) for rows in whole_rows] == [
        sorted(chain(*cut_rows[start : start + accumulate])) for start in range(0, len(cut_rows), accumulate)
    ]
    (one,), (other,) = plain.networks.values(), cut.networks.values()
    assert other.weight.item() == pytest.approx(one.weight.item(), rel=1e-5)


def test_long_gradients_are_cut(tmp_path: Path) -> None:
    class Flat(torch.nn.Module):
        """A gradient of (30, 40), of length 50; what Adam sees is looked at."""

        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(2))

        def forward(self) -> Measured:
            loss = self.weight @ torch.tensor([30.0, 40.0])
            return loss, {"loss": loss.detach()}

    objective = Flat()
    examples = Examples(np.arange(8), lambda batch: ())
    loop = Loop(
        open_accelerator("cpu"), [Part(objective)], examples, replace(SCHEDULE, epochs=1, clip=1.0), tmp_path
    )
    run_through(loop)
    state = loop._learners[0]._optimizer.state_dict()["state"][0]
    assert state["exp_avg"].tolist() == pytest.approx([0.06, 0.08], rel=1e-4)  # a tenth of (0.6, 0.8)


# --- what can go wrong


def test_loss_that_is_no_number_ends_the_training(tmp_path: Path) -> None:
    nan = torch.full((8,), math.nan)
    examples = Examples(np.arange(ROWS), lambda batch: (nan, nan))
    loop = Loop(
        open_accelerator("cpu"), [Part(Line())], examples, SCHEDULE, tmp_path, remedy="start with other data"
    )
    with pytest.raises(RunError, match=r"not a number, at step 1 in epoch 1: .*; start with other data"):
        run_through(loop)
    assert not (tmp_path / WORK / "state.pt").exists()


def test_parts_have_names_of_their_own(tmp_path: Path) -> None:
    examples = Examples(np.arange(ROWS), lambda batch: ())
    with pytest.raises(ConfigError, match="names of their own, got network, network"):
        Loop(open_accelerator("cpu"), [Part(Line()), Part(Line())], examples, SCHEDULE, tmp_path)


def test_state_of_another_version_says_so(tmp_path: Path) -> None:
    (tmp_path / WORK).mkdir()
    torch.save({"progress": {}}, tmp_path / WORK / "state.pt")
    with pytest.raises(RunError, match=r"state\.pt cannot be read.*--overwrite"):
        gan(tmp_path)


# --- the plain case


def test_learn_leaves_a_table_and_curves(tmp_path: Path) -> None:
    x = torch.ones(8)
    examples = Examples(np.arange(ROWS), lambda batch: (x, 3 * x))
    told: list[tuple[str, int, int]] = []
    row: Row = learn(
        open_accelerator("cpu"),
        [Part(Line())],
        examples,
        SCHEDULE,
        tmp_path,
        "a line",
        progress=lambda *args: told.append(args),
    )
    rows = read_metrics(tmp_path / "metrics.csv")
    assert rows[-1] == row
    assert [row["epoch"] for row in rows] == [1, 2]
    assert rows[1]["loss"] < rows[0]["loss"] < 9
    assert (tmp_path / "curves.png").exists()
    assert told[:3] == [("epoch 1", 0, 32), ("epoch 1", 8, 32), ("epoch 1", 16, 32)]
    assert told[-1] == ("epoch 2", 32, 32)


@pytest.mark.parametrize(("seconds", "drawn_after"), [(0.0, [1, 2]), (3600.0, [2])])
def test_curves_are_drawn_now_and_then_and_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float, drawn_after: list[int]
) -> None:
    monkeypatch.setattr("unprompt.learning.loop.DRAWN_SECONDS", seconds)
    examples = Examples(np.arange(ROWS), lambda batch: (torch.ones(8), torch.ones(8)))
    found = []

    def look(row: Row) -> None:
        if (tmp_path / "curves.png").exists():
            found.append(row["epoch"])
            (tmp_path / "curves.png").unlink()

    loop = Loop(open_accelerator("cpu"), [Part(Line())], examples, SCHEDULE, tmp_path)
    loop.learn("a line", on_epoch=look)
    assert found == drawn_after
