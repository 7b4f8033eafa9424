"""Banks: the image features of data sets with their prompts, in which the member `retrieval` looks things up.

    BANK/
      bank.npz    features (N, D) and embeddings (N, 384) of the prompts, both float16; texts (bytes) and
                  ends (N,): the prompts in UTF-8, one after the other, and where each ends
      bank.json   written last: by which CLIP and encoder, how many images, which could not be read

float16 halves the file and the memory, and is enough: it moves the cosine of two unit rows by less than
1e-4, and the prompts' embeddings by less than 1e-6 in cosine. Nothing in a bank depends on when or in how
many steps it was made.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from socket import gethostname
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np

from unprompt import __version__
from unprompt.crew.hiring import hire
from unprompt.crew.work import Crew, Place, Ready
from unprompt.datasets.dataset import Dataset, read_what_is_there
from unprompt.datasets.split import first_of_shuffled
from unprompt.datasets.targets import embed_targets
from unprompt.ensemble.score import cosines
from unprompt.errors import CheckpointError, InputError
from unprompt.members.config import BankConfig
from unprompt.networks.devices import device_here
from unprompt.networks.minilm import PromptEncoder, encoder_identity
from unprompt.networks.pipeline import Backbone, Seen, gather, open_pipeline
from unprompt.progress import Progress, silent
from unprompt.records import DIM, Problem, unit_rows
from unprompt.storage import resumable as folders
from unprompt.storage.files import read_arrays, read_json, write_arrays
from unprompt.storage.images import ImageFile, identify_images
from unprompt.storage.remote import AnyPath
from unprompt.storage.sources import Sources
from unprompt.text.english import counted, none_readable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from unprompt.records import FloatArray

KIND = folders.FolderKind(noun="bank", record="bank.json", outputs=("bank.npz",))
CHUNK = 64  # images between two saves: what a kill can cost (two minutes of ViT-H-14 on a CPU)
CHECKED = 8  # prompts of a data set that are embedded to see whether its own embeddings are MiniLM's …
SAME = 0.999  # … which they are at this cosine


class IdentifiedBackbone(Backbone, Protocol):
    """A backbone that says which network with which parameters it is."""

    @property
    def identity(self) -> str:
        """The same for the same network, wherever its files are and on whatever device it runs."""


@dataclass(frozen=True, eq=False)
class Bank:
    """N images seen by a CLIP, with their prompts.

    `features`: (N, D) float16 unit rows. `embeddings`: (N, 384) float16 unit rows of the prompts.
    `clip` and `encoder`: identities of what made either.
    """

    features: NDArray[np.float16]
    embeddings: NDArray[np.float16]
    prompts: tuple[str, ...]
    clip: str
    encoder: str

    def __post_init__(self) -> None:
        count = len(self.prompts)
        if not count:
            raise InputError("a bank needs at least one image")
        if (
            self.features.ndim != 2
            or len(self.features) != count
            or self.embeddings.shape != (count, DIM)
            or self.features.dtype != np.float16
            or self.embeddings.dtype != np.float16
        ):
            raise InputError(
                f"a bank of {counted(count, 'prompt')} needs float16 features ({count}, D) and embeddings "
                f"({count}, {DIM}), got {self.features.dtype} {self.features.shape} and "
                f"{self.embeddings.dtype} {self.embeddings.shape}"
            )

    def __len__(self) -> int:
        return len(self.prompts)


def write_bank(folder: Path, bank: Bank) -> None:
    """Write BANK/bank.npz, without its record. The same bank gives the same bytes."""
    encoded = [prompt.encode() for prompt in bank.prompts]
    write_arrays(
        folder / "bank.npz",
        features=bank.features,
        embeddings=bank.embeddings,
        texts=np.frombuffer(b"".join(encoded), dtype=np.uint8),
        ends=np.cumsum([len(text) for text in encoded], dtype=np.int64),
    )


def read_bank(folder: Path) -> Bank:
    """Read a bank. Raises InputError where there is none, or it is not finished, damaged or not whole."""
    if not (folder / KIND.record).exists():
        unfinished = (folder / folders.WORK).exists()
        raise InputError(
            f"the bank {folder} is not finished; run the same `unprompt bank` again"
            if unfinished
            else f"there is no bank {folder}; make one: unprompt bank DATASET --out {folder}"
        )
    record = read_json(folder / KIND.record)
    arrays = read_arrays(folder / "bank.npz", ("features", "embeddings", "texts", "ends"))
    try:
        texts, ends = arrays["texts"].tobytes(), arrays["ends"].tolist()
        return Bank(
            features=arrays["features"],
            embeddings=arrays["embeddings"],
            prompts=tuple(texts[a:b].decode() for a, b in zip([0, *ends[:-1]], ends, strict=True)),
            clip=str(record["clip"]),
            encoder=str(record["encoder"]),
        )
    except KeyError as error:
        raise InputError(f"{folder / KIND.record} has no {error}; make the bank again") from error
    except (InputError, ValueError, TypeError) as error:
        raise InputError(f"{folder} is no bank that this version reads: {error}; make it again") from error


@dataclass(frozen=True, eq=False)
class BankResult:
    """What making a bank tells its caller. `images` are those in the bank; `problems` are left out of it."""

    folder: Path
    images: int
    width: int  # of the features
    problems: tuple[Problem, ...]
    resumed: bool


def build_bank(
    sources: Sequence[AnyPath],
    out: Path,
    backbone: IdentifiedBackbone,
    device: str = "cpu",
    config: BankConfig | None = None,
    overwrite: bool = False,
    progress: Progress = silent,
    chunk: int = CHUNK,
    load: Callable[[str], IdentifiedBackbone] | None = None,
) -> BankResult:
    """Look at the images of data sets and keep features and prompts in the folder `out`.

    `load`: what loads the same backbone on a device, where `config.cluster` has others look through it; it is
    sent to them. `progress` is told the step, images done and in all. Interrupted work goes on when called
    again with the same arguments, and leaves the same bytes as work that was not; it is saved every `chunk`
    images.

    Embeddings are the data sets' own where a few of their prompts, embedded anew, have the same; all others
    are made once and kept in the user's cache. An image that cannot be read is left out.

    Raises InputError for unusable data sets, and where no image can be read; RunError for a folder that
    holds something else.
    """
    config = config or BankConfig()
    datasets = limit_datasets([read_what_is_there(path) for path in dict.fromkeys(sources)], config.limit)
    files = [image for dataset in datasets for image in dataset.images]
    texts = [text for dataset in datasets for text in dataset.prompts.texts]
    kept = Sources(files)
    with ExitStack() as stack:
        crew = stack.enter_context(hire(config.cluster, config.workers, [file.path for file in files]))
        device = crew.device(device)
        own = load if config.cluster and load else lambda _: backbone
        work = Looking(own, backbone.identity, device, chunk)
        plan = {
            "unprompt": __version__,
            "clip": backbone.identity,
            "encoder": encoder_identity(),
            "device": device,
            "chunk": chunk,
            "images": folders.fingerprint({"images": identify_images(files)}),
            "prompts": folders.fingerprint({"prompts": texts}),
        }
        resumed = stack.enter_context(folders.open_folder(out, KIND, plan, overwrite, sources=kept))
        embeddings = _embed(datasets, device_here(device), progress)  # (N, 384)
        chunks = [
            Chunk(number, tuple(files[start : start + chunk]))
            for number, start in enumerate(range(0, len(files), chunk))
        ]
        paths = [out / folders.WORK / f"chunk-{one.number:06d}.npz" for one in chunks]
        _look(chunks, paths, crew, work, kept, progress)
        done = [read_arrays(path, ("features", "problems")) for path in paths]
        whys = [str(why) for seen in done for why in seen["problems"]]
        problems = tuple(
            Problem(file.image_id, file.name, why) for file, why in zip(files, whys, strict=True) if why
        )
        if len(problems) == len(files):
            why = f"{problems[0].file}: {problems[0].problem}"
            raise InputError(none_readable(len(files), "image", why))
        readable = [row for row, why in enumerate(whys) if not why]
        bank = Bank(
            features=np.concatenate([seen["features"] for seen in done if seen["features"].size]),
            embeddings=embeddings[readable].astype(np.float16),
            prompts=tuple(texts[row] for row in readable),
            clip=backbone.identity,
            encoder=encoder_identity(),
        )
        write_bank(out, bank)
        folders.finish(out, KIND, _record(bank, datasets, problems))
    return BankResult(out, len(bank), bank.features.shape[1], problems, resumed)


def _record(bank: Bank, datasets: Sequence[Dataset], problems: Sequence[Problem]) -> dict[str, Any]:
    """What bank.json says. It has no date, so that the same images give the same bytes."""
    return {
        "unprompt": __version__,
        "images": len(bank),
        "width": bank.features.shape[1],
        "clip": bank.clip,
        "encoder": bank.encoder,
        "data_sets": [{"name": data.path.resolve().name, "images": len(data)} for data in datasets],
        "unreadable": [{"imgId": p.image_id, "file": p.file, "problem": p.problem} for p in problems],
    }


def limit_datasets(datasets: Sequence[Dataset], limit: int) -> list[Dataset]:
    """Data sets with `limit` images in all (0: all of them), each as many as chance gives it."""
    total = sum(len(dataset) for dataset in datasets)
    rows = first_of_shuffled(np.arange(total), limit, seed=0)
    some = []
    start = 0
    for dataset in datasets:
        own = rows[(rows >= start) & (rows < start + len(dataset))] - start
        ids = [dataset.images[row].image_id for row in own]
        if ids:
            some.append(
                Dataset(
                    path=dataset.path,
                    images=tuple(dataset.images[row] for row in own),
                    prompts=dataset.prompts.at(ids),
                    embeddings=dataset.embeddings.at(ids) if dataset.embeddings else None,
                )
            )
        start += len(dataset)
    return some


def _embed(datasets: Sequence[Dataset], device: str, progress: Progress) -> FloatArray:
    """The unit rows of all prompts, in order: (N, 384)."""
    encoder = PromptEncoder.load(device) if any(data.embeddings is not None for data in datasets) else None
    rows = []
    for dataset in datasets:

        def told(step: str, done: int, total: int, name: str = dataset.path.name) -> None:
            progress(f"{step} of {name}", done, total)

        if encoder is not None and not has_own_embeddings(dataset, encoder):
            dataset = replace(dataset, embeddings=None)
        rows.append(embed_targets(dataset, device, told))
    return np.concatenate(rows)


def has_own_embeddings(dataset: Dataset, encoder: PromptEncoder) -> bool:
    """Whether a data set has embeddings that are the encoder's, by a few of its prompts.

    Data sets do not say what their embeddings are of. Warns where they are something else's.
    """
    if dataset.embeddings is None:
        return False
    rows = np.unique(np.linspace(0, len(dataset) - 1, CHECKED).astype(int))
    again = encoder.encode([dataset.prompts.texts[row] for row in rows])  # (at most 8, 384)
    cosine = cosines(dataset.embeddings.vectors[rows], again)
    if cosine.min() >= SAME:
        return True
    row = rows[cosine.argmin()]
    warnings.warn(
        f"the embeddings of {dataset.path} are not all-MiniLM-L6-v2's (cosine {cosine.min():.3f} for "
        f"{dataset.images[row].image_id}); its prompts are embedded anew",
        stacklevel=2,
    )
    return False


@dataclass(frozen=True)
class Chunk:
    """Images whose features are saved together."""

    number: int
    files: tuple[ImageFile, ...]


# Unit rows of the images that could be read, (n, D), and what is wrong with each, "" where nothing is.
Features: TypeAlias = "tuple[NDArray[np.float16], tuple[str, ...]]"


@dataclass(frozen=True)
class Looking:
    """The work: a backbone looks at chunks of `chunk` images.

    `load`: gives it, on `device`, and it has `identity`.
    """

    load: Callable[[str], IdentifiedBackbone]
    identity: str
    device: str
    chunk: int

    @property
    def wants_gpu(self) -> bool:
        """Where the backbone is loaded on one."""
        return self.device.startswith("cuda")

    @contextmanager
    def open(self, place: Place) -> Iterator[Ready[Chunk, Features]]:
        """Load the backbone. Raises CheckpointError where it is another one."""
        backbone = self.load(self.device)
        if backbone.identity != self.identity:
            raise CheckpointError(
                f"the machine {gethostname()} has another CLIP than this one; give both the same files"
            )
        with open_pipeline(place.cores, self.device) as pipeline:

            def begin(chunk: Chunk) -> Callable[[], Features]:
                return partial(finish, pipeline.submit(chunk.files, [backbone]))

            def finish(futures: Sequence[Future[Seen]]) -> Features:
                seen = gather(futures)
                found = seen.features.get(backbone.name)
                rows = np.empty((0, 0)) if found is None else unit_rows(found, "image features")
                return rows.astype(np.float16), tuple(problem or "" for problem in seen.problems)

            # So many chunks keep every worker busy.
            yield Ready(begin, ahead=1 + -(-place.cores * backbone.batch // self.chunk))


def _look(
    chunks: Sequence[Chunk],
    paths: Sequence[Path],
    crew: Crew,
    work: Looking,
    sources: Sources,
    progress: Progress,
) -> None:
    """Write the features of each chunk whose file is not there yet (a file that is there is whole)."""
    missing = [chunk for chunk, path in zip(chunks, paths, strict=True) if not path.exists()]
    total = sum(len(chunk.files) for chunk in chunks)
    done = total - sum(len(chunk.files) for chunk in missing)
    progress("looking at images", done, total)
    if not missing:
        return
    with closing(crew.do(work, missing, ordered=False)) as found:
        for chunk, (rows, whys) in found:
            problems = np.array(whys, dtype=np.str_)
            write_arrays(paths[chunk.number], features=rows, problems=problems)
            sources.note(chunk.files)
            done += len(chunk.files)
            progress("looking at images", done, total)
