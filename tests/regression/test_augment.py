"""Augmentations: what happens to an image depends on its row alone, and each does what its name says."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from unprompt.errors import ConfigError
from unprompt.regression import augment as module
from unprompt.regression.augment import AUGMENTATIONS, augment, check_augmentations
from unprompt.regression.config import TrainConfig

SIDE = 32
ROWS = np.arange(200, 240)


@pytest.fixture
def pixels() -> torch.Tensor:
    """40 images, each a smooth pattern with noise: every shift and every mirroring shows."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    waves = np.stack([np.sin(5 * x + 3 * y), np.cos(4 * y - x), x * y], axis=-1)
    noisy = 128 + 80 * waves + rng.normal(scale=12, size=(40, SIDE, SIDE, 3))
    return torch.from_numpy(np.clip(noisy, 0, 255).astype(np.uint8))


def changed_share(before: torch.Tensor, after: torch.Tensor) -> np.ndarray:
    return (before != after).any(dim=-1).float().mean(dim=(1, 2)).numpy()


@pytest.mark.parametrize("names", [*((name,) for name in AUGMENTATIONS), tuple(AUGMENTATIONS)])
def test_an_image_alone_becomes_what_it_becomes_in_a_batch(
    pixels: torch.Tensor, names: tuple[str, ...]
) -> None:
    together = augment(pixels, names, 3, 1, ROWS)
    assert together.dtype == torch.uint8
    assert together.shape == pixels.shape
    assert together.is_contiguous()
    assert not torch.equal(together, pixels)
    for image in (0, 1, 17, 39):
        alone = augment(pixels[image : image + 1], names, 3, 1, ROWS[image : image + 1])
        assert torch.equal(alone[0], together[image])
    backwards = augment(pixels.flip(0), names, 3, 1, ROWS[::-1])
    assert torch.equal(backwards.flip(0), together)


@pytest.mark.parametrize("slices", [1, 7, 64])
def test_slices_make_no_difference(pixels: torch.Tensor, slices: int) -> None:
    whole = augment(pixels, tuple(AUGMENTATIONS), 3, 1, ROWS)
    assert torch.equal(augment(pixels, tuple(AUGMENTATIONS), 3, 1, ROWS, slices), whole)


def test_seed_epoch_and_row_each_matter_and_the_order_of_names_does_not(pixels: torch.Tensor) -> None:
    same = pixels[:1].expand(40, -1, -1, -1)
    names = ("crop", "colour")
    first = augment(same, names, 3, 1, ROWS)
    assert len({tuple(image.flatten().tolist()) for image in first}) == 40
    assert not torch.equal(augment(same, names, 4, 1, ROWS), first)
    assert not torch.equal(augment(same, names, 3, 2, ROWS), first)
    assert torch.equal(augment(same, ("colour", "crop"), 3, 1, ROWS), first)


def test_the_input_is_left_alone_and_comes_back_where_nothing_is_asked(pixels: torch.Tensor) -> None:
    before = pixels.clone()
    augment(pixels, tuple(AUGMENTATIONS), 0, 0, ROWS)
    assert torch.equal(pixels, before)
    assert augment(pixels, (), 0, 0, ROWS) is pixels


def test_flip_mirrors_about_half_of_the_images_and_leaves_the_others(pixels: torch.Tensor) -> None:
    flipped = augment(pixels, ("flip",), 0, 1, ROWS)
    mirrored = [torch.equal(new, old.flip(1)) for old, new in zip(pixels, flipped, strict=True)]
    left = [torch.equal(new, old) for old, new in zip(pixels, flipped, strict=True)]
    assert all(a != b for a, b in zip(mirrored, left, strict=True))
    assert 10 < sum(mirrored) < 30


def test_flip_and_the_others_are_never_defaults() -> None:
    assert TrainConfig().augment == ()


def test_shift_moves_by_up_to_six_percent_and_mirrors_the_edge() -> None:
    """On a ramp along x, a shift adds a constant inside, and turns the ramp round at the edge."""
    ramp = torch.arange(0, 200, 2, dtype=torch.uint8)[None, None, :, None].expand(64, 100, 100, 3)
    rows = np.arange(64)
    moved = augment(ramp, ("shift",), 0, 0, rows).float() - ramp.float()
    inside = moved[:, 10:-10, 10:-10]
    by = inside.mean(dim=(1, 2, 3)) / 2  # in pixels
    assert ((inside - 2 * by[:, None, None, None]).abs() <= 1).all()
    assert by.abs().max() <= 6.01
    assert by.min() < -4
    assert by.max() > 4
    far = int(
        by.argmin()
    )  # what comes in at the left is the mirrored edge: 0 in its middle, rising both ways
    left = augment(ramp, ("shift",), 0, 0, rows)[far, 50, :16, 0].float() / 2
    middle = -by[far] - 0.5
    np.testing.assert_allclose(left, ((torch.arange(16) - middle).abs() - 0.5).clamp(min=0), atol=0.6)


