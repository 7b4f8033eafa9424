"""The command line's manners: a greeting, what was meant, completion, caches, packages that are missing."""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from tests.processes import run_command, started
from tests.rooms import modules
from unprompt.cli import COMMANDS, build_parser, main
from unprompt.cli.completion import Command, commands_of, write_bash, write_fish, write_zsh
from unprompt.cli.extras import advise_on_missing
from unprompt.datasets.pixels import DecodedPixels
from unprompt.networks.cache_kinds import FETCHED, MADE
from unprompt.runs.doctor import FOR_USERS
from unprompt.storage.packages import distribution_of, extras, missing_from

COMPLETE_ZSH = Path(__file__).with_name("complete.zsh")
FILES = {"cat.png", "predictions.csv"}  # in the folder where lines are completed
OFFERED: dict[str, set[str]] = {  # what zsh and fish offer after a line
    "pre": {"predict", "predictions.csv"},
    "cat.": {"cat.png"},
    "checkpoints ": {"list", "check", "fetch"},
    "checkpoints l": {"list"},
    "score --js": {"--json"},
    "train x --precision ": {"auto", "fp32", "bf16", "fp16"},
    "train x --precision=b": {"bf16"},
    "cache clear --y": {"--yes"},
    "completion ": {"bash", "zsh", "fish"},
    "predict --out ": FILES,
    "predict --deadline 8h c": {"cat.png"},
    "predict --workers ": set(),
    "doctor ": set(),
    "doctor --out ": FILES,
    "--de": {"--debug"},
}


def test_alone_it_greets_with_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    text = capsys.readouterr().out
    assert text.startswith("usage: unprompt")
    assert all(name in text for name in COMMANDS)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["predcit", "x"], "there is no command 'predcit'; did you mean predict? (`unprompt --help`"),
        (["nonsense"], "there is no command 'nonsense' (`unprompt --help` lists them)"),
        (
            ["checkpoints", "lits"],
            "there is no action 'lits'; did you mean list? (there are list, check, fetch)",
        ),
        (
            ["score", "a", "b", "--jsn"],
            "unprompt score: error: unrecognized arguments: --jsn; did you mean --json by",
        ),
        (["predict", "x", "--ouot", "y"], "required: --out; did you mean --out by --ouot?"),
        (["train", "x", "--out", "y", "--precision", "fp23"], "for --precision 'fp23'; did you mean fp32?"),
        (["score", "a", "b", "--zzz"], "unrecognized arguments: --zzz\n"),
        (["score", "a", "b", "c"], "unrecognized arguments: c\n"),
    ],
)
def test_what_was_meant(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--debug", "score", "a", "b"], ["score", "a", "b", "--debug"]])
def test_debug_stands_before_or_after_a_command(arguments: list[str]) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "unprompt", *arguments], capture_output=True, text=True, check=False
    )
    assert "Traceback" in run.stderr
    assert "InputError: a cannot be read" in run.stderr


