"""HTTP as a Twelve Labs platform speaks it: key, timeouts, retries, pages.

Failures are the errors drawn in `transport.errors`.
"""

from __future__ import annotations

import json
import logging
import re
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    wait_exponential_jitter,
)

from core.addresses import is_loopback
from transport.errors import (
    STATUS_ERRORS,
    ApiConnectionError,
    ApiError,
    ApiSetupError,
    ApiStatusError,
    ApiTimeout,
    BadResponse,
    Conflict,
    ServerError,
)

LONGEST_PAGE = 50  # the most entries that the API gives in one page
MAX_LISTINGS = 3  # of the same pages, when their tokens expire while they are read
# A rate limit may last until the end of a 24-hour window: too long for somebody who is waiting.
LONGEST_WAIT_S = 60.0
BACK_OFF = wait_exponential_jitter(initial=0.5, max=LONGEST_WAIT_S, jitter=0.5)
LONGEST_MESSAGE = 500  # characters; a proxy's error page can be any length

T = TypeVar("T")
Json = dict[str, Any]
Fetch = Callable[..., requests.Response]
logger = logging.getLogger(__name__)


class ApiKey(AuthBase):
    """Adds the key to a request, and hides it everywhere else."""

    def __init__(self, key: str) -> None:
        # requests refuses the rest as well, but quotes the key when it does.
        if not re.fullmatch("[!-~]*", key):
            raise ApiSetupError(
                "API_KEY holds a space, a line break or a letter outside ASCII: copy it again"
            )
        self._key = key

    def __repr__(self) -> str:
        return "<key>" if self._key else "<no key>"

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._key:
            request.headers["x-api-key"] = self._key
        return request

    def hide(self, text: str) -> str:
        """The text with the key replaced by asterisks."""
        return text.replace(self._key, "***") if self._key else text


class ClosingAdapter(HTTPAdapter):
    """Closes its connections when it is closed.

    urllib3 2 waits until nothing refers to them any more, and the traceback of an error does.
    """

    def close(self) -> None:
        for manager in (self.poolmanager, *self.proxy_manager.values()):
            for key in manager.pools.keys():  # noqa: SIM118 - it cannot be iterated
                manager.pools[key].close()
        super().close()


