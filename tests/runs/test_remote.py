"""Commands whose images lie at an address: a folder's results, and a store that fails costs nothing done."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crew.squares import interrogating
from tests.stores import ADDRESS, FailingStore, failing_store, put
from unprompt import python as unprompt
from unprompt.bundle.loaded import LoadedBundle
from unprompt.cli import main
from unprompt.errors import RunError, StoreError
from unprompt.runs.config import PredictConfig
from unprompt.runs.predict import predict
from unprompt.storage.remote import path_of

pytestmark = pytest.mark.usefixtures("one_loader")

SMALL = PredictConfig(chunk=4, from_file="off")
OF_FILES = ("run.json", "images.csv")  # which have times in them


def results(folder: Path) -> dict[str, bytes]:
    """What commands left, but for what has times in it."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in OF_FILES
    }


@pytest.fixture(scope="module")
def lite() -> LoadedBundle:
    return LoadedBundle.load("lite", "cpu")


@pytest.fixture(scope="module")
def pictures(scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve scenes, and one damaged picture among the last."""
    folder = tmp_path_factory.mktemp("pictures")
    for path in (scenes / "images").iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "scene-10-broken.png").write_bytes(b"no picture")
    return folder


@pytest.fixture(scope="module")
def of_a_folder(
    pictures: Path, lite: LoadedBundle, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, bytes]:
    """The results of the folder."""
    out = tmp_path_factory.mktemp("local") / "RUN"
    predict(pictures, out, SMALL, loaded=lite)
    return results(out)


@pytest.fixture
def store(pictures: Path) -> Iterator[type[FailingStore]]:
    with failing_store(pictures) as store:
        yield store


class TestPredict:
    @pytest.mark.parametrize(
        ("name", "done", "error"),
        [
            ("scene-01.png", 0, PermissionError("denied")),
            ("scene-07.png", 4, TimeoutError("timed out")),
            ("scene-12.png", 12, PermissionError("run out")),
        ],
    )
    def test_a_store_that_fails_in_the_middle_costs_nothing_that_is_done(
        self,
        store: type[FailingStore],
        pictures: Path,
        lite: LoadedBundle,
        of_a_folder: dict[str, bytes],
        tmp_path: Path,
        name: str,
        done: int,
        error: Exception,
    ) -> None:
        """No image becomes a row in problems.csv for it, and what is done is not fetched again."""
        out = tmp_path / "RUN"
        store.errors[name] = error
        with pytest.raises(StoreError, match=rf"{name}: .* run the same command again"):
            predict(path_of(ADDRESS), out, SMALL, loaded=lite)
        store.errors.clear()
        store.asked.clear()
        result = predict(path_of(ADDRESS), out, SMALL, loaded=lite)
        assert results(out) == of_a_folder
        assert [problem.image_id for problem in result.problems] == ["scene-10-broken"]
        assert result.resumed == (done > 0)
        # What is left comes first, and then the report's thumbnails.
        names = [path.name for path in sorted(pictures.iterdir(), key=lambda path: path.stem)]
        assert {name for name, *_ in store.asked[: 13 - done]} == set(names[done:])

    def test_other_images_do_not_go_on(
        self, store: type[FailingStore], pictures: Path, lite: LoadedBundle, tmp_path: Path
    ) -> None:
        store.errors["scene-07.png"] = ConnectionError("cut")
        with pytest.raises(StoreError):
            predict(path_of(ADDRESS), tmp_path / "RUN", SMALL, loaded=lite)
        store.errors.clear()
        FailingStore().pipe("/bucket/scene-02.png", (pictures / "scene-03.png").read_bytes())
        with pytest.raises(RunError, match=rf"other images: {ADDRESS}/scene-02.png has changed since"):
            predict(path_of(ADDRESS), tmp_path / "RUN", SMALL, loaded=lite)

    def test_an_update_looks_at_what_is_new(
        self, store: type[FailingStore], pictures: Path, lite: LoadedBundle, tmp_path: Path
    ) -> None:
        updating = PredictConfig(chunk=4, from_file="off", update=True)
        predict(path_of(ADDRESS), tmp_path / "RUN", updating, loaded=lite)
        FailingStore().pipe("/bucket/scene-02.png", (pictures / "scene-03.png").read_bytes())
        store.asked.clear()
        result = predict(path_of(ADDRESS), tmp_path / "RUN", updating, loaded=lite)
        assert result.known == 11  # all but the one that has changed and the damaged one
        assert {name for name, *_ in store.asked[:2]} == {"scene-02.png", "scene-10-broken.png"}

    def test_the_command_says_in_a_line_what_failed_and_nothing_secret(
        self, store: type[FailingStore], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        store.errors["scene-07.png"] = RuntimeError("at https://me:hunter2@host/x?sig=t0psecret")
        out = tmp_path / "RUN"
        command = ["predict", ADDRESS, "--out", str(out), "--device", "cpu"]
        assert main(command) == 1
        told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("unprompt:")]
        assert len(told) == 1
        assert "failing://bucket/scene-07.png: the store cannot be read" in told[0]
        store.errors.clear()
        assert main(command) == 0
        written = b"".join(path.read_bytes() for path in out.rglob("*") if path.is_file())
        assert not any(secret in written + told[0].encode() for secret in (b"hunter2", b"t0psecret"))

    def test_an_address_that_is_not_there_leaves_no_run(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["predict", "memory://nowhere/images", "--out", str(tmp_path / "RUN")]) == 1
        assert capsys.readouterr().err.endswith(
            "unprompt: memory://nowhere/images does not exist; name a folder of images or one image\n"
        )
        assert not (tmp_path / "RUN").exists()


def test_every_command_gives_the_bytes_of_a_folder(world: Path, tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    at = put(world / "images", "memory://world/images"), put(world / "DATA", "memory://world/DATA")
    for out, images, data in ((here, world / "images", world / "DATA"), (there, *at)):
        out.mkdir()
        quiet = {"device": "cpu", "progress": False}
        unprompt.predict(images, out / "RUN", bundle=world / "all.toml", **quiet)
        unprompt.interrogate(images, out / "prompts.csv", **interrogating(world), **quiet)
        unprompt.interrogate([images], txt_folder=out / "texts", **interrogating(world), **quiet)
        unprompt.caption(images, out=out / "captions.csv", model=world / "blip", **quiet)
        unprompt.bank([data], out / "BANK", checkpoint=world / "clip", **quiet)
    assert results(here) == results(there)
    assert json.loads((there / "BANK" / "bank.json").read_text())["data_sets"][0]["name"] == "DATA"
