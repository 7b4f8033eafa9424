"""The pocket world's regression member from nothing: prompts, images, training, and its score on new scenes.

Beside it, on the same 1,000 held-out scenes: the best constant vector of the training prompts, and ridge
regression on the frozen backbone's features of the same training images. No held-out prompt has a cosine of
0.95 or more with a training prompt. Targets: 0.25 above the constant, 0.05 above the ridge.

Run again after a kill, it goes on where it was; what is done is not done again. All lies in one folder:

    train/, held-out/     prompt lists, and the DATASET rendered from list.csv
    run-N/, predicted-N/  training with N images, and its guesses for the held-out ones
    features/             of the frozen backbone
    results.json, results.csv, and with --curve: curve.csv, curve.png
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict, replace
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from tqdm import tqdm

from unprompt.cli.train import describe_epoch
from unprompt.datasets.batches import batches
from unprompt.datasets.dataset import Dataset, read_dataset
from unprompt.datasets.pixels import open_pixels
from unprompt.ensemble.score import cosines, score
from unprompt.errors import ConfigError, UnpromptError
from unprompt.learning.curves import GREEN, GREY, ORANGE, drawn, label_ends, tidy
from unprompt.networks.backbones import own_preprocess
from unprompt.networks.checkpoints import cache_folder
from unprompt.networks.devices import choose_device
from unprompt.progress import StepBars
from unprompt.recipes.comparison import Way, compare, constant_way, table_lines, write_rows
from unprompt.recipes.scenes import HELD_OUT_SEED, TRAIN_SEED, Scenes, embeddings_of, train_once
from unprompt.records import Embeddings
from unprompt.regression import train as training
from unprompt.regression.config import MachineConfig, TrainConfig
from unprompt.regression.material import read_material
from unprompt.regression.model import new_model
from unprompt.regression.probe import fit_ridge
from unprompt.runs.config import PredictConfig
from unprompt.runs.outputs import installed_versions
from unprompt.runs.predict import predict
from unprompt.storage.files import read_arrays, write_arrays, write_json
from unprompt.storage.submission import read_submission
from unprompt.storage.toml_files import read_config

if TYPE_CHECKING:
    from unprompt.records import FloatArray

SETTINGS = Path(str(files("unprompt") / "data" / "pocket" / "regression.toml"))
RENDER_WORKERS = 2
LOOK_BATCH = 64  # images through the frozen backbone at once
ABOVE_CONSTANT, ABOVE_RIDGE = 0.25, 0.05  # targets


# --- the data


# --- training and prediction


def predict_once(run: Path, predicted: Path, held_out: Scenes) -> Embeddings:
    """The guesses of a run's bundle for the held-out images, made anew where the run is newer."""
    record = predicted / "run.json"
    if not record.exists() or record.stat().st_mtime < (run / training.RECORD).stat().st_mtime:
        config = PredictConfig(bundle=str(run / "bundle.toml"), overwrite=True)
        with StepBars("image") as bars:
            predict(
                held_out.dataset,
                predicted,
                config,
                truth=held_out.prompts,
                progress=bars.show,
            )
    return read_submission(predicted / "submission.csv")


def measure_curve(
    sizes: Sequence[int],
    images: int,
    config: TrainConfig,
    out: Path,
    train: Scenes,
    held_out: Scenes,
    overwrite: bool,
) -> list[dict[str, Any]]:
    """Train with each number of images, all of them last, and score the held-out ones; a row for each."""
    truth = embeddings_of(read_dataset(held_out.dataset))
    rows = []
    for size in sizes:
        print(f"training with {size:,} images", flush=True)
        run = out / f"run-{size}"
        limited = replace(config, limit=size if size < images else 0)
        with StepBars("image") as bars:
            record = train_once(
                train.dataset,
                run,
                limited,
                overwrite,
                bars.show,
                lambda scores: tqdm.write(describe_epoch(scores)),
            )
        graded = score(predict_once(run, out / f"predicted-{size}", held_out), truth)
        rows.append(
            {
                "images": record["images"]["train"],
                "score": graded.mean,
                "low": graded.low,
                "high": graded.high,
                "validation": record["best"]["validation"],
                "minutes": record["seconds"] / 60,
            }
        )
    return rows


# --- what it is compared with


def ridge_way(train: Dataset, held_out: Dataset, config: TrainConfig, size: int, folder: Path) -> Way:
    """Ridge regression on the frozen backbone's features; its strength is the best on validation rows."""
    preprocess = own_preprocess(config.backbone, size)
    assert isinstance(train.path, Path)  # it lies on this machine
    with StepBars("image") as bars:
        material = read_material(train.path, preprocess, config, MachineConfig(decoded="no"), bars.show)
        seen, unseen = (
            frozen_features(
                dataset, replace(config, size=size), folder / f"{name}-{config.backbone}-{size}.npz", bars
            )
            for name, dataset in (("train", train), ("held-out", held_out))
        )
    targets = torch.from_numpy(material.targets)
    ridge = fit_ridge(
        seen[material.train],
        targets[material.train],
        seen[material.validation],
        targets[material.validation],
    )
    guess = unseen @ ridge.weight.T + ridge.bias
    similarities = cosines(guess.numpy(), embeddings_of(held_out).vectors)
    return Way(f"ridge on frozen features, {size} px", similarities, ABOVE_RIDGE)


