"""A CLIP model of open_clip's from local files: images -> features, and the text tower beside it."""

from __future__ import annotations

import copy
import difflib
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from unprompt.errors import CheckpointError, ConfigError
from unprompt.networks import clip_transformers
from unprompt.networks.checkpoints import WEIGHTS_ENDINGS, locate, snapshot_in, verify
from unprompt.networks.clip_config import MODEL
from unprompt.networks.clip_kinds import DECLARED, QUICK, ClipKind, kind_of
from unprompt.networks.extent import Extent, check_numbers, check_side, made_within
from unprompt.networks.huggingface import never_asking, stay_offline
from unprompt.networks.preprocess import LONGEST, without_far_ends
from unprompt.networks.tokens import clips_own
from unprompt.storage.packages import needed_for
from unprompt.text.english import counted

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

    from unprompt.networks.text_tower import TextTower
    from unprompt.records import FloatArray

CHECKPOINTS = {MODEL: "clip-vit-h-14", "ViT-L-14-quickgelu": "clip-vit-l-14"}  # those that are declared
CONFIG_FILE = "open_clip_config.json"
CLIPS_WORDS = 49_408
REPLACED = "ViT-B-32"  # any name of a plain CLIP
WEIGHTS_FILES = (  # as repositories of open_clip's models name them; the first that is there is taken
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "open_clip_pytorch_model.bin",
    "open_clip_pytorch_model.pt",
)
STATISTICS = {"half": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))}  # of the channels: means, deviations
CPU_BATCH = 8
GPU_BATCH = 64


def batch_on(device: str) -> int:
    """How many images a CLIP takes at a time on a device, where nobody says."""
    return CPU_BATCH if device == "cpu" else GPU_BATCH


class Clip:
    """A CLIP model as a backbone: its features are the images' unit rows; `texts` is its text tower."""

    def __init__(
        self, name: str, model: Any, tokenizer: Any, device: str, preprocess: Mapping[str, Any]
    ) -> None:
        from open_clip.transform import PreprocessCfg, image_transform_v2

        from unprompt.networks.text_tower import TextTower

        self.name = name
        self.batch = batch_on(device)
        self.texts: TextTower = TextTower(model, tokenizer)
        self._model = model
        self._device = device
        self._preprocess = PreprocessCfg(**preprocess)
        check_side(self._preprocess.size, name)
        size = self._preprocess.size
        self._size = (size, size) if isinstance(size, int) else tuple(size)
        *self._geometry, _, self._normalise = image_transform_v2(self._preprocess, is_train=False).transforms

    @classmethod
    def load(
        cls,
        device: str,
        model: str = MODEL,
        checkpoint: Path | None = None,
        statistics: str = "",
        pretrained: str = "",
    ) -> Clip:
        """Load a model that open_clip knows by name from a file or folder, or the declared one where found.

        A folder with an open_clip_config.json, or in the layout of transformers' CLIPModel, says itself which
        model it holds; for a file, `pretrained` is open_clip's name of its weights, see `clip_kinds.kind_of`.
        Half precision on a GPU, float32 elsewhere. Raises CheckpointError where files are missing, damaged,
        of another model, or have code in them; ConfigError for a name or setting that does not exist.
        """
        stay_offline()
        with needed_for("a CLIP model", "interrogate"):
            from unprompt.networks.state_dicts import read_tensors

            source = Source.of(model, checkpoint, pretrained)
            state = read_tensors(source.weights)
            network = source.network(device, Extent.of_state(state))
        source.fill(network, state)
        preprocess = with_statistics({**network.visual.preprocess_cfg, **source.preprocess}, statistics)
        name = f"clip {source.model} {source.weights.resolve()} {statistics} {pretrained}".rstrip()
        return cls(name, network.requires_grad_(False), source.tokenizer(), device, preprocess)

    @classmethod
    def of(
        cls,
        model: Any,
        tokenizer: Any = None,
        preprocess: Mapping[str, Any] | None = None,
        device: str = "cpu",
        statistics: str = "",
    ) -> Clip:
        """Wrap an open_clip model that is in memory.

        Without `tokenizer` it is CLIP's own; `preprocess` has open_clip's keys, the model's own without it.
        """
        from unprompt.networks.text_tower import fingerprint

        chosen = with_statistics(preprocess or model.visual.preprocess_cfg, statistics)
        own = tokenizer or clips_own(model.context_length)
        return cls(f"clip {fingerprint(model)} {statistics}".rstrip(), model, own, device, chosen)

    @cached_property
    def identity(self) -> str:
        """Names the network, its parameters and how it wants images: a hash, the same on every device."""
        from unprompt.networks.text_tower import fingerprint

        return f"clip {fingerprint(self._model)} {self._preprocess}"

    def prepare(self, image: Image.Image) -> NDArray[np.uint8]:
        """An image scaled and cut as the model wants it: RGB image -> (S, S, 3) uint8."""
        if self._preprocess.resize_mode == "shortest":
            image = without_far_ends(image)
        elif self._preprocess.resize_mode == "longest":  # less than a pixel of the short side would be left
            image = without_far_ends(image, min(LONGEST, *self._size))
        for step in self._geometry:
            image = step(image)
        return np.asarray(image)

    def features(self, prepared: Sequence[NDArray[Any]]) -> FloatArray:
        """B times (S, S, 3) uint8 -> (B, D) float32 unit rows."""
        import torch

        half = self._device.startswith("cuda")
        with torch.inference_mode(), torch.autocast("cuda", torch.float16, enabled=half):
            features = self._model.encode_image(self.pixels(prepared)).float()
            rows: FloatArray = torch.nn.functional.normalize(features, dim=-1).float().cpu().numpy()
        return rows

    def pixels(self, prepared: Sequence[NDArray[Any]]) -> Any:
        """B prepared images -> the (B, 3, S, S) float32 tensor that open_clip's own preprocessing gives."""
        import torch

        stacked = torch.from_numpy(np.stack(prepared)).to(self._device)  # (B, S, S, 3)
        return self._normalise(stacked.permute(0, 3, 1, 2).contiguous().float().div_(255))


