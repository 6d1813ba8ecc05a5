"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from game.patient.store import embedded
from game.simulation.case import Case
from game.training.levels import make_case, read_level

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real anatomy beside the checkout; tests that need it skip where it is absent."""
    if not SHARED.is_dir():
        pytest.skip("real anatomy (../shared/data) is not beside this checkout")
    return SHARED


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Imports are kept for the length of one run of the tests, shared by its workers."""
    root = tmp_path_factory.getbasetemp()
    folder = (root.parent if "PYTEST_XDIST_WORKER" in os.environ else root) / "sacrosim-cache"
    os.environ["SACROSIM_CACHE"] = str(folder)
    yield
    del os.environ["SACROSIM_CACHE"]


@pytest.fixture(scope="session")
def embedded_case(own_cache: None) -> Case:
    """Both sides of the embedded patient."""
    return make_case(embedded(0), read_level("both-sides"))
