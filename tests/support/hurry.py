"""Tests ask for things faster than people do."""

from watchbuddy_core.settings import Limits

HURRIED = Limits(
    creations_per_minute=1e6,
    creations_per_minute_per_address=1e6,
    uploads_per_minute=1e6,
    requests_per_minute=1e6,
    connects_per_minute=1e6,
    messages_per_second=1e6,
)
"""The limits of a server, but for how often something may be asked for."""