class Transport:
    """Sends calls to one platform and returns its 2xx responses.

    May be shared by the threads of a pool: each thread gets a `requests` session of its own
    (requests does not promise that a session is safe to share), and `close` closes them all; call
    it when the threads have finished. A platform on this machine is called directly, without the
    environment's proxy. `sleep` waits between tries.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        connect_timeout_s: float,
        read_timeout_s: float,
        max_retries: int,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.base_url = checked_url(base_url)
        self._key = ApiKey(api_key)
        self._timeout = (connect_timeout_s, read_timeout_s)
        self._max_retries = max_retries
        self._sleep = sleep
        self._local = threading.local()
        self._sessions: list[requests.Session] = []
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close the connections of all threads; a later call opens new ones."""
        with self._lock:
            sessions, self._sessions = self._sessions, []
            self._local = threading.local()
        for session in sessions:
            session.close()

    def call(self, method: str, *path: str, **content: Any) -> requests.Response:
        """`fetch`, retried while that may help; for calls that may be repeated."""
        return self._retrying()(self.fetch, method, *path, **content)

    def fetch(self, method: str, *path: str, **content: Any) -> requests.Response:
        """One try of one call: returns a 2xx response, or raises the error that fits.

        `content` is what requests takes: params, json, data, headers. Redirects are not followed:
        requests would send the key along to another host.
        """
        url = "/".join((self.base_url, *(quote(part, safe="") for part in path)))
        try:
            response = self._send(method, url, **content)
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            told = "".join(traceback.format_exception(error))
            cause = error if self._key.hide(told) == told else None
            raise self._no_response(f"{method} {url}", error) from cause
        if not 200 <= response.status_code < 300:
            raise self._refusal(response)
        return response

    def put_presigned(self, url: str, data: Any, headers: Mapping[str, str]) -> requests.Response:
        """One try to upload bytes to a presigned URL; its 2xx response.

        The key is not sent, and the signature in the URL appears in no error. After any failure the
        bytes may be sent to a new URL, so every failure is an ApiConnectionError.
        """
        place, _, signature = url.partition("?")
        if not place.startswith(("https:", urlsplit(self.base_url).scheme + ":")):
            raise BadResponse(f"PUT {place}: a presigned URL must begin with https:")
        # Given no auth of its own, requests would take the session's, or a .netrc file's.
        own = {"auth": ApiKey(""), "data": data, "headers": dict(headers)}
        try:
            response = self._send("PUT", url, **own)
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            told = str(self._no_response(f"PUT {place}", error))
            hidden = told.replace(signature, "***") if signature else told
            raise ApiConnectionError(hidden) from None
        if not 200 <= response.status_code < 300:
            told = _plain(self._text(response)) or response.reason
            hidden = told.replace(signature, "***") if signature else told
            raise ApiConnectionError(f"PUT {place}: {response.status_code}: {hidden}")
        return response

    def get_presigned(self, url: str) -> bytes:
        """The bytes at a presigned URL; one try, without the key.

        The signature in the URL appears in no error.
        """
        place = url.partition("?")[0]
        if not place.startswith(("https:", urlsplit(self.base_url).scheme + ":")):
            raise BadResponse(f"GET {place}: a presigned URL must begin with https:")
        try:
            response = self._send("GET", url, auth=ApiKey(""))
        except (requests.RequestException, urllib3.exceptions.HTTPError):
            raise ApiConnectionError(f"GET {place}: no response") from None
        if response.status_code != 200:
            raise ApiConnectionError(f"GET {place}: {response.status_code} {response.reason}")
        return response.content

    def _send(self, method: str, url: str, **content: Any) -> requests.Response:
        return self._session().request(
            method, url, timeout=self._timeout, allow_redirects=False, **content
        )

    def retry(self, attempt: Callable[[], T]) -> T:
        """What `attempt` returns; it is retried while its error is `retryable`."""
        return self._retrying()(attempt)

    def send_once(self, send: Callable[[], str], look: Callable[[], str | None]) -> str:
        """Send what must not be accepted twice, and return its id.

        Whenever a response was lost, `look` finds the id under which the platform accepted it, None
        if it did not; only then is it sent again. Both call `fetch`: the retries are made here.
        """
        in_doubt = False

        def attempt() -> str:
            nonlocal in_doubt
            if in_doubt and (found := look()):
                return found
            try:
                return send()
            except (ApiConnectionError, ServerError):
                in_doubt = True
                raise
            except Conflict:
                if in_doubt and (found := look()):  # accepted between the look and this try
                    return found
                raise

        try:
            return self._retrying()(attempt)
        except (ApiConnectionError, ServerError):
            with suppress(ApiError):
                if found := look():
                    return found
            raise

    def json(self, response: requests.Response, *needed: str) -> Json:
        """The response's JSON object, with a string under each needed key; or BadResponse."""
        kind = response.headers.get("Content-Type") or "no content type"
        try:
            body = response.json() if "json" in kind else None
        except ValueError:
            body = None
        if body is None:
            text = self._key.hide(_plain(self._text(response)) or "nothing")
            message = f"the response should be JSON, but is ({kind}): {text}"
            raise BadResponse(f"{call_of(response)}: {message}")
        if not isinstance(body, dict):
            raise BadResponse(f"{call_of(response)}: the response is not a JSON object")
        for key in needed:
            if not isinstance(body.get(key), str):
                raise BadResponse(f"{call_of(response)}: the response has no string {key!r}")
        return body

    def items(
        self, fetch: Fetch, path: tuple[str, ...], filters: Json, id_key: str = "_id"
    ) -> Iterator[Json]:
        """The entries of all numbered pages, each once, though pages may shift while being read."""
        seen: set[str] = set()
        page = 1
        while True:
            params = {"page_limit": LONGEST_PAGE, **filters, "page": page}
            response = fetch("GET", *path, params=params)
            body = self.json(response)
            fresh = new_entries(body, id_key, seen, call_of(response))
            yield from fresh
            info = body.get("page_info")
            pages = info.get("total_page") if isinstance(info, dict) else None
            if not isinstance(pages, int):
                raise BadResponse(
                    f"{call_of(response)}: the response has no 'page_info.total_page'"
                )
            if page >= pages:
                return
            if not fresh:
                message = f"page {page} of {pages} only repeats entries of earlier pages"
                raise BadResponse(f"{call_of(response)}: {message}")
            page += 1

    def _retrying(self) -> Retrying:
        return Retrying(
            retry=retry_if_exception(lambda error: getattr(error, "retryable", False)),
            stop=stop_after_attempt(self._max_retries + 1),
            wait=_wait_s,
            sleep=self._sleep,
            before_sleep=_log_retry,
            reraise=True,
        )

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = requests.Session()
            session.auth = self._key
            session.trust_env = not is_local(self.base_url)
            session.headers["Accept"] = "application/json"
            for scheme in ("http://", "https://"):
                session.mount(scheme, ClosingAdapter())
            self._local.session = session
            with self._lock:
                self._sessions.append(session)
        return session

    def _no_response(self, call: str, error: Exception) -> ApiError:
        chain = list(_chain(error))
        reason = self._key.hide(f"{type(error).__name__}: {chain[-1]}")
        if any(isinstance(link, TimeoutError | requests.Timeout) for link in chain):
            connect_s, read_s = self._timeout
            waits = f"{connect_s:g} s to connect, {read_s:g} s to respond"
            return ApiTimeout(f"{call}: no response in time ({waits}): {reason}")
        if isinstance(error, requests.ConnectionError | requests.exceptions.ChunkedEncodingError):
            hint = "is the platform running, and API_URL right?"
            return ApiConnectionError(f"{call}: no complete response ({hint}): {reason}")
        return ApiError(f"{call}: cannot be sent, or its response cannot be read: {reason}")

    def _refusal(self, response: requests.Response) -> ApiStatusError:
        status = response.status_code
        code, message = _code_and_message(self._text(response), response.reason)
        if 300 <= status < 400:
            place = response.headers.get("Location", "another URL")
            message = f"redirects to {place}, which is not followed: set API_URL to that address"
        kind = STATUS_ERRORS.get(status) or (ServerError if status >= 500 else ApiStatusError)
        code, message = (self._key.hide(text)[:LONGEST_MESSAGE] for text in (code, message))
        return kind(status, code, message, call_of(response), _retry_after_s(response))

    def _text(self, response: requests.Response) -> str:
        # The key is hidden before the text is cut: half a key is too much as well.
        return self._key.hide(response.content.decode("utf-8", "replace"))


