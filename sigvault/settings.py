"""Environment and settings file to frozen settings: the only reader of either."""

from __future__ import annotations

import getpass
import ipaddress
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import platformdirs

from sigvault.domain.errors import ConfigurationError
from sigvault.domain.verdicts import MOST_REVIEWERS, KeepProbes
from sigvault.embedding.card import bundled_models, find_model

VARIABLES = {
    "vault": "SIGVAULT_VAULT",
    "database_url": "SIGVAULT_DATABASE_URL",
    "model": "SIGVAULT_MODEL",
    "device": "SIGVAULT_DEVICE",
    "threads": "SIGVAULT_THREADS",
    "by": "SIGVAULT_BY",
    "keep_probes": "SIGVAULT_KEEP_PROBES",
    "reviewers": "SIGVAULT_REVIEWERS",
    "index": "SIGVAULT_INDEX",
    "trusted_proxies": "SIGVAULT_TRUSTED_PROXIES",
    "connections": "SIGVAULT_CONNECTIONS",
}
"""Each setting's name, which is also its key in a settings file, and its variable."""

INDEXES = ("auto", "exact", "torch", "flat", "codes", "ivf", "cagra")
"""What can be asked for to search with; see docs/indexes.md."""

_FEWEST_CONNECTIONS = 4

SETTINGS_FILE = "SIGVAULT_SETTINGS"
"""The variable that names a settings file (TOML); variables win over the file."""


