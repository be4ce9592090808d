"""What can go wrong between a client and a Twelve Labs platform.

Every failure of a call is one of these errors. `retryable` says whether the same call may succeed
later; by then it has been tried again `max_retries` times, with growing and jittered waits on top
of those the platform asked for:

    ApiError                        also on its own, for a call that could not be made at all
    +-- ApiSetupError               an address or key that cannot be used
    +-- BadAnswer                   an answer that is not what the API promises
    +-- ApiConnectionError          no answer, or half of one                         retryable
    |   +-- ApiTimeout              no answer in time                                 retryable
    +-- ApiStatusError              an answer that says no: status, code, message
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

# What the account lacks, whatever is asked of it: trying with another video helps nobody.
PLAN_CODES = frozenset(
    ("usage_limit_exceeded", "insufficient_funds", "api_allowed_for_paid_plan", "api_not_allowed")
)
REPAIRS = dict.fromkeys(
    PLAN_CODES, " (the plan of this account does not allow it: see its limits, or upgrade)"
)


class ApiError(UserError):
    """Any failure of a call."""

    title = "The platform did not answer as hoped"
    page_status = 503

    retryable = False


class ApiSetupError(ApiError):
    """The address or the key cannot be used; the message says how to repair it."""


class BadAnswer(ApiError):
    """The answer is not what the API promises: not JSON, a key is missing, pages go round."""


class ApiConnectionError(ApiError):
    """No answer came, or only half of one."""

    retryable = True


class ApiTimeout(ApiConnectionError):
    """No answer came in time."""


class ApiStatusError(ApiError):
    """The platform said no, with an HTTP status and its own code ("" where it gave none)."""

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
        """What to do about it, as the end of the message."""
        return REPAIRS.get(self.code, "")


class BadRequest(ApiStatusError):
    """400 or 422: the platform does not take this request at any time."""


class AuthError(ApiStatusError):
    """401 or 403: the key is missing, wrong, or not allowed to do this."""

    def repair(self) -> str:
        return super().repair() or " (check API_KEY: it may be wrong, or have expired)"


class NotFound(ApiStatusError):
    """404: no such index, task, video or address."""


class Conflict(ApiStatusError):
    """409: the name is taken, or the thing is in use."""


class RateLimited(ApiStatusError):
    """429: too many calls; `retry_after_s` is the wait asked for, None where it is not said."""

    retryable = True

    def repair(self) -> str:
        return f" (try again in {self.retry_after_s:.0f} s)" if self.retry_after_s else ""


class ServerError(ApiStatusError):
    """5xx: the platform, or a proxy before it, is in trouble."""

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