class TestCompletion:
    """The scripts are asked what they complete, where the shell is installed."""

    @pytest.fixture(scope="class")
    def commands(self) -> list[Command]:
        """All that can be completed."""
        return list(commands_of(build_parser()))

    @pytest.fixture
    def place(self, commands: list[Command], tmp_path: Path) -> Path:
        """A folder with the FILES, and the scripts beside it."""
        (tmp_path / "scripts").mkdir()
        (tmp_path / "scripts" / "_unprompt").write_text(write_zsh(commands), encoding="utf-8")
        (tmp_path / "scripts" / "unprompt.fish").write_text(write_fish(commands), encoding="utf-8")
        (tmp_path / "place").mkdir()
        for name in FILES:
            (tmp_path / "place" / name).touch()
        return tmp_path / "place"

    @pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
    def test_zsh(self, place: Path) -> None:
        """By zsh's own completion system, in a terminal of its own."""
        scripts, told = place.parent / "scripts", place.parent / "offered"
        subprocess.run(["zsh", "-n", scripts / "_unprompt"], check=True)
        lines = [f"unprompt {line}" for line in OFFERED]
        words = ["zsh", "-f", COMPLETE_ZSH, scripts, place, told, *lines]
        subprocess.run(words, check=True, stdin=subprocess.DEVNULL, timeout=120)
        found = told.read_text(encoding="utf-8").split("==\n")[:-1]
        assert {line: set(words.split()) for line, words in zip(OFFERED, found, strict=True)} == OFFERED

    @pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
    def test_fish(self, place: Path) -> None:
        script = place.parent / "scripts" / "unprompt.fish"
        program = 'source $argv[1]; for line in $argv[2..-1]; complete -C "unprompt $line"; echo ==; end'
        run = subprocess.run(
            ["fish", "--no-config", "-c", program, script, *OFFERED],
            cwd=place,
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "HOME": str(place.parent)},
        )
        assert run.stderr == ""
        found = [
            {word.partition("\t")[0].rpartition("=")[2] for word in told.splitlines()}
            for told in run.stdout.split("==\n")[:-1]
        ]
        assert dict(zip(OFFERED, found, strict=True)) == OFFERED

    @pytest.mark.parametrize(
        ("words", "offered"),
        [
            (["pre"], {"predict"}),
            (["checkpoints", ""], {"list", "check", "fetch"}),
            (["score", "--js"], {"--json"}),
            (["train", "x", "--precision", ""], {"auto", "fp32", "bf16", "fp16"}),
            (["train", "x", "--precision", "="], {"auto", "fp32", "bf16", "fp16"}),  # as bash takes it apart
            (["train", "x", "--precision", "=", "b"], {"bf16"}),
            (["cache", "clear", "--y"], {"--yes"}),
            (["completion", ""], {"bash", "zsh", "fish"}),
            (["predict", "--out", ""], set()),  # then bash completes files
        ],
    )
    def test_bash(self, commands: list[Command], words: list[str], offered: set[str], tmp_path: Path) -> None:
        script = tmp_path / "unprompt.bash"
        script.write_text(write_bash(commands), encoding="utf-8")
        program = (
            'source "$1"; shift; COMP_WORDS=(unprompt "$@"); COMP_CWORD=$#; _unprompt; echo "${COMPREPLY[*]}"'
        )
        run = subprocess.run(
            ["bash", "-c", program, "bash", str(script), *words], capture_output=True, text=True, check=True
        )
        assert (set(run.stdout.split()), run.stderr) == (offered, "")

    def test_every_command_and_option_is_in_every_script(self, commands: list[Command]) -> None:
        assert {one.path for one in commands} >= {"", *COMMANDS, "checkpoints fetch", "easy-diffuser run"}
        scripts = [write(commands) for write in (write_bash, write_zsh, write_fish)]
        for one in commands:
            for option in one.options:
                for name in option.names:
                    assert all(name.lstrip("-") in script for script in scripts), name


