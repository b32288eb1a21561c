"""How each reference does against the others, as dots on one line each."""

from __future__ import annotations

from dataclasses import dataclass

from sigvault.domain.comparison import Decision
from sigvault.vault import Consistency, ReferenceConsistency
from sigvault.web.drawings.axis import Axis, axis_around

_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth")


@dataclass(frozen=True)
class Dot:
    """One reference.

    Attributes:
        number: its place in the gallery, from 1.
        x: in per cent from the left.
        value: what the place stands for.
        decision: what a verification would have answered, as a word; empty where none could.
        words: how it goes with the others.
    """

    number: int
    x: float
    value: float
    decision: str
    words: str


@dataclass(frozen=True)
class ConsistencyChart:
    """All references, and the zones of the threshold behind them.

    Attributes:
        summary: in a sentence.
        dots: one a reference, in order of enrollment.
        refuse: place of the refuse point, in per cent; None without a threshold.
        accept: place of the accept point; None likewise.
        fused: whether the dots are fused scores; mean cosines where there is no threshold.
    """

    summary: str
    dots: tuple[Dot, ...]
    refuse: float | None
    accept: float | None
    fused: bool


def draw_consistency(found: Consistency) -> ConsistencyChart | None:
    """Lay out how the references go together; None with fewer than two."""
    if not found.references:
        return None
    threshold = found.threshold
    points = [] if threshold is None else [threshold.accept, threshold.refuse]
    axis = axis_around([*(_value(own) for own in found.references), *points])
    return ConsistencyChart(
        summary=_summarise(found),
        dots=tuple(_dot(number, own, axis) for number, own in enumerate(found.references, 1)),
        refuse=None if threshold is None else axis.place(threshold.refuse),
        accept=None if threshold is None else axis.place(threshold.accept),
        fused=threshold is not None,
    )


def ordinal(number: int) -> str:
    """A place in words: ``third``, ``12th``."""
    if number <= len(_ORDINALS):
        return _ORDINALS[number - 1]
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10)
    return f"{number}{ending or 'th'}"


def _value(own: ReferenceConsistency) -> float:
    return own.cosine if own.score is None else own.score


_WORDS = {
    Decision.ACCEPT: "like the others",
    Decision.REVIEW: "less like the others, as some genuine signatures are",
    Decision.REFUSE: "differs from the others",
    None: "",
}


def _dot(number: int, own: ReferenceConsistency, axis: Axis) -> Dot:
    value = _value(own)
    decision = "" if own.decision is None else own.decision.value
    return Dot(number, axis.place(value), value, decision, _WORDS[own.decision])


def _summarise(found: Consistency) -> str:
    if found.copies:
        # Copies hide everything else: among them an honest signature is the one that differs.
        pairs = " and the ".join(f"{ordinal(one)} of the {ordinal(of)}" for one, of in found.copies)
        return (
            f"Some references are as alike as scans of one signing, the {pairs}. If that is what "
            "they are, they say nothing new, and make the signer seem to vary less than anyone "
            "does, so that genuine signatures are refused: enroll separate signings."
        )
    if found.threshold is None:
        return (
            "There is no threshold for so few references, so what follows is how alike they are, "
            "and no judgement."
        )
    numbers = [
        number for number, own in enumerate(found.references, 1) if own.decision is Decision.REFUSE
    ]
    if not numbers:
        return "The references go together: none would be refused as a questioned signature."
    if len(numbers) == len(found.references):
        return (
            "The references don't go together: each would be refused as a signature of the "
            "others' signer. Make sure whose they are."
        )
    which = " and the ".join(ordinal(number) for number in numbers)
    verb = "differs" if len(numbers) == 1 else "differ"
    return (
        f"The {which} {verb} from the others: as a questioned signature it would be refused. "
        "Make sure that it is this signer's before it is relied on."
    )
