"""`unprompt render`: the data set, its resumption, and that nobody's help changes a byte of it."""

from __future__ import annotations

import errno
import hashlib
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from tests.paint_engine import PaintEngine
from tests.processes import started
from tests.render_slowly import render_slowly
from tests.tiny_sd import write_tiny_sd
from unprompt.cli import main
from unprompt.datasets.dataset import read_dataset
from unprompt.datasets.embedded import write_beside
from unprompt.datasets.seeds import derive_seed
from unprompt.diffusion.engine import Sd2Engine
from unprompt.errors import CheckpointError, ConfigError, InputError, RunError
from unprompt.generate.config import RenderConfig
from unprompt.generate.render.run import render_prompts
from unprompt.networks.minilm import PromptEncoder, encoder_identity
from unprompt.pocket.engine import PocketEngine
from unprompt.pocket.version import VERSION
from unprompt.records import Prompts, unit_rows
from unprompt.storage.files import read_prompts, write_prompts
from unprompt.storage.images import find_images, read_file
from unprompt.storage.parts import read_columns

SMALL = {"part": 10, "chunk": 4}


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    """25 prompts: two parts of 10 rows and one of 5, in chunks of 4, 4 and 2."""
    path = tmp_path / "prompts.csv"
    write_prompts(
        path, Prompts(tuple(f"id{n:02d}" for n in range(25)), tuple(f"{n} birds" for n in range(25)))
    )
    return path


@pytest.fixture(scope="session")
def pocket_prompts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 prompts, their embeddings beside them: processes that render them need not load the encoder."""
    path = tmp_path_factory.mktemp("pocket") / "prompts.csv"
    assert main(["prompts", "--out", str(path), "--count", "60", "--engine", "pocket"]) == 0
    prompts = read_prompts(path)
    write_beside(path, prompts, PromptEncoder.load().encode(prompts.texts), encoder_identity())
    return path


def hashes(folder: Path) -> dict[str, str]:
    """Every file of a data set, by its name in it."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def is_there(pid: int | None) -> bool:
    """Whether a process exists. One that two threads have waited for at once counts as alive in Python."""
    try:
        os.kill(pid or 0, 0)
    except ProcessLookupError:
        return False
    return True


