"""Past calibrations, for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.table import Table

from sigvault.cli.output import tidy
from sigvault.cli.ruled_table import ruled_table
from sigvault.cli.tables import short_time

if TYPE_CHECKING:
    from sigvault.vault import PastCalibration


def history_table(found: Sequence[PastCalibration]) -> Table:
    """A line for each."""
    table = ruled_table(">Event", "When (UTC)", "In use", "From", ">Signers", "References")
    for one in found:
        came = " + ".join(one.data)
        if one.restored is not None:
            came += f" (put back from event {one.restored})"
        table.add_row(
            str(one.event),
            short_time(one.at),
            "yes" if one.in_use else "",
            tidy(came),
            str(one.signers),
            ", ".join(map(str, one.references)),
        )
    return table
