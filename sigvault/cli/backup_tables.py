"""Backups and restored vaults, as documents and lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from sigvault.cli.documents import to_document
from sigvault.cli.output import tidy
from sigvault.cli.tables import audit_check_lines, diagnosis_tables, facts_table
from sigvault.domain.diagnosis import Finding, Severity

if TYPE_CHECKING:
    from sigvault.domain.backup import BackupManifest
    from sigvault.recovery import RestoredVault
    from sigvault.services.erasing_again import ErasedAgain
    from sigvault.vault import Backup, ErasureLedger

_MANY = 5
"""Lost pictures that are named at most."""


def manifest_document(manifest: BackupManifest) -> dict[str, Any]:
    """What a backup says of itself; of its files, only how many and how large."""
    document: dict[str, Any] = to_document(manifest)
    return document | {"files": len(manifest.files), "bytes": manifest.size}


def manifest_parts(manifest: BackupManifest, *first: tuple[str, str]) -> list[Table | Text]:
    """The same for people, after what else is to be told, and what the vault had lost already."""
    facts = [
        *first,
        ("backup", manifest.backup),
        ("of vault", manifest.vault),
        ("made", f"{manifest.made_at:%Y-%m-%d %H:%M:%S} UTC by sigvault {manifest.version}"),
        ("holds all until", manifest.last_event.in_words()),
        ("signers", manifest.signers),
        ("references", manifest.references),
        ("files", f"{len(manifest.files)}, {manifest.size / 1e6:.1f} MB"),
    ]
    lines = []
    if manifest.missing:
        named = ", ".join(manifest.missing[:_MANY])
        lines.append(
            Text(
                f"{len(manifest.missing)} pictures are not in it, since the vault has lost them or "
                f"they were changed: {named}",
                "bold red",
            )
        )
    lines += [
        Text(tidy(f"The model {model} is not in it: it isn't kept with the vault as it was."))
        for model in manifest.missing_models
    ]
    return [facts_table(facts), *lines]


def backup_document(made: Backup) -> dict[str, Any]:
    """A backup that was made."""
    return {
        "location": str(made.location),
        "event": made.event,
        "manifest_sha256": made.manifest_sha256,
    } | manifest_document(made.manifest)


def backup_parts(made: Backup) -> list[Table | Text]:
    """The same for people."""
    return [
        Text(tidy(f"Backed up to {made.location}; audit event {made.event}.")),
        *manifest_parts(made.manifest, ("manifest", f"SHA-256 {made.manifest_sha256}")),
    ]


def restoration_document(restored: RestoredVault) -> dict[str, Any]:
    """A vault that went back to a backup."""
    done = restored.restoration
    return {
        "backup": manifest_document(done.manifest),
        "vault": done.vault,
        "event": done.event,
        "known_through": to_document(done.known_through),
        "erased_again": to_document(done.again),
        "audit": to_document(restored.audit),
        "healthy": restored.diagnosis.healthy,
        "findings": to_document(restored.diagnosis.findings),
    }


def restoration_parts(restored: RestoredVault) -> list[Table | Text]:
    """The same for people: what is as it should be is not listed."""
    done, again = restored.restoration, restored.restoration.again
    end = done.manifest.last_event.in_words()
    lines = [Text(f"Restored to {end}; audit event {done.event}. What came later is not in it.")]
    if done.known_through is None:
        lines.append(
            Text(f"Who was erased after {end} is not known: erase them again.", style="bold yellow")
        )
    else:
        known = f"Erasures are known until {done.known_through.in_words()}; repeat later ones."
        lines.append(Text(f"{erased_again(again)} {known}"))
    if again.keys and not done.known_through:
        lines.append(
            Text("Keys that were revoked meanwhile would be valid again, so all are revoked.")
        )
    lines.append(
        Text(
            f"The vault has an id of its own, {done.vault}: it and the one that was backed up know "
            "nothing of each other any more."
        )
    )
    return [*lines, *audit_check_lines(restored.audit), *_findings(restored)]


def erased_again(again: ErasedAgain) -> str:
    """What was erased and revoked once more, in a sentence."""
    return (
        f"Erased again: {again.signers} signers, {again.references} single references, "
        f"{again.probes} kept probes; {again.keys} keys revoked again."
    )


def _findings(restored: RestoredVault) -> list[Table | Text]:
    wrong = [one for one in restored.diagnosis.findings if _matters(one)]
    if not wrong:
        return [Text("sigvault doctor finds nothing wrong", "green")]
    return diagnosis_tables(type(restored.diagnosis)(tuple(wrong)))


def _matters(finding: Finding) -> bool:
    return finding.severity in (Severity.WARNING, Severity.PROBLEM)


def ledger_line(ledger: ErasureLedger) -> str:
    """How much is in a ledger, and until when."""
    return (
        f"Wrote {ledger.erasures()} erasures and revocations, all until "
        f"{ledger.through.in_words()}."
    )
