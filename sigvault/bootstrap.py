"""The only place that wires: settings to a vault."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine

from sigvault.domain.diagnosis import Diagnosis, Finding, Severity, joined
from sigvault.domain.errors import (
    SigvaultError,
    VaultDamaged,
    VaultExists,
    VaultNotFound,
)
from sigvault.domain.identifiers import GenerationId, ModelId
from sigvault.domain.model_card import ModelCard
from sigvault.domain.ports import Embedder
from sigvault.domain.reviewing import ReviewRules
from sigvault.domain.verdicts import KeepProbes
from sigvault.embedding.batching import BatchingEmbedder, EmbeddingWorker
from sigvault.embedding.card import WEIGHTS_FILE, bundled_model
from sigvault.embedding.keeping import copy_model, renew_model
from sigvault.embedding.torch_embedder import TorchEmbedder
from sigvault.imaging.decode import DecodeLimits
from sigvault.services.answers import drop_old_answers
from sigvault.services.cleaning import clean_log
from sigvault.services.creation import found, remove_tables
from sigvault.services.examination import unopened
from sigvault.services.folder_binding import bind
from sigvault.services.gallery_index import GalleryIndex, IndexState
from sigvault.services.generation_vectors import GenerationVectors
from sigvault.services.pending_images import PendingImages, settle_pending
from sigvault.services.resources import Resources, load_active, require_serving, utc_now
from sigvault.settings import Settings, load_settings
from sigvault.storage import schema
from sigvault.storage.blobs import ImageFolder
from sigvault.storage.engine import (
    CACHE_KIB,
    CONNECTIONS,
    SERVING_CACHE_KIB,
    make_engine,
    read_session,
)
from sigvault.storage.failures import translate_os
from sigvault.vault import Vault

if TYPE_CHECKING:
    from sigvault.indexing.choice import SearchOptions
    from sigvault.indexing.contents import StorableIndex
    from sigvault.indexing.snapshot import SnapshotIdentity

DATABASE = "vault.sqlite3"
"""A vault's database in its folder, where it doesn't lie elsewhere."""

IMAGES = "images"
MODELS = "models"
"""The folders in a vault's."""

_CLAIM = ".being-set-up"


def open_vault(
    settings: Settings | str | os.PathLike[str] | None = None,
    *,
    embedder: Embedder | Sequence[Embedder] | None = None,
    serving: Serving | None = None,
) -> Vault:
    """Open a vault; the model and the index are loaded when they are first needed.

    Args:
        settings: the settings, or the vault's folder; by default what the environment says.
        embedder: what embeds instead of the models that are kept with the vault, or several, each
            for its own model.
        serving: how it is shared by many who ask at the same time; None if it isn't.

    Raises:
        ConfigurationError: If the settings can't be used.
        VaultNotFound: If there is no vault.
        VaultTooNew: If a later version of sigvault made it.
        VaultDamaged: If it contradicts itself.
        FolderMismatch: If the folder's images are another vault's.
        StorageFailed: If the database or the folder can't be used.
    """
    settings = _settings(settings)
    _check_there(settings)
    engine = _engine(settings, CACHE_KIB if serving is None else SERVING_CACHE_KIB)
    resources = Resources(
        engine=engine,
        images=ImageFolder(settings.vault / IMAGES),
        pending=PendingImages(settings.vault / "pending"),
        models=_Models(settings, _given(embedder), serving),
        rules=ReviewRules(KeepProbes(settings.keep_probes), settings.reviewers),
        **({} if serving is None else serving.for_resources()),
    )
    try:
        schema.check(engine)
        schema.upgrade(engine)
        bind(engine, resources.images)
        settle_pending(engine, resources.images, resources.pending)
        drop_old_answers(resources)
        clean_log(engine, seconds=0)
        with read_session(engine) as session:
            load_active(session)
    except BaseException:
        engine.dispose()
        raise
    files = _IndexFiles(settings.vault / "index", settings.device, settings.threads, settings.index)
    return Vault(resources, GalleryIndex(engine, files), location=settings.vault, by=settings.by)


