"""One service's endpoint: URLs, retries, redirects, errors and answers of bounded size."""

from __future__ import annotations

import contextlib
import functools
import http.client
import itertools
import json
import logging
import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from http import HTTPStatus
from typing import Any, NoReturn, TypeVar
from urllib.parse import quote

import requests
import urllib3
from keystoneauth1 import adapter as ksa_adapter
from keystoneauth1 import exceptions as ksa_exceptions
from keystoneauth1 import session as ksa_session

from osc_image_v1.api.bodies import NOT_ENCODED, pieces_of
from osc_image_v1.api.errors import said_of
from osc_image_v1.api.failures import translated
from osc_image_v1.api.records import check_value
from osc_image_v1.api.retries import RetryPolicy
from osc_image_v1.api.urls import Address, as_curl, parse
from osc_image_v1.exceptions import (
    ApiNotAvailable,
    BadAnswer,
    ConnectionFailed,
    GatewayError,
    HttpError,
    InvalidInput,
    http_error,
)
from osc_image_v1.text import is_text, printable, without_secrets

LOG = logging.getLogger(__name__)

#: Seconds without a byte after which a request is given up.
DEFAULT_TIMEOUT = 60.0

# Bytes. A page of 1000 images with 128 long properties each has about 70 MB.
_LARGEST_PAGE = 256 * 2**20
_LARGEST_ERROR = 64 * 2**10
_LOGGED = 2**12
_CHUNK = 2**20

_REDIRECTS = frozenset((301, 302, 303, 307, 308))
_MOST_REDIRECTS = 3
_T = TypeVar("_T")

_NUMBER = re.compile(r"\d+", re.ASCII)
_VERSION = re.compile(r"/v\d+(?:\.\d+)?$")


def _read_more_header_lines() -> None:
    """Let Python read 1000 lines of headers, of whatever service.

    An image may have 128 properties and each is a header line; Python reads 100 lines and fails at
    the next. It has no setting for one connection. Nothing is sent otherwise, so it can stay.
    """
    now = getattr(http.client, "_MAXHEADERS", 100)
    setattr(http.client, "_MAXHEADERS", max(now, 1000))  # noqa: B010 (no public setting)


_read_more_header_lines()


