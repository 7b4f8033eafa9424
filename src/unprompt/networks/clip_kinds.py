"""How published CLIP weights want to be run: open_clip's table says it, a file of weights does not.

Weights of one architecture differ in the pictures that they expect (mean, std, interpolation, how a picture
is resized) and in their activation: OpenAI's were trained with QuickGELU, most of LAION's with GELU.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unprompt.errors import ConfigError
from unprompt.networks.checkpoints import declared, sha256_of

QUICK = "-quickgelu"
PARTS_READ = 5  # of a path, from its end: OWNER--NAME, snapshots, REVISION, the file, and one more
SHOWN_TAGS = 2
DECLARED = {  # (name without QUICK, open_clip's tag) -> the declared checkpoint with these weights
    ("ViT-H-14", "laion2b_s32b_b79k"): "clip-vit-h-14",
    ("ViT-L-14", "openai"): "clip-vit-l-14",
}


@dataclass(frozen=True)
class ClipKind:
    """How some weights are to be run: what a picture becomes, and the activation."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: str
    resize_mode: str
    quick_gelu: bool

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> ClipKind:
        """By an entry of open_clip's table."""
        return cls(
            tuple(entry["mean"]),
            tuple(entry["std"]),
            entry["interpolation"],
            entry["resize_mode"],
            bool(entry.get("quick_gelu")),
        )

    @property
    def preprocess(self) -> dict[str, Any]:
        """open_clip's settings of its preprocessing, but for the size."""
        return {
            "mean": self.mean,
            "std": self.std,
            "interpolation": self.interpolation,
            "resize_mode": self.resize_mode,
        }

    def __str__(self) -> str:
        mean = f"mean {self.mean[0]:.2g}, std {self.std[0]:.2g}"
        return (
            f"{mean}, {self.interpolation}, {self.resize_mode}, {'QuickGELU' if self.quick_gelu else 'GELU'}"
        )


def kinds_by_tag(model: str) -> dict[str, ClipKind]:
    """How each published set of weights of a model is to be run, by open_clip's tag."""
    import open_clip

    tags = open_clip.list_pretrained_tags_by_model(model)
    return {tag: ClipKind.of(open_clip.get_pretrained_cfg(model, tag)) for tag in tags}


def kind_of(model: str, pretrained: str, weights: Path) -> ClipKind | None:
    """How the weights in a file are to be run; None for a model without weights in open_clip's table.

    By open_clip's tag where `pretrained` gives it, by what the path or the bytes say, or as all published
    weights of the model are. Else it is a guess, and a warning says which, and how to say better.
    Raises ConfigError for a tag that the model has not.
    """
    kinds = kinds_by_tag(model)
    if pretrained:
        tag = pretrained.lower().replace("-", "_")
        if tag not in kinds:
            known = ", ".join(kinds) or "none"
            raise ConfigError(f"open_clip knows no weights '{pretrained}' of {model}; it knows {known}")
        return kinds[tag]
    distinct = list(dict.fromkeys(kinds.values()))
    if len(distinct) < 2:
        return distinct[0] if distinct else None
    tag = tag_by_path(model, list(kinds), weights) or _tag_by_content(model, list(kinds), weights)
    if tag:
        return kinds[tag]
    alike = [kind for kind in distinct if kind.quick_gelu == model.endswith(QUICK)] or distinct
    warnings.warn(_guessed(model, kinds, alike[0], weights), stacklevel=2)
    return alike[0]


def tag_by_path(model: str, tags: Sequence[str], weights: Path) -> str:
    """The tag that a file's path names, or whose repository or file it names; "" where there is none.

    The longest counts: `dfn2b_s39b` also names `dfn2b`.
    """
    import open_clip

    path = _plain("/".join(weights.absolute().parts[-PARTS_READ:]))
    names = {}
    for tag in tags:
        entry = open_clip.get_pretrained_cfg(model, tag)
        url, hub = entry.get("url", ""), entry.get("hf_hub", "")
        for name in (tag, Path(url).stem, hub.strip("/").partition("/")[2]):
            if name and _plain(name) in path:
                names[_plain(name)] = tag
    return names[max(names, key=len)] if names else ""


def _plain(text: str) -> str:
    """ "ViT-L-14 (OpenAI).pt" -> "_vit_l_14_openai_pt_"."""
    return re.sub(r"[^a-z0-9]+", "_", f"_{text.lower()}_")


def _tag_by_content(model: str, tags: Sequence[str], weights: Path) -> str:
    """The tag of a declared checkpoint whose very file this is, else ""."""
    for (name, tag), checkpoint in DECLARED.items():
        file = declared(checkpoint).main_file
        if name == model.removesuffix(QUICK) and tag in tags and file.size == weights.stat().st_size:
            return tag if file.sha256 == sha256_of(weights) else ""
    return ""


def _guessed(model: str, kinds: Mapping[str, ClipKind], chosen: ClipKind, weights: Path) -> str:
    """The warning for weights whose kind is not known."""
    tags_by_kind: dict[ClipKind, list[str]] = {}
    for tag, kind in kinds.items():
        tags_by_kind.setdefault(kind, []).append(tag)
    shown = {kind: " or ".join(tags[:SHOWN_TAGS]) for kind, tags in tags_by_kind.items()}
    others = "; ".join(f"{tags}: {kind}" for kind, tags in shown.items() if kind != chosen)
    return (
        f"{weights} does not say which weights of {model} it has; taken for {shown[chosen]} ({chosen}). "
        f"Say it with --pretrained, or `pretrained` in a bundle. Others want it otherwise: {others}"
    )
