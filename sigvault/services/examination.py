"""Examining a vault: the database, the image files, thresholds and disk, and safe repairs."""

from __future__ import annotations

import shutil
import stat
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from sigvault.domain.diagnosis import Finding, Severity
from sigvault.domain.errors import IndexFailed, SigvaultError
from sigvault.domain.generation import BoundGeneration
from sigvault.services.acquisition import digest_of
from sigvault.services.cleaning import clean_log, rewrite_file
from sigvault.services.filling import fill
from sigvault.services.gallery_index import GalleryIndex
from sigvault.services.pending_images import settle_pending
from sigvault.services.resources import Resources, load_active
from sigvault.storage.audit_log import check_chain
from sigvault.storage.driver import directly, read_directly
from sigvault.storage.embeddings import count_missing, count_vectors
from sigvault.storage.engine import read_session, write_session
from sigvault.storage.generations import list_generations
from sigvault.storage.integrity import contradictions, writer_at_work
from sigvault.storage.kept_probes import kept_sizes, needed_images
from sigvault.storage.orphaned_images import list_orphans
from sigvault.storage.references import count_references
from sigvault.storage.schema import altered_tables, current_revision, head_revision
from sigvault.storage.tables import EmbeddingRow, GenerationStatus, ReferenceRow
from sigvault.storage.vault_state import count_erasures, read_state

ROOM = 2**30
"""Bytes of free disk below which it is time to make room: a re-index writes about as much."""

_CHECKED_AT_ONCE = 500
"""Files that are looked up in one writing session."""

_NAMED = 5
"""Things named in a message; the others are counted."""

Advance = Callable[[int, int], None]
"""Told how many things are done, and of how many."""


def examine(
    resources: Resources,
    index: GalleryIndex[Any],
    location: Path,
    *,
    deep: bool = False,
    repair: bool = False,
    progress: Advance | None = None,
) -> list[Finding]:
    """Look at everything that a vault consists of, apart from its models.

    Args:
        resources: the vault's.
        index: over all galleries.
        location: its folder.
        deep: whether to read every image and to compare the database's indexes with its tables.
        repair: whether to do what can be done without losing anything.
        progress: told how many images are read, of how many.

    Raises:
        StorageFailed: If the database can't be read at all.
    """
    return [
        *_database(resources, deep=deep),
        *_audit_chain(resources),
        *_images(resources, deep=deep, repair=repair, progress=progress),
        *_erasures(resources, repair=repair),
        *_generations(resources, repair=repair, progress=progress),
        *_index(index, repair=repair),
        *_disk(location),
        *_permissions(location, repair=repair),
        *_writers(resources),
    ]


def _database(resources: Resources, *, deep: bool) -> list[Finding]:
    schema = _schema(resources)
    wrong = contradictions(resources.engine, deep=deep)
    if not wrong and resources.engine.dialect.name == "postgresql":
        return [schema, _UNEXAMINED]
    if not wrong:
        how = "pages, indexes and references" if deep else "pages and references"
        return [schema, Finding("database", Severity.FINE, f"{how} are sound")]
    return [
        schema,
        Finding(
            "database",
            Severity.PROBLEM,
            f"it contradicts itself: {_name(wrong)}",
            "stop using it, keep a copy, and restore the vault from a backup",
        ),
    ]


_UNEXAMINED = Finding(
    "database",
    Severity.NOTE,
    "PostgreSQL checks its own pages and references; they were not examined here",
    "`pg_amcheck` examines them, where the server lets it",
)


def _schema(resources: Resources) -> Finding:
    revision, newest = current_revision(resources.engine), head_revision()
    if revision != newest:
        return Finding(
            "schema",
            Severity.PROBLEM,
            f"at revision {revision}, not {newest}",
            "open the vault with this version of sigvault, which brings it up to date",
        )
    altered = altered_tables(resources.engine)
    if altered:
        return Finding(
            "schema",
            Severity.PROBLEM,
            f"not as revision {revision} makes it: {_name(altered)}",
            "a version in development made it, or somebody changed it: restore the vault from a "
            "backup, or set up a new one and enroll again",
        )
    return Finding("schema", Severity.FINE, f"at revision {revision}, the newest known here")


