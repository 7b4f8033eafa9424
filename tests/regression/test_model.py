"""Networks on disk and in memory: against timm's and open_clip's own loading, and numbers by hand."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import open_clip
import pytest
import timm
import torch
from safetensors.torch import load_file, save_file

from unprompt.errors import CheckpointError, ConfigError, UnpromptError
from unprompt.networks.backbones import create, layers_of, own_preprocess, parameter_groups, set_checkpointing
from unprompt.networks.preprocess import Preprocess
from unprompt.regression.checkpoint import load_model, read_record, save_model
from unprompt.regression.config import TrainConfig
from unprompt.regression.model import EmbeddingRegressor, ModelSpec, new_model

TOWERS = {
    "tiny-native": {"layers": 2, "width": 32, "head_width": 16, "patch_size": 8, "image_size": 32},
    "tiny-timm": {"timm_model_name": "test_vit", "timm_pool": "", "timm_proj": "linear", "image_size": 160},
}


@pytest.fixture(scope="module", autouse=True)
def tiny_clips(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Two small CLIPs that open_clip knows by name, one with a tower of its own and one with timm's."""
    folder = tmp_path_factory.mktemp("clips")
    text = {"context_length": 8, "vocab_size": 64, "width": 16, "heads": 2, "layers": 1}
    for name, tower in TOWERS.items():
        content = {"embed_dim": 24, "vision_cfg": tower, "text_cfg": text}
        (folder / f"{name}.json").write_text(json.dumps(content))
    open_clip.add_model_config(folder)


def fresh(**settings: Any) -> Any:
    """A network with random weights in which no norm is the identity, in evaluation mode."""
    return stirred(new_model(TrainConfig(**{"backbone": "test_vit", "from_scratch": True, **settings})))


def stirred(model: Any) -> Any:
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if tensor.is_floating_point() and tensor.ndim == 1:
                noise = torch.rand(tensor.shape, generator=generator)
                tensor.copy_(noise + 0.5 if "var" in name or "weight" in name else noise - 0.5)
    return model.eval()


def pictures(size: int, count: int = 2) -> Any:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(0))


def answers(model: Any, size: int) -> Any:
    with torch.inference_mode():
        return model(pictures(size))


# --- the network


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"head": "mlp"},
        {"backbone": "test_efficientnet", "fold_norms": True},
        {"backbone": "open_clip:tiny-native"},
        {"backbone": "open_clip:tiny-timm", "size": 96},
        {"size": 96, "patch": 8},
        {"backbone": "test_convnext", "size": 64, "drop_path": 0.1},
    ],
    ids=lambda settings: "-".join(f"{key}={value}" for key, value in settings.items()) or "plain",
)
def test_a_network_comes_back_bit_by_bit(tmp_path: Path, settings: dict[str, Any]) -> None:
    model = fresh(**settings)
    path = tmp_path / "best.safetensors"
    record = {"epochs": 3, "score": 0.1 + 0.2, "note": "Öl"}
    save_model(path, model.spec, model.state_dict(), record)
    loaded = load_model(path)
    assert loaded.model.spec == model.spec
    assert not loaded.model.training
    assert loaded.record == read_record(path) == record
    size = model.spec.preprocess.size
    assert torch.equal(answers(loaded.model, size), answers(model, size))
    first = path.read_bytes()
    save_model(path, loaded.model.spec, loaded.model.state_dict(), loaded.record)
    assert path.read_bytes() == first


def test_the_header_has_one_entry_since_several_would_change_places(tmp_path: Path) -> None:
    model = fresh()
    save_model(tmp_path / "a.safetensors", model.spec, model.state_dict(), {})
    content = (tmp_path / "a.safetensors").read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    assert list(header["__metadata__"]) == ["unprompt"]


def test_rows_have_unit_length_in_float32_under_autocast() -> None:
    model = fresh()
    with torch.autocast("cpu", torch.bfloat16):
        rows = answers(model, 160)
    assert rows.dtype == torch.float32
    assert torch.allclose(rows.norm(dim=1), torch.ones(2), atol=1e-6)
    assert rows.shape == (2, 384)


