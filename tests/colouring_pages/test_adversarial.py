"""The losses of a conditional GAN, worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from unprompt.colouring_pages.adversarial import (
    Drawing,
    Judging,
    line_entropies,
    score_losses,
    slope_penalties,
)
from unprompt.colouring_pages.config import PageTraining

SCORES = torch.tensor([[[[0.0, 2.0]]], [[[-1.0, 1.0]]]])  # (2, 1, 1, 2): two pieces of each of two pictures


def entropy(probability: float) -> float:
    return -math.log(probability)


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


@pytest.mark.parametrize(
    ("gan", "real", "expected"),
    [
        (
            "vanilla",
            True,
            [
                (math.log(2) + entropy(sigmoid(2))) / 2,
                (entropy(sigmoid(-1)) + entropy(sigmoid(1))) / 2,
            ],
        ),
        (
            "vanilla",
            False,
            [
                (math.log(2) + entropy(1 - sigmoid(2))) / 2,
                (entropy(1 - sigmoid(-1)) + entropy(1 - sigmoid(1))) / 2,
            ],
        ),
        ("lsgan", True, [(1 + 1) / 2, (4 + 0) / 2]),
        ("lsgan", False, [(0 + 4) / 2, (1 + 1) / 2]),
        ("wgangp", True, [-1.0, 0.0]),
        ("wgangp", False, [1.0, 0.0]),
    ],
)
def test_losses_by_hand(gan: str, real: bool, expected: list[float]) -> None:
    assert score_losses(gan, SCORES, real).tolist() == pytest.approx(expected, abs=1e-6)


def test_cross_entropy_is_torch_s() -> None:
    for real in (True, False):
        torch.testing.assert_close(
            score_losses("vanilla", SCORES, real).mean(),
            torch.nn.functional.binary_cross_entropy_with_logits(
                SCORES, torch.full_like(SCORES, float(real))
            ),
        )


class Linear(torch.nn.Module):
    """A critic of two pieces, which are a . source + b . picture and the same with 3 b."""

    def __init__(self, length: float) -> None:
        super().__init__()
        torch.manual_seed(0)
        slope = torch.randn(1, 4, 4)
        self.weight = torch.nn.Parameter(length * slope / slope.norm() / 2)  # mean of b and 3 b is 2 b

    def forward(self, source: torch.Tensor, picture: torch.Tensor) -> torch.Tensor:
        value = (self.weight * picture).flatten(1).sum(1) + source.flatten(1).sum(1)
        return torch.stack([value, 3 * value], 1)[:, None, None]  # (B, 1, 1, 2)


@pytest.mark.parametrize("length", [0.0, 0.25, 1.0, 3.0])
def test_a_linear_critic_has_the_penalty_of_its_slope(length: float) -> None:
    """(|b| - 1)^2 wherever it is looked at, and its gradient along b is 2 (|b| - 1) b / |b|."""
    critic, (real, made) = Linear(length), torch.rand(2, 3, 1, 4, 4)
    source = torch.rand(3, 3, 4, 4)
    found = slope_penalties(lambda picture: critic(source, picture), real, made)
    assert found.tolist() == pytest.approx([(length - 1) ** 2] * 3, abs=1e-5)
    found.mean().backward()
    assert critic.weight.grad is not None
    expected = 2 * (length - 1) * 2 * critic.weight / length * 2 if length else torch.zeros(1, 4, 4)
    torch.testing.assert_close(critic.weight.grad, expected.detach(), atol=1e-4, rtol=1e-4)


def judging(gan: str, length: float = 3.0) -> tuple[float, float]:
    """The discriminator's loss and its sum for a real picture of 1s, one made of 0s, sources of 0."""
    critic = Linear(length)
    critic.weight.data = critic.weight.data.abs()
    made = torch.zeros(2, 1, 4, 4)
    loss, sums = Judging(critic, lambda source: made, gan, 10.0)(
        torch.zeros(2, 3, 4, 4), torch.ones(2, 1, 4, 4)
    )
    return loss.item(), sums["discriminator"].item()