def _audit_chain(resources: Resources) -> list[Finding]:
    with read_session(resources.engine) as session:
        chain = check_chain(session)
    if chain.first_broken is None:
        return [Finding("audit log", Severity.FINE, f"{chain.events} events, an unbroken chain")]
    return [
        Finding(
            "audit log",
            Severity.PROBLEM,
            f"broken at event {chain.first_broken}: {chain.reason}",
            "somebody changed the database, or it is damaged: compare with a backup",
        )
    ]


def _images(
    resources: Resources, *, deep: bool, repair: bool, progress: Advance | None
) -> list[Finding]:
    """Compare references and kept probes with the files, and remove files that nobody needs."""
    with read_session(resources.engine) as session:
        sizes = dict(
            session.execute(select(ReferenceRow.image_digest, ReferenceRow.image_bytes)).all()
        )
        sizes |= kept_sizes(session)
        notes = len(resources.pending.names()) + len(list_orphans(session))
    strays, stuck = _find_strays(resources, frozenset(sizes), repair=repair)
    missing, damaged, unread = [], [], []
    for done, digest in enumerate(sorted(sizes), start=1):
        path = resources.images.path(digest)
        try:
            size = path.stat().st_size
        except OSError:
            missing.append(digest)
        else:
            whole = size == sizes[digest] and (not deep or _holds(path, digest))
            if whole is None:
                unread.append(digest)
            elif not whole:
                damaged.append(digest)
        if progress is not None and done % 100 == 0:
            progress(done, len(sizes))
    faulty = [_still_needed(resources, each) for each in (missing, damaged, unread)]
    return [
        *_image_files(len(sizes), *faulty, deep=deep),
        *_strays(strays, stuck, repair=repair),
        *_unsettled(resources, notes, repair=repair),
    ]


def _find_strays(
    resources: Resources, needed: frozenset[str], *, repair: bool
) -> tuple[list[str], list[str]]:
    """The names of files that nobody needs, and of those that can't be removed.

    Writers don't wait while the folder is listed, but while what was found is looked up again.
    """
    suspects = list(resources.images.strays(needed))
    strays, stuck = [], []
    for start in range(0, len(suspects), _CHECKED_AT_ONCE):
        some = {each.parent.name + each.name: each for each in suspects[start:][:_CHECKED_AT_ONCE]}
        # One writer at a time: nobody can be between writing an image and committing its reference.
        with write_session(resources.engine) as session:
            wanted = needed_images(directly(session), list(some))
            found = [path for name, path in some.items() if name not in wanted and path.is_file()]
            strays += [path.name for path in found]
            stuck += [path.name for path in found if repair and not _remove(path)]
    return strays, stuck


def _still_needed(resources: Resources, digests: list[str]) -> list[str]:
    """Those images that weren't erased while others were looked at."""
    with read_directly(resources.engine) as transaction:
        needed = needed_images(transaction, digests)
    return [digest for digest in digests if digest in needed]


def _remove(path: Path) -> bool:
    """Whether a file is gone."""
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return False
    return True


def _holds(path: Path, digest: str) -> bool | None:
    """Whether a file is what its digest says; None where it can't be read."""
    try:
        return digest_of(path.read_bytes()) == digest
    except OSError:
        return None


def _image_files(
    count: int, missing: list[str], damaged: list[str], unread: list[str], *, deep: bool
) -> list[Finding]:
    remedy = (
        "restore these files from a backup; without them the references can't be shown or "
        "re-indexed, though they still verify"
    )
    found = [
        Finding("images", Severity.PROBLEM, f"{len(which)} {what}: {_name(which)}", remedy)
        for which, what in (
            (missing, "are missing"),
            (damaged, "are not what was enrolled"),
            (unread, "can't be read"),
        )
        if which
    ]
    how = "read and found as enrolled" if deep else "there, each of its size"
    return found or [Finding("images", Severity.FINE, f"{count} images {how}")]


