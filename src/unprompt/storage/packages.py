"""Packages that only some work needs: what is told where one is missing, and data without an import."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from unprompt.errors import CheckpointError, UnpromptError


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
