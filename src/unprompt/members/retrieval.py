"""The member `retrieval`: the prompts of the images in a bank that look most like the one in question.

An image's guess is the mean of its k nearest neighbours' prompt embeddings, weighted by
softmax(cosine / temperature), and its prompt is that of the nearest.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from unprompt.ensemble.kinds import MemberKind, MemberSpec
from unprompt.ensemble.members import Guess, softmax
from unprompt.errors import ConfigError, InputError
from unprompt.members.bank import Bank, IdentifiedBackbone, read_bank
from unprompt.members.interrogator import clip_checkpoints, clip_of
from unprompt.networks.clip_config import ClipConfig
from unprompt.networks.devices import core_count
from unprompt.networks.loader import Loader
from unprompt.networks.minilm import encoder_identity
from unprompt.records import unit_rows
from unprompt.settings import check_settings, setting
from unprompt.storage.packages import needed_for
from unprompt.text.english import agreed, part_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from unprompt.records import FloatArray

    Ints = NDArray[np.int64]

COPY = 0.9999  # cosine from which two images count as one
SPARE = 8  # neighbours looked at beyond k, since the search rounds and copies may be left out
# Up to here the search compares with every row; above, with those of the nearest lists only. Measured at
# 100,000 x 512 on two busy cores, phrases' embeddings for want of real features, 32 queries at a time:
#     exact         227 queries/s, nothing to build     (numpy 178, torch 280, faiss as it comes 90)
#     1,024 lists   905 queries/s, 4 s to build, recall@20 0.930   (128 lists probed: 506/s, 0.956)
#     HNSW 32, 128  982 queries/s, 38 s to build, recall@20 0.980
# From these, not measured: at 300,000 rows an exact search takes some 13 ms an image, and lists about 20 s to
# build at every start, growing as N ** 1.5; HNSW would take two minutes.
EXACT_ROWS = 300_000
LISTS = 3  # times the square root of N
PROBED = 1 / 16  # share of the lists
POINTS_A_LIST, ROUNDS = 39, 5  # of k-means: 39 is the least that faiss finds enough


@dataclass(frozen=True)
class RetrievalConfig:
    """Settings of the retrieval member."""

    bank: str = setting("", "folder that `unprompt bank` left")
    # On 1,000 pocket scenes, by the CLIP that `unprompt pocket` trains and a bank of 101,052: .554;
    # 10 neighbours .514, 30 .543, 300 .556; temperature .03 .514, .1 .556; the constant .392. By
    # EfficientNet-Lite2's pooled features and a bank of 6,568 the same setting was the best of a grid.
    neighbours: int = setting(100, "images of the bank that are asked", least=1)
    temperature: float = setting(0.05, "of cosines: lower trusts the nearest more", above=0, below=math.inf)
    leave_out_copies: bool = setting(False, "pass over images that are the same: to score on the bank's own")

    def __post_init__(self) -> None:
        check_settings(self)


class RetrievalMember:
    """The member `retrieval`: a bank and the CLIP that it was made with.

    Raises ConfigError where `backbone` is another CLIP, or the bank's embeddings are another encoder's, and
    CheckpointError without faiss.
    """

    def __init__(self, name: str, backbone: IdentifiedBackbone, bank: Bank, config: RetrievalConfig) -> None:
        if bank.clip != backbone.identity:
            raise ConfigError(
                f"the bank of member '{name}' was made with '{bank.clip}', but the bundle's CLIP is "
                f"'{backbone.identity}'; name the same CLIP, or make the bank again with `unprompt bank`"
            )
        if bank.encoder != encoder_identity():
            raise ConfigError(
                f"the bank of member '{name}' has prompts embedded by '{bank.encoder}', not by "
                f"'{encoder_identity()}'; make the bank again with `unprompt bank`"
            )
        self.name = name
        self.backbones = (backbone,)
        self.bank = bank
        self._config = config
        self._search = Search(bank.features)

    @classmethod
    def load(cls, name: str, backbone: IdentifiedBackbone, config: RetrievalConfig) -> RetrievalMember:
        """Read the bank that `config` names. Raises what `read_bank` and making the member raise."""
        if not config.bank:
            raise ConfigError(f"member '{name}' needs the key 'bank': a folder that `unprompt bank` left")
        return cls(name, backbone, read_bank(Path(config.bank)), config)

    def guess(self, *outputs: FloatArray) -> Guess:
        """(B, D) features -> (B, 384) embeddings, and the prompts of the nearest neighbours."""
        (features,) = outputs
        rows, likeness = find_nearest(
            self._search,
            self.bank.features,
            unit_rows(features, "image features"),
            self._config.neighbours,
            COPY if self._config.leave_out_copies else math.inf,
        )
        shares = softmax(likeness / self._config.temperature)  # (B, k)
        theirs = self.bank.embeddings[rows].astype(np.float32)  # (B, k, 384)
        return Guess(
            embeddings=unit_rows(np.einsum("bk,bkd->bd", shares, theirs)),
            prompts=tuple(self.bank.prompts[row] for row in rows[:, 0]),
        )


def find_nearest(
    search: Search, features: NDArray[np.float16], queries: FloatArray, count: int, below: float
) -> tuple[Ints, NDArray[np.float64]]:
    """The `count` rows of `features` nearest to each query with a cosine of at most `below`.

    (N, D) and (B, D) unit rows -> their rows and cosines, (B, count) each, the nearest first and of equally
    near ones the first. Cosines are exact and so do not depend on what else is asked at the same time. Where
    there are fewer than `count`, those at the end have the cosine -inf. Raises InputError where there are
    none.
    """
    wanted = min(count, len(features))
    asked = min(wanted + SPARE, len(features))
    while True:
        rows = search.rows(queries, asked)  # (B, asked), -1 where the lists did not have so many
        found = features[rows].astype(np.float64)  # (B, asked, D)
        likeness = np.einsum("bd,bcd->bc", queries.astype(np.float64), found)
        likeness /= np.linalg.norm(found, axis=2)  # float16 rows are not quite of unit length
        likeness[(rows < 0) | (likeness > below)] = -math.inf
        enough = np.isfinite(likeness).sum(axis=1) >= wanted  # (B,)
        if enough.all() or asked == len(features):
            break
        asked = min(2 * asked, len(features))
    order = np.lexsort((rows, -likeness), axis=1)[:, :wanted]
    rows, likeness = np.take_along_axis(rows, order, axis=1), np.take_along_axis(likeness, order, axis=1)
    lonely = np.flatnonzero(np.isneginf(likeness[:, 0]))
    if lonely.size:
        raise InputError(
            f"{part_of(lonely.size, len(queries), 'image')} {agreed(lonely.size, 'have')} only copies of "
            f"{agreed(lonely.size, 'themselves')} in the bank; make it of more images"
        )
    return rows, likeness


class Search:
    """Finds the rows of an (N, D) matrix with the largest dot products, by faiss.

    Exact up to `exact_rows`; above, rows lie in about 3 sqrt(N) lists around centres (k-means), and the lists
    of the nearest centres are searched, a sixteenth of all. Raises CheckpointError without faiss.
    """

    def __init__(self, rows: NDArray[Any], exact_rows: int = EXACT_ROWS) -> None:
        with needed_for("the retrieval member", "interrogate"):
            import faiss
        matrix = np.ascontiguousarray(rows, dtype=np.float32)
        self._index: Any = faiss.IndexFlatIP(matrix.shape[1])
        with _settings_of_our_own(faiss):
            if len(matrix) > exact_rows:
                lists = round(LISTS * math.sqrt(len(matrix)))
                index = faiss.IndexIVFFlat(self._index, matrix.shape[1], lists, faiss.METRIC_INNER_PRODUCT)
                index.cp.niter, index.cp.max_points_per_centroid = ROUNDS, POINTS_A_LIST
                index.nprobe = max(1, round(lists * PROBED))
                index.train(matrix)
                self._centres, self._index = self._index, index
            self._index.add(matrix)

    def rows(self, queries: FloatArray, count: int) -> Ints:
        """(B, D) -> (B, count), the largest dot product first; -1 where the lists searched have no more."""
        import faiss

        with _settings_of_our_own(faiss):
            _, rows = self._index.search(np.ascontiguousarray(queries, dtype=np.float32), count)
        found: Ints = rows
        return found


@contextmanager
def _settings_of_our_own(faiss: Any) -> Iterator[None]:
    """As many threads as cores, and matrix products at any size, inside the block; they are global to faiss.

    Left alone, faiss compares a few queries with each row in turn, which takes 2.5 times as long.
    """
    threads, least = faiss.omp_get_max_threads(), faiss.cvar.distance_compute_blas_threshold
    faiss.omp_set_num_threads(core_count())
    faiss.cvar.distance_compute_blas_threshold = 1
    try:
        yield
    finally:
        faiss.omp_set_num_threads(threads)
        faiss.cvar.distance_compute_blas_threshold = least


def build(loader: Loader, spec: MemberSpec) -> RetrievalMember:
    """The member of a table in a bundle."""
    return RetrievalMember.load(spec.name, clip_of(loader, spec), spec.read(RetrievalConfig))


def checkpoints(spec: MemberSpec) -> list[str]:
    """The declared CLIP, where the table names no files of its own."""
    return clip_checkpoints(spec)


KIND = MemberKind((RetrievalConfig, ClipConfig), build, checkpoints, paths=("bank",))
