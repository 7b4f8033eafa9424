"""What ends a painting from another thread: between steps, and while a web UI is waited for."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler

import pytest

from tests.web_ui_server import answering, encoded, opened, picture, serving
from unprompt.painting.watch import StoppedError, Watch
from unprompt.painting.webui import request
from unprompt.painting.webui_errors import WebUIError

PATIENCE = 240  # seconds


def test_steps_are_told_until_somebody_stops_them() -> None:
    watch = Watch()
    watch.tell(3, 10)
    assert (watch.done, watch.total) == (3, 10)
    watch.stop()
    with pytest.raises(StoppedError):
        watch.tell(4, 10)
    with pytest.raises(StoppedError):
        watch.check()


def test_a_wait_is_ended_by_hanging_up_and_other_faults_stay_what_they_are() -> None:
    watch, hung_up = Watch(), threading.Event()
    with pytest.raises(OSError, match="broken"), watch.waiting(hung_up.set):
        raise OSError("broken")
    watch.stop()
    assert not hung_up.is_set()  # it was waited no more

    watch = Watch()

    def be_cut_off() -> None:
        watch.stop()
        assert hung_up.is_set()
        raise OSError("cut")

    with pytest.raises(StoppedError), watch.waiting(hung_up.set):
        be_cut_off()
    with pytest.raises(StoppedError), watch.waiting(hung_up.set):
        pytest.fail("nothing is begun after that")


def test_a_web_ui_that_has_not_answered_is_waited_for_no_longer() -> None:
    heard = threading.Event()

    def keep_silent(request: BaseHTTPRequestHandler) -> None:
        heard.set()
        assert server.over.wait(PATIENCE)
        request.close_connection = True

    watch = Watch()
    with opened(keep_silent) as server, ThreadPoolExecutor(1) as thread:
        asked = thread.submit(request, server.url, {"prompt": "a fox"}, PATIENCE, watch=watch)
        assert heard.wait(PATIENCE)
        assert not asked.done()
        watch.stop()
        assert isinstance(asked.exception(PATIENCE), StoppedError)
        assert not server.over.is_set()  # it still has not answered
        with pytest.raises(StoppedError):
            request(server.url, {"prompt": "a fox"}, watch=watch)
    assert len(server.asked) == 1


def test_whoever_watches_gets_the_answer_and_the_faults_all_the_same() -> None:
    watch = Watch()
    with serving(200, answering(encoded(picture()))) as server:
        assert request(server.url, {"prompt": "a fox"}, watch=watch)["info"] == "{}"
    watch.stop()  # too late: there is nothing to hang up
    with pytest.raises(WebUIError, match="no server answers"):
        request(server.url, {"prompt": "a fox"}, watch=Watch())