def test_raw_is_the_head_of_the_features() -> None:
    model = fresh(head="mlp")
    with torch.inference_mode():
        features, raw = model.features(pictures(160)), model.raw(pictures(160))
        assert features.shape == (2, model.width) == (2, 64)
        assert torch.equal(raw, model.head(features))
    shapes = [tuple(tensor.shape) for name, tensor in model.head.state_dict().items() if "weight" in name]
    assert shapes == [(1024, 64), (1024,), (384, 1024)]


def test_a_new_network_is_decided_by_its_seed_and_leaves_torchs_numbers_alone() -> None:
    before = torch.random.get_rng_state()
    one, same, other = (
        new_model(TrainConfig(backbone="test_vit", from_scratch=True, seed=seed)) for seed in (3, 3, 4)
    )
    assert torch.equal(torch.random.get_rng_state(), before)
    assert one.training
    assert torch.equal(one.head.weight, same.head.weight)
    assert torch.equal(one.backbone.pos_embed, same.backbone.pos_embed)
    assert not torch.equal(one.head.weight, other.head.weight)


@pytest.mark.parametrize("name", ["test_vit", "test_mambaout", "test_byobnet", "test_maxvit", "test_nfnet"])
def test_the_width_is_that_of_the_features(name: str) -> None:
    model = fresh(backbone=name)
    assert model.features(pictures(160)).shape == (2, model.width)


def test_what_the_backbone_wants_to_see_is_what_the_network_gets() -> None:
    assert own_preprocess("test_vit") == Preprocess(160, 1.0, (0.5,) * 3, (0.5,) * 3)
    assert own_preprocess("efficientnet_b0", 192).size == 192
    assert own_preprocess("efficientnet_b0").mean == (0.485, 0.456, 0.406)
    assert own_preprocess("open_clip:ViT-L-14-336").size == 336
    assert own_preprocess("open_clip:ViT-B-32").mean == open_clip.OPENAI_DATASET_MEAN
    assert own_preprocess("open_clip:ViT-B-16-SigLIP").mean == (0.5, 0.5, 0.5)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"backbone": "vit_base_patch16_22"}, "no backbone is called .*near it: vit_base_patch16_224"),
        ({"backbone": "test_vit.nope"}, r"near it: .*test_vit\.r160_in1k"),
        ({"backbone": "open_clip:ViT-L14"}, "near it: open_clip:ViT-L-14"),
        ({"backbone": "hf-hub:timm/test_vit"}, "no backbone is called"),
        ({"backbone": ""}, "no backbone is called ''"),
        ({"backbone": "test_efficientnet", "patch": 8}, "has no patches"),
        ({"backbone": "test_convnext", "patch": 8}, "has no patches"),
        ({"backbone": "open_clip:RN50", "patch": 8}, "has no patches"),
        ({"backbone": "vgg11", "drop_path": 0.1}, "has no stochastic depth"),
        ({"backbone": "open_clip:tiny-native", "drop_path": 0.1}, "has no stochastic depth"),
        ({"size": 100}, "size 100 is not a multiple of test_vit's patch of 16"),
        ({"size": 12}, "size 12 is not a multiple|cannot be built"),
        ({"fold_norms": True}, "no batch norm that follows"),
    ],
)
def test_settings_a_backbone_was_not_made_for(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        fresh(**settings)


def test_folding_norms_changes_no_answer(tmp_path: Path) -> None:
    plain = fresh(backbone="test_efficientnet")
    torch.save(plain.backbone.state_dict(), tmp_path / "w.pth")
    settings = {"backbone": "test_efficientnet", "weights": tmp_path / "w.pth"}
    folded = new_model(TrainConfig(**settings, fold_norms=True))
    assert folded.training
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in folded.backbone.modules())
    folded.eval().head.load_state_dict(plain.head.state_dict())
    assert torch.allclose(answers(folded, 160), answers(plain, 160), atol=1e-5)


# --- a backbone's weights


