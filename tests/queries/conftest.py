"""Archives of the hard data set, one for all tests of this folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from hard_archive import fill

from kubedossier.analytics.archive import Archive
from kubedossier.analytics.store.commit import Writer


@pytest.fixture(scope="session")
def hard_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the archive of the hard data set."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        return fill(tmp_path_factory.mktemp("hard") / "dossier")


@pytest.fixture(scope="session")
def backwards_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same records, each file in the other order."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        return fill(tmp_path_factory.mktemp("backwards") / "dossier", backwards=True)


@pytest.fixture(scope="session")
def hard(hard_root: Path) -> Archive:
    """The archive of the hard data set."""
    return Archive(hard_root)


@pytest.fixture
def empty(archive_path: Path) -> Archive:
    """An archive that holds nothing but its genesis."""
    Writer(archive_path).close()
    return Archive(archive_path)