def test_crop_sees_80_to_100_percent_from_inside_the_image() -> None:
    ramp = torch.arange(0, 200, 2, dtype=torch.uint8)[None, None, :, None].expand(200, 100, 100, 3)
    cropped = (
        augment(ramp, ("crop",), 0, 0, np.arange(200)).float()[:, 50, :, 0] / 2
    )  # where each pixel is from
    side = (cropped[:, 90] - cropped[:, 10]) / 80
    assert ((side**2 > 0.78) & (side**2 < 1.02)).all()
    assert side.min() ** 2 < 0.84
    assert side.max() ** 2 > 0.96
    assert (cropped.diff(dim=1) >= 0).all()  # nothing is mirrored in
    starts = cropped[:, 0]
    assert starts.min() < 1
    assert starts.max() > 6


def test_geometry_is_one_resampling_of_all_three(pixels: torch.Tensor) -> None:
    """Flip after crop and shift: the mirror image of what they give without it, where it comes to that."""
    without = augment(pixels, ("crop", "shift"), 0, 0, ROWS)
    with_flip = augment(pixels, ("crop", "shift", "flip"), 0, 0, ROWS)
    flipped = augment(pixels, ("flip",), 0, 0, ROWS)
    for number in range(40):
        mirrored = not torch.equal(flipped[number], pixels[number])
        expected = without[number].flip(1) if mirrored else without[number]
        assert (with_flip[number].int() - expected.int()).abs().max() <= 1


def test_colour_by_hand() -> None:
    """The three steps, one after the other, on an image of two pixels' colours."""
    image = torch.tensor([[200.0, 100.0, 50.0], [20.0, 60.0, 120.0]], dtype=torch.float64)
    factors = torch.tensor([[1.1, 0.9, 1.2]], dtype=torch.float64)
    luma = torch.tensor([0.299, 0.587, 0.114], dtype=torch.float64)
    bright = 1.1 * image
    contrast = 0.9 * bright + 0.1 * (bright @ luma).mean()
    expected = 1.2 * contrast - 0.2 * (contrast @ luma)[:, None]
    planes = image.T[None, :, None, :].clone()  # (1, 3, 1, 2)
    coloured = module._coloured(planes, image.mean(0, keepdim=True), factors)
    torch.testing.assert_close(coloured[0, :, 0].T, expected)


def test_colour_is_mild_and_leaves_grey_grey() -> None:
    grey = torch.full((100, 8, 8, 3), 100, dtype=torch.uint8)
    changed = augment(grey, ("colour",), 0, 0, np.arange(100)).float()
    assert (changed.amax(-1) - changed.amin(-1) <= 1).all()
    assert 84 <= changed.min() < 90
    assert 110 < changed.max() <= 116


def test_blur_smooths_half_of_the_images_and_keeps_their_mean(pixels: torch.Tensor) -> None:
    blurred = augment(pixels, ("blur",), 0, 0, ROWS)
    touched = changed_share(pixels, blurred) > 0
    assert 10 < touched.sum() < 30
    assert changed_share(pixels, blurred)[touched].max() > 0.8
    roughness = [images.float().diff(dim=1).abs().mean((1, 2, 3)).numpy() for images in (pixels, blurred)]
    assert (roughness[1][touched] < roughness[0][touched]).all()
    np.testing.assert_allclose(blurred.float().mean((1, 2, 3)), pixels.float().mean((1, 2, 3)), atol=1)


def test_erase_takes_a_rectangle_from_half_of_the_images() -> None:
    white = torch.full((200, 50, 50, 3), 255, dtype=torch.uint8)
    white[:, :, :25] = 0  # the mean colour, 128, stands nowhere
    erased = augment(white, ("erase",), 0, 0, np.arange(200))
    hit = (erased == 128).all(-1).numpy()
    assert ((erased == white).all(-1).numpy() | hit).all()
    areas = hit.mean((1, 2))
    assert 70 < (areas > 0).sum() < 130
    assert 0.015 < areas[areas > 0].min() < 0.04
    assert 0.12 < areas.max() < 0.17
    for image in hit[areas > 0]:
        lines, columns = np.flatnonzero(image.any(1)), np.flatnonzero(image.any(0))
        assert image[lines[0] : lines[-1] + 1, columns[0] : columns[-1] + 1].all()
        assert 0.45 < len(lines) / len(columns) < 2.2


def test_random_numbers_are_even_and_of_their_own_for_each_name() -> None:
    draw = module._drawing(5, 2, np.arange(20_000))
    crop, shift = draw("crop", 2), draw("shift", 2)
    for numbers in (crop, shift):
        assert numbers.min() >= 0
        assert numbers.max() < 1
        counts = np.histogram(numbers, bins=10, range=(0, 1))[0]
        assert counts.min() > 3700
        assert counts.max() < 4300
    columns = np.stack([*crop.T, *shift.T, np.roll(crop[:, 0], 1)])
    correlations = np.corrcoef(columns) - np.eye(5)
    assert np.abs(correlations).max() < 0.03


def test_an_unknown_name(pixels: torch.Tensor) -> None:
    words = "no augmentation 'mirror'; there are: crop, shift, flip, colour, blur, erase"
    with pytest.raises(ConfigError, match=words):
        check_augmentations(["crop", "mirror"])
    with pytest.raises(ConfigError, match=words):
        augment(pixels, ("mirror",), 0, 0, ROWS)
    check_augmentations(tuple(AUGMENTATIONS))
    check_augmentations(())
