"""The root of all errors that a user can repair.

A command prints the message of such an error and ends; the page shows it. Any other exception is a
bug and keeps its traceback.
"""

from __future__ import annotations


class UserError(Exception):
    """An error whose message says what is wrong, where, and how the user can repair it.

    Attributes:
        title: what is wrong in a few words, the heading above the message on the page.
        page_status: the HTTP status of the page's response. It is not the `status` of an
            ApiStatusError, which is that of a platform's response.
    """

    title = "That cannot be done"
    page_status = 400
