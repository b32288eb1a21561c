"""The fixtures of `command_line`."""

from __future__ import annotations

import pytest
from command_line import draw, enrolled, run, templates, use_vault, vault

from sigvault.cli import reindexing

__all__ = ["draw", "enrolled", "run", "templates", "use_vault", "vault"]


@pytest.fixture(autouse=True)
def _usual_width(monkeypatch) -> None:
    """Tables as wide as without the variable, which pytest-xdist sets."""
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.fixture(autouse=True)
def given_way(monkeypatch) -> list[int]:
    """How far commands gave way; this process doesn't, since it could never take it back."""
    asked: list[int] = []
    monkeypatch.setattr(reindexing, "give_way", asked.append)
    return asked
