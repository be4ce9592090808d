"""HTTP as a Twelve Labs platform speaks it: key, time-outs, retries, pages.

Failures are the errors drawn in `transport.errors`.
"""

from __future__ import annotations

import ipaddress
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

from transport.errors import (
    STATUS_ERRORS,
    ApiConnectionError,
    ApiError,
    ApiSetupError,
    ApiStatusError,
    ApiTimeout,
    BadAnswer,
    Conflict,
    ServerError,
)

LONGEST_PAGE = 50  # the most entries the API gives in one page
MOST_STARTS = 3  # of one listing whose page tokens die
# A platform may name the end of its 24-hour window; nobody waits that long in front of a screen.
LONGEST_WAIT_S = 60.0
BACK_OFF = wait_exponential_jitter(initial=0.5, max=LONGEST_WAIT_S, jitter=0.5)
LONGEST_MESSAGE = 500  # characters; a proxy's error page can be any length

T = TypeVar("T")
Json = dict[str, Any]
Fetch = Callable[..., requests.Response]
logger = logging.getLogger(__name__)


class ApiKey(AuthBase):
    """Puts the key on a request, and keeps it out of sight everywhere else."""

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
        """The text with the key struck out."""
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
    """Sends calls to one platform and returns their 2xx answers.

    May be shared by the threads of a pool: each thread gets a `requests` session of its own
    (requests does not promise that a session is safe to share), and `close` closes them all; call
    it when the threads have finished. An address on this machine is called directly, past any
    proxy of the environment. `sleep` is what waits between tries.
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
        """A call that may be repeated: `fetch`, tried again while that may help."""
        return self._retrying()(self.fetch, method, *path, **content)

    def fetch(self, method: str, *path: str, **content: Any) -> requests.Response:
        """One try of one call: its 2xx answer, or the error that fits.

        `content` is what requests takes: params, json, data, headers. Redirects are not followed:
        requests would carry the key along to another host.
        """
        url = "/".join((self.base_url, *(quote(part, safe="") for part in path)))
        try:
            response = self._send(method, url, **content)
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            told = "".join(traceback.format_exception(error))
            cause = error if self._key.hide(told) == told else None
            raise self._no_answer(f"{method} {url}", error) from cause
        if not 200 <= response.status_code < 300:
            raise self._refusal(response)
        return response

    def put_elsewhere(self, url: str, data: Any, headers: Mapping[str, str]) -> requests.Response:
        """One try to put bytes at an address that the platform has signed; its 2xx answer.

        The key is not sent, and the signature in the address is in no error. What an answer
        refuses may be put again at a fresh address, so every failure is an ApiConnectionError.
        """
        place, _, signature = url.partition("?")
        if not place.startswith(("https:", urlsplit(self.base_url).scheme + ":")):
            raise BadAnswer(f"PUT {place}: the address to upload to must begin with https:")
        # Given no auth of its own, requests would take the session's, or a .netrc file's.
        own = {"auth": ApiKey(""), "data": data, "headers": dict(headers)}
        try:
            response = self._send("PUT", url, **own)
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            told = str(self._no_answer(f"PUT {place}", error))
            hidden = told.replace(signature, "***") if signature else told
            raise ApiConnectionError(hidden) from None
        if not 200 <= response.status_code < 300:
            told = _plain(self._text(response)) or response.reason
            hidden = told.replace(signature, "***") if signature else told
            raise ApiConnectionError(f"PUT {place}: {response.status_code}: {hidden}")
        return response

    def get_elsewhere(self, url: str) -> bytes:
        """The bytes at an address that the platform has signed; one try, without the key.

        The signature in the address is in no error.
        """
        place = url.partition("?")[0]
        if not place.startswith(("https:", urlsplit(self.base_url).scheme + ":")):
            raise BadAnswer(f"GET {place}: the address to fetch from must begin with https:")
        try:
            response = self._send("GET", url, auth=ApiKey(""))
        except (requests.RequestException, urllib3.exceptions.HTTPError):
            raise ApiConnectionError(f"GET {place}: no answer") from None
        if response.status_code != 200:
            raise ApiConnectionError(f"GET {place}: {response.status_code} {response.reason}")
        return response.content

    def _send(self, method: str, url: str, **content: Any) -> requests.Response:
        return self._session().request(
            method, url, timeout=self._timeout, allow_redirects=False, **content
        )

    def retry(self, attempt: Callable[[], T]) -> T:
        """What `attempt` returns, called again while its error says that this may help."""
        return self._retrying()(attempt)

    def send_once(self, send: Callable[[], str], look: Callable[[], str | None]) -> str:
        """Send what must not be accepted twice and return its id.

        Whenever an answer got lost, `look` says under which id it was accepted, None if it was
        not; only then is it sent again. Both make their calls by `fetch`: the tries are made here.
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
        """The answer's JSON object, with a string under each needed key; else raises BadAnswer."""
        kind = response.headers.get("Content-Type") or "no content type"
        try:
            answer = response.json() if "json" in kind else None
        except ValueError:
            answer = None
        if answer is None:
            text = self._key.hide(_plain(self._text(response)) or "nothing")
            message = f"an answer in JSON was due; there came ({kind}): {text}"
            raise BadAnswer(f"{call_of(response)}: {message}")
        if not isinstance(answer, dict):
            raise BadAnswer(f"{call_of(response)}: the answer is no JSON object")
        for key in needed:
            if not isinstance(answer.get(key), str):
                raise BadAnswer(f"{call_of(response)}: the answer has no string {key!r}")
        return answer

    def items(
        self, fetch: Fetch, path: tuple[str, ...], filters: Json, id_key: str = "_id"
    ) -> Iterator[Json]:
        """The entries of all numbered pages, each once: pages may shift while they are read."""
        seen: set[str] = set()
        page = 1
        while True:
            params = {"page_limit": LONGEST_PAGE, **filters, "page": page}
            response = fetch("GET", *path, params=params)
            answer = self.json(response)
            fresh = unseen(answer, id_key, seen, call_of(response))
            yield from fresh
            info = answer.get("page_info")
            pages = info.get("total_page") if isinstance(info, dict) else None
            if not isinstance(pages, int):
                raise BadAnswer(f"{call_of(response)}: the answer has no 'page_info.total_page'")
            if page >= pages:
                return
            if not fresh:
                message = f"page {page} of {pages} brings nothing that earlier pages did not"
                raise BadAnswer(f"{call_of(response)}: {message}")
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
            session.trust_env = not _on_this_machine(self.base_url)
            session.headers["Accept"] = "application/json"
            for scheme in ("http://", "https://"):
                session.mount(scheme, ClosingAdapter())
            self._local.session = session
            with self._lock:
                self._sessions.append(session)
        return session

    def _no_answer(self, call: str, error: Exception) -> ApiError:
        chain = list(_chain(error))
        reason = self._key.hide(f"{type(error).__name__}: {chain[-1]}")
        if any(isinstance(link, TimeoutError | requests.Timeout) for link in chain):
            connect_s, read_s = self._timeout
            waits = f"{connect_s:g} s to connect, {read_s:g} s to answer"
            return ApiTimeout(f"{call}: no answer in time ({waits}): {reason}")
        if isinstance(error, requests.ConnectionError | requests.exceptions.ChunkedEncodingError):
            hint = "is the platform running, and API_URL right?"
            return ApiConnectionError(f"{call}: no whole answer ({hint}): {reason}")
        return ApiError(f"{call}: cannot be sent, or its answer read: {reason}")

    def _refusal(self, response: requests.Response) -> ApiStatusError:
        status = response.status_code
        code, message = _code_and_message(self._text(response), response.reason)
        if 300 <= status < 400:
            place = response.headers.get("Location", "elsewhere")
            message = f"redirects to {place}, which is not followed: put that address in API_URL"
        kind = STATUS_ERRORS.get(status) or (ServerError if status >= 500 else ApiStatusError)
        code, message = (self._key.hide(text)[:LONGEST_MESSAGE] for text in (code, message))
        return kind(status, code, message, call_of(response), _retry_after_s(response))

    def _text(self, response: requests.Response) -> str:
        # The key is struck out before anything is cut off: half a key is too much as well.
        return self._key.hide(response.content.decode("utf-8", "replace"))


