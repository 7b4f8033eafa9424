"""Folders and files of models by strangers: no code of theirs runs, and what they ask for is bounded."""

from __future__ import annotations

import json
import shutil
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save, save_file

from tests import fuzzing
from tests.fuzzing import Attack, run, try_one
from tests.tiny_captioners import save_tiny_blip
from tests.tiny_clip import tiny_config, write_tiny_clip
from tests.tiny_gpt2 import write_tiny_gpt2
from unprompt.errors import CheckpointError
from unprompt.generate.config import Gpt2Config
from unprompt.generate.gpt2 import Gpt2Prompts
from unprompt.networks.adapters import merge_adapter
from unprompt.networks.backbones import create, pretrained_state
from unprompt.networks.captioner import Captioner
from unprompt.networks.captioner_config import CaptionConfig
from unprompt.networks.captioner_files import folder_files, load_captioner
from unprompt.networks.checkpoints import locate
from unprompt.networks.clip import Clip
from unprompt.networks.extent import Extent, check_numbers, made_within, parts_of
from unprompt.networks.gguf import read_gguf
from unprompt.networks.gpt2_checkpoint import load_model
from unprompt.networks.minilm import CHECKPOINT as MINILM
from unprompt.networks.minilm import PromptEncoder
from unprompt.networks.state_dicts import read_metadata, read_tensors
from unprompt.networks.weight_files import WeightsForm

Change = Callable[[dict[str, Any]], None]


@pytest.fixture(scope="module")
def blip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_blip(tmp_path_factory.mktemp("hostile") / "blip")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CLIP with a small vocabulary: the tokenizer's is not looked at before the network is made."""
    folder = tmp_path_factory.mktemp("hostile") / "clip"
    write_tiny_clip(folder, config=tiny_config(text={"vocab_size": 600}))
    return folder


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_gpt2(tmp_path_factory.mktemp("hostile") / "gpt2")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was asked on the terminal, where somebody answers y to all."""
    questions: list[str] = []

    def answer(question: str = "") -> str:
        questions.append(question)
        return "y"

    monkeypatch.setattr("builtins.input", answer)
    return questions


def copied(folder: Path, to: Path, name: str, change: Change) -> Path:
    """A copy of a model's folder with one of its JSON files changed."""
    shutil.copytree(folder, to)
    content = json.loads((to / name).read_text())
    change(content)
    (to / name).write_text(json.dumps(content))
    return to


def refused(read: Callable[[], object]) -> None:
    """Check that something is refused in one line, and in bounded time and memory."""

    def once(name: str, content: bytes) -> None:
        with pytest.raises(CheckpointError) as told:
            read()
        assert "\n" not in str(told.value)

    assert try_one(Attack("", [], once), "", b"") is None


# --- code


CODE = """
open({mark!r}, "a").write("run")
from transformers import BertTokenizerFast, BlipConfig, BlipForConditionalGeneration
from transformers import BlipImageProcessor, BlipProcessor

class Tokens(BertTokenizerFast): pass
class Config(BlipConfig): pass
class Model(BlipForConditionalGeneration): pass
class Pictures(BlipImageProcessor): pass
class Both(BlipProcessor): pass
"""
MAPS = {
    "config.json": {"AutoConfig": "own.Config", "AutoModel": "own.Model", "AutoProcessor": "own.Both"},
    "tokenizer_config.json": {"AutoTokenizer": ["own.Tokens", "own.Tokens"]},
    "preprocessor_config.json": {"AutoImageProcessor": "own.Pictures", "AutoProcessor": "own.Both"},
}


