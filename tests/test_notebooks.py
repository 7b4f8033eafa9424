"""The notebooks are in step with their .py files, thin, and leave each other's results alone."""

from __future__ import annotations

from pathlib import Path

import jupytext
import pytest

from tests.run_notebooks import clashes, complaints, names_used, notebooks, synced


@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_a_notebook_is_thin_and_in_step(path: Path) -> None:
    assert complaints(path) == []


@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_a_notebook_that_is_synced_anew_stays_as_it_is(path: Path) -> None:
    there = jupytext.read(path.with_suffix(".ipynb"))
    ids = [cell.id for cell in synced(path).cells]
    assert ids == [cell.id for cell in there.cells]


def test_ids_go_with_what_is_in_cells(tmp_path: Path) -> None:
    def ids(*sources: str) -> list[str]:
        (tmp_path / "one.py").write_text("".join(f"# %%\n{source}\n\n" for source in sources))
        return [cell.id for cell in synced(tmp_path / "one.py").cells]

    first, again, other = ids("show(1)", "show(1)", "show(2)")
    assert len({first, again, other}) == 3
    assert ids("show(0)", "show(1)", "show(2)")[1:] == [first, other]


def test_no_two_notebooks_use_one_name() -> None:
    """Who runs them in order does so in one folder; and the submission's names are what Kaggle looks for."""
    names_by_notebook = {path.name: names_used(path) for path in notebooks()}
    assert {"RUN", "submission.csv"} <= names_by_notebook["03_submission.py"]
    assert all(names_by_notebook.values())
    assert clashes(names_by_notebook) == []


def test_names_are_found_wherever_they_stand(tmp_path: Path) -> None:
    path = tmp_path / "one.py"
    path.write_text(
        "# %%\n# %pip install this/that\nfrom pathlib import Path\n"
        "# %%\nmake(Path('PAIRS'), 'a cat, drawn', bundle='RUN/bundle.toml')\n"
        "# %%\nImage(f'PAGES/{path.stem}.png'), copyfile(result, 'submission.csv')\n"
    )
    assert names_used(path) == {"PAIRS", "RUN", "PAGES", "submission.csv"}
    told = clashes({"1": names_used(path), "2": {"pairs", "RUN2"}, "3": {"run2"}})
    assert told == [
        "1 and 2 both use pairs; give each a name of its own",
        "2 and 3 both use run2; give each a name of its own",
    ]
