"""The windows of a run: read side by side, handed on in the order of time."""

from __future__ import annotations

from kubedossier.analytics.ingest.console_queue import WindowQueue
from kubedossier.analytics.ingest.console_window import SplitWindow, Window, WindowResult


def windows(count):
    return [Window(10 * number, 10 * number + 10) for number in range(count)]


def done(window):
    return WindowResult(window, (), 0, 0, 0, True, 1, 1, ())


def given(queue):
    found = []
    queue.give(found.append)
    return found


def test_the_oldest_are_read_first_and_so_many_at_once_as_allowed():
    some = windows(5)
    queue = WindowQueue(reversed(some), 2)
    assert given(queue) == some[:2]
    assert given(queue) == []
    queue.put(done(some[1]))
    assert given(queue) == [some[2]]


def test_what_is_finished_waits_for_what_is_earlier():
    some = windows(3)
    queue = WindowQueue(some, 3)
    given(queue)
    queue.put(done(some[2]))
    queue.put(done(some[1]))
    assert queue.ready() == []
    queue.put(done(some[0]))
    assert [one.window for one in queue.ready()] == some
    assert queue.ready() == []
    assert not queue


def test_a_run_that_ends_early_gets_what_is_there():
    some = windows(3)
    queue = WindowQueue(some, 3)
    given(queue)
    queue.put(done(some[2]))
    assert [one.window for one in queue.ready(everything=True)] == [some[2]]
    assert queue


def test_the_parts_of_a_window_are_read_before_later_ones():
    some = windows(3)
    queue = WindowQueue(some, 1)
    given(queue)
    parts = [Window(0, 5), Window(5, 10)]
    queue.put(SplitWindow(some[0], parts))
    assert given(queue) == [parts[0]]
    queue.put(done(parts[0]))
    assert [one.window for one in queue.ready()] == [parts[0]]
    assert given(queue) == [parts[1]]


def test_a_window_that_takes_long_is_not_left_far_behind():
    some = windows(40)
    queue = WindowQueue(some, 2)
    (slow, *_) = given(queue)
    queue.put(done(some[1]))
    read = 1
    while following := given(queue):
        read += 1
        queue.put(done(following[0]))
    assert read == 8
    queue.put(done(slow))
    assert len(queue.ready()) == 9
