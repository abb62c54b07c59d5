"""Signing in by OAuth 2.0 in Modeler's panel: what the presets ask for, and what they fill in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest_asyncio
from testkit.bpmn import ZEEBE

from worker.models.authentication import Authentication, TokenCredentials

if TYPE_CHECKING:
    from testkit.modeler import Modeler

CLIENT = {"Client ID": "the-app", "Client secret": "{{secrets.CLIENT}}"}
SERVER = {"Connection": "SSL: TLS from the start (port 993)", "Host": "imap.example.com"}


async def drawn(modeler: Modeler, fields: dict[str, str]) -> TokenCredentials:
    """Fill in the panel, and return what the worker reads of the diagram."""
    await modeler.fill({**SERVER, **fields})
    assert [field for field in await modeler.fields() if field["error"]] == []
    assert await modeler.lint() == []
    given: dict[str, Any] = {}
    for mapping in ET.fromstring(await modeler.xml()).iter(f"{{{ZEEBE}}}input"):
        group, _, name = mapping.attrib["target"].partition(".")
        if group == "authentication":
            given[name] = mapping.attrib.get("source")
    credentials = Authentication.model_validate(given).token_credentials()
    assert credentials is not None
    return credentials


@pytest_asyncio.fixture(loop_scope="session")
async def panel(modeler: Modeler, diagram: str, templates: list[dict[str, Any]]) -> Modeler:
    await modeler.open(diagram, templates, "task", "camunda-email-worker.imap.list")
    return modeler


async def labels(modeler: Modeler) -> list[str]:
    return [field["label"] for field in await modeler.fields() if field["group"] == "Authentication"]


async def test_microsoft_365_asks_for_the_tenant_and_fills_in_the_rest(panel: Modeler) -> None:
    fields = {
        "Authentication": "OAuth 2.0 client credentials",
        "Provider": "Microsoft 365",
        "User name": "orders@example.com",
        "Tenant ID": "contoso.onmicrosoft.com",
        **CLIENT,
    }
    credentials = await drawn(panel, fields)
    assert credentials.endpoint == (
        "https://login.microsoftonline.com/contoso.onmicrosoft.com/oauth2/v2.0/token"
    )
    assert credentials.scopes == "https://outlook.office365.com/.default"
    assert await labels(panel) == list(fields)


async def test_google_workspace_asks_for_the_key_of_a_service_account(panel: Modeler) -> None:
    fields = {
        "Authentication": "OAuth 2.0 private key (JWT)",
        "Provider": "Google Workspace",
        "User name": "orders@example.com",
        "Private key": "{{secrets.GOOGLE_KEY}}",
    }
    # The worker puts the key where its name stands; here it is not there.
    credentials = await drawn(panel, {**fields, "Client ID": "the-app"})
    assert credentials.endpoint == "https://oauth2.googleapis.com/token"
    assert credentials.scopes == "https://mail.google.com/"
    assert await labels(panel) == [*list(fields)[:3], "Client ID", "Private key", "Subject"]


async def test_another_provider_asks_for_everything(panel: Modeler) -> None:
    fields = {
        "Authentication": "OAuth 2.0 refresh token",
        "Provider": "Another one",
        "User name": "orders@example.com",
        "OAuth 2.0 token endpoint": "https://login.example.com/token",
        **CLIENT,
        "Refresh token": "{{secrets.REFRESH}}",
        "Scopes": "mail",
        "Client authentication": "In the header (Basic)",
    }
    credentials = await drawn(panel, fields)
    assert (credentials.endpoint, credentials.scopes) == ("https://login.example.com/token", "mail")
    assert credentials.client_authentication == "basicAuthHeader"
    assert await labels(panel) == list(fields)


async def test_a_secret_that_is_typed_in_clear_text_is_refused(panel: Modeler) -> None:
    await panel.fill({**SERVER, "Authentication": "OAuth 2.0 client credentials", "Client secret": "s3cret"})
    secret = await panel.field("Client secret")
    assert secret["error"].startswith("Client secret must name a secret")
