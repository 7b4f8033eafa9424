"""The interrogator beside clip-interrogator 0.6.0: tables of phrases, and images a second in each mode.

Both have the same CLIP (random weights), phrases, captions and image files, and two cores; each runs in a
process of its own, so that memory can be compared. Times of images count from the file to the prompt. Prompts
are compared where both made them: with random weights many phrases are equally near, so a few may differ.

`--clip small` is a CLIP of 2 layers and width 64, with all 111,836 phrases; `--clip ViT-B-32` has real
sizes, and takes the first `--phrases` of each list, or all of them with `--lent-tables`: encoding them takes
clip-interrogator hours, so both get tables of random rows, which are ranked as fast as any. Targets: tables 8
times as fast; classic and fast 10 times (ViT-B-32: 3 times, and 0.8 of the bare image tower's rate), best and
negative 10 times; memory no larger.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from timing import median_seconds, record

MODES = ("classic", "fast", "best", "negative")
LISTS = ("artists", "flavors", "mediums", "movements", "negative")
CAPTION = "a small bird that sits on a wooden fence in front of a house"
SIDE = 512  # pixels of the image files
BATCH = 32  # images that ours ranks together
SMALL_WIDTH = 64
SMALL = {
    "embed_dim": SMALL_WIDTH,
    "vision_cfg": {"image_size": 224, "layers": 2, "width": 64, "head_width": 16, "patch_size": 32},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 4, "layers": 2},
}
TARGETS = {
    "small": {"tables": 8.0, "classic": 10.0, "fast": 10.0, "best": 10.0, "negative": 10.0},
    "ViT-B-32": {"tables": 8.0, "classic": 3.0, "fast": 3.0, "best": 10.0, "negative": 10.0},
}


# --- what both get


def write_images(folder: Path, count: int) -> None:
    """Smooth pictures of chance, as PNG files."""
    dice = np.random.default_rng(0)
    for number in range(count):
        coarse = Image.fromarray(dice.integers(0, 256, (9, 9, 3), dtype=np.uint8))
        coarse.resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(folder / f"{number:04d}.png")


def write_lists(folder: Path, most: int) -> None:
    """clip-interrogator's lists, or the first `most` phrases of each."""
    from unprompt.storage.packages import package_folder

    package = package_folder("clip_interrogator")
    assert package is not None
    for name in LISTS:
        text = (package / "data" / f"{name}.txt").read_text(encoding="utf-8")
        if most:  # without doubles, which a user's own list cannot have in ours
            text = "\n".join([*dict.fromkeys(filter(None, map(str.strip, text.splitlines())))][:most])
        (folder / f"{name}.txt").write_text(text, encoding="utf-8")


def write_tables(folder: Path, width: int) -> None:
    """Random rows for all phrases of all lists, in clip-interrogator's cache format."""
    import torch
    from safetensors.numpy import save_file

    from unprompt.interrogator.config import KINDS
    from unprompt.interrogator.vocabulary import read_vocabulary

    torch.manual_seed(0)
    for kind, phrases in read_vocabulary(KINDS).items():
        rows = torch.nn.functional.normalize(torch.randn(len(phrases), width), dim=1)
        key = hashlib.sha256(",".join(phrases).encode()).hexdigest()
        record = {"embeds": rows.half().numpy(), "hash": np.frombuffer(key.encode(), np.int8)}
        save_file(record, folder / f"ViT-B-32_none_{kind}.safetensors")


def read_tables(folder: Path) -> dict[str, Any]:
    """The lent tables as ours."""
    import torch
    from safetensors.numpy import load_file

    from unprompt.interrogator.config import KINDS
    from unprompt.interrogator.tables import Table
    from unprompt.interrogator.vocabulary import read_vocabulary

    return {
        kind: Table(
            kind,
            phrases,
            torch.from_numpy(load_file(folder / f"ViT-B-32_none_{kind}.safetensors")["embeds"]).float(),
        )
        for kind, phrases in read_vocabulary(KINDS).items()
    }


def make_clip(name: str) -> Any:
    """The same random weights in every process; larger than usual, so that images differ."""
    import open_clip
    import torch

    torch.manual_seed(0)
    settings = SMALL if name == "small" else {}
    model = open_clip.create_model("ViT-B-32", load_weights=False, **settings).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(2)
    return model


