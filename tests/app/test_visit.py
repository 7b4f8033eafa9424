"""What stays of a visit: through other pages, and in the session after one."""

from __future__ import annotations

from typing import Any

from unprompt.app.easel import Tap
from unprompt.app.sketchbook import Painting
from unprompt.app.visit import Visit, go_on_with, visit_of
from unprompt.serving.uploads import Upload

ONE, TWO, THREE = (Upload.of(f"{name}.png", name.encode()) for name in ("one", "two", "three"))


def begun() -> tuple[dict[str, Any], Visit]:
    """A session, and its visit."""
    session: dict[str, Any] = {}
    return session, visit_of(session)


def test_files_are_kept_when_their_uploader_was_forgotten() -> None:
    _, visit = begun()
    assert visit.take("files", [], is_new=True) == ()
    assert visit.take("files", [ONE, TWO], is_new=False) == ()
    assert visit.take("files", [TWO], is_new=False) == ()  # the other was taken away
    assert visit.take("files", [], is_new=True) == (TWO,)
    assert visit.take("others", [], is_new=True) == ()
    assert visit.take("files", [THREE], is_new=False) == (TWO,)
    assert visit.take("files", [], is_new=True) == (TWO, THREE)
    assert visit.take("files", [Upload.of("again.png", b"two")], is_new=False) == (THREE,)
    assert visit.files == [b"three"]
    visit.remove("files", [THREE])
    assert visit.files == []


def test_another_session_goes_on_with_a_visit_by_its_token() -> None:
    session, before = begun()
    before.take("files", [ONE], is_new=True)
    before.take("files", [TWO], is_new=True)
    before.samples["files"] = 2
    before.answers["question"] = "answer"
    before.easel.put(THREE, "a red house")
    work = before.easel.show(THREE, before.easel.order)
    before.book.vary()
    before.book.add(Painting(before.book.wish(NoSteps()), before.book.words, (b"file",), ()))

    other, visit = begun()
    for token in ("", "unknown", None, 3, visit.token):
        go_on_with(other, token)
        assert visit.files == []
    go_on_with(other, before.token)
    assert visit.take("files", [], is_new=False) == (ONE, TWO)
    assert visit.samples == {"files": 2}
    assert other["answers"] == {"question": "answer"}
    assert (other["easel"].upload, other["easel"].words) == (THREE, "a red house")
    assert other["sketchbook"].seed == before.book.seed
    assert other["sketchbook"].shown is other["sketchbook"].paintings[0]

    # A tab that was doubled has the same token while the first one goes on: neither changes the other.
    other["easel"].works[work.order.key].taps = work.taps.add(Tap(0.5, 0.5, 0))
    other["sketchbook"].shown.chosen = 1
    other["easel"].put(ONE)
    assert (work.taps.done, before.easel.upload, before.book.paintings[0].chosen) == ((), THREE, 0)
    go_on_with(session, visit.token)
    assert before.easel.upload is THREE


class NoSteps:
    """Steps that say nothing of a drawing."""

    def prompt(self, caption: str, style: str) -> str:
        return "a prompt"

    def negative_prompt(self, style: str) -> str:
        return ""
