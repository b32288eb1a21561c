"""Results with the pictures that they are about, ready to be reported."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sigvault.domain.errors import GenerationMismatch
from sigvault.domain.local_matching import match_local
from sigvault.imaging.decode import decode_bytes, decode_file
from sigvault.imaging.preprocessing import Recipe, read_preprocessing
from sigvault.imaging.turning import as_compared
from sigvault.reporting import Case, IdentificationCase, Picture, ReferenceView

if TYPE_CHECKING:
    from sigvault.vault import Identification, Vault, Verification


def picture_verification(
    vault: Vault, verification: Verification, probe: Path, title: str, note: str = ""
) -> Case:
    """Put a verification together with its pictures.

    Args:
        vault: where the references lie.
        verification: what was decided.
        probe: the file that was verified.
        title: what to call the case.
        note: what is known of the probe from elsewhere.

    Raises:
        ImageError: If a picture can't be read any more.
        GenerationMismatch: If the file is not the one that was verified any more.
    """
    evidence = verification.evidence
    preprocessing = read_preprocessing(vault.embedder.card.preprocessing)
    questioned = _read(probe, evidence.probe_digest, preprocessing)
    questioned = replace(questioned, prepared=as_compared(questioned.prepared, evidence.score))
    pictures = [
        _prepare(vault.reference_image(score.reference), preprocessing)
        for score in evidence.score.per_reference
    ]
    (own,) = vault.embedder.embed([questioned.prepared.ink])
    others = vault.embedder.embed(
        [picture.prepared.ink for picture in pictures], as_references=True
    )
    views = tuple(
        ReferenceView(score.reference, picture, match_local(own.level, other.local))
        for score, picture, other in zip(
            evidence.score.per_reference, pictures, others, strict=True
        )
    )
    return Case(title, evidence, verification.event, questioned, views, note)


def picture_identification(
    vault: Vault, identification: Identification, probe: Path, title: str, note: str = ""
) -> IdentificationCase:
    """Put an identification together with its picture.

    Raises:
        ImageError: If the file can't be read any more.
        GenerationMismatch: If it is not the one that was searched for any more.
    """
    preprocessing = read_preprocessing(vault.embedder.card.preprocessing)
    return IdentificationCase(
        title=title,
        candidates=identification.candidates,
        decision=identification.decision,
        searched=identification.searched,
        event=identification.event,
        probe=_read(probe, identification.probe_digest, preprocessing),
        findings=identification.findings,
        note=note,
    )


def _read(path: Path, digest: str, preprocessing: Recipe) -> Picture:
    image = decode_file(path)
    if image.digest != digest:
        raise GenerationMismatch(
            f"{path} changed after it was compared: the decision stands in the audit log; "
            "run the command again for a report"
        )
    return Picture(image, preprocessing.prepare(image))


def _prepare(data: bytes, preprocessing: Recipe) -> Picture:
    image = decode_bytes(data)
    return Picture(image, preprocessing.prepare(image))