class TestCache:
    @pytest.fixture
    def folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        for kind, size in (("pixels", 1000), ("triples", 200), ("checkpoints/gpt2", 30)):
            (tmp_path / "unprompt" / kind).mkdir(parents=True)
            (tmp_path / "unprompt" / kind / "a.bin").write_bytes(b"0" * size)
        return tmp_path / "unprompt"

    @pytest.mark.skipif(sys.platform != "linux", reason="permissions work otherwise here")
    def test_a_folder_that_cannot_be_looked_into_is_told(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "closed").mkdir(mode=0)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "closed"))
        printed = tmp_path / "printed.txt"
        with started(run_command, ["cache"], printed, False) as process:
            process.join()
        pixels = tmp_path / "closed" / "unprompt" / "pixels"
        assert f"0 bytes  {pixels} (no permission to look into it)  (decoded" in printed.read_text()

    def test_lists_sizes(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["cache", "--json"]) == 0
        found = {state["kind"]: state for state in json.loads(capsys.readouterr().out)}
        assert {
            kind: found[kind]["bytes"] for kind in ("pixels", "triples", "embeddings", "checkpoints")
        } == {
            "pixels": 1000,
            "triples": 200,
            "embeddings": 0,
            "checkpoints": 30,
        }
        assert found["pixels"]["folder"] == str(folder / "pixels")

    def test_clears_what_can_be_made_again(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["cache", "clear", "--yes"]) == 0
        assert "1.2 kB removed" in capsys.readouterr().out
        assert [path.name for path in folder.iterdir()] == ["checkpoints"]
        assert main(["cache", "clear", "checkpoints", "--yes", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)[0]["bytes"] == 30
        assert not list(folder.iterdir())

    def test_every_folder_of_the_cache_is_known_and_named_in_the_help(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        source = "\n".join(path.read_text(encoding="utf-8") for path in modules().values())
        used = set(re.findall(r"\bcache_folder\(\)\s*/\s*f?[\"']([^\"'/]+)", source))
        assert {"pixels", "checkpoints", "triples"} < used
        assert used == {*MADE, *FETCHED}
        with pytest.raises(SystemExit):
            main(["cache", "clear", "--help"])
        told = capsys.readouterr().out
        assert all(kind in told for kind in used)

    def test_asks_first(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["cache", "clear", "pixels"]) == 1
        assert "add --yes" in capsys.readouterr().err
        assert main(["cache", "clear", "pictures", "--yes"]) == 1
        assert "there is no cache 'pictures'; there are: pixels, phrases" in capsys.readouterr().err
        assert (folder / "pixels" / "a.bin").exists()


def test_decoded_pixels_go_with_their_last_reader(tmp_path: Path) -> None:
    path = tmp_path / "32px.npy"
    np.save(path, np.zeros((2, 4, 4, 3), np.uint8))
    first, second = DecodedPixels(path), DecodedPixels(path)
    first.discard()
    assert path.exists()
    assert second[0].shape == (4, 4, 3)
    second.discard()
    assert not path.exists()
    assert second[1].shape == (4, 4, 3)  # what is open stays readable


class TestMissingPackages:
    def test_an_extra_that_has_it(self) -> None:
        if not extras():
            pytest.skip("unprompt is not installed, so its extras are not known")
        error = ModuleNotFoundError("No module named 'torch'", name="torch.nn")
        said = {"unprompt train": "train", "unprompt prompts": "generate", "unprompt": "lite"}
        for program, extra in said.items():
            advice = advise_on_missing(error, program)
            assert advice == f"`{program}` needs torch; run: pip install 'unprompt[{extra}]'"
        assert advise_on_missing(ModuleNotFoundError("x", name="unprompt.nothing"), "unprompt") is None
        assert "open-clip-torch" in extras()["lite"]

    def test_pages(self) -> None:
        if "pages" not in extras():
            pytest.skip("the installed unprompt is older than its extra 'pages'")
        for module in ("skimage.morphology", "resvg_py"):
            advice = advise_on_missing(ModuleNotFoundError("x", name=module), "unprompt page make")
            assert advice == (
                f"`unprompt page make` needs {distribution_of(module)}; run: pip install 'unprompt[pages]'"
            )

    def test_the_extras_for_users_are_listed_and_are_all(self) -> None:
        project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
        declared = project["project"]["optional-dependencies"]
        assert {*FOR_USERS, "samples", "notebooks", "docs", "dev", "all"} == set(declared)
        (everything,) = declared["all"]
        assert set(everything.removeprefix("unprompt[").removesuffix("]").split(",")) == {
            *FOR_USERS,
            "samples",
        }

    def test_names(self) -> None:
        assert distribution_of("open_clip.model") == "open-clip-torch"
        assert distribution_of("skimage.morphology") == "scikit-image"
        assert missing_from(["numpy", "no-such-package"]) == ["no-such-package"]

    def test_a_command_without_its_packages(self, tmp_path: Path) -> None:
        """No traceback where torch is not installed: a finder hides it."""
        if not extras():
            pytest.skip("unprompt is not installed, so its extras are not known")
        program = """
import sys
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "streamlit"):
            raise ModuleNotFoundError(name, name=name)
sys.meta_path.insert(0, Hidden())
from unprompt.cli import main
sys.exit(main(sys.argv[1:]))
"""
        run = subprocess.run(
            [sys.executable, "-c", program, "train", str(tmp_path), "--out", str(tmp_path / "RUN")],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (run.returncode, run.stderr) == (
            1,
            "unprompt: `unprompt train` needs torch; run: pip install 'unprompt[train]'\n",
        )


def test_each_command_knows_its_parser() -> None:
    options = build_parser(["cache"]).parse_args(["cache", "clear"])
    assert isinstance(options.parser, argparse.ArgumentParser)
    assert options.parser.prog == "unprompt cache clear"
