"""Frozen first stages: what is kept of them, and that training with it is training without it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.regression.test_train import CPU, TINY, learnt, same_weights
from unprompt.datasets.dataset import read_dataset
from unprompt.datasets.pixels import images_fingerprint, open_pixels
from unprompt.errors import ConfigError
from unprompt.learning.frozen_stages import first_stages, frozen_stages, later_stages, open_activations
from unprompt.networks.backbones import own_preprocess
from unprompt.networks.checkpoints import cache_folder
from unprompt.progress import silent
from unprompt.regression.checkpoint import load_model
from unprompt.regression.config import TrainConfig
from unprompt.regression.model import new_model
from unprompt.regression.train import train
from unprompt.regression.tune import discard_kept

pytestmark = pytest.mark.usefixtures("small_gallery")

FROZEN = ("conv_stem.*", "blocks.0.*", "blocks.1.*")
KEPT = replace(
    TINY,
    backbone="test_efficientnet",
    size=64,
    augment=(),
    drop_path=0.0,
    fold_norms=True,
    freeze=FROZEN,
    keep_frozen=True,
)


def network(**settings: object) -> torch.nn.Module:
    config = TrainConfig(backbone="test_efficientnet", from_scratch=True, fold_norms=True, size=64)
    return new_model(replace(config, **settings)).eval()


def test_stages_are_counted_from_the_image_on() -> None:
    backbone = network().backbone
    assert frozen_stages("net", backbone, FROZEN) == 2
    assert frozen_stages("net", backbone, ("conv_stem.*", "blocks.0.*", "blocks.2.*")) == 1
    assert frozen_stages("net", backbone, ("*",)) == len(backbone.blocks)


@pytest.mark.parametrize(
    "patterns", [(), ("conv_stem.*",), ("blocks.*",), ("conv_stem.*", "blocks.0.*.weight")]
)
def test_nothing_is_frozen_from_the_image_on(patterns: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match="no stage of net is frozen"):
        frozen_stages("net", network().backbone, patterns)


def test_other_backbones_and_batch_norms_are_refused() -> None:
    with pytest.raises(ConfigError, match="for EfficientNets only, not for test_vit"):
        frozen_stages("test_vit", new_model(TINY).backbone, FROZEN)
    with pytest.raises(ConfigError, match=r"have batch norms.*use fold_norms"):
        frozen_stages("net", network(fold_norms=False).backbone, (*FROZEN, "bn1.*"))
    with pytest.raises(ConfigError, match="looks at each image once"):
        replace(KEPT, augment=("shift",))


def test_a_study_leaves_nothing_of_them(pairs: Path, tmp_path: Path) -> None:
    data, config = read_dataset(pairs), replace(KEPT, from_scratch=True)
    seen = own_preprocess(config.backbone, config.size)
    pixels = open_pixels(data, seen, "yes", tmp_path)
    images = images_fingerprint(data, seen)
    open_activations(pixels, images, new_model(config).backbone, 2, seen, tmp_path, workers=0)
    del pixels  # or it would still be held
    assert len(list(tmp_path.glob("*.npy"))) == 2
    discard_kept(data, replace(config, keep_frozen=False), tmp_path)
    assert [path.name[:7] for path in tmp_path.glob("*.npy")] == ["stages-"]
    discard_kept(data, config, tmp_path)
    assert not list(tmp_path.glob("*.npy"))


@pytest.mark.parametrize("count", [1, 2, 3])
def test_stages_together_are_the_backbone(count: int) -> None:
    backbone, images = network().backbone, torch.randn(3, 3, 64, 64)
    with torch.inference_mode():
        parts = later_stages(backbone, count, first_stages(backbone, count, images))
        assert torch.allclose(parts, backbone(images), atol=1e-6)


def test_activations_are_those_of_each_image_and_are_made_once(pairs: Path) -> None:
    model = network()
    preprocess, dataset = model.spec.preprocess, read_dataset(pairs)
    pixels = open_pixels(dataset, preprocess, "no", cache_folder())
    seen: list[tuple[int, int]] = []
    with torch.no_grad():
        model.backbone.conv_stem.weight[0] = -0.0

    def again(progress: object) -> object:
        return open_activations(
            pixels,
            "these",
            model.backbone,
            2,
            preprocess,
            cache_folder(),
            0,
            progress,  # type: ignore[arg-type]
        )

    kept = again(lambda step, done, total: seen.append((done, total)))
    assert len(kept) == len(dataset) == seen[-1][0]  # type: ignore[arg-type]
    rows = [5, 0, 63]
    with torch.inference_mode():
        expected = first_stages(model.backbone, 2, preprocess.normalise(torch.from_numpy(pixels.take(rows))))
    taken = kept.take(rows)  # type: ignore[attr-defined]
    assert taken.dtype == np.float16
    assert np.allclose(taken, expected.permute(0, 2, 3, 1).half().numpy(), atol=1e-2, rtol=1e-2)
    assert np.array_equal(kept[5], taken[0])  # type: ignore[index]
    seen.clear()
    with torch.no_grad():
        model.backbone.conv_stem.weight[0] = 0.0  # as a moving average leaves it
    again(lambda step, done, total: seen.append((done, total)))
    assert not seen
    with torch.no_grad():
        model.backbone.conv_stem.weight[0] = 0.1
    again(lambda step, done, total: seen.append((done, total)))
    assert seen


def test_activations_go_on_after_a_kill(pairs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unprompt.learning.frozen_stages.LOOK_BATCH", 8)
    monkeypatch.setattr("unprompt.learning.frozen_stages.SAVE", 2)
    model = network()
    preprocess = model.spec.preprocess
    pixels = open_pixels(read_dataset(pairs), preprocess, "no", cache_folder())

    class StoppedError(Exception):
        pass

    def stop(step: str, done: int, total: int) -> None:
        if done >= 40:
            raise StoppedError

    def make(images: str, progress: object) -> object:
        return open_activations(
            pixels,
            images,
            model.backbone,
            1,
            preprocess,
            cache_folder(),
            0,
            progress,  # type: ignore[arg-type]
        )

    began: list[int] = []
    with pytest.raises(StoppedError):
        make("some", stop)
    resumed = make("some", lambda step, done, total: began.append(done))
    whole = make("the same, made at once", silent)
    assert began[0] == 32  # the last save before the stop
    assert np.array_equal(resumed.take(range(64)), whole.take(range(64)))  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def whole(pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with kept stages that nothing interrupted."""
    out = tmp_path_factory.mktemp("kept") / "RUN"
    train(pairs, out, KEPT, CPU)
    return out


