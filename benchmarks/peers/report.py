"""The comparison as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

import numpy as np

Result = dict[str, Any]

_IDENTIFY = ("identify 1", "identify 16", "identify 256")
_ALONE = tuple(f"{name}, index alone" for name in _IDENTIFY)
_CHANGES = ("verify", "verify, recorded", "enroll", "erase")


def pooled(result: Result, workload: str) -> list[float]:
    """Milliseconds of all rounds."""
    return [time for each in result["rounds"] for time in each["times"].get(workload, [])]


def p50(result: Result, workload: str) -> float | None:
    """The median, or None where it was not measured."""
    times = pooled(result, workload)
    return median(times) if times else None


def p99(result: Result, workload: str) -> float | None:
    """The 99th percentile, or the longest of fewer than 100; None where it was not measured."""
    times = pooled(result, workload)
    return float(np.quantile(times, 0.99, method="higher")) if times else None


def measured(results: Sequence[Result]) -> list[Result]:
    """Those that were measured."""
    return [result for result in results if result["rounds"]]


def cold_start(result: Result) -> tuple[float, float]:
    """Seconds from the start of a process to its first right answer, and without its imports."""
    starts = [each["cold_start"] for each in result["rounds"]]
    return (
        median(start["answered"] for start in starts),
        median(start["opened_and_answered"] for start in starts),
    )


def memory(result: Result) -> int:
    """Bytes: the largest peak, with what a server's processes held."""
    held = (each["memory"]["peak"] + each["memory"]["server"] for each in result["rounds"])
    return int(max(held))


def recall_of(result: Result) -> float:
    """The lowest recall of the rounds."""
    return float(min(each["recall"] for each in result["rounds"]))


def as_markdown(document: dict[str, Any]) -> str:
    """All tables."""
    parts = [_heading(document)]
    for count in sorted({result["references"] for result in document["results"]}):
        some = [result for result in document["results"] if result["references"] == count]
        parts.append(f"### {count:,} references\n")
        parts.append(_identify(some))
        parts.append(_operations(some))
        parts.append(_resources(some))
        parts += [
            f"{result['peer']} did not bring up {missed} of what was just enrolled or asked for.\n"
            for result in measured(some)
            if (missed := sum(each["not_found"] for each in result["rounds"]))
        ]
        if failed := [result for result in some if result["reason"]]:
            lines = [f"- {result['peer']}: {result['reason']}" for result in failed]
            parts.append("Not measured, or not to the end:\n\n" + "\n".join(lines) + "\n")
    parts.append(_facts(document["facts"]))
    return "\n".join(parts)


def _heading(document: dict[str, Any]) -> str:
    loads = [each["load"] for result in document["results"] for each in result["rounds"]]
    flushes = [each["flush"] for result in document["results"] for each in result["rounds"]]
    flush = f"{min(flushes):.1f} to {max(flushes):.1f}" if flushes else "an unknown time"
    load = f"{min(loads):.1f} to {max(loads):.1f}" if loads else "unknown"
    return (
        f"{document['dimension']} dimensions, {document['each']} references a signer, k = "
        f"{document['k']}; {document['processor']}, {document['cores']} cores, load average while "
        f"measuring {load}; the disk flushed 4 KB in {flush} ms; "
        f"{document['rounds']} rounds, in which the stores took turns, each in a process of its "
        f"own. Milliseconds, p50 / p99 (the longest of fewer than 100).\n"
    )


def _identify(results: Sequence[Result]) -> str:
    lines = [
        "| Identify | recall@10 | one probe | 16 at once | 256 at once |",
        "|---|---|---|---|---|",
    ]
    for result in measured(results):
        cells = [_times(result, name) for name in _IDENTIFY]
        lines.append(f"| {result['peer']} | {recall_of(result):.3f} | " + " | ".join(cells) + " |")
        if p50(result, _ALONE[0]) is not None:
            cells = [_times(result, name) for name in _ALONE]
            lines.append(f"| {result['peer']}, index alone | | " + " | ".join(cells) + " |")
        if p50(result, "identify 1, decided and recorded") is not None:
            cell = _times(result, "identify 1, decided and recorded")
            lines.append(f"| {result['peer']}, decided and recorded | | {cell} | | |")
    return "\n".join(lines) + "\n"


def _operations(results: Sequence[Result]) -> str:
    lines = [
        "| 1:1 and changes | verify, compared | verify, recorded | enroll one, durable "
        "| in memory | erase, durable | in memory |",
        "|---|---|---|---|---|---|---|",
    ]
    for result in measured(results):
        whole, part = p50(result, "enroll"), p50(result, "enroll, in memory")
        volatile = whole is not None and part is not None and part < 0.95 * whole
        cells = [_times(result, name) for name in _CHANGES]
        enrolled, erased = (
            _times(result, f"{name}, in memory") if volatile else "" for name in _CHANGES[2:]
        )
        parts = [*cells[:3], enrolled, cells[3], erased]
        lines.append(f"| {result['peer']} | " + " | ".join(parts) + " |")
    return "\n".join(lines) + "\n"


def _resources(results: Sequence[Result]) -> str:
    lines = [
        "| Filling and holding | references stored a second | then built, s | cold start, s "
        "| of it opening and answering, s | peak memory, GB | disk, GB |",
        "|---|---|---|---|---|---|---|",
    ]
    for result in measured(results):
        fill, (whole, opened) = result["fill"], cold_start(result)
        lines.append(
            f"| {result['peer']} | {result['references'] / fill['stored']:,.0f} "
            f"| {fill['built']:.1f} | {whole:.2f} | {opened:.2f} | {memory(result) / 1e9:.2f} "
            f"| {fill['disk'] / 1e9:.2f} |"
        )
    return "\n".join(lines) + "\n"


def _facts(facts: dict[str, Any]) -> str:
    lines = [
        "| What it is | versions | search | exact | verify | an enrollment is | of a decision "
        "| threads |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, fact in facts.items():
        versions = ", ".join(f"{part} {number}" for part, number in fact["versions"].items())
        exact = "yes" if fact["exact"] else "no"
        lines.append(
            f"| {name} | {versions} | {fact['search']} | {exact} | {fact['verify']} "
            f"| {fact['durable']} | {fact['audit']} | {fact['threads']} |"
        )
    return "\n".join(lines) + "\n"


def _times(result: Result, workload: str) -> str:
    middle, last = p50(result, workload), p99(result, workload)
    if middle is None or last is None:
        reasons = [each["left_out"].get(workload) for each in result["rounds"]]
        return next((reason for reason in reasons if reason), "")
    return f"{_figure(middle)} / {_figure(last)}"


def _figure(value: float) -> str:
    """Three digits, or all before the point."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