class TestTheDataSet:
    def test_parts_hold_everything(self, prompts: Path, tmp_path: Path) -> None:
        out = tmp_path / "D"
        result = render_prompts(prompts, out, PaintEngine(), RenderConfig(seed=7, **SMALL))
        assert (result.images, result.made, result.resumed) == (25, 25, False)
        assert sorted(hashes(out)) == [
            "dataset.json",
            *(f"part-0000{part}.parquet" for part in range(3)),
        ]
        dataset = read_dataset(out)
        assert dataset.prompts.texts[3] == "3 birds"
        seed = derive_seed(7, "image", "id03")
        assert read_file(dataset.images[3]).getpixel((0, 0)) == tuple(seed.to_bytes(4, "little")[:3])
        rows = read_columns(out / "part-00001.parquet", ("imgId", "seed", "engine", "settings"))
        assert rows.row(1) == ("id11", derive_seed(7, "image", "id11"), "paint", '{"size": 8}')
        record = json.loads((out / "dataset.json").read_text())
        assert record["images"] == 25
        assert record["seed"] == 7
        assert [part["images"] for part in record["parts"]] == [10, 10, 5]
        assert set(record["versions"]) == {"unprompt", "python", "pillow"}

    def test_embeddings_are_the_prompts(self, prompts: Path, tmp_path: Path) -> None:
        render_prompts(prompts, tmp_path / "D", PaintEngine(), RenderConfig(**SMALL))
        dataset = read_dataset(tmp_path / "D")
        assert dataset.embeddings is not None
        expected = PromptEncoder.load().encode(dataset.prompts.texts)
        np.testing.assert_allclose(dataset.embeddings.vectors, expected, atol=1e-6)

    def test_embeddings_beside_the_prompts_are_taken(self, prompts: Path, tmp_path: Path) -> None:
        vectors = unit_rows(np.random.default_rng(0).normal(size=(25, 384)))
        ids, texts = (tuple(f"id{n:02d}" for n in range(25)), tuple(f"{n} birds" for n in range(25)))
        write_beside(prompts, Prompts(ids, texts), vectors, PromptEncoder.load().identity)
        render_prompts(prompts, tmp_path / "D", PaintEngine(), RenderConfig(**SMALL))
        found = read_dataset(tmp_path / "D").embeddings
        assert found is not None
        np.testing.assert_array_equal(found.vectors, vectors)

    def test_the_folder_form_holds_the_same(self, prompts: Path, tmp_path: Path) -> None:
        render_prompts(prompts, tmp_path / "D", PaintEngine(), RenderConfig(**SMALL))
        render_prompts(prompts, tmp_path / "F", PaintEngine(), RenderConfig(as_folder=True, **SMALL))
        assert set(hashes(tmp_path / "F")) == {
            "dataset.json",
            "embeddings.npz",
            "prompts.csv",
            *(f"images/id{n:02d}.png" for n in range(25)),
        }
        parts, folder = read_dataset(tmp_path / "D"), read_dataset(tmp_path / "F")
        assert folder.prompts == parts.prompts
        assert parts.embeddings is not None
        assert folder.embeddings is not None
        np.testing.assert_array_equal(folder.embeddings.vectors, parts.embeddings.vectors)
        for loose, row in zip(folder.images, parts.images, strict=True):
            assert read_file(loose).tobytes() == read_file(row).tobytes()
        assert find_images(tmp_path / "F") == list(folder.images)

    def test_seeds_belong_to_ids_not_to_places(self, prompts: Path, tmp_path: Path) -> None:
        """Any image can be made again alone."""
        render_prompts(prompts, tmp_path / "D", PaintEngine(), RenderConfig(**SMALL))
        write_prompts(tmp_path / "one.csv", Prompts(("id17",), ("17 birds",)))
        render_prompts(tmp_path / "one.csv", tmp_path / "one", PaintEngine(), RenderConfig(**SMALL))
        alone = read_file(read_dataset(tmp_path / "one").images[0])
        assert alone.tobytes() == read_file(read_dataset(tmp_path / "D").images[17]).tobytes()
        colours = {read_file(image).getpixel((0, 0)) for image in read_dataset(tmp_path / "D").images}
        assert len(colours) == 25
        render_prompts(prompts, tmp_path / "other", PaintEngine(), RenderConfig(seed=1, **SMALL))
        other = read_file(read_dataset(tmp_path / "other").images[17])
        assert other.tobytes() != alone.tobytes()