@pytest.mark.parametrize(
    ("files", "known"), [(list(MAPS), True), *(([name], False) for name in MAPS)], ids=["all", *MAPS]
)
def test_a_captioners_code_is_never_run(
    blip: Path, tmp_path: Path, asked: list[str], files: list[str], known: bool
) -> None:
    """Classes in the folder, for names that transformers has, and for names that only the folder has."""
    folder = shutil.copytree(blip, tmp_path / "model")
    (folder / "own.py").write_text(CODE.format(mark=str(tmp_path / "mark")))
    for name in files:
        content = json.loads((folder / name).read_text()) if (folder / name).exists() else {}
        content["auto_map"] = MAPS[name]
        if not known:
            for key in ("tokenizer_class", "image_processor_type", "processor_class"):
                content.pop(key, None)
        (folder / name).write_text(json.dumps(content))
    try:
        load_captioner(folder, None, "fp32")
    except CheckpointError as error:
        assert "\n" not in str(error)  # noqa: PT017
    assert asked == []
    assert not (tmp_path / "mark").exists()


def test_a_clips_tokenizer_may_not_say_that_it_is_trusted(
    clip: Path, tmp_path: Path, asked: list[str]
) -> None:
    """open_clip hands on what the config says of the tokenizer, and so whether to run its code."""

    def change(content: dict[str, Any]) -> None:
        content["model_cfg"]["text_cfg"] |= {
            "hf_tokenizer_name": "own/model",
            "tokenizer_kwargs": {"trust_remote_code": True},
        }

    folder = copied(clip, tmp_path / "model", "open_clip_config.json", change)
    (folder / "own.py").write_text(f"open({str(tmp_path / 'mark')!r}, 'a').write('run')\nclass Own: pass\n")
    settings = {"tokenizer_class": "Own", "auto_map": {"AutoTokenizer": ["own.Own", None]}}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    with pytest.raises(CheckpointError, match="tokenizer"):
        Clip.load("cpu", checkpoint=folder)
    assert asked == []
    assert not (tmp_path / "mark").exists()


def test_a_text_tower_elsewhere_is_not_asked_for_its_code(
    clip: Path, tmp_path: Path, asked: list[str]
) -> None:
    """A config may name a folder of transformers' whose model is the text tower."""
    other = tmp_path / "other"
    other.mkdir()
    settings = {"model_type": "own", "auto_map": {"AutoConfig": "own.Own", "AutoModel": "own.Own"}}
    (other / "config.json").write_text(json.dumps(settings))
    (other / "own.py").write_text(f"open({str(tmp_path / 'mark')!r}, 'a').write('run')\nclass Own: pass\n")

    def change(content: dict[str, Any]) -> None:
        content["model_cfg"]["text_cfg"]["hf_model_name"] = str(other)

    folder = copied(clip, tmp_path / "model", "open_clip_config.json", change)
    with pytest.raises(CheckpointError):
        Clip.load("cpu", checkpoint=folder)
    assert asked == []
    assert not (tmp_path / "mark").exists()


# --- sizes


def setting(path: str, value: Any) -> Change:
    """Set what a path of keys such as a.b leads to."""

    def change(content: dict[str, Any]) -> None:
        *above, last = path.split(".")
        for key in above:
            content = content[key]
        content[last] = value

    return change


VISION, TEXT = "model_cfg.vision_cfg.", "model_cfg.text_cfg."
CLIPS = {
    "patch 0": (VISION + "patch_size", 0),
    "patch -8": (VISION + "patch_size", -8),
    "width 0": (VISION + "width", 0),
    "width -64": (VISION + "width", -64),
    "width 1e9": (VISION + "width", 10**9),
    "width 1e6": (VISION + "width", 10**6),
    "width 1e5": (VISION + "width", 10**5),
    "width 1e400": (VISION + "width", 10**400),
    "width x": (VISION + "width", "x"),
    "head 0": (VISION + "head_width", 0),
    "image 1e9": (VISION + "image_size", 10**9),
    "image 500,000": (VISION + "image_size", 500_000),
    "layers 1e6": (VISION + "layers", 10**6),
    "layers 20,000": (VISION + "layers", 20_000),
    "layers deep": (VISION + "layers", [[[2] * 9] * 9] * 9),
    "text layers 1e6": (TEXT + "layers", 1_000_000),
    "text layers 1e5": (TEXT + "layers", 100_000),
    "vocabulary 1e12": (TEXT + "vocab_size", 10**12),
    "vocabulary 1e6": (TEXT + "vocab_size", 1_000_000),
    "context 1e6": (TEXT + "context_length", 1_000_000),
    "heads 0": (TEXT + "heads", 0),
    "heads 7": (TEXT + "heads", 7),
    "mlp 1e9": (TEXT + "mlp_ratio", 1e9),
    "mlp nan": (TEXT + "mlp_ratio", float("nan")),
    "space 1e9": ("model_cfg.embed_dim", 10**9),
    "space null": ("model_cfg.embed_dim", None),
    "no model": ("model_cfg", []),
    "text a list": ("model_cfg.text_cfg", [1]),
    "pictures 1e9": ("preprocess_cfg", {"size": 10**9}),
}