def with_statistics(preprocess: Mapping[str, Any], statistics: str) -> dict[str, Any]:
    """Settings of open_clip's preprocessing with other means and deviations; "" leaves the model's own."""
    if statistics and statistics not in STATISTICS:
        raise ConfigError(f"statistics must be {', '.join(STATISTICS)} or left out, got '{statistics}'")
    mean, std = STATISTICS.get(statistics) or (preprocess["mean"], preprocess["std"])
    return {**preprocess, "mean": tuple(mean), "std": tuple(std)}


@dataclass(frozen=True)
class Source:
    """Where a model comes from: its name, what open_clip calls it, and its file of weights.

    `settings`: what its network has instead of what open_clip says; `preprocess`: the same for its pictures.
    """

    model: str  # for people
    address: str  # for open_clip: a name it knows, or local-dir:FOLDER
    weights: Path
    settings: Mapping[str, Any] = field(default_factory=dict)
    preprocess: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, model: str, checkpoint: Path | None, pretrained: str = "") -> Source:
        """Find the files. Raises CheckpointError or ConfigError."""
        if checkpoint is not None:
            checkpoint = snapshot_in(checkpoint)
            if found := cls.of_folder(checkpoint):
                if pretrained:
                    raise ConfigError(
                        f"pretrained says which weights a file has; {checkpoint} says it itself, leave it out"
                    )
                return found
        check_name(model)
        if checkpoint is None:
            tag = _declared_tag(model)
            if pretrained and pretrained.lower().replace("-", "_") != tag:
                raise ConfigError(
                    f"the declared checkpoint of {model} is {tag}; name a file of '{pretrained}'"
                )
            located = locate(CHECKPOINTS[model])
            verify(located)
            return cls.of_file(model, located.main_path, kind_of(model, tag, located.main_path))
        if not checkpoint.exists():
            raise CheckpointError(f"there is no checkpoint {checkpoint}; name a file of {model}")
        weights = weights_in(checkpoint) if checkpoint.is_dir() else checkpoint
        from unprompt.networks.state_dicts import check_for_weights

        check_for_weights(weights)
        return cls.of_file(model, weights, kind_of(model, pretrained, weights))

    @classmethod
    def of_folder(cls, folder: Path) -> Source | None:
        """The model of a folder that says itself which it is, or None. Raises CheckpointError."""
        what = f"the model of {folder}"
        if (folder / CONFIG_FILE).is_file():
            return cls(what, f"local-dir:{folder}", weights_in(folder))
        if clip_transformers.is_transformers_clip(folder):
            settings = clip_transformers.settings_of(folder)
            weights, preprocess = (
                clip_transformers.weights_of(folder),
                clip_transformers.preprocess_of(folder),
            )
            # open_clip builds models by name; each of this one's settings is replaced.
            return cls(what, REPLACED, weights, settings, preprocess)
        return None

    @classmethod
    def of_file(cls, model: str, weights: Path, kind: ClipKind | None) -> Source:
        """A model by open_clip's name; its weights are run as their kind is, or as open_clip has it."""
        if kind is None:
            return cls(model, model, weights)
        return cls(model, model, weights, {"quick_gelu": kind.quick_gelu}, kind.preprocess)

    def network(self, device: str, extent: Extent) -> Any:
        """The network, its parameters not yet filled in; `extent` is that of the tensors that it will get.

        Raises CheckpointError where it needs the hub, and for settings that are none of such a network.
        """
        import open_clip

        precision = "fp16" if device.startswith("cuda") else "fp32"
        check_numbers(self._said(), self.model, extent)
        with made_within(extent, self.model), never_asking(), without_random_weights():
            try:
                return open_clip.create_model(
                    self.address,
                    load_weights=False,
                    pretrained_text=False,
                    precision=precision,
                    device=device,
                    **copy.deepcopy(dict(self.settings)),
                ).eval()
            except (OSError, ValueError, TypeError, KeyError) as error:  # what it raises for a bad config
                reason = " ".join(str(error).split())[:200]
                file = clip_transformers.CONFIG if "embed_dim" in self.settings else CONFIG_FILE
                raise CheckpointError(
                    f"{self.model} cannot be built from local files ({reason}); check {file}"
                ) from error

    def _said(self) -> Mapping[str, Any]:
        """What the files say of the network; nothing for one that is known by its name."""
        _, local, folder = self.address.partition("local-dir:")
        if not local:
            return self.settings
        try:
            return clip_transformers.read_settings(Path(folder) / CONFIG_FILE)
        except CheckpointError as error:
            raise CheckpointError(f"{self.model} cannot be built from local files ({error})") from error

    def fill(self, network: Any, state: dict[str, Any]) -> None:
        """Put a checkpoint's tensors into the network. Raises CheckpointError where it is another model's."""
        from unprompt.networks.state_dicts import load_strictly

        likeness = looks_like(state)
        try:
            load_strictly(network, in_names_of(network, state), "the file")
        except CheckpointError as error:
            raise CheckpointError(
                f"{self.weights} does not fit {self.model}, it looks like {likeness} ({error}); "
                "name the model that it is, or another file"
            ) from error

    def tokenizer(self) -> Any:
        """The model's tokenizer. Raises CheckpointError where its files would have to come from a hub."""
        import open_clip

        if text := self.settings.get("text_cfg"):
            if text["vocab_size"] != CLIPS_WORDS:
                raise CheckpointError(
                    f"{self.model} has {text['vocab_size']:,} words, CLIP's own tokenizer {CLIPS_WORDS:,}; "
                    f"name a folder that holds {CONFIG_FILE}, the weights and the tokenizer's files"
                )
            return clips_own(text["context_length"])
        try:
            text = (open_clip.get_model_config(self.address) or {}).get("text_cfg", {})
            hub = text.get("hf_tokenizer_name", "")
            # A config may have settings of its own for the tokenizer, and these count before them.
            options = {"local_files_only": True, "trust_remote_code": False} if hub else {}
            return open_clip.get_tokenizer(self.address, **options)
        except Exception as error:  # tokenizers and its like know no other kind
            raise CheckpointError(
                f"the tokenizer of {self.model} ({hub or 'not CLIP’s own'}) is not here; name a folder that "
                f"holds {CONFIG_FILE}, the weights and the tokenizer's files"
            ) from error


