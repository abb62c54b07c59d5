"""The names of settings in Camunda's clients, and misspelt names."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping

# By the name in the settings: every name that is read, the first that is given wins. The newest clients'
# names come first. Sources: Camunda's Java, JavaScript, Python, Go, Rust and C# clients and Spring starter.
_NAMES = {
    "ZEEBE_ADDRESS": (
        "CAMUNDA_GRPC_ADDRESS CAMUNDA_CLIENT_GRPCADDRESS CAMUNDA_CLIENT_GRPC_ADDRESS "
        "CAMUNDA_CLIENT_ZEEBE_GRPCADDRESS ZEEBE_GRPC_ADDRESS ZEEBE_ADDRESS ZEEBE_GATEWAY_ADDRESS "
        "ZEEBE_CLIENT_BROKER_GRPCADDRESS ZEEBE_CLIENT_BROKER_GATEWAYADDRESS"
    ),
    "ZEEBE_REST_ADDRESS": (
        "CAMUNDA_REST_ADDRESS CAMUNDA_CLIENT_RESTADDRESS CAMUNDA_CLIENT_REST_ADDRESS "
        "CAMUNDA_CLIENT_ZEEBE_RESTADDRESS ZEEBE_REST_ADDRESS ZEEBE_CLIENT_BROKER_RESTADDRESS"
    ),
    "ZEEBE_INSECURE_CONNECTION": (
        "CAMUNDA_INSECURE_CONNECTION ZEEBE_INSECURE_CONNECTION ZEEBE_CLIENT_SECURITY_PLAINTEXT"
    ),
    "ZEEBE_CA_CERTIFICATE_PATH": (
        "CAMUNDA_MTLS_CA_PATH CAMUNDA_CA_CERTIFICATE_PATH CAMUNDA_CLIENT_CACERTIFICATEPATH "
        "CAMUNDA_CLIENT_ZEEBE_CACERTIFICATEPATH CAMUNDA_CUSTOM_ROOT_CERT_PATH ZEEBE_CA_CERTIFICATE_PATH "
        "ZEEBE_CLIENT_SECURITY_CERTPATH"
    ),
    "CAMUNDA_MTLS_CERT_PATH": "CAMUNDA_MTLS_CERT_PATH CAMUNDA_CUSTOM_CERT_CHAIN_PATH",
    "CAMUNDA_MTLS_KEY_PATH": "CAMUNDA_MTLS_KEY_PATH CAMUNDA_CUSTOM_PRIVATE_KEY_PATH",
    "CAMUNDA_AUTH_STRATEGY": "CAMUNDA_AUTH_STRATEGY CAMUNDA_CLIENT_AUTH_METHOD",
    "CAMUNDA_BASIC_AUTH_USERNAME": "CAMUNDA_BASIC_AUTH_USERNAME CAMUNDA_CLIENT_AUTH_USERNAME",
    "CAMUNDA_BASIC_AUTH_PASSWORD": "CAMUNDA_BASIC_AUTH_PASSWORD CAMUNDA_CLIENT_AUTH_PASSWORD",
    "ZEEBE_CLIENT_ID": (
        "CAMUNDA_CLIENT_ID CAMUNDA_CLIENT_AUTH_CLIENTID ZEEBE_CLIENT_ID ZEEBE_CLIENT_CLOUD_CLIENTID"
    ),
    "ZEEBE_CLIENT_SECRET": (
        "CAMUNDA_CLIENT_SECRET CAMUNDA_CLIENT_AUTH_CLIENTSECRET ZEEBE_CLIENT_SECRET "
        "ZEEBE_CLIENT_CLOUD_CLIENTSECRET"
    ),
    "ZEEBE_AUTHORIZATION_SERVER_URL": (
        "CAMUNDA_OAUTH_URL CAMUNDA_AUTHORIZATION_SERVER_URL CAMUNDA_CLIENT_AUTH_TOKENURL "
        "ZEEBE_AUTHORIZATION_SERVER_URL"
    ),
    "ZEEBE_TOKEN_AUDIENCE": (
        "CAMUNDA_TOKEN_AUDIENCE CAMUNDA_ZEEBE_OAUTH_AUDIENCE CAMUNDA_CLIENT_AUTH_AUDIENCE "
        "CAMUNDA_CLIENT_ZEEBE_AUDIENCE ZEEBE_TOKEN_AUDIENCE"
    ),
    "ZEEBE_TOKEN_SCOPE": (
        "CAMUNDA_TOKEN_SCOPE CAMUNDA_OAUTH_SCOPE CAMUNDA_CLIENT_AUTH_SCOPE CAMUNDA_CLIENT_ZEEBE_SCOPE "
        "ZEEBE_TOKEN_SCOPE"
    ),
    "CAMUNDA_CLUSTER_ID": "CAMUNDA_CLUSTER_ID CAMUNDA_CLIENT_CLOUD_CLUSTERID ZEEBE_CLIENT_CLOUD_CLUSTERID",
    "CAMUNDA_CLUSTER_REGION": "CAMUNDA_CLUSTER_REGION CAMUNDA_CLIENT_CLOUD_REGION ZEEBE_CLIENT_CLOUD_REGION",
    # A client's default tenant is the one whose jobs it takes.
    "CAMUNDA_TENANT_IDS": (
        "CAMUNDA_TENANT_IDS CAMUNDA_DEFAULT_JOB_WORKER_TENANT_IDS CAMUNDA_CLIENT_WORKER_DEFAULTS_TENANTIDS "
        "CAMUNDA_CLIENT_ZEEBE_DEFAULTS_TENANTIDS CAMUNDA_CLIENT_TENANTIDS "
        "ZEEBE_DEFAULT_JOB_WORKER_TENANT_IDS ZEEBE_CLIENT_DEFAULTJOBWORKERTENANTIDS CAMUNDA_TENANT_ID "
        "CAMUNDA_DEFAULT_TENANT_ID CAMUNDA_CLIENT_TENANTID CAMUNDA_CLIENT_TENANT_ID ZEEBE_DEFAULT_TENANT_ID "
        "ZEEBE_TENANT_ID ZEEBE_CLIENT_DEFAULTTENANTID ZEEBE_CLIENT_TENANT_ID"
    ),
}
NAMES: Mapping[str, tuple[str, ...]] = {name: tuple(names.split()) for name, names in _NAMES.items()}
_PREFIX = re.compile(r"(?:ZEEBE|CAMUNDA)_(?=.)")
# The first word of what Camunda documents for other programs, for servers and for clients' inner workings.
_OTHER_PROGRAMS = re.compile(
    "(API|ADMIN|BROKER|CONNECTORS?|CONSOLE|COOKIE|DATA|DATABASE|DB|ELASTICSEARCH|GATEWAY|HUB|IDENTITY|JOB|KEYCLOAK"
    "|LICENSE|LOG|MODELER|OPENSEARCH|OPERATE|OPTIMIZE|PERSISTENT|REBAC|SDK|SECURITY|SSL|SUPPORT|SYSTEM|TASKLIST"
    "|WEBMODELER|WORKER)(_|$)|CLIENT_MODE$|DEFAULT_JOB_WORKER_TENANT_FILTER_MODE$"
)
# What Kubernetes sets in each container for a service that is named `zeebe` or `camunda-…`.
_OF_KUBERNETES = re.compile(r"_SERVICE_(HOST|PORT)|_PORT(_|$)")
# Such a name is always an error if it is not read: it does not mean the default tenant.
_OF_TENANTS = re.compile(r"TENANT(_?ID|S?$)")
_OF_WORKERS = re.compile("(JOB|SDK|WORKER)_")
# What Camunda's clients for Java and Spring begin their names with.
_OF_CLIENTS = re.compile("(CLIENT_)?(ZEEBE_)?(?=.)")
_NEAR = 0.8
_VERY_NEAR = 0.95
_SHORTEST_WORD = len("SCOPE")
_SHORTEST_BEGINNING = len("INSECURE")


def near_misses(given: Iterable[str], known: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield each name that is given and not read, but nearly is, with the one that it should be."""
    all_known = list(dict.fromkeys([*(name for names in NAMES.values() for name in names), *known]))
    by_words: dict[str, str] = {}
    for name in all_known:
        by_words.setdefault(_PREFIX.sub("", name, count=1), name)
    for name in given:
        # As in an environment, also if it is written as in a file of Spring.
        spelling = re.sub("[.-]", "_", name.upper())
        words = _PREFIX.sub("", spelling, count=1)
        if words == spelling or name in all_known or _OF_KUBERNETES.search(words):
            continue
        is_of_tenants = _OF_TENANTS.search(words) is not None
        is_of_others = _OTHER_PROGRAMS.match(words) and not (is_of_tenants and _OF_WORKERS.match(words))
        if is_of_others and not difflib.get_close_matches(spelling, all_known, n=1, cutoff=_VERY_NEAR):
            continue
        close = _nearest(words, by_words)
        if is_of_tenants and (close is None or "TENANT" not in close):
            close = "CAMUNDA_TENANT_IDS"
        if close is not None:
            yield name, close


