"""Loading CLIP models from local files, and their image features, against open_clip."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image

from tests.tiny_clip import tiny_clip, tiny_config, write_tiny_clip
from unprompt.errors import CheckpointError, ConfigError
from unprompt.networks.clip import Clip, looks_like


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_clip(tmp_path_factory.mktemp("clip"))


def pictures() -> list[Image.Image]:
    noise = np.random.default_rng(0)
    sizes = [(32, 32), (64, 48), (33, 100), (20, 25)]
    return [
        Image.fromarray(noise.integers(0, 256, (height, width, 3), dtype=np.uint8)) for width, height in sizes
    ]


def reference(model: Any, **preprocess: Any) -> Any:
    """Pixels and unit features of the pictures by open_clip's own preprocessing."""
    settings = open_clip.transform.PreprocessCfg(**{**model.visual.preprocess_cfg, **preprocess})
    transform = open_clip.transform.image_transform_v2(settings, is_train=False)
    pixels = torch.stack([transform(picture) for picture in pictures()])
    with torch.inference_mode():
        return pixels, model.encode_image(pixels, normalize=True).numpy()


class TestLoad:
    @pytest.mark.parametrize(
        "file", ["open_clip_pytorch_model.bin", "open_clip_model.safetensors", "mine.pt", "other.safetensors"]
    )
    def test_a_folder_says_which_model_it_is(self, tmp_path: Path, file: str) -> None:
        clip = Clip.load("cpu", checkpoint=write_tiny_clip(tmp_path, seed=3, file=file))
        model = tiny_clip(3)
        np.testing.assert_allclose(
            clip.features([clip.prepare(picture) for picture in pictures()]), reference(model)[1], atol=1e-6
        )
        with torch.inference_mode():
            expected = model.encode_text(open_clip.tokenize(["a cat", "by nobody"]), normalize=True)
        torch.testing.assert_close(clip.texts.encode(["a cat", "by nobody"]), expected, atol=1e-5, rtol=0)
        assert clip.texts.is_fast
        assert str(tmp_path) in clip.name

    def test_is_what_open_clip_itself_loads(self, folder: Path) -> None:
        own = open_clip.create_model(f"local-dir:{folder}").eval()
        clip = Clip.load("cpu", checkpoint=folder)
        np.testing.assert_array_equal(
            clip.features([clip.prepare(picture) for picture in pictures()]), reference(own)[1]
        )

    def test_a_model_by_name_from_a_file_with_prefixes(
        self, tmp_path: Path, tiny_name: str, folder: Path
    ) -> None:
        state = torch.load(folder / "open_clip_pytorch_model.bin", weights_only=True)
        wrapped = {f"module.{name}": tensor for name, tensor in state.items()}
        torch.save({"epoch": 3, "state_dict": wrapped}, tmp_path / "epoch_3.pt")
        clip = Clip.load("cpu", tiny_name, tmp_path / "epoch_3.pt")
        assert clip.identity == Clip.load("cpu", checkpoint=folder).identity
        assert Clip.load("cpu", tiny_name, tmp_path).identity == clip.identity  # the one file there

    def test_tensors_of_an_older_layout_fit(self, tmp_path: Path) -> None:
        write_tiny_clip(tmp_path, custom_text=True)
        expected = Clip.load("cpu", checkpoint=tmp_path).identity
        state = {name.removeprefix("text."): tensor for name, tensor in tiny_state(custom_text=True).items()}
        state |= {"input_resolution": torch.tensor(32), "logit_scale": state["logit_scale"].reshape(1)}
        torch.save(state, tmp_path / "open_clip_pytorch_model.bin")
        assert Clip.load("cpu", checkpoint=tmp_path).identity == expected


def tiny_state(**settings: Any) -> dict[str, Any]:
    return dict(tiny_clip(**settings).state_dict())


