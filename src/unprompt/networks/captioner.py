"""Images -> captions: BLIP, BLIP-2 and GIT."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from unprompt.errors import ConfigError, InputError
from unprompt.networks.adapters import merge_adapter
from unprompt.networks.captioner_config import CaptionConfig
from unprompt.networks.captioner_files import CaptionNetwork, load_captioner
from unprompt.networks.checkpoints import sha256_of
from unprompt.networks.devices import within_memory
from unprompt.networks.preprocess import without_far_ends
from unprompt.records import check_unique
from unprompt.storage.files import read_ids, read_table
from unprompt.text.english import agreed, counted, part_of

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

CPU_BATCH = 4
GPU_BATCH = 16
HEADER = ("imgId", "caption")


def batch_on(device: str) -> int:
    """How many images a captioner takes at a time on a device, where nobody says."""
    return CPU_BATCH if device == "cpu" else GPU_BATCH


class Captioner:
    """A captioning model as a backbone: what it gives for an image is its caption.

    Each caption begins with the prompt, where there is one, except for a BLIP-2 on T5, which answers it. An
    image's caption does not depend on the others of its batch, up to the rounding of matrix products.
    """

    def __init__(self, name: str, loaded: CaptionNetwork, device: str, config: CaptionConfig) -> None:
        self.name = name
        self.batch = config.batch or batch_on(device)
        self._files = loaded.files
        self._network = loaded.network
        self._image_processor = loaded.image_processor
        self._tokenizer = loaded.tokenizer
        self._device = device
        self._config = config
        self._start = start_tokens(loaded, config.prompt)
        longest = getattr(loaded.network.config.get_text_config(), "max_position_embeddings", None)
        if longest is not None and len(self._start) + config.length > longest:
            raise ConfigError(
                f"a prompt of {len(self._start)} tokens and a length of {config.length} are more than the "
                f"{longest} tokens that this captioner takes"
            )

    @classmethod
    def load(
        cls,
        device: str,
        model: Path | None = None,
        config: CaptionConfig | None = None,
        vocabulary: Path | None = None,
        adapter: Path | None = None,
    ) -> Captioner:
        """Load a captioner from a transformers folder, Salesforce's `.pth`, or the declared `blip-large`.

        On a GPU it computes in half precision, but for GIT. `vocabulary`: folder with BERT's vocab.txt, for a
        `.pth` that has it not beside it. `adapter`: folder of low-rank updates in peft's format, which are
        added to its weights. Raises CheckpointError where something is missing, damaged or no captioner,
        ConfigError where the settings are too much for it.
        """
        config = config or CaptionConfig()
        loaded = load_captioner(model, vocabulary, "fp16" if device.startswith("cuda") else "fp32")
        if adapter is not None:
            loaded = merge_adapter(loaded, adapter)
        loaded.network.to(device)
        settings = f"{config.prompt!r} {config.length} {config.beams} {config.batch}"
        settings += f" {adapter.resolve()}" if adapter else ""
        return cls(f"captioner {loaded.files[0].resolve()} {settings}", loaded, device, config)

    @cached_property
    def identity(self) -> str:
        """Which weights: one sha256 over the names and contents of the files they are from."""
        lines = (f"{path.name} {sha256_of(path)}\n" for path in self._files)
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    @property
    def title(self) -> str:
        """What people call it: the kind of model, and the folder or file that it is from."""
        kind = str(self._network.config.model_type).upper()
        first = self._files[0]
        return f"{kind} ({first.name if first.suffix == '.pth' else first.parent.name})"

    def prepare(self, image: Image.Image) -> NDArray[np.float32]:
        """What the model's own image processor makes of an RGB image: (3, S, S) float32."""
        return prepare(self._image_processor, image)

    def caption(self, pictures: Sequence[Image.Image]) -> list[str]:
        """The captions of N RGB images, some at a time."""
        found: list[str] = []
        for first in range(0, len(pictures), self.batch):
            some = [self.prepare(one) for one in pictures[first : first + self.batch]]
            found += self.features(some).tolist()
        return found

    def features(self, prepared: Sequence[NDArray[Any]]) -> NDArray[np.str_]:
        """B times (3, S, S) -> B captions. Raises NoMemoryError where they do not fit into the memory."""
        return self._written(prepared, {"num_beams": self._config.beams, "do_sample": False})

    def several(self, prepared: Sequence[NDArray[Any]], count: int) -> NDArray[np.str_]:
        """B times (3, S, S) -> (B, 1 + K) captions: as `features`, then K drawn (sampling.py).

        Raises as `features` does.
        """
        from unprompt.networks.sampling import DrawEvenly, even_draws

        drawn = DrawEvenly(even_draws(count, self._config.length))
        how = {"do_sample": True, "num_return_sequences": count, "logits_processor": [drawn]}
        return np.column_stack([self.features(prepared), self._written(prepared, how).reshape(-1, count)])

    def _written(self, prepared: Sequence[NDArray[Any]], how: Mapping[str, Any]) -> NDArray[np.str_]:
        """`how`: what `generate` is told of the search for the next words."""
        import torch

        pixels = torch.from_numpy(np.stack(prepared)).to(self._device, self._pixel_type)  # (B, 3, S, S)
        arguments = {"pixel_values": pixels}
        if self._start:
            arguments["input_ids"] = torch.tensor([self._start] * len(prepared), device=self._device)
        images = counted(len(prepared), "image")
        with within_memory(images, self._device, "a smaller batch"), torch.inference_mode():
            tokens = self._network.generate(  # (B, T)
                **arguments,
                max_new_tokens=self._config.length,
                use_cache=True,
                **how,
            )
        texts = self._tokenizer.batch_decode(tokens, skip_special_tokens=True)
        return np.array([text.strip() for text in texts], dtype=np.str_)

    @cached_property
    def _pixel_type(self) -> Any:
        """The image encoder's: BLIP-2 keeps other parts of a half-precision network in float32."""
        encoder = getattr(self._network, "vision_model", self._network)
        return next(encoder.parameters()).dtype


