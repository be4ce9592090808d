"""Why a platform is not used, or not for this: errors that are no failures of a call."""

from __future__ import annotations

from core.errors import UserError


class PlatformUnavailable(UserError):
    """No platform can be opened with these settings; the message says what to set."""

    title = "The platform cannot be opened"
    page_status = 503


class NotSupported(UserError):
    """This platform cannot do what was asked; the message says what that is."""

    title = "Not supported on this platform"
    page_status = 501
    retryable = False


class SpendingRefused(UserError):
    """It would cost more than was confirmed; the message says how much, and how to confirm it."""

    title = "The costs are not confirmed"
    page_status = 402
