"""A bundle at full size with random weights: does it load and run, how fast, with how much memory?

The bundle is `kaggle`, or with --bundle that of a laptop, `clip`.

The real checkpoints need not be at hand. Networks of the real architectures are made here, with random
weights that are drawn as for training, and written in the real files' formats, names and layouts into a
folder that stands at /kaggle/input: ViT-B/16 as a timm state dict, CLIP ViT-H-14 as open_clip's .bin,
BLIP-large as Salesforce's .pth; CLIP ViT-L-14 as open_clip's safetensors, BLIP-base as transformers' folder.
MiniLM's folder is the real one. Then each is loaded, and `unprompt predict` runs.

Each step is a process of its own, so that its peak memory is its own; files mapped into memory count. Needs
7 GB of disk. Prints a table, and the numbers as JSON, which --keep leaves as drill.json beside all files.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from unprompt.errors import RunError, UnpromptError
from unprompt.interrogator.vocabulary import package_entries
from unprompt.networks.blip_names import COUNTER, salesforce_name
from unprompt.networks.checkpoints import declared, locate
from unprompt.pocket.samples import write_scenes
from unprompt.storage.files import read_json, write_json
from unprompt.storage.submission import read_submission

VIT, CLIP, BLIP, MINILM = "vit-b16-regression", "clip-vit-h-14", "blip-large", "all-minilm-l6-v2"
CLIP_L, BLIP_BASE = "clip-vit-l-14", "blip-base"
OPENAI = "ViT-L-14-quickgelu"  # open_clip's name of CLIP_L
KINDS = ("mediums", "movements", "flavors")  # the lists that the mode kaggle reads
PHRASES = 60  # of each list
SCENES = 7  # as many as the competition has public images
BLIP_LARGE = {  # Salesforce's configs/caption_coco.yaml and med_config.json
    "vision_config": {
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "image_size": 384,
        "patch_size": 16,
    },
    "text_config": {"encoder_hidden_size": 1024, "num_attention_heads": 12, "vocab_size": 30524},
}
BLIP_SMALL = {  # the config.json of Salesforce/blip-image-captioning-base, as far as sizes go
    "vision_config": {
        "hidden_size": 768,
        "intermediate_size": 3072,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "image_size": 384,
        "patch_size": 16,
    },
    "text_config": {"encoder_hidden_size": 768, "num_attention_heads": 12, "vocab_size": 30524},
}
KAGGLE = """name = "kaggle-drill"

[[members]]
name = "regression"
kind = "regression"
weight = 0.55
checkpoint = "input/{vit}"

[[members]]
name = "interrogator"
kind = "interrogator"
weight = 0.45
checkpoint = "input/{clip}"
captioner = "input/{blip}"
mode = "kaggle"
phrases = "phrases"
"""
LAPTOP = """name = "clip-drill"

[[members]]
name = "interrogator"
kind = "interrogator"
weight = 1.0
checkpoint = "input/{clip}"
clip = "{openai}"
captioner = "input/{blip}"
mode = "kaggle"
phrases = "phrases"
"""


@dataclass(frozen=True)
class Step:
    """One process: what it did, its time with all imports, its greatest resident memory, its file."""

    name: str
    seconds: float  # wall time
    cpu_seconds: float  # of all cores, which other work on the machine changes little
    peak_gib: float
    file_gib: float | None = None

    def line(self) -> str:
        """For people."""
        times = f"{self.seconds:7.1f} s, {self.cpu_seconds:7.1f} s of CPU"
        file = "" if self.file_gib is None else f", file {self.file_gib:.2f} GiB"
        return f"{self.name:26} {times}, {self.peak_gib:5.2f} GiB{file}"


def data_set(folder: Path, name: str) -> Path:
    """Where a checkpoint's data set is mounted in the made-up tree."""
    return folder / "input" / declared(name).data_set


def checkpoint_file(folder: Path, name: str) -> Path:
    """The file that a checkpoint has there."""
    return data_set(folder, name) / declared(name).main_file.name


@dataclass(frozen=True)
class Drilled:
    """A bundle that is drilled: its file's text, and the checkpoints that it takes."""

    text: str
    checkpoints: tuple[str, ...]

    def written(self) -> str:
        """The text, with its checkpoints' folders."""
        keys = {VIT: "vit", CLIP: "clip", BLIP: "blip", CLIP_L: "clip", BLIP_BASE: "blip", MINILM: "minilm"}
        folders = {keys[name]: declared(name).data_set for name in self.checkpoints}
        return self.text.format(**folders, openai=OPENAI)


