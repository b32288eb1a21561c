"""The state of an unfinished run on disk: whole or not at all, and the one before it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from sigvault.domain.errors import CheckpointMismatch
from sigvault.embedding.checkpoint import load_state, save_state

STATE_FILE = "state.pt"
PREVIOUS_FILE = "state.previous.pt"
BEST_FILE = "best.pt"


def keep_state(folder: Path, state: dict[str, Any]) -> None:
    """Write the state; the one before stays beside it, in case the disk damages the newest."""
    newest = folder / STATE_FILE
    fresh = folder / f"{STATE_FILE}.new"
    save_state(fresh, state)
    if newest.is_file():
        newest.replace(folder / PREVIOUS_FILE)
    fresh.replace(newest)


def find_state(folder: Path) -> tuple[dict[str, Any] | None, str | None]:
    """The newest state that can be read, and what was wrong with a newer one, if anything.

    Raises:
        CheckpointMismatch: If there are states and none can be read.
    """
    newest, previous = folder / STATE_FILE, folder / PREVIOUS_FILE
    if not newest.is_file() and not previous.is_file():
        return None, None
    try:
        return load_state(newest), None
    except CheckpointMismatch as error:
        if not previous.is_file():
            raise
        return load_state(previous), str(error)


class Interruption:
    """Whether somebody asked the run to stop; it does so after the batch under way."""

    def __init__(self) -> None:
        """Nobody has."""
        self.asked = False

    def ask(self, _signal: int = 0, _frame: FrameType | None = None) -> None:
        """Stop after this batch; asked a second time, stop at once."""
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True


@contextmanager
def interruptions() -> Iterator[Interruption]:
    """Turn Ctrl-C and SIGTERM into a request, so that no batch is left half-done."""
    request = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = {number: signal.signal(number, request.ask) for number in _SIGNALS}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


_SIGNALS = (signal.SIGINT, signal.SIGTERM)
