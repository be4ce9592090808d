"""Serves the platform over HTTP as API v1.1 and v1.2: routes, authentication, errors, limits.

Nothing below this package knows HTTP. Views neither parse nor validate: `routing` passes them what
their signatures declare, already validated, and renders what they return.
"""

from engine.api.app import create_app
from engine.api.state import ApiOptions

__all__ = ["ApiOptions", "create_app"]
