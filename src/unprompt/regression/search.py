"""Where `unprompt tune` looks: which settings it varies, how far, and which it tries next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from unprompt.datasets.seeds import derive_seed
from unprompt.errors import ConfigError
from unprompt.regression.config import HEADS, TrainConfig, TuneConfig
from unprompt.text.english import counted

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

    Space = dict[str, BaseDistribution]

LAYER_DECAY = (0.5, 1.0)
WEIGHT_DECAY = (1e-4, 0.3)
DROP_PATH = (0.0, 0.3)
STARTUP = 8  # trials that are drawn at random before the finished ones say where to look


@dataclass(frozen=True)
class VisionTransformer:
    """What decides which patches a ViT can have: its own patch and the side of its input, in pixels."""

    patch: int
    side: int


def vision_transformer(config: TrainConfig) -> VisionTransformer | None:
    """The sizes of the backbone where it is one of timm's ViTs, else None.

    Raises ConfigError for an unknown name.
    """
    import torch
    from timm.models.vision_transformer import VisionTransformer as TimmViT

    from unprompt.networks.backbones import create, own_preprocess, patch_of

    side = own_preprocess(config.backbone, config.size).size
    with torch.device("meta"):  # shapes without numbers
        network = create(config.backbone, side)
    return (
        VisionTransformer(config.patch or patch_of(network), side) if isinstance(network, TimmViT) else None
    )


def search_space(
    base: TrainConfig, config: TuneConfig, vit: VisionTransformer | None, train_images: int
) -> tuple[Space, list[str]]:
    """The settings to vary, by name, and notes on what was left out of them.

    Raises ConfigError where no batch size is left, and for values that `TrainConfig` refuses.
    """
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    notes = []
    batches = [batch for batch in config.batch if batch <= train_images]
    if not batches:
        raise ConfigError(
            f"each batch size of {_listed(config.batch)} is larger than the training part of about "
            f"{counted(train_images, 'image')}; give a smaller one with --batch"
        )
    if len(batches) < len(config.batch):
        too_large = [batch for batch in config.batch if batch > train_images]
        notes.append(f"with about {train_images:,} training images, left out: batch {_listed(too_large)}")
    space: Space = {
        "learning_rate": FloatDistribution(*config.learning_rate, log=True),
        "batch": CategoricalDistribution(batches),
        "layer_decay": FloatDistribution(*LAYER_DECAY),
        "weight_decay": FloatDistribution(*WEIGHT_DECAY, log=True),
        "head": CategoricalDistribution(HEADS),
    }
    if vit:
        patches = [patch for patch in config.patch if patch > 0 and vit.side % patch == 0]
        if len(patches) < len(config.patch):
            others = [patch for patch in config.patch if patch not in patches]
            notes.append(f"with an input of {vit.side} pixels, left out: patch {_listed(others)}")
        if patches:
            space["patch"] = CategoricalDistribution(patches)
        space["drop_path"] = FloatDistribution(*DROP_PATH)
    for batch in batches:
        replace(base, batch=batch)  # refuses what no trial could use
    return space, notes


def start_of(base: TrainConfig, vit: VisionTransformer | None, space: Space) -> dict[str, Any]:
    """What the first trial tries: the base's own settings, as far as they lie in the search space."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    start = {}
    for name, distribution in space.items():
        value = vit.patch if name == "patch" and vit else getattr(base, name)
        if isinstance(distribution, CategoricalDistribution):
            inside = value in distribution.choices
        else:
            assert isinstance(distribution, FloatDistribution)
            inside = distribution.low <= value <= distribution.high
        if inside:
            start[name] = value
    return start


def next_parameters(
    finished: Sequence[FrozenTrial], space: Space, start: Mapping[str, Any], seed: int
) -> dict[str, Any]:
    """The settings of the trial after the `finished` ones; they and the seed alone decide them.

    So a study that was killed goes on with what it would have tried. The first trial is `start`, and what
    that leaves open is drawn.
    """
    import optuna

    sampler = optuna.samplers.TPESampler(
        seed=derive_seed(seed, "trial", len(finished)), n_startup_trials=STARTUP
    )
    scratch = optuna.create_study(sampler=sampler, direction="maximize")  # in memory
    scratch.add_trials(finished)
    if not finished:
        scratch.enqueue_trial(dict(start))
    return dict(scratch.ask(fixed_distributions=space).params)


def _listed(values: Sequence[int]) -> str:
    return ", ".join(str(value) for value in values)
