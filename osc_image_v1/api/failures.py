"""The errors of keystoneauth1, requests and urllib3, in this package's own words."""

from __future__ import annotations

import http.client
import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import requests
import urllib3
from keystoneauth1 import exceptions as ksa_exceptions

from osc_image_v1.exceptions import (
    BadAnswer,
    ConnectionFailed,
    ImageV1Error,
    InvalidInput,
    TlsFailed,
    Unauthorized,
)
from osc_image_v1.text import one_line, printable, without_secrets

# The errors of a connection; requests' own are OSErrors.
_NETWORK = (
    OSError,
    http.client.HTTPException,
    urllib3.exceptions.HTTPError,
    ksa_exceptions.ConnectionError,
)

# What requests says of the files of certificates.
_MISSING_FILE = re.compile(r"Could not find .*TLS .*, invalid path: (.*)", re.DOTALL)
_FILES = "give the right one with --os-cacert, or --os-cert and --os-key, or in clouds.yaml"

# What keystoneauth1 adds to a message, in some plugins twice.
_STATUS = re.compile(r" \(HTTP \d+\)| \(Request-ID: [^)]*\)")

_RAN_OUT = (
    "the token has run out or is not valid any more, and nothing is there to renew it with: get a "
    "new one with 'openstack token issue', or log in with a password or an application credential"
)


class translated:  # noqa: N801 (reads as a statement)
    """Turns the errors of keystoneauth1, requests and urllib3 into this package's own.

    :param action: what is being done, as the beginning of an error's sentence
    :param where: who was asked: an origin without user and password
    :param failed: what a failing connection is called
    :param auth: the keystoneauth1 plugin that authenticates
    :param proxy: returns the URL of the proxy that the request goes through, if there is one
    """

    def __init__(
        self,
        action: str,
        where: str = "the service",
        failed: str = "",
        auth: Any = None,
        proxy: Callable[[], str | None] | None = None,
    ) -> None:
        self._action = action
        self._where = where
        self._failed = failed
        self._auth = auth
        self._proxy = proxy

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if error is None or isinstance(error, ImageV1Error):
            return
        if isinstance(error, (ksa_exceptions.SSLError, requests.exceptions.SSLError)):
            raise TlsFailed(
                f"{self._action}: TLS with {self._where} failed: {reason(error)}; check the URL, "
                "or the certificate authority given by --os-cacert"
            ) from error
        if isinstance(error, OSError) and (file := _MISSING_FILE.search(str(error))):
            path = printable(file[1])
            raise InvalidInput(f"{self._action}: there is no file {path} of certificates; {_FILES}")
        if isinstance(error, _NETWORK):
            raise ConnectionFailed(f"{self._action}: {self._silence(error)}") from error
        if isinstance(error, ValueError):
            # requests reads a redirect's target even where it is not to follow it.
            raise BadAnswer(
                f"{self._action}: the answer of {self._where} is malformed: {reason(error)}"
            ) from error
        if isinstance(error, ksa_exceptions.HttpError) and _is_refusal(error, self._auth):
            raise self._refused(error) from error
        if isinstance(error, ksa_exceptions.ClientException):
            raise ImageV1Error(f"{self._action}: {one_line(error)}") from error

    def _silence(self, error: BaseException) -> str:
        """Return who did not answer, and why."""
        proxy = self._proxy() if self._proxy and _is_proxys(error) else None
        if proxy:
            shown = printable(without_secrets(proxy))
            return (
                f"no answer from the proxy {shown}: {reason(error)}; is http_proxy or https_proxy "
                "of the environment right, or has no_proxy to name the service?"
            )
        return f"{self._failed or f'no answer from {self._where}'}: {reason(error)}"

    def _refused(self, error: Any) -> Unauthorized:
        """Return the error for a log-in that the Identity service has refused."""
        said = printable(" ".join(_STATUS.sub("", str(error.message)).split()))[:300]
        if _is_token(self._auth) or _mentions_token(error):
            what_to_do = _RAN_OUT
        else:
            what_to_do = "log in anew, and check user, password and project"
        explanation = f"the Identity service says: {said}; {what_to_do}"
        return Unauthorized(
            self._action, int(HTTPStatus.UNAUTHORIZED), explanation, error.request_id
        )


def _is_proxys(error: BaseException | None) -> bool:
    """Tell whether a connection failed on the way to a proxy."""
    kinds = (requests.exceptions.ProxyError, urllib3.exceptions.ProxyError)
    for _ in range(10):
        if error is None or isinstance(error, kinds):
            break
        error = error.__cause__ or error.__context__
    return isinstance(error, kinds)


def _is_refusal(error: Any, auth: Any) -> bool:
    """Tell whether a plugin was refused a token: a service's own answers raise nothing there."""
    if error.http_status == HTTPStatus.UNAUTHORIZED:
        return True
    # Keystone does not find a token that has run out.
    return error.http_status == HTTPStatus.NOT_FOUND and (_is_token(auth) or _mentions_token(error))


def _mentions_token(error: Any) -> bool:
    return "validate token" in str(error.message)


def _is_token(auth: Any) -> bool:
    """Tell whether a plugin has a token alone, of which it makes others while that one is valid."""
    from keystoneauth1 import identity

    return isinstance(auth, (identity.Token, identity.V2Token, identity.V3Token))


def reason(error: BaseException) -> str:
    """Return the innermost reason; the text of the exceptions around it nests like an onion.

    :param error: an error of a connection
    :returns: one line
    """
    if isinstance(error, (ksa_exceptions.ConnectTimeout, requests.exceptions.Timeout)):
        return "it took too long, try again or raise --os-image-v1-timeout"
    inner = error
    for _ in range(10):
        below = inner.__cause__ or inner.__context__
        # The errors that lead on are the network's; urllib3 1 also tries what older Pythons lack.
        if not isinstance(below, _NETWORK) or below is inner:
            break
        inner = below
    text = (isinstance(inner, OSError) and inner.strerror) or str(inner)
    if "timed out" in text:
        return "it took too long, try again or raise --os-image-v1-timeout"
    if "IncompleteRead" in text or "InvalidChunkLength" in text:
        return "it ended early, try again"
    return one_line(text, 300) or type(inner).__name__