def _strays(strays: list[str], stuck: list[str], *, repair: bool) -> list[Finding]:
    """Files that nothing points to, and those of them that couldn't be removed."""
    if not strays:
        return []
    remedy = "`sigvault doctor --repair` removes them"
    if stuck:
        remedy = f"check the permissions: {len(stuck)} can't be removed, such as {stuck[0]}"
    return [
        Finding(
            "images",
            Severity.WARNING,
            f"{len(strays)} files that nothing points to: {_name(strays)}",
            remedy,
            repairable=True,
            repaired=repair and not stuck,
        )
    ]


def _unsettled(resources: Resources, notes: int, *, repair: bool) -> list[Finding]:
    if not notes:
        return []
    if repair:
        settle_pending(resources.engine, resources.images, resources.pending)
    return [
        Finding(
            "images",
            Severity.NOTE,
            f"{notes} images were not settled when a process ended",
            "opening the vault settles them, and so does `sigvault doctor --repair`",
            repairable=True,
            repaired=repair,
        )
    ]


def _erasures(resources: Resources, *, repair: bool) -> list[Finding]:
    """Whether what was erased is gone from SQLite's log and from its file, too."""
    if resources.engine.dialect.name != "sqlite":
        return []
    log_clean = clean_log(resources.engine)
    with read_session(resources.engine) as session:
        state = read_state(directly(session))
        erasures = count_erasures(session, state.rewritten_through)
    if not erasures:
        return []
    repaired = repair and rewrite_file(resources.engine)
    where = "unused parts of its pages" if log_clean else "its log"
    return [
        Finding(
            "erasures",
            Severity.NOTE if log_clean else Severity.WARNING,
            f"{erasures} since the database's file was written anew: something of them may be left "
            f"in {where}",
            "`sigvault doctor --repair` writes the file anew, at a quiet time: writers wait "
            "meanwhile, and it takes twice its size of free disk",
            repairable=True,
            repaired=repaired,
        )
    ]


def _generations(resources: Resources, *, repair: bool, progress: Advance | None) -> list[Finding]:
    with read_session(resources.engine) as session:
        active = load_active(session)
        references = count_references(session)
        rows = list_generations(session)
        counts = {row.id: count_vectors(session, row.id) for row in rows}
        fewest = min((each.references for each in active.thresholds), default=0)
        uncovered = _galleries_below(session, active, fewest)
    missing = references - counts[active.id]
    if repair and missing:
        fill(resources, active, resources.embedder_for(active), progress=progress)
    findings = [
        _complete(resources, active, references, missing, repair=repair),
        _thresholds(active),
    ]
    if uncovered:
        findings.append(
            Finding(
                "thresholds",
                Severity.WARNING,
                f"{uncovered} signers have fewer than {fewest} references, the least that there "
                "is a threshold for, so nothing can be decided about them",
                f"enroll more, or run `sigvault calibrate` with fewer --references than {fewest}",
            )
        )
    findings += [
        Finding(
            "generations",
            Severity.NOTE,
            f"generation {row.id} ({row.model_id}) is being built: it has {counts[row.id]} of "
            f"{references} vectors",
            f"`sigvault reindex` goes on with it, `sigvault generation drop {row.id}` removes it",
        )
        for row in rows
        if row.status is GenerationStatus.BUILDING
    ]
    return findings


def _galleries_below(session: Session, active: BoundGeneration, fewest: int) -> int:
    """How many signers have some references, but fewer than this."""
    sizes = (
        select(func.count().label("size"))
        .select_from(EmbeddingRow)
        .join(ReferenceRow, ReferenceRow.id == EmbeddingRow.reference_id)
        .where(EmbeddingRow.generation_id == active.id)
        .group_by(ReferenceRow.signer_key)
        .subquery()
    )
    return session.scalar(select(func.count()).select_from(sizes).where(sizes.c.size < fewest)) or 0


