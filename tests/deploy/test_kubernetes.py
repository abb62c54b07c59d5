"""The manifests of deploy/kubernetes, against Kubernetes' own schemas and against the worker's settings."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from worker import __version__
from worker.settings import Settings, WorkerSettings, settings_fields

DIRECTORY = Path(__file__).parent.parent.parent / "deploy" / "kubernetes"
MANIFESTS = sorted(path for path in DIRECTORY.glob("*.yaml") if path.name != "kustomization.yaml")
# The oldest that is still maintained and the newest that is known.
VERSIONS = ("1.33", "1.37")


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
    kubernetes_validate.validate(yaml.safe_load(path.read_text()), version, strict=True)


def test_the_schemas_refuse_a_misspelt_field() -> None:
    misspelt = manifest("poddisruptionbudget")
    misspelt["spec"]["minAvailabel"] = misspelt["spec"].pop("minAvailable")
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(misspelt, VERSIONS[0], strict=True)


def test_the_set_names_every_manifest_and_this_version() -> None:
    kustomization = manifest("kustomization")
    assert sorted(kustomization["resources"]) == [path.name for path in MANIFESTS]
    assert kustomization["images"] == [{"name": container()["image"], "newTag": __version__}]


def test_every_selector_finds_the_pods() -> None:
    labels = manifest("deployment")["spec"]["template"]["metadata"]["labels"]
    assert manifest("deployment")["spec"]["selector"]["matchLabels"] == labels
    assert manifest("service")["spec"]["selector"] == labels
    assert manifest("poddisruptionbudget")["spec"]["selector"]["matchLabels"] == labels
    assert manifest("networkpolicy")["spec"]["podSelector"]["matchLabels"] == labels


def test_the_settings_are_ones_that_the_worker_takes() -> None:
    settings = Settings.from_environment({**manifest("configmap")["data"], "EMAIL_WORKER_NAME": "pod"})
    assert settings.gateway.target == "camunda-zeebe-gateway:26500"


def test_the_service_brings_no_variables_that_look_like_settings() -> None:
    assert manifest("service")["metadata"]["name"] == "email-worker"
    assert pod()["enableServiceLinks"] is False


def test_secrets_are_files_where_the_worker_looks_for_them() -> None:
    (mount,) = container()["volumeMounts"]
    (volume,) = pod()["volumes"]
    assert mount["mountPath"] == manifest("configmap")["data"]["EMAIL_WORKER_SECRETS_DIR"]
    assert mount["readOnly"] is True
    assert volume["secret"]["secretName"] == manifest("secret")["metadata"]["name"]


def test_no_secret_has_a_value() -> None:
    assert set(manifest("secret")["stringData"].values()) == {""}


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


def test_the_way_out_is_open_to_mail_servers_and_to_what_the_settings_give_as_examples() -> None:
    rules = manifest("networkpolicy")["spec"]["egress"]
    ports = {port["port"] for rule in rules for port in rule["ports"]}
    examples = {
        int(port) for _, _, text in settings_fields() for port in re.findall(r"localhost:(\d+)", text)
    }
    assert examples == {26500, 8080, 4318}
    assert examples | {25, 465, 587, 143, 993, 110, 995} <= ports
