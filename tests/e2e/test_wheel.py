"""What is installed from a wheel works without the repository."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder],
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
    )
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """A folder that holds what the wheel installs, and nothing else of the repository."""
    folder = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def _run(installed, *arguments):
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=installed,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
    )


def _files(*folders):
    """What git tracks, or would if it were told: not what it ignores."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *folders],
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
        text=True,
    )
    return {name for name in listed.stdout.split("\0") if name}


def test_the_wheel_holds_the_package_and_the_migrations_and_no_more(wheel):
    expected = _files("sigvault") | {f"sigvault/{name}" for name in _files("migrations")}
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert held == expected
    assert "sigvault/py.typed" in held
    assert any(name.startswith("sigvault/migrations/versions/") for name in held)
    assert any(name.endswith(".safetensors") for name in held)


def test_the_wheel_imports_from_where_it_lies(installed):
    answer = _run(installed, "-c", "import sigvault; print(sigvault.__file__)")
    assert answer.stdout.strip() == str(installed / "sigvault" / "__init__.py"), answer.stderr


def test_a_vault_is_made_with_the_wheels_own_migrations_and_model(installed, tmp_path):
    vault = str(tmp_path / "vault")
    made = _run(installed, "-m", "sigvault", "--vault", vault, "init", "--json")
    assert made.returncode == 0, made.stderr
    models = _run(installed, "-m", "sigvault", "--vault", vault, "model", "list", "--json")
    assert models.returncode == 0, models.stderr
    assert json.loads(models.stdout)
