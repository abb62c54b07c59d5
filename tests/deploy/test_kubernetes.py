"""The manifests of deploy/kubernetes, against Kubernetes' own schemas and against the worker's settings."""

from __future__ import annotations

import re
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml
from testkit.kubernetes import is_accepted

from worker import __version__
from worker.settings import Settings, WorkerSettings, settings_fields

DIRECTORY = Path(__file__).parent.parent.parent / "deploy" / "kubernetes"
MANIFESTS = sorted(path for path in DIRECTORY.glob("*.yaml") if path.name != "kustomization.yaml")
# The oldest that is still maintained and the newest that is known.
VERSIONS = ("1.33", "1.37")
MAIL_PORTS = {25, 465, 587, 143, 993, 110, 995}


def manifest(name: str) -> dict[str, Any]:
    content = yaml.safe_load((DIRECTORY / f"{name}.yaml").read_text())
    assert isinstance(content, dict)
    return content


def pod() -> dict[str, Any]:
    specification = manifest("deployment")["spec"]["template"]["spec"]
    assert isinstance(specification, dict)
    return specification


def container() -> dict[str, Any]:
    (only,) = pod()["containers"]
    assert isinstance(only, dict)
    return only


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_a_manifest_is_what_kubernetes_takes(path: Path, version: str) -> None:
    assert is_accepted(yaml.safe_load(path.read_text()), version)


def test_the_schemas_refuse_a_misspelt_field() -> None:
    misspelt = manifest("poddisruptionbudget")
    misspelt["spec"]["maxUnavailabel"] = misspelt["spec"].pop("maxUnavailable")
    assert not is_accepted(misspelt, VERSIONS[0])


def test_the_set_names_every_manifest_and_this_version() -> None:
    kustomization = manifest("kustomization")
    assert sorted(kustomization["resources"]) == [path.name for path in MANIFESTS]
    ((name, tag),) = [(image["name"], image["newTag"]) for image in kustomization["images"]]
    assert (tag, f"{name}:{tag}") == (__version__, container()["image"])


def test_every_selector_finds_the_pods() -> None:
    labels = manifest("deployment")["spec"]["template"]["metadata"]["labels"].items()
    for selector in (
        manifest("deployment")["spec"]["selector"]["matchLabels"],
        manifest("service")["spec"]["selector"],
        manifest("poddisruptionbudget")["spec"]["selector"]["matchLabels"],
        manifest("networkpolicy")["spec"]["podSelector"]["matchLabels"],
    ):
        assert selector
        assert selector.items() <= labels


def test_the_settings_are_ones_that_the_worker_takes() -> None:
    settings = Settings.from_environment({**manifest("configmap")["data"], "EMAIL_WORKER_NAME": "pod"})
    assert settings.gateway.target == "camunda-zeebe-gateway:26500"
    assert settings.worker.allowed_servers == ("smtp.example.com:587", "imap.example.com:993")


def test_the_service_brings_no_variables_that_look_like_settings() -> None:
    assert manifest("service")["metadata"]["name"] == "email-worker"
    assert pod()["enableServiceLinks"] is False


def test_secrets_are_files_where_the_worker_looks_for_them() -> None:
    (mount,) = container()["volumeMounts"]
    (volume,) = pod()["volumes"]
    assert mount["mountPath"] == manifest("configmap")["data"]["EMAIL_WORKER_SECRETS_DIR"]
    assert mount["readOnly"] is True
    assert volume["secret"]["secretName"] == "email-worker"


def test_no_manifest_is_a_secret_which_would_overwrite_the_real_one() -> None:
    assert "Secret" not in {manifest(path.stem)["kind"] for path in MANIFESTS}


def test_the_memory_limit_has_room_for_three_of_the_largest_emails() -> None:
    """docs/operating.md states what an idle worker and an email take."""
    idle, base, multiple = 100_000_000, 50_000_000, 10
    text = (DIRECTORY.parent.parent / "docs" / "operating.md").read_text()
    assert "at most 10 times its size plus 50 MB" in text
    assert "about 100 MB" in text
    largest = int(manifest("configmap")["data"]["EMAIL_WORKER_MAX_MESSAGE_BYTES"])
    limit = container()["resources"]["limits"]["memory"]
    assert limit == "1Gi"
    assert idle + 3 * (multiple * largest + base) <= 1024**3


def test_the_container_may_do_nothing_that_it_does_not_need() -> None:
    assert pod()["securityContext"]["runAsNonRoot"] is True
    assert container()["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_a_pod_has_time_to_end_its_jobs() -> None:
    grace = WorkerSettings.model_fields["shutdown_grace_seconds"].default
    assert pod()["terminationGracePeriodSeconds"] >= grace + 10


def test_probes_ask_the_health_endpoints() -> None:
    probes = {name: container()[name]["httpGet"]["path"] for name in ("livenessProbe", "readinessProbe")}
    assert probes == {"livenessProbe": "/health/live", "readinessProbe": "/health/ready"}
    ports = {port["name"]: port["containerPort"] for port in container()["ports"]}
    assert container()["readinessProbe"]["httpGet"]["port"] in ports


def rules(direction: str) -> list[dict[str, Any]]:
    found = manifest("networkpolicy")["spec"][direction]
    assert isinstance(found, list)
    return found


def ports(rule: dict[str, Any]) -> set[Any]:
    return {port["port"] for port in rule["ports"]}


def reaches(rule: dict[str, Any], address: str) -> bool:
    """Whether a rule lets an address through by its ranges."""
    ip = ip_address(address)
    blocks = [target["ipBlock"] for target in rule["to"] if "ipBlock" in target]
    return any(
        ip in ip_network(block["cidr"])
        and not any(ip in ip_network(excepted) for excepted in block.get("except", ()))
        for block in blocks
    )


def test_only_the_monitoring_namespace_comes_in() -> None:
    (rule,) = rules("ingress")
    (source,) = rule["from"]
    assert source == {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
    assert ports(rule) == {"health"}


def test_the_way_out_is_open_to_mail_servers_and_to_what_the_settings_give_as_examples() -> None:
    open_ports = set[Any]().union(*(ports(rule) for rule in rules("egress")))
    examples = {
        int(port) for _, _, text in settings_fields() for port in re.findall(r"localhost:(\d+)", text)
    }
    assert examples == {26500, 8080, 4318}
    assert examples | MAIL_PORTS <= open_ports


@pytest.mark.parametrize(
    "address",
    ["169.254.169.254", "10.0.0.1", "172.16.0.1", "192.168.0.1", "fe80::1", "fd00::1"],
)
def test_no_rule_by_address_reaches_the_cluster_or_its_metadata(address: str) -> None:
    assert not [rule for rule in rules("egress") if reaches(rule, address)]


def test_every_way_out_names_its_target() -> None:
    assert all(rule["to"] for rule in rules("egress"))


def test_mail_servers_outside_and_the_example_are_reached() -> None:
    (rule,) = (rule for rule in rules("egress") if ports(rule) >= MAIL_PORTS)
    assert reaches(rule, "198.51.100.7")
    assert reaches(rule, "2001:db8::7")
    assert {"ipBlock": {"cidr": "192.0.2.25/32"}} in rule["to"]