@pytest.fixture
def vit_weights(tmp_path: Path) -> Path:
    """A file as timm publishes them: a classifier of 1,000 classes, safetensors."""
    save_file(stirred(timm.create_model("test_vit")).state_dict(), tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


@pytest.mark.parametrize(("size", "patch"), [(0, 0), (96, 0), (96, 8), (0, 32)])
def test_weights_are_resampled_as_timm_does_it(vit_weights: Path, size: int, patch: int) -> None:
    reference = timm.create_model("test_vit", num_classes=0)
    state = load_file(vit_weights)
    reference.load_state_dict({name: state[name] for name in reference.state_dict()})
    reference.set_input_size(img_size=(size or 160,) * 2, patch_size=(patch or 16,) * 2)
    model = new_model(TrainConfig(backbone="test_vit", weights=vit_weights, size=size, patch=patch)).eval()
    with torch.inference_mode():
        expected = reference.eval()(pictures(size or 160))
        assert torch.allclose(model.features(pictures(size or 160)), expected, atol=1e-5)
    assert not model.backbone.pretrained_cfg["state_dict"]  # else each copy of it would hold the file


def test_a_folder_of_weights_is_looked_into(vit_weights: Path) -> None:
    named = new_model(TrainConfig(backbone="test_vit", weights=vit_weights))
    found = new_model(TrainConfig(backbone="test_vit", weights=vit_weights.parent))
    assert torch.equal(named.backbone.pos_embed, found.backbone.pos_embed)


@pytest.mark.parametrize(
    ("backbone", "change", "words"),
    [
        (
            "test_vit",
            lambda state: state.pop("blocks.3.mlp.fc1.weight"),
            r"Missing key.*blocks\.3\.mlp\.fc1\.weight",
        ),
        ("test_vit", lambda state: state.update(more=torch.zeros(1)), 'Unexpected key.*"more"'),
        ("test_vit3", lambda state: None, "does not fit test_vit3: .*cls_token|reg_token|pos_embed|blocks"),
        ("test_convnext", lambda state: None, "does not fit test_convnext"),
        ("open_clip:tiny-native", lambda state: None, "lacks .* tensors, first: class_embedding"),
    ],
)
def test_weights_that_do_not_fit(vit_weights: Path, backbone: str, change: Any, words: str) -> None:
    state = load_file(vit_weights)
    change(state)
    save_file(state, vit_weights)
    with pytest.raises(CheckpointError, match=words) as caught:
        new_model(TrainConfig(backbone=backbone, weights=vit_weights))
    assert str(vit_weights) in str(caught.value)
    assert len(str(caught.value)) < 500


def test_no_weights_says_what_to_give() -> None:
    with pytest.raises(
        CheckpointError, match=r"--weights FILE \(model.safetensors of timm/test_vit.*--from-scratch"
    ):
        new_model(TrainConfig(backbone="test_vit"))
    with pytest.raises(CheckpointError, match="cannot be read: No such file"):
        new_model(TrainConfig(backbone="test_vit", weights=Path("nowhere.safetensors")))


@pytest.mark.parametrize("name", ["tf_efficientnet_lite0", "tf_efficientnet_lite2.in1k"])
def test_packages_that_carry_weights_are_found(name: str) -> None:
    one, other = (new_model(TrainConfig(backbone=name, seed=seed)).backbone for seed in (0, 1))
    assert torch.equal(one.conv_head.weight, other.conv_head.weight)
    assert float(one.bn1.running_var.std()) > 0


@pytest.mark.parametrize("name", sorted(TOWERS))
@pytest.mark.parametrize("whole", [True, False], ids=["whole", "tower"])
def test_a_clips_tower_gives_what_open_clip_gives(tmp_path: Path, name: str, whole: bool) -> None:
    clip = stirred(open_clip.create_model(name))
    torch.save({"state_dict": (clip if whole else clip.visual).state_dict()}, tmp_path / "clip.bin")
    model = new_model(TrainConfig(backbone=f"open_clip:{name}", weights=tmp_path / "clip.bin")).eval()
    size = TOWERS[name]["image_size"]
    with torch.inference_mode():
        assert torch.equal(model.features(pictures(size)), clip.encode_image(pictures(size)))
    assert model.width == 24


@pytest.mark.parametrize(("name", "size"), [("tiny-native", 64), ("tiny-timm", 96)])
def test_a_clips_tower_at_another_size_is_resampled_as_open_clip_does_it(
    tmp_path: Path, name: str, size: int
) -> None:
    torch.save(stirred(open_clip.create_model(name)).state_dict(), tmp_path / "clip.pth")
    reference = open_clip.create_model(
        name, pretrained=str(tmp_path / "clip.pth"), force_image_size=size
    ).eval()
    weights = TrainConfig(backbone=f"open_clip:{name}", weights=tmp_path / "clip.pth", size=size)
    model = new_model(weights).eval()
    with torch.inference_mode():
        expected = reference.encode_image(pictures(size))
        assert torch.allclose(model.features(pictures(size)), expected, atol=1e-6)


# --- learning


def test_parameter_groups_of_a_small_vit() -> None:
    spec = ModelSpec("vit_tiny_patch16_224", "linear", Preprocess(32))
    backbone = timm.create_model(
        "vit_tiny_patch16_224", depth=2, embed_dim=32, num_heads=2, img_size=32, num_classes=0
    )
    model = EmbeddingRegressor(spec, backbone)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    groups = parameter_groups(model, 1.0, 3.0, 0.5, 0.1)
    seen = {
        names[id(parameter)]: (group["lr"], group["weight_decay"])
        for group in groups
        for parameter in group["params"]
    }
    assert len(seen) == sum(len(group["params"]) for group in groups) == len(names)
    assert seen["head.weight"] == (3.0, 0.1)
    assert seen["head.bias"] == (3.0, 0.0)
    assert seen["backbone.norm.weight"] == (0.5, 0.0)
    assert seen["backbone.blocks.1.attn.qkv.weight"] == (0.5, 0.1)
    assert seen["backbone.blocks.0.attn.qkv.weight"] == (0.25, 0.1)
    assert seen["backbone.blocks.0.attn.qkv.bias"] == (0.25, 0.0)
    assert seen["backbone.patch_embed.proj.weight"] == (0.125, 0.1)
    assert seen["backbone.pos_embed"] == seen["backbone.cls_token"] == (0.125, 0.0)


def test_layers_of_clip_towers() -> None:
    native = layers_of(create("open_clip:tiny-native", 32))
    assert {native[name] for name in ("conv1.weight", "positional_embedding", "ln_pre.bias")} == {0}
    assert native["transformer.resblocks.0.ln_1.weight"] == 1
    assert native["transformer.resblocks.1.attn.in_proj_weight"] == native["ln_post.weight"] == 2
    assert native["proj"] == 3
    wrapped = layers_of(create("open_clip:tiny-timm", 160))
    assert wrapped["trunk.pos_embed"] == 0
    assert wrapped["head.proj.weight"] == max(wrapped.values()) == wrapped["trunk.norm.weight"] + 1


@pytest.mark.parametrize(
    "name", ["test_convnext", "test_efficientnet", "open_clip:tiny-native", "open_clip:tiny-timm"]
)
def test_every_trainable_parameter_is_in_one_group(name: str) -> None:
    model = fresh(backbone=name)
    next(model.backbone.parameters()).requires_grad_(False)
    given = [id(p) for group in parameter_groups(model, 1e-3, 1e-3, 0.7, 0.1) for p in group["params"]]
    assert sorted(given) == sorted(id(p) for p in model.parameters() if p.requires_grad)


@pytest.mark.parametrize("name", ["test_vit", "open_clip:tiny-native", "open_clip:tiny-timm"])
def test_checkpointing_changes_no_gradient(name: str) -> None:
    model = fresh(backbone=name).train()
    batch = pictures(model.spec.preprocess.size)

    def gradients() -> list[Any]:
        model.zero_grad()
        model(batch).sum().backward()
        return [parameter.grad.clone() for parameter in model.parameters()]

    before = gradients()
    set_checkpointing(model)
    assert any(getattr(module, "grad_checkpointing", False) for module in model.backbone.modules())
    assert all(torch.allclose(one, two, atol=1e-6) for one, two in zip(before, gradients(), strict=True))


@pytest.mark.parametrize("name", ["vgg11", "open_clip:RN50"])
def test_backbones_that_cannot_be_checkpointed(name: str) -> None:
    preprocess = own_preprocess(name)
    with torch.device("meta"):
        model = EmbeddingRegressor(ModelSpec(name, "linear", preprocess), create(name, preprocess.size))
    with pytest.raises(ConfigError, match=rf"{name} cannot compute its activations twice"):
        set_checkpointing(model)


# --- plain state dicts


def fine_tuned(
    path: Path, backbone: str = "test_vit", prefix: str = "", wrapper: str = "", **options: Any
) -> Any:
    """A timm model with 384 classes, and its state dict at `path`."""
    model = stirred(timm.create_model(backbone, **{"num_classes": 384, **options}))
    state = {prefix + name: tensor for name, tensor in model.state_dict().items()}
    torch.save({wrapper: state, "epoch": 3} if wrapper else state, path)
    return model


def unit(rows: Any) -> Any:
    return rows / rows.norm(dim=1, keepdim=True)


@pytest.mark.parametrize(
    "prefix", ["", "module.", "_orig_mod.", "model.", "module._orig_mod.", "model.module."]
)
@pytest.mark.parametrize("wrapper", ["", "state_dict", "model"])
def test_prefixes_and_wrappers_are_seen_through(tmp_path: Path, prefix: str, wrapper: str) -> None:
    reference = fine_tuned(tmp_path / "m.pth", prefix=prefix, wrapper=wrapper)
    model = load_model(tmp_path / "m.pth", "test_vit").model
    assert torch.allclose(answers(model, 160), unit(answers(reference, 160)), atol=1e-6)


@pytest.mark.parametrize("backbone", ["test_efficientnet", "test_convnext", "test_resnet", "test_mambaout"])
def test_classifiers_of_any_name_are_found(tmp_path: Path, backbone: str) -> None:
    reference = fine_tuned(tmp_path / "m.pth", backbone)
    loaded = load_model(tmp_path / "m.pth", backbone, size=128, statistics="clip")
    assert torch.allclose(answers(loaded.model, 128), unit(answers(reference, 128)), atol=1e-5)
    assert loaded.model.spec.preprocess.size == 128
    assert loaded.model.spec.preprocess.mean == open_clip.OPENAI_DATASET_MEAN
    assert loaded.record == {}


@pytest.mark.parametrize(("size", "patch"), [(224, 16), (96, 8), (160, 32)])
def test_the_size_of_a_vit_comes_from_its_positions(tmp_path: Path, size: int, patch: int) -> None:
    reference = fine_tuned(tmp_path / "m.pth", img_size=size, patch_size=patch)
    model = load_model(tmp_path / "m.pth", "test_vit").model
    assert model.spec.preprocess.size == size
    assert torch.allclose(answers(model, size), unit(answers(reference, size)), atol=1e-6)
    with pytest.raises(CheckpointError, match=f"is for images of {size} pixels"):
        load_model(tmp_path / "m.pth", "test_vit", size=64)


def test_a_plain_state_dict_as_safetensors(tmp_path: Path) -> None:
    reference = stirred(timm.create_model("test_vit", num_classes=384))
    save_file(reference.state_dict(), tmp_path / "m.safetensors")
    model = load_model(tmp_path / "m.safetensors", "test_vit").model
    assert torch.allclose(answers(model, 160), unit(answers(reference, 160)), atol=1e-6)
    with pytest.raises(CheckpointError, match="name its backbone"):
        load_model(tmp_path / "m.safetensors")
    with pytest.raises(CheckpointError, match="has no record"):
        read_record(tmp_path / "m.safetensors")


@pytest.mark.parametrize(
    ("saved", "backbone", "words"),
    [
        ({"num_classes": 1000}, "test_vit", "gives 1000 numbers, an embedding has 384"),
        ({"num_classes": 0}, "test_vit", r"has no classifier of test_vit \(head.weight\)"),
        ({}, "test_vit3", "does not fit test_vit3"),
        ({}, "test_resnet", "does not fit test_resnet"),
        ({}, "open_clip:tiny-native", "read for timm's models only"),
        ({}, "deit_tiny_distilled_patch16_224", "has 2 classifiers"),
    ],
)
def test_plain_state_dicts_of_something_else(
    tmp_path: Path, saved: dict[str, Any], backbone: str, words: str
) -> None:
    fine_tuned(tmp_path / "m.pth", **saved)
    with pytest.raises(CheckpointError, match=words):
        load_model(tmp_path / "m.pth", backbone)


# --- files that are wrong


class Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.folder),)