@pytest.mark.parametrize(("path", "value"), CLIPS.values(), ids=CLIPS)
def test_a_clips_config_asks_for_no_more_than_its_weights_have(
    clip: Path, tmp_path: Path, path: str, value: Any
) -> None:
    folder = copied(clip, tmp_path / "model", "open_clip_config.json", setting(path, value))
    refused(lambda: Clip.load("cpu", checkpoint=folder))


CAPTIONERS = {
    "width 1e9": ("text_config.hidden_size", 10**9),
    "width 1e5": ("text_config.hidden_size", 10**5),
    "width 0": ("vision_config.hidden_size", 0),
    "patch 0": ("vision_config.patch_size", 0),
    "image 1e6": ("vision_config.image_size", 1_000_000),
    "layers 1e6": ("text_config.num_hidden_layers", 1_000_000),
    "layers 1e5": ("vision_config.num_hidden_layers", 100_000),
    "heads 0": ("text_config.num_attention_heads", 0),
    "vocabulary 1e12": ("text_config.vocab_size", 10**12),
    "vocabulary 1e6": ("text_config.vocab_size", 1_000_000),
    "positions 1e6": ("text_config.max_position_embeddings", 1_000_000),
    "text a list": ("text_config", [3]),
    "no kind": ("model_type", ["blip"]),
    "no class": ("architectures", 7),
}


@pytest.mark.parametrize(("path", "value"), CAPTIONERS.values(), ids=CAPTIONERS)
def test_a_captioners_config_asks_for_no_more_than_its_weights_have(
    blip: Path, tmp_path: Path, path: str, value: Any
) -> None:
    folder = copied(blip, tmp_path / "model", "config.json", setting(path, value))
    refused(lambda: load_captioner(folder, None, "fp32"))


@pytest.mark.parametrize("size", [{"height": 10**9, "width": 10**9}, {"height": 0, "width": 1}])
def test_a_captioner_is_shown_no_larger_pictures_than_there_are(
    blip: Path, tmp_path: Path, size: dict[str, int]
) -> None:
    name = next(
        name for name in ("preprocessor_config.json", "processor_config.json") if (blip / name).exists()
    )

    def change(content: dict[str, Any]) -> None:
        content.get("image_processor", content)["size"] = size

    folder = copied(blip, tmp_path / "model", name, change)
    with pytest.raises(CheckpointError):
        load_captioner(folder, None, "fp32")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("bos_token_id", 10**9),
        ("bos_token_id", -1),
        ("pad_token_id", 10**6),
        ("sep_token_id", [10**6]),
    ],
)
def test_a_captioners_special_tokens_are_those_that_it_knows(
    blip: Path, tmp_path: Path, name: str, value: Any
) -> None:
    folder = copied(blip, tmp_path / "model", "config.json", setting(f"text_config.{name}", value))
    with pytest.raises(CheckpointError):
        load_captioner(folder, None, "fp32")


@pytest.mark.parametrize("place", ["config.json", "generation_config.json"])
def test_a_folder_does_not_say_how_many_captions_are_written(blip: Path, tmp_path: Path, place: str) -> None:
    """Nor any other of the many ways to make a short caption take a day."""
    folder = shutil.copytree(blip, tmp_path / "model")
    content = json.loads((folder / place).read_text()) if (folder / place).exists() else {}
    for settings in (content, content.get("text_config", {})):
        settings |= {"num_return_sequences": 10**5, "do_sample": True, "min_length": 10**6}
    (folder / place).write_text(json.dumps(content))
    honest, changed = (
        Captioner("a", load_captioner(path, None, "fp32"), "cpu", CaptionConfig(length=5))
        for path in (blip, folder)
    )
    picture = Image.new("RGB", (40, 30), "red")
    assert changed.caption([picture]) == honest.caption([picture])


