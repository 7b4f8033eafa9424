"""Blend members' files, with weights that are given or fitted to images whose prompts are known."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from unprompt.ensemble.blend import blend, check_weights
from unprompt.ensemble.fit_weights import WeightFit, check_members, fit_weights
from unprompt.errors import InputError
from unprompt.networks.devices import choose_device
from unprompt.networks.minilm import PromptEncoder, encode_cached
from unprompt.progress import Progress, silent
from unprompt.records import Embeddings
from unprompt.storage.files import read_embeddings, read_prompts
from unprompt.storage.matching import fit_embeddings, fit_prompts, match_forms
from unprompt.storage.submission import (
    describe_unsubmittable,
    read_submission_ids,
    submittable,
    write_submission,
)
from unprompt.text.english import agreed, part_of

GIVEN = (0.45, 0.55)  # what fitted weights of two members are compared with, unless others are named


@dataclass(frozen=True, eq=False)
class FilesFit:
    """Weights fitted to members' files. `untold`: how many images of the members have no truth."""

    members: tuple[Path, ...]
    fit: WeightFit
    untold: int


def fit_files(
    members: Sequence[Path],
    truth: Path,
    given_weights: Sequence[float] | None = None,
    device: str = "auto",
    progress: Progress = silent,
) -> FilesFit:
    """Fit weights for members' .npz files to a prompts.csv, or to an .npz of its embeddings.

    The truth may be of some of the members' images only. `given_weights` are compared with the fitted ones;
    without any these are 0.45 and 0.55 for two members, and equal for more. `progress` is told bootstrap
    samples done and in all. Raises InputError for unusable files, and where a member lacks images of the
    truth, ConfigError for fewer than two members and unusable weights.
    """
    check_members(len(members), given_weights)  # before the files are read and the truth is embedded
    if given_weights is None:
        given_weights = GIVEN if len(members) == len(GIVEN) else [1 / len(members)] * len(members)
    tables = _read_members(members)
    target = read_truth(truth, tables[0].ids, device)
    for path, table in zip(members, tables, strict=True):
        lost = set(target.ids) - set(table.ids)
        if lost:
            raise InputError(
                f"{part_of(len(lost), len(target), 'image')} of {truth} {agreed(len(lost), 'are')} not in "
                f"{path}, first: {min(lost)}; name the truth of these members' images"
            )
    fit = fit_weights(tables, target, given_weights, progress)
    return FilesFit(tuple(members), fit, len(set(tables[0].ids) - set(target.ids)))


def read_truth(path: Path, ids: Sequence[str], device: str = "auto") -> Embeddings:
    """The embeddings of a prompts.csv, made once and then taken from the cache, or those of an .npz.

    `ids`: images of a member. Raises InputError where none of them has a truth, before anything is embedded.
    """
    known = (
        fit_embeddings(read_embeddings(path), ids)
        if path.suffix == ".npz"
        else fit_prompts(read_prompts(path), {image_id: image_id for image_id in ids})
    )
    if not set(known.ids) & set(ids):
        raise InputError(
            f"{path} and the members share no image id ({path.name} starts with "
            f"'{known.ids[0] if known.ids else ''}', the first member with '{ids[0] if ids else ''}'); "
            "are these files of the same images?"
        )
    if isinstance(known, Embeddings):
        return known
    encoder = PromptEncoder.load(choose_device(device))
    return Embeddings(known.ids, encode_cached(encoder, known.texts, "truth"))


def blend_files(members: Sequence[Path], weights: Sequence[float], out: Path, sample: Path | None) -> int:
    """Blend members' .npz files into a submission; gives the number of its images.

    `sample`: a sample submission whose ids and order it takes. Ids that cannot stand in a submission are left
    out with a warning. Raises what `blend` and the readers raise, InputError where no id can.
    """
    check_weights(weights, len(members))  # before the files are read
    blended = blend(_read_members(members), weights)
    if sample:
        ids = read_submission_ids(sample)
        blended = replace(blended.at(match_forms(ids, blended.ids)), ids=tuple(ids))
    fine = submittable(blended.ids)
    if fine and (left_out := describe_unsubmittable(blended.ids, out)):
        warnings.warn(left_out, stacklevel=2)
        blended = blended.at(fine)
    write_submission(out, blended)
    return len(blended)


def _read_members(members: Sequence[Path]) -> list[Embeddings]:
    """The tables of members, under the ids of the first."""
    first, *more = map(read_embeddings, members)
    return [first, *(fit_embeddings(table, first.ids) for table in more)]
