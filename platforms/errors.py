"""Why a platform is not used, or not for this: errors before any call has failed."""

from __future__ import annotations

from core.errors import UserError


class PlatformUnavailable(UserError):
    """No platform can be opened with these settings; the message says what to set."""

    title = "The platform cannot be opened"
    page_status = 503


class NotSupported(UserError):
    """This platform cannot do what was asked, whatever is tried; the message names it."""

    title = "Not supported on this platform"
    page_status = 501
    retryable = False


class SpendingRefused(UserError):
    """It would cost more than was agreed to; the message says how much, and how to agree."""

    title = "Not agreed to the costs"
    page_status = 402
