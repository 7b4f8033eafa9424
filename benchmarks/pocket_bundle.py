"""The pocket bundle from nothing: the bundle `kaggle` in small, trained on pocket scenes, and its score.

Its members are a regression, an interrogator (a CLIP of open_clip's classes, a BLIP of transformers', and the
grammar's own words as phrases) and a retrieval from a bank of the training scenes. On held-out scenes, none
of whose prompts has a cosine of 0.95 or more with a training prompt, it compares the best constant, each
member alone, the blend of `kaggle`, and blends with fitted weights. Those are cross-fitted: each scene is
scored with weights that were fitted without it.

About 90 minutes on two cores. Run again after a kill, it goes on where it was. All lies in one folder:

    train/, held-out/, run-N/        as pocket_regression.py leaves them
    features.npz                     of the training scenes, by the regression's own backbone
    bundle/pocket.toml               the bundle, and what it names beside it
    bundle/relatedness.json          Easy Diffuser's, fitted to and graded on two parts of held-out/
    predicted/                       the RUN of all members for the held-out scenes
    results.json, results.csv        the table; seconds.json: how long each step took

    unprompt predict IMAGES --bundle pocket-bundle/bundle/pocket.toml --out RUN
"""

from __future__ import annotations

import argparse
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from pocket_regression import (
    HELD_OUT_SEED,
    SETTINGS,
    TRAIN_SEED,
    Pairs,
    Way,
    compare,
    constant_way,
    embeddings_of,
    make_pairs,
    table_lines,
    train_once,
    write_rows,
)
from unprompt import __version__
from unprompt.bundle.bundles import bundles_folder
from unprompt.cli.options import StepBars
from unprompt.datasets.dataset import Dataset, read_dataset
from unprompt.datasets.pixels import Pixels, images_fingerprint, open_pixels
from unprompt.easy_diffuser.config import POCKET, FitConfig
from unprompt.easy_diffuser.fit import fit
from unprompt.easy_diffuser.relatedness import write_relatedness
from unprompt.easy_diffuser.session import RELATEDNESS
from unprompt.ensemble.blend import blend
from unprompt.ensemble.fit_weights import agreement, best_weights, cross_fitted
from unprompt.ensemble.score import cosines
from unprompt.errors import InputError, UnpromptError
from unprompt.learning import train_captioner as captioning
from unprompt.learning import train_clip as clipping
from unprompt.learning.frozen_stages import frozen_stages, open_activations
from unprompt.learning.locked_tower import LockedTower
from unprompt.learning.train_captioner import CaptionerTraining, train_captioner
from unprompt.learning.train_clip import ClipTraining, image_features, train_clip
from unprompt.members import bank as banks
from unprompt.networks.checkpoints import cache_folder
from unprompt.networks.clip import Clip
from unprompt.networks.minilm import encoder_identity
from unprompt.networks.preprocess import Preprocess
from unprompt.pocket.interrogation import caption_of, phrase_lists
from unprompt.regression.checkpoint import MODEL_FILE, locked_tower
from unprompt.regression.config import TrainConfig
from unprompt.regression.train import RECORD as TRAINED
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
from unprompt.storage.toml_files import read_config

if TYPE_CHECKING:
    from unprompt.records import Embeddings, FloatArray

NAME = "pocket.toml"
GIVEN = {"regression": 0.55, "interrogator": 0.45}  # weights of the bundle `kaggle`
MEMBERS: Mapping[
    str, Mapping[str, Any]
] = {  # the prompts are those of the first that has any: the interrogator's
    "regression": {"kind": "regression", "checkpoint": "regression.safetensors"},
    "interrogator": {
        "kind": "interrogator",
        "checkpoint": "clip",
        "captioner": "captioner",
        "phrases": "phrases",
        "mode": "kaggle",
    },
    "retrieval": {"kind": "retrieval", "checkpoint": "clip", "bank": "bank"},
}


@dataclass(frozen=True)
class Recipe:
    """How much of what the bundle is made of."""

    out: Path
    regression: TrainConfig
    images: int = 100_000
    held_out: int = 1000
    clip: ClipTraining = field(default_factory=ClipTraining)
    captioner: CaptionerTraining = field(default_factory=CaptionerTraining)

    @property
    def bundle(self) -> Path:
        """The folder of the bundle and what it names."""
        return self.out / "bundle"

    @property
    def run(self) -> Path:
        """The regression's RUN."""
        return self.out / f"run-{self.images}"


# --- what is done, and how long it took