# --- each side, in its own process


def measure_theirs(work: Path, clip: str, images: int, chains: int, shortened: bool) -> dict[str, Any]:
    """clip-interrogator, one image after the other as it has it."""
    from clip_interrogator import Config, Interrogator
    from open_clip.transform import PreprocessCfg, image_transform_v2

    model = make_clip(clip)
    config = Config(
        clip_model_name="ViT-B-32/none",
        caption_model_name=None,
        cache_path=str(work / "lent") if (work / "lent").exists() else None,
        download_cache=False,
        data_path=str(work / "lists"),
        device="cpu",
        quiet=True,
    )
    config.clip_model = model
    config.clip_preprocess = image_transform_v2(PreprocessCfg(**model.visual.preprocess_cfg), is_train=False)
    start = time.perf_counter()
    ci = Interrogator(config)
    found: dict[str, Any] = {"tables": time.perf_counter() - start, "prompts": {}}
    ways = {
        "classic": lambda image: ci.interrogate_classic(image, caption=CAPTION),
        "fast": lambda image: ci.interrogate_fast(image, caption=CAPTION),
        "best": lambda image: ci.interrogate(image, caption=CAPTION),
        "negative": ci.interrogate_negative,
    }
    paths = sorted((work / "images").glob("*.png"))
    for mode in MODES:
        count = chains if mode in ("best", "negative") else images
        if not count:
            continue
        prompts = []
        start = time.perf_counter()
        for path in paths[:count]:
            with Image.open(path) as opened:
                prompts.append(ways[mode](opened.convert("RGB")))
        found[mode] = count / (time.perf_counter() - start)
        found["prompts"][mode] = prompts
    found["megabytes"] = peak_megabytes()
    return found


