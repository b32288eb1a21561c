"""What goes wrong in practice: a clear message, the right exit code, nothing half-written."""

from __future__ import annotations

import io
import os
import resource
import signal
import sqlite3
import struct
import subprocess
import time
import zlib
from contextlib import contextmanager
from pathlib import Path

import pytest
from command_line import FAKE_PROGRAM, Outcome, run_process, start_process
from PIL import Image

from fakes import draw_blank, draw_signature

pytestmark = pytest.mark.e2e


def _png_header(width: int, height: int) -> bytes:
    """A PNG that promises more than it holds."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    content = chunk(b"IDAT", zlib.compress(b"\0" * 100))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + content + chunk(b"IEND", b"")


def _truncated_jpeg() -> bytes:
    data = draw_signature(1, kind="JPEG")
    return data[: len(data) // 2]


def _large_page() -> bytes:
    file = io.BytesIO()
    Image.new("L", (2480, 3508), 255).save(file, "PNG")
    return file.getvalue()


BAD_PICTURES = {
    "not an image": (b"Dear Sir or Madam,\n" * 50, "UnsupportedImage"),
    "a huge PNG header": (_png_header(30_000, 30_000), "ImageTooLarge"),
    "a truncated JPEG": (_truncated_jpeg(), "UnsupportedImage"),
    "an empty file": (b"", "UnsupportedImage"),
    "a blank page": (draw_blank(), "blank"),
    "a blank A4 page": (_large_page(), "blank"),
}


def _state(run) -> dict[str, object]:
    """What a failed command must leave as it was."""
    status = run("status", "--json").document
    return {name: status[name] for name in ("signers", "references", "vectors")}


def _check_whole(run, vault: Path) -> None:
    """Every row has its image, vector and event, and nothing lies about."""
    check = run("audit", "check", "--json")
    assert check.code == 0, check.out
    references = run("status", "--json").document["references"]
    assert _state(run)["vectors"] == references
    images = list((vault / "images").glob("??/*"))
    assert len(images) == references


@pytest.mark.parametrize(("content", "error"), BAD_PICTURES.values(), ids=BAD_PICTURES)
@pytest.mark.parametrize("command", ["enroll", "verify", "identify"])
def test_bad_picture(run, enrolled, tmp_path, command, content, error):
    picture = tmp_path / "picture.png"
    picture.write_bytes(content)
    before = _state(run)
    claim = () if command == "identify" else ("--signer", "1")
    if error == "blank":
        error = "FailureToEnroll" if command == "enroll" else "FailureToAcquire"

    outcome = run(command, *claim, picture, "--json")
    for_people = run(command, *claim, picture)

    assert outcome.code == for_people.code == 4
    assert outcome.error == error
    assert "sigvault: " in for_people.err
    assert _state(run) == before
    _check_whole(run, enrolled)


def _missing(path: Path) -> None:
    assert not path.exists()


def _loop(path: Path) -> None:
    path.symlink_to(path)


def _forbidden(path: Path) -> None:
    path.write_bytes(draw_signature(1, 9))
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("permissions don't bind the superuser")


@pytest.mark.parametrize("make", [Path.mkdir, _missing, _loop, _forbidden])
@pytest.mark.parametrize("command", ["enroll", "verify", "identify"])
def test_a_file_that_cannot_be_read(run, enrolled, tmp_path, command, make):
    path = tmp_path / "picture.png"
    make(path)
    claim = () if command == "identify" else ("--signer", "1")

    outcome = run(command, *claim, path, "--json")

    assert outcome.code == 4
    assert outcome.error == "UnreadableFile"
    assert str(path) in outcome.out
    _check_whole(run, enrolled)


def test_an_endless_file_is_not_read_to_its_end(run, enrolled):
    outcome = run("verify", "--signer", "1", "/dev/zero", "--json")

    assert outcome.code == 4
    assert outcome.error == "ImageTooLarge"


def test_one_bad_picture_does_not_stop_the_others(run, vault, draw, tmp_path):
    pictures = [draw(1, 0)]
    for number, (content, _) in enumerate(BAD_PICTURES.values()):
        pictures.append(tmp_path / f"bad{number}.png")
        pictures[-1].write_bytes(content)
        pictures.append(draw(1, number + 1))

    outcome = run("enroll", "--signer", "1", *pictures, "--json")

    assert outcome.code == 4
    assert outcome.document["enrolled"] == len(BAD_PICTURES) + 1
    assert outcome.document["failed"] == len(BAD_PICTURES)
    outcomes = [result["outcome"] for result in outcome.document["results"]]
    assert outcomes[::2] == ["enrolled"] * (len(BAD_PICTURES) + 1)
    _check_whole(run, vault)


@pytest.mark.parametrize(
    "arguments",
    [
        ("verify", "--signer", "Nobody", "{image}"),
        ("signers", "show", "Nobody"),
        ("signers", "erase", "Nobody", "--yes"),
        ("signers", "erase-reference", "Nobody", "0" * 32, "--reason", "wrong", "--yes"),
        ("audit", "log", "--signer", "Nobody"),
    ],
)
def test_unknown_signer(run, enrolled, draw, arguments):
    before = _state(run)

    outcome = run(*(part.format(image=draw(1, 9)) for part in arguments), "--json")

    assert outcome.code == 4
    assert outcome.error == "UnknownSigner"
    assert "Nobody" in outcome.err
    assert _state(run) == before


def test_identify_in_an_empty_vault(run, vault, draw):
    outcome = run("identify", draw(1), "--json")

    assert outcome.code == 4
    assert outcome.error == "EmptyGallery"


@pytest.mark.parametrize("command", [("init",), ("status",), ("enroll", "--signer", "1", "a.png")])
def test_a_vault_path_that_is_a_file(run, tmp_path, command):
    path = tmp_path / "vault"
    path.write_text("a letter")

    outcome = run("--vault", path, *command, "--json")

    assert outcome.code == 4
    assert outcome.error in {"VaultExists", "VaultNotFound"}
    assert str(path) in outcome.err
    assert path.read_text() == "a letter"
    assert list(tmp_path.iterdir()) == [path]


def test_a_vault_that_is_not_there_is_not_made_by_using_it(run, tmp_path):
    outcome = run("--vault", tmp_path / "vault", "status", "--json")

    assert outcome.code == 4
    assert outcome.error == "VaultNotFound"
    assert "sigvault init" in outcome.err
    assert list(tmp_path.iterdir()) == []


def test_a_database_from_a_newer_version(run, enrolled):
    database = enrolled / "vault.sqlite3"
    connection = sqlite3.connect(database)
    with connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()

    outcome = run("status", "--json")

    assert outcome.code == 4
    assert outcome.error == "VaultTooNew"
    connection = sqlite3.connect(database)
    assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [("9999",)]
    connection.close()


def test_a_database_that_is_none(run, enrolled):
    (enrolled / "vault.sqlite3").write_bytes(b"a letter, " * 1000)
    for name in ("vault.sqlite3-wal", "vault.sqlite3-shm"):
        (enrolled / name).unlink(missing_ok=True)

    outcome = run("status", "--json")

    assert outcome.code == 4
    assert outcome.error in {"StorageFailed", "VaultDamaged"}


def test_files_that_cannot_grow(run, vault, draw):
    """A limit on the size of files: the database can't be written, as on a full disk."""
    assert run("enroll", "--signer", "1", draw(1, 0)).code == 0
    limit = (vault / "vault.sqlite3").stat().st_size // 2
    images = [draw(2, number) for number in range(40)]

    outcome = run_process(
        ["--vault", vault, "enroll", "--signer", "2", *images, "--json"],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )

    assert outcome.code == 4
    assert outcome.error == "StorageFailed"
    _check_whole(run, vault)
    assert run("enroll", "--signer", "2", *images).code == 0
    _check_whole(run, vault)