def is_current(made: Path, *sources: Path) -> bool:
    """Whether a file is there and none of its sources is newer, as `make` sees it."""
    return made.exists() and all(source.stat().st_mtime <= made.stat().st_mtime for source in sources)


def is_trained(record: Path, config: ClipTraining | CaptionerTraining, *sources: Path) -> bool:
    """Whether a training is finished, with these settings and from these sources."""
    return is_current(record, *sources) and read_json(record)["config"] == config.deciding()


@contextmanager
def timed(out: Path, step: str) -> Iterator[None]:
    """Add the block's seconds to the step's in seconds.json, also where it ends in an error or a Ctrl-C."""
    path = out / "seconds.json"
    start = time.monotonic()
    try:
        yield
    finally:
        known = read_json(path) if path.exists() else {}
        write_json(path, {**known, step: known.get(step, 0.0) + time.monotonic() - start})


# --- the parts of the bundle


def pixels_of(dataset: Dataset, size: int, bars: StepBars) -> Pixels:
    """Images at a size, decoded where there is room: the array that the regression was trained with."""
    return open_pixels(
        dataset,
        Preprocess(size),
        "auto",
        cache_folder() / "pixels",
        lambda done, total: bars.show("decoding", done, total),
    )


def make_features(recipe: Recipe, known: Dataset, tower: LockedTower) -> FloatArray:
    """What the regression's backbone makes of the training scenes, (N, d)."""
    path = recipe.out / "features.npz"
    if not is_current(path, recipe.run / TRAINED):
        with timed(recipe.out, "features"), StepBars("image") as bars:
            pixels, config, stages = pixels_of(known, tower.preprocess.size, bars), recipe.regression, 0
            if config.keep_frozen:  # then training has left what the first stages make
                stages = frozen_stages(tower.name, tower.network, config.freeze)
                pixels = open_activations(
                    pixels,
                    images_fingerprint(known, tower.preprocess),
                    tower.network,
                    stages,
                    tower.preprocess,
                    cache_folder() / "pixels",
                    workers=0,
                    progress=lambda done, total: bars.show("frozen stages", done, total),
                )
            features = tower.features(
                pixels, progress=lambda done, total: bars.show("features", done, total), stages=stages
            )
            write_arrays(path, features=features.astype(np.float16))
    found: FloatArray = read_arrays(path, ("features",))["features"].astype(np.float32)
    return found


def make_clip(recipe: Recipe, known: Dataset, tower: LockedTower, features: FloatArray) -> None:
    """BUNDLE/clip."""
    folder = recipe.bundle / "clip"
    if is_trained(folder / clipping.KIND.record, recipe.clip, recipe.out / "features.npz"):
        return
    with timed(recipe.out, "clip"), StepBars("pair") as bars:
        learnt = train_clip(
            tower,
            features,
            known.prompts.texts,
            folder,
            recipe.clip,
            overwrite=True,
            progress=lambda step, done, total: bars.show(f"CLIP, {step}", done, total),
        )
    print(f"CLIP: loss {learnt.loss:.3f} after {learnt.seconds / 60:.1f} minutes", flush=True)


def make_captioner(recipe: Recipe, known: Dataset, features: FloatArray) -> None:
    """BUNDLE/captioner, taught by the regression's features as well."""
    folder = recipe.bundle / "captioner"
    if is_trained(folder / captioning.KIND.record, recipe.captioner, recipe.out / "features.npz"):
        return
    with timed(recipe.out, "captioner"), StepBars("image") as bars:
        learnt = train_captioner(
            pixels_of(known, recipe.captioner.size, bars),
            [caption_of(prompt) for prompt in known.prompts.texts],
            folder,
            recipe.captioner,
            features,
            overwrite=True,
            progress=lambda step, done, total: bars.show(f"captioner, {step}", done, total),
        )
    print(f"captioner: loss {learnt.loss:.3f} after {learnt.seconds / 60:.1f} minutes", flush=True)


def make_bank(recipe: Recipe, known: Dataset, features: FloatArray) -> None:
    """BUNDLE/bank, as `unprompt bank` makes it, but of features that are there already."""
    folder = recipe.bundle / "bank"
    record = folder / banks.KIND.record
    if is_current(record, recipe.bundle / "clip" / clipping.KIND.record):
        return
    with timed(recipe.out, "bank"):
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
            record,
            {"unprompt": __version__, "images": len(bank), "clip": bank.clip, "encoder": bank.encoder},
        )


