"""The archive and its questions: the public Python API.

>>> from kubedossier.analytics import Archive

Names are loaded on first use, so that ``import kubedossier.analytics`` stays light.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kubedossier.analytics.archive import Archive
    from kubedossier.analytics.periods import Period

__all__ = ["Archive", "Period"]


def __getattr__(name: str) -> object:
    if name == "Archive":
        from kubedossier.analytics.archive import Archive

        return Archive
    if name == "Period":
        from kubedossier.analytics.periods import Period

        return Period
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
