"""From a file or bytes to harmonised ink: the first steps of every use case with a picture."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from sigvault.domain.image import QualityFinding, SignatureImage
from sigvault.imaging.decode import DEFAULT_LIMITS, DecodeLimits, decode_bytes, read_at_most
from sigvault.imaging.preprocessing import PreparedSignature, Recipe


@dataclass(frozen=True, eq=False)
class Acquired:
    """A picture that was read, decoded and harmonised.

    Attributes:
        data: the bytes that it was decoded from.
        image: the decoded picture.
        prepared: the ink and the findings.
    """

    data: bytes
    image: SignatureImage
    prepared: PreparedSignature

    @property
    def digest(self) -> str:
        """SHA-256 of the bytes, hex."""
        return self.image.digest

    @property
    def findings(self) -> tuple[QualityFinding, ...]:
        """What quality inspection noticed."""
        return self.prepared.findings

    @property
    def severe(self) -> tuple[QualityFinding, ...]:
        """The findings because of which the picture can't serve."""
        return tuple(finding for finding in self.findings if finding.severe)


def read_source(source: Path | bytes) -> bytes:
    """The bytes of a picture, at most one more than the limit allows.

    Raises:
        UnreadableFile: If the file can't be opened or read.
    """
    if isinstance(source, bytes):
        return source
    return read_at_most(source, DEFAULT_LIMITS.max_bytes + 1)


def acquire(data: bytes, preprocessing: Recipe, limits: DecodeLimits = DEFAULT_LIMITS) -> Acquired:
    """Decode and harmonise a picture; whether it can serve is for the caller to judge.

    Raises:
        ImageError: If the bytes are no usable picture.
    """
    image = decode_bytes(data, limits)
    return Acquired(data, image, preprocessing.prepare(image))


def digest_of(data: bytes) -> str:
    """SHA-256 of bytes, hex: known even of a picture that can't be decoded."""
    return hashlib.sha256(data).hexdigest()


def describe(findings: tuple[QualityFinding, ...]) -> str:
    """Findings as one line for people."""
    return " ".join(finding.message for finding in findings)
