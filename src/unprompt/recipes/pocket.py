"""The pocket bundle from nothing: the bundle `kaggle` in small, trained on pocket scenes, and its score.

Its members are a regression, an interrogator (a CLIP of open_clip's classes, a captioner that sees by the
regression's words, and the grammar's own words as phrases) and a retrieval from a bank of the training
scenes. On held-out scenes, none of whose prompts has a cosine of 0.95 or more with a training prompt, it
compares the best constant, each member alone, the blend of `kaggle`, and blends with fitted weights. Those
are cross-fitted: each scene is scored with weights that were fitted without it.

An hour and a half on two cores. Run again after a kill, it goes on where it was. All lies in one folder:

    train/, told/, held-out/         prompt lists, and the DATASET drawn from each; the captioner learns from
                                     told/, and all others from train/
    run-N/                           the regression's training
    features.npz                     of the training scenes, by the regression's own backbone
    maps-HASH.npy                    of the captioner's scenes, place by place; until it is trained
    bundle/pocket.toml               the bundle, and what it names beside it
    bundle/relatedness.json          Easy Diffuser's, fitted to and graded on two parts of held-out/
    captions.csv                     what the captioner says of the held-out scenes
    predicted/                       the RUN of all members for the held-out scenes
    results.json, results.csv        the table; seconds.json: how long each step took
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from unprompt import __version__
from unprompt.bundle.bundles import bundles_folder
from unprompt.datasets.dataset import Dataset, read_dataset
from unprompt.datasets.pixels import Pixels, images_fingerprint, open_pixels
from unprompt.easy_diffuser.config import POCKET, FitConfig
from unprompt.easy_diffuser.fit import fit
from unprompt.easy_diffuser.negative import RELATEDNESS
from unprompt.easy_diffuser.relatedness import write_relatedness
from unprompt.ensemble.blend import blend
from unprompt.ensemble.fit_weights import agreement, best_weights, cross_fit
from unprompt.ensemble.image_weights import cross_fit_image_weights
from unprompt.ensemble.score import cosines
from unprompt.errors import InputError
from unprompt.interrogator.caption_files import caption
from unprompt.interrogator.prompt_files import Table
from unprompt.learning import train_clip as clipping
from unprompt.learning import train_words_captioner as captioning
from unprompt.learning.frozen_stages import frozen_stages, open_activations
from unprompt.learning.locked_tower import LockedTower
from unprompt.learning.train_clip import ClipTraining, image_features, train_clip
from unprompt.learning.train_words_captioner import open_maps, train_words_captioner
from unprompt.learning.words_captioner_config import WordsCaptionerTraining
from unprompt.members import bank as banks
from unprompt.networks.captioner import read_captions
from unprompt.networks.captioner_config import CaptionConfig
from unprompt.networks.checkpoints import cache_folder, sha256_of
from unprompt.networks.clip import Clip
from unprompt.networks.minilm import PromptEncoder, encoder_identity
from unprompt.networks.preprocess import Preprocess
from unprompt.pocket.caption_scores import mean_scores
from unprompt.pocket.interrogation import phrase_lists
from unprompt.progress import Progress, silent
from unprompt.recipes.comparison import Way, compare, constant_way, table_lines, write_rows
from unprompt.recipes.config import PocketConfig
from unprompt.recipes.scenes import HELD_OUT_SEED, TOLD_SEED, TRAIN_SEED, Scenes, embeddings_of, train_once
from unprompt.regression import train as training
from unprompt.regression.checkpoint import MODEL_FILE, locked_tower
from unprompt.regression.config import TrainConfig
from unprompt.regression.eyes import eyes_of
from unprompt.runs.config import PredictConfig
from unprompt.runs.outputs import installed_versions
from unprompt.runs.predict import predict
from unprompt.storage.files import (
    read_arrays,
    read_embeddings,
    read_json,
    write_arrays,
    write_bytes,
    write_json,
)
from unprompt.storage.resumable import fingerprint
from unprompt.storage.text_config import TextConfig
from unprompt.storage.toml_files import read_config

if TYPE_CHECKING:
    from unprompt.records import Embeddings, FloatArray

NAME = "pocket.toml"
TOLD, TOLD_LEAST = 0.3, 16  # the captioner's scenes: so many for each one to learn from, at least
SECONDS = "seconds.json"
GIVEN = {"regression": 0.55, "interrogator": 0.45}  # weights of the bundle `kaggle`
MEMBERS: Mapping[
    str, Mapping[str, Any]
] = {  # the prompts are those of the first that has any: the interrogator's
    "regression": {"kind": "regression", "checkpoint": "regression.safetensors", "tta": "flip"},
    "interrogator": {
        "kind": "interrogator",
        "checkpoint": "clip",
        "captioner": "captioner",
        "phrases": "phrases",
        "mode": "kaggle",
        "samples": 16,
        "sure": 0.5,
    },
    "retrieval": {"kind": "retrieval", "checkpoint": "clip", "bank": "bank"},
}


@dataclass(frozen=True)
class Recipe:
    """How much of what the bundle is made of, and where all of it lies."""

    out: Path
    regression: TrainConfig
    images: int = PocketConfig.images
    held_out: int = PocketConfig.held_out
    clip: ClipTraining = field(default_factory=ClipTraining)
    captioner: WordsCaptionerTraining = field(default_factory=WordsCaptionerTraining)
    workers: int = PocketConfig.workers

    @classmethod
    def read(cls, out: Path, config: PocketConfig) -> Recipe:
        """The recipe of a command's settings. Raises InputError and ConfigError for unusable TOML files."""
        own = Path(str(files("unprompt") / "data" / "pocket" / "regression.toml"))
        return cls(
            out=out,
            regression=TrainConfig(**read_config(config.regression or own, TrainConfig)),
            images=config.images,
            held_out=config.held_out,
            clip=ClipTraining(**(read_config(config.clip, ClipTraining) if config.clip else {})),
            captioner=WordsCaptionerTraining(
                **(read_config(config.captioner, WordsCaptionerTraining) if config.captioner else {})
            ),
            workers=config.workers,
        )

    @property
    def bundle(self) -> Path:
        """The folder of the bundle and what it names."""
        return self.out / "bundle"

    @property
    def run(self) -> Path:
        """The regression's RUN."""
        return self.out / f"run-{self.images}"

    @property
    def train(self) -> Scenes:
        """What is learnt from."""
        return Scenes(self.out / "train", self.images, TRAIN_SEED)

    @property
    def told(self) -> Scenes:
        """What the captioner learns from."""
        return Scenes(self.out / "told", max(TOLD_LEAST, round(self.images * TOLD)), TOLD_SEED)

    @property
    def unseen(self) -> Scenes:
        """What is scored on."""
        return Scenes(self.out / "held-out", self.held_out, HELD_OUT_SEED)

    @property
    def network(self) -> Path:
        """The trained regression, in the bundle."""
        return self.bundle / "regression.safetensors"