class ServiceClient:
    """A service behind a keystoneauth1 adapter.

    :param adapter: says which service, region and interface, and authenticates
    :param version: ``v1`` or ``v2.1``; added to the endpoint
    :param keep_version: matches a path with a version that stays as it is
    :param other_version: matches a path with a version that the catalog must not have, and that
        stays as it is where a person gave the URL
    :param endpoint_override: the service's URL, instead of the adapter's and the catalog's
    :param headers: sent with every request
    :param timeout: seconds without a byte after which a request is given up
    :param retry: when a request is sent again
    """

    def __init__(
        self,
        adapter: ksa_adapter.Adapter,
        version: str,
        keep_version: re.Pattern[str] | None = None,
        other_version: re.Pattern[str] | None = None,
        endpoint_override: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        retry: RetryPolicy | None = None,
    ) -> None:
        self.adapter = adapter
        self.timeout = timeout
        self.retry = retry or RetryPolicy()
        self._headers = dict(headers or {})
        self._version = version
        self._keep_version = keep_version
        self._other_version = other_version
        self._override = endpoint_override
        self._address: Address | None = None

    @property
    def endpoint(self) -> str:
        """The service's URL with version, without user, password and a slash at its end.

        :raises ApiNotAvailable: if the catalog does not have the service
        """
        return self._base().url.rstrip("/")

    @property
    def project_id(self) -> str | None:
        """ID of the project that the token is for, None where it is for none or nobody tells.

        :raises ImageV1Error: if nobody can log in
        """
        with translated("Cannot log in"):
            found: str | None = self.adapter.get_project_id()
        return found

    @property
    def shown_endpoint(self) -> str:
        """The service's URL for people to read."""
        return printable(self.endpoint)

    def _base(self) -> Address:
        """Return the service's address.

        User and password of a URL that an operator gave are sent to its origin, as any HTTP client
        would, and are in no URL after this, so that nothing can show them.
        """
        if self._address is None:
            self._address = self._versioned(self._find_endpoint())
        return self._address

    def _find_endpoint(self) -> Address:
        adapter = self.adapter
        url = self._given_url()
        if not url:
            with (
                translated("Cannot find the service", auth=adapter.auth or adapter.session.auth),
                contextlib.suppress(ksa_exceptions.CatalogException),
            ):
                url = adapter.session.get_endpoint(
                    auth=adapter.auth,
                    service_type=adapter.service_type,
                    service_name=adapter.service_name,
                    interface=adapter.interface,
                    region_name=adapter.region_name,
                    skip_discovery=True,
                )
        if not url:
            region = f" in region {adapter.region_name}" if adapter.region_name else ""
            raise ApiNotAvailable(
                f"The catalog has no {adapter.service_type} service{region}: choose another region "
                f"or interface, or give its URL with {self.override_setting}"
            )
        try:
            return parse(str(url))
        except ValueError:
            shown = printable(without_secrets(str(url)))
            raise ApiNotAvailable(
                f"The {adapter.service_type} endpoint '{shown}' is no http URL"
            ) from None

    def _given_url(self) -> str | None:
        """Return the URL that a person gave for the service, as keystoneauth1 fills it in."""
        adapter = self.adapter
        url = self._override or adapter.endpoint_override
        if not url or "%(" not in url:
            return url or None
        with translated("Cannot find the service", auth=adapter.auth or adapter.session.auth):
            for name, find in (
                ("%(project_id)s", adapter.session.get_project_id),
                ("%(user_id)s", adapter.session.get_user_id),
            ):
                if name in url:
                    url = url.replace(name, find(adapter.auth) or "")
        return str(url)

    @property
    def override_setting(self) -> str:
        """How a person gives the service's URL."""
        if self._version == "v1":
            return "--os-image-v1-endpoint-override or in clouds.yaml"
        service = str(self.adapter.service_type).replace("-", "_")
        return f"{service}_endpoint_override in clouds.yaml"

    def _versioned(self, found: Address) -> Address:
        path = found.path.rstrip("/")
        if self._keep_version is not None and self._keep_version.search(path):
            return found.at(path)
        if self._other_version is not None and (other := self._other_version.search(path)):
            if self._given_url():
                return found.at(path)
            raise self._of_other_version(found.site + path, other[1])
        return found.at(f"{_VERSION.sub('', path).rstrip('/')}/{self._version}")

    def _of_other_version(self, url: str, version: str) -> ApiNotAvailable:
        setting = str(self.adapter.service_type).replace("-", "_")
        return ApiNotAvailable(
            f"The catalog has the {self.adapter.service_type} service at {printable(url)}, which "
            f"is {version} and not {self._version}: choose another region, or another service with "
            f"{setting}_service_name in clouds.yaml, or give a URL, this one or another, with "
            f"{self.override_setting}"
        )

    def request(
        self,
        method: str,
        path: str,
        action: str,
        *,
        ok: Collection[int] = (200,),
        final: Collection[int] = (),
        **kwargs: Any,
    ) -> requests.Response:
        """Send a request and return its answer, whose body is still to be read.

        :param method: HTTP method
        :param path: path below the endpoint, begins with a slash
        :param action: what is being done, as the beginning of an error's sentence
        :param ok: statuses that are no errors
        :param final: statuses of a front end for which there is a better way than to send it again
        :param kwargs: ``params``, ``headers``, ``json``, ``data`` for requests
        :raises HttpError: for any other status
        :raises ConnectionFailed: if there is no answer
        """
        data = kwargs.get("data")
        # A stream is at its end when it has been sent.
        whole = data is None or isinstance(data, (bytes, str))
        return self._persist(
            method, lambda: self._once(method, path, action, ok, kwargs), whole, final
        )

    def get_json(
        self, path: str, action: str, params: Mapping[str, str | list[str]] | None = None
    ) -> Any:
        """Get a JSON document.

        :param path: path below the endpoint
        :param action: what is being done, as the beginning of an error's sentence
        :param params: query parameters
        :raises HttpError: for an error status
        :raises ConnectionFailed: if there is no answer or half an answer
        :raises BadAnswer: if the answer is no JSON
        """
        options = {"params": params, "headers": {"Accept": "application/json"}}

        def read_once() -> bytes:
            with self._once("GET", path, action, (200,), options) as response:
                body = self.read(response, action)
            _log_body(response, body)
            return body

        body = self._persist("GET", read_once)
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            raise BadAnswer(f"{action}: the service's answer is no JSON") from None

    def _persist(
        self,
        method: str,
        once: Callable[[], _T],
        whole: bool = True,
        final: Collection[int] = (),
    ) -> _T:
        """Do it, and again as the policy allows."""
        for attempt in itertools.count(1):
            try:
                return once()
            except (ConnectionFailed, HttpError) as error:
                if isinstance(error, GatewayError) and error.status in final:
                    raise
                if not whole or not self.retry.allows(method, attempt, error):
                    raise
                LOG.debug("%s; trying again", error)
                time.sleep(self.retry.wait(attempt, error))
        raise AssertionError("the last attempt returns or raises")

    def _once(
        self, method: str, path: str, action: str, ok: Collection[int], options: Mapping[str, Any]
    ) -> requests.Response:
        options = dict(options)
        address = self._base().below(path, options.pop("params", None))
        response = self._follow(method, address, action, options)
        if response.status_code not in ok:
            self._fail(method, response, action)
        if getattr(response.raw, "length_remaining", None) == 0:
            # That nothing comes is to be read, too: else the connection is closed.
            _nothing = response.content
        return response

    def read(self, response: requests.Response, action: str) -> bytes:
        """Return the whole body of an answer.

        :param response: the answer
        :param action: what is being done, as the beginning of an error's sentence
        :raises ConnectionFailed: if the body ends early
        :raises BadAnswer: if it is larger than any page of a list can be
        """
        chunks: list[bytes] = []
        size = 0
        for chunk in self.iter_body(response, action):
            chunks.append(chunk)
            size += len(chunk)
            if size > _LARGEST_PAGE:
                raise BadAnswer(
                    f"{action}: the service's answer is over {_LARGEST_PAGE // 2**20} MiB, "
                    "ask for smaller pages"
                )
        return b"".join(chunks)

    def iter_body(
        self, response: requests.Response, action: str, chunk_size: int = _CHUNK
    ) -> Iterator[bytes]:
        """Yield the body of an answer, and fail where it ends early.

        :param response: the answer
        :param action: what is being done, as the beginning of an error's sentence
        :param chunk_size: bytes
        :raises ConnectionFailed: if the body ends early
        :raises BadAnswer: if it is encoded in a way that is not known here
        """
        with translated(action, failed="the answer broke off"):
            yield from pieces_of(response, action, chunk_size)

    def _follow(
        self, method: str, address: Address, action: str, options: Mapping[str, Any]
    ) -> requests.Response:
        """Send a request, and again where it is redirected within the service's own origin."""
        for _ in range(_MOST_REDIRECTS + 1):
            response, location = self._send(method, address, action, options)
            if location is None:
                return response
            response.close()
            try:
                target = address.redirected(location)
            except ValueError:
                target = None
            # keystoneauth1 would send the token along to wherever the redirect points.
            if target is None or target.origin != address.origin or method not in ("GET", "HEAD"):
                shown = _without_token(response, target.url if target else location)
                raise BadAnswer(
                    f"{action}: the service redirects to "
                    f"{printable(without_secrets(shown))[:200]}, which is not "
                    "followed; if that is the service, give its URL with "
                    f"{self.override_setting}"
                )
            address = target
        raise BadAnswer(f"{action}: the service redirects in circles")

    def _send(
        self, method: str, address: Address, action: str, options: Mapping[str, Any]
    ) -> tuple[requests.Response, str | None]:
        """Return an answer, and where it redirects to."""
        session = self.adapter.session
        auth = self.adapter.auth or session.auth
        if auth is not None:
            # The session would do it too, and a silence of the Identity service look like one of
            # this service.
            with translated(action, "the Identity service", auth=auth):
                session.get_auth_headers(auth)
        headers = {**NOT_ENCODED, **self._headers, **options.get("headers", {})}
        options = {**options, "headers": headers}
        if LOG.isEnabledFor(logging.DEBUG):
            _log("REQ: %s", as_curl(method, address, options, session, auth))
        redirect = _Redirect()
        proxy = functools.partial(_proxy_of, session.session, address.url)
        with translated(action, address.site, auth=auth, proxy=proxy):
            response: requests.Response = self.adapter.request(
                address.url,
                method,
                raise_exc=False,
                redirect=False,
                microversion=None,
                connect_retries=0,
                status_code_retries=0,
                stream=True,
                # keystoneauth1 reads, decodes and parses all that is JSON for a log that the shell
                # throws away, however much there is of it.
                log=False,
                timeout=self.timeout if session.timeout is None else session.timeout,
                requests_auth=address.credentials,
                hooks={"response": [*session.session.hooks["response"], redirect]},
                **options,
            )
        if LOG.isEnabledFor(logging.DEBUG):
            shown = {name: x for name, x in response.headers.items() if name != "Set-Cookie"}
            shown |= {"Location": redirect.target} if redirect.target is not None else {}
            _log("RESP: %s %s", response.status_code, _without_token(response, str(shown)))
        return response, redirect.target

    def _fail(self, method: str, response: requests.Response, action: str) -> NoReturn:
        """Raise the error that an answer stands for."""
        status = response.status_code
        with response:
            body = _beginning(response)
        _log_body(response, body)
        body = _without_token(response, body.decode("latin-1")).encode("latin-1")
        if status == HTTPStatus.MULTIPLE_CHOICES:
            if method == "HEAD":
                listed, _location = self._send("GET", parse(response.url), action, {})
                with listed:
                    body = _beginning(listed)
            raise self._not_available(body)
        headers = response.headers
        request_id = headers.get("X-Openstack-Request-Id") or headers.get("X-Compute-Request-Id")
        if request_id:
            request_id = _without_token(response, request_id)
        said = said_of(body, status, headers, request_id)
        error = http_error(action, status, said, request_id)
        error.retry_after = headers.get("Retry-After")
        raise error

    def _not_available(self, body: bytes) -> ApiNotAvailable:
        """Return the error for a service that answers with the versions that it has."""
        try:
            versions = [str(entry["id"]) for entry in json.loads(body)["versions"]]
        except (ValueError, LookupError, TypeError, RecursionError):
            versions = []
        versions.sort(key=lambda name: [part.zfill(9) for part in _NUMBER.findall(name)])
        offered = printable(", ".join(versions))[:200] or "other versions"
        where = self.shown_endpoint
        if any(version.partition(".")[0] == self._version for version in versions):
            return ApiNotAvailable(
                f"There is no API at {where}, though the service offers {offered}: is the path "
                "before the version right?"
            )
        return ApiNotAvailable(
            f"The service at {where} has no API {self._version}, it offers {offered}: use "
            "'openstack image' for the Image API v2"
        )


