"""Synthetic signatures as a folder of images, in the layout ``folders``."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from sigvault.domain.errors import ConfigurationError, StorageFailed
from sigvault.domain.population import Population
from sigvault.synthesis.picture_list import LIST_NAME, describe_picture, list_pictures
from sigvault.synthesis.rendering import Pixels, render_forged, render_genuine
from sigvault.synthesis.settings import SynthesisSettings
from sigvault.synthesis.signer import SyntheticSigner, generate_signer

Progress = Callable[[int, int], None]
"""Called with the number of images written and the number to be written."""


@dataclass(frozen=True)
class DatasetSummary:
    """What was written.

    Attributes:
        folder: where.
        signers: the signers' names in the layout, in order.
        genuine: number of genuine images.
        forged: number of skilled forgeries.
        bytes_written: size of all images together, in bytes.
    """

    folder: Path
    signers: tuple[str, ...]
    genuine: int
    forged: int
    bytes_written: int


@dataclass(frozen=True)
class _Item:
    """One image to be written."""

    signer: SyntheticSigner
    genuine: bool
    number: int

    def draw(self, settings: SynthesisSettings) -> Pixels:
        draw = render_genuine if self.genuine else render_forged
        return draw(self.signer, self.number, dpi=settings.dpi, clutter=settings.clutter)


def write_dataset(
    out: Path,
    settings: SynthesisSettings,
    progress: Progress | None = None,
    *,
    overwrite: bool = False,
) -> DatasetSummary:
    """Write ``out/genuine/SIGNER/NN.png`` and ``out/forged/SIGNER/NN.png``.

    Each file appears whole or not at all, so that an interrupted run leaves only good images. For
    the varied population ``out/pictures.csv`` then tells the script, session, forger and level of
    each; readers of the layout pass it over, since it is no image.

    Args:
        out: the folder; made if it isn't there.
        settings: how many of what.
        progress: called after each image.
        overwrite: replace the images of an earlier run. Nothing is ever deleted: if the folder
            holds files that this run would not replace, it is refused all the same.

    Returns:
        What was written.

    Raises:
        ConfigurationError: ``out`` is a file, or holds files.
        StorageFailed: the folder or an image can't be written.
    """
    paths = _paths(settings)
    listed = [] if settings.population is Population.DEMONSTRATION else [Path(LIST_NAME)]
    with _writing_to(out):
        _check_folder(out, {out / path for path in [*paths, *listed]}, overwrite=overwrite)
    size = 0
    rows = []
    for done, (path, item) in enumerate(zip(paths, _items(settings), strict=True), start=1):
        content = _png(item.draw(settings))
        with _writing_to(out):
            size += _write_atomically(out / path, content)
        rows.append(describe_picture(path, item.signer, item.number, genuine=item.genuine))
        if progress is not None:
            progress(done, len(paths))
    for path in listed:
        with _writing_to(out):
            _write_atomically(out / path, list_pictures(rows))
    return DatasetSummary(
        folder=out,
        signers=tuple(_name(settings, index) for index in range(settings.signers)),
        genuine=settings.signers * settings.genuine,
        forged=settings.signers * settings.forged,
        bytes_written=size,
    )


@contextmanager
def _writing_to(out: Path) -> Iterator[None]:
    """Translate what the file system refuses."""
    try:
        yield
    except OSError as error:
        message = (
            f"synthetic signatures can't be written to {out}: {error}; "
            "free some space or choose another folder"
        )
        raise StorageFailed(message) from error


def _name(settings: SynthesisSettings, index: int) -> str:
    digits = max(3, len(str(settings.first + settings.signers - 1)))
    return f"{settings.first + index:0{digits}d}"


def _paths(settings: SynthesisSettings) -> list[Path]:
    """Where each image goes, signer by signer, genuine ones first."""
    digits = max(2, len(str(max(settings.genuine, settings.forged))))
    return [
        Path(kind, _name(settings, index), f"{number:0{digits}d}.png")
        for index in range(settings.signers)
        for kind, count in (("genuine", settings.genuine), ("forged", settings.forged))
        for number in range(1, count + 1)
    ]


def _items(settings: SynthesisSettings) -> Iterator[_Item]:
    """The images in the order of ``_paths``."""
    for index in range(settings.signers):
        signer = generate_signer(settings.seed, settings.first + index, settings.population)
        for number in range(1, settings.genuine + 1):
            yield _Item(signer, genuine=True, number=number)
        for number in range(1, settings.forged + 1):
            yield _Item(signer, genuine=False, number=number)


def _check_folder(out: Path, replaced: set[Path], *, overwrite: bool) -> None:
    if out.exists() and not out.is_dir():
        message = f"{out} is a file; give a folder for the synthetic signatures"
        raise ConfigurationError(message)
    for path in sorted(out.rglob("*")) if out.is_dir() else ():
        if path.is_dir():
            continue
        if not overwrite:
            message = (
                f"{out} is not empty (it holds {path.name}); choose another folder, or replace "
                "the pictures (--overwrite)"
            )
            raise ConfigurationError(message)
        if path not in replaced:
            message = (
                f"{path} would be left among the new images; remove it or choose another folder"
            )
            raise ConfigurationError(message)


def _png(pixels: Pixels) -> bytes:
    buffer = io.BytesIO()
    # Level 1: noise hardly compresses, and the higher levels take most of the time of a run.
    Image.fromarray(pixels).save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()


def _write_atomically(path: Path, content: bytes) -> int:
    """Write a file beside its place and move it there; returns its size in bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(content)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return len(content)