@dataclass(frozen=True)
class Step:
    """A step of the work. `seconds`: what it took with as many scenes as are the default, on two cores."""

    name: str
    title: str
    seconds: float


STEPS = (
    Step("prompts", "prompts, without near-duplicates", 375),
    Step("scenes", "drawing the scenes", 550),
    Step("regression", "training the regression", 2415),
    Step("features", "features of all scenes", 95),
    Step("clip", "training the CLIP", 240),
    Step("captioner", "training the captioner", 1085),
    Step("bank", "the bank", 2),
    Step("predicting", "scoring on held-out scenes", 70),
    Step("relatedness", "Easy Diffuser's relatedness", 10),
)


@dataclass(frozen=True)
class Estimate:
    """Where the work stands when a step begins: its `number` of `of`, and the `seconds` left with it."""

    step: Step
    number: int
    of: int
    seconds: float

    def __str__(self) -> str:
        minutes = max(1, round(self.seconds / 60))
        return f"step {self.number} of {self.of}  {self.step.title}  (about {minutes} min left in all)"


def estimate(step: Step, images: int, taken: Mapping[str, float]) -> Estimate:
    """The time left when `step` begins, by the pace of the steps that this start has done so far.

    `taken`: their seconds by name. Where they say nothing yet, two cores are assumed.
    """
    share = images / PocketConfig.images
    known = [one for one in STEPS if taken.get(one.name, 0.0) > 1]
    expected = sum(one.seconds for one in known) * share
    pace = sum(taken[one.name] for one in known) / expected if expected > 60 else 1.0
    number = STEPS.index(step)
    return Estimate(step, number + 1, len(STEPS), sum(one.seconds for one in STEPS[number:]) * share * pace)


