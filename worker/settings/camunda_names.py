"""The names of settings in Camunda's clients, and misspelt names."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping

# By the name in the settings: every name that is read, the first that is given wins. The newest clients'
# names come first. Sources: Camunda's Java, JavaScript, Python, Go, Rust and C# clients and Spring starter.
NAMES: Mapping[str, tuple[str, ...]] = {
    "ZEEBE_ADDRESS": ("CAMUNDA_GRPC_ADDRESS", "ZEEBE_GRPC_ADDRESS", "ZEEBE_ADDRESS"),
    "ZEEBE_REST_ADDRESS": ("CAMUNDA_REST_ADDRESS", "ZEEBE_REST_ADDRESS"),
    "ZEEBE_INSECURE_CONNECTION": ("CAMUNDA_INSECURE_CONNECTION", "ZEEBE_INSECURE_CONNECTION"),
    "ZEEBE_CA_CERTIFICATE_PATH": (
        "CAMUNDA_MTLS_CA_PATH",
        "CAMUNDA_CA_CERTIFICATE_PATH",
        "CAMUNDA_CUSTOM_ROOT_CERT_PATH",
        "ZEEBE_CA_CERTIFICATE_PATH",
    ),
    "CAMUNDA_MTLS_CERT_PATH": ("CAMUNDA_MTLS_CERT_PATH", "CAMUNDA_CUSTOM_CERT_CHAIN_PATH"),
    "CAMUNDA_MTLS_KEY_PATH": ("CAMUNDA_MTLS_KEY_PATH", "CAMUNDA_CUSTOM_PRIVATE_KEY_PATH"),
    "ZEEBE_CLIENT_ID": (
        "CAMUNDA_CLIENT_ID",
        "CAMUNDA_CLIENT_AUTH_CLIENTID",
        "ZEEBE_CLIENT_ID",
        "ZEEBE_CLIENT_CLOUD_CLIENTID",
    ),
    "ZEEBE_CLIENT_SECRET": (
        "CAMUNDA_CLIENT_SECRET",
        "CAMUNDA_CLIENT_AUTH_CLIENTSECRET",
        "ZEEBE_CLIENT_SECRET",
        "ZEEBE_CLIENT_CLOUD_CLIENTSECRET",
    ),
    "ZEEBE_AUTHORIZATION_SERVER_URL": (
        "CAMUNDA_OAUTH_URL",
        "CAMUNDA_AUTHORIZATION_SERVER_URL",
        "ZEEBE_AUTHORIZATION_SERVER_URL",
    ),
    "ZEEBE_TOKEN_AUDIENCE": (
        "CAMUNDA_TOKEN_AUDIENCE",
        "CAMUNDA_ZEEBE_OAUTH_AUDIENCE",
        "ZEEBE_TOKEN_AUDIENCE",
    ),
    "ZEEBE_TOKEN_SCOPE": ("CAMUNDA_TOKEN_SCOPE", "CAMUNDA_OAUTH_SCOPE", "ZEEBE_TOKEN_SCOPE"),
    "CAMUNDA_CLUSTER_ID": (
        "CAMUNDA_CLUSTER_ID",
        "CAMUNDA_CLIENT_CLOUD_CLUSTERID",
        "ZEEBE_CLIENT_CLOUD_CLUSTERID",
    ),
    "CAMUNDA_CLUSTER_REGION": (
        "CAMUNDA_CLUSTER_REGION",
        "CAMUNDA_CLIENT_CLOUD_REGION",
        "ZEEBE_CLIENT_CLOUD_REGION",
    ),
    # A client's default tenant is the one whose jobs it takes.
    "CAMUNDA_TENANT_IDS": (
        "CAMUNDA_TENANT_IDS",
        "CAMUNDA_DEFAULT_JOB_WORKER_TENANT_IDS",
        "ZEEBE_DEFAULT_JOB_WORKER_TENANT_IDS",
        "CAMUNDA_TENANT_ID",
        "CAMUNDA_DEFAULT_TENANT_ID",
        "ZEEBE_DEFAULT_TENANT_ID",
        "ZEEBE_TENANT_ID",
    ),
}
_PREFIX = re.compile(r"(?:ZEEBE|CAMUNDA)_(?=.)")
# The first word of what Camunda documents for other programs, for servers and for clients' inner workings.
_OTHER_PROGRAMS = re.compile(
    "(API|ADMIN|BROKER|CONNECTORS?|CONSOLE|COOKIE|DATA|DATABASE|ELASTICSEARCH|GATEWAY|HUB|IDENTITY|JOB|KEYCLOAK"
    "|LICENSE|LOG|MODELER|OPENSEARCH|OPERATE|OPTIMIZE|PERSISTENT|REBAC|SDK|SECURITY|SSL|SUPPORT|SYSTEM|TASKLIST"
    "|WEBMODELER|WORKER)(_|$)|CLIENT_MODE$|DEFAULT_JOB_WORKER_TENANT_FILTER_MODE$"
)
# What Kubernetes sets in each container for a service that is named `zeebe` or `camunda-…`.
_OF_KUBERNETES = re.compile(r"_SERVICE_(HOST|PORT)|_PORT(_|$)")
_NEAR = 0.8


def near_misses(given: Iterable[str], known: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield each name that is given and not read, but nearly is, with the one that it should be."""
    all_known = {*known, *(name for names in NAMES.values() for name in names)}
    by_words: dict[str, str] = {}
    for name in sorted(all_known):
        by_words.setdefault(_PREFIX.sub("", name, count=1), name)
    for name in given:
        words = _PREFIX.sub("", name, count=1)
        if words == name or name in all_known or _OTHER_PROGRAMS.match(words) or _OF_KUBERNETES.search(words):
            continue
        # `CAMUNDA_MTLS_CERT` for `CAMUNDA_MTLS_CERT_PATH`.
        begun = [other for other in by_words if "_" in words and other.startswith(words + "_")]
        close = difflib.get_close_matches(words, by_words, n=1, cutoff=_NEAR) or begun
        if close:
            yield name, by_words[close[0]]
