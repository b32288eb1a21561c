"""What the project file says of itself is so."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
REQUIREMENT = re.compile(r"([\w.-]+)(?:\[[\w,]+\])?>=([\d.]+)")


def _project():
    return tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))


def test_lower_bounds_are_what_the_tests_run_on():
    project = _project()
    lock = (REPOSITORY / "requirements-dev.lock").read_text("utf-8")
    pinned = dict(re.findall(r"^([\w.-]+)==([\w.]+)", lock, re.MULTILINE))
    named = [
        *project["build-system"]["requires"],
        *project["project"]["dependencies"],
        *project["project"]["optional-dependencies"]["traces"],
        *(each for group in project["dependency-groups"].values() for each in group),
    ]
    bounds = [REQUIREMENT.match(each).groups() for each in named if isinstance(each, str)]
    assert len(bounds) > 40
    for name, bound in bounds:
        if name == "faiss-cpu":  # of other platforms than the tests'
            continue
        version = pinned[name].split(".")
        digits = len(bound.split("."))
        assert ".".join(version[:digits]) == bound, f"{name}: {bound} asked, {pinned[name]} tested"


def test_a_licence_is_named_for_all_that_ships():
    project = _project()["project"]
    for name in re.findall(r"LicenseRef-[\w-]+", project["license"]):
        assert (REPOSITORY / "LICENSES" / f"{name}.txt").is_file()
    for pattern in project["license-files"]:
        assert list(REPOSITORY.glob(pattern)), pattern
    for image in ("Dockerfile", "Dockerfile.cuda"):
        text = (REPOSITORY / "docker" / image).read_text("utf-8")
        assert f'licenses="{project["license"]}"' in text
