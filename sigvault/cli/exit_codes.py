"""What the process says when it ends."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # NumPy, which it needs, would slow down --help
    from sigvault.domain.comparison import Decision


class ExitCode(IntEnum):
    """The exit codes of every command.

    ``DONE``: done, or accepted. ``REFUSE``: a verification refused, an identification found
    nobody, a generation may not decide, or a check found a fault. ``USAGE``: the command line was
    wrong. ``REVIEW``: a person has to decide. ``FAILED``: what was asked could not be done.
    ``INTERRUPTED``: Ctrl-C.
    """

    DONE = 0
    REFUSE = 1
    USAGE = 2
    REVIEW = 3
    FAILED = 4
    INTERRUPTED = 130


def code_for(decision: Decision) -> ExitCode:
    """The exit code that stands for a decision."""
    return {
        "accept": ExitCode.DONE,
        "review": ExitCode.REVIEW,
        "refuse": ExitCode.REFUSE,
    }[decision.value]
