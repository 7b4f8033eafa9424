"""The networks beside a re-statement of the reference's, and their checkpoints and files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from unprompt.colouring_pages.config import PRESETS, DiscriminatorConfig, GeneratorConfig, PageTraining
from unprompt.colouring_pages.generator_files import FORM, read_generator, write_generator
from unprompt.colouring_pages.network import Discriminator, Generator, RepeatedConvolution, scaled
from unprompt.colouring_pages.reference_checkpoint import (
    generator_names,
    load_reference,
    load_reference_discriminator,
)
from unprompt.errors import CheckpointError, ConfigError, InputError

SMALL = GeneratorConfig(filters=4, levels=3)


# --- the reference's networks, stated anew


def norm_of(kind: str, channels: int) -> nn.Module:
    made = {"batch": nn.BatchNorm2d, "instance": nn.InstanceNorm2d, "none": lambda _: nn.Identity()}
    return made[kind](channels)


class Block(nn.Module):
    """A level of the reference's U-Net, with all levels inside it as one of its layers."""

    def __init__(self, wide: list[int], norm: str, dropout: float, depth: int = 0, out: int = 3) -> None:
        super().__init__()
        self.outermost, innermost = depth == 0, depth == len(wide) - 1
        bias = norm == "instance"
        above = 3 if depth == 0 else wide[depth - 1]
        here = wide[depth]
        down = [nn.Conv2d(above, here, 4, 2, 1, bias=bias)]
        last = nn.ConvTranspose2d(
            here if innermost else 2 * here,
            out if depth == 0 else above,
            4,
            2,
            1,
            bias=bias or depth == 0,
        )
        if depth == 0:
            layers = [*down, Block(wide, norm, dropout, 1), nn.ReLU(True), last, nn.Tanh()]
        elif innermost:
            layers = [nn.LeakyReLU(0.2, True), *down, nn.ReLU(True), last, norm_of(norm, above)]
        else:
            layers = [nn.LeakyReLU(0.2, True), *down, norm_of(norm, here)]
            layers += [Block(wide, norm, dropout, depth + 1), nn.ReLU(True), last, norm_of(norm, above)]
            layers += [nn.Dropout(dropout)] if depth >= 4 else []
        self.model = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.model(x) if self.outermost else torch.cat([x, self.model(x)], 1)


class ReferenceGenerator(nn.Module):
    def __init__(self, downs: int, filters: int, norm: str, out: int = 3) -> None:
        super().__init__()
        wide = [filters * min(2**level, 8) for level in range(downs)]
        self.model = Block(wide, norm, 0.5, out=out)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.model(x)


