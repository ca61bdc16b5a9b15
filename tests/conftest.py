"""Fixtures of general use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# A slow machine is no failure, and what passed yesterday passes today: the same examples on every run. `make
# test-faults` looks for new ones, and prints how to have them again.
settings.register_profile(
    "same", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("new", settings.get_profile("same"), derandomize=False, print_blob=True)
settings.load_profile("new" if os.environ.get("KUBEDOSSIER_FAULTS") == "all" else "same")

CHECKOUT = Path(__file__).resolve().parent.parent
EXTRACTS = CHECKOUT.parent / "shared" / "data"
RECORDED = EXTRACTS / "recorded"


@pytest.fixture(autouse=True)
def _nobody_is_at_home(tmp_path_factory, monkeypatch):
    """No test reads or writes the configuration, the witness or the proxies of whoever runs it."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "state"))
    proxies = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
    for name in list(os.environ):
        if name.startswith("KUBEDOSSIER_") or name.lower() in proxies:
            monkeypatch.delenv(name)


@pytest.fixture
def archive_path(tmp_path: Path) -> Path:
    """Where an archive may be made; nothing is there yet."""
    return tmp_path / "dossier"


@pytest.fixture(scope="session")
def recorded() -> Path:
    """The folder of real audit logs beside the checkout."""
    if not RECORDED.is_dir():
        pytest.skip(f"no recorded audit logs at {RECORDED}")
    return RECORDED


@pytest.fixture(scope="session")
def extracts() -> Path:
    """The folder of the vendor's contracts beside the checkout."""
    if not EXTRACTS.is_dir():
        pytest.skip(f"no contracts at {EXTRACTS}")
    return EXTRACTS


@pytest.fixture(scope="session")
def checkout() -> Path:
    """The root of the source tree."""
    return CHECKOUT