def test_the_discriminator_s_loss_is_halved_but_a_critic_s() -> None:
    critic = Linear(3.0)
    value = critic.weight.abs().sum().item()  # of what is real; what is made has 0
    squares = ((value - 1) ** 2 + (3 * value - 1) ** 2) / 2
    assert judging("lsgan") == pytest.approx((squares / 2, squares), rel=1e-5)
    wasserstein = -2 * value + 10 * (3 - 1) ** 2
    assert judging("wgangp") == pytest.approx((wasserstein, 2 * wasserstein), rel=1e-5)
    real = (math.log1p(math.exp(-value)) + math.log1p(math.exp(-3 * value))) / 2
    vanilla = (real + math.log(2)) / 2
    assert judging("vanilla") == pytest.approx((vanilla, 2 * vanilla), rel=1e-5)


class Grey(torch.nn.Module):
    """A generator of one number."""

    def __init__(self) -> None:
        super().__init__()
        self.level = torch.nn.Parameter(torch.tensor(0.5))

    def forward(self, source: torch.Tensor) -> torch.Tensor:
        return torch.tanh(self.logits(source))

    def logits(self, source: torch.Tensor) -> torch.Tensor:
        return torch.atanh(self.level).expand(len(source), 1, 4, 4)


@pytest.mark.parametrize("gan_weight", [0.0, 2.0])
def test_the_generator_s_loss_by_hand(gan_weight: float) -> None:
    generator, critic = Grey(), Linear(1.0)
    judge = critic if gan_weight else None
    drawing = Drawing(generator, judge, PageTraining(gan="lsgan", gan_weight=gan_weight))
    loss, sums = drawing(torch.zeros(2, 3, 4, 4), torch.full((2, 1, 4, 4), -0.5))
    value = critic.weight.sum().item() / 2
    doubt = ((value - 1) ** 2 + (3 * value - 1) ** 2) / 2
    assert loss.item() == pytest.approx(100 + gan_weight * doubt, rel=1e-5)
    assert sums["l1"].item() == pytest.approx(2)
    if gan_weight:
        assert sums["generator"].item() == pytest.approx(2 * doubt, rel=1e-5)
        assert list(sums) == ["generator", "l1"]
    else:
        assert list(sums) == ["l1"]
    loss.backward()
    assert generator.level.grad is not None


def test_the_cross_entropy_of_lines_by_hand() -> None:
    generator = Grey()  # 0.5 on a scale of -1 to 1: a quarter of ink
    config = PageTraining(gan_weight=0, l1_weight=0, entropy_weight=3, line_weight=2)
    drawing = Drawing(generator, None, config)
    truths = torch.ones(2, 1, 4, 4)
    truths[0, :, :2] = -1  # half of the first picture is line
    loss, sums = drawing(torch.zeros(2, 3, 4, 4), truths)
    paper, line = -math.log(0.75), -2 * math.log(0.25)
    entropies = (line + paper) / 2, paper
    assert sums["entropy"].item() == pytest.approx(sum(entropies), rel=1e-5)
    assert loss.item() == pytest.approx(3 * sum(entropies) / 2, rel=1e-5)
    loss.backward()
    assert generator.level.grad is not None


def test_the_cross_entropy_is_least_at_the_share_of_lines() -> None:
    """Where a line is there once in four times, L1 is best off with paper; this with a quarter of ink."""
    truths = torch.tensor([-1.0, 1, 1, 1]).reshape(1, 1, 2, 2)
    inks = torch.linspace(0.01, 0.99, 99)
    losses = [line_entropies(torch.atanh(1 - 2 * ink).expand(1, 1, 2, 2), truths, 1.0).item() for ink in inks]
    assert inks[int(np.argmin(losses))].item() == pytest.approx(0.25, abs=0.011)


def test_the_discriminator_s_turn_teaches_the_generator_nothing() -> None:
    generator, critic = Grey(), Linear(1.0)
    loss, _ = Judging(critic, generator.forward, "vanilla", 10.0)(
        torch.zeros(1, 3, 4, 4), torch.ones(1, 1, 4, 4)
    )
    loss.backward()
    assert generator.level.grad is None
    assert critic.weight.grad is not None
