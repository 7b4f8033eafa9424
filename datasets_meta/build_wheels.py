"""Build the Kaggle data set `unprompt-wheels`: our wheel, and those of its needs that Kaggle's image lacks.

What the image has is written in unprompt-wheels/kaggle-image.txt. The rest is downloaded for the image's
Python, and for the one that runs this, in the versions of constraints.txt. The folder is then ready for
`kaggle datasets create -p datasets_meta/unprompt-wheels`.
"""

from __future__ import annotations

import argparse
import hashlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from email.parser import BytesHeaderParser
from pathlib import Path, PurePosixPath

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
DATA_SET = HERE / "unprompt-wheels"
IMAGE_FILE = DATA_SET / "kaggle-image.txt"
HASHES = "SHA256SUMS"
NOTEBOOKS = ROOT / "notebooks"
OFFLINE = "03"  # the notebook that the competition runs without internet
PYTHON = "3.12"  # Kaggle's
GLIBC = 35  # the image has Ubuntu 22.04, with glibc 2.35
PLATFORMS = ("manylinux2014_x86_64", *(f"manylinux_2_{minor}_x86_64" for minor in range(17, GLIBC + 1)))
ON_LINUX = {
    "os_name": "posix",
    "sys_platform": "linux",
    "platform_system": "Linux",
    "platform_machine": "x86_64",
    "implementation_name": "cpython",
    "platform_python_implementation": "CPython",
}

Download = Callable[[Requirement], Path]


@dataclass(frozen=True)
class Image:
    """What Kaggle's image has: version by canonical name, "" where the version is not known."""

    versions: Mapping[str, str]

    @classmethod
    def read(cls, path: Path) -> Image:
        """Read lines as `pip freeze` writes them; `#` begins a comment, and a version may be missing."""
        versions = {}
        for line in path.read_text(encoding="utf-8").splitlines():
            text = line.split("#")[0].strip()
            if not text or text.startswith("-"):
                continue
            name, _, version = text.partition("==")
            versions[canonicalize_name(name.split("@")[0].strip())] = version.strip()
        return cls(versions)

    def satisfies(self, requirement: Requirement) -> bool:
        """Whether the image has the package, in a version that will do. A version not known will do."""
        version = self.versions.get(canonicalize_name(requirement.name))
        return version is not None and (not version or requirement.specifier.contains(version, True))


def applies(marker: Marker | None, extras: Iterable[str], python: str) -> bool:
    """Whether a requirement with this marker is one, for any of the extras, on Linux with a Python."""
    if marker is None:
        return True
    environment = {**ON_LINUX, "python_version": python, "python_full_version": f"{python}.0"}
    return any(marker.evaluate({**environment, "extra": extra}) for extra in ("", *extras))


def extras_of(number: str) -> frozenset[str]:
    """The extras that the first cell of a notebook installs."""
    (notebook,) = NOTEBOOKS.glob(f"{number}_*.py")
    (extras,) = re.findall(r"unprompt\[([\w,]+)\]", notebook.read_text(encoding="utf-8"))
    return frozenset(extras.split(","))


def notebook_numbers() -> list[str]:
    """The numbers that the notebooks' names begin with."""
    return sorted(path.name.partition("_")[0] for path in NOTEBOOKS.glob("*.py"))


def requirements_of(wheel: Path) -> list[Requirement]:
    """What a wheel's METADATA says that it requires, with markers."""
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        headers = BytesHeaderParser().parsebytes(archive.read(name))
    return [Requirement(text) for text in headers.get_all("Requires-Dist") or ()]


def lacking(
    requirements: Iterable[Requirement], extras: Iterable[str], image: Image, python: str
) -> list[Requirement]:
    """Those requirements that apply and that the image does not satisfy."""
    return [
        requirement
        for requirement in requirements
        if applies(requirement.marker, extras, python) and not image.satisfies(requirement)
    ]


def collect(ours: Path, extras: Iterable[str], image: Image, python: str, download: Download) -> list[Path]:
    """Download what `ours` and what is downloaded for it lack, each package once; the wheels' paths."""
    wheels = [ours]
    queue: list[tuple[Path, Iterable[str]]] = [(ours, extras)]
    done: set[tuple[str, frozenset[str]]] = set()
    while queue:
        wheel, asked = queue.pop(0)
        for requirement in lacking(requirements_of(wheel), asked, image, python):
            key = (canonicalize_name(requirement.name), frozenset(requirement.extras))
            if key in done:
                continue
            done.add(key)
            found = ours if name_of(ours) == key[0] else download(requirement)  # ours names itself in extras
            queue.append((found, requirement.extras))
            if found not in wheels:
                wheels.append(found)
    return wheels