# --- what is done, and how long it took


def is_current(made: Path, *sources: Path) -> bool:
    """Whether a file is there and none of its sources is newer, as `make` sees it."""
    return made.exists() and all(source.stat().st_mtime <= made.stat().st_mtime for source in sources)


def is_trained(record: Path, config: ClipTraining | WordsCaptionerTraining, *sources: Path) -> bool:
    """Whether a training is finished, with these settings and from these sources."""
    return is_current(record, *sources) and read_json(record)["config"] == config.deciding()


# --- the parts of the bundle


def pixels_of(dataset: Dataset, size: int, progress: Progress) -> Pixels:
    """Images at a size, decoded where there is room: the array that the regression was trained with."""
    return open_pixels(
        dataset,
        Preprocess(size),
        "auto",
        cache_folder() / "pixels",
        progress,
    )


def make_features(recipe: Recipe, known: Dataset, tower: LockedTower, progress: Progress) -> FloatArray:
    """What the regression's backbone makes of the training scenes, (N, d)."""
    path = recipe.out / "features.npz"
    if not is_current(path, recipe.run / training.RECORD):
        pixels, config, stages = pixels_of(known, tower.preprocess.size, progress), recipe.regression, 0
        looked_at = pixels
        if config.keep_frozen:  # then training has left what the first stages make
            stages = frozen_stages(tower.name, tower.network, config.freeze)
            looked_at = open_activations(
                pixels,
                images_fingerprint(known, tower.preprocess),
                tower.network,
                stages,
                tower.preprocess,
                cache_folder() / "pixels",
                workers=0,
                progress=progress,
            )
        features = tower.features(looked_at, progress=progress, stages=stages)
        write_arrays(path, features=features.astype(np.float16))
        for kept in (looked_at, pixels):
            kept.discard()
    found: FloatArray = read_arrays(path, ("features",))["features"].astype(np.float32)
    return found


def make_clip(
    recipe: Recipe, known: Dataset, tower: LockedTower, features: FloatArray, progress: Progress
) -> None:
    """BUNDLE/clip."""
    folder = recipe.bundle / "clip"
    if not is_trained(folder / clipping.KIND.record, recipe.clip, recipe.out / "features.npz"):
        train_clip(
            tower,
            features,
            known.prompts.texts,
            folder,
            recipe.clip,
            overwrite=True,
            progress=lambda step, done, total: progress(f"CLIP, {step}", done, total),
        )


def make_captioner(recipe: Recipe, progress: Progress) -> None:
    """BUNDLE/captioner, which sees by the regression's backbone and words.

    It learns from scenes that the regression has not learnt from, since of those that it has it is far surer
    than of new ones, and the captioner would learn to trust it too much.
    """
    folder = recipe.bundle / "captioner"
    if not is_trained(folder / captioning.KIND.record, recipe.captioner, recipe.run / training.RECORD):
        eyes, known = eyes_of(recipe.network), read_dataset(recipe.told.dataset)
        pixels, network = pixels_of(known, eyes.config.size, progress), sha256_of(recipe.network)
        # By that name a call goes on with maps of the same network and scenes only, whole ones or begun.
        seen = fingerprint(
            {"eyes": network, "images": images_fingerprint(known, Preprocess(eyes.config.size))}
        )
        path = recipe.out / f"maps-{seen}.npy"
        _remove_maps(recipe, but=path.stem)
        train_words_captioner(
            eyes,
            open_maps(path, pixels, eyes, progress),
            known.prompts.texts,
            folder,
            recipe.captioner,
            images=network,
            overwrite=True,
            progress=lambda step, done, total: progress(f"captioner, {step}", done, total),
        )
        pixels.discard()
    _remove_maps(recipe)