def test_code_in_a_pickle_is_refused_and_not_run(tmp_path: Path) -> None:
    path = tmp_path / "m.pth"
    torch.save({"state_dict": {"head.weight": torch.zeros(1)}, "optimizer": Trap(tmp_path / "run")}, path)
    for load in (
        lambda: load_model(path, "test_vit"),
        lambda: new_model(TrainConfig(backbone="test_vit", weights=path)),
    ):
        with pytest.raises(CheckpointError, match=r"mkdir.*is never run.*\.safetensors"):
            load()
    assert not (tmp_path / "run").exists()
    torch.load(path, weights_only=False)
    assert (tmp_path / "run").exists()  # the trap works


def test_a_whole_pickled_network_is_refused(tmp_path: Path) -> None:
    torch.save(torch.nn.Linear(2, 384), tmp_path / "m.pth")
    with pytest.raises(CheckpointError, match=r"torch\.nn\.modules\.linear\.Linear.*save its state_dict"):
        load_model(tmp_path / "m.pth", "test_vit")


@pytest.mark.parametrize("name", ["m.pth", "old.pth", "m.safetensors"])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_files_cut_short(tmp_path: Path, name: str, share: float) -> None:
    model = fresh()
    path = tmp_path / name
    if name == "m.safetensors":
        save_model(path, model.spec, model.state_dict(), {})
    else:
        torch.save(model.state_dict(), path, _use_new_zipfile_serialization=name == "m.pth")
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(CheckpointError, match=r"(cut short|header|an empty file).*get it again"):
        load_model(path, "test_vit")


