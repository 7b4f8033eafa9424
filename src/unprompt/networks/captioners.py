"""Captioners of every kind, opened by what their files are: transformers' and our own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from unprompt.errors import ConfigError, InputError
from unprompt.networks.captioner_config import CaptionConfig, CaptionerConfig
from unprompt.networks.loader import Loader
from unprompt.storage.files import read_json

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

    from unprompt.networks.cnn_lstm import CnnLstmCaptioner
    from unprompt.networks.words_captioner import WordsCaptioner

    OwnKind: TypeAlias = type[WordsCaptioner] | type[CnnLstmCaptioner]

MODEL_FILE = "captioner.safetensors"  # in a folder that a training of ours left


class Captioner(Protocol):
    """A backbone whose row for an image is its caption."""

    @property
    def name(self) -> str:
        """What tells it from other backbones."""

    @property
    def batch(self) -> int:
        """How many images it takes at a time."""

    @property
    def identity(self) -> str:
        """Which weights: a sha256."""

    @property
    def title(self) -> str:
        """What people call it."""

    def prepare(self, image: Image.Image) -> NDArray[Any]:
        """One RGB image -> the array that `features` stacks."""

    def features(self, prepared: Sequence[NDArray[Any]]) -> NDArray[np.str_]:
        """B prepared images -> B captions."""

    def several(self, prepared: Sequence[NDArray[Any]], count: int) -> NDArray[np.str_]:
        """B prepared images -> (B, 1 + K) captions: the likeliest, then K drawn ones (sampling.py)."""


class Several:
    """A captioner as a backbone whose row for an image is its likeliest caption, then `count` drawn ones."""

    def __init__(self, captioner: Captioner, count: int) -> None:
        self.name = f"{captioner.name} 1+{count}"
        self.batch = max(1, captioner.batch // 2)
        self.prepare = captioner.prepare
        self._captioner = captioner
        self._count = count

    def features(self, prepared: Sequence[NDArray[Any]]) -> NDArray[np.str_]:
        """B prepared images -> (B, 1 + K) captions."""
        return self._captioner.several(prepared, self._count)


def open_captioner(
    device: str,
    model: Path | None = None,
    config: CaptionConfig | None = None,
    vocabulary: Path | None = None,
) -> Captioner:
    """Load a captioner: one of our own, by its folder or file, else as transformers' are loaded.

    Raises CheckpointError where something is missing, damaged or no captioner, ConfigError for settings that
    it does not take.
    """
    own = find_own(model)
    if own is None:
        from unprompt.networks.captioner import Captioner as Transformers

        return Transformers.load(device, model, config, vocabulary)
    path, kind = own
    from unprompt.networks.captioner_files import refuse_vocabulary

    refuse_vocabulary(path, vocabulary)
    other = config or CaptionConfig()
    if other != CaptionConfig(batch=other.batch):
        raise ConfigError(
            f"{path} begins and ends its captions itself, by one beam; leave out prompt, length and beams"
        )
    captioner = kind.load(device, path)
    captioner.batch = other.batch or captioner.batch
    return captioner


def batch_of(device: str, model: Path | None = None, config: CaptionConfig | None = None) -> int:
    """How many images at a time `open_captioner`'s captioner takes; it is not loaded for that."""
    if config and config.batch:
        return config.batch
    if own := find_own(model):
        return own[1].batch
    from unprompt.networks.captioner import batch_on

    return batch_on(device)


def load_captioner_of(loader: Loader, config: CaptionerConfig) -> Captioner:
    """The captioner that `config` names, loaded once by `loader`. Raises as `open_captioner` does."""
    model, vocabulary = (Path(path) if path else None for path in (config.captioner, config.vocabulary))
    return loader.once(open_captioner, model, None, vocabulary)


def find_own(model: Path | None) -> tuple[Path, OwnKind] | None:
    """The file of a captioner of our own and its kind; None for other models."""
    if model is None:
        return None
    path = model / MODEL_FILE if model.is_dir() else model
    if path.suffix != ".safetensors" or not path.is_file():
        return None
    try:
        form = read_json(path.with_suffix(".json")).get("format")
    except InputError:
        return None
    return (path, kind) if (kind := _own_kinds().get(form)) else None


def _own_kinds() -> dict[Any, OwnKind]:
    from unprompt.networks import cnn_lstm, words_captioner

    return {
        words_captioner.FORM.form: words_captioner.WordsCaptioner,
        cnn_lstm.FORM.form: cnn_lstm.CnnLstmCaptioner,
    }