class TestGoingOn:
    @pytest.fixture(scope="class")
    def whole(self, pocket_prompts: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
        """What `render_slowly` leaves when nobody kills it."""
        out = tmp_path_factory.mktemp("whole") / "D"
        render_slowly(pocket_prompts, out)
        return hashes(out)

    @pytest.mark.parametrize("as_folder", [False, True])
    @pytest.mark.parametrize("fail_at", ["id00", "id05", "id09", "id10", "id24"])
    def test_after_a_failure_the_bytes_are_the_same(
        self, prompts: Path, tmp_path: Path, as_folder: bool, fail_at: str
    ) -> None:
        config = RenderConfig(as_folder=as_folder, **SMALL)
        render_prompts(prompts, tmp_path / "whole", PaintEngine(), config)
        engine = PaintEngine(fail_at=fail_at, alive=str(tmp_path / "mended"))
        with pytest.raises(RunError, match=f"no paint left for {fail_at}"):
            render_prompts(prompts, tmp_path / "D", engine, config)
        assert not (tmp_path / "D" / "dataset.json").exists()
        (tmp_path / "mended").touch()
        result = render_prompts(prompts, tmp_path / "D", engine, config)
        number = int(fail_at[2:])
        assert result.resumed is (number > 3)  # of a start that fails at once nothing is left
        assert result.made == 25 - (number // 10 * 10 + number % 10 // 4 * 4)
        assert hashes(tmp_path / "D") == hashes(tmp_path / "whole")

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("workers", "patterns"),
        [(1, (".work/chunk-*", "part-00000.parquet", "part-00001.parquet")), (2, ("part-00000.parquet",))],
    )
    def test_killed_at_any_moment_it_ends_with_the_same_bytes(
        self,
        pocket_prompts: Path,
        whole: dict[str, str],
        tmp_path: Path,
        workers: int,
        patterns: tuple[str, ...],
    ) -> None:
        for kill, pattern in enumerate(patterns):
            with started(render_slowly, pocket_prompts, tmp_path / "D", 0.03, workers) as process:
                deadline = time.monotonic() + 120
                while not list((tmp_path / "D").glob(pattern)):
                    assert process.exitcode is None, f"it was done before kill {kill}"
                    assert time.monotonic() < deadline
                    time.sleep(0.005)
                children = psutil.Process(process.pid).children(recursive=True)
            assert process.exitcode == -signal.SIGKILL
            _, alive = psutil.wait_procs(children, timeout=30)
            assert not alive, "workers outlived their main process"
        render_slowly(pocket_prompts, tmp_path / "D", workers=workers)
        assert hashes(tmp_path / "D") == whole

    def test_a_full_disk_keeps_what_is_done(
        self, prompts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        render_prompts(prompts, tmp_path / "whole", PaintEngine(), RenderConfig(**SMALL))
        sync, left = os.fsync, [6]

        def full_after_some(number: int) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            sync(number)

        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", full_after_some)
            with pytest.raises(RunError, match=r"no space left on the disk .* what is done stays done"):
                render_prompts(prompts, tmp_path / "D", PaintEngine(), RenderConfig(**SMALL))
        assert (tmp_path / "D" / "part-00000.parquet").exists()
        assert render_prompts(prompts, tmp_path / "D", PaintEngine(), RenderConfig(**SMALL)).made < 25
        assert hashes(tmp_path / "D") == hashes(tmp_path / "whole")

    def test_a_finished_data_set_is_not_touched(self, prompts: Path, tmp_path: Path) -> None:
        render_prompts(prompts, tmp_path / "D", PaintEngine(), RenderConfig(**SMALL))
        with pytest.raises(RunError, match="holds a finished rendered data set; add --overwrite"):
            render_prompts(prompts, tmp_path / "D", PaintEngine(), RenderConfig(**SMALL))
        before = hashes(tmp_path / "D")
        (tmp_path / "D" / "notes.txt").write_text("mine")
        config = RenderConfig(overwrite=True, seed=3, **SMALL)
        render_prompts(prompts, tmp_path / "D", PaintEngine(size=4), config)
        after = hashes(tmp_path / "D")
        assert after.pop("notes.txt")
        assert after.keys() == before.keys()
        assert after != before

    def test_other_settings_do_not_go_on(self, prompts: Path, tmp_path: Path) -> None:
        with pytest.raises(RunError, match="no paint"):
            render_prompts(prompts, tmp_path / "D", PaintEngine(fail_at="id20"), RenderConfig(**SMALL))
        for engine, config in (
            (PaintEngine(size=9), RenderConfig(**SMALL)),
            (PaintEngine(), RenderConfig(seed=1, **SMALL)),
            (PaintEngine(), RenderConfig(as_folder=True, **SMALL)),
        ):
            with pytest.raises(RunError, match="D was begun with other settings; run what was begun"):
                render_prompts(prompts, tmp_path / "D", engine, config)
        prompts.write_text(prompts.read_text("utf-8").replace("id20,", "id20,another "), "utf-8")
        with pytest.raises(RunError, match="D was begun with other prompts; run what was begun"):
            render_prompts(prompts, tmp_path / "D", PaintEngine(), RenderConfig(**SMALL))

    def test_another_pocket_world_does_not_go_on(
        self, pocket_prompts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def stop(step: str, done: int, total: int) -> None:
            if done >= 20:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            render_prompts(pocket_prompts, tmp_path / "D", PocketEngine(16), RenderConfig(**SMALL), stop)
        monkeypatch.setattr("unprompt.pocket.engine.VERSION", VERSION + 1)
        with pytest.raises(RunError, match="D was begun with another version of the pocket world"):
            render_prompts(pocket_prompts, tmp_path / "D", PocketEngine(16), RenderConfig(**SMALL))

    def test_somebody_elses_folder_is_refused(self, prompts: Path, tmp_path: Path) -> None:
        (tmp_path / "D").mkdir()
        (tmp_path / "D" / "thesis.tex").touch()
        with pytest.raises(RunError, match="is not empty and not a rendered data set of unprompt"):
            render_prompts(prompts, tmp_path / "D", PaintEngine(), RenderConfig(overwrite=True))


class TestWorkers:
    @pytest.mark.slow
    def test_several_make_the_same_bytes(self, pocket_prompts: Path, tmp_path: Path) -> None:
        config = {"part": 32, "chunk": 8}
        render_prompts(pocket_prompts, tmp_path / "1", PocketEngine(48), RenderConfig(**config))
        render_prompts(pocket_prompts, tmp_path / "2", PocketEngine(48), RenderConfig(workers=2, **config))
        assert hashes(tmp_path / "1") == hashes(tmp_path / "2")

    @pytest.mark.slow
    def test_ray_makes_the_same_bytes(self, pocket_prompts: Path, tmp_path: Path) -> None:
        """In a process of its own, since Ray starts servers and looks for this machine's address."""
        render_prompts(pocket_prompts, tmp_path / "1", PocketEngine(48), RenderConfig(part=32, chunk=8))
        code = (
            "import sys; from pathlib import Path\n"
            "from unprompt.generate.config import RenderConfig\n"
            "from unprompt.pocket.engine import PocketEngine\n"
            "from unprompt.generate.render.run import render_prompts\n"
            "config = RenderConfig(part=32, chunk=8, cluster='ray', workers=2)\n"
            "render_prompts(Path(sys.argv[1]), Path(sys.argv[2]), PocketEngine(48), config)\n"
        )
        command = [sys.executable, "-c", code, str(pocket_prompts), str(tmp_path / "ray")]
        subprocess.run(command, check=True, timeout=240, env={**os.environ, "RAY_USAGE_STATS_ENABLED": "0"})
        assert hashes(tmp_path / "1") == hashes(tmp_path / "ray")

    @pytest.mark.slow
    @pytest.mark.usefixtures("forked_workers")
    def test_stable_diffusion_by_two_workers(self, tmp_path: Path) -> None:
        model = write_tiny_sd(tmp_path / "sd")
        texts = ("a red fox", "a bowl of ramen", "a lighthouse", "an owl", "a cat")
        write_prompts(tmp_path / "p.csv", Prompts(tuple("abcde"), texts))
        engine = Sd2Engine(model=str(model), steps=2, width=64, height=64, save_size=32)
        for workers in (1, 2):
            config = RenderConfig(chunk=2, part=4, workers=workers)
            render_prompts(tmp_path / "p.csv", tmp_path / str(workers), engine, config)
        assert hashes(tmp_path / "1") == hashes(tmp_path / "2")
        dataset = read_dataset(tmp_path / "1")
        assert dataset.prompts.texts == texts
        assert read_file(dataset.images[0]).size == (32, 32)
        rows = read_columns(tmp_path / "1" / "part-00000.parquet", ("engine", "settings"))
        assert rows["engine"][0] == "sd2"
        assert json.loads(rows["settings"][0])["steps"] == 2

    @pytest.mark.slow
    @pytest.mark.usefixtures("forked_workers")
    def test_a_worker_that_is_killed(self, prompts: Path, tmp_path: Path) -> None:
        engine = PaintEngine(die_at="id21", alive=str(tmp_path / "alive"))
        config = RenderConfig(workers=2, **SMALL)
        with pytest.raises(RunError, match=r"a worker process was killed.*fewer --workers"):
            render_prompts(prompts, tmp_path / "D", engine, config)
        (tmp_path / "alive").touch()
        render_prompts(prompts, tmp_path / "D", engine, config)
        render_prompts(prompts, tmp_path / "whole", PaintEngine(), RenderConfig(**SMALL))
        assert read_dataset(tmp_path / "D").prompts == read_dataset(tmp_path / "whole").prompts

    @pytest.mark.slow
    @pytest.mark.usefixtures("forked_workers")
    def test_an_error_in_a_worker_is_told(self, prompts: Path, tmp_path: Path) -> None:
        with pytest.raises(RunError, match="no paint left for id21"):
            render_prompts(
                prompts, tmp_path / "D", PaintEngine(fail_at="id21"), RenderConfig(workers=2, **SMALL)
            )
        assert not [child for child in multiprocessing.active_children() if is_there(child.pid)]
        with pytest.raises(CheckpointError, match="the paint shop is closed"):
            render_prompts(
                prompts, tmp_path / "E", PaintEngine(closed=True), RenderConfig(workers=2, **SMALL)
            )


class TestErrors:
    def test_prompts_that_cannot_be_drawn(self, tmp_path: Path) -> None:
        write_prompts(tmp_path / "p.csv", Prompts(("a", "b"), ("possible", "impossible")))
        with pytest.raises(InputError, match="1 of 2 prompts cannot be painted"):
            render_prompts(tmp_path / "p.csv", tmp_path / "D", PaintEngine())
        with pytest.raises(InputError, match="2 of 2 prompts are not the pocket world's"):
            render_prompts(tmp_path / "p.csv", tmp_path / "D", PocketEngine())
        assert not (tmp_path / "D").exists()

    @pytest.mark.parametrize("image_id", ["a/b", ".hidden", "..", "a\\b"])
    def test_ids_that_cannot_name_a_file(self, tmp_path: Path, image_id: str) -> None:
        write_prompts(tmp_path / "p.csv", Prompts((image_id,), ("x",)))
        with pytest.raises(InputError, match="1 id cannot name a file"):
            render_prompts(tmp_path / "p.csv", tmp_path / "D", PaintEngine())

    def test_bad_settings(self) -> None:
        for setting in ({"workers": 0}, {"part": 0}, {"chunk": -1}, {"cluster": "slurm"}):
            with pytest.raises(ConfigError, match=next(iter(setting))):
                RenderConfig(**setting)  # type: ignore[arg-type]


class TestCommand:
    def test_render_says_what_it_made(
        self, pocket_prompts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        command = ["render", str(pocket_prompts), "--out", str(tmp_path / "D"), "--size", "32"]
        assert main(command) == 0
        assert "60 images in" in capsys.readouterr().out
        assert main(command) == 1
        assert "holds a finished rendered data set" in capsys.readouterr().err
        assert main([*command, "--overwrite", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["images"] == 60
        assert read_file(read_dataset(tmp_path / "D").images[0]).size == (32, 32)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (["--engine", "pocket", "--steps", "3"], "--steps belongs to --engine sd2"),
            (["--size", "wide"], "size must be pixels like"),
            (["--size", "64x4"], "size must be from 16"),
            (["--size", "4"], "size must be from 16"),
            (
                ["--engine", "sd2", "--preset", "huge"],
                "there is no preset 'huge'; there are: competition, light",
            ),
            (["--engine", "sd2", "--model", "nowhere"], "there is no model folder 'nowhere'"),
            (["--engine", "sd2", "--scheduler", "magic"], "there is no scheduler 'magic'"),
        ],
    )
    def test_wrong_options(
        self,
        pocket_prompts: Path,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
        options: list[str],
        message: str,
    ) -> None:
        assert main(["render", str(pocket_prompts), "--out", str(tmp_path / "D"), *options]) == 1
        assert message in capsys.readouterr().err


def test_seeds_are_of_32_bits_and_fixed() -> None:
    assert derive_seed(0, "image", "a") == derive_seed(0, "image", "a")
    assert len({derive_seed(seed, "image", str(n)) for seed in range(4) for n in range(250)}) == 1000
    assert derive_seed(1, "2", "3") != derive_seed(12, "3")
    digest = hashlib.blake2b(b"5\0image\0id", digest_size=4).digest()
    assert derive_seed(5, "image", "id") == int.from_bytes(digest, "little")
