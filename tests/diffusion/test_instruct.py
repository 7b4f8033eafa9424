"""A widened U-Net, what is dropped, and the loss: on tiny random networks, and worked out by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from diffusers import DDPMScheduler, UNet2DConditionModel

from unprompt.diffusion.instruct import (
    Chances,
    add_lora,
    draw_chances,
    dropped,
    instruct_losses,
    takes_pictures,
    wanted_of,
    widen,
)
from unprompt.errors import CheckpointError, ConfigError

pytestmark = pytest.mark.usefixtures("one_thread")


def tiny_unet(channels: int = 4, latents: int = 4) -> Any:
    torch.manual_seed(0)
    return UNet2DConditionModel(
        sample_size=8,
        in_channels=channels,
        out_channels=latents,
        block_out_channels=(8, 16),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=8,
        attention_head_dim=2,
        norm_num_groups=4,
    ).eval()


def random_inputs(channels: int) -> tuple[torch.Tensor, int, torch.Tensor]:
    torch.manual_seed(1)
    return torch.randn(2, channels, 8, 8), 500, torch.randn(2, 5, 8)


# --- a U-Net that takes a picture


@pytest.mark.parametrize("size", [1.0, 100.0])
def test_a_widened_unet_gives_the_same_bits_whatever_the_picture(size: float) -> None:
    unet = tiny_unet()
    noisy, time, words = random_inputs(4)
    with torch.no_grad():
        before = unet(noisy, time, words).sample
        widen(unet)
        for picture in (torch.zeros_like(noisy), size * torch.randn_like(noisy)):
            assert torch.equal(unet(torch.cat([noisy, picture], dim=1), time, words).sample, before)
    assert takes_pictures(unet)
    assert unet.config.in_channels == 8  # as it is written to config.json
    assert not unet.conv_in.weight[:, 4:].any()


def test_the_new_half_learns_and_then_the_picture_counts() -> None:
    unet = tiny_unet()
    widen(unet)
    noisy, time, words = random_inputs(4)
    picture = torch.randn_like(noisy)
    unet(torch.cat([noisy, picture], dim=1), time, words).sample.square().mean().backward()
    assert unet.conv_in.weight.grad[:, 4:].abs().min() > 0


def test_a_unet_that_takes_a_picture_already_is_left_alone() -> None:
    unet = tiny_unet(channels=8)
    convolution, weight = unet.conv_in, unet.conv_in.weight.clone()
    widen(unet)
    assert unet.conv_in is convolution
    assert torch.equal(unet.conv_in.weight, weight)


def test_an_inpainting_unet_is_refused() -> None:
    with pytest.raises(CheckpointError, match="takes 9 channels and gives 4; instruct needs"):
        widen(tiny_unet(channels=9))


# --- what is left out


def test_shares_of_what_is_dropped_are_the_papers() -> None:
    without_words, without_picture = dropped((torch.arange(10_000) + 0.5) / 10_000, 0.05)
    assert (without_words & ~without_picture).sum() == 500
    assert (without_words & without_picture).sum() == 500
    assert (without_picture & ~without_words).sum() == 500


def test_nothing_is_dropped_at_a_share_of_0() -> None:
    assert not torch.stack(dropped(torch.rand(1000), 0.0)).any()


def test_chances_do_not_depend_on_who_shares_the_batch() -> None:
    together = draw_chances([3, 4, 5], (4, 2, 2), 1000)
    alone = draw_chances([4], (4, 2, 2), 1000)
    for name in ("noise", "spread", "times", "drop"):
        assert torch.equal(getattr(together, name)[1:2], getattr(alone, name))
    assert not torch.equal(together.noise, together.spread)


def test_chances_are_spread_as_they_should_be() -> None:
    chances = draw_chances(range(4000), (1, 1, 1), 1000)
    assert abs(float(chances.noise.mean())) < 0.06
    assert float(chances.noise.std()) == pytest.approx(1, abs=0.04)
    assert float(chances.drop.mean()) == pytest.approx(0.5, abs=0.02)
    assert float(chances.times.float().mean()) == pytest.approx(499.5, abs=15)
    assert int(chances.times.max()) <= 999


# --- the loss


class Adding(torch.nn.Module):
    """Says the noisy latents, plus the picture's, plus the mean of the words."""

    def forward(self, joined: Any, times: Any, words: Any, return_dict: bool) -> tuple[Any]:
        noisy, picture = joined.chunk(2, dim=1)
        return (noisy + picture + words.mean(dim=(1, 2))[:, None, None, None],)


def by_hand(drop: float, prediction: str) -> float:
    """x = 2 and n = -1 at a share of 0.64: 0.8 x + 0.6 n = 1 is noisy; the picture is 0.5, the words 0.25."""
    scheduler = DDPMScheduler(num_train_timesteps=2, trained_betas=[0.36, 0.5], prediction_type=prediction)
    one = torch.ones(1, 1, 1, 1)
    chances = Chances(-one, one, torch.zeros(1, dtype=torch.int64), torch.tensor([drop]))
    losses = instruct_losses(
        Adding(),
        scheduler,
        2 * one,
        0.5 * one,
        torch.full((1, 3, 2), 0.25),
        torch.zeros(1, 3, 2),
        chances,
        0.05,
    )
    return float(losses)


@pytest.mark.parametrize(
    ("drop", "prediction", "loss"),
    [
        (0.5, "epsilon", (1.75 + 1) ** 2),  # the noise is -1
        (0.01, "epsilon", (1.5 + 1) ** 2),  # without words
        (0.07, "epsilon", (1.0 + 1) ** 2),  # without both
        (0.12, "epsilon", (1.25 + 1) ** 2),  # without the picture
        (0.5, "v_prediction", (1.75 + 2) ** 2),  # the velocity is 0.8 n - 0.6 x = -2
        (0.5, "sample", (1.75 - 2) ** 2),
    ],
)
def test_the_loss_is_that_worked_out_by_hand(drop: float, prediction: str, loss: float) -> None:
    assert by_hand(drop, prediction) == pytest.approx(loss, abs=1e-5)


def test_an_unknown_prediction_is_refused() -> None:
    scheduler = SimpleNamespace(config=SimpleNamespace(prediction_type="flow"))
    with pytest.raises(ConfigError, match="predicts 'flow'; known are epsilon"):
        wanted_of(scheduler, torch.ones(1), torch.ones(1), torch.ones(1))


# --- low-rank updates


def test_low_rank_updates_begin_with_nothing_and_learn_alone_with_the_first_convolution() -> None:
    pytest.importorskip("peft")
    unet = tiny_unet()
    widen(unet)
    noisy, time, words = random_inputs(8)
    with torch.no_grad():
        before = unet(noisy, time, words).sample
        add_lora(unet, 2)
        assert torch.equal(unet(noisy, time, words).sample, before)
    learning = {name for name, value in unet.named_parameters() if value.requires_grad}
    assert {name for name in learning if "lora" not in name} == {"conv_in.weight", "conv_in.bias"}
    assert any("attn2.to_k.lora_A" in name for name in learning)
