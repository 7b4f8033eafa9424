"""A folder on the server's machine -> a run with progress, its report and its submission."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from functools import partial

import streamlit as st

from unprompt.app.asking import batch_runs, models
from unprompt.app.looks import empty, head, name, note, trouble
from unprompt.app.settings import current_settings
from unprompt.demos.captions import run_zip
from unprompt.errors import UnpromptError
from unprompt.serving.batch_runs import BatchRun, State, count_before, open_run
from unprompt.serving.server_folders import folder_below, folders_with_images, images_below
from unprompt.text.english import counted

WRONG = "run-wrong"  # in the session: why none was begun
EVERY = 1.0  # seconds between two looks at the open runs
SHOWN = 20


def show() -> None:
    """The page."""
    head("Run", "Recover the prompts of a whole folder of pictures that lies on the server's machine.")
    settings = current_settings()
    if settings.root is None:
        empty("This app was started without a folder for runs.")
        note("Whoever starts it can name one; visitors may then run over the folders below it, no others.")
        st.code("unprompt app --root my_images", language=None)
        return
    begin()
    show_runs()


def begin() -> None:
    """Choose a folder and queue a run over it."""
    settings = current_settings()
    assert settings.root is not None
    with st.container(border=True):
        folder = st.selectbox(
            "Folder",
            folders_with_images(settings.root),
            index=None,
            accept_new_options=True,
            format_func=lambda name: "(the root itself)" if name == "." else name,
            placeholder="Choose a folder below the root, or type its name",
            key="run-folder",
        )
        if not folder:
            note(
                f"Runs use the bundle '{settings.bundle}' as the other pages have loaded it, one after the "
                "other. Those pages answer meanwhile, a little later."
            )
            return
        try:
            source = folder_below(settings.root, folder)
            images = images_below(settings.root, folder)
        except UnpromptError as error:
            trouble(str(error))
            return

        def begin_run() -> None:
            try:
                batch_runs().begin(source, folder, len(images), _visitor())
            except UnpromptError as error:
                st.session_state[WRONG] = str(error)

        is_open = open_run(source, _visitor(), batch_runs().runs()) is not None
        with st.container(horizontal=True, vertical_alignment="center"):
            st.button(
                "Begin", type="primary", key="run-begin", icon=":material/play_arrow:", on_click=begin_run,
                disabled=is_open,
            )  # fmt: skip
            note(f"{counted(len(images), 'image')}{'; your run over them is below' if is_open else ''}")
        if wrong := st.session_state.pop(WRONG, ""):
            trouble(wrong)


def show_runs() -> None:
    """All runs, the newest first; the open ones are looked at again and again."""
    over = [run for run in batch_runs().runs() if not run.is_open]
    # Each list has a place of its own. Without, what a fragment is still drawing when a run moves from one to
    # the other is mixed into what stands there now.
    with st.container(key="runs-open"):
        show_open_runs([run.name for run in over])
    with st.container(key="runs-over"):
        for run in over[:SHOWN]:
            show_run_over(run)


def show_run_over(run: BatchRun) -> None:
    """A run that is done, failed, cancelled or left unfinished."""
    with st.container(border=True, key=f"over-{run.name}"):
        name(run.label)
        note(f"{run.name}: {describe(run, ahead=0)}")
        if run.can_go_on:
            st.button("Go on", key=f"go-on-{run.name}", on_click=batch_runs().go_on, args=(run.name,))
        elif run.state is State.DONE:
            show_results(run)


@st.fragment(run_every=EVERY)
def show_open_runs(known_over: Sequence[str]) -> None:
    """The runs that wait or run. Draws the whole page anew when another run is over than `known_over`."""
    runs = batch_runs().runs()
    if [run.name for run in runs if not run.is_open] != known_over:
        st.rerun()
    if not runs:
        empty("Runs appear here, yours and those of others.")
    for run in runs:
        if not run.is_open:
            continue
        with st.container(border=True, key=f"open-{run.name}"):
            name(run.label)
            note(f"{run.name}: {describe(run, count_before(run, runs))}")
            if run.state is State.RUNNING:
                st.progress(run.done / run.total if run.total else 0.0)
            show_cancel(run)


def describe(run: BatchRun, ahead: int) -> str:
    """Where a run stands, in a sentence."""
    count = counted(run.total, "image")
    if run.state is State.WAITING:
        return f"{count}; waiting for {counted(ahead, 'run')} before it" if ahead else f"{count}; waiting"
    if run.state is State.RUNNING:
        if not run.done:
            return f"{count}; {'looking at the first' if models().are_loaded else 'loading the models'}"
        return f"{run.done:,} of {count}" if run.done < run.total else f"{count}; the results are written"
    if run.state is State.DONE:
        bad = f"; {counted(run.problems, 'image')} could not be read" if run.problems else ""
        return f"{count} in {run.seconds:.0f} s{bad}"
    if run.state is State.FAILED:
        return f"failed: {run.message}"
    if run.state is State.UNFINISHED:
        return f"{count}; not finished; {run.message or 'what is done is kept'}"
    return f"cancelled after {run.done:,} of {count}; what is done is kept"


def show_cancel(run: BatchRun) -> None:
    """One's own run is cancelled at once, another's after a question."""
    cancel = partial(batch_runs().cancel, run.name)
    if run.owner == _visitor():
        st.button("Cancel", key=f"cancel-{run.name}", on_click=cancel)
        return
    with st.popover("Cancel"):
        note("Somebody else may have begun this run.")
        st.button("Cancel it all the same", key=f"cancel-{run.name}", on_click=cancel)


def show_results(run: BatchRun) -> None:
    """A finished run's files."""
    report = run.folder / "report.html"
    with st.container(horizontal=True):
        for name, file in (("Report", report), ("Submission", run.folder / "submission.csv"),
                           ("Prompts", run.folder / "prompts.csv")):  # fmt: skip
            if file.is_file():
                st.download_button(
                    name,
                    file.read_bytes,
                    f"{run.name}-{file.name}",
                    key=f"{file.name}-{run.name}",
                    on_click="ignore",
                    icon=":material/download:",
                )
        if (run.folder / "prompts.csv").is_file():
            st.download_button(
                "Captions (.zip)",
                partial(run_zip, run.folder, run.source),
                f"{run.name}-captions.zip",
                "application/zip",
                help="For training: a .txt for each picture, and metadata.jsonl",
                key=f"captions-{run.name}",
                on_click="ignore",
                icon=":material/download:",
            )
    if report.is_file() and st.toggle("Show the report", key=f"show-{run.name}"):
        st.iframe(report, height=900, alt=f"Report of {run.label}")


def _visitor() -> str:
    """A name for this visitor's session."""
    return str(st.session_state.setdefault("visitor", secrets.token_hex(8)))


show()