@dataclass(frozen=True)
class Serving:
    """How a vault is shared by many who ask at the same time.

    Attributes:
        worker: embeds for all of them.
        decoders: how many pictures are decoded and harmonised at the same time.
        limits: what a picture may cost.
        observe: told the name of a stage of a decision and the seconds that it took.
    """

    worker: EmbeddingWorker
    decoders: int
    limits: DecodeLimits
    observe: Callable[[str, float], None]

    def for_resources(self) -> dict[str, Any]:
        """What the use cases are to know of it."""
        return {
            "limits": self.limits,
            "decoding": BoundedSemaphore(self.decoders),
            "observe": self.observe,
        }


def create_vault(
    settings: Settings | str | os.PathLike[str] | None = None, *, embedder: Embedder | None = None
) -> Vault:
    """Set up a vault and open it; if that fails, nothing is left behind.

    Args:
        settings: the settings, or the vault's folder; by default what the environment says.
        embedder: what embeds instead of the model that the settings name.

    Raises:
        ConfigurationError: If the settings can't be used.
        VaultExists: If something lies there already.
        ModelError: If the model can't be found or read.
        StorageFailed: If the database or the folder can't be used.
    """
    settings = _settings(settings)
    source = settings.model or bundled_model()
    chosen = embedder or TorchEmbedder(source, settings.device, settings.threads)
    with new_folder(settings.vault), _new_tables(settings) as engine:
        if embedder is None:
            copy_model(source, _model_folder(settings, chosen.model))
        found(engine, chosen, version=version("sigvault"), at=utc_now())
    return open_vault(settings, embedder=embedder)