@contextmanager
def _small_disk(folder: Path, size: str):
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("no right to mount a small disk")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True, capture_output=True)


def test_a_full_disk(run, templates, draw, tmp_path, monkeypatch):
    disk = tmp_path / "disk"
    vault = disk / "vault"
    images = [draw(2, number) for number in range(200)]
    with _small_disk(disk, "2m"):
        subprocess.run(["cp", "-r", templates / "new", vault], check=True)
        monkeypatch.setenv("SIGVAULT_VAULT", str(vault))

        outcome = run("enroll", "--signer", "2", *images, "--json")

        assert outcome.code == 4
        assert outcome.error == "StorageFailed"
        references = run("status", "--json").document["references"]
        assert 0 < references < len(images)
        _check_whole(run, vault)


def test_a_report_on_a_full_disk_leaves_no_piece_of_it(run, enrolled, draw, tmp_path):
    disk = tmp_path / "disk"
    with _small_disk(disk, "16k"):
        report = disk / "report.html"

        outcome = run("verify", "--signer", "1", draw(1, 9), "--report", report, "--json")

        assert outcome.code == 4
        assert outcome.error == "StorageFailed"
        assert list(disk.iterdir()) == []


def _interrupt_when_enrolling(process: subprocess.Popen[str], vault: Path) -> Outcome:
    """Ctrl-C as soon as a few images lie in the vault."""
    while process.poll() is None:
        if len(list((vault / "images").glob("??/*"))) > 3:
            break
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    return Outcome(process.returncode, out, err)


def test_ctrl_c_in_the_middle_of_a_bulk_enrollment(run, vault, draw, tmp_path):
    manifest = tmp_path / "list.csv"
    images = [draw(signer, number) for signer in range(1, 41) for number in range(5)]
    rows = [f"{image.name.split('_')[0]},{image.name}" for image in images]
    manifest.write_text("\n".join(["signer,path", *rows]))
    # A background job may have been started deaf to Ctrl-C.
    attentive = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    process = start_process(
        ["--vault", vault, "enroll", "--manifest", manifest, "--json"],
        program=("-c", attentive + FAKE_PROGRAM),
    )

    outcome = _interrupt_when_enrolling(process, vault)

    assert outcome.code == 130, outcome.err
    assert outcome.error == "Interrupted"
    kept = run("status", "--json").document["references"]
    assert 0 < kept < len(images)
    _check_whole(run, vault)
    again = run("enroll", "--manifest", manifest, "--json").document
    assert (again["enrolled"], again["already"]) == (len(images) - kept, kept)
    _check_whole(run, vault)


def test_a_reader_that_goes_away_is_no_crash(run, enrolled):
    process = start_process(["--vault", enrolled, "audit", "log", "--json"])
    process.stdout.close()
    process.stdout = None

    _, err = process.communicate()

    assert process.returncode == 4
    assert err == ""


def test_a_fault_of_the_program_is_never_taken_for_a_refusal(run, enrolled, draw, monkeypatch):
    monkeypatch.setattr(
        "sigvault.vault.verification.verify", lambda *_, **__: (_ for _ in ()).throw(KeyError("x"))
    )

    outcome = run("verify", "--signer", "1", draw(1, 9), "--json")

    assert outcome.code == 4
    assert outcome.document["error"]["name"] == "KeyError"
    assert "Traceback" in outcome.err