def _remove_maps(recipe: Recipe, but: str = "") -> None:
    """Remove maps that are whole or were begun, except those called `but`."""
    for path in (*recipe.out.glob("maps*.npy"), *recipe.out.glob("maps*.filling")):
        if path.stem != but:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def make_bank(recipe: Recipe, known: Dataset, features: FloatArray) -> None:
    """BUNDLE/bank, as `unprompt bank` makes it, but of features that are there already."""
    folder = recipe.bundle / "bank"
    record = folder / banks.KIND.record
    if is_current(record, recipe.bundle / "clip" / clipping.KIND.record):
        return
    record.unlink(missing_ok=True)
    clip = Clip.load("cpu", checkpoint=recipe.bundle / "clip")
    bank = banks.Bank(
        features=image_features(recipe.bundle / "clip", features).astype(np.float16),
        embeddings=embeddings_of(known).unit().vectors.astype(np.float16),
        prompts=known.prompts.texts,
        clip=clip.identity,
        encoder=encoder_identity(),
    )
    banks.write_bank(folder, bank)
    write_json(
        record, {"unprompt": __version__, "images": len(bank), "clip": bank.clip, "encoder": bank.encoder}
    )


def make_phrases(recipe: Recipe) -> None:
    """BUNDLE/phrases: the lists of the grammar's words."""
    for kind, phrases in phrase_lists().items():
        path = recipe.bundle / "phrases" / f"{kind}.txt"
        content = "".join(f"{phrase}\n" for phrase in phrases).encode()
        if not path.exists() or path.read_bytes() != content:
            write_bytes(path, content)


def make_relatedness(recipe: Recipe, progress: Progress) -> str:
    """BUNDLE/relatedness.json, from its CLIP and the grammar's nouns; gives a sentence about it.

    Where nothing is learnt, there is no file and the sentence says why.
    """
    path = recipe.bundle / RELATEDNESS
    if not is_current(path, recipe.bundle / "clip" / clipping.KIND.record):
        path.unlink(missing_ok=True)
        config = FitConfig(bundle=str(recipe.bundle / NAME), device="cpu", tags=POCKET)
        try:
            fitted = fit(recipe.unseen.dataset, config, progress)
        except InputError as error:
            return f"no relatedness for Easy Diffuser: {error}"
        write_relatedness(path, fitted.relatedness)
    return f"relatedness of tags for Easy Diffuser: AUC {read_json(path)['held_out']['auc']:.3f}"


def bundle_text(weight_by_member: Mapping[str, float]) -> str:
    """A bundle's TOML; members without a weight have 0, and so only show what they can do alone."""
    lines = [
        "# Made by `unprompt pocket` on pocket scenes; it knows no other pictures.",
        'name = "pocket"',
        'description = "the bundle kaggle in small, trained on pocket scenes"',
    ]
    for name, settings in MEMBERS.items():
        lines += ["", "[[members]]", f'name = "{name}"', f"weight = {weight_by_member.get(name, 0.0):.4g}"]
        lines += [f"{key} = {json.dumps(value)}" for key, value in settings.items()]  # TOML writes them alike
    return "\n".join(lines) + "\n"


# --- the score


