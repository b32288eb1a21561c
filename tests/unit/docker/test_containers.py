"""The container files name what exists, keep what they say, and watch metrics that there are."""

from __future__ import annotations

import fnmatch
import importlib.util
import ipaddress
import json
import re

import pytest
import yaml

from sigvault.api.app import CALLS
from sigvault.api.metrics import ServiceMetrics
from sigvault.settings import VARIABLES

DOCKERFILES = ["Dockerfile", "Dockerfile.cuda"]
COMPOSE = ["compose.embedded.yaml", "compose.server.yaml"]
WATCHED = re.compile(r'\.watch\(\s*"(\w+)"')


@pytest.fixture
def docker(repository):
    return repository / "docker"


def _exposed(repository) -> set[str]:
    """The names of all series that the service shows: its registry's, and those it watches."""
    names = set()
    for family in ServiceMetrics().registry.collect():
        endings = {"histogram": ("_bucket", "_count", "_sum"), "counter": ("_total",)}
        names |= {family.name + ending for ending in endings.get(family.type, ("",))}
    for source in ("sigvault/api/app.py", "sigvault/cli/serving.py"):
        names |= set(WATCHED.findall((repository / source).read_text("utf-8")))
    return names


def test_each_metric_of_the_dashboard_is_exposed(docker, repository):
    dashboard = json.loads((docker / "grafana/dashboards/sigvault.json").read_text("utf-8"))
    expressions = [one["expr"] for panel in dashboard["panels"] for one in panel["targets"]]
    named = set(re.findall(r"\bsigvault_\w+", " ".join(expressions)))
    exposed = _exposed(repository)
    assert named - exposed == set()
    # And each family that the service exposes is on it.
    families = {re.sub(r"_(bucket|count|sum|total)$", "", name) for name in exposed}
    assert families == {re.sub(r"_(bucket|count|sum|total)$", "", name) for name in named}


def test_the_labels_of_the_dashboard_are_the_metrics(docker):
    metrics = ServiceMetrics()
    known = {
        label
        for one in (metrics.requests, metrics.stages, metrics.decisions, metrics.queue)
        for label in one._labelnames
    } | {"references", "le"}
    text = (docker / "grafana/dashboards/sigvault.json").read_text("utf-8")
    shown = set(re.findall(r"\{\{(\w+)\}\}", text)) | {
        label.strip()
        for group in re.findall(r"sum by \(([^)]*)\)", text)
        for label in group.split(",")
    }
    assert shown <= known


def test_the_provisioning_leads_to_the_dashboard_and_to_prometheus(docker):
    dashboard = json.loads((docker / "grafana/dashboards/sigvault.json").read_text("utf-8"))
    provisioning = docker / "grafana/provisioning"
    (source,) = yaml.safe_load((provisioning / "datasources/prometheus.yaml").read_text())[
        "datasources"
    ]
    used = {target["datasource"]["uid"] for one in dashboard["panels"] for target in one["targets"]}
    assert used == {source["uid"]}
    assert len({one["id"] for one in dashboard["panels"]}) == len(dashboard["panels"])
    (provider,) = yaml.safe_load((provisioning / "dashboards/sigvault.yaml").read_text())[
        "providers"
    ]
    services = yaml.safe_load((docker / "compose.server.yaml").read_text())["services"]
    mounts = dict(one.split(":")[:2] for one in services["grafana"]["volumes"])
    assert mounts["./grafana/dashboards"] == provider["options"]["path"]


def test_prometheus_reads_what_the_service_shows_with_the_key_of_the_secret(docker):
    (job,) = yaml.safe_load((docker / "prometheus.yml").read_text())["scrape_configs"]
    assert job["metrics_path"] in {route.path for route in CALLS}
    server = yaml.safe_load((docker / "compose.server.yaml").read_text())
    (secret,) = server["services"]["prometheus"]["secrets"]
    assert job["authorization"]["credentials_file"] == f"/run/secrets/{secret}"
    assert secret in server["secrets"]
    host, _, port = job["static_configs"][0]["targets"][0].partition(":")
    assert (host in server["services"], port) == (True, "8000")