def checked_url(api_url: str) -> str:
    """The address without a trailing slash; raises ApiSetupError where it is not one to call."""
    example = "give one like https://api.twelvelabs.io/v1.3"
    try:
        parts = urlsplit(api_url.strip().rstrip("/"))
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        raise ApiSetupError(f"API_URL={api_url!r} is not an address: {example}") from None
    if parts.username is not None:
        raise ApiSetupError(f"API_URL holds a user name: the key belongs in API_KEY; {example}")
    if not usable or parts.query or parts.fragment:
        raise ApiSetupError(f"API_URL={api_url!r} is not a plain web address: {example}")
    return parts.geturl()


def unseen(answer: Json, id_key: str, seen: set[str], call: str) -> list[Json]:
    """The entries of the answer's `data` whose id is not in `seen` yet; adds their ids to it."""
    entries = answer.get("data", "absent")
    if not isinstance(entries, list | None):
        raise BadAnswer(f"{call}: the answer has no list 'data'")
    fresh = []
    for entry in entries or ():
        entry_id = entry.get(id_key) if isinstance(entry, dict) else None
        if not isinstance(entry_id, str):
            raise BadAnswer(f"{call}: an entry of 'data' has no {id_key!r}")
        if entry_id not in seen:
            seen.add(entry_id)
            fresh.append(entry)
    return fresh