BUNDLES: Mapping[str, Drilled] = {
    "kaggle": Drilled(KAGGLE, (VIT, CLIP, BLIP, MINILM)),
    "clip": Drilled(LAPTOP, (CLIP_L, BLIP_BASE, MINILM)),
}


# --- writing


def write_vit(folder: Path) -> None:
    """timm's ViT-B/16 with 384 outputs as a plain state dict."""
    import timm
    import torch

    network = timm.create_model("vit_base_patch16_224", num_classes=384)
    torch.save(network.state_dict(), checkpoint_file(folder, VIT))


def write_clip(folder: Path) -> None:
    """open_clip's ViT-H-14 in float32, 986 million parameters."""
    import open_clip
    import torch

    network = open_clip.create_model("ViT-H-14", load_weights=False, precision="fp32")
    torch.save(network.state_dict(), checkpoint_file(folder, CLIP))


def write_blip(folder: Path) -> None:
    """BLIP-large under Salesforce's names, wrapped as Salesforce's trainer does, and BERT's vocabulary."""
    import torch
    from transformers import BlipConfig, BlipForConditionalGeneration

    network = BlipForConditionalGeneration(BlipConfig(**BLIP_LARGE))
    state = {salesforce_name(name): tensor for name, tensor in network.state_dict().items()}
    state[COUNTER] = torch.arange(network.config.text_config.max_position_embeddings)[None]
    torch.save({"model": state}, checkpoint_file(folder, BLIP))
    shutil.copy(locate(MINILM).folder / "vocab.txt", data_set(folder, BLIP))


def write_clip_l(folder: Path) -> None:
    """open_clip's ViT-L-14 in float32 as safetensors, 428 million parameters."""
    import open_clip
    from safetensors.torch import save_file

    network = open_clip.create_model(OPENAI, load_weights=False, precision="fp32")
    save_file(network.state_dict(), checkpoint_file(folder, CLIP_L))


def write_blip_base(folder: Path) -> None:
    """BLIP-base as transformers' folder with a pytorch_model.bin, and BERT's vocabulary as its tokenizer."""
    import torch
    from transformers import BertTokenizerFast, BlipConfig, BlipForConditionalGeneration, BlipImageProcessor

    target = data_set(folder, BLIP_BASE)
    network = BlipForConditionalGeneration(BlipConfig(**BLIP_SMALL))
    network.config.save_pretrained(target)
    torch.save(network.state_dict(), checkpoint_file(folder, BLIP_BASE))
    BlipImageProcessor(size={"height": 384, "width": 384}).save_pretrained(target)
    BertTokenizerFast.from_pretrained(str(locate(MINILM).folder)).save_pretrained(target)


def copy_minilm(folder: Path) -> None:
    """The real MiniLM, from where it is found."""
    found = locate(MINILM)
    for file in found.files:
        target = data_set(folder, MINILM) / file.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(found.folder / file.name, target)


def write_small_files(folder: Path, bundle: str) -> None:
    """The bundle's TOML and its short lists of phrases."""
    (folder / f"{bundle}-drill.toml").write_text(BUNDLES[bundle].written(), encoding="utf-8")
    (folder / "phrases").mkdir(exist_ok=True)
    for kind in KINDS:
        entries = list(dict.fromkeys(filter(None, package_entries(kind))))[:PHRASES]
        (folder / "phrases" / f"{kind}.txt").write_text("\n".join(entries) + "\n", encoding="utf-8")


# --- loading


def load_vit(folder: Path) -> None:
    """The regression member's network."""
    from unprompt.members.regression import RegressionConfig, Regressor

    Regressor.load(device(), data_set(folder, VIT), RegressionConfig())


def load_clip(folder: Path) -> None:
    """The interrogator's CLIP."""
    from unprompt.networks.clip import Clip

    Clip.load(device(), checkpoint=data_set(folder, CLIP))


def load_blip(folder: Path) -> None:
    """The interrogator's captioner."""
    from unprompt.networks.captioner import Captioner

    Captioner.load(device(), data_set(folder, BLIP))


def load_clip_l(folder: Path) -> None:
    """The interrogator's CLIP in the bundle clip."""
    from unprompt.networks.clip import Clip

    Clip.load(device(), OPENAI, data_set(folder, CLIP_L))


def load_blip_base(folder: Path) -> None:
    """The interrogator's captioner in the bundle clip."""
    from unprompt.networks.captioner import Captioner

    Captioner.load(device(), data_set(folder, BLIP_BASE))


