"""The worker's own sign-in to the cluster by OAuth 2 (client credentials, RFC 6749, 4.4)."""

from __future__ import annotations

from http import HTTPStatus

from worker.errors import DocumentRefused, DocumentsUnavailable, TokenEndpointUnavailable, TokenRefused
from worker.masking import Mask, masking
from worker.models.authentication import TokenCredentials
from worker.oauth.access_tokens import AccessTokens

# RFC 6749, 5.2, and additions of servers. Any other word may be a repeated part of the request.
_CODES = {
    *("access_denied", "invalid_client", "invalid_grant", "invalid_request", "invalid_scope"),
    *("invalid_target", "unauthorized_client", "unsupported_grant_type"),
}


class ClusterToken:
    """A token that gRPC and REST share. `mask` learns the secret and each token."""

    def __init__(self, tokens: AccessTokens, credentials: TokenCredentials, mask: Mask) -> None:
        self.mask = mask
        self._tokens = tokens
        self._credentials = credentials

    async def authorization(self) -> str:
        """Return the header with a valid token; raises DocumentRefused and DocumentsUnavailable."""
        # At each use, as a mask forgets what was not used for long.
        self.mask.learn(self._credentials.client_secret)
        try:
            with masking(self.mask):
                return f"Bearer {await self._tokens.token(self._credentials)}"
        except TokenEndpointUnavailable as error:
            answer = _answer(error)
            text = f"The authorization server answered with {answer}." if answer else error.message
            raise DocumentsUnavailable(text) from error
        except TokenRefused as error:
            raise DocumentRefused(_refusal(error)) from error

    def forget(self, authorization: str) -> None:
        """Do not use `authorization` again: it was refused."""
        self._tokens.forget(self._credentials, authorization.removeprefix("Bearer "))

    async def close(self) -> None:
        """Close the connection to the authorization server; a later request opens it again."""
        await self._tokens.close()


def _refusal(error: TokenRefused) -> str:
    answer = _answer(error)
    if not answer:
        return f"{error.message.partition(';')[0].removesuffix('.')}; check ZEEBE_AUTHORIZATION_SERVER_URL."
    what = "gave no access token" if error.details["status"] == HTTPStatus.OK else "refused the sign-in"
    return (
        f"The authorization server {what} with {answer};"
        " check ZEEBE_CLIENT_ID, ZEEBE_CLIENT_SECRET, ZEEBE_AUTHORIZATION_SERVER_URL, ZEEBE_TOKEN_AUDIENCE"
        " and ZEEBE_TOKEN_SCOPE."
    )


def _answer(error: TokenEndpointUnavailable | TokenRefused) -> str:
    """Return the status, and the code if it is a known one; "" without an answer. The rest is not shown."""
    status, code = error.details.get("status"), error.details.get("error")
    return f"status {status}" + (f" ({code})" if code in _CODES else "") if status else ""
