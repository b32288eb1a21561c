"""The layouts: which file is whose signature, and whether it is genuine."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from sigvault.domain.errors import DatasetError
from sigvault.domain.identifiers import SignerId

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"})


class Layout(StrEnum):
    """How a folder of signatures is arranged.

    ``CEDAR``: ``original/original_S_N.*`` and ``forged/forgeries_S_N.*`` (or ``full_org`` and
    ``full_forg``). ``SIGCOMP2011``: ``SSS/*`` genuine and ``SSS_forg/*`` forged. ``FOLDERS``:
    ``genuine/SIGNER/*`` and ``forged/SIGNER/*``. ``CROSSMEDIA``: ``wWWW_nNN/M_I.*`` and
    ``controlWW_nNN/M_I.*``, genuine only: writer W, name N, medium M.
    """

    CEDAR = "cedar"
    SIGCOMP2011 = "sigcomp2011"
    FOLDERS = "folders"
    CROSSMEDIA = "crossmedia"


@dataclass(frozen=True, order=True)
class Specimen:
    """One image file of a data set.

    Attributes:
        signer: whose signature it is, or is meant to look like.
        genuine: False for a skilled forgery of that signer.
        path: the file.
        text: what is written where signers wrote several things; empty for signatures.
    """

    signer: SignerId
    genuine: bool
    path: Path
    text: str = ""


@dataclass(frozen=True)
class Dataset:
    """The images of a folder.

    Attributes:
        root: the folder.
        layout: how it is arranged.
        specimens: every image that fits the layout, sorted by signer, kind and file name.
        skipped: files that don't fit, sorted.
    """

    root: Path
    layout: Layout
    specimens: tuple[Specimen, ...]
    skipped: tuple[Path, ...]

    @property
    def signers(self) -> tuple[SignerId, ...]:
        """Every signer once, in natural order (2 before 10)."""
        return tuple(sorted({specimen.signer for specimen in self.specimens}, key=natural_key))

    def of(self, signer: SignerId, *, genuine: bool) -> tuple[Specimen, ...]:
        """One signer's genuine signatures, or the skilled forgeries of them."""
        return tuple(
            specimen
            for specimen in self.specimens
            if specimen.signer == signer and specimen.genuine is genuine
        )


def natural_key(text: str) -> tuple[tuple[int, int, str], ...]:
    """A sorting key by which numbers within a text count as numbers."""
    parts = re.findall(r"\d+|\D+", text)
    return tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts)


def read_layout(root: Path, layout: Layout | None = None) -> Dataset:
    """List the images of a folder.

    Args:
        root: the folder.
        layout: how it is arranged; found out if None.

    Raises:
        DatasetError: If it is no folder, or no image in it fits the layout.
    """
    if not root.is_dir():
        raise DatasetError(f"{root} is no folder: give the folder that holds the signatures")
    layout = layout or detect_layout(root)
    specimens: list[Specimen] = []
    skipped: list[Path] = []
    for path in _files(root):
        specimen = _READERS[layout](root, path)
        if specimen is None:
            skipped.append(path)
        else:
            specimens.append(specimen)
    if not specimens:
        raise DatasetError(
            f"no image in {root} fits the layout '{layout}': "
            "see `sigvault enroll --help` for the layouts"
        )
    specimens.sort(key=lambda s: (natural_key(s.signer), not s.genuine, natural_key(str(s.path))))
    return Dataset(root, layout, tuple(specimens), tuple(skipped))


def detect_layout(root: Path) -> Layout:
    """Find out the layout that most files of a folder fit.

    Raises:
        DatasetError: If no file fits any.
    """
    files = list(_files(root))
    counts = {
        layout: sum(reader(root, path) is not None for path in files)
        for layout, reader in _READERS.items()
    }
    best = max(counts, key=lambda layout: counts[layout])
    if counts[best] == 0:
        raise DatasetError(
            f"{root} fits none of the layouts {', '.join(Layout)}: name files as one of them, "
            "or list them in a CSV file for `sigvault enroll --manifest`"
        )
    return best


def _files(root: Path) -> Iterator[Path]:
    for path in sorted(root.rglob("*")):
        if path.is_file() and not any(
            part.startswith(".") for part in path.relative_to(root).parts
        ):
            yield path


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES


def _read_cedar(root: Path, path: Path) -> Specimen | None:
    parts = path.relative_to(root).parts
    match = re.fullmatch(r"(original|forgeries)_(\d+)_(\d+)", path.stem)
    if len(parts) != 2 or match is None or not _is_image(path):
        return None
    genuine = match[1] == "original"
    if parts[0] not in (("original", "full_org") if genuine else ("forged", "full_forg")):
        return None
    return Specimen(SignerId(match[2]), genuine, path)


def _read_sigcomp2011(root: Path, path: Path) -> Specimen | None:
    parts = path.relative_to(root).parts
    match = re.fullmatch(r"(\d{3,})(_forg)?", parts[0])
    if len(parts) != 2 or match is None or not _is_image(path):
        return None
    return Specimen(SignerId(match[1]), match[2] is None, path)


def _read_folders(root: Path, path: Path) -> Specimen | None:
    parts = path.relative_to(root).parts
    if len(parts) != 3 or parts[0] not in ("genuine", "forged") or not _is_image(path):
        return None
    return Specimen(SignerId(parts[1]), parts[0] == "genuine", path)


def _read_crossmedia(root: Path, path: Path) -> Specimen | None:
    parts = path.relative_to(root).parts
    match = re.fullmatch(r"(w\d+|control\d+)_(n\d+)", parts[0])
    if len(parts) != 2 or match is None or not _is_image(path):
        return None
    return Specimen(SignerId(match[1]), True, path, text=match[2])


_READERS: dict[Layout, Callable[[Path, Path], Specimen | None]] = {
    Layout.CEDAR: _read_cedar,
    Layout.SIGCOMP2011: _read_sigcomp2011,
    Layout.FOLDERS: _read_folders,
    Layout.CROSSMEDIA: _read_crossmedia,
}
