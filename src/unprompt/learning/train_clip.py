"""A CLIP of one's own images: open_clip's classes and loss, a locked image tower, a text tower from nothing.

OUT/
  open_clip_config.json, open_clip_model.safetensors   as open_clip lays them out; `Clip.load` reads them
  metrics.csv, curves.png, tensorboard/                how the training went, epoch by epoch
  train.json                                           written last: settings, loss, seconds
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from unprompt import __version__
from unprompt.errors import CheckpointError, ConfigError, InputError
from unprompt.learning.accelerator import open_accelerator, shared_folder
from unprompt.learning.curves import OUTPUTS
from unprompt.learning.loop import Batch, Examples, Learnt, learn
from unprompt.learning.padding import padded
from unprompt.learning.parts import Part
from unprompt.learning.schedule import Schedule
from unprompt.networks.clip import CONFIG_FILE, WEIGHTS_FILES
from unprompt.networks.tokens import Tokens, clips_own
from unprompt.progress import Progress, silent
from unprompt.records import unit_rows
from unprompt.settings import setting
from unprompt.storage.files import write_bytes, write_json
from unprompt.storage.packages import needed_for
from unprompt.storage.resumable import FolderKind, fingerprint, finish

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from unprompt.learning.locked_tower import LockedTower
    from unprompt.records import FloatArray

KIND = FolderKind(
    noun="CLIP",
    record="train.json",
    outputs=(CONFIG_FILE, WEIGHTS_FILES[0], *OUTPUTS),
)
VOCABULARY = 49408  # of CLIP's own tokenizer
HEAD_WIDTH = 64
BETAS = (0.9, 0.98)
HIGHEST_SCALE = math.log(100)  # as in Radford et al. 2021, section 2.5
PARTS = 4  # of a batch of texts, by length, so that short ones are not filled up to the longest


@dataclass(frozen=True)
class ClipTraining(Schedule):
    """Sizes and schedule. The defaults train in minutes on two cores; the loss wants large batches."""

    batch: int = setting(512, "examples a step", least=1)
    width: int = setting(256, "of the features", least=1)
    text_width: int = 128
    text_layers: int = setting(2, "of the text tower", least=1)
    context: int = setting(77, "tokens that a text has at most", least=3)
    runs: float = 0.5  # share of the prompts of which only a run of words is shown
    run_words: int = setting(4, "of such a run, at most", least=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.text_width < 1 or self.text_width % HEAD_WIDTH:
            raise ConfigError(f"text_width must be a multiple of {HEAD_WIDTH}, got {self.text_width}")
        if not 0 <= self.runs <= 1:
            raise ConfigError(f"runs is a share, between 0 and 1, got {self.runs}")


def train_clip(
    tower: LockedTower,
    features: FloatArray,
    prompts: Sequence[str],
    out: Path,
    config: ClipTraining | None = None,
    device: str = "cpu",
    overwrite: bool = False,
    progress: Progress = silent,
) -> Learnt:
    """Teach a text tower, and a linear map of the image tower's features, to bring prompts to their images.

    `features`: what `tower` made of the N images, (N, d). `prompts`: of the same images, in their order. A
    call that was killed goes on where it was. Raises InputError for features without prompts, RunError for a
    folder that is finished or something else's.
    """
    config = config or ClipTraining()
    if len(features) != len(prompts) or not len(features):
        raise InputError(f"a CLIP needs a prompt for each image, got {len(features)} and {len(prompts)}")
    accelerator = open_accelerator(device)
    examples = min(config.batch, len(prompts))
    if examples % accelerator.num_processes:
        raise ConfigError(
            f"a batch of {examples} cannot be shared evenly by {accelerator.num_processes} processes, as a "
            "CLIP's has to be; change batch"
        )
    plan = {
        "unprompt": __version__,
        "config": config.deciding(),
        "tower": [tower.name, asdict(tower.preprocess)],
        "images": hashlib.sha256(np.ascontiguousarray(features).tobytes()).hexdigest()[:20],
        "prompts": fingerprint({"prompts": list(prompts)}),
    }
    with shared_folder(accelerator, out, KIND, plan, overwrite):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            network = new_clip(tower, config)
            # Features of one size each are learnt from best; the head takes the scaling over at the end.
            mean, scale = features.mean(0), features.std(0) + 1e-3
            shown = _Shown((features - mean) / scale, prompts, config, accelerator.device)
            row = learn(
                accelerator,
                [Part(_Objective(network, accelerator), betas=BETAS)],
                Examples(np.arange(len(prompts)), shown.inputs),
                config,
                out,
                f"CLIP with {tower.name}",
                progress=progress,
            )
        network.cpu().eval()
        with torch.no_grad():
            head = network.visual.head.proj
            head.weight.div_(torch.from_numpy(scale))
            head.bias.sub_(head.weight @ torch.from_numpy(mean))
        learnt = Learnt(row["seconds"], row["loss"])
        if accelerator.is_main_process:
            write_clip(out, network, tower, config)
            record = {"unprompt": __version__, **asdict(learnt), "images": len(prompts)}
            finish(out, KIND, {**record, "config": config.deciding()})
    return learnt


def model_config(tower: LockedTower, config: ClipTraining) -> dict[str, Any]:
    """open_clip's description of the model."""
    return {
        "embed_dim": config.width,
        "custom_text": True,
        "vision_cfg": {
            "timm_model_name": tower.name,
            "timm_model_pretrained": False,
            "timm_pool": "",
            "timm_proj": "linear",
            "timm_proj_bias": True,
            "image_size": tower.preprocess.size,
        },
        "text_cfg": {
            "context_length": config.context,
            "vocab_size": VOCABULARY,
            "width": config.text_width,
            "heads": config.text_width // HEAD_WIDTH,
            "layers": config.text_layers,
        },
    }