def prepare(image_processor: Any, image: Image.Image) -> NDArray[np.float32]:
    """What a captioner's image processor makes of an RGB image: (3, S, S) float32."""
    if getattr(image_processor, "do_center_crop", False):
        image = without_far_ends(image)
    pixels: NDArray[np.float32] = image_processor(images=image, return_tensors="pt")["pixel_values"][
        0
    ].numpy()
    return pixels


def start_tokens(loaded: CaptionNetwork, prompt: str) -> list[int]:
    """The tokens that a captioner writes on from, as its `generate` takes them; none without a prompt."""
    if not prompt:
        return []
    tokenizer, config = loaded.tokenizer, loaded.network.config
    if loaded.kind == "git":  # it writes on from where the tokens end, so they must not end with [SEP]
        return [tokenizer.cls_token_id, *tokenizer(prompt, add_special_tokens=False).input_ids]
    tokens: list[int] = tokenizer(prompt).input_ids
    if loaded.kind == "blip-2":  # without these places the picture would not be looked at
        return [config.image_token_index] * config.num_query_tokens + tokens
    return tokens  # BLIP itself replaces the first and drops the last


def read_captions(path: Path) -> dict[str, str]:
    """Captions by image id from a table with the columns `imgId` and `caption`, as .csv or .jsonl.

    Others are passed over.

    Raises InputError, with the line where there is one, for a file that is not so, a caption without words
    and an id that stands twice.
    """
    table = read_table(path, HEADER)
    ids = read_ids(table, path)
    check_unique(ids, str(path))
    captions = [" ".join(row["caption"].split()) for row in table.rows]
    empty = [image_id for image_id, caption in zip(ids, captions, strict=True) if not caption]
    if empty:
        raise InputError(
            f"{path}: {part_of(len(empty), len(ids), 'caption')} {agreed(len(empty), 'are')} empty, "
            f"first: {empty[0]}"
        )
    return dict(zip(ids, captions, strict=True))
