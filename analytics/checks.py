"""What ``doctor`` says of one thing it looked at. It must never hold a secret, and never a guess without its reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warning", "failed"]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Attributes:
        topic: what, in a word or two.
        state: whether it works; a warning is what works and should not stay so.
        found: what was seen.
        next: what to do; empty where there is nothing to do.
        about: whose it is, such as a Console's; empty where it is this machine's.
    """

    topic: str
    state: State
    found: str
    next: str = ""
    about: str = ""

    @property
    def name(self) -> str:
        """Whose and what, for a sentence."""
        return f"{self.about} {self.topic}".strip()
