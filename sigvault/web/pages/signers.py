"""Looking for signers, looking at one, and erasing one or a reference of one."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import Response

from sigvault.domain.errors import ConfigurationError
from sigvault.domain.identifiers import ReferenceId
from sigvault.domain.image import QualityFinding
from sigvault.reporting.words import count
from sigvault.vault import ReferenceSummary, SignerDetail, SignerSummary
from sigvault.web.drawings.consistency import ConsistencyChart, draw_consistency
from sigvault.web.rendering import render, url
from sigvault.web.rights import Right
from sigvault.web.views.history import view_history
from sigvault.web.views.signatures import Panel, arrange, reference_panels
from sigvault.web.visits import Visit

_PAGE = 50
_HISTORY = 30


@dataclass(frozen=True)
class SignerRow:
    """A signer in the list.

    Attributes:
        summary: the signer.
        signer: as the visitor calls it.
    """

    summary: SignerSummary
    signer: str


@dataclass(frozen=True)
class ReferenceCard:
    """A reference on its signer's page.

    Attributes:
        panel: its pictures.
        summary: when it was enrolled, and by whom.
        findings: what quality inspection noticed.
        words: how it goes with the others; empty where that isn't known.
        differs: whether it would be refused as a questioned signature.
    """

    panel: Panel
    summary: ReferenceSummary
    findings: tuple[QualityFinding, ...]
    words: str
    differs: bool


def list_signers(visit: Visit) -> Response:
    """Signers by identifier, or those whose identifier or name holds what was asked for."""
    search, after = visit.asked("search").strip(), visit.asked("after")
    rows = _search(visit, search) if search else _page(visit, after)
    return render(
        visit,
        "signers",
        search=search,
        rows=rows[:_PAGE],
        more=len(rows) > _PAGE,
        after=after,
        last=rows[_PAGE - 1].signer if len(rows) > _PAGE else "",
    )


def show_signer(visit: Visit) -> Response:
    """A signer with the references, how they go together, and the history."""
    return _render_signer(visit, visit.vault.signer(visit.signer(visit.asked("signer"))))


def erase_signer(visit: Visit) -> Response:
    """Erase a signer, if the identifier was typed once more."""
    outside = visit.asked("signer").strip()
    signer = visit.signer(outside)
    if visit.fields.get("typed", "").strip() != outside:
        problem = f"Nothing was erased. Type the identifier, {outside}, to erase the signer."
        return _render_signer(visit, visit.vault.signer(signer), problem=problem)
    erased = visit.vault.erase(signer, by=visit.someone.name)
    visit.desk.pictures.forget()
    return visit.to(
        "/signers",
        f"Signer {outside} is erased: {erased.references} references, {erased.images_removed} "
        f"pictures; audit event {erased.event}.",
    )


def erase_reference(visit: Visit) -> Response:
    """Erase one reference, if a reason is given."""
    outside = visit.asked("signer").strip()
    signer = visit.signer(outside)
    reference = ReferenceId(visit.fields.get("reference", "").strip())
    reason = visit.fields.get("reason", "")
    detail = visit.vault.signer(signer)
    try:
        erased = visit.vault.erase_reference(
            signer, reference, reason=reason, by=visit.someone.name
        )
    except ConfigurationError as error:
        problem = f"Nothing was erased: {error}."
        return _render_signer(visit, detail, problem=problem, erasing=(reference, reason))
    visit.desk.pictures.forget()
    number = [each.id for each in detail.references].index(reference) + 1
    return visit.to(
        url("/signers/show", signer=outside),
        f"Reference {number} is erased; {count(erased.references_left, 'reference')} left, "
        f"numbered anew. Audit event {erased.event}.",
    )


def _page(visit: Visit, after: str) -> list[SignerRow]:
    found = visit.vault.signers(
        after=visit.signer(after) if after else None,
        limit=_PAGE + 1,
        namespace=visit.someone.namespace,
    )
    return [_row(visit, summary) for summary in found]


def _search(visit: Visit, search: str) -> list[SignerRow]:
    found = visit.vault.search_signers(search, limit=_PAGE + 1, namespace=visit.someone.namespace)
    return [_row(visit, summary) for summary in found]


def _row(visit: Visit, summary: SignerSummary) -> SignerRow:
    return SignerRow(summary, visit.someone.outside(summary.signer))


def _render_signer(
    visit: Visit, detail: SignerDetail, *, problem: str = "", erasing: tuple[str, str] = ("", "")
) -> Response:
    """A signer's page.

    Args:
        visit: whose page it is.
        detail: the signer.
        problem: what didn't work; empty for nothing.
        erasing: the reference whose form is shown open, and the reason in it.
    """
    signer = detail.summary.signer
    chart = draw_consistency(visit.vault.consistency(signer))
    cards = reference_cards(visit, detail, chart)
    return render(
        visit,
        "signer",
        status=400 if problem else 200,
        detail=detail,
        signer=visit.someone.outside(signer),
        chart=chart,
        cards=cards,
        sheet=arrange([card.panel for card in cards]),
        history=view_history(visit, signer, limit=_HISTORY, quiet=_quiet(visit)),
        problem=problem,
        erasing=erasing,
    )


def _quiet(visit: Visit) -> bool:
    """Whether this person may still have to decide blindly on something of the history."""
    return visit.blind and visit.may(Right.DECIDE)


def reference_cards(
    visit: Visit, detail: SignerDetail, chart: ConsistencyChart | None
) -> list[ReferenceCard]:
    """The references of a signer with their pictures, and how each goes with the others."""
    ids = [each.id for each in detail.references]
    panels = reference_panels(visit, detail.summary.signer, ids, [None] * len(ids))
    dots = [None] * len(ids) if chart is None else list(chart.dots)
    return [
        ReferenceCard(
            panel,
            summary,
            summary.findings,
            "" if dot is None else dot.words,
            dot is not None and dot.decision == "refuse",
        )
        for panel, summary, dot in zip(panels, detail.references, dots, strict=False)
    ]
