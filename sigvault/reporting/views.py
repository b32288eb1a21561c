"""Cases turned into what the template lays out: sentences, places and pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sigvault.domain.comparison import (
    Candidate,
    Decision,
    ErrorRates,
    Evidence,
    Rate,
    ReferenceScore,
    Threshold,
)
from sigvault.domain.copies import once_turned
from sigvault.domain.image import QualityFinding
from sigvault.domain.threshold_fit import describe_fit
from sigvault.domain.turned_probe import direction, once_straightened
from sigvault.domain.verbal_scale import describe_llr
from sigvault.reporting.case import Case, IdentificationCase, ReferenceView
from sigvault.reporting.number_line import NumberLine, place_score
from sigvault.reporting.pictures import (
    PagePicture,
    Tint,
    agreement_tints,
    crop_to_ink,
    ink_view,
)
from sigvault.reporting.words import (
    candidate_strength,
    count,
    explain_decision,
    explain_ratio,
    headline,
    percent,
    rate_in_words,
)


@dataclass(frozen=True)
class SignatureView:
    """One signature: the crop of the scan, and the ink.

    Attributes:
        label: what it is called on the page.
        crop: the part of the scan with the ink.
        share: the crop's width as a percentage of the widest crop of the case.
        ink: the canvas.
        digest: SHA-256 of the picture's bytes, hex.
        score: the probe against this reference; None for the probe itself.
        reference: the reference's identifier; empty for the probe.
    """

    label: str
    crop: PagePicture
    share: float
    ink: PagePicture
    digest: str
    score: ReferenceScore | None = None
    reference: str = ""


@dataclass(frozen=True)
class RateRow:
    """One kind of error at the two operating points.

    Attributes:
        kind: the error, in words.
        accept: its rate at the accept point, with the interval.
        refuse: its rate at the refuse point, with the interval.
    """

    kind: str
    accept: str
    refuse: str


@dataclass(frozen=True)
class CaseView:
    """A verification as the template lays it out.

    Attributes:
        case: the case itself.
        anchor: the section's name within the page.
        headline: the decision.
        sentence: why.
        strength: the likelihood ratio on the verbal scale.
        ratio: the likelihood ratio as a number, in words.
        line: the score between its operating points.
        probe: the questioned signature.
        references: what it was compared with.
        tints: where the probe's strokes agree with the references.
        counted: how many references the tints and the score rest on.
        rates: the errors at the operating points.
        origin: what the threshold was measured on, as labels and values.
        facts: what is needed to repeat the decision, as labels and values.
    """

    case: Case
    anchor: str
    headline: str
    sentence: str
    strength: str
    ratio: str
    line: NumberLine
    probe: SignatureView
    references: tuple[SignatureView, ...]
    tints: tuple[Tint, ...]
    counted: str
    rates: tuple[RateRow, ...]
    origin: tuple[tuple[str, str], ...]
    facts: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class CandidateRow:
    """One candidate of an identification.

    Attributes:
        candidate: the candidate itself.
        headline: the decision on the candidate, and whether the probe is perhaps a copy.
        strength: the likelihood ratio on the verbal scale; see `words.candidate_strength`.
    """

    candidate: Candidate
    headline: str
    strength: str


@dataclass(frozen=True)
class IdentificationView:
    """An identification as the template lays it out.

    Attributes:
        case: the case itself.
        anchor: the section's name within the page.
        headline: the outcome.
        sentence: the outcome in words.
        probe: the signature without a claim.
        rows: the candidates.
        findings: what quality inspection noticed.
    """

    case: IdentificationCase
    anchor: str
    headline: str
    sentence: str
    probe: SignatureView
    rows: tuple[CandidateRow, ...]
    findings: tuple[QualityFinding, ...]


def view_case(case: Case, anchor: str) -> CaseView:
    """Lay out a verification.

    Raises:
        ValueError: If the references are not those of the evidence, in its order.
    """
    evidence = case.evidence
    scores = evidence.score.per_reference
    if [score.reference for score in scores] != [view.reference for view in case.references]:
        raise ValueError("the pictures are not those of the references in the evidence")
    return CaseView(
        case=case,
        anchor=anchor,
        headline=headline(evidence.decision),
        sentence=explain_decision(evidence),
        strength=_sentence(describe_llr(evidence.llr)),
        ratio=explain_ratio(evidence.llr, evidence.threshold, evidence.signer),
        line=place_score(
            evidence.score.value, evidence.threshold.refuse, evidence.threshold.accept
        ),
        probe=_view_probe(case),
        references=_view_references(case),
        tints=agreement_tints(
            [view.match for view in _counting(case) if view.match is not None],
            case.probe.prepared.ink.ink.shape,
        ),
        counted=count(len(_counting(case)), "most similar reference"),
        rates=view_rates(evidence.threshold),
        origin=_view_origin(evidence),
        facts=_view_facts(case),
    )


def view_identification(case: IdentificationCase, anchor: str) -> IdentificationView:
    """Lay out an identification."""
    crop = crop_to_ink(case.probe)
    digest = case.probe.image.digest
    return IdentificationView(
        case=case,
        anchor=anchor,
        headline=_identified(case),
        sentence=f"{count(case.searched, 'reference')} searched.",
        probe=SignatureView("Probe", crop, 100.0, ink_view(case.probe), digest),
        rows=tuple(
            CandidateRow(
                candidate,
                headline(candidate.decision) + _too_alike(candidate),
                candidate_strength(candidate),
            )
            for candidate in case.candidates
        ),
        findings=case.findings,
    )


def _too_alike(candidate: Candidate) -> str:
    if (copied := candidate.copied_score) is not None:
        return f", perhaps a copy of a reference{once_turned(copied)}"
    if (traced := candidate.traced_score) is not None:
        return f", perhaps traced from a reference{once_turned(traced)}"
    return ""


def _identified(case: IdentificationCase) -> str:
    if not case.candidates:
        return "No signer found"
    best = case.candidates[0].signer
    return {
        Decision.ACCEPT: f"Signer {best}",
        Decision.REVIEW: f"Perhaps signer {best}: needs review",
        Decision.REFUSE: "None of the signers",
    }[case.decision]


def _counting(case: Case) -> tuple[ReferenceView, ...]:
    """The references with the best local scores, as many as the fusion counts."""
    scores = case.evidence.score.per_reference
    order = sorted(range(len(scores)), key=lambda index: -scores[index].local)
    return tuple(case.references[index] for index in order[: case.evidence.score.fusion.top])


def _widest(case: Case) -> int:
    pictures = [case.probe, *(view.picture for view in case.references)]
    return max(crop_to_ink(picture).width for picture in pictures)


def _view_probe(case: Case) -> SignatureView:
    crop = crop_to_ink(case.probe)
    share = round(100.0 * crop.width / _widest(case), 2)
    turned = once_straightened(case.evidence.score)
    label = f"Probe, its ink{turned}" if turned else "Probe"
    return SignatureView(label, crop, share, ink_view(case.probe), case.evidence.probe_digest)


def _view_references(case: Case) -> tuple[SignatureView, ...]:
    widest = _widest(case)
    views = []
    pairs = zip(case.references, case.evidence.score.per_reference, strict=True)
    for number, (view, score) in enumerate(pairs, start=1):
        crop = crop_to_ink(view.picture)
        views.append(
            SignatureView(
                label=f"Reference {number}",
                crop=crop,
                share=round(100.0 * crop.width / widest, 2),
                ink=ink_view(view.picture),
                digest=view.picture.image.digest,
                score=score,
                reference=view.reference,
            )
        )
    return tuple(views)


def view_rates(threshold: Threshold) -> tuple[RateRow, ...]:
    """The errors at the two operating points, one kind a row."""
    accept, refuse = threshold.accept_rates, threshold.refuse_rates
    rows = [
        _rate_row("Genuine signatures that score lower", accept.fnmr, refuse.fnmr),
        _rate_row("Other signers' signatures that score this high", accept.fmr, refuse.fmr),
    ]
    skilled = _skilled(accept, refuse)
    if skilled is not None:
        rows.append(_rate_row("Skilled forgeries that score this high", *skilled))
    return tuple(rows)


def _skilled(accept: ErrorRates, refuse: ErrorRates) -> tuple[Rate, Rate] | None:
    if accept.skilled_fmr is None or refuse.skilled_fmr is None:
        return None
    return accept.skilled_fmr, refuse.skilled_fmr


def _rate_row(kind: str, accept: Rate, refuse: Rate) -> RateRow:
    return RateRow(kind, rate_in_words(accept), rate_in_words(refuse))


def _view_origin(evidence: Evidence) -> tuple[tuple[str, str], ...]:
    threshold = evidence.threshold
    origin = threshold.origin
    held = len(evidence.score.per_reference)
    calibrated = count(threshold.references, "reference")
    if fit := describe_fit(threshold, held):
        calibrated += f" ({fit})"
    return (
        ("Measured on", origin.data),
        ("Signers", f"{origin.signers:,}, none of whom the model was trained on"),
        ("References per signer", calibrated),
        (
            "Comparisons",
            f"{count(origin.mated, 'genuine signature')}, "
            f"{count(origin.random_forgeries, 'random forgery', 'random forgeries')} "
            "(other signers' genuine signatures), "
            f"{count(origin.skilled_forgeries, 'skilled forgery', 'skilled forgeries')}",
        ),
        ("Protocol", origin.protocol),
        ("Draws", f"{count(origin.draws, 'draw')} of the references, seed {origin.seed}"),
    )


def _view_facts(case: Case) -> tuple[tuple[str, str], ...]:
    evidence = case.evidence
    fusion, spread = evidence.score.fusion, evidence.score.spread
    trust = fusion.trust(len(evidence.score.per_reference))
    facts = [
        ("Audit event", str(case.event)),
        ("Claimed signer", evidence.signer),
        ("Probe SHA-256", evidence.probe_digest),
        ("Model", evidence.model),
        ("Preprocessing", evidence.preprocessing),
        ("Generation", str(evidence.generation)),
        (
            "Fusion",
            f"mean of the best {fusion.top}; local share {percent(fusion.local_weight)}; "
            f"spread subtracted {trust * fusion.cosine_spread:.2g} (cosine), "
            f"{trust * fusion.local_spread:.2g} (local), taken to be at least "
            f"{fusion.cosine_floor:.2g} and {fusion.local_floor:.2g}",
        ),
    ]
    degrees = evidence.score.straightened
    if degrees is not None:
        turned = f"{abs(degrees):.1f} degrees {direction(degrees)}, before it was compared"
        facts.append(("Probe turned", turned))
    if spread is not None:
        facts.append(
            ("References' own similarity", f"cosine {spread.cosine:.3f}, local {spread.local:.3f}")
        )
    pairs = zip(case.references, evidence.score.per_reference, strict=True)
    facts += [
        (f"Reference {number}", f"{score.reference}, SHA-256 {view.picture.image.digest}")
        for number, (view, score) in enumerate(pairs, start=1)
    ]
    return tuple(facts)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def index_cases(
    cases: Sequence[Case], identifications: Sequence[IdentificationCase]
) -> tuple[tuple[CaseView, ...], tuple[IdentificationView, ...]]:
    """Lay out all cases of a page, each with an anchor of its own."""
    return (
        tuple(view_case(case, f"case-{number}") for number, case in enumerate(cases, start=1)),
        tuple(
            view_identification(case, f"identification-{number}")
            for number, case in enumerate(identifications, start=1)
        ),
    )