def make_phrases(recipe: Recipe) -> None:
    """BUNDLE/phrases: the lists of the grammar's words."""
    for kind, phrases in phrase_lists().items():
        path = recipe.bundle / "phrases" / f"{kind}.txt"
        content = "".join(f"{phrase}\n" for phrase in phrases).encode()
        if not path.exists() or path.read_bytes() != content:
            write_bytes(path, content)


def make_relatedness(recipe: Recipe, held_out: Pairs, say: Callable[[str], None]) -> None:
    """BUNDLE/relatedness.json, from its CLIP and the grammar's nouns; none where nothing is learnt."""
    path = recipe.bundle / RELATEDNESS
    if not is_current(path, recipe.bundle / "clip" / clipping.KIND.record):
        path.unlink(missing_ok=True)
        config = FitConfig(bundle=str(recipe.bundle / NAME), device="cpu", tags=POCKET)
        with timed(recipe.out, "relatedness"), StepBars("image") as bars:
            try:
                fitted = fit(held_out.dataset, config, bars.show)
            except InputError as error:
                say(f"no relatedness for Easy Diffuser: {error}")
                return
            write_relatedness(path, fitted.relatedness, asdict(fitted.grade))
    say(f"relatedness of tags for Easy Diffuser: AUC {read_json(path)['held_out']['auc']:.3f}")


def bundle_text(weight_by_member: Mapping[str, float]) -> str:
    """A bundle's TOML; members without a weight have 0, and so only show what they can do alone."""
    lines = [
        "# Made by `make pocket` on pocket scenes; it knows no other pictures.",
        'name = "pocket"',
        'description = "the bundle kaggle in small, trained on pocket scenes"',
    ]
    for name, settings in MEMBERS.items():
        lines += ["", "[[members]]", f'name = "{name}"', f"weight = {weight_by_member.get(name, 0.0):.4g}"]
        lines += [f'{key} = "{value}"' for key, value in settings.items()]
    return "\n".join(lines) + "\n"


# --- the score


def predict_once(recipe: Recipe, held_out: Pairs) -> dict[str, Embeddings]:
    """What each member makes of the held-out scenes, by its name."""
    out, plain = recipe.out / "predicted", recipe.bundle / "plain.toml"
    text = bundle_text(GIVEN).encode()
    if not plain.exists() or plain.read_bytes() != text:
        write_bytes(plain, text)
    records = [
        plain,
        recipe.bundle / "regression.safetensors",
        recipe.bundle / "clip" / clipping.KIND.record,
        recipe.bundle / "captioner" / captioning.KIND.record,
        recipe.bundle / "bank" / banks.KIND.record,
        *(recipe.bundle / "phrases" / f"{kind}.txt" for kind in phrase_lists()),
    ]
    if not is_current(out / "run.json", *records):
        with timed(recipe.out, "predicting"), StepBars("image") as bars:
            predict(
                held_out.dataset,
                out,
                PredictConfig(bundle=str(plain), overwrite=True),
                truth=held_out.prompts,
                progress=lambda done, total: bars.show("predicting", done, total),
            )
    return {name: read_embeddings(out / "members" / f"{name}.npz") for name in MEMBERS}


def ways(
    guesses: Mapping[str, Embeddings], known: Dataset, truth: Embeddings
) -> tuple[list[Way], dict[str, dict[str, float]]]:
    """The table's rows, the last one the fitted blend of all members; and the weights of the fitted ones.

    The weights given back are fitted to all of the truth, those that score a scene to the other scenes.
    """
    rows = [constant_way(known, truth)]
    for name in ("interrogator", "retrieval", "regression"):
        rows.append(Way(f"{name} alone", cosines(guesses[name].at(truth.ids).vectors, truth.vectors)))
    blended = blend([guesses[name] for name in GIVEN], list(GIVEN.values())).at(truth.ids)
    rows.append(Way("0.45 interrogator, 0.55 regression", cosines(blended.vectors, truth.vectors)))
    fitted = {}
    for label, names in (("regression and interrogator", tuple(GIVEN)), ("all three", tuple(MEMBERS))):
        images = agreement([guesses[name] for name in names], truth)
        rows.append(Way(f"fitted weights, {label}", cross_fitted(images)))
        fitted[label] = dict(zip(names, best_weights(images).tolist(), strict=True))
    return rows, fitted


def best_member(rows: Sequence[Way]) -> Way:
    """The member that scores highest alone."""
    return max(
        (way for way in rows if way.name.endswith(" alone")), key=lambda way: float(way.similarities.mean())
    )