def device() -> str:
    """The device that predict chooses."""
    from unprompt.networks.devices import choose_device

    return choose_device("auto")


WRITING: Mapping[str, Callable[[Path], None]] = {
    VIT: write_vit,
    CLIP: write_clip,
    BLIP: write_blip,
    CLIP_L: write_clip_l,
    BLIP_BASE: write_blip_base,
    MINILM: copy_minilm,
}
LOADING: Mapping[str, Callable[[Path], None]] = {
    VIT: load_vit,
    CLIP: load_clip,
    BLIP: load_blip,
    CLIP_L: load_clip_l,
    BLIP_BASE: load_blip_base,
}
STEPS: Mapping[str, Callable[[Path], None]] = {
    **{f"write {name}": work for name, work in WRITING.items()},
    **{f"load {name}": work for name, work in LOADING.items()},
}


# --- the drill


def measure(name: str, command: list[str], folder: Path) -> Step:
    """Run a command to its end, with the made-up tree at /kaggle/input. Raises RunError where it fails."""
    variables = {
        **os.environ,
        "UNPROMPT_KAGGLE_INPUT": str(folder / "input"),
        "XDG_CACHE_HOME": str(folder / "cache"),
        "HF_HUB_OFFLINE": "1",
    }
    start = time.perf_counter()
    process = os.posix_spawn(command[0], command, variables)
    _, status, usage = os.wait4(process, 0)
    if status:
        raise RunError(f"'{name}' ended with {os.waitstatus_to_exitcode(status)}; see above")
    cpu = usage.ru_utime + usage.ru_stime
    return Step(name, time.perf_counter() - start, cpu, usage.ru_maxrss / 2**20)  # Linux counts KiB


def drill(folder: Path, images: Path, drilled: str) -> list[Step]:
    """Write what is not there yet, load each, predict, and check what came out."""
    write_small_files(folder, drilled)
    steps = []
    for name in STEPS:
        kind, checkpoint = name.split()
        if checkpoint not in BUNDLES[drilled].checkpoints:
            continue
        path = checkpoint_file(folder, checkpoint)
        if kind == "write" and path.exists():
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, __file__, "--step", name, "--keep", str(folder)]
        steps.append(measure(name, command, folder))
        steps[-1] = replace(steps[-1], file_gib=path.stat().st_size / 2**30)
        print(steps[-1].line(), flush=True)
    bundle = folder / f"{drilled}-drill.toml"
    arguments = ["--bundle", str(bundle), "--out", str(folder / "RUN"), "--overwrite"]
    command = [sys.executable, "-m", "unprompt", "predict", str(images), *arguments]
    steps.append(measure("predict", command, folder))
    print(steps[-1].line(), flush=True)
    guesses = read_submission(folder / "RUN" / "submission.csv")
    full = read_json(folder / "RUN" / "run.json")["levels"]["full"]
    if len(guesses) != full:
        raise RunError(f"{full} of {len(guesses)} images were seen by all members")
    return steps


def main() -> int:
    """Parse, drill, and leave the numbers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", choices=BUNDLES, default="kaggle", help="which (kaggle)")
    parser.add_argument("--images", type=Path, help="folder of images to predict (default: drawn scenes)")
    parser.add_argument("--keep", type=Path, help="folder to work in, and to leave everything in")
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.step:
        STEPS[arguments.step](arguments.keep)
        return 0
    try:
        if arguments.keep:
            arguments.keep.mkdir(parents=True, exist_ok=True)
            report(arguments.keep.resolve(), arguments.images, arguments.bundle)
        else:
            with tempfile.TemporaryDirectory(prefix="kaggle-drill-") as folder:
                report(Path(folder), arguments.images, arguments.bundle)
    except UnpromptError as error:
        print(f"drill: {error}", file=sys.stderr)
        return 1
    return 0


def report(folder: Path, images: Path | None, bundle: str) -> None:
    """Drill, print the run's own record, and write drill.json."""
    if images is None:
        write_scenes(folder / "scenes", SCENES)
        images = folder / "scenes" / "images"
    steps = drill(folder, images, bundle)
    run = read_json(folder / "RUN" / "run.json")
    write_json(folder / "drill.json", {"steps": [asdict(step) for step in steps], "run": run})
    print((folder / "drill.json").read_text(encoding="utf-8"))


if __name__ == "__main__":
    sys.exit(main())