class ReferenceDiscriminator(nn.Module):
    def __init__(self, channels: int, filters: int, halvings: int, norm: str) -> None:
        super().__init__()
        wide = [filters * min(2**layer, 8) for layer in range(halvings + 1)]
        layers = [nn.Conv2d(channels, filters, 4, 2, 1), nn.LeakyReLU(0.2, True)]
        for layer in range(1, halvings + 1):
            stride = 2 if layer < halvings else 1
            layers += [
                nn.Conv2d(wide[layer - 1], wide[layer], 4, stride, 1, bias=norm == "instance"),
                norm_of(norm, wide[layer]),
                nn.LeakyReLU(0.2, True),
            ]
        self.model = nn.Sequential(*layers, nn.Conv2d(wide[-1], 1, 4, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.model(x)


def names_by_rule(levels: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The names and shapes in a latest_net_G.pth of a U-Net with 64 filters and batch norms."""
    wide = [64 * min(2**level, 8) for level in range(levels)]

    def norm(name: str, width: int) -> Iterator[tuple[str, tuple[int, ...]]]:
        for kind in ("weight", "bias", "running_mean", "running_var"):
            yield f"{name}.{kind}", (width,)
        yield f"{name}.num_batches_tracked", ()

    yield "model.model.0.weight", (64, 3, 4, 4)
    block = "model.model.1.model"
    for level in range(1, levels):
        outer, inner = wide[level - 1], wide[level]
        yield f"{block}.1.weight", (inner, outer, 4, 4)
        if level == levels - 1:
            yield f"{block}.3.weight", (inner, outer, 4, 4)
            yield from norm(f"{block}.4", outer)
        else:
            yield from norm(f"{block}.2", inner)
            yield f"{block}.5.weight", (2 * inner, outer, 4, 4)
            yield from norm(f"{block}.6", outer)
            block += ".3.model"
    yield "model.model.3.weight", (128, 3, 4, 4)
    yield "model.model.3.bias", (3,)


def shaken(module: nn.Module, seed: int = 0) -> nn.Module:
    """A module whose every tensor says something, in evaluation mode."""
    torch.manual_seed(seed)
    for tensor in (*module.parameters(), *module.buffers()):
        if tensor.is_floating_point():
            tensor.data = (
                0.5 + torch.rand_like(tensor) if tensor.ndim == 1 else 0.2 * torch.randn_like(tensor)
            )
    return module.eval()


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


# --- parity


@pytest.mark.parametrize(("levels", "parameters"), [(8, 54_413_955), (7, 41_828_995)])
def test_unet_has_the_reference_s_names_shapes_and_counts(levels: int, parameters: int) -> None:
    with torch.device("meta"):
        reference = ReferenceGenerator(levels, 64, "batch")
        own = Generator(GeneratorConfig(64, levels, "batch", 0.5, "transposed", channels=3))
    by_rule = dict(names_by_rule(levels))
    assert {name: tuple(tensor.shape) for name, tensor in reference.state_dict().items()} == by_rule
    assert count(own) == count(reference) == parameters
    shapes = sorted(tuple(tensor.shape) for tensor in own.state_dict().values())
    assert shapes == sorted(by_rule.values())


def test_patchgan_has_the_reference_s_count() -> None:
    with torch.device("meta"):
        own = Discriminator(DiscriminatorConfig(64, 3, "batch", 6))
    assert count(own) == count(ReferenceDiscriminator(6, 64, 3, "batch")) == 2_768_705


@pytest.mark.parametrize("norm", ["batch", "instance", "none"])
@pytest.mark.parametrize(("levels", "channels"), [(5, 3), (6, 1)])
def test_reference_generators_draw_the_same_here(
    norm: str, levels: int, channels: int, tmp_path: Path
) -> None:
    reference = shaken(ReferenceGenerator(levels, 4, norm, channels))
    path = tmp_path / "latest_net_G.pth"
    torch.save(reference.state_dict(), path)
    own = load_reference(path)
    assert own.config == GeneratorConfig(4, levels, norm, 0.5, "transposed", channels=channels)
    assert not own.training
    pictures = torch.rand(2, 3, 64, 128) * 2 - 1
    with torch.no_grad():
        torch.testing.assert_close(own(pictures), reference(pictures), atol=1e-5, rtol=1e-5)
        assert own(pictures).std() > 0.01


@pytest.mark.parametrize("norm", ["batch", "instance", "none"])
@pytest.mark.parametrize("layers", [1, 3])
def test_reference_discriminators_judge_the_same_here(norm: str, layers: int, tmp_path: Path) -> None:
    reference = shaken(ReferenceDiscriminator(6, 4, layers, norm))
    path = tmp_path / "latest_net_D.pth"
    torch.save({f"module.{name}": tensor for name, tensor in reference.state_dict().items()}, path)
    own = load_reference_discriminator(path)
    assert own.config == DiscriminatorConfig(4, layers, norm, 6)
    source, made = torch.rand(2, 2, 3, 48, 64)
    with torch.no_grad():
        expected = reference(torch.cat([source, made], 1))
        torch.testing.assert_close(own(source, made), expected, atol=1e-5, rtol=1e-5)


def test_both_learn_as_the_reference_does() -> None:
    """The same gradients in training mode, where norms are over the batch."""
    reference = ReferenceGenerator(5, 4, "batch", 1)
    own = Generator(GeneratorConfig(4, 5, "batch", 0.5, "transposed", channels=1))
    state = shaken(reference).state_dict()
    theirs = {own_name: f"model.model.{name}" for own_name, name in generator_names(5)}
    own.load_state_dict(
        {
            name: state[f"{theirs[name.rpartition('.')[0]]}.{name.rpartition('.')[2]}"]
            for name in own.state_dict()
        }
    )
    pictures = torch.rand(2, 3, 64, 64)
    for network in (own.train(), reference.train()):
        network(pictures).square().mean().backward()
    for name, place in generator_names(5):
        one = own.get_submodule(name).weight.grad
        other = reference.get_submodule(f"model.model.{place}").weight.grad
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-3)


def test_a_piece_is_of_70_pixels() -> None:
    """Of one score in the middle, exactly 70 x 70 pixels have a gradient."""
    network = Discriminator(DiscriminatorConfig(4, 3, "none", 4))
    source = torch.rand(1, 3, 128, 128, requires_grad=True)
    network(source, torch.rand(1, 1, 128, 128))[0, 0, 7, 7].backward()
    seen = source.grad[0].abs().sum(0) > 0
    assert [int(seen.any(dim).sum()) for dim in (0, 1)] == [70, 70]


def test_old_statistics_of_instance_norms_are_left_out(tmp_path: Path) -> None:
    reference = shaken(ReferenceGenerator(5, 4, "instance"))
    state = reference.state_dict()
    state["model.model.1.model.2.running_mean"] = torch.zeros(8)
    torch.save(state, tmp_path / "latest_net_G.pth")
    load_reference(tmp_path / "latest_net_G.pth")


# --- files that are something else


def reference_states(tmp_path: Path) -> dict[str, dict[str, torch.Tensor]]:
    generator = ReferenceGenerator(5, 4, "batch").state_dict()
    return {
        "lacks": {name: one for name, one in generator.items() if name != "model.model.1.model.5.weight"},
        "has besides": {**generator, "model.model.9.weight": torch.zeros(1)},
        "has shape": {**generator, "model.model.1.model.1.weight": torch.zeros(8, 5, 4, 4)},
        "no U-Net generator": ReferenceDiscriminator(6, 4, 3, "batch").state_dict(),
        "pictures of 1": {**generator, "model.model.0.weight": torch.zeros(4, 1, 4, 4)},
    }


@pytest.mark.parametrize("said", ["lacks", "has besides", "has shape", "no U-Net generator", "pictures of 1"])
def test_other_files_are_refused_in_a_sentence(said: str, tmp_path: Path) -> None:
    path = tmp_path / "latest_net_G.pth"
    torch.save(reference_states(tmp_path)[said], path)
    with pytest.raises(CheckpointError, match=said):
        load_reference(path)


def test_a_generator_is_no_discriminator(tmp_path: Path) -> None:
    path = tmp_path / "latest_net_D.pth"
    torch.save(ReferenceGenerator(5, 4, "batch").state_dict(), path)
    with pytest.raises(CheckpointError, match="no PatchGAN"):
        load_reference_discriminator(path)


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    path = tmp_path / "latest_net_G.pth"
    torch.save(ReferenceGenerator(5, 4, "batch"), path)
    with pytest.raises(CheckpointError, match="never run"):
        read_generator(path)


# --- our own


def test_the_small_one_is_small() -> None:
    network = Generator()
    assert count(network) == 777_153
    assert asdict(network.config) == asdict(PageTraining().generator)


@pytest.mark.parametrize("up", ["transposed", "upsample"])
@pytest.mark.parametrize("norm", ["batch", "instance", "group", "none"])
@pytest.mark.parametrize("skips", [True, False])
def test_any_mixture_makes_pictures_of_the_size(up: str, norm: str, skips: bool) -> None:
    network = Generator(GeneratorConfig(4, 3, norm, 0.1, up, skips, channels=3))
    made = network(torch.rand(2, 3, 16, 40))
    assert made.shape == (2, 3, 16, 40)
    assert made.abs().max() <= 1


def test_a_repeated_convolution_is_one_of_repeated_pixels() -> None:
    own, x = RepeatedConvolution(5, 3, bias=True), torch.randn(2, 5, 6, 7)
    plain = nn.Sequential(nn.Upsample(scale_factor=2, mode="nearest"), nn.Conv2d(5, 3, 3, padding=1))
    plain[1].load_state_dict(own.state_dict())
    torch.testing.assert_close(own(x), plain(x), atol=1e-5, rtol=1e-5)
    for layer in (own, plain):
        layer(x).square().sum().backward()
    torch.testing.assert_close(own.weight.grad, plain[1].weight.grad, atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize("skips", [True, False])
def test_only_skips_lead_past_the_innermost_level(skips: bool) -> None:
    network = shaken(Generator(replace(SMALL, norm="none", skips=skips)))
    network.up[2].convolution.weight.data.zero_()
    with torch.no_grad():
        one, other = network(torch.rand(2, 3, 16, 16))
    assert torch.equal(one, other) == (not skips)


def test_first_weights_are_normal() -> None:
    torch.manual_seed(0)
    network = Generator(GeneratorConfig(32, 5, "batch", up="transposed"))
    weights = torch.cat([one.flatten() for name, one in network.named_parameters() if one.ndim == 4])
    assert weights.mean().item() == pytest.approx(0, abs=2e-4)
    assert weights.std().item() == pytest.approx(0.02, rel=0.01)
    scales = torch.cat([one.weight.flatten() for one in network.modules() if isinstance(one, nn.BatchNorm2d)])
    assert scales.mean().item() == pytest.approx(1, abs=0.005)
    assert scales.std().item() == pytest.approx(0.02, rel=0.15)


def test_sides_that_cannot_be_halved_are_refused() -> None:
    with pytest.raises(InputError, match=r"20 x 16 pixels .* multiple of 8"):
        Generator(SMALL)(torch.zeros(1, 3, 16, 20))


@pytest.mark.parametrize(("height", "width"), [(16, 24), (13, 30), (1, 1), (5, 200)])
def test_draw_takes_any_size(height: int, width: int) -> None:
    network = shaken(Generator(SMALL)).train()
    rgb = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    ink = network.draw(rgb)
    assert (ink.shape, ink.dtype) == ((height, width), np.float32)
    assert 0 <= ink.min() <= ink.max() <= 1
    np.testing.assert_array_equal(ink, network.draw(rgb))
    if height % 8 == width % 8 == 0:
        with torch.no_grad():
            made = network.eval()(scaled(torch.from_numpy(rgb)[None]))[0, 0]
        np.testing.assert_allclose(ink, (1 - made.numpy()) / 2, atol=1e-6)


def test_drawing_knows_neither_dropout_nor_other_pictures() -> None:
    network = shaken(Generator(GeneratorConfig(4, 6, "batch", dropout=0.5))).train()
    rgb = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    before = {name: one.clone() for name, one in network.state_dict().items()}
    np.testing.assert_array_equal(network.draw(rgb), network.draw(rgb))
    assert all(torch.equal(one, before[name]) for name, one in network.state_dict().items())


def test_white_is_paper() -> None:
    network = Generator(SMALL)
    for name, parameter in network.named_parameters():
        parameter.data.fill_(9.0 if name == "up.0.convolution.bias" else 0.0)
    assert network.draw(np.zeros((8, 8, 3), np.uint8)).max() == pytest.approx(0, abs=1e-6)


# --- on disk


@pytest.mark.parametrize("half", [False, True])
def test_a_generator_comes_back_from_its_file(half: bool, tmp_path: Path) -> None:
    network = shaken(Generator(GeneratorConfig(4, 3, "batch")))
    path = tmp_path / "generator.safetensors"
    write_generator(path, network, {"what": "a test", "seconds": 3}, half)
    again = read_generator(path)
    assert again.config == network.config
    assert not again.training
    for name, tensor in again.state_dict().items():
        expected = network.state_dict()[name]
        assert tensor.dtype == expected.dtype
        torch.testing.assert_close(tensor, expected, rtol=1e-3 if half else 0, atol=1e-3 if half else 0)
    record = FORM.read_record(path)
    assert (record["what"], record["seconds"], record["bits"]) == ("a test", 3, 16 if half else 32)
    assert record["bytes"] == path.stat().st_size
    first = path.read_bytes()
    write_generator(path, network, half=half)
    assert path.read_bytes() == first


def test_half_is_half_as_large(tmp_path: Path) -> None:
    for half in (False, True):
        write_generator(tmp_path / f"{half}.safetensors", Generator(), half=half)
    sizes = [(tmp_path / f"{half}.safetensors").stat().st_size for half in (True, False)]
    assert sizes[0] / sizes[1] == pytest.approx(0.5, abs=0.01)


def test_a_reference_checkpoint_is_read_as_a_generator(tmp_path: Path) -> None:
    path = tmp_path / "latest_net_G.pth"
    torch.save(shaken(ReferenceGenerator(5, 4, "batch")).state_dict(), path)
    assert read_generator(path).config.levels == 5


def change(path: Path, **changes: Any) -> None:
    record = json.loads(path.read_text())
    path.write_text(json.dumps(record | changes))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"sha256": "0" * 64}, "is damaged, or"),
        ({"format": "other"}, "is of other version 1"),
        ({"version": 2}, "version 2, this unprompt reads"),
        ({"network": {"filters": 4, "levels": 99}}, "does not say what network"),
        ({"network": {"width": 4}}, "does not say what network"),
        ({"network": {"filters": 5, "levels": 3}}, "has shape"),
        ({"network": {"filters": 4, "levels": 4}}, "lacks"),
    ],
)
def test_files_that_do_not_belong_together_are_refused(
    changes: dict[str, Any], said: str, tmp_path: Path
) -> None:
    path = tmp_path / "generator.safetensors"
    write_generator(path, Generator(SMALL))
    change(path.with_suffix(".json"), **changes)
    with pytest.raises(CheckpointError, match=said):
        read_generator(path)


def test_damaged_and_missing_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "generator.safetensors"
    with pytest.raises(CheckpointError, match="cannot be read"):
        read_generator(path)
    write_generator(path, Generator(SMALL))
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    with pytest.raises(CheckpointError, match="cut short"):
        read_generator(path)
    path.write_bytes(whole[:-100] + bytes(100))
    with pytest.raises(CheckpointError, match="is damaged, or"):
        read_generator(path)
    path.with_suffix(".json").unlink()
    with pytest.raises(CheckpointError, match=r"needs its record generator\.json"):
        read_generator(path)
    with pytest.raises(ConfigError, match=r"\.safetensors file"):
        write_generator(tmp_path / "generator.bin", Generator(SMALL))


# --- settings


def test_presets_are_the_paper_s() -> None:
    assert PageTraining(**PRESETS["small"]) == PageTraining()
    paper = PageTraining(**PRESETS["unet_256"])
    assert (paper.batch, paper.learning_rate, paper.l1_weight, paper.load_size) == (1, 2e-4, 100, 286)
    assert paper.generator == GeneratorConfig(64, 8, "batch", 0.5, "transposed", channels=1)
    assert paper.discriminator == DiscriminatorConfig(64, 3, "batch", 4)
    assert PageTraining(**PRESETS["unet_128"]).load_size == 143


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"size": 100}, "size must be a multiple of 32 with 5 levels, got 100"),
        ({"channels": 2}, "channels must be 1"),
        ({"gan_weight": 0, "l1_weight": 0}, "nothing would be learnt"),
        ({"levels": 3, "size": 16}, "needs a size of 24, got 16"),
        ({"gan": "wgangp", "norm": "batch"}, "wgangp asks how each picture alone"),
        ({"gan": "hinge"}, "gan must be one of vanilla, lsgan, wgangp"),
        ({"norm": "layer"}, "norm must be one of"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        PageTraining(**settings)