def peak_megabytes() -> float:
    """The most memory that this process had at a time."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure_ours(work: Path, clip: str, images: int, chains: int, shortened: bool) -> dict[str, Any]:
    """unprompt, from files to prompts by its pipeline of two workers; its own way to the lists if whole."""
    from unprompt.interrogator.config import KINDS, InterrogatorConfig
    from unprompt.interrogator.cores import cores_for
    from unprompt.interrogator.modes import Interrogator
    from unprompt.interrogator.tables import build_tables
    from unprompt.interrogator.vocabulary import OwnLists, read_vocabulary
    from unprompt.networks.clip import Clip
    from unprompt.networks.devices import core_count
    from unprompt.networks.pipeline import gather, open_pipeline
    from unprompt.storage.images import find_images

    backbone = Clip.of(make_clip(clip))
    start = time.perf_counter()
    own = OwnLists({name: work / "lists" / f"{name}.txt" for name in LISTS}) if shortened else OwnLists()
    lent = (work / "lent").exists()
    tables = read_tables(work / "lent") if lent else build_tables(backbone.texts, read_vocabulary(KINDS, own))
    found: dict[str, Any] = {"tables": time.perf_counter() - start, "prompts": {}}
    files = find_images(work / "images")
    for mode in MODES:
        count = chains if mode in ("best", "negative") else images
        if not count:
            continue
        interrogator = Interrogator(backbone.texts, tables, InterrogatorConfig(mode=mode, exact=True))
        prompts: list[str] = []
        with open_pipeline(core_count(), "cpu") as pipeline:
            start = time.perf_counter()
            chunks = [
                pipeline.submit(files[first : min(first + BATCH, count)], [backbone])
                for first in range(0, count, BATCH)
            ]
            for chunk in chunks:
                features = gather(chunk).features[backbone.name]
                with cores_for(interrogator):
                    done = interrogator.prompts(features, [CAPTION] * len(features), measured=False)
                prompts += [one.prompt for one in done]
            found[mode] = count / (time.perf_counter() - start)
        found["prompts"][mode] = prompts
    found["tower"] = bare_tower_rate(backbone, work / "images", images)
    found["megabytes"] = peak_megabytes()  # before the count, which encodes all over again
    if not lent:
        found["floors"] = floors(backbone, tables, files, chains)
    return found


def floors(backbone: Any, tables: Any, files: Any, chains: int) -> dict[str, tuple[float, float]]:
    """Seconds that an exact answer alone would take: its products, and its other steps.

    For the tables, and for an image in the modes with chains: keys, values, queries and the two-layer network
    of each distinct beginning of a text, once, and what its attention reads, at the speed of large matrix
    products; norms, activations, sums and softmax, each at the speed of its function on large arrays.
    Nothing for splitting texts, finding their beginnings and moving keys and values.
    """
    from unprompt.interrogator.config import InterrogatorConfig
    from unprompt.interrogator.modes import Interrogator
    from unprompt.storage.images import read_file

    counted = count_work(backbone.texts)
    speeds = work_speeds(backbone.texts)

    def seconds(times: int = 1) -> tuple[float, float]:
        spent = {step: counted.pop(step) / speeds[step] / times for step in list(counted)}
        return spent.pop("product"), sum(spent.values())

    found = {}
    for table in tables.values():
        backbone.texts.encode(table.phrases)
    found["tables"] = seconds()
    if chains:
        images = [read_file(file) for file in files[:chains]]
        features = backbone.features([backbone.prepare(image) for image in images])
        for mode in ("best", "negative"):
            interrogator = Interrogator(backbone.texts, tables, InterrogatorConfig(mode=mode, exact=True))
            interrogator.prompts(features, [CAPTION] * len(features))
            found[mode] = seconds(chains)
    return found


def count_work(texts: Any) -> Counter[str]:
    """What is counted from now on: operations in products, and numbers that go through other steps."""
    tower = texts._causal
    evaluated, counted = tower._evaluated, Counter[str]()
    width, layers = tower.embedding.embedding_dim, len(tower._layers)

    def counting(prefix: Any, trie: Any) -> Any:
        nodes, ends = len(trie.ids), len(np.unique(trie.leaves))
        asked = (layers - 1) * nodes + ends  # queries in all layers
        read = layers * float((trie.depths + 1 + len(prefix.ids)).sum())  # keys that they are compared with
        products = 2 * layers * nodes + 10 * asked  # of W x W, for one token
        counted["product"] += 2 * products * width**2 + 4 * read * width
        counted["norm"] += (layers * nodes + asked + ends) * width
        counted["activation"] += 4 * asked * width
        counted["sum"] += (nodes + 2 * asked) * width
        counted["softmax"] += read * tower._layers[0].attn.num_heads
        return evaluated(prefix, trie)

    tower._evaluated = counting
    return counted


def work_speeds(texts: Any) -> dict[str, float]:
    """Operations a second of a product the size of a layer's largest, numbers a second of other steps."""
    import torch
    from torch.nn import functional as F

    width = texts._causal.embedding.embedding_dim
    left, right, wide = torch.randn(8192, width), torch.randn(width, 4 * width), torch.randn(8192, 4 * width)
    steps = {
        "product": (lambda: torch.mm(left, right), 2 * wide.numel() * width),
        "norm": (lambda: F.layer_norm(left, (width,)), left.numel()),
        "activation": (lambda: F.gelu(wide), wide.numel()),
        "sum": (lambda: left + left, left.numel()),
        "softmax": (lambda: left.softmax(1), left.numel()),
    }
    with torch.inference_mode():
        return {step: count / median_seconds(work, repeats=9) for step, (work, count) in steps.items()}


def bare_tower_rate(backbone: Any, folder: Path, count: int) -> float:
    """Images a second of the model's own encode_image on prepared images, with all cores."""
    import torch

    prepared = []
    for path in sorted(folder.glob("*.png"))[:BATCH]:
        with Image.open(path) as opened:
            prepared.append(backbone.prepare(opened.convert("RGB")))
    pixels = backbone.pixels(prepared)
    rates = []
    with torch.inference_mode():
        for _ in range(5):
            start = time.perf_counter()
            backbone._model.encode_image(pixels)
            rates.append(len(pixels) / (time.perf_counter() - start))
    return float(np.median(rates[1:]))


def child(options: argparse.Namespace) -> None:
    """Measure one side and print JSON."""
    warnings.filterwarnings("ignore")
    side = measure_theirs if options.side == "theirs" else measure_ours
    found = side(options.work, options.clip, options.images, options.chains, bool(options.phrases))
    (options.work / f"{options.side}.json").write_text(json.dumps(found))


# --- both, side by side