def predict_once(recipe: Recipe, progress: Progress) -> dict[str, Embeddings]:
    """What each member makes of the held-out scenes, by its name."""
    out, plain = recipe.out / "predicted", recipe.bundle / "plain.toml"
    text = bundle_text(GIVEN).encode()
    if not plain.exists() or plain.read_bytes() != text:
        write_bytes(plain, text)
    records = [
        plain,
        recipe.network,
        recipe.bundle / "clip" / clipping.KIND.record,
        recipe.bundle / "captioner" / captioning.KIND.record,
        recipe.bundle / "bank" / banks.KIND.record,
        *(recipe.bundle / "phrases" / f"{kind}.txt" for kind in phrase_lists()),
    ]
    if not is_current(out / "run.json", *records):
        predict(
            recipe.unseen.dataset,
            out,
            PredictConfig(bundle=str(plain), overwrite=True),
            truth=recipe.unseen.prompts,
            progress=progress,
        )
    return {name: read_embeddings(out / "members" / f"{name}.npz") for name in MEMBERS}


def captions_once(recipe: Recipe, progress: Progress) -> dict[str, str]:
    """What the captioner says of each held-out scene, by its id; kept in captions.csv."""
    path, folder = recipe.out / "captions.csv", recipe.bundle / "captioner"
    if not (Table(path).is_whole and is_current(path, folder / captioning.KIND.record)):
        caption(
            [recipe.unseen.dataset],
            path,
            folder,
            None,
            CaptionConfig(),
            TextConfig(),
            device="cpu",
            overwrite=True,
            progress=progress,
        )
    return read_captions(path)


def ways(
    guesses: Mapping[str, Embeddings], captions: FloatArray, known: Dataset, truth: Embeddings
) -> tuple[list[Way], dict[str, dict[str, float]]]:
    """The table's rows, the last one a blend of all members; and the weights of the fitted ones.

    `captions`: those of the truth's images embedded, (N, 384). The weights given back are fitted to all of
    the truth, those that score a scene to the other scenes.
    """
    rows = [constant_way(known, truth), Way("captions, embedded", cosines(captions, truth.vectors))]
    for name in ("interrogator", "retrieval", "regression"):
        rows.append(Way(f"{name} alone", cosines(guesses[name].at(truth.ids).vectors, truth.vectors)))
    blended = blend([guesses[name] for name in GIVEN], list(GIVEN.values())).at(truth.ids)
    rows.append(Way("0.45 interrogator, 0.55 regression", cosines(blended.vectors, truth.vectors)))
    fitted = {}
    for label, names in (("regression and interrogator", tuple(GIVEN)), ("all three", tuple(MEMBERS))):
        images = agreement([guesses[name] for name in names], truth)
        rows.append(Way(f"weights by image, {label}", cross_fit_image_weights(images)))
        rows.append(Way(f"fitted weights, {label}", cross_fit(images)))
        fitted[label] = dict(zip(names, best_weights(images).tolist(), strict=True))
    return rows, fitted


def best_member(rows: Sequence[Way]) -> Way:
    """The member that scores highest alone."""
    return max(
        (way for way in rows if way.name.endswith(" alone")), key=lambda way: float(way.similarities.mean())
    )


def train_regression(recipe: Recipe, progress: Progress) -> None:
    """The regression's RUN, unless it is there with these settings; its network goes into the bundle."""
    train_once(recipe.train.dataset, recipe.run, recipe.regression, overwrite=True, progress=progress)
    if not is_current(recipe.network, recipe.run / training.RECORD):
        write_bytes(recipe.network, (recipe.run / MODEL_FILE).read_bytes())


@dataclass(frozen=True)
class PocketResult:
    """What came of it: the bundle's file, what results.json holds, and sentences for people."""

    bundle: Path
    numbers: Mapping[str, Any]
    lines: tuple[str, ...]