GPT2S = {
    "width 1e9": ("n_embd", 10**9),
    "width 1e5": ("n_embd", 10**5),
    "width x": ("n_embd", "x"),
    "layers 1e6": ("n_layer", 10**6),
    "heads 0": ("n_head", 0),
    "inner 1e9": ("n_inner", 10**9),
    "vocabulary 1e12": ("vocab_size", 10**12),
    "positions 1e6": ("n_positions", 10**6),
    "positions -1": ("n_positions", -1),
    "another kind": ("model_type", ["gpt2"]),
}


@pytest.mark.parametrize(("path", "value"), GPT2S.values(), ids=GPT2S)
def test_a_language_models_config_asks_for_no_more_than_its_weights_have(
    gpt2: Path, tmp_path: Path, path: str, value: Any
) -> None:
    folder = copied(gpt2, tmp_path / "model", "config.json", setting(path, value))
    refused(lambda: load_model(folder, "float32"))


def test_a_tokenizer_has_no_tokens_that_the_model_does_not_know(gpt2: Path, tmp_path: Path) -> None:
    """Their number may be right where one of them is a million."""

    def change(vocabulary: dict[str, Any]) -> None:
        vocabulary["zz"] = vocabulary.pop(max(vocabulary, key=vocabulary.__getitem__)) + 10**6

    folder = copied(gpt2, tmp_path / "model", "vocab.json", change)
    with pytest.raises(CheckpointError, match="belong to different checkpoints"):
        Gpt2Prompts.load(Gpt2Config(model=str(folder)), "cpu")


def test_a_folders_settings_are_not_asked_about_a_backbone_of_timms(tmp_path: Path) -> None:
    """Which network it is a user says by its name; of a folder the weights alone are read."""
    state = create("test_vit", 160).state_dict()
    save_file(state, tmp_path / "model.safetensors")
    hostile = {"architecture": "../../x", "num_classes": 10**12, "model_args": {"embed_dim": 10**9}}
    (tmp_path / "config.json").write_text(json.dumps(hostile))
    found, source = pretrained_state("test_vit", tmp_path)
    assert source == str(tmp_path / "model.safetensors")
    assert found.keys() == state.keys()


@pytest.mark.parametrize("name", ["config.json", "1_Pooling/config.json", "sentence_bert_config.json"])
def test_minilms_settings_are_not_read(tmp_path: Path, name: str) -> None:
    """Its network is known, and its weights and tokenizer are the official ones or refused."""
    found = locate(MINILM)
    for file in found.checkpoint.files:
        (tmp_path / file.name).parent.mkdir(exist_ok=True)
        (tmp_path / file.name).symlink_to(found.folder / file.name)
    (tmp_path / name).unlink()
    (tmp_path / name).write_text(json.dumps({"hidden_size": 10**9, "vocab_size": -1, "max_seq_length": "x"}))
    vectors = PromptEncoder.load("cpu", tmp_path).encode(["a red fox"])
    assert vectors.tobytes() == PromptEncoder.load("cpu").encode(["a red fox"]).tobytes()


@pytest.mark.parametrize(
    "change",
    [
        setting("model.vocab.fox", 10**6),
        setting("model.max_input_chars_per_word", 10**12),
        setting("normalizer", {"type": "Replace", "pattern": {"Regex": "(a*)*b"}, "content": ""}),
        setting("post_processor", None),
    ],
)
def test_another_tokenizer_than_minilms_is_refused(tmp_path: Path, change: Change) -> None:
    """One with other numbers would give other embeddings without a word, or end where a text is looked at."""
    found = locate(MINILM)
    folder = copied(found.folder, tmp_path / "model", "tokenizer.json", change)
    with pytest.raises(CheckpointError, match=r"tokenizer\.json"):
        PromptEncoder.load("cpu", folder)


