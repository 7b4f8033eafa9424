"""The command line as a user meets it: exit codes, one-line errors, help with examples, JSON on stdout."""

from __future__ import annotations

import argparse
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import unprompt
from tests.real_images import real_folder
from unprompt.cli import COMMANDS, build_parser, main, start
from unprompt.ensemble.prior import prior_embedding
from unprompt.errors import RunError
from unprompt.networks.checkpoints import known_checkpoints
from unprompt.records import DIM, Embeddings, Prompts
from unprompt.storage.files import write_embeddings, write_prompts
from unprompt.storage.submission import read_submission, write_submission
from unprompt.storage.toml_files import read_toml

VERBS = list(COMMANDS)


def axes(*numbers: int) -> np.ndarray:  # type: ignore[type-arg]
    """Unit vectors along the given axes."""
    return np.eye(DIM, dtype=np.float32)[list(numbers)]


def commands_below(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """All commands and actions below a parser."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield command
                yield from commands_below(command)


class TestHelp:
    @pytest.mark.parametrize("verb", VERBS)
    def test_each_command_has_an_example(self, verb: str, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as stopped:
            main([verb, "--help"])
        assert stopped.value.code == 0
        text = capsys.readouterr().out
        assert "example:" in text
        assert f"unprompt {verb}" in text.split("example:")[1]

    def test_nothing_heavy_is_imported(self) -> None:
        """By the help of all commands, one after the other in one process: the first that did is named."""
        heavy = ("numpy", "PIL", "polars", "torch", "transformers", "tqdm")
        helped = [[], *([verb] for verb in VERBS), ["easy-diffuser", "fit"]]
        program = f"""
import sys
from unprompt.cli import main
for arguments in {helped}:
    try:
        main([*arguments, "--help"])
    except SystemExit:
        print("\\n=", arguments, [name for name in {heavy} if name in sys.modules])
"""
        run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        found = [line for line in run.stdout.splitlines() if line.startswith("= ")]
        assert found == [f"= {arguments} []" for arguments in helped]

    def test_a_command_is_imported_when_it_is_called(self) -> None:
        program = """
import sys
from unprompt.cli import build_parser
build_parser(["score", "a.csv", "b.csv"])
print(sorted(name for name in sys.modules if name.startswith("unprompt.cli.")))
"""
        run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        shared = ("extras", "options", "parser", "places", "printing")
        assert run.stdout.strip() == str([f"unprompt.cli.{name}" for name in (*shared, "score")])

    def test_a_process_of_its_own_hardly_looks_for_garbage(self) -> None:
        """It would go through hundreds of thousands of torch's objects at their import, and at the exit."""
        program = """
import atexit, gc, runpy, sys
usual = gc.get_threshold()
atexit.register(lambda: print(gc.get_freeze_count() > 10_000, gc.get_threshold()[:2] == usual[:2]))
atexit.register(lambda: print(gc.isenabled(), gc.get_threshold()[2] >= 10 * usual[2]))
sys.argv = ["unprompt", "--version"]
runpy.run_module("unprompt", run_name="__main__", alter_sys=True)
"""
        run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        assert run.stdout.splitlines() == [f"unprompt {unprompt.__version__}", "True True", "True True"]
        project = read_toml(Path(__file__).parents[2] / "pyproject.toml")["project"]
        module, _, name = project["scripts"]["unprompt"].partition(":")
        assert getattr(import_module(module), name) is start

    def test_all_options_say_what_they_do(self) -> None:
        for command in commands_below(build_parser()):
            options = [
                action for action in command._actions if not isinstance(action, argparse._SubParsersAction)
            ]
            for action in options:
                assert action.help, (command.prog, action.dest)
                assert "(None)" not in action.help % vars(action), (command.prog, action.dest)

    def test_choices_are_words(self) -> None:
        """Of a text argparse would take every part of it, and show its letters."""
        for command in commands_below(build_parser()):
            assert not [one.dest for one in command._actions if isinstance(one.choices, str)], command.prog

    @pytest.mark.parametrize(
        "arguments",
        [
            ["checkpoints"],
            ["nonsense"],
            ["predict"],
            ["predict", "x", "--workers", "many"],
            ["colour", "train", "PAIRS", "--out", "RUN", "--engine", "webui"],  # which only paints
        ],
    )
    def test_wrong_usage_is_2(self, arguments: list[str]) -> None:
        with pytest.raises(SystemExit) as stopped:
            main(arguments)
        assert stopped.value.code == 2


class TestErrors:
    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            (["predict", "{tmp}/none", "--out", "{tmp}/RUN"], "does not exist"),
            (["predict", "{tmp}", "--out", "{tmp}/RUN"], "holds no images"),
            (["predict", "{tmp}", "--out", "{tmp}/RUN", "--deadline", "soon"], "'soon' is not a duration"),
            (["predict", "{tmp}", "--out", "{tmp}/RUN", "--deadline", ""], "'' is not a duration"),
            (["predict", "{tmp}", "--out", "{tmp}/RUN", "--bundle", "huge"], "no bundle is called 'huge'"),
            (["predict", "{tmp}", "--out", "{tmp}/RUN", "--workers", "-1"], "workers must be at least 1"),
            (["score", "{tmp}/a.csv", "{tmp}/b.csv"], "cannot be read"),
            (["blend", "{tmp}/a.npz", "--weights", "1", "--out", "{tmp}/s.csv"], "does not exist"),
            (
                ["blend", "{tmp}/a.npz", "--weights", "1", "2", "--out", "{tmp}/s.csv"],
                "1 member but 2 weights",
            ),
            (["checkpoints", "fetch", "nonsense"], "no checkpoint is called 'nonsense'"),
            (
                ["blend", "a.npz", "--weights", "1", "--out", "{tmp}/s.csv", "--device", "cpu"],
                "--device is for the prompts of --fit, without which it does nothing",
            ),
            (
                ["caption", "{tmp}", "--metadata-jsonl", "--ending", ".caption"],
                "--ending belongs to --txt and --txt-folder, without which it does nothing",
            ),
            (
                ["colour", "caption", "{tmp}", "--out", "{tmp}/c.csv", "--device", "cpu"],
                "--device belongs to captions by a network; fills are measured",
            ),
            (
                ["colour", "grade", "{tmp}", "--shown", "3"],
                "--shown belongs to --out, without which it does nothing",
            ),
            (
                ["doodle", "grade", "{tmp}", "--shown", "3"],
                "--shown belongs to --out, without which it does nothing",
            ),
            (
                ["colour", "data", "--out", "{tmp}/T", "--family", "{tmp}", "--pocket", "0.5"],
                "pocket scenes are of OpenMoji's drawings; of a family there are none",
            ),
            (
                ["doodle", "caption", "a.png", "--length", "9"],
                "--length belongs to --by FOLDER of a BLIP-2",
            ),
            (
                ["doodle", "caption", "a.png", "--by", "{tmp}", "--sure", "0.5"],
                "--sure belongs to captions by groups of strokes, not to --by",
            ),
        ],
    )
    def test_one_line_and_1(
        self, arguments: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main([argument.format(tmp=tmp_path) for argument in arguments]) == 1
        output = capsys.readouterr()
        assert output.out == ""
        assert output.err.startswith("unprompt: ")
        assert output.err.count("\n") == 1
        assert says in output.err

    @pytest.mark.parametrize("error", [MemoryError(), RuntimeError("CUDA out of memory. Tried to allocate")])
    def test_too_little_memory_is_one_line_and_1(
        self, error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def fail(*_: object) -> None:
            raise error

        monkeypatch.setattr("unprompt.ensemble.score_files.score_files", fail)
        assert main(["score", "a.csv", "b.csv"]) == 1
        told = capsys.readouterr().err
        assert told.startswith("unprompt: there is not enough memory for this; close what else uses it")
        assert told.count("\n") == 1
        with pytest.raises(type(error)):
            main(["score", "a.csv", "b.csv", "--debug"])

    def test_any_other_fault_keeps_its_traceback(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*_: object) -> None:
            raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

        monkeypatch.setattr("unprompt.ensemble.score_files.score_files", fail)
        with pytest.raises(RuntimeError, match="mat1 and mat2"):
            main(["score", "a.csv", "b.csv"])

    def test_a_closed_pipe_is_no_error(self) -> None:
        run = subprocess.run(
            f"{sys.executable} -m unprompt checkpoints list | head -1; exit ${{PIPESTATUS[0]}}",
            shell=True,
            executable="/bin/bash",
            capture_output=True,
            text=True,
            check=False,
        )
        assert (run.returncode, run.stderr) == (0, "")


class TestBlend:
    def test_writes_the_weighted_blend(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        write_embeddings(tmp_path / "a.npz", Embeddings(("x", "y"), axes(0, 1)))
        write_embeddings(tmp_path / "b.npz", Embeddings(("y", "x"), axes(2, 3)))
        files = [str(tmp_path / "a.npz"), str(tmp_path / "b.npz")]
        assert main(["blend", *files, "--weights", "3", "4", "--out", str(tmp_path / "s.csv")]) == 0
        blended = read_submission(tmp_path / "s.csv")
        np.testing.assert_allclose(
            blended.at(["x"]).vectors[0], 0.6 * axes(0)[0] + 0.8 * axes(3)[0], atol=1e-6
        )
        np.testing.assert_allclose(
            blended.at(["y"]).vectors[0], 0.6 * axes(1)[0] + 0.8 * axes(2)[0], atol=1e-6
        )

    def test_takes_the_order_of_a_sample(self, tmp_path: Path) -> None:
        write_embeddings(tmp_path / "a.npz", Embeddings(("x", "y"), axes(0, 1)))
        write_submission(tmp_path / "sample.csv", Embeddings(("y", "x"), axes(0, 0)))
        arguments = [
            "--weights",
            "1",
            "--out",
            str(tmp_path / "s.csv"),
            "--sample",
            str(tmp_path / "sample.csv"),
        ]
        assert main(["blend", str(tmp_path / "a.npz"), *arguments]) == 0
        assert read_submission(tmp_path / "s.csv").ids == ("y", "x")

    def test_ids_may_be_in_other_forms_of_unicode(self, tmp_path: Path) -> None:
        composed, decomposed = "\u00e4pfel", "a\u0308pfel"
        write_embeddings(tmp_path / "a.npz", Embeddings((composed, "x"), axes(0, 1)))
        write_embeddings(tmp_path / "b.npz", Embeddings(("x", decomposed), axes(2, 3)))
        write_embeddings(tmp_path / "truth.npz", Embeddings((decomposed, "x"), axes(0, 1)))
        write_submission(tmp_path / "sample.csv", Embeddings((decomposed, "x"), axes(0, 0)))
        files = [str(tmp_path / name) for name in ("a.npz", "b.npz")]
        more = ["--fit", str(tmp_path / "truth.npz"), "--sample", str(tmp_path / "sample.csv")]
        assert main(["blend", *files, "--out", str(tmp_path / "s.csv"), *more]) == 0
        blended = read_submission(tmp_path / "s.csv")
        assert blended.ids == (decomposed, "x")
        np.testing.assert_allclose(blended.vectors, axes(0, 1), atol=1e-6)

    @pytest.fixture
    def fit_arguments(self, tmp_path: Path) -> list[str]:
        """Two members that are perpendicular, and a truth at 3 : 4 between them for three of four images."""
        write_embeddings(tmp_path / "a.npz", Embeddings(("x", "y", "z", "more"), axes(0, 0, 0, 0)))
        write_embeddings(tmp_path / "b.npz", Embeddings(("z", "y", "x", "more"), axes(1, 1, 1, 1)))
        truth = Embeddings(("y", "x", "z"), 3 * axes(0, 0, 0) + 4 * axes(1, 1, 1))
        write_embeddings(tmp_path / "truth.npz", truth)
        files = [str(tmp_path / name) for name in ("a.npz", "b.npz", "truth.npz")]
        return ["blend", *files[:2], "--fit", files[2]]

    def test_fits_weights_and_blends_with_them(
        self, fit_arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main([*fit_arguments, "--json", "--out", str(tmp_path / "s.csv")]) == 0
        numbers = json.loads(capsys.readouterr().out)
        weights = [member["weight"]["value"] for member in numbers["members"]]
        assert weights == pytest.approx([3 / 7, 4 / 7], abs=1e-6)
        assert [member["alone"]["value"] for member in numbers["members"]] == pytest.approx([0.6, 0.8])
        given = (0.45 * 0.6 + 0.55 * 0.8) / np.hypot(0.45, 0.55)
        assert numbers["given_weights"] == [0.45, 0.55]
        assert numbers["given"]["value"] == pytest.approx(given)
        assert numbers["best_gain"]["value"] == pytest.approx(1 - given)
        assert numbers["held_out"]["value"] == pytest.approx(1)
        assert (numbers["images"], numbers["without_truth"], numbers["blended"]) == (3, 1, 4)
        blended = read_submission(tmp_path / "s.csv").at(["more"]).vectors[0]
        np.testing.assert_allclose(blended, 0.6 * axes(0)[0] + 0.8 * axes(1)[0], atol=1e-6)

    def test_a_fit_for_people_says_how_far_to_trust_it(
        self, fit_arguments: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main([*fit_arguments, "--weights", "1", "3"]) == 0
        text = capsys.readouterr().out
        given = (0.6 + 3 * 0.8) / 10**0.5
        assert re.search(rf"weights 1 3 +{given:.4f} ", text)
        assert re.search(rf"best weights +1\.0000 .* \+{1 - given:.4f} ", text)
        assert re.search(r"3-fold held out +1\.0000", text)
        assert re.search(r"a\.npz +0\.429 +0\.429 to 0\.429 +0\.6000", text)
        assert "With 3 images the intervals are wide" in text
        assert "1 image of the members has no truth and was not fitted on" in text

    def test_fits_to_a_prompts_csv(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        from unprompt.networks.minilm import PromptEncoder

        prompts = Prompts(("p", "q"), ("a red car", "two cats"))
        write_prompts(tmp_path / "truth.csv", prompts)
        write_embeddings(tmp_path / "a.npz", PromptEncoder.load().embed(prompts))
        write_embeddings(tmp_path / "b.npz", Embeddings(("p", "q"), axes(0, 1)))
        files = [str(tmp_path / name) for name in ("a.npz", "b.npz", "truth.csv")]
        assert main(["blend", *files[:2], "--fit", files[2], "--json"]) == 0
        numbers = json.loads(capsys.readouterr().out)
        assert numbers["members"][0]["weight"]["value"] == pytest.approx(1, abs=1e-3)
        assert numbers["best"]["value"] == pytest.approx(1, abs=1e-5)

    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            (["--out", "{tmp}/s.csv"], "give the members' --weights, or --fit TRUTH"),
            (["--weights", "1", "2"], "name the submission to write with --out"),
            (["--fit", "{tmp}/truth.npz", "--sample", "{tmp}/sample.csv"], "--sample orders a submission"),
            (["--fit", "{tmp}/truth.npz", "--weights", "1"], "2 members but 1 weight;"),
            (["--fit", "{tmp}/other.npz"], "share no image id"),
            (
                ["--fit", "{tmp}/larger.npz"],
                "1 of 2 images of {tmp}/larger.npz is not in {tmp}/a.npz, first: w",
            ),
        ],
    )
    def test_what_is_missing_for_a_fit_or_a_blend(
        self,
        arguments: list[str],
        says: str,
        fit_arguments: list[str],
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        write_embeddings(tmp_path / "other.npz", Embeddings(("u", "v"), axes(0, 1)))
        write_embeddings(tmp_path / "larger.npz", Embeddings(("x", "w"), axes(0, 1)))
        given = [argument.format(tmp=tmp_path) for argument in arguments]
        assert main([*fit_arguments[:3], *given]) == 1
        assert says.format(tmp=tmp_path) in capsys.readouterr().err


class TestScore:
    def test_prompts_against_themselves_and_what_is_missing(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        write_prompts(
            tmp_path / "guess.csv", Prompts(("a", "b", "more"), ("a red car", "two cats", "a boat"))
        )
        write_prompts(
            tmp_path / "truth.csv", Prompts(("b", "a", "gone"), ("two cats", "a red car", "a tree"))
        )
        assert main(["score", str(tmp_path / "guess.csv"), str(tmp_path / "truth.csv"), "--json"]) == 0
        numbers = json.loads(capsys.readouterr().out)
        assert list(numbers) == ["score", "low", "high", "n", "missing", "extra"]
        assert numbers["score"] == pytest.approx(1, abs=1e-6)
        assert (numbers["n"], numbers["missing"], numbers["extra"]) == (2, 1, 1)

    def test_for_people_it_names_best_worst_and_missing(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        ids = tuple(f"image{number:02d}" for number in range(25))
        write_prompts(tmp_path / "truth.csv", Prompts((*ids, "gone"), (*["a red car"] * 25, "a boat")))
        vectors = np.tile(prior_embedding(), (25, 1))
        write_submission(tmp_path / "guess.csv", Embeddings(ids, vectors))
        assert main(["score", str(tmp_path / "guess.csv"), str(tmp_path / "truth.csv")]) == 0
        text = capsys.readouterr().out
        assert "n = 25" in text
        assert "1 id missing" in text
        assert "first: gone" in text
        best, worst = text.split("best\n")[1].split("worst\n")
        assert len(best.split("\n\n")[0].splitlines()) == 10
        assert len(worst.strip().splitlines()) == 10

    @pytest.mark.real
    def test_the_official_sample_submission_scores_one(self, capsys: pytest.CaptureFixture[str]) -> None:
        folder = real_folder() / "kaggle7"
        files = [str(folder / "sample_submission.csv"), str(folder / "prompts.csv")]
        assert main(["score", *files, "--json"]) == 0
        numbers = json.loads(capsys.readouterr().out)
        assert numbers["score"] == pytest.approx(1, abs=1e-5)
        assert numbers["n"] == 7


class TestCheckpoints:
    def test_list_names_every_declared_checkpoint(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["checkpoints", "list", "--json"]) == 0
        listed = {state["name"]: state for state in json.loads(capsys.readouterr().out)}
        assert {"all-minilm-l6-v2", "efficientnet-lite2", "clip-vit-h-14", "blip-large"} <= set(listed)
        assert listed["all-minilm-l6-v2"]["folder"]
        assert listed["clip-vit-h-14"]["used_by"] == ["kaggle"]

    def test_check_says_the_files_are_right(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["checkpoints", "check", "all-minilm-l6-v2", "efficientnet-lite2"]) == 0
        assert capsys.readouterr().out.count("right files in") == 2
        assert main(["checkpoints", "check", "all-minilm-l6-v2", "--json"]) == 0
        (told,) = json.loads(capsys.readouterr().out)
        assert (told["name"], told["without_sha256"]) == ("all-minilm-l6-v2", [])
        for file in told["files"]:
            assert (Path(told["folder"]) / file["file"]).stat().st_size == file["size"]

    def test_fetch_by_hand_prints_commands_that_parse(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Each is parsed by the parser of the tool that it is for: ours, and `hf` as it is installed."""
        names = list(known_checkpoints())
        assert main(["checkpoints", "fetch", *names, "--by-hand"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert "  on Kaggle: attach the data set 'unprompt-clip-vit-h-14'" in lines
        ours = [line for line in lines if line.startswith("  unprompt ")]
        theirs = [line for line in lines if line.startswith("  hf ")]
        assert len(ours) == len(names)
        on_hub = [
            one for one in map(known_checkpoints().get, names) if any(f.source.on_hub for f in one.download)
        ]
        assert 0 < len(theirs) == len(on_hub) < len(names)
        assert main(["checkpoints", "fetch", *names, "--by-hand", "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert [one["name"] for one in told] == names
        assert [f"  {way}" for one in told for way in one["ways"] if way.startswith("hf ")] == theirs
        assert [f"  {one['then']}" for one in told] == ours
        assert {one["name"]: one["bytes"] for one in told}["clip-vit-h-14"] > 1e9
        parse_commands(ours)
        for options, name in zip(parse_commands(theirs), theirs, strict=True):
            assert options["local_dir"], name
            assert options["filenames"], name

    def test_every_way_that_is_declared_parses(self) -> None:
        ways = [way for one in known_checkpoints().values() for way in (*one.get, *one.manual_ways)]
        assert parse_commands(ways)
        assert not any("huggingface-cli" in way for way in ways)

    def test_what_is_declared_and_what_is_downloaded_by_hand_is_the_same(self) -> None:
        for name, checkpoint in known_checkpoints().items():
            for way in checkpoint.manual_ways:
                if way.startswith("hf "):
                    (options,) = parse_commands([way])
                    source = checkpoint.download[0].source
                    assert options["repo_id"] == source.repository
                    assert options["revision"] == (None if source.revision == "main" else source.revision)
                    assert list(options["filenames"]) == [file.source.path for file in checkpoint.download]
                    assert options["local_dir"] == name

    @pytest.mark.parametrize(
        ("words", "says"),
        [
            ([], "name checkpoints (see `unprompt checkpoints list`), or give --bundle NAME"),
            (["gpt2", "sd-turbo", "--from", "."], "--from takes the files of one checkpoint, these are 2"),
            (["gpt2"], "HF_HUB_OFFLINE is set, so nothing is downloaded"),
            (["--bundle", "huge"], "no bundle is called 'huge'"),
        ],
    )
    def test_what_fetch_refuses(
        self, words: list[str], says: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["checkpoints", "fetch", *words]) == 1
        error = capsys.readouterr().err
        assert error.startswith("unprompt: ")
        assert error.count("\n") == 1
        assert says in error

    def test_a_bundle_that_is_all_here(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["checkpoints", "fetch", "--bundle", "lite"]) == 0
        assert capsys.readouterr().out.count("right files in") == 2
        assert main(["checkpoints", "fetch", "--bundle", "lite", "--json"]) == 0
        captured = capsys.readouterr()
        told = json.loads(captured.out)
        assert [(one["name"], one["fetched"]) for one in told] == [
            ("efficientnet-lite2", False), ("all-minilm-l6-v2", False),
        ]  # fmt: skip
        assert captured.err.count("right files in") == 2


def parse_commands(lines: Sequence[str]) -> list[dict[str, Any]]:
    """The options of those lines that are `unprompt …` or `hf …`, by the tools' own parsers; nothing runs."""
    from huggingface_hub.cli.hf import app

    parsed = []
    for line in lines:
        if line.split()[0] not in ("unprompt", "hf"):
            continue
        tool, *words = shlex.split(line)
        if tool == "unprompt":
            parsed.append(vars(build_parser(words).parse_args(words)))
        else:
            with app.make_context("hf", list(words), resilient_parsing=True) as context:
                name, command, rest = app.resolve_command(context, words)
                with command.make_context(name, rest, parent=context) as inner:
                    parsed.append(dict(inner.params))
    return parsed


def test_every_command_of_the_readme_parses() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    lines = re.findall(r"^unprompt .*$", readme, flags=re.MULTILINE)
    cells = re.findall(r"`unprompt (\w+)[^`]*`", readme)
    assert lines
    parser = build_parser()
    for line in lines:
        parser.parse_args(shlex.split(line, comments=True)[1:])
    assert set(cells) <= set(VERBS)


def test_what_the_system_refuses_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    out = "x" * 300
    assert main(["predict", str(tmp_path / "a.png"), "--out", out]) == 1
    assert (
        capsys.readouterr().err.splitlines()[-1] == f"unprompt: {out}: file name too long; name a shorter one"
    )
    with pytest.raises(RunError, match="file name too long"):
        unprompt.predict(tmp_path / "a.png", out)
