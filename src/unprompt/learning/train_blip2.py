"""Teaching a BLIP-2 to caption pictures, by low-rank updates (peft's LoRA) of a model on disk.

    OUT/
      adapter/                                the updates in peft's format (networks/adapters.py)
      model/                                  where asked for: the whole model with the updates added
      metrics.csv, curves.png, tensorboard/   loss and share of tokens that were guessed, epoch by epoch
      train.json                              written last: settings, counts of parameters, loss, seconds

Li et al. 2023, "BLIP-2". A picture takes the first `num_query_tokens` places of what the language model
reads, as image tokens; without them transformers' classes give a loss and gradients, and the picture changes
neither. The loss is that of the caption's tokens and its end: not of the image tokens, of the token that
begins each caption, which is given, or of the pads behind it. Each caption counts alike, so that it makes no
difference how a batch is cut.

Parts without updates are at rest: no dropout there. Where neither the vision tower nor the Q-Former learns,
each picture is looked at once and what was seen of it is kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch

from unprompt import __version__
from unprompt.datasets.batches import share_of
from unprompt.datasets.seeds import derive_seed
from unprompt.errors import CheckpointError, ConfigError, InputError
from unprompt.learning.accelerator import device_of, open_accelerator, shared_folder
from unprompt.learning.blip2_config import Blip2Machine, Blip2Training
from unprompt.learning.curves import OUTPUTS, Row
from unprompt.learning.loop import Batch, Examples, Loop
from unprompt.learning.parts import Part, PartlyFrozen
from unprompt.networks.adapters import ADAPTER, add_adapter, count_parameters, save_adapter, write_merged
from unprompt.networks.captioner import prepare
from unprompt.networks.captioner_files import CaptionNetwork, load_captioner
from unprompt.networks.checkpoints import sha256_of_files
from unprompt.networks.cores import keep_ahead
from unprompt.progress import Progress, silent
from unprompt.storage.resumable import (
    WORK,
    FolderKind,
    check_folder,
    fill_array,
    fingerprint,
    finish,
    write_folder,
)
from unprompt.text.english import agreed, part_of

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image
    from torch import Tensor

    Ints = NDArray[np.int64]

MODEL = "model"
PLACES = ("vision_model", "qformer", "language_model")  # where updates may be, by transformers' names
KIND = FolderKind(
    noun="training of a BLIP-2",
    record="train.json",
    outputs=(ADAPTER, MODEL, *OUTPUTS),
)
BETAS = (0.9, 0.999)  # Adam's own
NOT_LEARNT = -100  # a label that the loss leaves out
SEEN_AT_ONCE = 8
SEEN_SAVE = 64  # pictures between two saves
AHEAD = 2  # batches that are loaded before they are asked for


class Pictures(Protocol):
    """N pictures, each opened when it is asked for."""

    def __len__(self) -> int: ...

    def __getitem__(self, row: int, /) -> Image.Image:
        """One picture, RGB. Raises InputError where it cannot be read."""


@dataclass(frozen=True)
class Blip2Learnt:
    """What a training has come to: a row for each epoch (learning/curves.py), and its seconds in all.

    `learning` numbers of all `parameters` are learnt. `cut`: captions that were longer than what is learnt.
    """

    out: Path
    rows: tuple[Row, ...]
    resumed: bool
    seconds: float
    pictures: int
    learning: int
    parameters: int
    cut: int


def train_blip2(
    pictures: Pictures,
    captions: Sequence[str],
    model: Path,
    out: Path,
    config: Blip2Training | None = None,
    machine: Blip2Machine | None = None,
    overwrite: bool = False,
    progress: Progress = silent,
    on_epoch: Callable[[Row], None] = lambda row: None,
    identity: str = "",
) -> Blip2Learnt:
    """Teach the BLIP-2 of the folder `model` the captions of N pictures, and leave the folder `out`.

    `identity`: a text that changes with the pictures, so that a call that goes on has the same ones; without
    it a few of them are compared.

    A call that was killed goes on where it was. `progress` is told the step of the work, pictures done and in
    all; `on_epoch` the row of each epoch, once it is saved.

    Raises InputError for captions that are empty or not as many as pictures and for pictures that cannot be
    read, CheckpointError for a model that is missing or no BLIP-2 on a decoder (OPT), ConfigError for layers
    that it has not and for a batch of fewer pictures than parts, RunError for a folder of something else and
    a loss that is not a number.
    """
    config, machine = config or Blip2Training(), machine or Blip2Machine()
    check_folder(out, KIND, overwrite)  # before the model is loaded
    check_captions(captions, len(pictures))
    accelerator = open_accelerator(machine.device, config.precision)
    # A batch that cannot be cut is told now, and not when all pictures have been looked at.
    share_of(np.arange(min(config.batch, len(pictures))), 0, accelerator.num_processes, config.accumulate)
    main, report = accelerator.is_main_process, progress if accelerator.is_main_process else silent
    precision = {"no": "fp32"}.get(accelerator.mixed_precision, accelerator.mixed_precision)
    loaded = load_captioner(model, None, precision)
    check_decoder(loaded, model)
    rows = token_rows(loaded, captions, config.length)
    network = begin(loaded, config, machine)
    learning, parameters = count_parameters(network)
    once = _looks_once(network, machine)
    plan = {
        "unprompt": __version__,
        "config": config.as_dict(),
        "looks once": once,
        "model": sha256_of_files(loaded.files[0].parent, loaded.files),
        "precision": accelerator.mixed_precision,
        "processes": accelerator.num_processes,
        "captions": fingerprint({"captions": list(captions)}),
        "pictures": identity or _fingerprint(pictures),
    }
    with shared_folder(accelerator, out, KIND, plan, overwrite), torch.random.fork_rng(devices=[]):
        network.to(accelerator.device)
        shown = _Shown(pictures, rows, loaded, network, accelerator)
        if once:
            with accelerator.main_process_first():
                shown.look_at_all(out / WORK / "seen.npy", report)
        loop = _loop(accelerator, network, shown, config, machine, out, report)
        resumed = loop.resumed
        loop.learn("captions by BLIP-2", plotted=("accuracy",), on_epoch=on_epoch)
        learnt = Blip2Learnt(
            out, loop.rows, resumed, loop.seconds, len(pictures), learning, parameters, rows.cut
        )
        if main:
            write_folder(out / ADAPTER, lambda folder: save_adapter(folder, network))
            if machine.merge:
                write_folder(out / MODEL, lambda folder: write_merged(model, out / ADAPTER, folder))
            finish(out, KIND, _record(learnt, config, machine, model, accelerator))
    return learnt


def check_captions(captions: Sequence[str], pictures: int) -> None:
    """Raise InputError for captions that are empty or not as many as pictures."""
    if len(captions) != pictures or not pictures:
        raise InputError(
            f"each picture needs a caption to learn from, got {pictures} pictures, {len(captions)} captions"
        )
    empty = [row for row, caption in enumerate(captions) if not caption.strip()]
    if empty:
        raise InputError(
            f"{part_of(len(empty), pictures, 'picture')} {agreed(len(empty), 'have')} no caption, first: "
            f"number {empty[0] + 1}; leave {agreed(len(empty), 'them')} out"
        )


def check_decoder(loaded: CaptionNetwork, model: Path) -> None:
    """Raise CheckpointError for a captioner that is no BLIP-2 on a decoder."""
    decoder = getattr(loaded.network.config, "use_decoder_only_language_model", False)
    if loaded.kind != "blip-2" or not decoder:
        what = "a BLIP-2 on an encoder and decoder (T5)" if loaded.kind == "blip-2" else f"a {loaded.kind}"
        raise CheckpointError(
            f"{model} holds {what}; low-rank updates are learnt of a BLIP-2 on OPT, in the layout of "
            "Salesforce/blip2-opt-2.7b"
        )


# --- words


@dataclass(frozen=True, eq=False)
class TokenRows:
    """N captions as the language model reads them, behind their pictures.

    `ids` (N, T): image tokens, the token that begins a caption, its own, the one that ends it, pads.
    `labels` (N, T): what is to be guessed there, NOT_LEARNT where nothing is. `there` (N, T): 0 on pads.
    `cut`: captions that were longer.
    """

    ids: Ints
    labels: Ints
    there: Ints
    cut: int


def token_rows(loaded: CaptionNetwork, captions: Sequence[str], length: int) -> TokenRows:
    """Captions as a BLIP-2 is taught them: at most `length` tokens of each, its end among them."""
    config, tokenizer = loaded.network.config, loaded.tokenizer
    start = [config.image_token_index] * config.num_query_tokens + [config.text_config.bos_token_id]
    end = end_token(loaded.network)
    texts = [" ".join(caption.split()) for caption in captions]
    own = [[*row, end] for row in tokenizer(texts, add_special_tokens=False).input_ids]
    shape = len(own), len(start) + min(length, max(map(len, own)))
    ids = np.full(shape, tokenizer.pad_token_id, dtype=np.int64)
    labels = np.full(shape, NOT_LEARNT, dtype=np.int64)
    there = np.zeros(shape, dtype=np.int64)
    for number, words in enumerate(own):
        words = words[:length]
        stop = len(start) + len(words)
        ids[number, :stop] = [*start, *words]
        labels[number, len(start) : stop] = words
        there[number, :stop] = 1
    return TokenRows(ids, labels, there, sum(len(words) > length for words in own))


def end_token(network: Any) -> int:
    """The token at which a BLIP-2 stops to write: a line's end for those that Salesforce published."""
    language = network.language_model
    found = getattr(language.generation_config, "eos_token_id", None)
    if found is None:
        found = network.config.text_config.eos_token_id
    return int(found[0] if isinstance(found, Sequence) else found)


