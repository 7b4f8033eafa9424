"""Widgets whose values the program changes too."""

from __future__ import annotations

from unprompt.app.held import Held, hold


def test_a_widget_that_was_gone_is_another_one_and_says_no_news() -> None:
    widgets: dict[str, Held] = {}
    first = hold(widgets, "crayons", "any")
    assert first.is_news("16")
    first.is_gone = True
    assert not first.is_news("any")  # what the server makes of a value that the browser has no more
    second = hold(widgets, "crayons", "16")
    assert (second.key, second.first) == ("crayons-1", "16")
    assert hold(widgets, "crayons", "16") is second


def test_a_widget_stays_while_it_shows_what_it_is_to_show() -> None:
    widgets: dict[str, Held] = {}
    first = hold(widgets, "caption", "a cat")
    assert (first.key, first.first) == ("caption-0", "a cat")
    assert hold(widgets, "caption", "a cat") is first
    assert first.is_news("a tiger")  # the visitor wrote it, and it is taken
    assert hold(widgets, "caption", "a tiger") is first
    second = hold(widgets, "caption", "a house")
    assert (second.key, second.first) == ("caption-1", "a house")
    assert hold(widgets, "prompt", "").key == "prompt-0"


def test_what_comes_back_from_a_page_that_was_not_drawn_is_no_news() -> None:
    widgets: dict[str, Held] = {}
    one = hold(widgets, "caption", "a cat")
    assert not one.is_news("a cat")
    assert one.is_news("a tiger")
    assert not one.is_news("a tiger")
    assert one.is_news("a cat")
    hold(widgets, "caption", "a house")
    assert not one.is_news("a cat")


def test_a_widget_that_was_forgotten_is_a_new_one_that_shows_what_was_given() -> None:
    widgets: dict[str, Held] = {}
    one = hold(widgets, "caption", "a cat")
    one.begin_again()
    assert hold(widgets, "caption", "a cat") is one
    assert one.is_news("a tiger")
    one.begin_again()
    second = hold(widgets, "caption", "a tiger")
    assert (second.key, second.first) == ("caption-1", "a tiger")


def test_what_a_visitor_empties_begins_again() -> None:
    widgets: dict[str, Held] = {}
    one = hold(widgets, "caption", "a cat")
    assert one.is_news("")
    assert hold(widgets, "caption", "a cat").key == "caption-1"
