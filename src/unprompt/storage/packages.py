"""Packages that only some work needs: what is told where one is missing, and data without an import."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from types import ModuleType

from unprompt.errors import CheckpointError, UnpromptError

OURSELVES = "unprompt"
DISTRIBUTIONS = {  # what pip calls a package whose modules are called otherwise
    "PIL": "pillow",
    "faiss": "faiss-cpu",
    "open_clip": "open-clip-torch",
    "skimage": "scikit-image",
}


@contextmanager
def needed_for(work: str, extra: str, kind: type[UnpromptError] = CheckpointError) -> Iterator[None]:
    """Import in this block what `work` ("training a CLIP") needs and unprompt[`extra`] installs.

    A package that is missing, or cannot be imported, raises `kind`, which says so and how to get it.
    """
    try:
        yield
    except ImportError as error:
        missing = error.name if isinstance(error, ModuleNotFoundError) else f"more packages ({error})"
        raise kind(f"{work} needs {missing}; run: pip install 'unprompt[{extra}]'") from error


def package_folder(name: str) -> Path | None:
    """The folder of an installed package by its import name, or None where it is not installed."""
    spec = importlib.util.find_spec(name)
    locations = spec.submodule_search_locations if spec else None
    return Path(next(iter(locations))) if locations else None


def load_alone(package: str, file: str) -> ModuleType | None:
    """One module file of an installed package without the package's own import, or None if not installed."""
    folder = package_folder(package)
    if folder is None:
        return None
    spec = importlib.util.spec_from_file_location(f"_{package}_{Path(file).stem}", folder / file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def distribution_of(module: str) -> str:
    """What pip calls the package that has a module: "open_clip.model" -> "open-clip-torch"."""
    package = module.partition(".")[0]
    return _plain_name(DISTRIBUTIONS.get(package, package))


@cache
def extras() -> dict[str, tuple[str, ...]]:
    """The packages of each of unprompt's extras, in the order in which they are declared.

    Empty where unprompt runs without being installed.
    """
    try:
        lines = requires(OURSELVES) or []
    except PackageNotFoundError:
        return {}
    found: dict[str, list[str]] = {}
    for line in lines:
        requirement, _, marker = line.partition(";")
        if extra := re.search(r"extra\s*==\s*['\"]([^'\"]+)['\"]", marker):
            name = re.match(r"[A-Za-z0-9._-]+", requirement.strip())
            assert name is not None, line
            found.setdefault(extra[1], []).append(_plain_name(name[0]))
    return {extra: tuple(dict.fromkeys(packages)) for extra, packages in found.items()}


def missing_from(packages: Iterable[str]) -> list[str]:
    """Those of some packages that are not installed."""
    return [package for package in packages if not _is_installed(package)]


def _is_installed(package: str) -> bool:
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True


def _plain_name(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