def run(side: str, work: Path, images: int, options: argparse.Namespace) -> dict[str, Any]:
    """One side in a process of its own, its cache in the scratch folder."""
    command = [sys.executable, __file__, "--side", side, "--work", str(work), "--clip", options.clip]
    command += ["--images", str(images), "--chains", str(options.chains), "--phrases", str(options.phrases)]
    environment = {**os.environ, "XDG_CACHE_HOME": str(work / "cache"), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, env=environment, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"{side} failed:\n{done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads((work / f"{side}.json").read_text())
    return found


def medians(found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One side's measurements over all turns: medians of numbers, all else of the first turn."""
    first = found[0]
    return {
        name: statistics.median(one[name] for one in found) if isinstance(value, float) else value
        for name, value in first.items()
    }


def costs(found: Sequence[dict[str, Any]], what: str) -> list[float]:
    """One side's seconds for the tables, or for an image in a mode, in each turn."""
    return [one[what] if what == "tables" else 1 / one[what] for one in found]


def compare(options: argparse.Namespace) -> None:
    """Run both and print ratios."""
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        for name in ("images", "lists"):
            (work / name).mkdir()
        write_images(work / "images", options.images)
        write_lists(work / "lists", options.phrases)
        if options.lent_tables:
            (work / "lent").mkdir()
            write_tables(work / "lent", SMALL_WIDTH if options.clip == "small" else 512)
        their_turns, our_turns = [], []
        for _ in range(options.repeats):
            their_turns.append(run("theirs", work, options.reference_images, options))
            our_turns.append(run("ours", work, options.images, options))
    theirs, ours = medians(their_turns), medians(our_turns)
    targets = TARGETS[options.clip]
    print(f"CLIP {options.clip}, {options.phrases or 'all'} phrases a list")
    print(f"{'':10} {'clip-interrogator':>18} {'unprompt':>12} {'ratio':>7} {'target':>7}")
    rows = []
    if not options.lent_tables:
        rows.append(("tables, s", theirs["tables"], ours["tables"], theirs["tables"] / ours["tables"], ""))
    for mode in MODES:
        if mode in ours and mode in theirs:
            pairs = list(zip(ours["prompts"][mode], theirs["prompts"][mode], strict=False))
            same = f"{sum(a == b for a, b in pairs)} of {len(pairs)} prompts the same"
            rows.append((f"{mode}, i/s", theirs[mode], ours[mode], ours[mode] / theirs[mode], same))
    for name, their, our, ratio, note in rows:
        target = targets[name.split(",")[0]]
        print(f"{name:13} {their:15.3f} {our:12.3f} {ratio:7.1f} {target:7.0f}   {note}")
        if options.repeats > 1:
            what = name.split(",")[0]
            compared = f"interrogator {options.clip}, {what} / clip-interrogator"
            record(compared, costs(our_turns, what), costs(their_turns, what))
    shares = ", ".join(f"{mode} {ours[mode] / ours['tower']:.2f}" for mode in ("classic", "fast"))
    print(f"bare image tower {ours['tower']:.1f} images/s; of it have: {shares}")
    for name, (products, others) in ours.get("floors", {}).items():
        taken = ours["tables"] if name == "tables" else 1 / ours[name]
        steps = products + others
        print(f"{name:10} {taken:9.2f} s; its products alone {products:.2f} s: {taken / products:.1f} times")
        print(f"{'':10} with norms, activations, sums and softmax {steps:.2f} s: {taken / steps:.1f} times")
    print(f"peak memory {theirs['megabytes']:.0f} MB beside {ours['megabytes']:.0f} MB")


def main() -> None:
    """Parse and run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--clip", choices=tuple(TARGETS), default="small")
    parser.add_argument("--phrases", type=int, default=0, metavar="N", help="of each list (all)")
    parser.add_argument("--lent-tables", action="store_true", help="do not encode phrases, rank random rows")
    parser.add_argument("--images", type=int, default=256, metavar="N", help="for ours (%(default)s)")
    parser.add_argument(
        "--reference-images", type=int, default=16, metavar="N", help="of these, for theirs (%(default)s)"
    )
    parser.add_argument(
        "--chains", type=int, default=2, metavar="N", help="in best and negative (%(default)s)"
    )
    parser.add_argument("--repeats", type=int, default=2, metavar="N", help="turns of both (%(default)s)")
    parser.add_argument("--side", choices=("ours", "theirs"), help=argparse.SUPPRESS)
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    child(options) if options.side else compare(options)


if __name__ == "__main__":
    main()