def test_training_is_the_same_up_to_rounding(pairs: Path, whole: Path, tmp_path: Path) -> None:
    train(pairs, tmp_path / "PLAIN", replace(KEPT, keep_frozen=False), CPU)
    for kept, plain in zip(learnt(whole), learnt(tmp_path / "PLAIN"), strict=True):
        assert kept == pytest.approx(plain, abs=2e-3)
    frozen = load_model(whole / "last.safetensors").model.backbone.blocks[1].state_dict()
    begun = new_model(KEPT).backbone.blocks[1].state_dict()
    assert all(torch.equal(frozen[name], begun[name]) for name in begun)


def test_interrupted_run_ends_as_a_whole_one(pairs: Path, whole: Path, tmp_path: Path) -> None:
    class StoppedError(Exception):
        pass

    def interrupt(step: str, at: int, total: int) -> None:
        if step == "epoch 2" and at:
            raise StoppedError

    with pytest.raises(StoppedError):
        train(pairs, tmp_path / "RUN", KEPT, CPU, progress=interrupt)
    assert train(pairs, tmp_path / "RUN", KEPT, CPU).resumed
    assert learnt(tmp_path / "RUN") == learnt(whole)
    assert same_weights(tmp_path / "RUN" / "last.safetensors", whole / "last.safetensors")
