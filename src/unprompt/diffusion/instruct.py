"""InstructPix2Pix: a Stable Diffusion that is given a picture beside the words, and how it learns.

Brooks, Holynski & Efros 2023, "InstructPix2Pix: Learning to Follow Image Editing Instructions". The U-Net's
first convolution takes as many channels again: those of the picture to be edited, in the autoencoder's
latents. Functions of tensors and networks only; reading pairs, the loop and painting are colouring's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import torch

from unprompt.errors import CheckpointError, ConfigError

if TYPE_CHECKING:
    from torch import Tensor

PREDICTIONS = ("epsilon", "v_prediction", "sample")
LORA_TARGETS = ("to_q", "to_k", "to_v", "to_out.0")  # of attention, as diffusers' own trainings have it


@dataclass(frozen=True, eq=False)
class Chances:
    """What is random in a step, of each of B examples.

    `noise`: (B, C, h, w) normal, what is added to the edited picture's latents. `spread`: the same shape,
    normal, which sample of the autoencoder's distribution they are. `times`: (B,) int, how noisy. `drop`:
    (B,) 0 to 1, which conditions are left out.
    """

    noise: Tensor
    spread: Tensor
    times: Tensor
    drop: Tensor

    def to(self, device: torch.device | str) -> Chances:
        """The same on a device."""
        return Chances(*(getattr(self, one.name).to(device) for one in fields(self)))


def draw_chances(seeds: Sequence[int], shape: Sequence[int], times: int) -> Chances:
    """Chances of examples, each of its own seed, so that they do not depend on who shares a batch.

    `shape`: (C, h, w) of the edited latents. `times`: of the scheduler, 1000 in Stable Diffusion.
    """
    noise, spread, when, drop = [], [], [], []
    for seed in seeds:
        random = torch.Generator().manual_seed(seed)
        noise.append(torch.randn(tuple(shape), generator=random))
        spread.append(torch.randn(tuple(shape), generator=random))
        when.append(torch.randint(times, (), generator=random))
        drop.append(torch.rand((), generator=random))
    return Chances(*(torch.stack(one) for one in (noise, spread, when, drop)))


def takes_pictures(unet: Any) -> bool:
    """Whether a U-Net takes a picture's latents beside the noisy ones: with more channels in than out."""
    return int(unet.config.in_channels) > int(unet.config.out_channels)


def widen(unet: Any) -> None:
    """Let a U-Net take a picture beside the noisy latents, in place: conv_in from C to 2 C channels.

    The new half is 0, so that it gives what it gave before, whatever the picture (the paper's section 3.2).
    One that takes 2 C already, as the published InstructPix2Pix, stays as it is. Raises CheckpointError for
    any other.
    """
    latents, taken = int(unet.config.out_channels), int(unet.config.in_channels)
    if taken == 2 * latents:
        return
    if taken != latents:
        raise CheckpointError(
            f"the model's U-Net takes {taken} channels and gives {latents}; instruct needs a text-to-image "
            f"model, whose U-Net takes {latents}, or an InstructPix2Pix, whose U-Net takes {2 * latents}"
        )
    old = unet.conv_in
    new = torch.nn.Conv2d(
        2 * latents, old.out_channels, old.kernel_size, old.stride, old.padding, bias=old.bias is not None
    ).to(old.weight)
    with torch.no_grad():
        new.weight.zero_()
        new.weight[:, :latents].copy_(old.weight)
        if old.bias is not None:
            new.bias.copy_(old.bias)
    unet.conv_in = new
    unet.register_to_config(in_channels=2 * latents)


def dropped(drop: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """Which examples learn without words and which without picture: two masks (B,) of `drop` (B,) in 0 … 1.

    `share` of all learn without words only, the same share without both, and without picture only, as in the
    paper's section 3.2.1 with 5%. What is left learns with both.
    """
    no_words = drop < 2 * share
    no_picture = (drop >= share) & (drop < 3 * share)
    return no_words, no_picture


def wanted_of(scheduler: Any, latents: Tensor, noise: Tensor, times: Tensor) -> Tensor:
    """What the U-Net should say, by the scheduler's prediction type: the noise, the velocity or the latents.

    Raises ConfigError for another type.
    """
    kind = scheduler.config.prediction_type
    if kind == "epsilon":
        return noise
    if kind == "v_prediction":  # Salimans & Ho 2022, "Progressive Distillation", appendix D
        velocity: Tensor = scheduler.get_velocity(latents, noise, times)
        return velocity
    if kind == "sample":
        return latents
    raise ConfigError(f"the scheduler predicts '{kind}'; known are {', '.join(PREDICTIONS)}")


def instruct_losses(
    unet: Any,
    scheduler: Any,
    edited: Tensor,
    picture: Tensor,
    words: Tensor,
    no_words: Tensor,
    chances: Chances,
    share: float,
) -> Tensor:
    """(B,): the mean squared error of what the U-Net says of each example, in float32.

    `edited`: (B, C, h, w) latents to be learnt, scaled. `picture`: (B, D, h, w) those of the picture to be
    edited: the mode of the autoencoder's distribution, *not* scaled, as the pipeline gives it. `words`:
    (B, T, d) states of the text encoder, `no_words`: (1, T, d) those of "". `share`: see `dropped`.
    """
    without_words, without_picture = dropped(chances.drop, share)
    words = torch.where(without_words[:, None, None], no_words, words)
    picture = picture * ~without_picture[:, None, None, None]
    noisy = scheduler.add_noise(edited, chances.noise, chances.times)
    said = unet(torch.cat([noisy, picture], dim=1), chances.times, words, return_dict=False)[0]
    wanted = wanted_of(scheduler, edited, chances.noise, chances.times)
    return (said.float() - wanted.float()).square().flatten(1).mean(dim=1)


def add_lora(unet: Any, rank: int) -> None:
    """Freeze a widened U-Net but for its first convolution, and put low-rank updates to its attention.

    Hu et al. 2021, "LoRA"; the scale is 1, and the updates are 0 to begin with. conv_in learns whole: its
    new half is 0, and a low-rank update of it is none that `load_lora_weights` reads.
    """
    from peft import LoraConfig

    unet.requires_grad_(False)
    unet.add_adapter(
        LoraConfig(r=rank, lora_alpha=rank, init_lora_weights="gaussian", target_modules=list(LORA_TARGETS))
    )
    unet.conv_in.requires_grad_(True)