def diagnose(
    settings: Settings | str | os.PathLike[str] | None = None,
    *,
    deep: bool = False,
    repair: bool = False,
    embedder: Embedder | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Diagnosis:
    """Examine the installation and the vault; a vault that can't be opened is a finding.

    Args:
        settings: the settings, or the vault's folder; by default what the environment says.
        deep: whether to read every image, and to compare the database with itself thoroughly.
        repair: whether to do what can be done without losing anything.
        embedder: what embeds instead of the model that the settings name.
        progress: told how many images are read, of how many.

    Raises:
        ConfigurationError: If the settings can't be used.
    """
    from sigvault.embedding.installation import examine_openmp, examine_torch
    from sigvault.indexing.installation import examine_choice, examine_faiss

    settings = _settings(settings)
    groups = [examine_torch(), examine_faiss(), examine_openmp()]
    try:
        with open_vault(settings, embedder=embedder) as vault:
            groups.append(vault.examine(deep=deep, repair=repair, progress=progress))
            generations = vault.generations()
            used = {one.model for one in generations}
            cards = [card for card in vault.models() if card.id in used]
            groups.append(_examine_models(settings, cards, given=embedder is not None))
            active = next(one for one in generations if one.status == "active")
            searching = _search_options(settings.device, settings.threads, settings.index)
            groups.append([examine_choice(active.vectors, active.dimension, searching)])
    except SigvaultError as error:
        groups.append([unopened(error)])
    return joined(groups)


def _examine_models(
    settings: Settings, cards: Sequence[ModelCard], *, given: bool
) -> list[Finding]:
    """Whether these models are kept with the vault, as they were."""
    findings = []
    for card in cards:
        weights = _model_folder(settings, card.id) / WEIGHTS_FILE
        subject = f"model {card.id}"
        if not weights.is_file():
            if not given:
                findings.append(_lost_model(subject, weights))
        elif hashlib.sha256(weights.read_bytes()).hexdigest() != card.sha256:
            remedy = "restore the file from a backup: the vault's vectors belong to that model"
            message = f"{weights} is not the file that made the vectors"
            findings.append(Finding(subject, Severity.PROBLEM, message, remedy))
        else:
            findings.append(Finding(subject, Severity.FINE, "kept with the vault, unchanged"))
    return findings


def _lost_model(subject: str, weights: Path) -> Finding:
    return Finding(
        subject,
        Severity.WARNING,
        f"{weights} is missing",
        "copy the model's folder there, or name it with SIGVAULT_MODEL",
    )


def _settings(settings: Settings | str | os.PathLike[str] | None) -> Settings:
    return settings if isinstance(settings, Settings) else load_settings(settings)


def _engine(settings: Settings, cache_kib: int = CACHE_KIB) -> Engine:
    return make_engine(
        settings.database_url or settings.vault / DATABASE,
        cache_kib=cache_kib,
        connections=settings.connections or CONNECTIONS,
    )


def _check_there(settings: Settings) -> None:
    """Make sure that the folder may be a vault's, before a database driver makes an empty file.

    Raises:
        VaultNotFound: If it isn't there, or holds no database.
        VaultDamaged: If its creation did not come to an end.
    """
    folder = settings.vault
    if (folder / _CLAIM).exists():
        raise VaultDamaged(
            f"{folder} is being set up, or that was interrupted: if nobody is at it any more, "
            "remove the folder and run `sigvault init`, or `sigvault restore`, again"
        )
    if folder.exists() and not folder.is_dir():
        raise VaultNotFound(f"{folder} is a file, not a vault's folder: give another path")
    expected = folder if settings.database_url else folder / DATABASE
    if not expected.exists():
        raise VaultNotFound(
            f"there is no vault in {folder}: run `sigvault init`, or give the path of one"
        )


@contextmanager
def new_folder(folder: Path) -> Iterator[None]:
    """An empty folder of one's own, which nobody opens before the block ends.

    If that fails, database and models are gone again, and the folder if nothing else is in it.

    Raises:
        VaultExists: If something lies there already.
        StorageFailed: If it can't be made.
    """
    made = [each for each in (folder, *folder.parents) if not each.exists()]
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Whoever makes this file first owns the folder; whoever comes second leaves it alone.
        (folder / _CLAIM).touch(mode=0o600, exist_ok=False)
    except FileExistsError as error:
        raise VaultExists(f"{folder} is a file or in use: give another path") from error
    except OSError as error:
        _remove_empty(made)
        raise translate_os(error, folder) from error
    if any(path.name != _CLAIM for path in folder.iterdir()):
        (folder / _CLAIM).unlink()
        raise VaultExists(f"{folder} is not empty: give another path, or use the vault in it")
    try:
        yield
        (folder / _CLAIM).unlink()
    except BaseException:
        # Nothing but what is made here: a vault with its database elsewhere may work in it.
        shutil.rmtree(folder / MODELS, ignore_errors=True)
        for name in (DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm", _CLAIM):
            (folder / name).unlink(missing_ok=True)
        _remove_empty(made)
        raise


def _remove_empty(folders: list[Path]) -> None:
    """Remove folders, innermost first, as far as they are there and empty."""
    for folder in folders:
        with suppress(OSError):
            folder.rmdir()


@contextmanager
def _new_tables(settings: Settings) -> Iterator[Engine]:
    """Empty tables, which are gone again if the block fails.

    Raises:
        VaultExists: If the database holds a vault.
        StorageFailed: If it can't be written.
    """
    engine = _engine(settings)
    try:
        if schema.current_revision(engine) is not None:
            raise VaultExists(
                "the database holds a vault already: give another one, or use the vault in it"
            )
        schema.upgrade(engine)
        try:
            yield engine
        except BaseException:
            remove_tables(engine)
            raise
    finally:
        engine.dispose()


def _model_folder(settings: Settings, model: ModelId) -> Path:
    return settings.vault / MODELS / model


def _given(embedder: Embedder | Sequence[Embedder] | None) -> tuple[Embedder, ...]:
    if embedder is None:
        return ()
    return tuple(embedder) if isinstance(embedder, Sequence) else (embedder,)


@dataclass(frozen=True)
class _Models:
    """The vault's models; see `resources.ModelShelf`.

    Attributes:
        settings: where they lie, and what to compute on.
        given: embedders that are used instead of what lies there.
        serving: who embeds for many; None if everybody does so alone.
    """

    settings: Settings
    given: tuple[Embedder, ...]
    serving: Serving | None

    def find(self, model: ModelId) -> Embedder:
        """The model, embedding for all if it is shared."""
        found = self._find(model)
        return found if self.serving is None else BatchingEmbedder(found, self.serving.worker)

    def _find(self, model: ModelId) -> Embedder:
        """One that is given; else what the settings name, what is kept, what is bundled."""
        if self.given:
            own = (embedder for embedder in self.given if embedder.model == model)
            return next(own, self.given[0])
        kept = _model_folder(self.settings, model)
        folder = self.settings.model or (kept if kept.is_dir() else bundled_model())
        return TorchEmbedder(folder, self.settings.device, self.settings.threads)

    def keep(self, folder: Path, *, threads: int | None = None) -> Embedder:
        embedder = TorchEmbedder(folder, self.settings.device, threads or self.settings.threads)
        require_serving(embedder)
        target = _model_folder(self.settings, embedder.model)
        if target.is_dir():
            renew_model(folder, target, embedder.card)
        else:
            copy_model(folder, target)
        return embedder

    def discard(self, model: ModelId) -> None:
        shutil.rmtree(_model_folder(self.settings, model), ignore_errors=True)


@dataclass(frozen=True)
class _IndexFiles:
    """The folder that the index is kept in; see `gallery_index.IndexKeeper`.

    Attributes:
        folder: where.
        device: where to search.
        threads: how many threads a search may use, or None for the index's choice.
        index: the kind of index, or ``"auto"``.
    """

    folder: Path
    device: str
    threads: int | None
    index: str

    def open(
        self, state: IndexState, table: GenerationVectors, knows: Callable[[str], bool]
    ) -> tuple[StorableIndex, int]:
        from sigvault.indexing.opening import open_index

        opened = open_index(
            self.folder,
            self._identity(state),
            table,
            last_change=state.last_change,
            is_ours=lambda manifest: knows(manifest.history),
            options=_search_options(self.device, self.threads, self.index),
        )
        return opened.index, opened.caught_up.added + opened.caught_up.removed

    def keep(
        self, index: StorableIndex, state: IndexState, outdated: Callable[[], bool]
    ) -> Callable[[], None]:
        from sigvault.indexing.opening import save_index

        contents = index.frozen()

        def write() -> None:
            save_index(
                self.folder,
                contents(),
                self._identity(state),
                last_change=state.last_change,
                history=state.history,
                outdated=outdated,
            )

        return write

    def kept(self) -> dict[GenerationId, int]:
        from sigvault.indexing.snapshot import list_snapshots

        return list_snapshots(self.folder)

    def outgrown(self, index: StorableIndex) -> Callable[[], StorableIndex] | None:
        from sigvault.indexing.opening import outgrown

        return outgrown(index, _search_options(self.device, self.threads, self.index))

    def describe(self, index: StorableIndex) -> str:
        from sigvault.indexing.recall import own_recall

        return "" if index.exact or not len(index) else own_recall(index).in_words()

    def discard(self) -> None:
        from sigvault.indexing.snapshot import discard_snapshots

        discard_snapshots(self.folder)

    @staticmethod
    def _identity(state: IndexState) -> SnapshotIdentity:
        from sigvault.indexing.snapshot import SnapshotIdentity

        active = state.generation
        return SnapshotIdentity(active.model, active.id, active.dimension)


def _search_options(device: str, threads: int | None, index: str) -> SearchOptions:
    from sigvault.indexing.choice import IndexKind, SearchOptions

    kind = None if index == "auto" else IndexKind(index)
    return SearchOptions(device=device, threads=threads, kind=kind)
