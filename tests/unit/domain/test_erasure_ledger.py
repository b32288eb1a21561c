"""What a log tells of erasures is believed only as it was written."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from sigvault.domain.audit import FIRST_HASH, AuditRecord, chain_hash, digest_personal
from sigvault.domain.backup import LogEnd
from sigvault.domain.erasure_ledger import (
    ErasureLedger,
    _digest,
    ledger_from_dict,
    ledger_to_dict,
)
from sigvault.domain.identifiers import EventNumber

AT = datetime(2026, 3, 4, 5, 6, 7, 89, tzinfo=UTC)


def record(number, kind, public):
    digest = digest_personal("0" * 32, {})
    hash_ = chain_hash(number, AT, kind, public, digest, FIRST_HASH)
    return AuditRecord(EventNumber(number), AT, kind, public, None, digest, FIRST_HASH, hash_)


BACKUP = {"backup": "b" * 32, "through": 1, "hash": "c" * 64, "manifest": "d" * 64}
LEDGER = ErasureLedger(
    LogEnd(EventNumber(9), "a" * 64, AT),
    (
        record(1, "vault-created", {"version": "0.1.0"}),
        record(2, "backed-up", BACKUP | {"files": 3, "bytes": 4}),
        record(5, "signer-erased", {"signer": "e" * 32, "references": 2}),
        record(8, "key-revoked", {"key": "f" * 16}),
    ),
)


def test_a_ledger_is_read_as_it_was_written():
    assert ledger_from_dict(json.loads(json.dumps(ledger_to_dict(LEDGER)))) == LEDGER


def test_the_first_format_stays_readable(repository):
    kept = repository / "tests" / "golden" / "backup" / "erasures-1.json"
    assert ledger_from_dict(json.loads(kept.read_text("utf-8"))) == LEDGER


def test_it_knows_its_backups_and_what_came_after_them():
    origin = LEDGER.origin("b" * 32)
    assert origin is not None
    assert origin.number == 2
    assert LEDGER.origin("0" * 32) is None
    assert [one.number for one in LEDGER.after(EventNumber(2))] == [5, 8]
    assert LEDGER.erasures() == 2


def changed(name, value, *, resealed):
    content = ledger_to_dict(LEDGER)
    if name in content:
        content[name] = value
    else:
        content["events"][2][name] = value
    if resealed:
        content["sha256"] = _digest({each: content[each] for each in content if each != "sha256"})
    return content


@pytest.mark.parametrize("resealed", [False, True])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("public", {"signer": "0" * 32, "references": 2}),
        ("kind", "verified"),
        ("number", 4),
        ("at", "2026-03-04T05:06:07.000090+00:00"),
        ("previous", "1" * 64),
        ("through", {"number": 7, "hash": "a" * 64, "at": AT.isoformat()}),
    ],
)
def test_a_ledger_that_was_changed_is_refused(name, value, resealed):
    with pytest.raises(ValueError, match=r"digest|not what was written|order|kind"):
        ledger_from_dict(changed(name, value, resealed=resealed))


def test_events_out_of_order_or_missing_are_noticed():
    content = ledger_to_dict(LEDGER)
    content["events"].reverse()
    content["sha256"] = _digest({each: content[each] for each in content if each != "sha256"})
    with pytest.raises(ValueError, match="order"):
        ledger_from_dict(content)
    content = ledger_to_dict(LEDGER)
    del content["events"][2]
    with pytest.raises(ValueError, match="digest"):
        ledger_from_dict(content)