@pytest.mark.parametrize("name", COMPOSE)
def test_containers_have_what_they_need_and_no_more(docker, name):
    content = yaml.safe_load((docker / name).read_text("utf-8"))
    for service in content["services"].values():
        assert re.search(r":v?\d+\.\d+", service["image"]), "an image without a fixed tag"
        assert "no-new-privileges:true" in service["security_opt"]
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert source in content["volumes"] or (docker / source).exists(), source
    ours = content["services"]["sigvault"]
    assert ours["read_only"] is True
    assert ours["cap_drop"] == ["ALL"]
    assert (docker / ours["build"]["context"] / ours["build"]["dockerfile"]).is_file()
    assert set(ours.get("environment", {})) <= set(VARIABLES.values())
    assert "vault:/vault" in ours["volumes"]


@pytest.mark.parametrize("name", COMPOSE)
def test_what_comes_through_the_published_port_is_trusted_and_no_more(docker, name):
    content = yaml.safe_load((docker / name).read_text("utf-8"))
    ours = content["services"]["sigvault"]
    (subnet,) = content["networks"]["outside"]["ipam"]["config"]
    assert "outside" in ours["networks"]
    assert ours["environment"]["SIGVAULT_TRUSTED_PROXIES"] == subnet["gateway"]
    assert ipaddress.ip_address(subnet["gateway"]) in ipaddress.ip_network(subnet["subnet"])


def test_postgresql_is_healthy_once_it_answers_others(docker):
    # While it sets itself up, it listens at its socket alone, and stops once more.
    content = yaml.safe_load((docker / "compose.server.yaml").read_text("utf-8"))
    test = content["services"]["postgres"]["healthcheck"]["test"]
    assert test[test.index("--host") + 1] == "127.0.0.1"


@pytest.mark.parametrize("name", DOCKERFILES)
def test_images_run_without_rights_from_what_is_sent_to_the_builder(docker, repository, name):
    text = (docker / name).read_text("utf-8").replace("\\\n", " ")
    bases = re.findall(r"^FROM (\S+)", text, re.MULTILINE)
    assert all(re.fullmatch(r"python:3\.11\.\d+-slim-bookworm", base) for base in bases)
    assert re.search(r"^USER 10001:10001$", text, re.MULTILINE)
    ignored = (repository / ".dockerignore").read_text("utf-8").splitlines()
    sent = [line[1:] for line in ignored if line.startswith("!")]
    assert "*" in ignored
    for copied in re.findall(r"^COPY (?!--from)(.*) \S+$", text, re.MULTILINE):
        for source in copied.split():
            assert (repository / source).exists(), source
            assert any(fnmatch.fnmatch(source, pattern) for pattern in sent), source
    checked = re.search(r"urlopen\('http://127\.0\.0\.1:8000([^']*)'", text)[1]
    assert checked == "/health/live"
    assert checked in {route.path for route in CALLS}
    assert "--require-hashes" in text


def test_settings_of_the_images_exist(docker):
    for name in DOCKERFILES:
        set_here = set(re.findall(r"\b(SIGVAULT_\w+)=", (docker / name).read_text("utf-8")))
        assert set_here <= set(VARIABLES.values())


def _script(docker):
    spec = importlib.util.spec_from_file_location("cpu", docker / "cpu_requirements.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_an_image_for_cpus_has_the_lock_without_cuda(docker, repository):
    lock = (repository / "requirements.lock").read_text("utf-8")
    pinned, torch = _script(docker).for_cpus(lock)
    every = re.findall(r"^([\w.-]+==\S+)", lock, re.MULTILINE)
    kept = re.findall(r"^([\w.-]+==\S+)", pinned, re.MULTILINE)
    assert re.fullmatch(r"torch==\S+\ntorchvision==\S+\n", torch)
    left_out = set(every) - set(kept) - set(torch.split())
    assert set(kept) | set(torch.split()) | left_out == set(every)
    assert not [one for one in kept if re.search(r"nvidia|cuda|cu13|triton|^torch=", one)]
    assert all(re.match(r"nvidia|cuda|lib\w+-cu|triton|faiss-gpu|rapids", one) for one in left_out)
    (faiss,) = re.findall(r"^faiss-cpu==\S+ (.*)$", pinned, re.MULTILINE)
    assert faiss.strip() == "\\"
    assert pinned.count("--hash=sha256:") > len(kept)
    with pytest.raises(ValueError, match="faiss-cpu"):
        _script(docker).for_cpus("numpy==2.4.0 \\\n    --hash=sha256:00\n")