@pytest.mark.parametrize(
    ("rank", "layers"), [(10**9, None), (200_000, None), (0, None), (-3, None), (4, [[0, 10**9]])]
)
def test_low_rank_updates_ask_for_no_more_than_they_have(
    blip: Path, tmp_path: Path, rank: int, layers: Any
) -> None:
    folder = tmp_path / "adapter"
    folder.mkdir()
    settings = {"peft_type": "LORA", "r": rank, "target_modules": ["qkv"], "lora_alpha": 8}
    if layers:
        settings["layer_replication"] = layers
    (folder / "adapter_config.json").write_text(json.dumps(settings))
    save_file({"a.lora_A.weight": torch.zeros(4, 64)}, folder / "adapter_model.safetensors")
    loaded = load_captioner(blip, None, "fp32")
    with pytest.raises(CheckpointError):
        merge_adapter(loaded, folder)


@dataclass(frozen=True)
class Sizes:
    """Of a network that stands for those that come with the package."""

    width: int = 4
    layers: int = 2


def stack(sizes: Sizes) -> torch.nn.Module:
    return torch.nn.Sequential(*(torch.nn.Linear(sizes.width, sizes.width) for _ in range(sizes.layers)))


@pytest.mark.parametrize(
    "sizes",
    [
        {"width": 10**9},
        {"width": 50_000},
        {"layers": 10**9},
        {"layers": 10**6},
        {"width": -1},
        {"width": "a"},
    ],
)
def test_our_own_networks_are_made_no_larger_than_their_weights(
    tmp_path: Path, sizes: dict[str, Any]
) -> None:
    form = WeightsForm("network", "own", 1, "unprompt own")
    path = tmp_path / "own.safetensors"
    form.write(path, stack(Sizes()), Sizes())
    assert form.read(path, Sizes, stack)[0] == Sizes()
    record = json.loads(path.with_suffix(".json").read_text())
    record["network"] |= sizes
    path.with_suffix(".json").write_text(json.dumps(record))
    with pytest.raises(CheckpointError):
        form.read(path, Sizes, stack)


def test_what_is_made_is_counted_before_it_is() -> None:
    extent = Extent(tensors=10, numbers=1000)
    makers: list[Callable[[], object]] = [
        lambda: torch.empty(10**6, 10**6),
        lambda: torch.zeros(size=(10**6, 10**6)),
        lambda: torch.full((10**6, 10**6), 3.0),
        lambda: torch.ones([10**12]),
        lambda: torch.arange(10**12),
        lambda: torch.linspace(0, 1, 10**12),
        lambda: torch.eye(10**6),
        lambda: torch.nn.Linear(10**6, 10**6),
        lambda: torch.nn.Embedding(10**9, 64),
        lambda: torch.zeros(1).new_zeros(10**6, 10**6),
        lambda: [torch.nn.Linear(1, 1) for _ in range(10**6)],
    ]
    for make in makers[:5]:
        with pytest.raises(CheckpointError, match="larger than its weights"), made_within(extent, "it"):
            make()
    for make in makers[5:]:
        with pytest.raises(CheckpointError), made_within(extent, "it"):
            make()
    with made_within(extent, "it"):
        assert torch.full((2, 3), 10**9).shape == (2, 3)
        assert len(torch.arange(0, 1e9, 1e7)) == 100


def test_numbers_that_are_no_sizes_may_be_large() -> None:
    check_numbers(
        {"rope_theta": 5e6, "text": {"eos_token_id": 10**9, "layers": 12, "model_max_length": 1e30}}, "it"
    )
    for name in ("hidden_size", "num_layers", "n_embd", "patch", "r"):
        for value in (10**9, -(10**9), float("nan"), float("inf"), [2, 10**9]):
            with pytest.raises(CheckpointError, match=name):
                check_numbers({"a": {name: value}}, "it")


# --- files of weights


