"""One page about this machine: versions, devices, checkpoints, disk, and how long a run will take."""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from unprompt import __version__
from unprompt.bundle.bundles import load_members, read_bundle
from unprompt.ensemble.members import distinct_backbones, guess_from
from unprompt.errors import CheckpointError, RunError
from unprompt.networks.checkpoints import Checkpoint, Found, known_checkpoints, locate
from unprompt.networks.devices import choose_device, core_count
from unprompt.networks.loader import Loader
from unprompt.networks.pipeline import gather, open_pipeline
from unprompt.progress import Progress, silent
from unprompt.records import DIM
from unprompt.runs.outputs import installed_versions
from unprompt.storage.images import ImageFile
from unprompt.storage.packages import extras, missing_from, needed_for
from unprompt.text.english import agreed, counted

FOR_USERS = ("lite", "interrogate", "generate", "train", "pages", "app", "serve", "cluster", "remote")
EXTRA = "lite"  # the default bundle's
TRIAL_IMAGES = 48
SUBMISSION_ROW = 27  # bytes of one row, measured on ids of nine characters
MEMBER_ROW = 4 * DIM + 40  # bytes an image in members/NAME.npz


@dataclass(frozen=True)
class CheckpointState:
    """A declared checkpoint, and where it is, or None."""

    checkpoint: Checkpoint
    found: Found | None

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "name": self.checkpoint.name,
            "used_by": list(self.checkpoint.used_by),
            "role": self.checkpoint.role,
            "folder": str(self.found.folder) if self.found else None,
            "place": self.found.place if self.found else None,
            "files": [
                {"file": file.name, "size": file.size, "sha256": file.sha256, "licence": file.licence}
                for file in self.checkpoint.files
            ],
        }


def checkpoint_states() -> list[CheckpointState]:
    """All declared checkpoints and whether each is there."""
    states = []
    for name, checkpoint in known_checkpoints().items():
        try:
            states.append(CheckpointState(checkpoint, locate(name)))
        except CheckpointError:
            states.append(CheckpointState(checkpoint, None))
    return states


