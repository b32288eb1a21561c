"""What the documentation says is true: its links lead somewhere, its examples run."""

from __future__ import annotations

import doctest
import importlib
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from sigvault.settings import SETTINGS_FILE, VARIABLES, load_settings

REPOSITORY = Path(__file__).parents[2]
PAGES = sorted(
    [*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md")],
    key=lambda path: path.relative_to(REPOSITORY).parts,
)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)[^)]*\)")
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
# Put together here, so that this file does not name them either.
REGISTRIES = [name + ".org" for name in ("pypi", "python" + "hosted")]
SOMEBODYS_FOLDER = re.compile(r"(?<![\w.:/])/(?:home|root|work|Users)/\w+")


def _name(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


def _without_code(text: str) -> str:
    return re.sub(r"`[^`\n]*`", "", FENCE.sub("", text))


def _anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ +(.+?) *$", FENCE.sub("", page.read_text("utf-8")), re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", heading.lower().replace("`", "")).replace(" ", "-")
        for heading in headings
    }


def _fences(language: str) -> list[tuple[Path, str]]:
    return [
        (page, code)
        for page in PAGES
        for name, code in FENCE.findall(page.read_text("utf-8"))
        if name == language
    ]


def _modules_with_examples() -> list[str]:
    package = REPOSITORY / "sigvault"
    return [
        ".".join(path.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__")
        for path in sorted(package.rglob("*.py"))
        if ">>> " in path.read_text("utf-8")
    ]


def _tracked_texts() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    if listed.returncode != 0:
        pytest.skip("not a git working tree")
    paths = [REPOSITORY / name for name in listed.stdout.split("\0") if name]
    return [path for path in paths if path.is_file() and b"\0" not in path.read_bytes()[:8192]]


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_link_leads_somewhere(page):
    for target in LINK.findall(_without_code(page.read_text("utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        destination = (page.parent / path).resolve() if path else page
        assert destination.exists(), f"{target} is not there"
        assert destination.is_relative_to(REPOSITORY), f"{target} leads out of the repository"
        if anchor and destination.suffix == ".md":
            assert anchor in _anchors(destination), f"{target}: no such heading"


def test_every_decision_is_listed():
    folder = REPOSITORY / "docs" / "adr"
    listed = LINK.findall((folder / "README.md").read_text("utf-8"))
    assert sorted(listed) == sorted(path.name for path in folder.glob("[0-9]*.md"))


def test_examples_in_docstrings_run():
    for module in _modules_with_examples():
        assert doctest.testmod(importlib.import_module(module)).failed == 0, module


def test_examples_in_pages_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    for page, code in _fences("pycon"):
        example = doctest.DocTestParser().get_doctest(code, {}, _name(page), str(page), 0)
        assert runner.run(example).failed == 0


def test_python_in_pages_compiles():
    for page, code in _fences("python"):
        compile(code, _name(page), "exec")


def test_commands_in_pages_exist():
    """Each `sigvault ...` of a console or an indented block names a command and its options."""
    from typer.main import get_command

    from sigvault.cli.app import app

    given = [
        (page, line)
        for page, code in _fences("console")
        for line in re.findall(r"^\$ (sigvault .*)$", code.replace("\\\n", " "), re.MULTILINE)
    ]
    given += [(page, line) for page, line in _indented() if line.startswith("sigvault ")]
    for page, line in given:
        words = shlex.split(line.partition(" | ")[0], comments=True)[1:]
        _check_command(get_command(app), words, f"{_name(page)}: {line}")


def test_benchmarks_and_scripts_in_pages_exist_and_have_their_options():
    """Each `benchmarks/X.py` or `scripts/X` of a page is there and knows its options."""
    found = 0
    for page, line in [*_indented(), *_inline()]:
        if not (named := re.match(r"(?:python )?((?:benchmarks|scripts)/\w+(?:\.py)?)\b", line)):
            continue
        found += 1
        file = REPOSITORY / named[1]
        assert file.is_file(), f"{_name(page)}: no {named[1]}"
        text = file.read_text("utf-8")
        for flag in re.findall(r"(?<= )--[a-z][a-z0-9-]*", line):
            about = text.split('"""')[1] if named[1].endswith(".py") else text
            assert f'"{flag}"' in text or flag in about, f"{_name(page)}: {line}"
    assert found > 20


def _indented() -> list[tuple[Path, str]]:
    """The lines of indented code, continued ones joined and settings before a command left out."""
    found = []
    for page in PAGES:
        text = FENCE.sub("", page.read_text("utf-8"))
        for block in re.findall(r"(?<=\n\n)((?: {4}.*\n)+)", text):
            joined = re.sub(r"\\\n *", " ", block)
            found += [
                (page, re.sub(r"^ +(?:[A-Z_]+=\S+ )*", "", line)) for line in joined.split("\n")
            ]
    return found


def _inline() -> list[tuple[Path, str]]:
    return [
        (page, " ".join(code.split()))
        for page in PAGES
        for code in re.findall(r"`([^`]+)`", FENCE.sub("", page.read_text("utf-8")))
    ]


def _check_command(command, words, where):
    known = {
        flag
        for parameter in command.params
        for flag in [*parameter.opts, *parameter.secondary_opts]
    }
    known.add("--help")
    takes_value = {
        flag
        for parameter in command.params
        if not getattr(parameter, "is_flag", True)
        for flag in parameter.opts
    }
    words = list(words)
    while words:
        word = words.pop(0)
        flag = word.partition("=")[0]
        if flag.startswith("-"):
            assert flag in known, f"{where}: no option {flag}"
            if flag in takes_value and "=" not in word and words:
                words.pop(0)
        elif commands := getattr(command, "commands", None):
            assert word in commands, f"{where}: no command {word}"
            _check_command(commands[word], words, where)
            return


@pytest.mark.parametrize("registry", REGISTRIES)
def test_no_package_registry_is_named(registry):
    naming = [_name(path) for path in _tracked_texts() if registry in path.read_text("utf-8")]
    assert naming == []


def test_no_folder_of_somebodys_computer_is_named():
    naming = [
        f"{_name(path)}: {match.group()}"
        for path in _tracked_texts()
        for match in [SOMEBODYS_FOLDER.search(path.read_text("utf-8"))]
        if match
    ]
    assert naming == []


def test_the_page_of_settings_lists_each_with_its_variable_and_reads_as_a_file(tmp_path: Path):
    page = (REPOSITORY / "docs/settings.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `(SIGVAULT_\w+)` \| (?:`(\w+)`)? ?\|", page, re.MULTILINE))
    assert rows == {variable: name for name, variable in VARIABLES.items()} | {SETTINGS_FILE: ""}
    [example] = re.findall(r"^```toml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    file = tmp_path / "settings.toml"
    file.write_text(example, encoding="utf-8")
    read = load_settings(env={SETTINGS_FILE: str(file)})
    assert (read.vault, read.threads, read.reviewers) == (tmp_path / "signatures", 2, 2)