@pytest.mark.parametrize(
    "content",
    [
        {"weight_map": {"a": "../other/model.safetensors"}},
        {"weight_map": {"a": "/etc/passwd"}},
        {"weight_map": {"a": ".."}},
        {"weight_map": {"a": "b/c"}},
        {"weight_map": {"a": "b\\c"}},
        {"weight_map": {"a": ""}},
        {"weight_map": {"a": "a\0b"}},
        {"weight_map": {"a": 7}},
        {"weight_map": {"a": ["x"]}},
        {"weight_map": ["a"]},
        {"weight_map": {}},
        {},
    ],
)  # fmt: skip
def test_an_index_names_files_of_its_folder(blip: Path, tmp_path: Path, content: dict[str, Any]) -> None:
    with pytest.raises(CheckpointError):
        parts_of(tmp_path / "model.safetensors.index.json", content)
    folder = shutil.copytree(blip, tmp_path / "model")
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(json.dumps(content))
    with pytest.raises(CheckpointError):
        folder_files(folder)


def header(content: Any, data: bytes = b"", length: int | None = None) -> bytes:
    """A safetensors file with a header of its own."""
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(shape: Any, offsets: Any, kind: str = "F32") -> dict[str, Any]:
    return {"a": {"dtype": kind, "shape": shape, "data_offsets": offsets}}


SAFETENSORS = {
    "offsets beyond the file": header(entry([4], [0, 16])),
    "offsets far beyond": header(entry([2**60], [0, 2**62])),
    "negative offsets": header(entry([4], [-16, 0]), b"\0" * 16),
    "offsets backwards": header(entry([4], [16, 0]), b"\0" * 16),
    "offsets of texts": header(entry([4], ["0", "16"]), b"\0" * 16),
    "no offsets": header({"a": {"dtype": "F32", "shape": [4]}}, b"\0" * 16),
    "overlapping": header(
        {"a": entry([4], [0, 16])["a"], "b": entry([4], [8, 24])["a"]}, b"\0" * 24
    ),
    "upon another": header({str(n): entry([4], [0, 16])["a"] for n in range(50)}, b"\0" * 16),
    "a hole": header({"a": entry([4], [0, 16])["a"], "b": entry([4], [32, 48])["a"]}, b"\0" * 48),
    "a shape of terabytes": header(entry([10**6, 10**6], [0, 16]), b"\0" * 16),
    "a shape that overflows": header(entry([2**33, 2**33], [0, 16]), b"\0" * 16),
    "a negative shape": header(entry([-4], [0, 16]), b"\0" * 16),
    "an unknown kind": header(entry([4], [0, 16], "Q99"), b"\0" * 16),
    "a header of 4 EB": header({}, b"", 2**62),
    "a header of 99 MB": header({}, b"", 99_000_000),
    "a deep header": header(b'{"a":' * 50_000 + b"1" + b"}" * 50_000),
    "a deep list": header(b'{"a":' + b"[" * 100_000),
    "a header of numbers": header(b'{"a":' + b"9" * 5000 + b"}"),
    "a header of another kind": header([1, 2]),
    "entries of other kinds": header({"a": 7, "b": None, "c": []}),
    "no text": header(b"{\xff\xfe}"),
    "nothing": b"",
    "eight bytes": b"\0" * 8,
}  # fmt: skip