def _proxy_of(session: requests.Session, url: str) -> str | None:
    """Return the URL of the proxy that a session asks for another URL."""
    settings = session.merge_environment_settings(url, {}, None, None, None)
    return requests.utils.select_proxy(url, settings["proxies"])


class _Redirect:
    """Takes a redirect's target from an answer.

    Left there, requests would read the whole body, and the target by rules of its own.
    """

    target: str | None = None

    def __call__(self, response: requests.Response, **_options: Any) -> None:
        # A request is sent again with a new token.
        self.target = None
        if response.status_code in _REDIRECTS:
            self.target = response.headers.pop("Location", None)


def _log(text: str, *values: object) -> None:
    """Log what is on the wire, in a form that cannot drive a terminal; it has no secrets."""
    if LOG.isEnabledFor(logging.DEBUG):
        LOG.debug("%s", printable(without_secrets(text % values)))


def _log_body(response: requests.Response, body: bytes) -> None:
    """Log the beginning of a body; it is cut when its secrets are out, which a cut would hide."""
    if LOG.isEnabledFor(logging.DEBUG):
        text = _without_token(response, body[:_LARGEST_ERROR].decode("latin-1"))
        LOG.debug("Body: %r", without_secrets(text)[:_LOGGED])


def _without_token(response: requests.Response, text: str) -> str:
    """Return text of an answer without the token, which a service may have put into it."""
    token = response.request.headers.get("X-Auth-Token")
    if isinstance(token, bytes):
        token = token.decode("latin-1")
    return text.replace(token, "***") if token else text


