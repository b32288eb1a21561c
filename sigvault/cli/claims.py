"""Many verifications in one command: a manifest of claims, and a table of what became of each."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sigvault.cli.documents import to_document
from sigvault.cli.exit_codes import ExitCode
from sigvault.domain.comparison import Decision
from sigvault.domain.errors import (
    AcquisitionError,
    ConfigurationError,
    EmptyGallery,
    ImageError,
    UnknownSigner,
)
from sigvault.services.acquisition import digest_of
from sigvault.storage.durability import write_whole

if TYPE_CHECKING:
    from sigvault.cli.manifests import ManifestRow
    from sigvault.domain.aims import Aim
    from sigvault.vault import Vault, Verification


@dataclass(frozen=True)
class ClaimResult:
    """What became of a claim.

    Attributes:
        signer: the claimed signer.
        path: the picture as the manifest names it.
        decision: the answer; None where there was none.
        llr: calibrated base-10 log-likelihood ratio, to three digits.
        score: the fused score, to four digits.
        references: how many references it was compared with.
        findings: names of alarms and quality findings; an alarm is ``copy``.
        event: the number in the audit log.
        probe_sha256: of the picture's bytes, hex.
        error: the name of the error and its message.
    """

    signer: str
    path: str
    decision: Decision | None = None
    llr: float | None = None
    score: float | None = None
    references: int | None = None
    findings: tuple[str, ...] = ()
    event: int | None = None
    probe_sha256: str | None = None
    error: str | None = None


COLUMNS = tuple(field.name for field in fields(ClaimResult))
"""Of a file of results; what a claim lacks is empty."""

ONE_CLAIMS_ERRORS = (ImageError, AcquisitionError, UnknownSigner, EmptyGallery)
"""What is wrong with one claim; anything else is wrong with all of them."""


class ResultsFile:
    """A CSV file of results that grows by a line a claim, so that nothing decided is lost."""

    def __init__(self, path: Path) -> None:
        """Read what an interrupted command left there.

        Raises:
            ConfigurationError: If something else lies there, or its folder is missing.
        """
        self._path = path
        self._known: dict[tuple[str, str], ClaimResult] = {}
        if path.exists():
            self._known = {(row.signer, row.path): row for row in _read_results(path)}
        elif not path.parent.is_dir():
            raise ConfigurationError(f"{path}: there is no folder {path.parent} to write it to")

    def known(self, row: ManifestRow) -> ClaimResult | None:
        """What was decided of the same claim with the same picture before, or None."""
        found = self._known.get((row.signer, row.name))
        if found is None or found.decision is None or not _is_of(row.path, found.probe_sha256):
            return None
        return found

    def begin(self, kept: Sequence[ClaimResult]) -> None:
        """Write what stays; later lines follow.

        Raises:
            ConfigurationError: If the file can't be written.
        """
        text = io.StringIO(newline="")
        csv.writer(text).writerows([COLUMNS, *map(_line, kept)])
        content = text.getvalue().encode("utf-8", "surrogateescape")
        folder = self._path.parent
        try:
            write_whole(folder, lambda file: file.write(content), lambda: self._path)
        except OSError as error:
            raise ConfigurationError(f"{self._path} can't be written: {error}") from error

    def add(self, result: ClaimResult) -> None:
        """Write one line more.

        Raises:
            ConfigurationError: If the file can't be written.
        """
        try:
            with self._path.open(
                "a", newline="", encoding="utf-8", errors="surrogateescape"
            ) as file:
                csv.writer(file).writerow(_line(result))
        except OSError as error:
            raise ConfigurationError(f"{self._path} can't be written: {error}") from error


def decide_claims(
    vault: Vault,
    rows: Sequence[ManifestRow],
    aim: Aim | None,
    results: ResultsFile | None,
    done: list[ClaimResult],
    progress: Callable[[int, int], None],
) -> None:
    """Verify each claim in turn; one that can't be decided does not stop the others.

    Args:
        vault: with the galleries.
        rows: the claims.
        aim: the rate to decide at, or None for the vault's.
        results: where each result is written as soon as it is there, or None.
        done: gets the results; those that were known first. After an error it holds those so far.
        progress: told how many of how many claims are done.

    Raises:
        SigvaultError: If something is wrong with more than one claim.
        KeyboardInterrupt: If it was interrupted.
    """
    known = [results.known(row) if results else None for row in rows]
    done += [result for result in known if result is not None]
    if results is not None:
        results.begin(done)
    for row, before in zip(rows, known, strict=True):
        progress(len(done), len(rows))
        if before is not None:
            continue
        try:
            result = _decided(row, vault.verify(row.signer, row.path, aim=aim))
        except ONE_CLAIMS_ERRORS as error:
            result = ClaimResult(row.signer, row.name, error=f"{type(error).__name__}: {error}")
        done.append(result)
        if results is not None:
            results.add(result)
    progress(len(done), len(rows))


def count_claims(results: Sequence[ClaimResult]) -> dict[str, int]:
    """How many were accepted, to be reviewed, refused, and how many could not be decided."""
    counts = Counter(result.decision for result in results)
    return {each.value: counts[each] for each in Decision} | {"failed": counts[None]}


def claims_document(results: Sequence[ClaimResult], file: Path | None) -> dict[str, Any]:
    """All results, JSON-ready, and an error if a claim could not be decided."""
    counts = count_claims(results)
    document: dict[str, Any] = {
        **counts,
        "results_file": None if file is None else str(file),
        "results": to_document(results),
    }
    if counts["failed"]:
        name = next(result.error for result in results if result.error).split(":", 1)[0]
        message = f"{counts['failed']} of {len(results)} claims could not be decided"
        document["error"] = {"name": name, "message": message}
    return document


def code_of_claims(results: Sequence[ClaimResult]) -> ExitCode:
    """What is worst: not decided, then refused, then to be reviewed."""
    counts = count_claims(results)
    for name, code in (
        ("failed", ExitCode.FAILED),
        (Decision.REFUSE.value, ExitCode.REFUSE),
        (Decision.REVIEW.value, ExitCode.REVIEW),
    ):
        if counts[name]:
            return code
    return ExitCode.DONE


def _decided(row: ManifestRow, verification: Verification) -> ClaimResult:
    evidence = verification.evidence
    return ClaimResult(
        signer=row.signer,
        path=row.name,
        decision=evidence.decision,
        llr=round(evidence.llr, 3),
        score=round(evidence.score.value, 4),
        references=len(evidence.score.per_reference),
        findings=tuple(finding.name for finding in evidence.findings),
        event=verification.event,
        probe_sha256=evidence.probe_digest,
    )


def _line(result: ClaimResult) -> list[str]:
    def cell(value: object) -> str:
        if isinstance(value, Decision):
            return value.value
        return " ".join(value) if isinstance(value, tuple) else "" if value is None else str(value)

    return [cell(getattr(result, name)) for name in COLUMNS]


def _result(line: Sequence[str]) -> ClaimResult:
    """The result that `_line` wrote.

    Raises:
        ValueError: If it is none.
    """
    signer, path, decision, llr, score, references, findings, event, digest, error = line
    return ClaimResult(
        signer,
        path,
        Decision(decision) if decision else None,
        float(llr) if llr else None,
        float(score) if score else None,
        int(references) if references else None,
        tuple(findings.split()),
        int(event) if event else None,
        digest or None,
        error or None,
    )


def _read_results(path: Path) -> list[ClaimResult]:
    """What a file of results holds; a last line that was cut short counts as not there.

    Raises:
        ConfigurationError: If it is no file of results.
    """
    try:
        with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
            lines = list(csv.reader(file))
        if not lines or tuple(lines[0]) != COLUMNS:
            raise ConfigurationError(
                f"{path} is there already and holds no results of sigvault verify: give another "
                "file"
            )
        return [_result(line) for line in lines[1:] if len(line) == len(COLUMNS)]
    except (OSError, csv.Error, ValueError) as error:
        raise ConfigurationError(
            f"{path} can't be read as results of sigvault verify ({error}): give another file"
        ) from error


def _is_of(picture: Path, sha256: str | None) -> bool:
    """Whether a picture's bytes have this digest."""
    try:
        return digest_of(picture.read_bytes()) == sha256
    except OSError:
        return False