def run(recipe: Recipe, say: Callable[[str], None] = print) -> dict[str, Any]:
    """Do what is not done yet, then write and print the results; what results.json holds."""
    out, bundle = recipe.out, recipe.bundle
    with timed(out, "scenes"):
        train = make_pairs(out / "train", recipe.images, TRAIN_SEED)
        held_out = make_pairs(out / "held-out", recipe.held_out, HELD_OUT_SEED, (train.prompts,))
    with timed(out, "regression"):
        train_once(train.dataset, recipe.run, recipe.regression, overwrite=True)
    regression = bundle / "regression.safetensors"
    if not is_current(regression, recipe.run / TRAINED):
        write_bytes(regression, (recipe.run / MODEL_FILE).read_bytes())
    known, new = read_dataset(train.dataset), read_dataset(held_out.dataset)
    tower = locked_tower(regression)
    features = make_features(recipe, known, tower)
    make_clip(recipe, known, tower, features)
    make_captioner(recipe, known, features)
    make_bank(recipe, known, features)
    make_phrases(recipe)

    truth = embeddings_of(new)
    rows, fitted = ways(predict_once(recipe, held_out), known, truth)
    write_bytes(bundle / NAME, bundle_text(fitted["all three"]).encode())
    *others, ours = rows
    table = compare(ours, others)
    best = best_member(rows)
    beats = next(row for row in table if row["way"] == best.name)["gain_low"] > 0
    write_rows(out / "results.csv", table)
    results = {
        "training_images": recipe.images,
        "held_out_images": len(truth),
        "ways": table,
        "best_member": best.name,
        "beats_best_member": beats,
        "weights": fitted,
        "seconds": read_json(out / "seconds.json"),
        "threads": torch.get_num_threads(),
        "clip": asdict(recipe.clip),
        "captioner": asdict(recipe.captioner),
        "regression": recipe.regression.as_dict(),
        "versions": installed_versions(),
    }
    write_json(out / "results.json", results)
    minutes = sum(results["seconds"].values()) / 60
    say(
        f"{len(truth):,} held-out pocket scenes; {recipe.images:,} to learn from; "
        f"{minutes:.0f} minutes in all"
    )
    say("\n".join(table_lines(table)))
    for label, weights in fitted.items():
        say(f"weights, {label}: " + ", ".join(f"{name} {weight:.3f}" for name, weight in weights.items()))
    verdict = "beats" if beats else "does not surely beat"
    say(f"the fitted blend of all three {verdict} its best member, {best.name}")
    make_relatedness(recipe, held_out, say)
    say(f"bundle   {bundle / NAME}\nresults  {out / 'results.json'}")
    return results


def install(recipe: Recipe) -> Path:
    """Copy the bundle to where `unprompt predict --bundle pocket` looks for it; its TOML file goes last."""
    target = bundles_folder() / "pocket"
    (target / NAME).unlink(missing_ok=True)
    shutil.copytree(recipe.bundle, target, ignore=shutil.ignore_patterns(NAME, ".work"), dirs_exist_ok=True)
    write_bytes(target / NAME, (recipe.bundle / NAME).read_bytes())
    return target / NAME


def main() -> None:
    """Parse and run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--out", type=Path, default=Path("pocket-bundle"), metavar="FOLDER")
    parser.add_argument(
        "--images", type=int, default=100_000, metavar="N", help="to train with (%(default)s)"
    )
    parser.add_argument("--held-out", type=int, default=1000, metavar="N", help="to score on (%(default)s)")
    parser.add_argument("--config", type=Path, default=SETTINGS, metavar="TOML", help="of the regression")
    parser.add_argument("--clip", type=Path, metavar="TOML", help="settings of the CLIP")
    parser.add_argument("--captioner", type=Path, metavar="TOML", help="settings of the captioner")
    parser.add_argument("--install", action="store_true", help="for `unprompt predict --bundle pocket`")
    options = parser.parse_args()
    try:
        if options.held_out < 2:
            raise InputError(f"weights need at least 2 held-out images, got {options.held_out}")
        recipe = Recipe(
            out=options.out,
            images=options.images,
            held_out=options.held_out,
            regression=TrainConfig(**read_config(options.config, TrainConfig)),
            clip=ClipTraining(**(read_config(options.clip, ClipTraining) if options.clip else {})),
            captioner=CaptionerTraining(
                **(read_config(options.captioner, CaptionerTraining) if options.captioner else {})
            ),
        )
        run(recipe)
        if options.install:
            print(f"installed {install(recipe)}")
    except UnpromptError as error:
        raise SystemExit(f"pocket_bundle: {error}") from None


if __name__ == "__main__":
    main()