def _declared_tag(model: str) -> str:
    """open_clip's name of a model's declared weights. Raises CheckpointError where none are declared."""
    for (name, tag), checkpoint in DECLARED.items():
        if CHECKPOINTS.get(model) == checkpoint and name == model.removesuffix(QUICK):
            return tag
    known = " and ".join(CHECKPOINTS)
    raise CheckpointError(f"only {known} have declared checkpoints; name a file of {model}")


def check_name(model: str) -> None:
    """Raise ConfigError for a name that open_clip does not know, with those that are like it."""
    import open_clip

    known = open_clip.list_models()
    if model not in known:
        near = difflib.get_close_matches(model, known, 3) or [MODEL]
        raise ConfigError(f"open_clip has no model '{model}'; near that: {', '.join(near)}")


def weights_in(folder: Path) -> Path:
    """The file of weights in a folder. Raises CheckpointError where there is none, or no telling which."""
    for name in WEIGHTS_FILES:
        if (folder / name).is_file():
            return folder / name
    others = sorted(path for path in folder.iterdir() if path.suffix in WEIGHTS_ENDINGS)
    if len(others) != 1:
        there = ", ".join(path.name for path in others[:3]) or "none"
        raise CheckpointError(
            f"{folder} has {counted(len(others), 'file')} of weights ({there}) and no "
            f"{WEIGHTS_FILES[0]}; name one file"
        )
    return others[0]


