"""The comparison of two generations in words, and as a page of Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sigvault.domain.comparison import Rate
from sigvault.evaluation.generation_changes import WORDS, Change
from sigvault.evaluation.generation_comparison import GenerationComparison, SignerChange
from sigvault.evaluation.generation_scores import DECISIONS
from sigvault.evaluation.probe_flips import ProbeDecision, ProbeFlips

COLUMNS = ("", "Old", "New", "Difference", "At most", "")
"""The heads of a table of changes; see `cells_of`."""


def title_of(comparison: GenerationComparison, on: str) -> str:
    """What was compared, in a line.

    Args:
        comparison: the comparison.
        on: what signatures, in words.
    """
    counts = ", ".join(f"{count} {kind}" for kind, count in comparison.comparisons.items() if count)
    skipped = f", {comparison.skipped} skipped" if comparison.skipped else ""
    return (
        f"Generation {comparison.new} beside {comparison.old} on {on}: {comparison.signers} "
        f"signers{skipped}; comparisons: {counts or 'none'}"
    )


def cells_of(change: Change) -> tuple[str, ...]:
    """A change as the cells of a row; rates in per cent, costs in bits."""
    factor, unit = (1.0, " bits") if change.measure == "cllr" else (100.0, " %")

    def shown(rate: Rate, sign: str = "") -> str:
        value, low, high = (factor * part for part in (rate.value, rate.low, rate.high))
        return f"{value:{sign}.2f}{unit} ({low:{sign}.2f} to {high:{sign}.2f})"

    return (
        WORDS[change.measure],
        shown(change.old),
        shown(change.new),
        shown(change.difference, "+"),
        f"{factor * change.margin:.2f}{unit}",
        change.verdict.value,
    )


def flips_of(comparison: GenerationComparison) -> list[str]:
    """How many decisions would change, a line a kind of comparison."""
    return [_flips(kind, rows) for kind, rows in comparison.flips.items() if sum(map(sum, rows))]


_BLIND = 0.5
"""The share of genuine signatures not accepted from which on little is left to get worse."""


def notes_of(comparison: GenerationComparison) -> list[str]:
    """What has to be known to read the figures, a line each."""
    notes = [f"{each.describe()}." for each in comparison.undecided]
    for change in comparison.changes:
        if change.measure == "cllr":
            notes.append(
                "The likelihood ratio is calibrated against skilled forgeries, and its cost is "
                "measured against other signers' signatures: only the change means something."
            )
        if change.measure == "fnmr" and change.old.value > _BLIND:
            notes.append(
                f"The generation that decides doesn't accept {100 * change.old.value:.0f} % of "
                "genuine signatures, so the comparison of decisions is nearly blind: read the "
                "equal error rate, or calibrate it anew first."
            )
    return notes


def describe_signer(change: SignerChange) -> str:
    """A signer who fares worse, and how."""
    refused = ""
    if change.refused[1] > change.refused[0]:
        refused = f", {change.refused[0]} to {change.refused[1]} refused"
    return (
        f"{change.signer} ({change.accepted[0]} to {change.accepted[1]} of {change.probes} "
        f"accepted{refused})"
    )


def describe_probes(probes: ProbeFlips) -> str:
    """What would change for probes that are kept, in a line."""
    left = f" ({probes.left_out} more could not be decided about)" if probes.left_out else ""
    return f"{_flips('kept probes', probes.table)}{left}"


def describe_flip(flip: ProbeDecision) -> str:
    """One kept probe about which the two generations differ."""
    people = f", people said {flip.verdict.value}" if flip.verdict else ""
    return (
        f"verification {flip.event} of signer {flip.signer}: {flip.old} to {flip.new} "
        f"(recorded {flip.recorded}{people})"
    )


def render_comparisons(
    comparisons: Mapping[str, GenerationComparison],
    reasons: Sequence[str] = (),
    probes: ProbeFlips | None = None,
) -> str:
    """A page of Markdown; it names the signers who fare worse.

    Args:
        comparisons: by what they were made on, in words.
        reasons: what speaks against the new generation.
        probes: what would change for kept probes.
    """
    lines = ["# Another generation beside the one that decides", ""]
    lines += ["It may decide." if not reasons else "It may NOT decide:", ""]
    lines += [*(f"- {reason}" for reason in reasons), ""] if reasons else []
    for on, comparison in comparisons.items():
        lines += _section(comparison, on)
    if probes is not None:
        lines += ["## Kept probes", "", f"{describe_probes(probes)}.", ""]
        lines += ["Of most of them nobody knows who wrote them, so this judges nothing.", ""]
        lines += [*(f"- {describe_flip(flip)}" for flip in probes.flips), ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def _section(comparison: GenerationComparison, on: str) -> list[str]:
    lines = [f"## On {on}", "", f"{title_of(comparison, on)}.", ""]
    if comparison.changes:
        lines += [
            "In brackets 95 % intervals over signers.",
            "",
            f"| {' | '.join(COLUMNS)} |",
            "|---" * len(COLUMNS) + "|",
            *(f"| {' | '.join(cells_of(change))} |" for change in comparison.changes),
            "",
            *(f"- {line}" for line in flips_of(comparison)),
            "",
        ]
    lines += [line for note in notes_of(comparison) for line in (note, "")]
    if comparison.worse_signers:
        named = (f"- {describe_signer(one)}" for one in comparison.worse_signers)
        lines += ["Signers who fare worse:", "", *named, ""]
    return lines


def _flips(kind: str, rows: Sequence[Sequence[int]]) -> str:
    flips = [
        f"{rows[old][new]} from {DECISIONS[old]} to {DECISIONS[new]}"
        for old in range(len(DECISIONS))
        for new in range(len(DECISIONS))
        if old != new and rows[old][new]
    ]
    total = sum(map(sum, rows))
    return f"{kind}: of {total} decisions {', '.join(flips) or 'none'} would flip"
