"""The audit log, and the check of its chain."""

from __future__ import annotations

import json

from starlette.responses import Response

from sigvault.domain.audit import AuditRecord
from sigvault.domain.errors import UnknownSigner
from sigvault.vault import AuditCheck
from sigvault.web.rendering import render
from sigvault.web.views.history import describe, note_answers
from sigvault.web.visits import Visit

_PAGE = 50
_LONGEST = 4000
"""Characters of an event's content on the page."""


def show_log(visit: Visit) -> Response:
    """Events, newest first."""
    return _render_log(visit, None)


def check_log(visit: Visit) -> Response:
    """Check the chain, the evidence, the references, the thresholds and every picture."""
    return _render_log(visit, visit.vault.audit_check())


def _render_log(visit: Visit, check: AuditCheck | None) -> Response:
    signer, page, problem = visit.asked("signer").strip(), max(1, visit.number("page", 1)), ""
    try:
        records, total = _read(visit, signer, page)
    except UnknownSigner as error:
        records, total, problem = (), 0, str(error)
    rows = [describe(record) for record in records]
    note_answers(visit, rows)
    return render(
        visit,
        "audit",
        rows=[(row, _content(row.record)) for row in rows],
        signer=signer,
        page=page,
        pages=max(1, -(-total // _PAGE)),
        total=total,
        check=check,
        problem=problem,
    )


def _read(visit: Visit, signer: str, page: int) -> tuple[tuple[AuditRecord, ...], int]:
    """The events of a page, newest first, and how many there are on all pages."""
    about = visit.signer(signer) if signer else None
    records = visit.vault.latest_events(limit=_PAGE, signer=about, skip=(page - 1) * _PAGE)
    return records, visit.vault.audit_size(about)


def _content(record: AuditRecord) -> str:
    """An event's content as it is hashed, for who wants to see all of it."""
    parts = {"public": record.public, "personal": record.personal, "hash": record.hash}
    text = json.dumps(parts, indent=1, ensure_ascii=False, sort_keys=True)
    if len(text) <= _LONGEST:
        return text
    return (
        text[:_LONGEST] + f"\n… and {len(text) - _LONGEST:,} characters more: `sigvault audit log`"
    )
