"""Rehearse the Kaggle submission: notebook 03, in a fresh environment, from the built wheels alone, offline.

A scratch folder stands at /kaggle, with the competition's files and the data sets attached. The notebook
runs twice, as it does on Kaggle: on seven images, and in the hidden rerun, whose images, ids and sample
submission are others. Each time the submission is checked. Run `make kaggle` first.

Kaggle's image is imitated: the fresh environment sees those installed packages that unprompt-wheels/
kaggle-image.txt names, and what they need, in the versions that are installed here. pip installs the rest.

Where Linux name spaces may be made (`unshare`), the notebook runs in its own: /kaggle is the scratch folder,
and there is no network. Elsewhere variables point to the folder, and it is said that less is proved.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import jupytext
import nbformat
import numpy as np
import polars as pl
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpecManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "datasets_meta"))

from build_wheels import DATA_SET, IMAGE_FILE, Image, name_of  # noqa: E402

from unprompt.errors import RunError, UnpromptError  # noqa: E402
from unprompt.networks.checkpoints import locate  # noqa: E402
from unprompt.pocket.draw import draw_scene  # noqa: E402
from unprompt.pocket.samples import SIZE, sample_scenes  # noqa: E402
from unprompt.records import DIM, Embeddings, Prompts  # noqa: E402
from unprompt.runs.kaggle import COMPETITION  # noqa: E402
from unprompt.storage.files import read_json, write_bytes, write_json, write_prompts  # noqa: E402
from unprompt.storage.images import encode_png, find_images  # noqa: E402
from unprompt.storage.submission import write_submission  # noqa: E402

NOTEBOOK = ROOT / "notebooks" / "03_submission.ipynb"
ATTACHED = ("all-minilm-l6-v2", "efficientnet-lite2")  # checkpoints that installed packages carry
PUBLIC, HIDDEN = 7, 500  # images
UNIT_TOLERANCE = 1e-3
CELL_SECONDS = 3600
BUNDLE_DATA_SET = "unprompt-bundle"
# Makes a root of its own, of links to the real one's folders, where $1 stands at /kaggle; then runs the rest.
IN_OWN_ROOT = """
set -e
tree=$1; shift
root=$tree/root
mkdir -p "$root"
mount -t tmpfs none "$root"
for entry in /*; do
    if [ -L "$entry" ]; then cp -P "$entry" "$root/"
    elif [ -d "$entry" ] && [ "$entry" != /kaggle ]; then
        mkdir "$root$entry"
        mount --rbind "$entry" "$root$entry"
    fi
done
mkdir "$root/kaggle"
mount --rbind "$tree" "$root/kaggle"
exec chroot "$root" sh -c 'cd /kaggle/working && exec "$@"' sh "$@"
"""


# --- what lies under /kaggle


def draw_images(folder: Path, count: int, seed: int) -> Prompts:
    """Draw scenes of the pocket world as PNG files named as the competition names its images."""
    dice = random.Random(seed)
    ids = tuple(f"{dice.getrandbits(36):09x}" for _ in range(count))
    scenes = sample_scenes(count, seed)
    for number, (image_id, scene) in enumerate(zip(ids, scenes, strict=True)):
        write_bytes(folder / f"{image_id}.png", encode_png(draw_scene(scene, number, SIZE)))
    return Prompts(ids, tuple(scene.prompt for scene in scenes))


def write_sample(path: Path, ids: Iterable[str], seed: int) -> None:
    """Write a sample submission of arbitrary vectors, its images in an order that is not the ids'."""
    shuffled = sorted(ids)
    random.Random(seed).shuffle(shuffled)
    vectors = np.zeros((len(shuffled), DIM), dtype=np.float32)
    vectors[:, 0] = 1
    write_submission(path, Embeddings(tuple(shuffled), vectors))


def attach_data_sets(inputs: Path, bundle: Path | None) -> None:
    """Link the wheels, small checkpoints and the folder of a bundle of one's own into /kaggle/input."""
    (inputs / DATA_SET.name).symlink_to(DATA_SET)
    for name in ATTACHED:
        found = locate(name)
        (inputs / found.checkpoint.data_set).symlink_to(found.folder.resolve())
    if bundle is not None:
        (inputs / BUNDLE_DATA_SET).symlink_to(bundle.parent.resolve())


# --- the environment


def packages_like(image: Image, wheels: Sequence[Path]) -> dict[str, Distribution]:
    """The installed packages that the image has and those that they need, but none that a wheel brings."""
    brought = {"pip", *(name_of(wheel) for wheel in wheels)}
    found: dict[str, Distribution] = {}
    queue = [(name, "") for name in image.versions]  # names and, of each, an extra
    done = set(queue)
    while queue:
        name, extra = queue.pop()
        if name in brought:
            continue
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:  # the image has it and this environment has not: one help less
            continue
        for need in map(Requirement, found[name].requires or ()):
            if need.marker is None or need.marker.evaluate({"extra": extra}):
                new = {(canonicalize_name(need.name), asked) for asked in ("", *need.extras)} - done
                queue += new
                done |= new
    return found


def link_packages(folder: Path, packages: Iterable[Distribution]) -> None:
    """Fill a folder with links to what installed packages have in site-packages."""
    folder.mkdir()
    for package in packages:
        tops = {file.parts[0] for file in package.files or ()} - {"..", "__pycache__"}
        for top in tops:
            if not (folder / top).exists():
                (folder / top).symlink_to(Path(str(package.locate_file(top))).resolve())


def fresh_environment(folder: Path, image: Path) -> Path:
    """Make a virtual environment that sees the packages in `image` beside its own; its Python."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    # Before Python 3.12 an old setuptools comes with pip, and would hide the image's.
    subprocess.run([python, "-m", "pip", "uninstall", "--quiet", "--yes", "setuptools"], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "kaggle-image.pth").write_text(f"{image}\n", encoding="utf-8")
    return python


def own_packages(environment: Path) -> list[str]:
    """What pip has installed into a fresh environment."""
    found = environment.glob("lib/python*/site-packages/*.dist-info")
    return sorted(path.name.split("-")[0] for path in found if not path.name.startswith("pip-"))


# --- the run


@dataclass(frozen=True)
class Stage:
    """Where the notebook runs: `tree` has input/ and working/, as /kaggle has."""

    tree: Path
    apart: bool  # in name spaces of its own

    def command(self, *command: str) -> list[str]:
        """A command as it is run on this stage."""
        if not self.apart:
            return list(command)
        return [*unshare(), "sh", "-c", IN_OWN_ROOT, "sh", str(self.tree), *command]

    def environment(self, python: Path) -> dict[str, str]:
        """Environment variables: nothing of the user's, no pip settings, no caches."""
        paths = (str(python.parent), "/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin")
        home = str(self.tree / "home")
        variables = {"PATH": os.pathsep.join(paths), "HOME": home, "LANG": "C.UTF-8"}
        if not self.apart:
            inputs = self.tree / "input"
            variables |= {
                "UNPROMPT_KAGGLE_INPUT": str(inputs),
                "PIP_FIND_LINKS": str(inputs / DATA_SET.name),
            }
        return variables


def unshare() -> list[str]:
    """The command that starts another one in name spaces of its own, as their root and without a network."""
    return ["unshare", "--user", "--map-root-user", "--mount", "--net"]


def may_unshare() -> bool:
    """Whether this system lets its user make name spaces."""
    if shutil.which("unshare") is None:
        return False
    return subprocess.run([*unshare(), "true"], capture_output=True, check=False).returncode == 0


def network_error(stage: Stage, python: Path) -> str:
    """Why no connection can be made on a stage, or "" where one can."""
    program = "import socket; socket.create_connection(('1.1.1.1', 443), timeout=5)"
    run = subprocess.run(
        stage.command(str(python), "-c", program), capture_output=True, text=True, check=False
    )
    return run.stderr.strip().rsplit("\n", 1)[-1]


def execute(stage: Stage, python: Path, bundle: str) -> None:
    """Run the notebook on a stage. Raises RunError where a cell does, with what was printed before."""
    notebook = jupytext.read(NOTEBOOK)
    if bundle:  # as papermill does it
        tags = [cell.metadata.get("tags", ()) for cell in notebook.cells]
        (place,) = (number for number, given in enumerate(tags) if "parameters" in given)
        notebook.cells.insert(place + 1, nbformat.v4.new_code_cell(f"bundle = {bundle!r}"))
    kernels = stage.tree / "kernels"
    launch = stage.command(str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}")
    spec = {"argv": launch, "display_name": "Kaggle", "language": "python"}
    write_json(kernels / "kaggle" / "kernel.json", spec)
    manager = AsyncKernelManager(
        kernel_name="kaggle",
        kernel_spec_manager=KernelSpecManager(kernel_dirs=[str(kernels)]),
        transport="ipc",  # there is no loopback device without a network
        ip=str(stage.tree / "ipc"),
        connection_file=str(stage.tree / "connection.json"),
    )
    client = NotebookClient(notebook, km=manager, timeout=CELL_SECONDS, startup_timeout=300)
    working = str(stage.tree / "working")
    try:
        client.execute(cleanup_kc=True, cwd=working, env=stage.environment(python))
    except CellExecutionError as error:
        raise RunError(
            f"a cell of {NOTEBOOK.name} raised {error.ename}: {error.evalue}\n{printed(notebook)}"
        ) from error


def printed(notebook: Any) -> str:
    """What the cells of an executed notebook printed: pip's complaints, which raise nothing, among it."""
    outputs = (output for cell in notebook.cells for output in cell.get("outputs", ()))
    return "".join(output.text for output in outputs if output.output_type == "stream")


def complaints(submission: Path, sample: Path) -> list[str]:
    """What is wrong with a submission that should have a sample's rows, not by unprompt's own reader."""
    if not submission.is_file():
        return [f"there is no {submission}"]
    texts = {"imgId_eId": pl.String}
    given, wanted = (pl.read_csv(path, schema_overrides=texts) for path in (submission, sample))
    if given.columns != ["imgId_eId", "val"]:
        return [f"its header is {','.join(given.columns)}"]
    if given.height != wanted.height:
        return [f"it has {given.height:,} rows, the sample {wanted.height:,}"]
    other = int((given["imgId_eId"] != wanted["imgId_eId"]).sum())
    values = given["val"].cast(pl.Float64, strict=False).to_numpy()
    broken = int((~np.isfinite(values)).sum())
    lengths = np.linalg.norm(np.nan_to_num(values).reshape(-1, DIM), axis=1)
    uneven = int((np.abs(lengths - 1) > UNIT_TOLERANCE).sum())
    counts = (
        (other, "rows are of another id than the sample's"),
        (broken, "values are no finite numbers"),
        (uneven, "images have a vector that is not of unit length"),
    )
    return [f"{count:,} {what}" for count, what in counts if count]


def rehearse(name: str, stage: Stage, image: Path, bundle: str) -> list[str]:
    """Run the notebook in an environment made for it, check what it leaves, and tell; what pip installed."""
    start = time.perf_counter()
    environment = stage.tree.parent / f"environment-{name}"
    working = stage.tree / "working"
    for folder in (working, stage.tree / "home"):  # each run begins with nothing, no cache either
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    python = fresh_environment(environment, image)
    execute(stage, python, bundle)
    competition = stage.tree / "input" / COMPETITION
    found = complaints(working / "submission.csv", competition / "sample_submission.csv")
    if found:
        raise RunError(f"{name} run: the submission is wrong: {'; '.join(found)}")
    installed = own_packages(environment)
    if "unprompt" not in installed:
        raise RunError(f"{name} run: unprompt was not installed from a wheel, only {', '.join(installed)}")
    record = read_json(working / "RUN" / "run.json")
    images = len(find_images(competition / "images"))
    print(
        f"{name} run: {images} images by the bundle {record['bundle']['name']} in "
        f"{time.perf_counter() - start:.0f} s, environment and all; {images * DIM:,} rows, the sample's ids "
        "in its order, all finite, all of unit length",
        flush=True,
    )
    return installed


def dry_run(scratch: Path, images: Path | None, hidden: int, bundle: Path | None) -> None:
    """Make everything in `scratch`, rehearse both runs, and print what that proved."""
    wheels = sorted(DATA_SET.glob("*.whl"))
    if not any(name_of(wheel) == "unprompt" for wheel in wheels):
        raise RunError(f"{DATA_SET.relative_to(ROOT)} has no wheel of unprompt; run `make kaggle` first")
    stage = Stage(scratch / "kaggle", may_unshare())
    competition = stage.tree / "input" / COMPETITION
    competition.mkdir(parents=True)
    attach_data_sets(stage.tree / "input", bundle)
    inside = Path("/kaggle") if stage.apart else stage.tree
    bundle_inside = str(inside / "input" / BUNDLE_DATA_SET / bundle.name) if bundle else ""

    image = Image.read(IMAGE_FILE)
    packages = packages_like(image, wheels)
    link_packages(scratch / "image", packages.values())
    print(
        f"the image: {len(packages)} installed packages, by {IMAGE_FILE.name} and what they need", flush=True
    )

    if images is None:
        write_prompts(competition / "prompts.csv", draw_images(competition / "images", PUBLIC, seed=1))
    else:
        shutil.copytree(images, competition / "images")
    ids = [file.image_id for file in find_images(competition / "images")]
    write_sample(competition / "sample_submission.csv", ids, seed=1)
    installed = rehearse("public", stage, scratch / "image", bundle_inside)

    shutil.rmtree(competition / "images")  # prompts.csv stays and fits no more, as on Kaggle
    ids = list(draw_images(competition / "images", hidden, seed=2).ids)
    write_sample(competition / "sample_submission.csv", ids, seed=2)
    rehearse("hidden", stage, scratch / "image", bundle_inside)

    print(f"installed with --no-index from {len(wheels)} wheels: {', '.join(installed)}")
    why = network_error(stage, Path(sys.executable))
    print(f"no network: {why}" if why else "NOT proved: that it needs no network, which was within reach")
    if not stage.apart:
        print("NOT proved: that all lies at /kaggle; without name spaces, variables stood in for it")


def main() -> int:
    """Parse, rehearse, tidy up."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path, help="folder of the public run's images (default: drawn ones)")
    parser.add_argument("--hidden", type=int, default=HIDDEN, help="images of the hidden rerun (%(default)s)")
    parser.add_argument("--bundle", type=Path, help="a bundle's .toml; its folder is attached as a data set")
    parser.add_argument("--keep", type=Path, help="an empty folder to work in, and to leave everything in")
    arguments = parser.parse_args()
    try:
        if arguments.keep:
            arguments.keep.mkdir(parents=True, exist_ok=True)
            dry_run(arguments.keep.resolve(), arguments.images, arguments.hidden, arguments.bundle)
        else:
            with tempfile.TemporaryDirectory(prefix="kaggle-") as scratch:
                dry_run(Path(scratch), arguments.images, arguments.hidden, arguments.bundle)
    except UnpromptError as error:
        print(f"dry run: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
