"""Cases, verdicts and keys as tables for people."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from sigvault.cli.output import tidy
from sigvault.cli.ruled_table import ruled_table
from sigvault.cli.tables import DECISION_STYLES, describe_ratio, facts_table, short_time
from sigvault.domain.access import ApiKey
from sigvault.domain.reviewing import ReviewCase


def cases_table(cases: Sequence[ReviewCase]) -> Table:
    """Cases, a line each."""
    table = ruled_table(
        "Event", "When (UTC)", "Signer", "Machine", "LLR", "Probe", "State", "Verdicts"
    )
    for case in cases:
        decision = case.evidence.decision
        table.add_row(
            str(case.event),
            short_time(case.at),
            tidy(case.signer),
            Text(decision.value, style=DECISION_STYLES[decision]),
            f"{case.evidence.llr:+.2f}",
            "kept" if case.probe_kept else "not kept",
            case.state.value,
            str(len(case.verdicts)),
        )
    return table


def case_tables(case: ReviewCase) -> list[Table]:
    """What the machine's answer rests on, and what people said."""
    evidence = case.evidence
    facts = facts_table(
        [
            ("event", case.event),
            ("when (UTC)", short_time(case.at)),
            ("signer", case.signer),
            ("machine", evidence.decision.value),
            ("score", f"{evidence.score.value:.3f}"),
            ("accept from", f"{evidence.threshold.accept:.3f}"),
            ("refuse below", f"{evidence.threshold.refuse:.3f}"),
            ("likelihood ratio", describe_ratio(evidence)),
            ("probe", "kept" if case.probe_kept else "not kept"),
            ("state", case.state.value),
        ]
    )
    table = ruled_table("Event", "When (UTC)", "By", "Verdict", "Blind", "Reason")
    for verdict in case.verdicts:
        table.add_row(
            str(verdict.event),
            short_time(verdict.at),
            tidy(verdict.by),
            verdict.verdict.value,
            "yes" if verdict.blind else "no",
            tidy(verdict.reason),
        )
    return [facts, table] if case.verdicts else [facts]


def keys_table(keys: Sequence[ApiKey]) -> Table:
    """Keys, a line each."""
    table = ruled_table("Key", "Who", "Roles", "Namespace", "Created (UTC)", "Good until (UTC)")
    for key in keys:
        until = "ever" if key.expires_at is None else short_time(key.expires_at)
        if key.revoked_at is not None:
            until = f"revoked {short_time(key.revoked_at)}"
        table.add_row(
            key.id,
            tidy(key.name),
            ", ".join(sorted(key.roles)),
            key.namespace,
            short_time(key.created_at),
            until,
        )
    return table