class TokenDied(Exception):
    """A page token is no longer taken; `error` is how the platform said so."""

    def __init__(self, error: ApiError) -> None:
        super().__init__(error)
        self.error = error


def all_pages(read: Callable[[], T]) -> T:
    """What `read` makes of all pages; from the first one again where a page token has died."""
    for starts_left in reversed(range(MOST_STARTS)):
        try:
            return read()
        except TokenDied as died:
            if not starts_left:
                raise died.error from None
    raise AssertionError("the last start returns or raises")


def call_of(response: requests.Response) -> str:
    """The call that an answer belongs to, for messages: method and address without its query."""
    return f"{response.request.method} {response.url.partition('?')[0]}"


def _on_this_machine(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _wait_s(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked_s = getattr(error, "retry_after_s", None) or 0.0
    return min(asked_s + BACK_OFF(state), LONGEST_WAIT_S)


def _log_retry(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    logger.warning("%s; trying again in %.1f s", error, state.upcoming_sleep)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what lies under it, down to the operating system's own."""
    while isinstance(error, OSError | HTTPException | urllib3.exceptions.HTTPError):
        yield error
        error = error.__cause__ or error.__context__


def _code_and_message(body: str, reason: str) -> tuple[str, str]:
    """What an error answer says, whatever its form: the API's object, a bare string, a page."""
    try:
        answer = json.loads(body)
    except ValueError:
        answer = None
    if isinstance(answer, dict) and isinstance(answer.get("error"), dict):
        answer = answer["error"]  # v1.3 wraps what it says of analyses
    if isinstance(answer, dict) and answer.get("message"):
        return str(answer.get("code") or ""), str(answer["message"])
    text = answer if isinstance(answer, str) else _plain(body)
    return "", text or reason or "no reason given"


def _plain(page: str) -> str:
    """The words of an answer that should have been JSON and may be a proxy's page."""
    text = page[: 40 * LONGEST_MESSAGE]
    text = re.sub(r"(?is)<(script|style)\b.*?</\1>|<[^<>]*>", " ", text)
    return " ".join(text.split())[:LONGEST_MESSAGE]


def _retry_after_s(response: requests.Response) -> float | None:
    """Seconds that the platform asks to wait; None where it does not say.

    Points in time are compared with the answer's own Date where it has one: the two clocks may
    differ.
    """
    headers = response.headers
    asked = headers.get("Retry-After", "")
    if (seconds := _number(asked)) is not None:
        return seconds
    due = _timestamp(asked)
    if due is None and response.status_code == 429:  # other answers carry the reset as well
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
