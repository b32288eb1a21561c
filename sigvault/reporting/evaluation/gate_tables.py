"""The gates as tables: what the model sees, what the scans held, and pictures that lie twice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from sigvault.evaluation.gate_verdicts import GateStatistic, Verdict
from sigvault.evaluation.gates import Copy, GateReport
from sigvault.evaluation.leaks import GATE, Leak, Separation
from sigvault.evaluation.session_test import TOLERANCE, SessionTest
from sigvault.reporting.evaluation.pieces import Cell, Section, Table
from sigvault.reporting.words import count

VERDICTS = {
    Verdict.PASSED: "passed",
    Verdict.EXPLAINED: "explained: the writing itself",
    Verdict.FAILED: "FAILED",
}
"""What became of a statistic, in words."""

_FEW = 5
"""More copies within signers than this are folded away."""


def gate_section(gates: GateReport) -> Section:
    """Everything that the gates found."""
    return Section(
        "gates",
        "Gates",
        f"Does anything but the writing tell genuine signatures from forgeries? "
        f"{count(gates.signers, 'signer')}, {count(gates.genuine, 'genuine signature')}, "
        f"{count(gates.forged, 'skilled forgery', 'skilled forgeries')}.",
        tables=tuple(_tables(gates)),
        lines=(
            *(f"Failed: {failure}" for failure in gates.failures),
            *(f"Explained: {reason}" for reason in gates.explained),
            *(f"Not asked: {reason}" for reason in gates.not_asked),
        ),
    )


def _tables(gates: GateReport) -> Iterator[Table]:
    if gates.session is not None:
        yield _session_table(gates.session)
    if gates.statistics:
        yield _seen_table(gates.statistics)
    if gates.scanned:
        yield _scanned_table(gates.scanned)
    if gates.copies:
        yield _copies_table("Nearly the same picture under two signers: a gate", gates.copies)
    if gates.own_copies:
        yield _copies_table(
            "Nearly the same picture twice under one signer, for information",
            gates.own_copies,
            folded=len(gates.own_copies) > _FEW,
        )


def _session_table(session: SessionTest) -> Table:
    verdict = Cell("passed") if session.passed else Cell("FAILED", loud=True)
    return Table(
        "Session test: does the score tell the sessions apart?",
        ("", "AUC by the cosine", "AUC by the local score", "Comparisons of each kind", "Verdict"),
        (
            (
                Cell("Others' genuine signatures against forgeries of others"),
                Cell(f"{session.cosine:.3f}"),
                Cell(f"{session.local:.3f}"),
                Cell(f"{session.comparisons:,}"),
                verdict,
            ),
        ),
        (f"Must come out at 0.50 within {TOLERANCE}.",),
    )


def _seen_table(statistics: Sequence[GateStatistic]) -> Table:
    ordered = sorted(statistics, key=lambda one: -one.seen.worst)
    return Table(
        "What the model sees",
        (
            "Statistic of the ink",
            "AUC, pooled",
            "AUC, within the signer",
            "Path alone, pooled",
            "Path alone, within",
            "Correlation",
            "Signers agreeing",
            "Verdict",
        ),
        tuple(
            (
                Cell(one.seen.statistic),
                _separation(one.seen.pooled),
                _separation(one.seen.centred),
                _separation(one.path.pooled),
                _separation(one.path.centred),
                Cell(f"{one.correlation:.2f}"),
                Cell(f"{100.0 * one.seen.agreeing:.0f} %"),
                Cell(VERDICTS[one.verdict], loud=one.verdict is Verdict.FAILED),
            )
            for one in ordered
        ),
        (
            f"0.5 tells nothing; up to {GATE} passes. Above it, a statistic must be in the pen's "
            "path: the same measured after ink was thinned to its skeleton and redrawn by one pen. "
            "In brackets 95 % intervals over signers.",
        ),
    )


def _scanned_table(leaks: Sequence[Leak]) -> Table:
    ordered = sorted(leaks, key=lambda one: -one.worst)
    return Table(
        "What the scans held before preprocessing, for information: no gate",
        ("Statistic of the scan", "AUC, pooled", "AUC, within the signer", "Signers agreeing"),
        tuple(
            (
                Cell(one.statistic),
                _separation(one.pooled),
                _separation(one.centred),
                Cell(f"{100.0 * one.agreeing:.0f} %"),
            )
            for one in ordered
        ),
        ("What separates here would be learnt by a model that saw the scans as they are.",),
    )


def _separation(one: Separation) -> Cell:
    return Cell(f"{one.auc:.3f}", f"({one.low:.2f} to {one.high:.2f})")


def _copies_table(title: str, copies: Sequence[Copy], *, folded: bool = False) -> Table:
    return Table(
        title,
        ("File", "Signer", "Other file", "Its signer", "Correlation"),
        tuple(
            (
                Cell(_short(one.first)),
                Cell(one.first_signer),
                Cell(_short(one.second)),
                Cell(one.second_signer),
                Cell(f"{one.correlation:.3f}"),
            )
            for one in copies
        ),
        folded=folded,
    )


def _short(name: str) -> str:
    """A file with the folder that it lies in."""
    return "/".join(Path(name).parts[-2:])
