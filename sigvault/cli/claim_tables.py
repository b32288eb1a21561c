"""What became of many claims, for people."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from sigvault.cli.claims import count_claims
from sigvault.cli.output import tidy
from sigvault.cli.ruled_table import ruled_table
from sigvault.cli.tables import DECISION_STYLES
from sigvault.domain.comparison import Decision

if TYPE_CHECKING:
    from sigvault.cli.claims import ClaimResult

SHOWN = 40
"""Of more claims than this, those accepted without an alarm are counted instead of listed."""


def claim_tables(results: Sequence[ClaimResult], file: Path | None) -> list[Table | Text]:
    """Every one of a few claims, or those of many that somebody has to look at; and the counts."""
    few = len(results) <= SHOWN
    rows = [one for one in results if few or one.decision is not Decision.ACCEPT or one.findings]
    parts: list[Table | Text] = []
    if rows:
        table = ruled_table("Signer", "Picture", "Decision", ">LLR", ">Event", "What was noticed")
        for one in rows:
            decided = one.decision is not None
            table.add_row(
                tidy(one.signer),
                tidy(one.path),
                Text(one.decision.value, DECISION_STYLES[one.decision])
                if one.decision
                else Text("none", "red"),
                f"{one.llr:.3f}" if decided else "",
                str(one.event) if decided else "",
                tidy(one.error or " ".join(one.findings)),
            )
        parts.append(table)
    counts = count_claims(results)
    text = ", ".join(f"{count} {name}" for name, count in counts.items())
    parts.append(Text(f"{len(results)} claims: {text}"))
    if file is not None:
        parts.append(Text(f"results: {file}"))
    return parts