def frozen_features(dataset: Dataset, config: TrainConfig, path: Path, bars: StepBars) -> torch.Tensor:
    """What the backbone gives before any training, (N, d), kept in `path`."""
    if not path.exists():
        device = choose_device("auto")
        network = new_model(replace(config, head="linear")).eval().to(device)
        preprocess = network.spec.preprocess
        # Each image is needed once, and in order, which makes a decoded copy of them all a waste.
        pixels = open_pixels(dataset, preprocess, "no", cache_folder())
        plan = np.split(np.arange(len(dataset)), range(LOOK_BATCH, len(dataset), LOOK_BATCH))
        found: list[FloatArray] = []
        with torch.inference_mode():
            for rows, images in batches(pixels, plan, workers=0):
                found.append(network.features(preprocess.normalise(images.to(device))).cpu().numpy())
                bars.show(f"features of {path.stem}", int(rows[-1]) + 1, len(dataset))
        write_arrays(path, features=np.concatenate(found))
    return torch.from_numpy(read_arrays(path, ("features",))["features"])


# --- results


def plot_curve(path: Path, curve: Sequence[dict[str, Any]], others: Sequence[Way]) -> None:
    """Draw the held-out score against the number of training images, and the other ways with all of them."""
    with drawn(path, 9, 5) as figure:
        axes = figure.subplots()
        images = [row["images"] for row in curve]
        ends = {}
        for way, colour in zip(others, [GREY] + [GREEN] * len(others), strict=False):
            mean = float(way.similarities.mean())
            axes.axhline(mean, ls="--", lw=1.2, color=colour, zorder=1)
            ends[f"{way.name.split(' of ')[0]} {mean:.3f}"] = (mean, colour)
        axes.fill_between(
            images,
            [row["low"] for row in curve],
            [row["high"] for row in curve],
            color=ORANGE,
            alpha=0.15,
            lw=0,
        )
        scores = [row["score"] for row in curve]
        axes.plot(images, scores, color=ORANGE, marker="o", ms=5)
        ends[f"fine-tuned {scores[-1]:.3f}"] = (scores[-1], ORANGE)
        axes.set_title(
            "held-out score (band: 95% interval; dashed: learnt from all images)", loc="left", fontsize=11
        )
        axes.set_xlabel("training images")
        axes.set_ylabel("mean cosine")
        axes.set_xscale("log")
        axes.set_xticks(images, [f"{count:,}" for count in images])
        axes.minorticks_off()
        tidy(axes)
        label_ends(axes, ends)


def run(options: argparse.Namespace) -> None:
    """Do what is not done yet, then write and print the results."""
    config = TrainConfig(**read_config(options.config, TrainConfig))
    if options.curve and max(options.curve) > options.images:
        raise ConfigError(f"--curve asks for {max(options.curve):,} images, --images is {options.images:,}")
    out = options.out
    train = Scenes(out / "train", options.images, TRAIN_SEED)
    held_out = Scenes(out / "held-out", options.held_out, HELD_OUT_SEED)
    with StepBars("image") as bars:
        train.write_list(progress=bars.show)
        held_out.write_list((train.prompts,), bars.show)
        for scenes in (train, held_out):
            scenes.draw(RENDER_WORKERS, bars.show)
    sizes = sorted({*options.curve, options.images})
    curve = measure_curve(sizes, options.images, config, out, train, held_out, options.overwrite)

    known, new = read_dataset(train.dataset), read_dataset(held_out.dataset)
    truth = embeddings_of(new)
    guesses = read_submission(out / f"predicted-{options.images}" / "submission.csv").at(truth.ids)
    ours = Way(f"{config.backbone}, fine-tuned", cosines(guesses.vectors, truth.vectors))
    own_size = own_preprocess(config.backbone, config.size).size
    others = [constant_way(known, truth, ABOVE_CONSTANT)] + [
        ridge_way(known, new, config, size, out / "features")
        for size in dict.fromkeys((own_size, *options.ridge_size))
    ]
    rows = compare(ours, others)
    write_rows(out / "results.csv", rows)
    last = curve[-1]
    write_json(
        out / "results.json",
        {
            "training_images": last["images"],
            "held_out_images": len(truth),
            "minutes": last["minutes"],
            "validation": last["validation"],
            "ways": rows,
            "curve": curve,
            "settings": {**asdict(config), "weights": str(config.weights) if config.weights else None},
            "threads": torch.get_num_threads(),
            "versions": installed_versions(),
        },
    )
    print(
        f"{len(truth):,} held-out pocket scenes; trained on {last['images']:,} in {last['minutes']:.1f} "
        f"minutes (validation score {last['validation']:.4f})"
    )
    print("\n".join(table_lines(rows)))
    if len(curve) > 1:
        write_rows(out / "curve.csv", curve)
        plot_curve(out / "curve.png", curve, others)
        for row in curve:
            print(
                f"{row['images']:>8,} images  {row['score']:.4f}  {row['low']:.4f} to {row['high']:.4f}  "
                f"{row['minutes']:.1f} minutes"
            )
    print(f"results  {out / 'results.json'}")


def main() -> None:
    """Parse and run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--out", type=Path, default=Path("pocket-regression"), metavar="FOLDER")
    parser.add_argument(
        "--images", type=int, default=100_000, metavar="N", help="to train with (%(default)s)"
    )
    parser.add_argument("--held-out", type=int, default=1000, metavar="N", help="to score on (%(default)s)")
    parser.add_argument(
        "--curve", type=int, nargs="+", default=[], metavar="N", help="train with so many images, too"
    )
    parser.add_argument(
        "--ridge-size", type=int, nargs="+", default=[], metavar="PIXELS", help="also a ridge at this size"
    )
    parser.add_argument(
        "--config", type=Path, default=SETTINGS, metavar="TOML", help="settings of the training"
    )
    parser.add_argument("--overwrite", action="store_true", help="train anew where settings have changed")
    try:
        run(parser.parse_args())
    except UnpromptError as error:
        raise SystemExit(f"pocket_regression: {error}") from None


if __name__ == "__main__":
    main()