@dataclass(frozen=True)
class Findings:
    """What `doctor` found. Seconds are measured on a trial of this machine, None where it cannot run."""

    versions: dict[str, str]
    system: str
    cores: int
    device: str
    extras: dict[str, list[str]]  # by extra, the packages of it that are missing
    checkpoints: list[CheckpointState]
    free_bytes: int
    needed_bytes: int
    out: Path
    bundle: str
    images: int
    load_seconds: float | None
    image_seconds: float | None
    trouble: str | None

    @property
    def run_seconds(self) -> float | None:
        """Estimated time of the planned run."""
        if self.load_seconds is None or self.image_seconds is None:
            return None
        return self.load_seconds + self.images * self.image_seconds

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "unprompt": __version__,
            "versions": self.versions,
            "system": self.system,
            "cores": self.cores,
            "device": self.device,
            "extras": self.extras,
            "checkpoints": [state.as_dict() for state in self.checkpoints],
            "free_bytes": self.free_bytes,
            "needed_bytes": self.needed_bytes,
            "bundle": self.bundle,
            "images": self.images,
            "load_seconds": self.load_seconds,
            "image_seconds": self.image_seconds,
            "run_seconds": self.run_seconds,
            "trouble": self.trouble,
        }

    def lines(self) -> list[str]:
        """For people."""
        return [*self.machine_lines(), *self.run_lines()]

    def machine_lines(self) -> list[str]:
        """What is known before the trial."""
        lines = [f"unprompt {__version__} on {self.system}", "", "versions"]
        lines += [f"  {name:<24}{text}" for name, text in self.versions.items()]
        lines += ["", "device", f"  {self.device}, {counted(self.cores, 'core')}"]
        if self.extras:
            lines += ["", "extras"]
        for extra, missing in self.extras.items():
            lacks = f"pip install 'unprompt[{extra}]'  (lacks {', '.join(missing)})"
            lines.append(f"  {extra:<24}{lacks if missing else 'installed'}")
        lines += ["", "checkpoints"]
        for state in self.checkpoints:
            where = f"{state.found.place}" if state.found else "not found"
            lines.append(f"  {state.checkpoint.name:<24}{where}  (for {', '.join(state.checkpoint.used_by)})")
        lines += [
            "",
            f"disk at {self.out.resolve()}",
            f"  {self.free_bytes / 1e9:.1f} GB free, {counted(self.images, 'image')} "
            f"{agreed(self.images, 'need')} about {self.needed_bytes / 1e9:.2f} GB",
        ]
        if self.free_bytes < self.needed_bytes:
            lines.append("  not enough disk for that run")
        return lines

    def run_lines(self) -> list[str]:
        """What the trial told."""
        lines = ["", f"{counted(self.images, 'image')} with the bundle '{self.bundle}'"]
        if self.run_seconds is None:
            lines.append(f"  cannot run: {self.trouble}")
        else:
            assert self.load_seconds is not None
            assert self.image_seconds is not None
            lines.append(
                f"  about {_duration(self.run_seconds)}: {self.load_seconds:.1f} s to load, then "
                f"{1 / self.image_seconds:.3g} images/s (measured now on {TRIAL_IMAGES} images of 512 x 512)"
            )
        return lines


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def examine(
    bundle: str,
    images: int,
    out: Path,
    tell: Callable[[list[str]], None] = lambda lines: None,
    progress: Progress = silent,
) -> Findings:
    """Look at the machine and try the bundle on a few images.

    `tell` is given `machine_lines` as soon as they are known, before the trial; `progress` is told how far
    that is.
    """
    spec = read_bundle(bundle)
    device, trouble = "unknown", None
    try:
        with needed_for(f"the bundle '{bundle}'", EXTRA):
            device = choose_device("auto")
    except (CheckpointError, RunError) as error:
        trouble = str(error)
    place = next(folder for folder in (out, *out.resolve().parents) if folder.exists())
    found = Findings(
        versions=installed_versions(),
        system=f"{platform.system()} {platform.machine()}",
        cores=core_count(),
        device=device,
        extras={extra: missing_from(packages) for extra, packages in extras().items() if extra in FOR_USERS},
        checkpoints=checkpoint_states(),
        free_bytes=shutil.disk_usage(place).free,
        needed_bytes=images * (DIM * SUBMISSION_ROW + 2 * len(spec.members) * MEMBER_ROW),
        out=place,
        bundle=bundle,
        images=images,
        load_seconds=None,
        image_seconds=None,
        trouble=trouble,
    )
    tell(found.machine_lines())
    if trouble is not None:
        return found
    try:
        with needed_for(f"the bundle '{bundle}'", EXTRA):
            load_seconds, image_seconds = _try(bundle, device, progress)
    except (CheckpointError, RunError) as error:
        return replace(found, trouble=str(error))
    return replace(found, load_seconds=load_seconds, image_seconds=image_seconds)


def _try(bundle: str, device: str, progress: Progress) -> tuple[float, float]:
    """Seconds to load the bundle and seconds an image, on noise pictures written for the purpose.

    Raises CheckpointError where it cannot be loaded, or cannot look at one of them, and RunError where there
    is not enough memory for that.
    """
    from PIL import Image

    progress("loading models", 0, 0)
    load_members(read_bundle(bundle), Loader(device))  # imports, and tables that are made only once
    start = time.perf_counter()
    members = load_members(read_bundle(bundle), Loader(device))
    loaded = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for number in range(TRIAL_IMAGES):
            progress("making trial pictures", number, TRIAL_IMAGES)
            path = Path(folder) / f"{number}.png"
            noise = Image.frombytes("RGB", (64, 64), os.urandom(64 * 64 * 3))
            noise.resize((512, 512), Image.Resampling.BICUBIC).save(path)
            files.append(ImageFile(path.stem, path))
        backbones = distinct_backbones(members)
        with open_pipeline(core_count(), device) as pipeline:
            done, chunks = 0, (files[:8], files)  # the first only warms up
            total = sum(map(len, chunks))
            for chunk in chunks:
                progress("measuring", done, total)
                begun = time.perf_counter()
                futures = pipeline.submit(chunk, backbones)
                for future in futures:
                    done += len(future.result().problems)
                    progress("measuring", done, total)
                seen = gather(futures)
                if problem := next(filter(None, seen.problems), None):
                    raise CheckpointError(f"a trial picture: {problem}")
                for member in members:
                    guess_from(member, seen.features)
                took = time.perf_counter() - begun
    return loaded - start, took / TRIAL_IMAGES