@dataclass(frozen=True)
class Settings:
    """Where the vault lies and what it works with.

    Attributes:
        vault: the vault's folder.
        database_url: a PostgreSQL URL, or None for the SQLite file in the folder. It may hold a
            password and is therefore never printed.
        model: the folder of a model, which may be given as a bundled model's name; None for the
            bundled default.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``: where to embed.
        threads: how many threads an embedding may use, or None to let the library choose.
        by: who enrolls, verifies and erases, for the audit log.
        keep_probes: of which verifications the probe's bytes are kept for people to look at:
            ``"never"``, ``"review"`` or ``"always"``.
        reviewers: how many different people have to give the same verdict: 1 or 2.
        index: the kind of index to search with, one of ``INDEXES``; ``"auto"`` for the exact one
            that fits the vault and the machine.
        trusted_proxies: addresses and networks of the proxies that are believed when they say how
            and from where a request came to them; separated by commas where they are one text.
        connections: how many connections to the database a process may have, at most; None for
            as many as the service has threads that use one.
    """

    vault: Path
    database_url: str | None = field(default=None, repr=False)
    model: Path | None = None
    device: str = "auto"
    threads: int | None = None
    by: str = "unknown"
    keep_probes: str = KeepProbes.REVIEW.value
    reviewers: int = 1
    index: str = "auto"
    trusted_proxies: tuple[str, ...] = ()
    connections: int | None = None

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            ConfigurationError: If a setting can't be used.
        """
        if not re.fullmatch(r"auto|cpu|cuda", self.device):
            raise ConfigurationError(
                f"the device is '{self.device}', which is none of auto, cpu and cuda: "
                f"set {VARIABLES['device']} to one of them"
            )
        if self.threads is not None and self.threads < 1:
            raise ConfigurationError(
                f"{self.threads} threads can't work: set {VARIABLES['threads']} to 1 or more"
            )
        if self.connections is not None and self.connections < _FEWEST_CONNECTIONS:
            raise ConfigurationError(
                f"{self.connections} connections are too few, since some work takes two at the "
                f"same time: set {VARIABLES['connections']} to {_FEWEST_CONNECTIONS} or more"
            )
        if self.keep_probes not in tuple(KeepProbes):
            raise ConfigurationError(
                f"probes are to be kept '{self.keep_probes}', which is none of "
                f"{', '.join(KeepProbes)}: set {VARIABLES['keep_probes']} to one of them"
            )
        if not 1 <= self.reviewers <= MOST_REVIEWERS:
            raise ConfigurationError(
                f"{self.reviewers} people can't be asked about a case: set "
                f"{VARIABLES['reviewers']} to 1 or {MOST_REVIEWERS}"
            )
        if self.index not in INDEXES:
            raise ConfigurationError(
                f"the index is '{self.index}', which is none of {', '.join(INDEXES)}: "
                f"set {VARIABLES['index']} to one of them"
            )
        for proxy in self.trusted_proxies:
            _require_network(proxy)
        if self.database_url is not None and not self.database_url.startswith("postgresql"):
            raise ConfigurationError(
                "the database's URL is not a PostgreSQL one: "
                f"set {VARIABLES['database_url']} to postgresql://USER@HOST/DATABASE, or leave it "
                "out to use an SQLite file in the vault's folder"
            )


def load_settings(
    vault: str | os.PathLike[str] | None = None, env: Mapping[str, str] | None = None
) -> Settings:
    """Gather the settings: the argument wins over the environment, that over a settings file.

    Args:
        vault: the vault's folder, such as a command line's option.
        env: the environment; the process's own if None. An empty variable counts as not set.

    Returns:
        The settings; without any, a vault in the platform's folder for user data.

    Raises:
        ConfigurationError: If the file or a value can't be used.
    """
    env = os.environ if env is None else env
    file = env.get(SETTINGS_FILE)
    found: dict[str, Any] = _read_file(Path(file)) if file else {}
    found |= {name: env[variable] for name, variable in VARIABLES.items() if env.get(variable)}
    if vault is not None:
        found["vault"] = vault
    model = found.get("model")
    return Settings(
        vault=_folder(found.get("vault") or platformdirs.user_data_path("sigvault")),
        database_url=found.get("database_url"),
        model=None if model is None else find_model(model),
        device=found.get("device", "auto"),
        threads=_number(found.get("threads"), "threads"),
        by=found.get("by") or _login_name(),
        keep_probes=found.get("keep_probes", KeepProbes.REVIEW.value),
        reviewers=1
        if (reviewers := _number(found.get("reviewers"), "reviewers")) is None
        else reviewers,
        index=found.get("index", "auto"),
        trusted_proxies=_parts(found.get("trusted_proxies", "")),
        connections=_number(found.get("connections"), "connections"),
    )


def _read_file(path: Path) -> dict[str, Any]:
    """The settings of a TOML file; its relative paths start from the file's folder."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(
            f"the settings file {path} can't be read: {error}; correct it or unset {SETTINGS_FILE}"
        ) from error
    unknown = sorted(set(content) - set(VARIABLES))
    if unknown:
        raise ConfigurationError(
            f"the settings file {path} has the unknown settings {', '.join(unknown)}: "
            f"known are {', '.join(VARIABLES)}"
        )
    for name, value in content.items():
        expected = int if name in _NUMBERS else str
        if type(value) is not expected:
            raise ConfigurationError(
                f"the setting {name} in {path} is {value!r}, not {expected.__name__}"
            )
    for name in ("vault", "model"):
        if name not in content:
            continue
        beside = path.parent / Path(content[name]).expanduser()
        if name == "vault" or beside.is_dir() or content[name] not in bundled_models():
            content[name] = beside
    return content


def _parts(value: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in value.split(",") if part.strip())


def _require_network(text: str) -> None:
    try:
        ipaddress.ip_network(text)
    except ValueError as error:
        raise ConfigurationError(
            f"the trusted proxy '{text}' is no address and no network: {error}; set "
            f"{VARIABLES['trusted_proxies']} to such as 10.0.0.5 or 172.30.80.0/24, with commas "
            "in between"
        ) from error


def _folder(value: str | os.PathLike[str]) -> Path:
    return Path(value).expanduser().absolute()


_NUMBERS = {"threads": "threads", "reviewers": "people", "connections": "connections"}
"""The settings that are numbers, and of what."""


def _number(value: str | int | None, name: str) -> int | None:
    try:
        return None if value is None else int(value)
    except ValueError as error:
        raise ConfigurationError(
            f"'{value}' is no number of {_NUMBERS[name]}: set {VARIABLES[name]} to 1 or more"
        ) from error


def _login_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container's user may have no name
        return "unknown"