def _beginning(response: requests.Response) -> bytes:
    """Return up to 64 KiB of a body; an error's body that breaks off still says something."""
    body = b""
    with contextlib.suppress(BadAnswer, ConnectionFailed, urllib3.exceptions.HTTPError, OSError):
        for piece in pieces_of(response, "", _LARGEST_ERROR):
            body += piece
            if len(body) >= _LARGEST_ERROR:
                break
    return body[:_LARGEST_ERROR]


def path_of(*segments: str) -> str:
    """Return a URL path of segments that cannot lead anywhere else.

    :param segments: fixed words, and IDs from a person or a service
    :raises InvalidInput: if a segment is empty, ``.``, ``..``, no valid text or no text at all
    """
    for segment in segments:
        check_value("an ID", segment, str)
        if segment in ("", ".", ".."):
            raise InvalidInput(f"'{segment}' is no ID")
        if not is_text(segment):
            raise InvalidInput(f"'{printable(segment)}' is no valid text")
    return "".join("/" + quote(segment, safe="") for segment in segments)


class _Settled(requests.Session):
    """A session that reads the environment once for each origin; else it is like another one."""

    def __init__(self, other: requests.Session) -> None:
        super().__init__()
        vars(self).update(vars(other))
        self._settings: dict[tuple[Any, ...], dict[str, Any]] = {}
        self._logins: dict[str, Any] = {}

    def merge_environment_settings(
        self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any
    ) -> Any:
        """Return the settings of a request; see requests."""
        if proxies:
            return super().merge_environment_settings(url, proxies, stream, verify, cert)
        key = (_site_of(url), stream, verify, cert)
        if key not in self._settings:
            found = super().merge_environment_settings(url, proxies, stream, verify, cert)
            self._settings[key] = {**found}
        settings = self._settings[key]
        return {**settings, "proxies": {**settings["proxies"]}}

    def prepare_request(self, request: requests.Request) -> requests.PreparedRequest:
        """Return a request as it is sent; see requests."""
        url = str(request.url)
        if self.trust_env and not (request.auth or self.auth or "@" in url):
            site = _site_of(url)
            if site not in self._logins:
                self._logins[site] = requests.utils.get_netrc_auth(url) or _as_it_is
            request.auth = self._logins[site]
        return super().prepare_request(request)


