"""The platform's HTTP face, v1.1 and v1.2: routes, authentication, error bodies, limits.

Nothing below this package knows HTTP. Views parse nothing and decide nothing: `routing` gives them
what their signatures ask for, checked, and renders what they return.
"""

from engine.api.app import create_app
from engine.api.state import ApiOptions

__all__ = ["ApiOptions", "create_app"]
