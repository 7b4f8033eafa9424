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
from unprompt.networks.clip_kinds import kind_of, kinds_by_tag


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


@pytest.fixture(scope="module")
def transformers_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny CLIPModel as transformers saves it, its image processor squeezing pictures."""
    import transformers

    tower = {
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "hidden_act": "quick_gelu",
    }
    config = transformers.CLIPConfig(
        vision_config={**tower, "image_size": 32, "patch_size": 8},
        text_config={**tower, "vocab_size": 49408, "max_position_embeddings": 77},
        projection_dim=48,
    )
    folder = tmp_path_factory.mktemp("transformers")
    with torch.random.fork_rng():
        torch.manual_seed(5)
        model = transformers.CLIPModel(config)
        for parameter in model.parameters():  # norms and biases that are not only ones and zeros
            torch.nn.init.normal_(parameter, std=0.2)
    model.save_pretrained(folder)
    processor = {"image_mean": [0.5, 0.4, 0.3], "image_std": [0.2, 0.3, 0.4], "resample": 2}
    settings = {**processor, "do_center_crop": False}
    (folder / "preprocessor_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return folder


class TestTransformersLayout:
    """A CLIP as transformers saves it answers as transformers does."""

    def test_features(self, transformers_folder: Path) -> None:
        import transformers

        model = transformers.CLIPModel.from_pretrained(transformers_folder).eval()
        clip = Clip.load("cpu", checkpoint=transformers_folder)
        prepared = [clip.prepare(picture) for picture in pictures()]
        squeezed = [picture.resize((32, 32), Image.Resampling.BILINEAR) for picture in pictures()]
        np.testing.assert_array_equal(np.stack(prepared), np.stack([np.asarray(one) for one in squeezed]))
        pixels = torch.from_numpy(np.stack(prepared)).permute(0, 3, 1, 2) / 255
        mean, std = (torch.tensor(three).view(3, 1, 1) for three in ([0.5, 0.4, 0.3], [0.2, 0.3, 0.4]))
        ids = open_clip.tokenize(["a cat", "by nobody", "a much longer text of a cat on a roof at night"])
        with torch.inference_mode():
            answer = model(pixel_values=(pixels - mean) / std, input_ids=ids)
        np.testing.assert_allclose(clip.features(prepared), answer.image_embeds.numpy(), atol=1e-5)
        texts = clip.texts.encode(["a cat", "by nobody", "a much longer text of a cat on a roof at night"])
        torch.testing.assert_close(texts, answer.text_embeds, atol=1e-5, rtol=0)

    def test_a_root_of_the_hubs_cache(self, transformers_folder: Path, tmp_path: Path) -> None:
        root = tmp_path / "models--nobody--tiny-clip"
        (root / "snapshots" / "abc").mkdir(parents=True)
        for file in transformers_folder.iterdir():
            (root / "snapshots" / "abc" / file.name).symlink_to(file)
        expected = Clip.load("cpu", checkpoint=transformers_folder).identity
        assert Clip.load("cpu", checkpoint=root).identity == expected
        (root / "snapshots" / "def").mkdir()
        with pytest.raises(CheckpointError, match=r"2 revisions \(abc, def\) and no branch main"):
            Clip.load("cpu", checkpoint=root)
        (root / "refs").mkdir()
        (root / "refs" / "main").write_text("abc", encoding="utf-8")
        assert Clip.load("cpu", checkpoint=root).identity == expected

    def test_other_activations_are_refused(self, transformers_folder: Path, tmp_path: Path) -> None:
        config = json.loads((transformers_folder / "config.json").read_text(encoding="utf-8"))
        config["text_config"]["hidden_act"] = "relu"
        (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
        (tmp_path / "model.safetensors").symlink_to(transformers_folder / "model.safetensors")
        with pytest.raises(CheckpointError, match="wants the activations quick_gelu and relu"):
            Clip.load("cpu", checkpoint=tmp_path)


class TestKinds:
    """How weights want to be run is open_clip's own table, or what can be known of the file."""

    @pytest.mark.parametrize("model", ["MobileCLIP-S1", "PE-Core-B-16", "ViT-B-16-SigLIP", "ViT-L-14-336"])
    @pytest.mark.filterwarnings("error")
    def test_all_weights_of_a_model_agree(self, model: str, tmp_path: Path) -> None:
        kind = kind_of(model, "", tmp_path / "mine.pt")
        (tag, *_) = open_clip.list_pretrained_tags_by_model(model)
        published = open_clip.get_pretrained_cfg(model, tag)
        assert kind is not None
        assert kind.preprocess == {name: published[name] for name in kind.preprocess}
        assert kind.quick_gelu == bool(published.get("quick_gelu"))

    @pytest.mark.parametrize(
        ("model", "path", "tag"),
        [
            ("ViT-L-14", "vit-l-14-openai.safetensors", "openai"),
            ("ViT-L-14", "vit_l_14-laion400m_e31-69988bb6.pt", "laion400m_e31"),
            (
                "ViT-L-14",
                "models--laion--CLIP-ViT-L-14-laion2B-s32B-b82K/snapshots/1/model.bin",
                "laion2b_s32b_b82k",
            ),
            ("ViT-L-14", "DFN2B-s39B.pt", "dfn2b_s39b"),
            ("ViT-H-14", "apple--DFN5B-CLIP-ViT-H-14/open_clip_pytorch_model.bin", "dfn5b"),
        ],
    )
    @pytest.mark.filterwarnings("error")
    def test_a_path_says_it(self, model: str, path: str, tag: str, tmp_path: Path) -> None:
        assert kind_of(model, "", tmp_path / path) == kinds_by_tag(model)[tag]

    def test_a_guess_is_told(self, tmp_path: Path) -> None:
        file = tmp_path / "mine.pt"
        file.write_bytes(b"")
        with pytest.warns(
            UserWarning, match=r"taken for laion400m_e31 .*GELU.*--pretrained.*openai .*QuickGELU"
        ):
            kind = kind_of("ViT-L-14", "", file)
        assert kind == kinds_by_tag("ViT-L-14")["laion400m_e31"]
        with pytest.warns(UserWarning, match="dfn5b: .*squash"):
            assert kind_of("ViT-H-14", "", file) == kinds_by_tag("ViT-H-14")["laion2b_s32b_b79k"]

    def test_a_tag(self, tmp_path: Path) -> None:
        kind = kind_of("ViT-L-14", "laion2b-s32b-b82k", tmp_path / "openai.pt")
        assert kind is not None
        assert kind.mean == (0.5, 0.5, 0.5)
        with pytest.raises(
            ConfigError, match="knows no weights 'opnai' of ViT-L-14; it knows openai, laion400m"
        ):
            kind_of("ViT-L-14", "opnai", tmp_path / "openai.pt")
        assert kind_of("tiny-test", "", tmp_path / "openai.pt") is None

    def test_the_network_and_its_pictures_follow(
        self, tmp_path: Path, tiny_name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        table = {
            "openai": open_clip.get_pretrained_cfg("ViT-L-14", "openai"),
            "other": {**open_clip.get_pretrained_cfg("PE-Core-B-16", "meta"), "quick_gelu": False},
        }
        monkeypatch.setitem(open_clip.pretrained._PRETRAINED, tiny_name, table)
        torch.save(tiny_state(), tmp_path / "mine.pt")
        quick = Clip.load("cpu", tiny_name, tmp_path / "mine.pt", pretrained="openai")
        assert quick.identity == Clip.of(tiny_clip(quick_gelu=True)).identity
        seen = {"mean": (0.5,) * 3, "std": (0.5,) * 3, "interpolation": "bilinear", "resize_mode": "squash"}
        model = tiny_clip()
        expected = Clip.of(model, preprocess={**model.visual.preprocess_cfg, **seen})
        assert (
            Clip.load("cpu", tiny_name, tmp_path / "mine.pt", pretrained="other").identity
            == expected.identity
        )


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
        assert looks_like({"head.weight": torch.zeros(2)}) == "no CLIP (1 tensor, first: head.weight)"

    def test_truncated(self, tmp_path: Path) -> None:
        for file in ("open_clip_pytorch_model.bin", "open_clip_model.safetensors"):
            write_tiny_clip(tmp_path / file, file=file)
            path = tmp_path / file / file
            path.write_bytes(path.read_bytes()[:100_000])
            with pytest.raises(CheckpointError, match=rf"{file} is cut short: .* a half download"):
                Clip.load("cpu", checkpoint=tmp_path / file)

    def test_what_stands_in_for_weights(self, tmp_path: Path) -> None:
        pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 3944692325\n"
        page = "<!DOCTYPE html><html><head><title>Sign in</title></head></html>\n" * 50
        for file in ("open_clip_pytorch_model.bin", "open_clip_model.safetensors"):
            folder = write_tiny_clip(tmp_path / file, file=file)
            (folder / file).write_text(pointer, encoding="utf-8")
            said = (
                rf"{file} is a Git LFS pointer \({len(pointer)} bytes\), not the weights; run `git lfs pull`"
            )
            with pytest.raises(CheckpointError, match=said):
                Clip.load("cpu", checkpoint=folder)
            (folder / file).write_text(page, encoding="utf-8")
            with pytest.raises(CheckpointError, match=f"{file} is a web page, not weights"):
                Clip.load("cpu", "ViT-B-32", folder / file)

    def test_a_torchscript_archive(self, tmp_path: Path) -> None:
        program = torch.jit.trace(torch.nn.Linear(2, 2), torch.zeros(1, 2))
        program.save(str(tmp_path / "ViT-L-14.pt"))
        with pytest.raises(CheckpointError, match="TorchScript archive, a program"):
            Clip.load("cpu", "ViT-L-14-quickgelu", tmp_path / "ViT-L-14.pt")

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
        for text, said in (
            ("{", "cannot be read as JSON"),
            ("{}", "cannot be built from local files"),
            ('{"model_cfg": {"embed_dim": 3}}', "cannot be built from local files"),
        ):
            (tmp_path / "open_clip_config.json").write_text(text, encoding="utf-8")
            with pytest.raises(CheckpointError, match=said):
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

    @pytest.mark.parametrize("mode", ["shortest", "squash", "longest"])
    @pytest.mark.parametrize("size", [(1, 20_000), (20_000, 1), (1, 1), (2, 65), (3000, 40)], ids=str)
    def test_thin_pictures_are_prepared_too(self, mode: str, size: tuple[int, int]) -> None:
        model = tiny_clip()
        clip = Clip.of(model, preprocess={**model.visual.preprocess_cfg, "resize_mode": mode})
        seen = clip.prepare(Image.new("RGB", size, (200, 30, 40)))
        assert seen.shape == (32, 32, 3)
        assert (seen == (200, 30, 40)).all(axis=2).mean() > (0.02 if mode == "longest" else 0.999)

    def test_of_a_long_picture_the_middle_is_seen(self) -> None:
        picture = Image.new("RGB", (64 * 8 * 3, 8))
        picture.paste(pictures()[3].resize((64 * 8, 8)), (64 * 8, 0))
        clip = Clip.of(tiny_clip())
        np.testing.assert_array_equal(
            clip.prepare(picture), clip.prepare(picture.crop((64 * 8, 0, 64 * 16, 8)))
        )

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