def make_pocket(
    recipe: Recipe,
    progress: Progress = silent,
    on_step: Callable[[Estimate], None] = lambda estimate: None,
) -> PocketResult:
    """Do what is not done yet, from prompts to the scored bundle. `on_step` is told each step as it begins.

    A call that was killed goes on where it was. Raises what the stages raise.
    """
    work = _Work(recipe, on_step)
    out, bundle = recipe.out, recipe.bundle
    with work.step("prompts"):
        recipe.train.write_list(progress=progress)
        recipe.told.write_list(progress=progress)
        recipe.unseen.write_list((recipe.train.prompts, recipe.told.prompts), progress)
    with work.step("scenes"):
        recipe.train.draw(recipe.workers, progress)
        recipe.told.draw(recipe.workers, progress)
        recipe.unseen.draw(recipe.workers, progress)
    with work.step("regression"):
        train_regression(recipe, progress)
    known, new = read_dataset(recipe.train.dataset), read_dataset(recipe.unseen.dataset)
    tower = locked_tower(recipe.network)
    with work.step("features"):
        features = make_features(recipe, known, tower, progress)
    with work.step("clip"):
        make_clip(recipe, known, tower, features, progress)
    with work.step("captioner"):
        make_captioner(recipe, progress)
    with work.step("bank"):
        make_bank(recipe, known, features)
        make_phrases(recipe)
    with work.step("predicting"):
        truth, captions = embeddings_of(new), captions_once(recipe, progress)
        said = [captions[image_id] for image_id in truth.ids]
        rows, fitted = ways(predict_once(recipe, progress), PromptEncoder.load().encode(said), known, truth)
        write_bytes(bundle / NAME, bundle_text(fitted["all three"]).encode())
    with work.step("relatedness"):
        related = make_relatedness(recipe, progress)
    *others, ours = rows
    table = compare(ours, others)
    best = best_member(rows)
    above = next(row for row in table if row["way"] == best.name)["gain_low"]
    beats = above is not None and above > 0
    write_rows(out / "results.csv", table)
    numbers = {
        "training_images": recipe.images,
        "held_out_images": len(new),
        "ways": table,
        "best_member": best.name,
        "beats_best_member": beats,
        "weights": fitted,
        "captions": mean_scores(said, new.prompts.at(truth.ids).texts),
        "seconds": read_json(out / SECONDS),
        "threads": torch.get_num_threads(),
        "clip": asdict(recipe.clip),
        "captioner": asdict(recipe.captioner),
        "regression": recipe.regression.as_dict(),
        "versions": installed_versions(),
    }
    write_json(out / "results.json", numbers)
    minutes = sum(numbers["seconds"].values()) / 60
    verdict = "beats" if beats else "does not surely beat"
    return PocketResult(
        bundle / NAME,
        numbers,
        (
            f"{len(new):,} held-out pocket scenes; {recipe.images:,} to learn from; {minutes:.0f} minutes",
            *table_lines(table),
            *(
                f"weights, {label}: " + ", ".join(f"{name} {weight:.3f}" for name, weight in weights.items())
                for label, weights in fitted.items()
            ),
            "captions: " + ", ".join(f"{name} {score:.3f}" for name, score in numbers["captions"].items()),
            f"the fitted blend of all three {verdict} its best member, {best.name}",
            related,
        ),
    )


class _Work:
    """The steps of one start: each is announced, and timed over all starts in seconds.json."""

    def __init__(self, recipe: Recipe, on_step: Callable[[Estimate], None]) -> None:
        self._recipe = recipe
        self._on_step = on_step
        self._taken: dict[str, float] = {}  # by this start

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """The block is the step; its seconds count also where it ends in an error or a Ctrl-C."""
        step = next(one for one in STEPS if one.name == name)
        self._on_step(estimate(step, self._recipe.images, self._taken))
        path = self._recipe.out / SECONDS
        start = time.monotonic()
        try:
            yield
        finally:
            self._taken[name] = time.monotonic() - start
            known = read_json(path) if path.exists() else {}
            write_json(path, {**known, name: known.get(name, 0.0) + self._taken[name]})


def install(recipe: Recipe) -> Path:
    """Copy the bundle to where `unprompt predict --bundle pocket` looks for it; its TOML file goes last.

    Nothing of an earlier one stays.
    """
    target = bundles_folder() / "pocket"
    (target / NAME).unlink(missing_ok=True)
    if target.exists():
        shutil.rmtree(target)
    shutil.copytree(recipe.bundle, target, ignore=shutil.ignore_patterns(NAME, ".work"))
    write_bytes(target / NAME, (recipe.bundle / NAME).read_bytes())
    return target / NAME
