"""Score files: a submission.csv or a prompts.csv against a prompts.csv."""

from __future__ import annotations

from pathlib import Path

from unprompt.ensemble.score import Score, score_rows, share_ids
from unprompt.errors import InputError
from unprompt.networks.devices import choose_device
from unprompt.networks.minilm import PromptEncoder
from unprompt.records import Embeddings
from unprompt.storage.files import PROMPTS_HEADER, read_prompts
from unprompt.storage.matching import fit_prompts
from unprompt.storage.submission import HEADER, read_submission


def file_kind(path: Path) -> str:
    """ "submission" or "prompts", by the file's first line. Raises InputError for anything else."""
    try:
        with path.open("rb") as stream:
            first = stream.readline(4096)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    header = first.decode("utf-8-sig", errors="replace").strip()
    if header.replace('"', "").split(",")[:2] == list(HEADER):
        return "submission"
    if all(name in header for name in PROMPTS_HEADER):  # read_table says what else is wrong
        return "prompts"
    raise InputError(
        f"{path} begins with '{header[:60]}'; expected a submission (imgId_eId,val) or imgId,prompt"
    )


def score_files(guess: Path, truth: Path, device: str = "auto") -> Score:
    """Score a guess file against a prompts.csv; prompts are embedded of the images that both have.

    Raises InputError for unusable files or no shared ids.
    """
    guessed = read_submission(guess) if file_kind(guess) == "submission" else read_prompts(guess)
    truths = fit_prompts(read_prompts(truth), {image_id: image_id for image_id in guessed.ids})
    ids = share_ids(guessed.ids, truths.ids)
    encoder = PromptEncoder.load(choose_device(device))
    some = guessed.at(ids.shared)
    rows = some.vectors if isinstance(some, Embeddings) else encoder.encode(some.texts)
    return score_rows(ids, rows, encoder.encode(truths.at(ids.shared).texts))
