"""A BLIP captioner of one's own images, from nothing, by transformers' own classes.

    OUT/
      config.json, model.safetensors, preprocessor_config.json, vocab.txt …   as transformers lays them out
      metrics.csv, curves.png, tensorboard/       how the training went, epoch by epoch
      train.json      written last: settings, loss, seconds

BLIP's image encoder is a vision transformer, which learns to see far more slowly than a pretrained
convolutional network can be made to see. So it may be given a teacher: while it learns to write captions, its
class token also learns to say what the teacher's features of the image are (Hinton et al. 2015,
"Distilling the Knowledge in a Neural Network", with features in place of logits). What reads the class token
for that is thrown away at the end.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from unprompt import __version__
from unprompt.datasets.batches import batches
from unprompt.errors import ConfigError, InputError
from unprompt.learning.accelerator import open_accelerator, shared_folder
from unprompt.learning.curves import OUTPUTS
from unprompt.learning.loop import Batch, Examples, Learnt, learn
from unprompt.learning.padding import padded
from unprompt.learning.parts import Part
from unprompt.learning.schedule import Schedule
from unprompt.networks.huggingface import import_transformers
from unprompt.networks.preprocess import Preprocess
from unprompt.progress import Progress, silent
from unprompt.settings import setting
from unprompt.storage.files import write_bytes
from unprompt.storage.resumable import FolderKind, fingerprint, finish

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from unprompt.datasets.pixels import Pixels
    from unprompt.records import FloatArray

MODEL_FILES = (
    *("config.json", "generation_config.json", "model.safetensors", "preprocessor_config.json"),
    *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt"),
)
KIND = FolderKind(
    noun="captioner",
    record="train.json",
    outputs=(*MODEL_FILES, *OUTPUTS),
)
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
PAD, SEP = SPECIAL.index("[PAD]"), SPECIAL.index("[SEP]")
EXTRA = 2  # [DEC], which begins a caption, and [ENC] follow the vocabulary, as in Salesforce's files
HEAD_WIDTH = 64
BETAS = (0.9, 0.98)
LONGEST = 64  # tokens of a caption, its begin and end among them
NOT_LEARNT = -100  # a label that the loss leaves out


@dataclass(frozen=True)
class CaptionerTraining(Schedule):
    """Sizes and schedule. The defaults are for minutes on two cores."""

    epochs: int = setting(2, "how often each example is learnt from", least=1)
    size: int = 128  # side of the images in pixels
    patch: int = setting(32, "side of a patch in pixels", least=1)
    width: int = 192
    image_layers: int = setting(6, "of the image encoder", least=1)
    text_layers: int = setting(3, "of the text decoder", least=1)
    guidance: float = setting(
        1.0, "share of the squared error against the teacher's features in the loss", least=0
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.width < 1 or self.width % HEAD_WIDTH:
            raise ConfigError(f"width must be a multiple of {HEAD_WIDTH}, got {self.width}")
        if self.size < 1 or self.size % self.patch:
            raise ConfigError(f"size {self.size} is not a multiple of the patch of {self.patch} pixels")


def train_captioner(
    pixels: Pixels,
    captions: Sequence[str],
    out: Path,
    config: CaptionerTraining | None = None,
    teacher: FloatArray | None = None,
    device: str = "cpu",
    overwrite: bool = False,
    progress: Progress = silent,
) -> Learnt:
    """Teach a BLIP to write the captions of N images.

    `pixels`: the images at `config.size`. `captions`: theirs, in their order. `teacher`: (N, d) features of
    another network, which the image encoder learns to tell as well. A call that was killed goes on where it
    was. Raises InputError where the three do not belong together, RunError for a folder that is finished or
    something else's.
    """
    config = config or CaptionerTraining()
    if len(pixels) != len(captions) or not captions:
        raise InputError(f"a captioner needs a caption for each image, got {len(pixels)} and {len(captions)}")
    if teacher is not None and len(teacher) != len(pixels):
        raise InputError(f"the teacher's features are of {len(teacher)} images, and there are {len(pixels)}")
    accelerator = open_accelerator(device)
    plan = {
        "unprompt": __version__,
        "config": config.deciding(),
        "captions": fingerprint({"captions": list(captions)}),
        "images": _fingerprint(pixels, teacher),
    }
    with shared_folder(accelerator, out, KIND, plan, overwrite):
        with accelerator.main_process_first():
            if accelerator.is_main_process:
                pieces = vocabulary_of(captions)
                write_bytes(out / "vocab.txt", "".join(f"{piece}\n" for piece in pieces).encode())
            tokenizer = _transformers().BertTokenizerFast(vocab=str(out / "vocab.txt"))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            network = new_captioner(config, len(tokenizer))
            ids = token_rows(tokenizer, captions)
            shown = _Shown(config, ids, teacher if config.guidance else None, accelerator.device)
            row = learn(
                accelerator,
                [Part(_Objective(network, config, shown.wanted), betas=BETAS)],
                Examples(
                    np.arange(len(captions)), shown.inputs, lambda plan: batches(pixels, plan, workers=0)
                ),
                config,
                out,
                "captioner",
                progress=progress,
            )
        learnt = Learnt(row["seconds"], row["loss"])
        if accelerator.is_main_process:
            network.cpu().eval().save_pretrained(out)
            image_processor(config).save_pretrained(out)
            tokenizer.save_pretrained(out)
            record = {"unprompt": __version__, **asdict(learnt), "images": len(captions)}
            finish(out, KIND, {**record, "config": config.deciding()})
    return learnt


def vocabulary_of(captions: Sequence[str]) -> list[str]:
    """A WordPiece vocabulary in BERT's order: signs, then the captions' words, the most frequent first.

    Single characters follow, so that a word which no caption has can still be spelt.
    """
    from tokenizers.normalizers import BertNormalizer
    from tokenizers.pre_tokenizers import BertPreTokenizer

    normalise, split = BertNormalizer(lowercase=True), BertPreTokenizer()
    counts = Counter(
        word for caption in captions for word, _ in split.pre_tokenize_str(normalise.normalize_str(caption))
    )
    words = sorted(counts, key=lambda word: (-counts[word], word))
    letters = sorted(set("".join(words)))
    return list(dict.fromkeys([*SPECIAL, *words, *letters, *(f"##{letter}" for letter in letters)]))


def new_captioner(config: CaptionerTraining, vocabulary: int) -> Any:
    """A BLIP with random weights, for `vocabulary` pieces and the two that follow them."""
    transformers = _transformers()
    shared = {
        "hidden_size": config.width,
        "intermediate_size": 4 * config.width,
        "num_attention_heads": config.width // HEAD_WIDTH,
        "initializer_range": 0.02,  # the image encoder's default is next to nothing, as it expects weights
    }
    return transformers.BlipForConditionalGeneration(
        transformers.BlipConfig(
            text_config={
                **shared,
                "num_hidden_layers": config.text_layers,
                "max_position_embeddings": LONGEST,
                "vocab_size": vocabulary + EXTRA,
                "bos_token_id": vocabulary,
                "pad_token_id": PAD,
                "sep_token_id": SEP,
                "eos_token_id": SEP,
            },
            vision_config={
                **shared,
                "num_hidden_layers": config.image_layers,
                "image_size": config.size,
                "patch_size": config.patch,
            },
        )
    )


def image_processor(config: CaptionerTraining) -> Any:
    """What makes images into the network's input, with BLIP's own means and deviations."""
    return _transformers().BlipImageProcessor(size={"height": config.size, "width": config.size})


def token_rows(tokenizer: Any, captions: Sequence[str]) -> NDArray[np.int64]:
    """N captions -> (N, T) ids: a sign that begins the caption, its pieces, one that ends it, then pads."""
    pieces = tokenizer(list(captions), add_special_tokens=False).input_ids
    rows = [[len(tokenizer), *row[: LONGEST - 2], SEP] for row in pieces]
    return padded(rows, PAD, np.int64)


class _Objective(torch.nn.Module):  # type: ignore[misc]
    """A captioner with its loss: that of the captions, and of the teacher's features where there is one."""

    def __init__(self, network: Any, config: CaptionerTraining, wanted: Tensor | None) -> None:
        super().__init__()
        self.captioner = network
        self._guidance = config.guidance
        if wanted is not None:
            self.guide = torch.nn.Linear(config.width, wanted.shape[1])

    def forward(
        self, images: Tensor, tokens: Tensor, wanted: Tensor | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        there = (tokens != PAD).long()
        said = self.captioner(
            pixel_values=images,
            input_ids=tokens,
            attention_mask=there,
            labels=tokens.masked_fill(there == 0, NOT_LEARNT),
        )
        loss: Tensor = said.loss
        if wanted is not None:
            told = self.guide(said.image_embeds[:, 0])  # (B, d), of the class token
            loss = loss + self._guidance * (told - wanted).square().mean()
        return loss, {"loss": loss.detach() * len(tokens)}


class _Shown:
    """What is shown of N images: their pixels, captions as tokens, and the teacher's features, scaled."""

    def __init__(
        self,
        config: CaptionerTraining,
        ids: NDArray[np.int64],
        teacher: FloatArray | None,
        device: torch.device,
    ) -> None:
        processor = image_processor(config)
        self._preprocess = Preprocess(
            config.size, mean=tuple(processor.image_mean), std=tuple(processor.image_std)
        )
        self._ids = ids
        self._device = device
        self.wanted: Tensor | None = None
        if teacher is not None:
            self.wanted = torch.from_numpy((teacher - teacher.mean(0)) / (teacher.std(0) + 1e-3))

    def inputs(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor | None]:
        """Normalised pixels (B, 3, S, S), tokens (B, T) and, with a teacher, its features (B, d)."""
        images = batch.loaded.to(self._device, non_blocking=True)
        tokens = torch.from_numpy(_cut(self._ids[batch.rows])).to(self._device)
        wanted = None if self.wanted is None else self.wanted[batch.rows].to(self._device)
        return self._preprocess.normalise(images).contiguous(), tokens, wanted


def _cut(ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows without the columns that are nothing but pads."""
    return ids[:, : int((ids != PAD).sum(axis=1).max())]


def _fingerprint(pixels: Pixels, teacher: FloatArray | None) -> str:
    """By the teacher, which has seen them all, and a few of the images."""
    digest = hashlib.sha256()
    if teacher is not None:
        digest.update(np.ascontiguousarray(teacher).tobytes())
    for row in np.unique(np.linspace(0, len(pixels) - 1, 8).astype(int)):
        digest.update(pixels[int(row)].tobytes())
    return digest.hexdigest()[:20]


def _transformers() -> Any:
    return import_transformers("training a captioner", "interrogate,train")
