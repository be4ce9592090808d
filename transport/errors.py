"""What can go wrong between a client and a Twelve Labs platform.

Every failure of a call is one of these errors. `retryable` says whether the same call may succeed
later. By the time such an error is raised, the call has been retried `max_retries` times, with
growing, jittered waits on top of those that the platform asked for:

    ApiError                        raised itself for a call that could not be made at all
    +-- ApiSetupError               a URL or key that cannot be used
    +-- BadResponse                 a response that breaks the API's contract
    +-- ApiConnectionError          no response, or part of one                       retryable
    |   +-- ApiTimeout              no response in time                               retryable
    +-- ApiStatusError              a refusal: HTTP status, code, message
        +-- BadRequest              400, 422
        +-- AuthError               401, 403
        +-- NotFound                404
        +-- Conflict                409
        +-- RateLimited             429, with retry_after_s                           retryable
        +-- ServerError             5xx                                               retryable
"""

from __future__ import annotations

from collections.abc import Mapping

from core.errors import UserError

# The account lacks something, so no other video would fare better.
PLAN_CODES = frozenset(
    ("usage_limit_exceeded", "insufficient_funds", "api_allowed_for_paid_plan", "api_not_allowed")
)
REPAIRS = dict.fromkeys(
    PLAN_CODES, " (the plan of this account does not allow it: check its limits, or upgrade)"
)


class ApiError(UserError):
    """Any failure of a call."""

    title = "A call to the platform failed"
    page_status = 503

    retryable = False


class ApiSetupError(ApiError):
    """The URL or the key cannot be used; the message says how to repair it."""


class BadResponse(ApiError):
    """The response breaks the API's contract: it is not JSON, lacks a key, or repeats a page."""


class ApiConnectionError(ApiError):
    """There was no response, or only part of one."""

    retryable = True


class ApiTimeout(ApiConnectionError):
    """There was no response in time."""


class ApiStatusError(ApiError):
    """The platform refused, with an HTTP status and a code of its own ("" if it gave none)."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        call: str = "",
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(status, code, message, call, retry_after_s)
        self.status = status
        self.code = code
        self.message = message
        self.call = call
        self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        call = f"{self.call}: " if self.call else ""
        code = f" {self.code}" if self.code else ""
        return f"{call}{self.status}{code}: {self.message}{self.repair()}"

    def repair(self) -> str:
        """How to repair it, as the end of the message."""
        return REPAIRS.get(self.code, "")


class BadRequest(ApiStatusError):
    """400 or 422: the platform will never accept this request."""


class AuthError(ApiStatusError):
    """401 or 403: the key is missing, wrong, or not allowed to do this."""

    def repair(self) -> str:
        return super().repair() or " (check API_KEY: it may be wrong, or have expired)"


class NotFound(ApiStatusError):
    """404: no such index, task, video or URL."""


class Conflict(ApiStatusError):
    """409: the name is taken, or the resource is in use."""


class RateLimited(ApiStatusError):
    """429: too many calls; `retry_after_s` is the wait asked for, None if none was given."""

    retryable = True

    def repair(self) -> str:
        return f" (try again in {self.retry_after_s:.0f} s)" if self.retry_after_s else ""


class ServerError(ApiStatusError):
    """5xx: the platform, or a proxy in front of it, is failing."""

    retryable = True


STATUS_ERRORS: Mapping[int, type[ApiStatusError]] = {
    400: BadRequest,
    401: AuthError,
    403: AuthError,
    404: NotFound,
    409: Conflict,
    422: BadRequest,
    429: RateLimited,
}
