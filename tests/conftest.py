"""What every test gets: no settings of this computer's, and real signatures or a skip."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

REPOSITORY = Path(__file__).parents[1]

settings.register_profile("default", deadline=None)  # a slow computer is not a failure
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")


def _data() -> Path:
    return Path(os.environ.get("SIGVAULT_DATA") or REPOSITORY.parent / "shared" / "data")


def _cuda() -> bool:
    import torch

    return torch.cuda.is_available()


def pytest_collection_modifyitems(items):
    real_data = [item for item in items if item.get_closest_marker("real_data")]
    if real_data and not _data().is_dir():
        skip = pytest.mark.skip(reason=f"no real signatures in {_data()}: set SIGVAULT_DATA")
        for item in real_data:
            item.add_marker(skip)
    gpu = [item for item in items if item.get_closest_marker("gpu")]
    if gpu and not _cuda():
        for item in gpu:
            item.add_marker(pytest.mark.skip(reason="no CUDA device"))


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the repository."""
    return REPOSITORY


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data sets; a test that uses it is marked `real_data`."""
    if not _data().is_dir():
        pytest.skip(f"no real signatures in {_data()}: set SIGVAULT_DATA")
    return _data()


@pytest.fixture(autouse=True)
def _own_settings_only(monkeypatch, tmp_path_factory):
    """No test reads, or writes to, the vault of whoever runs it."""
    for name in os.environ:
        if name.startswith("SIGVAULT_") and name != "SIGVAULT_DATA":
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path_factory.getbasetemp() / "data-home"))