@pytest.fixture
def tiny_name(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> str:
    """A name that open_clip knows for the tiny model, for the time of a test."""
    path = tmp_path_factory.mktemp("configs") / "tiny-test.json"
    path.write_text(json.dumps(tiny_config()), encoding="utf-8")
    factory = open_clip.factory
    monkeypatch.setattr(factory, "_MODEL_CONFIGS", dict(factory._MODEL_CONFIGS))
    monkeypatch.setattr(factory, "_MODEL_CONFIG_PATHS", list(factory._MODEL_CONFIG_PATHS))
    open_clip.add_model_config(path)
    return path.stem


class TestRefused:
    def test_another_models_checkpoint(self, folder: Path, tiny_name: str) -> None:
        config = tiny_config()
        config["vision_cfg"]["layers"] = 3
        other = write_tiny_clip(folder.parent / "other", config=config)
        with pytest.raises(CheckpointError, match=r"does not fit tiny-test, it looks like .*image layers 3"):
            Clip.load("cpu", tiny_name, other / "open_clip_pytorch_model.bin")
        (other / "open_clip_config.json").write_text(
            (folder / "open_clip_config.json").read_text(encoding="utf-8"), encoding="utf-8"
        )
        with pytest.raises(CheckpointError, match=r"does not fit the model of .*other"):
            Clip.load("cpu", checkpoint=other)

    def test_a_known_model_is_named(self, tiny_name: str) -> None:
        assert looks_like(tiny_state()) == "tiny-test"
        assert looks_like({"head.weight": torch.zeros(2)}) == "no CLIP (1 tensors, first: head.weight)"

    def test_truncated(self, tmp_path: Path) -> None:
        for file in ("open_clip_pytorch_model.bin", "open_clip_model.safetensors"):
            write_tiny_clip(tmp_path / file, file=file)
            path = tmp_path / file / file
            path.write_bytes(path.read_bytes()[:100_000])
            with pytest.raises(CheckpointError, match=f"{file} is cut short, damaged"):
                Clip.load("cpu", checkpoint=tmp_path / file)

    def test_a_pickle_with_code(self, tmp_path: Path) -> None:
        write_tiny_clip(tmp_path)
        touched = tmp_path / "touched"
        with (tmp_path / "open_clip_pytorch_model.bin").open("wb") as stream:
            pickle.dump(Code(touched), stream)
        with pytest.raises(CheckpointError, match="code in a checkpoint is never run"):
            Clip.load("cpu", checkpoint=tmp_path)
        assert not touched.exists()

    def test_names(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="no model 'ViT-H14'; near that: ViT-H-14"):
            Clip.load("cpu", "ViT-H14")
        with pytest.raises(CheckpointError, match="only ViT-H-14 and ViT-L-14-quickgelu have declared"):
            Clip.load("cpu", "ViT-B-32")
        with pytest.raises(CheckpointError, match="there is no checkpoint"):
            Clip.load("cpu", "ViT-B-32", tmp_path / "none.bin")
        with pytest.raises(CheckpointError, match="0 files of weights"):
            Clip.load("cpu", "ViT-B-32", tmp_path)

    def test_the_declared_checkpoint_is_missing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("UNPROMPT_CHECKPOINTS", str(tmp_path))
        with pytest.raises(CheckpointError, match=r"'clip-vit-h-14' .* not found"):
            Clip.load("cpu")

    def test_a_config_that_is_no_config(self, folder: Path, tmp_path: Path) -> None:
        write_tiny_clip(tmp_path)
        for text in ("{", "{}", '{"model_cfg": {"embed_dim": 3}}'):
            (tmp_path / "open_clip_config.json").write_text(text, encoding="utf-8")
            with pytest.raises(CheckpointError, match="cannot be built from local files"):
                Clip.load("cpu", checkpoint=tmp_path)

    def test_a_tokenizer_that_is_not_here(self, tmp_path: Path) -> None:
        config = tiny_config(text={"hf_tokenizer_name": "nobody/nothing"})
        with pytest.raises(CheckpointError, match=r"the tokenizer of .* \(nobody/nothing\) is not here"):
            Clip.load("cpu", checkpoint=write_tiny_clip(tmp_path, config=config))


class Code:
    """A pickle that makes a file when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


class TestFeatures:
    @pytest.mark.parametrize(
        "preprocess",
        [{}, {"resize_mode": "squash"}, {"resize_mode": "longest"}, {"interpolation": "bilinear"}],
        ids=str,
    )
    def test_pixels_are_open_clips_own(self, preprocess: dict[str, Any]) -> None:
        model = tiny_clip()
        clip = Clip.of(model, preprocess={**model.visual.preprocess_cfg, **preprocess})
        prepared = [clip.prepare(picture) for picture in pictures()]
        assert {(array.dtype.name, array.shape) for array in prepared} == {("uint8", (32, 32, 3))}
        pixels, features = reference(model, **preprocess)
        assert torch.equal(clip.pixels(prepared), pixels)
        rows = clip.features(prepared)
        assert rows.dtype == np.float32
        np.testing.assert_allclose(rows, features, atol=1e-6)
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)

    def test_half_statistics(self) -> None:
        model = tiny_clip()
        clip = Clip.of(model, statistics="half")
        pixels, _ = reference(model, mean=(0.5,) * 3, std=(0.5,) * 3)
        assert torch.equal(clip.pixels([clip.prepare(picture) for picture in pictures()]), pixels)
        own = Clip.of(model)
        assert own.name != clip.name
        assert own.identity != clip.identity
        with pytest.raises(ConfigError, match="statistics must be half or left out, got 'halves'"):
            Clip.of(model, statistics="halves")
