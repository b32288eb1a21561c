from __future__ import annotations

from pathlib import Path

import platformdirs
import pytest

from sigvault.domain.errors import ConfigurationError
from sigvault.embedding.card import bundled_model
from sigvault.indexing.choice import IndexKind
from sigvault.settings import INDEXES, Settings, load_settings


def test_without_anything_the_vault_lies_in_the_users_data():
    settings = load_settings(env={})
    assert settings.vault == platformdirs.user_data_path("sigvault")
    assert settings.database_url is None
    assert settings.model is None
    assert (settings.device, settings.threads) == ("auto", None)
    assert settings.by


def test_the_environment_is_read(tmp_path: Path):
    env = {
        "SIGVAULT_VAULT": str(tmp_path),
        "SIGVAULT_DATABASE_URL": "postgresql://me@host/db",
        "SIGVAULT_MODEL": str(tmp_path / "model"),
        "SIGVAULT_DEVICE": "cpu",
        "SIGVAULT_THREADS": "3",
        "SIGVAULT_BY": "clerk",
        "SIGVAULT_INDEX": "ivf",
        "SIGVAULT_TRUSTED_PROXIES": "10.0.0.5, 172.30.80.0/24,",
        "SIGVAULT_CONNECTIONS": "12",
    }
    assert load_settings(env=env) == Settings(
        tmp_path,
        "postgresql://me@host/db",
        tmp_path / "model",
        "cpu",
        3,
        "clerk",
        index="ivf",
        trusted_proxies=("10.0.0.5", "172.30.80.0/24"),
        connections=12,
    )


def test_the_argument_wins_over_the_environment_and_that_over_the_file(tmp_path: Path):
    file = tmp_path / "settings.toml"
    file.write_text('vault = "from-file"\nthreads = 2\nby = "file"\n', encoding="utf-8")
    env = {"SIGVAULT_SETTINGS": str(file), "SIGVAULT_BY": "environment"}
    settings = load_settings(env=env)
    assert settings.vault == tmp_path / "from-file"
    assert (settings.threads, settings.by) == (2, "environment")
    assert load_settings(tmp_path / "argument", env).vault == tmp_path / "argument"


def test_a_model_is_a_folder_or_a_bundled_ones_name(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load_settings(env={"SIGVAULT_MODEL": "default"}).model == bundled_model()
    assert load_settings(env={"SIGVAULT_MODEL": "trained"}).model == tmp_path / "trained"
    (tmp_path / "default").mkdir()
    assert load_settings(env={"SIGVAULT_MODEL": "default"}).model == tmp_path / "default"


def test_a_settings_files_model_lies_beside_it_or_is_bundled(tmp_path: Path):
    file = tmp_path / "here" / "settings.toml"
    file.parent.mkdir()
    env = {"SIGVAULT_SETTINGS": str(file)}
    file.write_text('model = "default"\n', encoding="utf-8")
    assert load_settings(env=env).model == bundled_model()
    (file.parent / "default").mkdir()
    assert load_settings(env=env).model == file.parent / "default"
    file.write_text('model = "trained"\n', encoding="utf-8")
    assert load_settings(env=env).model == file.parent / "trained"


def test_an_empty_variable_counts_as_not_set():
    assert load_settings(env={"SIGVAULT_DEVICE": "", "SIGVAULT_THREADS": ""}).threads is None


def test_every_kind_of_index_can_be_asked_for():
    assert set(INDEXES) == {"auto", *IndexKind}


def test_relative_folders_become_absolute_and_the_home_is_expanded(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    assert load_settings("here", {}).vault == tmp_path / "here"
    assert load_settings("~/there", {}).vault == tmp_path / "home" / "there"


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({"SIGVAULT_DEVICE": "tpu"}, "SIGVAULT_DEVICE"),
        ({"SIGVAULT_INDEX": "hnsw"}, "SIGVAULT_INDEX"),
        ({"SIGVAULT_CONNECTIONS": "3"}, "SIGVAULT_CONNECTIONS"),
        ({"SIGVAULT_CONNECTIONS": "many"}, "SIGVAULT_CONNECTIONS"),
        ({"SIGVAULT_TRUSTED_PROXIES": "proxy.example"}, "SIGVAULT_TRUSTED_PROXIES"),
        ({"SIGVAULT_TRUSTED_PROXIES": "10.0.0.5/8"}, "SIGVAULT_TRUSTED_PROXIES"),
        ({"SIGVAULT_TRUSTED_PROXIES": "*"}, "SIGVAULT_TRUSTED_PROXIES"),
        ({"SIGVAULT_THREADS": "many"}, "SIGVAULT_THREADS"),
        ({"SIGVAULT_THREADS": "0"}, "SIGVAULT_THREADS"),
        ({"SIGVAULT_DATABASE_URL": "mysql://host/db"}, "SIGVAULT_DATABASE_URL"),
        ({"SIGVAULT_SETTINGS": "/no/such/file"}, "SIGVAULT_SETTINGS"),
    ],
)
def test_what_cannot_be_used_is_named(env, words):
    with pytest.raises(ConfigurationError, match=words):
        load_settings(env=env)


@pytest.mark.parametrize("text", ["valut = 'x'", "threads = '2'", "threads = true", "not toml"])
def test_a_settings_file_that_cannot_be_used_is_named(tmp_path: Path, text: str):
    file = tmp_path / "settings.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"settings\.toml"):
        load_settings(env={"SIGVAULT_SETTINGS": str(file)})


def test_the_databases_password_is_not_printed():
    settings = Settings(Path("vault"), database_url="postgresql://me:secret@host/db")
    assert "secret" not in repr(settings)
