"""A few threads that read windows side by side, so that the Console's slowness does not add up.

The threads only ask and hand over; one coordinator decides, commits and can be interrupted at any moment.
They never keep the process alive.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Failure(Generic[Task]):
    """A task that ended with an exception."""

    task: Task
    error: BaseException


class Crew(Generic[Task, Result]):
    """Threads that work tasks off and put what comes of them into one queue.

    Args:
        work: does one task; runs in the threads.
        size: number of threads.
    """

    def __init__(self, work: Callable[[Task], Result], size: int) -> None:
        self._work = work
        self._tasks: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        self._results: queue.SimpleQueue[Result | Failure[Task]] = queue.SimpleQueue()
        self._threads = [threading.Thread(target=self._run, name=f"console-{n}", daemon=True) for n in range(size)]
        for thread in self._threads:
            thread.start()

    def give(self, task: Task) -> None:
        """Let a thread do this when one is free."""
        self._tasks.put(task)

    def tell(self, message: Result) -> None:
        """Put something into the queue from within a task."""
        self._results.put(message)

    def take(self) -> Result | Failure[Task]:
        """The next thing that came of the work; waits for it, and Ctrl-C ends the waiting."""
        return self._results.get()

    def drain(self) -> list[Result | Failure[Task]]:
        """All that came of the work and was not taken yet; does not wait."""
        found = []
        while True:
            try:
                found.append(self._results.get_nowait())
            except queue.Empty:
                return found

    def dismiss(self, *, wait_s: float) -> None:
        """Let the threads end when they are done with what they do now, and wait a little for that."""
        for _ in self._threads:
            self._tasks.put(None)
        until = time.monotonic() + wait_s
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def _run(self) -> None:
        while (task := self._tasks.get()) is not None:
            try:
                result: Result | Failure[Task] = self._work(task)
            except BaseException as error:  # noqa: BLE001 - the coordinator raises it
                result = Failure(task, error)
            self._results.put(result)