@pytest.mark.parametrize("content", [b"hello world", b"\x00" * 64, b"[1, 2]", b"PK\x03\x04"])
def test_files_of_another_kind(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "m.pth").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"m\.pth"):
        load_model(tmp_path / "m.pth", "test_vit")


def test_files_that_hold_no_tensors_or_are_not_there(tmp_path: Path) -> None:
    torch.save([torch.zeros(3)], tmp_path / "m.pth")
    with pytest.raises(CheckpointError, match="holds no tensors by name"):
        load_model(tmp_path / "m.pth", "test_vit")
    with pytest.raises(CheckpointError, match="cannot be read: No such file"):
        load_model(tmp_path / "none.pth", "test_vit")


def test_a_file_of_ours_is_not_taken_for_something_else(tmp_path: Path) -> None:
    model = fresh()
    path = tmp_path / "best.safetensors"
    save_model(path, model.spec, model.state_dict(), {})
    load_model(path, "test_vit", 160, "half")
    for wanted, words in (
        ({"backbone": "test_vit2"}, "is of the backbone test_vit, not test_vit2"),
        ({"size": 224}, "takes images of 160 pixels, not 224"),
        ({"statistics": "clip"}, "trained with mean"),
    ):
        with pytest.raises(CheckpointError, match=words):
            load_model(path, **wanted)
    with pytest.raises(ConfigError, match="statistics must be one of imagenet, half, clip, got 'none'"):
        load_model(path, statistics="none")