def _complete(
    resources: Resources, active: BoundGeneration, references: int, missing: int, *, repair: bool
) -> Finding:
    subject = f"generation {active.id}"
    if not missing:
        return Finding(subject, Severity.FINE, f"a vector for each of {references} references")
    with read_session(resources.engine) as session:
        left = count_missing(session, active.id)
    return Finding(
        subject,
        Severity.PROBLEM,
        f"{missing} of {references} references have no vector",
        "`sigvault doctor --repair` embeds them again; where it can't, restore their images",
        repairable=True,
        repaired=repair and not left,
    )


def _thresholds(active: BoundGeneration) -> Finding:
    if not active.thresholds:
        return Finding(
            "thresholds",
            Severity.PROBLEM,
            f"generation {active.id} ({active.model}) has none, so nothing can be decided",
            "run `sigvault calibrate` on signatures that the model was not trained on",
        )
    numbers = ", ".join(str(each.references) for each in active.thresholds)
    return Finding("thresholds", Severity.FINE, f"for {numbers} references")


def _index(index: GalleryIndex[Any], *, repair: bool) -> list[Finding]:
    """Compare what the index finds with what the database holds."""
    try:
        apart = index.compare()
        described = index.describe()
    except IndexFailed as error:
        return [Finding("index", Severity.PROBLEM, str(error), "searches fail, verification works")]
    if not apart.missing and not apart.extra:
        found = f"finds the {index.size} vectors of the database"
        if described:  # not exact
            found = f"holds the {index.size} vectors of the database; {described}"
        return [Finding("index", Severity.FINE, found)]
    if repair:
        index.discard()
    return [
        Finding(
            "index",
            Severity.PROBLEM,
            f"{apart.missing} vectors can't be found, and {apart.extra} can that are no more",
            "`sigvault doctor --repair` removes its files, and it is built anew",
            repairable=True,
            repaired=repair,
        )
    ]


def _disk(location: Path) -> list[Finding]:
    try:
        free = shutil.disk_usage(location).free
        held = sum(path.stat().st_size for path in location.rglob("*") if path.is_file())
    except OSError as error:
        return [Finding("disk", Severity.WARNING, f"it can't be looked at: {error}")]
    shown = f"{free / 1e9:.1f} GB free, the vault takes {held / 1e9:.3f} GB"
    if free >= max(ROOM, held):
        return [Finding("disk", Severity.FINE, shown)]
    return [
        Finding(
            "disk",
            Severity.WARNING,
            shown,
            "make room: a re-index or a migration may need as much as the vault takes",
        )
    ]


def _permissions(location: Path, *, repair: bool) -> list[Finding]:
    mode = stat.S_IMODE(location.stat().st_mode)
    if not mode & 0o077:
        return [Finding("permissions", Severity.FINE, "the folder is its owner's alone")]
    if repair:
        location.chmod(mode & ~0o077)
    return [
        Finding(
            "permissions",
            Severity.WARNING,
            f"others may look into {location} (mode {mode:o}), and what lies there is personal",
            f"`sigvault doctor --repair`, or `chmod go= {location}`",
            repairable=True,
            repaired=repair,
        )
    ]


def _writers(resources: Resources) -> list[Finding]:
    if writer_at_work(resources.engine):
        return [
            Finding(
                "locks",
                Severity.NOTE,
                "somebody is writing at this moment",
                "if nobody should be, look for a process that hangs: others wait for it",
            )
        ]
    return [Finding("locks", Severity.FINE, "nobody is writing")]


_AS_TOLD = "do what that says, then run `sigvault doctor` again"


def unopened(error: SigvaultError) -> Finding:
    """What keeps a vault from being opened at all."""
    return Finding("vault", Severity.PROBLEM, f"it can't be opened: {error}", _AS_TOLD)


def _name(things: Iterable[str]) -> str:
    """The first few, and how many more there are."""
    named = list(things)
    more = len(named) - _NAMED
    return ", ".join(named[:_NAMED]) + (f" and {more} more" if more > 0 else "")