def checked_url(api_url: str) -> str:
    """The URL without a trailing slash; raises ApiSetupError if it cannot be called."""
    example = "use one like https://api.twelvelabs.io/v1.3"
    try:
        parts = urlsplit(api_url.strip().rstrip("/"))
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        raise ApiSetupError(f"API_URL={api_url!r} is not a URL: {example}") from None
    if parts.username is not None:
        raise ApiSetupError(f"API_URL contains a user name: put the key in API_KEY; {example}")
    if not usable or parts.query or parts.fragment:
        raise ApiSetupError(f"API_URL={api_url!r} is not a plain web address: {example}")
    return parts.geturl()


def new_entries(body: Json, id_key: str, seen: set[str], call: str) -> list[Json]:
    """The entries of a response's `data` whose ids are not in `seen`, which they are added to."""
    entries = body.get("data", "absent")
    if not isinstance(entries, list | None):
        raise BadResponse(f"{call}: the response has no list 'data'")
    fresh = []
    for entry in entries or ():
        entry_id = entry.get(id_key) if isinstance(entry, dict) else None
        if not isinstance(entry_id, str):
            raise BadResponse(f"{call}: an entry of 'data' has no {id_key!r}")
        if entry_id not in seen:
            seen.add(entry_id)
            fresh.append(entry)
    return fresh


class PageTokenExpired(Exception):
    """The platform refuses a page token; `error` is its refusal."""

    def __init__(self, error: ApiError) -> None:
        super().__init__(error)
        self.error = error


def all_pages(read: Callable[[], T]) -> T:
    """What `read` makes of all pages; it starts anew when a page token has expired."""
    for starts_left in reversed(range(MAX_LISTINGS)):
        try:
            return read()
        except PageTokenExpired as expired:
            if not starts_left:
                raise expired.error from None
    raise AssertionError("the last start returns or raises")


def call_of(response: requests.Response) -> str:
    """The call that a response belongs to, for messages: method and URL without its query."""
    return f"{response.request.method} {response.url.partition('?')[0]}"


def is_local(url: str) -> bool:
    """Whether a URL names this machine."""
    return is_loopback(urlsplit(url).hostname or "")


def _wait_s(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked_s = getattr(error, "retry_after_s", None) or 0.0
    return min(asked_s + BACK_OFF(state), LONGEST_WAIT_S)


def _log_retry(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    logger.warning("%s; trying again in %.1f s", error, state.upcoming_sleep)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and its causes, down to the operating system's."""
    while isinstance(error, OSError | HTTPException | urllib3.exceptions.HTTPError):
        yield error
        error = error.__cause__ or error.__context__


def _code_and_message(body: str, reason: str) -> tuple[str, str]:
    """What an error response says, be it the API's object, a bare string or a page."""
    try:
        error = json.loads(body)
    except ValueError:
        error = None
    if isinstance(error, dict) and isinstance(error.get("error"), dict):
        error = error["error"]  # v1.3 wraps the errors of analyses
    if isinstance(error, dict) and error.get("message"):
        return str(error.get("code") or ""), str(error["message"])
    text = error if isinstance(error, str) else _plain(body)
    return "", text or reason or "no reason given"


def _plain(page: str) -> str:
    """The text of a response that should have been JSON and may be a proxy's page."""
    text = page[: 40 * LONGEST_MESSAGE]
    text = re.sub(r"(?is)<(script|style)\b.*?</\1>|<[^<>]*>", " ", text)
    return " ".join(text.split())[:LONGEST_MESSAGE]


def _retry_after_s(response: requests.Response) -> float | None:
    """Seconds that the platform asks to wait; None if it does not say.

    Points in time are compared with the response's own Date if it has one: the clocks of the two
    machines may differ.
    """
    headers = response.headers
    asked = headers.get("Retry-After", "")
    if (seconds := _number(asked)) is not None:
        return seconds
    due = _timestamp(asked)
    if due is None and response.status_code == 429:  # other responses have the header as well
        due = _number(headers.get("X-Ratelimit-Reset", ""))
    now = _timestamp(headers.get("Date", "")) or time.time()
    return None if due is None else max(due - now, 0.0)


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"\s*[0-9]+(\.[0-9]+)?\s*", text) else None


def _timestamp(http_date: str) -> float | None:
    try:
        return parsedate_to_datetime(http_date).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None
