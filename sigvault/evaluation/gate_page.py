"""The gates' findings as Markdown, the verdict first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from sigvault.evaluation.gate_verdicts import GateStatistic, Verdict
from sigvault.evaluation.gates import Copy, GateReport
from sigvault.evaluation.leaks import GATE, Leak, Separation
from sigvault.evaluation.session_test import TOLERANCE, SessionTest

LISTED = 10
"""Most near-duplicates that are listed one by one."""


def render_gates(report: GateReport) -> list[str]:
    """Lines of Markdown: what failed, what is explained, then the tables.

    Args:
        report: as ``GateCollector.finish`` gave it.
    """
    return [
        f"**Gates {'passed' if report.passed else 'FAILED'}**: {report.genuine} genuine"
        f" signatures and {report.forged} skilled forgeries of {report.signers} signers.",
        "",
        *_listed("Failed", report.failures),
        *_listed("Above the gate, and the writing itself", report.explained),
        *_listed("Not asked", report.not_asked),
        *_statistics(report.statistics),
        *_scanned(report.scanned),
        *_session(report.session),
        *_copies("Near-duplicates across signers", report.copies),
        *_copies("Near-duplicates within a signer, for information", report.own_copies),
    ]


def _listed(title: str, entries: Sequence[str]) -> list[str]:
    return [f"{title}:", "", *(f"- {entry}" for entry in entries), ""] if entries else []


def _statistics(statistics: Sequence[GateStatistic]) -> list[str]:
    if not statistics:
        return []
    return [
        f"What the model sees: AUC (95 % interval over signers), above {GATE} in bold, pooled and"
        " centred within the signer. F or G: the class with the larger values. Path: the same when"
        " only the pen's path is left. Agreeing: signers whose medians differ the same way.",
        "",
        "| Statistic | pooled | path | centred | path | correlation | agreeing | verdict |",
        "|---|---|---|---|---|---|---|---|",
        *(
            f"| {one.seen.statistic} | {_in_words(one.seen.pooled)} | {_short(one.path.pooled)}"
            f" | {_in_words(one.seen.centred)} | {_short(one.path.centred)}"
            f" | {one.correlation:.2f} | {one.seen.agreeing:.0%} | {_in_bold(one.verdict)} |"
            for one in statistics
        ),
        "",
    ]


def _scanned(leaks: Sequence[Leak]) -> list[str]:
    if not leaks:
        return []
    return [
        "As scanned, for information: no gate, since no model sees it.",
        "",
        "| Statistic | pooled | centred | agreeing |",
        "|---|---|---|---|",
        *(
            f"| {leak.statistic} | {_in_words(leak.pooled)} | {_in_words(leak.centred)}"
            f" | {leak.agreeing:.0%} |"
            for leak in leaks
        ),
        "",
    ]


def _session(session: SessionTest | None) -> list[str]:
    if session is None:
        return []
    return [
        f"Session test: {session.cosine:.3f} by the cosine, {session.local:.3f} by the local"
        f" score, over {session.comparisons} comparisons of each kind (0.50 within {TOLERANCE}"
        f" {'holds' if session.passed else 'does **not** hold'}).",
        "",
    ]


def _copies(title: str, copies: Sequence[Copy]) -> list[str]:
    shown = [f"{copy.first} and {copy.second}: {copy.correlation:.3f}" for copy in copies[:LISTED]]
    if len(copies) > LISTED:
        shown += [f"and {len(copies) - LISTED} more", *_by_signers(copies)]
    if not copies:
        return [f"{title}: none.", ""]
    return _listed(f"{title}: {len(copies)}", shown)


def _by_signers(copies: Iterable[Copy]) -> list[str]:
    counts = Counter(tuple(sorted((copy.first_signer, copy.second_signer))) for copy in copies)
    return [
        f"signer {one}: {count}" if one == other else f"signers {one} and {other}: {count}"
        for (one, other), count in counts.most_common(LISTED)
    ]


def _in_words(separation: Separation) -> str:
    mark = "**" if separation.auc > GATE else ""
    return f"{mark}{_short(separation)}{mark} ({separation.low:.2f}–{separation.high:.2f})"


def _short(separation: Separation) -> str:
    if separation.auc == 0.5:
        return "0.50"
    return f"{separation.auc:.2f} {'F' if separation.forged_higher else 'G'}"


def _in_bold(verdict: Verdict) -> str:
    return f"**{verdict}**" if verdict is Verdict.FAILED else str(verdict)