def _nearest(words: str, by_words: Mapping[str, str]) -> str | None:
    """Return the name that is spelt nearly so, or has more or fewer words at one end."""
    compact: dict[str, str] = {}
    for known, name in by_words.items():
        compact.setdefault(_compact(known), name)
    for spelling in (words, _OF_CLIENTS.sub("", words, count=1)):
        for near in difflib.get_close_matches(_compact(spelling), compact, n=1, cutoff=_NEAR):
            return compact[near]
    words = _alike(words)
    for known, name in ((_alike(known), name) for known, name in by_words.items()):
        # `CAMUNDA_MTLS_CERT` for `CAMUNDA_MTLS_CERT_PATH`.
        is_long = "_" in words or len(words) >= _SHORTEST_BEGINNING
        is_begun = is_long and known.startswith(f"{words}_")
        # `CAMUNDA_USERNAME` for `CAMUNDA_BASIC_AUTH_USERNAME`, `CAMUNDA_SCOPES` for `CAMUNDA_TOKEN_SCOPE`.
        endings = tuple(f"_{end}" for end in (words, words.replace("_", ""), words.removesuffix("S")))
        is_ended = len(words) >= _SHORTEST_WORD and known.endswith(endings)
        # `CAMUNDA_OAUTH_CLIENT_ID` for `CAMUNDA_CLIENT_ID`.
        if is_begun or is_ended or ("_" in known and words.endswith(f"_{known}")):
            return name
    return None


def _compact(words: str) -> str:
    return re.sub("(^|_)(UR[IL]|ENDPOINT)$", "_ADDRESS", _alike(words)).replace("_", "")


def _alike(words: str) -> str:
    """Return words in one spelling of what has several."""
    return re.sub("_FILE$", "_PATH", words).replace("CERTIFICATE", "CERT").replace("AUTHORIZATION", "AUTH")
