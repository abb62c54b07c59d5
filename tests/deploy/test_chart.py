"""The Helm chart of deploy/helm, by the real helm and against Kubernetes' own schemas."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from testkit.helm import CHART, helm, rendered, template
from testkit.kubernetes import is_accepted

from worker import __version__
from worker.settings import Settings

ROOT = Path(__file__).parent.parent.parent
MANIFESTS = ROOT / "deploy" / "kubernetes"
# The oldest that is still maintained and the newest that is known.
VERSIONS = ("1.33", "1.37")
# Objects of operators, of which Kubernetes itself has no schema.
FOREIGN = {"PodMonitor", "ServiceMonitor", "PrometheusRule", "ScaledObject"}

ALL_VALUES: dict[str, Any] = {
    "image": {"digest": "sha256:" + "0" * 64, "pullSecrets": ["registry"]},
    "gateway": {
        "address": "https://zeebe.example.com",
        "restAddress": "https://camunda.example.com",
        "caSecret": "gateway-ca",
        "tenantIds": ["one", "two"],
    },
    "signIn": {
        "strategy": "OAUTH",
        "existingSecret": "camunda-client",
        "tokenUrl": "https://camunda.example.com/token",
        "audience": "orchestration-api",
        "scope": "all",
    },
    "secrets": {"values": {"SMTP_PASSWORD": "a password"}},
    "allowedServers": ["smtp.example.org"],
    "settings": {"EMAIL_WORKER_MAX_JOBS": 128, "EMAIL_WORKER_MAX_RESULT_BYTES": 1_500_000},
    "monitoring": {"kind": "PodMonitor", "rules": True, "labels": {"release": "prometheus"}},
    "networkPolicy": {"extraEgress": [{"ports": [{"port": 3128}]}]},
    "podAnnotations": {"team": "orders"},
    "nodeSelector": {"kubernetes.io/arch": "arm64"},
    "tolerations": [{"key": "spot", "operator": "Exists"}],
}


def container(objects: dict[str, Any]) -> Any:
    (only,) = objects["Deployment"]["spec"]["template"]["spec"]["containers"]
    return only


def settings(objects: dict[str, Any]) -> Settings:
    credentials = {"ZEEBE_CLIENT_ID": "worker", "ZEEBE_CLIENT_SECRET": "a secret"}
    return Settings.from_environment({**objects["ConfigMap"]["data"], **credentials})


def test_helm_finds_no_fault() -> None:
    done = helm("lint", "--strict", CHART)
    assert done.returncode == 0, done.stdout


def test_the_manifests_are_what_the_chart_makes(tmp_path: Path) -> None:
    done = helm("template", "email-worker", CHART, "--output-dir", tmp_path)
    assert done.returncode == 0, done.stderr
    made = {path.name: path.read_text() for path in tmp_path.rglob("*.yaml")}
    found = {path.name: path.read_text() for path in MANIFESTS.glob("*.yaml")}
    found.pop("kustomization.yaml")
    assert found == made, "run `make manifests`"


def test_the_chart_is_of_this_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (__version__, __version__)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "values",
    [ALL_VALUES, {"autoscaling": {"enabled": False}, "networkPolicy": {"enabled": False}}],
    ids=["all", "least"],
)
def test_kubernetes_accepts_the_output_of_the_chart(values: dict[str, Any], version: str) -> None:
    for kind, made in rendered(values).items():
        if kind not in FOREIGN:
            assert is_accepted(made, version), kind


def test_values_become_settings_that_the_worker_takes() -> None:
    made = settings(rendered(ALL_VALUES))
    assert made.gateway.target == "zeebe.example.com:443"
    assert made.gateway.rest_address == "https://camunda.example.com"
    assert made.gateway.tenant_ids == ("one", "two")
    assert made.worker.allowed_servers == ("smtp.example.org",)
    assert (made.worker.max_jobs, made.worker.max_result_bytes) == (128, 1_500_000)


def test_sign_in_and_secrets_come_from_secrets_alone() -> None:
    objects = rendered(ALL_VALUES)
    assert {"secretRef": {"name": "camunda-client"}} in container(objects)["envFrom"]
    volumes = objects["Deployment"]["spec"]["template"]["spec"]["volumes"]
    names = {volume["name"]: volume["secret"]["secretName"] for volume in volumes}
    assert names == {"secrets": "email-worker", "gateway-ca": "gateway-ca"}
    assert objects["Secret"]["stringData"] == {"SMTP_PASSWORD": "a password"}
    assert "a password" not in str({**objects, "Secret": None})


def test_an_existing_secret_is_used_and_none_is_created() -> None:
    objects = rendered({"secrets.existingSecret": "from-the-vault"})
    assert "Secret" not in objects
    (volume,) = objects["Deployment"]["spec"]["template"]["spec"]["volumes"]
    assert volume["secret"]["secretName"] == "from-the-vault"


def test_a_digest_goes_before_a_tag() -> None:
    assert container(rendered({"image.tag": "1.2.3"}))["image"] == "camunda-email-worker:1.2.3"
    digest = "sha256:" + "0" * 64
    assert container(rendered(ALL_VALUES))["image"] == f"camunda-email-worker@{digest}"


def test_workers_are_added_by_jobs_that_run() -> None:
    (metric,) = rendered({"settings.EMAIL_WORKER_MAX_JOBS": 100})["HorizontalPodAutoscaler"]["spec"][
        "metrics"
    ]
    assert metric["pods"] == {
        "metric": {"name": "email_worker_jobs_running"},
        "target": {"type": "AverageValue", "averageValue": "70"},
    }


def test_keda_may_add_them_too() -> None:
    objects = rendered({"autoscaling.kind": "keda"}, release="orders")
    assert "HorizontalPodAutoscaler" not in objects
    specification = objects["ScaledObject"]["spec"]
    assert specification["scaleTargetRef"]["name"] == objects["Deployment"]["metadata"]["name"]
    (trigger,) = specification["triggers"]
    query = 'sum(email_worker_jobs_running{namespace="default", pod=~"orders-[0-9a-z]+-[0-9a-z]+"})'
    assert trigger["metadata"]["query"] == query
    assert trigger["metadata"]["threshold"] == "44"


def test_without_an_autoscaler_the_number_of_workers_is_given() -> None:
    objects = rendered({"autoscaling.enabled": False, "replicas": 3})
    assert objects["Deployment"]["spec"]["replicas"] == 3
    assert not {"HorizontalPodAutoscaler", "ScaledObject"} & set(objects)


@pytest.mark.parametrize(
    ("kind", "endpoints"), [("PodMonitor", "podMetricsEndpoints"), ("ServiceMonitor", "endpoints")]
)
def test_a_monitor_finds_pods_and_service(kind: str, endpoints: str) -> None:
    objects = rendered({"monitoring.kind": kind, "monitoring.labels": {"release": "prometheus"}})
    monitor = objects[kind]
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    wanted = monitor["spec"]["selector"]["matchLabels"].items()
    assert wanted <= objects["Deployment"]["spec"]["template"]["metadata"]["labels"].items()
    assert wanted <= objects["Service"]["metadata"]["labels"].items()
    (endpoint,) = monitor["spec"][endpoints]
    assert endpoint["port"] in {port["name"] for port in container(objects)["ports"]}
    assert endpoint["port"] in {port["name"] for port in objects["Service"]["spec"]["ports"]}
    assert "prometheus.io/scrape" not in str(objects["Deployment"])


def test_the_rules_are_those_of_the_alerts_with_links_to_your_documentation() -> None:
    values = {"monitoring.rules": True, "monitoring.runbookUrl": "https://docs.example.com/operating/"}
    made = rendered(values)["PrometheusRule"]["spec"]
    text = (ROOT / "deploy" / "prometheus" / "alerts.yml").read_text()
    assert made == yaml.safe_load(text.replace("docs/operating.md#", "https://docs.example.com/operating/#"))
    assert made["groups"][0]["rules"]


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"gatway": {}}, "gatway"),
        ({"autoscaling.kind": "cpu"}, "kind"),
        ({"image.digest": "latest"}, "digest"),
        ({"secrets": {"values": {"A": "a"}, "existingSecret": "b"}}, "expected one of them"),
        ({"settings": {"EMAIL_WORKER_HEALTH_PORT": 9000}}, "EMAIL_WORKER_HEALTH_PORT"),
        ({"settings": {"EMAIL_WORKER_ALLOWED_SERVERS": "smtp.example.com"}}, "EMAIL_WORKER_ALLOWED_SERVERS"),
        ({"settings": None}, "missing property 'settings'"),
        ({"monitoring": None}, "missing property 'monitoring'"),
    ],
)
def test_a_wrong_value_is_refused(values: dict[str, Any], complaint: str) -> None:
    done = template(values)
    assert done.returncode != 0
    assert complaint in done.stderr


def test_an_annotation_of_the_user_replaces_one_of_the_chart() -> None:
    done = template({"podAnnotations": {"prometheus.io/scrape": "false"}})
    assert done.stdout.count("prometheus.io/scrape") == 1
    assert 'prometheus.io/scrape: "false"' in done.stdout


def test_a_long_tag_becomes_a_label_that_kubernetes_takes() -> None:
    tag = "1.0.0-" + "a" * 56 + "-b" * 20
    version = rendered({"image.tag": tag})["Deployment"]["metadata"]["labels"]["app.kubernetes.io/version"]
    assert tag.startswith(version)
    assert len(version) == 62  # without the dash that would be its last character


def test_two_releases_share_no_name_and_no_pod() -> None:
    one, other = rendered(release="orders"), rendered(release="invoices")
    for kind, made in one.items():
        assert made["metadata"]["name"] != other[kind]["metadata"]["name"]
    selector = one["Deployment"]["spec"]["selector"]["matchLabels"].items()
    assert not selector <= other["Deployment"]["spec"]["template"]["metadata"]["labels"].items()


@pytest.mark.parametrize("grace", [60, "60", 35.5])
def test_a_pod_that_would_be_killed_before_its_worker_ends_is_refused(grace: float | str) -> None:
    done = template({"settings.EMAIL_WORKER_SHUTDOWN_GRACE_SECONDS": grace})
    assert "terminationGracePeriodSeconds is 45; expected at least 10 seconds more" in done.stderr
    values = {"settings.EMAIL_WORKER_SHUTDOWN_GRACE_SECONDS": grace, "terminationGracePeriodSeconds": 70}
    assert template(values).returncode == 0