def name_of(wheel: Path) -> str:
    """The canonical name of the package in a wheel."""
    return parse_wheel_filename(wheel.name)[0]


def build_ours(folder: Path) -> Path:
    """Build the wheel of this checkout."""
    _pip("wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT))
    (wheel,) = folder.glob("unprompt-*.whl")
    return wheel


def check_ours(wheel: Path, hidden: Iterable[str]) -> None:
    """Raise ValueError where our wheel would tell of the machine that built it, or unpack beside its place.

    `hidden`: texts that must not be in it.
    """
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            parts = PurePosixPath(name).parts
            if name.startswith("/") or ".." in parts or "__pycache__" in parts:
                raise ValueError(f"{wheel.name} holds {name}, which is no file of the package")
            content = archive.read(name)
            if told := [text for text in hidden if text.encode() in content]:
                raise ValueError(f"{wheel.name}: {name} tells of this machine ({told[0]})")


def write_hashes(folder: Path) -> Path:
    """Write SHA256SUMS of a folder's wheels, as `sha256sum --check` reads it."""
    lines = (
        f"{hashlib.sha256(wheel.read_bytes()).hexdigest()}  {wheel.name}\n"
        for wheel in sorted(folder.glob("*.whl"))
    )
    path = folder / HASHES
    path.write_text("".join(lines), encoding="utf-8")
    return path


def downloader(folder: Path, python: str) -> Download:
    """How to get one wheel for a Python on Linux, in the version of constraints.txt.

    From the package index, unless `folder` has it already in a form that suits any Python.
    """
    options = ["--only-binary=:all:", "--implementation=cp", f"--python-version={python}"]
    options += [f"--platform={platform}" for platform in PLATFORMS]

    def download(requirement: Requirement) -> Path:
        for wheel in folder.glob("*-none-any.whl"):
            if name_of(wheel) == canonicalize_name(requirement.name):
                return wheel
        wanted = f"{requirement.name}{requirement.specifier}"
        with tempfile.TemporaryDirectory() as scratch:
            _pip(
                *("download", "--quiet", "--no-deps", "--dest", scratch, *options),
                *("--constraint", str(ROOT / "constraints.txt"), wanted),
            )
            (wheel,) = Path(scratch).glob("*.whl")
            return Path(shutil.copy(wheel, folder / wheel.name))

    return download


def _pip(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "pip", *arguments], check=True)


def main() -> None:
    """Empty the folder of wheels, then fill it, and say with what."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", default=PYTHON, help="version of Kaggle's Python (default: %(default)s)")
    parser.add_argument("--image", type=Path, default=IMAGE_FILE, help="what Kaggle's image has")
    parser.add_argument(
        "--notebooks",
        nargs="+",
        default=[OFFLINE],
        choices=notebook_numbers(),
        metavar="NN",
        help=f"numbers of those that install from the wheels alone (default: {OFFLINE})",
    )
    arguments = parser.parse_args()
    extras = frozenset().union(*map(extras_of, arguments.notebooks))
    for old in DATA_SET.glob("*.whl"):
        old.unlink()
    image = Image.read(arguments.image)
    ours = build_ours(DATA_SET)
    check_ours(ours, (f"{ROOT}/", f"{Path.home()}/"))
    here = ".".join(platform.python_version_tuple()[:2])
    wheels: dict[str, Path] = {}
    for python in dict.fromkeys((arguments.python, here)):
        found = collect(ours, extras, image, python, downloader(DATA_SET, python))
        wheels |= {wheel.name: wheel for wheel in found}
    write_hashes(DATA_SET)
    for wheel in wheels.values():
        print(f"{wheel.stat().st_size / 1e6:8.1f} MB  {wheel.name}")
    total = sum(wheel.stat().st_size for wheel in wheels.values())
    print(
        f"{len(wheels)} wheels, {total / 1e6:.0f} MB, in {DATA_SET.relative_to(ROOT)}; the rest is taken to "
        f"be in Kaggle's image ({len(image.versions)} packages in {arguments.image.name})"
    )


if __name__ == "__main__":
    main()