def _site_of(url: str) -> str:
    return "/".join(url.split("/", 3)[:3])


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Add no login of a netrc file to a request, nor look for one."""
    return request


def keep_connections(session: ksa_session.Session, number: int) -> None:
    """Make a session keep more idle connections to each service, for work done at a time.

    A session keeps ten by default; what is over that is closed after each request, and urllib3
    warns of it. Adapters that others have mounted stay, with all that they do, and a pool that is
    large enough or waits for its turn is left alone.

    What the environment says of proxies and passwords is read once for each origin then: requests
    does that anew for each request, which takes a fifth of its time.

    The commands do this to the shell's session. Whoever brings a session of their own decides.

    :param session: the session; before it is used by several threads
    :param number: how many connections are to be kept
    """
    if type(session.session) is requests.Session:
        session.session = _Settled(session.session)
    for adapter in {id(one): one for one in session.session.adapters.values()}.values():
        if not isinstance(adapter, requests.adapters.HTTPAdapter):
            continue
        settings = adapter.poolmanager.connection_pool_kw
        if settings.get("block") or settings.get("maxsize", 0) >= number:
            continue
        # Its pools have the size that they were made with.
        adapter.close()
        adapter.proxy_manager.clear()
        adapter.init_poolmanager(requests.adapters.DEFAULT_POOLSIZE, number)