@contextmanager
def without_random_weights() -> Iterator[None]:
    """Let modules be made with parameters as memory had them, and open_clip not warn of it.

    Drawing the random weights of a large model takes longer than reading its real ones.
    """
    import torch
    from torch.overrides import TorchFunctionMode

    class Undrawn(TorchFunctionMode):  # type: ignore[misc]
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if getattr(func, "__module__", "") == torch.nn.init.__name__:
                return kwargs["tensor"] if kwargs and "tensor" in kwargs else args[0]
            return func(*args, **(kwargs or {}))

    def silent(record: logging.LogRecord) -> bool:
        return "No pretrained weights" not in record.getMessage()

    logging.getLogger().addFilter(silent)
    try:
        with Undrawn():
            yield
    finally:
        logging.getLogger().removeFilter(silent)


def in_names_of(network: Any, state: dict[str, Any]) -> dict[str, Any]:
    """A state dict with its tensors named and shaped as open_clip's present classes have them."""
    import torch
    from open_clip.convert import convert_state_dict
    from open_clip.model import convert_to_custom_text_state_dict

    if clip_transformers.MARK in state:
        state = clip_transformers.in_open_clips_names(state)
    state = convert_state_dict(network, state)
    if "positional_embedding" in state and not hasattr(network, "positional_embedding"):
        state = convert_to_custom_text_state_dict(state)
    own = network.state_dict()
    # Beside the weights older files hold numbers that the classes now know themselves.
    extra = ("input_resolution", "context_length", "vocab_size", "text.transformer.embeddings.position_ids")
    state = {name: tensor for name, tensor in state.items() if name in own or name not in extra}
    for name in ("logit_scale", "logit_bias"):  # of no or one axis, and the bias not in files without one
        if name in own and name in state and state[name].numel() == own[name].numel():
            state[name] = state[name].reshape(own[name].shape)
        elif name == "logit_bias" and name in own:
            state[name] = torch.zeros_like(own[name])
    return state


def looks_like(state: Mapping[str, Any]) -> str:
    """Which of open_clip's models a state dict's shapes fit, or the shapes themselves."""
    import open_clip

    if clip_transformers.MARK in state:
        state = clip_transformers.in_open_clips_names(dict(state))
    measured = measures_of(state)
    if not measured:
        return f"no CLIP ({counted(len(state), 'tensor')}, first: {next(iter(state), 'none')})"
    names = [
        name
        for name in open_clip.list_models()
        if measured.items() <= measures_by_config(open_clip.get_model_config(name)).items()
    ]
    return " or ".join(names[:4]) or "a CLIP of " + ", ".join(
        f"{name} {number}" for name, number in measured.items()
    )


def measures_of(state: Mapping[str, Any]) -> dict[str, int]:
    """Widths, layers and patch of a CLIP's towers by its tensors' shapes; nothing where it is no CLIP."""
    shapes = {name.removeprefix("text."): tuple(tensor.shape) for name, tensor in state.items()}
    patches, words = shapes.get("visual.conv1.weight"), shapes.get("token_embedding.weight")
    if patches is None or words is None or len(patches) != 4 or len(words) != 2:
        return {}

    def layers(prefix: str) -> int:
        return len({name.split(".")[prefix.count(".")] for name in shapes if name.startswith(prefix)})

    measured = {
        "text width": words[1],
        "text layers": layers("transformer.resblocks."),
        "vocabulary": words[0],
    }
    if "visual.class_embedding" in shapes:  # a vision transformer, not a ResNet
        measured |= {
            "image width": patches[0],
            "image layers": layers("visual.transformer.resblocks."),
            "patch": patches[2],
        }
        places = shapes.get("visual.positional_embedding", (1,))[0] - 1
        measured["image size"] = round(places**0.5) * patches[2]
    return measured


def measures_by_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """The same by open_clip's config, with the defaults of its classes."""
    from open_clip.model import CLIPTextCfg, CLIPVisionCfg

    image = CLIPVisionCfg(**config["vision_cfg"])
    text = CLIPTextCfg(**config["text_cfg"])
    return {
        "text width": text.width,
        "text layers": text.layers,
        "vocabulary": text.vocab_size,
        "image width": image.width,
        "image layers": image.layers,
        "patch": image.patch_size,
        "image size": image.image_size,
    }
