"""The member `regression`: a fine-tuned backbone that gives a prompt's embedding straight from the image."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from unprompt.ensemble.kinds import MemberKind, MemberSpec
from unprompt.ensemble.members import Guess
from unprompt.errors import CheckpointError, ConfigError
from unprompt.networks.checkpoints import declared, locate, verify
from unprompt.networks.devices import is_out_of_memory
from unprompt.networks.loader import Loader
from unprompt.records import unit_rows
from unprompt.regression.checkpoint import MODEL_FILE
from unprompt.settings import check_settings, setting
from unprompt.storage.packages import needed_for

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

    from unprompt.records import FloatArray
    from unprompt.regression.model import EmbeddingRegressor

CHECKPOINT = "vit-b16-regression"
CPU_BATCH = 4
GPU_BATCH = 64
TTA = ("", "flip", "larger")
LARGER, STEP = 1.25, 32  # times the side; the new side is a multiple of the step
FOLDING_ERROR = 1e-4  # of a unit vector's numbers: what rounding may change when norms are folded


@dataclass(frozen=True)
class RegressionConfig:
    """Settings of the regression member. The first three are for plain state dicts, which do not say them."""

    backbone: str = setting("", "timm's name of the network")
    statistics: str = setting("", "of the channels: imagenet, half or clip", shown="the backbone's own")
    size: int = setting(0, "side of the input in pixels", shown="the backbone's own", least=0)
    tta: str = setting(
        "",
        "flip: the mean of an image's and its mirror image's embedding; "
        "larger: the same with the mirror image 1.25 times as large",
    )
    batch: int = setting(0, "images a forward pass", shown="by the device", least=0)

    def __post_init__(self) -> None:
        check_settings(self)
        if self.tta not in TTA:
            raise ConfigError(f"tta must be flip, larger or left out, got '{self.tta}'")


class Regressor:
    """A trained network as a backbone: its features are the (B, 384) unit embeddings themselves."""

    def __init__(self, name: str, network: EmbeddingRegressor, device: str, config: RegressionConfig) -> None:
        self.name = name
        self.batch = config.batch or (CPU_BATCH if device == "cpu" else GPU_BATCH)
        self._network = network
        self._device = device
        self._mirrored = bool(config.tta)
        self._larger = larger(network.spec.preprocess.size) if config.tta == "larger" else 0
        if self._larger:
            self._check_larger()

    @classmethod
    def load(cls, device: str, checkpoint: Path | None, config: RegressionConfig) -> Regressor:
        """Load a network from a file, a folder that training left, or where the declared one is found.

        Raises CheckpointError where it is missing, damaged or not what the settings say; ConfigError for
        settings that it cannot follow.
        """
        path, backbone = model_file(checkpoint, config.backbone)
        with needed_for("the regression member", "train"):
            import torch

            from unprompt.regression.checkpoint import load_model
        network = load_model(path, backbone, config.size, config.statistics).model.requires_grad_(False)
        network = with_folded_norms(network).to(device, memory_format=torch.channels_last)
        settings = " ".join(str(value) for value in astuple(config))
        return cls(f"regression {path.resolve()} {settings}", network, device, config)

    def prepare(self, image: Image.Image) -> NDArray[np.uint8]:
        """The central square at the network's size: RGB image -> (S, S, 3) uint8."""
        return self._network.spec.preprocess.fit(image)

    def features(self, prepared: Sequence[NDArray[Any]]) -> FloatArray:
        """B times (S, S, 3) uint8 -> (B, 384) float32 unit rows."""
        import torch

        pixels = torch.from_numpy(np.stack(prepared)).to(self._device)  # (B, S, S, 3)
        half = self._device.startswith("cuda")
        with torch.inference_mode(), torch.autocast("cuda", torch.float16, enabled=half):
            embeddings = self._forward(pixels)
            if self._mirrored:
                both = embeddings + self._forward(pixels.flip(2), self._larger)
                embeddings = torch.nn.functional.normalize(both, dim=1)
        rows: FloatArray = embeddings.float().cpu().numpy()
        return rows

    def _forward(self, pixels: Any, side: int = 0) -> Any:
        """Embeddings of pixels (B, S, S, 3), enlarged to `side` where it is given."""
        images = self._network.spec.preprocess.normalise(pixels)
        if side:
            from torch.nn.functional import interpolate

            images = interpolate(images, (side, side), mode="bicubic")
        return self._network(images)

    def _check_larger(self) -> None:
        import torch

        size = self._network.spec.preprocess.size
        blank = torch.zeros(1, size, size, 3, dtype=torch.uint8, device=self._device)
        try:
            with torch.inference_mode():
                self._forward(blank, self._larger)
        except (AssertionError, RuntimeError) as error:  # timm's transformers know one size
            if is_out_of_memory(error):
                raise
            raise ConfigError(
                f"{self._network.spec.backbone} takes no other images than of {size} x {size} pixels, so tta "
                "cannot be larger; flip can be had"
            ) from error


def larger(size: int) -> int:
    """The side of an image that is LARGER times as large, about: 128 -> 160, 224 -> 288."""
    return max(1, round(size * LARGER / STEP)) * STEP


def model_file(checkpoint: Path | None, backbone: str) -> tuple[Path, str]:
    """The file of a network and the name of its backbone, "" where the file itself says it.

    Without a path it is the declared checkpoint, whose file is named after its backbone. A folder is one
    that training left, or one with the declared checkpoint's file.
    """
    if checkpoint is None:
        found = locate(CHECKPOINT)
        verify(found)
        return found.main_path, backbone or found.main_path.stem
    if checkpoint.is_dir():
        named = checkpoint / declared(CHECKPOINT).main_file.name
        if named.is_file() and not (checkpoint / MODEL_FILE).is_file():
            return named, backbone or named.stem
        checkpoint = checkpoint / MODEL_FILE
    if not checkpoint.is_file():
        raise CheckpointError(
            f"there is no checkpoint {checkpoint}; train one with `unprompt train`, or name another file "
            "in the bundle"
        )
    return checkpoint, backbone


def with_folded_norms(network: EmbeddingRegressor) -> EmbeddingRegressor:
    """The network with batch norms folded into convolutions, which is faster, if it then answers the same."""
    import torch

    from unprompt.networks.backbones import fold

    folded = copy.deepcopy(network)
    try:
        fold(folded.backbone, network.spec.backbone)
    except ConfigError:  # there is nothing to fold
        return network
    side = network.spec.preprocess.size
    noise = torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        difference = float((folded(noise) - network(noise)).abs().max())
    return folded if difference < FOLDING_ERROR else network


class RegressionMember:
    """The member `regression`: the network's embeddings, and no prompts."""

    def __init__(self, name: str, backbone: Regressor) -> None:
        self.name = name
        self.backbones = (backbone,)

    def guess(self, features: FloatArray) -> Guess:
        """(B, 384) embeddings -> the same as unit rows; no prompts."""
        return Guess(unit_rows(features))


def build(loader: Loader, spec: MemberSpec) -> RegressionMember:
    """The member of a table in a bundle."""
    network = loader.once(Regressor.load, spec.checkpoint, spec.read(RegressionConfig))
    return RegressionMember(spec.name, network)


def checkpoints(spec: MemberSpec) -> list[str]:
    """The declared checkpoint, where the table names no file of its own."""
    return [] if spec.checkpoint else [CHECKPOINT]


KIND = MemberKind((RegressionConfig,), build, checkpoints)
