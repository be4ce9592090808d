"""The root of all errors that a user can repair.

Each command ends with the message of such an error, and the page answers with it. Any other
exception is a fault of the program and keeps its traceback.
"""

from __future__ import annotations


class UserError(Exception):
    """What is wrong can be repaired by the user: the message says what, where, and how.

    Attributes:
        title: what is wrong in a few words, as the heading over the message on the page.
        page_status: the HTTP status with which the page answers. Not to be mixed up with `status`
            of `transport.errors.ApiStatusError`, which is what a platform answered.
    """

    title = "That cannot be done"
    page_status = 400