@pytest.mark.parametrize("content", SAFETENSORS.values(), ids=SAFETENSORS)
def test_safetensors_of_strangers(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    for read in (read_tensors, read_metadata, lambda path: Extent.of_files([path])):
        attack = Attack("safetensors", [], lambda name, content, read=read: read(path))
        assert try_one(attack, "", content) is None
    with pytest.raises(CheckpointError):
        read_tensors(path)


def one_number(shape: tuple[int, ...]) -> torch.Tensor:
    return torch.zeros(1).expand(shape)


TENSORS = {
    "one number for terabytes": one_number((10**6, 10**6)),
    "one for exabytes": one_number((2**20, 2**20, 2**20)),
    "of no device": torch.empty((10**6, 10**6), device="meta"),
    "sparse": torch.sparse_coo_tensor(
        torch.tensor([[0], [0]]), torch.tensor([1.0]), (10**6, 10**6), check_invariants=True
    ),
}


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("tensor", TENSORS.values(), ids=TENSORS)
def test_torch_files_of_strangers(tmp_path: Path, tensor: torch.Tensor, old: bool) -> None:
    path = tmp_path / "latest_net_G.pth"
    torch.save({"a": tensor}, path, _use_new_zipfile_serialization=not old)
    assert path.stat().st_size < 10_000
    with pytest.raises(CheckpointError):
        read_tensors(path)


def test_a_torch_file_that_says_more_than_it_has(tmp_path: Path) -> None:
    """The pickle says terabytes, the archive has sixteen bytes."""
    whole = tmp_path / "whole.pth"
    torch.save({"a": torch.arange(4.0)}, whole)
    for number in (10**9, 2**31 - 1, 10**12):
        path = tmp_path / f"{number}.pth"
        with zipfile.ZipFile(whole) as old, zipfile.ZipFile(path, "w") as new:
            for name in old.namelist():
                content = old.read(name)
                if name.endswith("data.pkl"):
                    many = b"\x8a\x08" + number.to_bytes(8, "little")
                    assert content.count(b"K\x04") >= 2
                    content = content.replace(b"K\x04", many)
                new.writestr(name, content)
        refused(lambda path=path: read_tensors(path))


def gguf(alignment: int = 32, shape: int = 4, tensors: int = 1) -> bytes:
    """A GGUF file of tensors that all lie at one place."""

    def text(word: str) -> bytes:
        return struct.pack("<Q", len(word)) + word.encode()

    found = b"GGUF" + struct.pack("<IQQ", 3, tensors, 1)
    found += text("general.alignment") + struct.pack("<Ii", 5, alignment)
    for number in range(tensors):
        found += text(f"t{number}") + struct.pack("<IQIQ", 1, shape, 0, 0)
    return found + b"\0" * (-len(found) % 32 + 4 * min(shape, 1024))


@pytest.mark.parametrize(
    "content",
    [gguf(alignment=0),
     gguf(alignment=-7), gguf(shape=2**62), gguf(shape=2**20), gguf(shape=1024, tensors=100),
     b"GGUF" + b"\xff" * 60],
    ids=range(6),
)  # fmt: skip
def test_gguf_of_strangers(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.gguf"
    path.write_bytes(gguf())
    assert read_gguf(path)[1]["t0"].shape == (4,)
    path.write_bytes(content)
    with pytest.raises(CheckpointError):
        read_gguf(path)


def attacks(folder: Path) -> list[Attack]:
    """Files of weights of all kinds, to be damaged."""
    torch.save({"state_dict": {"a": torch.arange(4.0), "b": torch.ones(2, 3)}}, folder / "new.pth")
    torch.save({"a": torch.arange(4.0)}, folder / "old.pth", _use_new_zipfile_serialization=False)
    seeds = [(name, (folder / name).read_bytes()) for name in ("new.pth", "old.pth")]
    seeds += [("a.safetensors", save({"a": torch.arange(4.0), "b": torch.ones(2, 3)}, {"about": '{"x": 1}'}))]
    seeds += [("a.gguf", gguf()), ("b.gguf", gguf(tensors=1, shape=2))]

    def read(name: str, content: bytes) -> None:
        path = folder / f"damaged-{name}"
        path.write_bytes(content)
        if name.endswith(".gguf"):
            read_gguf(path)
            return
        Extent.of_files([path])
        read_tensors(path)

    return [Attack("files of weights", seeds, read)]


def test_damaged_files_of_weights(tmp_path: Path) -> None:
    for attack in attacks(tmp_path):
        assert [escape for escape in run(attack, Random(8), 200) if escape] == []


def test_the_files_are_read_undamaged(tmp_path: Path) -> None:
    (attack,) = attacks(tmp_path)
    for name, content in attack.seeds:
        attack.read(name, content)
    assert load_file(tmp_path / "damaged-a.safetensors")["b"].shape == (2, 3)
    assert fuzzing.SECONDS > 1
