"""The regression member: alone against the network it loads, and whole runs of a bundle with it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from PIL import Image

from tests.whole_world import write_checkpoint
from unprompt.bundle.bundles import load_members, read_bundle
from unprompt.ensemble.members import distinct_backbones
from unprompt.ensemble.prior import prior_embedding
from unprompt.errors import CheckpointError, ConfigError
from unprompt.members.regression import (
    RegressionConfig,
    Regressor,
    larger,
    model_file,
    with_folded_norms,
)
from unprompt.networks.checkpoints import cache_folder
from unprompt.networks.loader import Loader
from unprompt.runs.config import PredictConfig
from unprompt.runs.predict import predict
from unprompt.storage.files import read_embeddings, read_prompts
from unprompt.storage.submission import read_submission


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("trained") / "best.safetensors"
    write_checkpoint(path)
    return path


@pytest.fixture(scope="module")
def pictures() -> list[Image.Image]:
    """Five pictures of soft blobs, of different sizes."""
    rng = np.random.default_rng(0)
    return [
        Image.fromarray(rng.integers(0, 256, (12, 12, 3), dtype=np.uint8)).resize(
            size, Image.Resampling.BICUBIC
        )
        for size in ((512, 512), (160, 160), (300, 200), (200, 300), (768, 768))
    ]


def bundle_file(path: Path, *members: str) -> str:
    path.write_text("".join(f'[[members]]\nkind = "regression"\n{member}\n' for member in members))
    return str(path)


def one_member(path: Path, checkpoint: Path) -> str:
    return bundle_file(path, f'name = "regression"\nweight = 1\ncheckpoint = "{checkpoint}"')


# --- alone


def test_features_are_the_networks_answers(checkpoint: Path, pictures: list[Image.Image]) -> None:
    from unprompt.regression.checkpoint import load_model

    regressor = Regressor.load("cpu", checkpoint, RegressionConfig())
    prepared = [regressor.prepare(picture) for picture in pictures]
    rows = regressor.features(prepared)
    assert rows.shape == (5, 384)
    assert rows.dtype == np.float32
    batch = torch.from_numpy(np.stack(prepared)).permute(0, 3, 1, 2).float() / 127.5 - 1
    with torch.inference_mode():
        expected = load_model(checkpoint).model(batch).numpy()
    np.testing.assert_allclose(rows, expected, atol=1e-6)
    np.testing.assert_array_equal(rows, regressor.features(prepared))


def test_a_row_depends_on_its_image_alone(checkpoint: Path, pictures: list[Image.Image]) -> None:
    regressor = Regressor.load("cpu", checkpoint, RegressionConfig(tta="flip"))
    prepared = [regressor.prepare(picture) for picture in pictures]
    together = regressor.features(prepared)
    alone = np.concatenate([regressor.features([image]) for image in prepared])
    np.testing.assert_allclose(together, alone, atol=1e-6)
    assert np.abs(together[0] - together[1]).max() > 1e-3


def test_flipping_is_the_mean_of_both_and_does_not_see_which_side_is_left(
    checkpoint: Path, pictures: list[Image.Image]
) -> None:
    plain = Regressor.load("cpu", checkpoint, RegressionConfig())
    flipped = Regressor.load("cpu", checkpoint, RegressionConfig(tta="flip"))
    images = [plain.prepare(picture) for picture in pictures]
    mirrored = [np.ascontiguousarray(image[:, ::-1]) for image in images]
    both = plain.features(images) + plain.features(mirrored)
    expected = both / np.linalg.norm(both, axis=1, keepdims=True)
    np.testing.assert_allclose(flipped.features(images), expected, atol=1e-6)
    np.testing.assert_array_equal(flipped.features(images), flipped.features(mirrored))
    assert np.abs(plain.features(images) - plain.features(mirrored)).max() > 1e-3


def test_larger_is_the_mean_with_the_mirror_image_enlarged(
    tmp_path: Path, pictures: list[Image.Image]
) -> None:
    path = tmp_path / "best.safetensors"
    network = write_checkpoint(path, backbone="test_efficientnet").eval()
    plain = Regressor.load("cpu", path, RegressionConfig())
    looking = Regressor.load("cpu", path, RegressionConfig(tta="larger"))
    images = [plain.prepare(picture) for picture in pictures]
    preprocess = network.spec.preprocess
    pixels = preprocess.normalise(torch.from_numpy(np.stack(images)[:, :, ::-1].copy()))
    side = larger(preprocess.size)
    with torch.inference_mode():
        enlarged = torch.nn.functional.interpolate(pixels, (side, side), mode="bicubic")
        both = plain.features(images) + network(enlarged).numpy()
    expected = both / np.linalg.norm(both, axis=1, keepdims=True)
    np.testing.assert_allclose(looking.features(images), expected, atol=1e-5)
    assert [larger(size) for size in (128, 160, 224)] == [160, 192, 288]


def test_a_network_of_one_size_cannot_look_at_larger_images(tmp_path: Path) -> None:
    path = tmp_path / "best.safetensors"
    write_checkpoint(path, backbone="vit_tiny_patch16_224")
    with pytest.raises(ConfigError, match=r"vit_tiny_patch16_224 takes no other images .* flip can be had"):
        Regressor.load("cpu", path, RegressionConfig(tta="larger"))


def test_too_little_memory_for_larger_images_is_told_as_what_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    path = tmp_path / "best.safetensors"
    write_checkpoint(path)
    monkeypatch.setattr(Regressor, "_forward", fail)
    with pytest.raises(RuntimeError, match="out of memory"):
        Regressor.load("cpu", path, RegressionConfig(tta="larger"))


def test_folding_norms_is_done_where_it_changes_nothing(tmp_path: Path) -> None:
    model = write_checkpoint(tmp_path / "best.safetensors", backbone="test_efficientnet")
    generator = torch.Generator().manual_seed(1)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_var.copy_(torch.rand(module.running_var.shape, generator=generator) + 0.5)
            module.running_mean.copy_(torch.rand(module.running_mean.shape, generator=generator) - 0.5)
    folded = with_folded_norms(model)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in folded.modules())
    assert any(isinstance(module, torch.nn.BatchNorm2d) for module in model.modules())
    batch = torch.randn(2, 3, 160, 160, generator=generator)
    with torch.inference_mode():
        np.testing.assert_allclose(folded(batch).numpy(), model(batch).numpy(), atol=1e-5)


def test_a_network_without_norms_to_fold_stays(checkpoint: Path) -> None:
    model = write_checkpoint(checkpoint.with_name("other.safetensors"))
    assert with_folded_norms(model) is model


@pytest.mark.gpu
def test_half_precision_on_a_gpu_is_close_to_full_on_a_cpu(
    checkpoint: Path, pictures: list[Image.Image]
) -> None:
    if not torch.cuda.is_available():
        pytest.skip("there is no CUDA device")
    on_cpu, on_gpu = (Regressor.load(device, checkpoint, RegressionConfig()) for device in ("cpu", "cuda"))
    prepared = [on_cpu.prepare(picture) for picture in pictures]
    rows = on_gpu.features(prepared)
    np.testing.assert_array_equal(rows, on_gpu.features(prepared))
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    assert (rows * on_cpu.features(prepared)).sum(axis=1).min() > 0.9999


# --- settings and files


@pytest.mark.parametrize(
    ("settings", "words"),
    [({"tta": "rotate"}, "tta must be flip"), ({"batch": -1}, "batch must"), ({"size": -1}, "size must")],
)
def test_settings_that_make_no_sense(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        RegressionConfig(**settings)


def test_the_batch_is_the_devices_or_the_settings(checkpoint: Path) -> None:
    assert Regressor.load("cpu", checkpoint, RegressionConfig(batch=3)).batch == 3
    assert Regressor.load("cpu", checkpoint, RegressionConfig()).batch == 4


def test_members_share_a_network_only_with_the_same_file_and_settings(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "a.safetensors")
    write_checkpoint(tmp_path / "b.safetensors", seed=1)
    path = bundle_file(
        tmp_path / "own.toml",
        'name = "one"\nweight = 1\ncheckpoint = "a.safetensors"',
        'name = "same"\nweight = 1\ncheckpoint = "a.safetensors"',
        'name = "flipped"\nweight = 1\ncheckpoint = "a.safetensors"\ntta = "flip"',
        'name = "other"\nweight = 1\ncheckpoint = "b.safetensors"',
    )
    members = load_members(read_bundle(path), Loader("cpu"))
    assert members[0].backbones[0] is members[1].backbones[0]
    assert len(distinct_backbones(members)) == len({member.backbones[0].name for member in members}) == 3


def test_where_a_network_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CheckpointError, match=r"no checkpoint .*none\.safetensors; train one"):
        model_file(tmp_path / "none.safetensors", "")
    with pytest.raises(CheckpointError, match=r"no checkpoint .*best\.safetensors"):
        model_file(tmp_path, "")
    assert not list(cache_folder().glob("checkpoints/vit-b16-regression/*"))
    with pytest.raises(CheckpointError, match=r"vit-b16-regression.*not found in .*unprompt train"):
        model_file(None, "")
    (tmp_path / "vit_base_patch16_224.pth").touch()
    monkeypatch.setenv("UNPROMPT_CHECKPOINTS", str(tmp_path))
    found = (tmp_path / "vit_base_patch16_224.pth", "vit_base_patch16_224")
    assert model_file(None, "") == model_file(tmp_path, "") == found
    assert model_file(None, "vit_base_patch32_224") == (found[0], "vit_base_patch32_224")
    (tmp_path / "best.safetensors").touch()
    assert model_file(tmp_path, "") == (tmp_path / "best.safetensors", "")


# --- whole runs


@pytest.mark.slow
def test_a_bundle_with_this_member_alone_runs_to_the_end(
    scenes: Path, checkpoint: Path, tmp_path: Path
) -> None:
    bundle = bundle_file(
        tmp_path / "own.toml", f'name = "regression"\nweight = 1\ncheckpoint = "{checkpoint}"'
    )
    config = PredictConfig(bundle=bundle, chunk=4)
    result = predict(scenes / "images", tmp_path / "RUN", config, truth=scenes / "prompts.csv")
    assert result.score is not None
    submitted = read_submission(tmp_path / "RUN" / "submission.csv")
    member = read_embeddings(tmp_path / "RUN" / "members" / "regression.npz")
    np.testing.assert_allclose(submitted.vectors, member.at(submitted.ids).vectors, atol=1e-6)
    regressor = Regressor.load("cpu", checkpoint, RegressionConfig())
    first = scenes / "images" / f"{submitted.ids[0]}.png"
    alone = regressor.features([regressor.prepare(Image.open(first).convert("RGB"))])
    np.testing.assert_allclose(submitted.vectors[:1], alone, atol=1e-5)
    prompts = read_prompts(tmp_path / "RUN" / "prompts.csv")
    assert prompts.ids == submitted.ids
    assert set(prompts.texts) == {""}


def test_a_run_with_other_workers_gives_the_same_bytes(
    scenes: Path, checkpoint: Path, tmp_path: Path
) -> None:
    bundle = bundle_file(
        tmp_path / "own.toml", f'name = "regression"\nweight = 1\ncheckpoint = "{checkpoint}"'
    )
    for workers in (1, 3):
        config = PredictConfig(bundle=bundle, chunk=4, workers=workers)
        predict(scenes / "images", tmp_path / str(workers), config)
    one, three = (tmp_path / str(workers) / "submission.csv" for workers in (1, 3))
    assert one.read_bytes() == three.read_bytes()


def test_an_image_that_overflows_is_a_problem_and_costs_no_other(
    scenes: Path, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = one_member(tmp_path / "own.toml", checkpoint)
    for number in (1, 2, 3):
        (tmp_path / "images").mkdir(exist_ok=True)
        name = f"scene-{number:02d}.png"
        (tmp_path / "images" / name).write_bytes((scenes / "images" / name).read_bytes())
    whole = predict(tmp_path / "images", tmp_path / "WHOLE", PredictConfig(bundle=bundle, device="cpu"))
    features = Regressor.features

    def overflow(self: Regressor, prepared: Sequence[np.ndarray]) -> np.ndarray:
        rows = features(self, prepared)
        rows[1] = np.nan  # as a unit row of infinite numbers is
        return rows

    monkeypatch.setattr(Regressor, "features", overflow)
    result = predict(tmp_path / "images", tmp_path / "RUN", PredictConfig(bundle=bundle, device="cpu"))
    assert [(problem.image_id, problem.file) for problem in result.problems] == [("scene-02", "scene-02.png")]
    assert 'scene-02,scene-02.png,"what the model makes of it' in (tmp_path / "RUN/problems.csv").read_text()
    assert "--device cpu" in result.problems[0].problem
    before, after = (read_submission(run / "submission.csv") for run in (whole.folder, result.folder))
    assert after.ids == before.ids
    np.testing.assert_array_equal(after.vectors[[0, 2]], before.vectors[[0, 2]])
    np.testing.assert_allclose(after.vectors[1], prior_embedding(), atol=1e-6)


def test_a_plain_state_dict_in_a_bundle(scenes: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    torch.save(timm.create_model("test_vit", num_classes=384).state_dict(), tmp_path / "m.pth")
    settings = 'name = "regression"\nweight = 1\ncheckpoint = "m.pth"\nstatistics = "imagenet"\ntta = "flip"'
    bundle = bundle_file(tmp_path / "own.toml", f'{settings}\nbackbone = "test_vit"')
    result = predict(scenes / "images", tmp_path / "RUN", PredictConfig(bundle=bundle, chunk=4))
    assert result.images == 12
    assert not result.problems
    nameless = bundle_file(tmp_path / "nameless.toml", settings)
    with pytest.raises(CheckpointError, match=r"m\.pth is a plain state dict.*name its backbone"):
        predict(scenes / "images", tmp_path / "RUN2", PredictConfig(bundle=nameless, chunk=4))