# --- the network


def begin(loaded: CaptionNetwork, config: Blip2Training, machine: Blip2Machine) -> Any:
    """A BLIP-2 with updates that change nothing yet, of the seed. ConfigError for layers that it has not."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(config.seed, "updates"))
        network = add_adapter(loaded.network, config.targets, config.rank, config.alpha, config.dropout)
    if machine.gradient_checkpointing:
        _compute_twice(network.get_base_model())
    return network


def _compute_twice(blip2: Any) -> None:
    """Let layers that learn be computed again in the backward pass in place of keeping what they gave."""
    way = {"use_reentrant": False}  # the other one would want gradients of the frozen words that come in
    if hasattr(blip2, "activation_checkpointing_enable"):
        blip2.activation_checkpointing_enable(way)
    else:  # its name in transformers 4
        blip2.gradient_checkpointing_enable(way)


def look(blip2: Any, pixels: Tensor) -> Tensor:
    """Pictures (B, 3, S, S) -> what the language model is given of them (B, queries, width)."""
    seen = blip2.vision_model(pixels).last_hidden_state  # (B, patches + 1, d)
    answers = blip2.qformer(
        query_embeds=blip2.query_tokens.expand(len(pixels), -1, -1),
        encoder_hidden_states=seen,
        encoder_attention_mask=torch.ones(seen.shape[:2], dtype=torch.long, device=seen.device),
    ).last_hidden_state
    found: Tensor = blip2.language_projection(answers.to(seen.dtype))
    return found


def caption_losses(
    blip2: Any, seen: Tensor, ids: Tensor, labels: Tensor, there: Tensor
) -> tuple[Tensor, Tensor]:
    """Of each caption (B,): the mean cross entropy of its tokens, and the share that is guessed right.

    `seen`: (B, queries, width) of `look`. The rest: rows of TokenRows.
    """
    queries = seen.shape[1]
    words = blip2.get_input_embeddings()(ids)  # (B, T, width)
    places = (ids == blip2.config.image_token_index).unsqueeze(-1)
    read = blip2.language_model.base_model(
        inputs_embeds=words.masked_scatter(places, seen.to(words.dtype)),
        attention_mask=there,
        use_cache=False,
    ).last_hidden_state
    # What stands on a place guesses the one behind it; image tokens guess nothing.
    logits = blip2.language_model.get_output_embeddings()(read[:, queries:-1]).float()  # (B, t, vocabulary)
    wanted = labels[:, queries + 1 :]
    losses = torch.nn.functional.cross_entropy(
        logits.transpose(1, 2), wanted, ignore_index=NOT_LEARNT, reduction="none"
    )
    tokens = (wanted != NOT_LEARNT).sum(1)
    right = (logits.argmax(-1) == wanted).sum(1)
    return losses.sum(1) / tokens, right / tokens


class Blip2Objective(PartlyFrozen):
    """A BLIP-2 with updates, with the loss of its captions. Parts that do not learn are at rest."""

    def forward(
        self, shown: Tensor, ids: Tensor, labels: Tensor, there: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """`shown`: pictures (B, 3, S, S), or what was seen of them (B, queries, width)."""
        blip2 = self.network.get_base_model()
        seen = look(blip2, shown) if shown.ndim == 4 else shown
        losses, right = caption_losses(blip2, seen, ids, labels, there)
        return losses.mean(), {"loss": losses.detach().sum(), "accuracy": right.sum()}

    def train(self, mode: bool = True) -> Blip2Objective:
        super().train(mode)
        blip2 = self.network.get_base_model()
        for name in PLACES:
            if not any(f".{name}." in learning for learning in self._learns):
                getattr(blip2, name).eval()
        return self


def _looks_once(network: Any, machine: Blip2Machine) -> bool:
    """Whether what is seen of pictures stays the same. ConfigError where it does not and was to be kept."""
    blip2 = network.get_base_model()
    seers = (blip2.vision_model, blip2.qformer, blip2.language_projection)
    changes = any(value.requires_grad for part in seers for value in part.parameters())
    if changes and machine.features == "yes":
        raise ConfigError(
            "what is seen of pictures changes where vision or qformer learn, so it cannot be kept; leave "
            "features at auto, or set it to no"
        )
    return machine.features != "no" and not changes


# --- examples


class _Shown:
    """What the objective is shown of N pictures: what is seen of each, and its caption."""

    def __init__(
        self, pictures: Pictures, rows: TokenRows, loaded: CaptionNetwork, network: Any, accelerator: Any
    ) -> None:
        self._pictures = pictures
        self._rows = rows
        self._image_processor = loaded.image_processor
        self._blip2 = network.get_base_model()
        self._accelerator = accelerator
        self._seen: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self._pictures)

    def look_at_all(self, path: Path, report: Progress) -> None:
        """Look at all pictures, or take what an earlier start has seen."""
        total, config = len(self._pictures), self._blip2.config

        def make(done: int) -> Iterator[tuple[int, NDArray[Any] | str]]:
            rows = np.arange(done, total)
            plan = [rows[first : first + SEEN_AT_ONCE] for first in range(0, total - done, SEEN_AT_ONCE)]
            self._blip2.eval()
            with closing(self._prepared(plan)) as prepared, torch.no_grad():
                for some, pixels in prepared:
                    with self._accelerator.autocast():
                        yield int(some[0]), look(self._blip2, self._moved(pixels)).float().cpu().numpy()

        if not path.exists():
            shape = (total, config.num_query_tokens, config.text_config.hidden_size)
            instead = "look at pictures each time (--features no)"
            fill_array(path, shape, np.float32, make, SEEN_SAVE, instead, "looking at pictures", report)
        self._seen = np.load(path, mmap_mode="r")

    def load(self, plan: Sequence[Ints]) -> Generator[tuple[Ints, Any], None, None]:
        """Batches with their pictures (B, 3, S, S), or with nothing where all were looked at."""
        if self._seen is not None:
            yield from ((rows, None) for rows in plan)
            return
        with closing(self._prepared(plan)) as prepared:
            yield from prepared

    def inputs(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """What `Blip2Objective.forward` takes."""
        if self._seen is not None:
            shown = torch.from_numpy(self._seen[batch.rows]).to(self._accelerator.device)
        else:
            shown = self._moved(batch.loaded)
        longest = int(self._rows.there[batch.rows].sum(1).max())
        ids, labels, there = (
            torch.from_numpy(rows[batch.rows, :longest]).to(self._accelerator.device)
            for rows in (self._rows.ids, self._rows.labels, self._rows.there)
        )
        return shown, ids, labels, there

    def _prepared(self, plan: Sequence[Ints]) -> Generator[tuple[Ints, Tensor], None, None]:
        """Batches of pictures as the image processor makes them, two ahead of the network."""

        def prepared(rows: Ints) -> Tensor:
            return torch.from_numpy(
                np.stack([prepare(self._image_processor, self._pictures[int(row)]) for row in rows])
            )

        pool = ThreadPoolExecutor(1, "unprompt-prepare")
        try:
            for rows, loading in keep_ahead(plan, lambda rows: pool.submit(prepared, rows), AHEAD):
                yield rows, loading.result()
        finally:
            pool.shutdown(cancel_futures=True)

    def _moved(self, pixels: Tensor) -> Tensor:
        """To the device, in the precision of what sees it."""
        first = next(self._blip2.vision_model.parameters())
        return pixels.to(self._accelerator.device, first.dtype, non_blocking=True)


def _loop(
    accelerator: Any,
    network: Any,
    shown: _Shown,
    config: Blip2Training,
    machine: Blip2Machine,
    out: Path,
    report: Progress,
) -> Loop:
    objective = Blip2Objective(network)
    learning = [value for value in objective.parameters() if value.requires_grad]
    groups = [{"params": learning, "lr": config.learning_rate, "weight_decay": 0.0}]
    return Loop(
        accelerator,
        [Part(objective, groups=groups, betas=BETAS, network=network)],
        Examples(np.arange(len(shown)), shown.inputs, shown.load),
        config.schedule(machine.save_minutes),
        out,
        accumulate=config.accumulate,
        remedy="start again with a lower --learning-rate, or --precision bf16 or fp32",
        progress=report,
    )


def _record(
    learnt: Blip2Learnt, config: Blip2Training, machine: Blip2Machine, model: Path, accelerator: Any
) -> dict[str, Any]:
    return {
        "unprompt": __version__,
        "torch": torch.__version__,
        "model": model.name,
        "config": config.as_dict(),
        "machine": {
            **asdict(machine),
            "device": device_of(accelerator),
            "precision": accelerator.mixed_precision,
            "processes": accelerator.num_processes,
        },
        "pictures": learnt.pictures,
        "cut captions": learnt.cut,
        "learning": learnt.learning,
        "parameters": learnt.parameters,
        "seconds": round(learnt.seconds, 3),
        "epochs": list(learnt.rows),
    }


def _fingerprint(pictures: Pictures) -> str:
    """By a few of the pictures."""
    digest = hashlib.sha256()
    for row in np.unique(np.linspace(0, len(pictures) - 1, 8).astype(int)):
        digest.update(pictures[int(row)].tobytes())
    return digest.hexdigest()[:20]