def rewritten(path: Path, **changes: Any) -> None:
    """Save a tiny network with a header that says something else."""
    model = fresh()
    about = {"format": "unprompt-regression", "version": 1, "spec": model.spec.as_dict(), "record": {}}
    save_file(model.state_dict(), path, {"unprompt": json.dumps({**about, **changes})})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"format": "other"}, "another format"),
        ({"version": 2}, "version 2 .* reads 1"),
        ({"record": None}, "no record"),
        ({"spec": None}, "a network is described by"),
        ({"spec": {"backbone": "test_vit"}}, "a network is described by"),
        (
            {"spec": {**ModelSpec("test_vit", "linear", Preprocess(160)).as_dict(), "patch": "8"}},
            "'patch' .* int",
        ),
        (
            {"spec": {**ModelSpec("test_vit", "linear", Preprocess(160)).as_dict(), "head": "tail"}},
            "head must be",
        ),
        (
            {"spec": {**ModelSpec("test_vit", "linear", Preprocess(160)).as_dict(), "preprocess": {}}},
            "no sense",
        ),
        ({"spec": ModelSpec("test_vitt", "linear", Preprocess(160)).as_dict()}, "near it: test_vit"),
        ({"spec": ModelSpec("test_vit2", "linear", Preprocess(160)).as_dict()}, "first: backbone"),
        ({"spec": ModelSpec("test_vit", "mlp", Preprocess(160)).as_dict()}, "first: head"),
    ],
)
def test_headers_that_make_no_sense(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    rewritten(tmp_path / "m.safetensors", **changes)
    with pytest.raises(UnpromptError, match=words) as caught:
        load_model(tmp_path / "m.safetensors")
    assert isinstance(caught.value, CheckpointError)
    assert "m.safetensors" in str(caught.value)
