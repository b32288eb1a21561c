"""Who has seen the machine's answer on which case, so that "blind" is not said in vain."""

from __future__ import annotations

import threading
from collections import OrderedDict

_MOST = 100_000


class SeenCases:
    """Remembers in this process alone, and lets go of the oldest; safe for threads."""

    def __init__(self) -> None:
        """Nobody has seen anything yet."""
        self._seen: OrderedDict[tuple[str, int], None] = OrderedDict()
        self._lock = threading.Lock()

    def note(self, who: str, case: int) -> None:
        """Somebody was shown the machine's answer on a case."""
        with self._lock:
            self._seen[who, case] = None
            self._seen.move_to_end((who, case))
            while len(self._seen) > _MOST:
                self._seen.popitem(last=False)

    def has_seen(self, who: str, case: int) -> bool:
        """Whether somebody was shown it."""
        with self._lock:
            return (who, case) in self._seen