def new_clip(tower: LockedTower, config: ClipTraining) -> Any:
    """The network that training begins with: the locked tower's weights, all else random."""
    with needed_for("training a CLIP", "interrogate,train"):
        import open_clip
    from unprompt.networks.state_dicts import load_strictly

    described = model_config(tower, config)
    network = open_clip.CustomTextCLIP(described["embed_dim"], described["vision_cfg"], described["text_cfg"])
    load_strictly(network.visual.trunk, tower.state(), f"the tower {tower.name}")
    network.lock_image_tower()
    return network


def write_clip(out: Path, network: Any, tower: LockedTower, config: ClipTraining) -> None:
    """Write a model as open_clip's repositories are laid out."""
    from safetensors.torch import save

    seen = tower.preprocess
    write_json(
        out / CONFIG_FILE,
        {
            "model_cfg": model_config(tower, config),
            "preprocess_cfg": {"mean": list(seen.mean), "std": list(seen.std)},
        },
    )
    write_bytes(
        out / WEIGHTS_FILES[0],
        save({name: tensor.contiguous() for name, tensor in network.state_dict().items()}),
    )


class _Objective(torch.nn.Module):  # type: ignore[misc]
    """open_clip's contrastive loss: of rows of scaled features (B, d) and ids of prompts (B, T).

    Each process compares its rows with those of all.
    """

    def __init__(self, network: Any, accelerator: Any) -> None:
        import open_clip

        super().__init__()
        self.network = network
        self._loss = open_clip.ClipLoss(
            gather_with_grad=True, rank=accelerator.process_index, world_size=accelerator.num_processes
        )

    def forward(self, features: Tensor, ids: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        from torch.nn.functional import normalize

        network = self.network
        images = normalize(network.visual.head(features), dim=1)  # (B, D)
        texts = normalize(encode_texts(network.text, ids), dim=1)  # (B, D)
        loss: Tensor = self._loss(images, texts, network.logit_scale.clamp(0, HIGHEST_SCALE).exp())
        return loss, {"loss": loss.detach() * len(ids)}


class _Shown:
    """What is shown of N images and their prompts.

    A phrase alone is read at the same place as a whole prompt, but a tower that has only read whole prompts
    ranks phrases badly. So of some prompts a run of words is shown in their place.
    """

    def __init__(
        self, features: FloatArray, prompts: Sequence[str], config: ClipTraining, device: torch.device
    ) -> None:
        self._features = torch.from_numpy(features)
        self._ids = token_rows(prompts, config.context)
        self._word_ends = word_ends()
        self._config = config
        self._device = device

    def inputs(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The scaled features of a batch, (B, d), and the ids of its prompts, (B, T)."""
        return self._features[batch.rows].to(self._device), self._shown(batch.rows).to(self._device)

    def _shown(self, rows: NDArray[np.int64]) -> Tensor:
        """The ids of the prompts at `rows`, of some a run of words; which, depends on the rows alone."""
        dice = np.random.default_rng([self._config.seed, *rows[:8]])
        ids = self._ids[rows].numpy().copy()
        for place in np.flatnonzero(dice.random(len(ids)) < self._config.runs):
            ids[place] = run_of_words(ids[place], self._word_ends, self._config.run_words, dice)
        return torch.from_numpy(ids)


def word_ends() -> NDArray[np.bool_]:
    """Which ids of CLIP's tokenizer are the last of a word, (VOCABULARY,)."""
    from unprompt.text.clip_words import clip_tokenizer

    pieces = clip_tokenizer().decoder
    return np.array([pieces[number].endswith("</w>") for number in range(VOCABULARY)])


def run_of_words(
    ids: NDArray[np.int32], ends: NDArray[np.bool_], most: int, dice: np.random.Generator
) -> NDArray[np.int32]:
    """A row of ids (T,) with 1 to `most` neighbouring words of its own between the signs of begin and end."""
    stop = int(ids.argmax())  # the end has the highest id
    borders = [1, *(np.flatnonzero(ends[ids[1:stop]]) + 2)]  # where words begin, and where the last is over
    count = min(int(dice.integers(1, most + 1)), len(borders) - 1)
    if count < 1:
        return ids
    first = int(dice.integers(len(borders) - count))
    kept = ids[borders[first] : borders[first + count]]
    shown = np.zeros_like(ids)
    shown[0], shown[1 : 1 + len(kept)], shown[1 + len(kept)] = ids[0], kept, ids[stop]
    return shown


def token_rows(texts: Sequence[str], context: int) -> Tensor:
    """The ids of CLIP's tokenizer, filled up with 0 to the longest of the texts: (N, T) int32."""
    rows = Tokens(clips_own(context), context).rows(texts)
    return torch.from_numpy(padded(rows, 0, np.int32))


def encode_texts(tower: Any, ids: Tensor) -> Tensor:
    """What open_clip's text tower makes of (B, T) ids: (B, D), computed no farther than each text reaches.

    No token of a causal tower depends on what follows it, so what stands after the end need not be there.
    """
    lengths = ids.argmax(dim=1) + 1  # the end has the highest id
    order = lengths.argsort()
    mask = tower.attn_mask
    found = []
    try:
        for part in order.chunk(PARTS):
            longest = int(lengths[part].max())
            tower.attn_mask = mask[:longest, :longest]
            found.append(tower(ids[part, :longest].long()))
    finally:
        tower.attn_mask = mask
    return torch.cat(found)[order.argsort()]


def image_features(folder: Path, features: FloatArray) -> FloatArray:
    """What the CLIP in a folder makes of images of which its locked tower made `features`.

    (N, d) -> (N, D) unit rows. Raises CheckpointError for a folder of another kind of CLIP.
    """
    from unprompt.networks.state_dicts import read_safetensors

    path = folder / WEIGHTS_FILES[0]
    state = read_safetensors(path)
    try:
        weight, bias = (state[f"visual.head.proj.{name}"].numpy() for name in ("weight", "bias"))
    except KeyError as error:
        raise CheckpointError(f"{path} has no {error}; it is no CLIP that train_clip made") from error
    return unit_rows(features @ weight.T + bias, "image features")
