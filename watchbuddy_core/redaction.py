"""Keys do not leave the program: what is logged or told is freed of them first."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping

_HIDDEN = "***"
_SHORTEST = 8
"""Letters of a value that may be a key: a shorter one stands in every other word."""
_NAMES = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)S?$", re.IGNORECASE)
"""What variables are called that hold a key."""
_LOOK_ALIKE = re.compile(
    r"""
      \b(?:sk|pk|rk|gsk|xai|r8|hf|ghp|gho|glpat|wb|wbt)[-_][\w-]{8,}     # as providers begin them
    | \bAIza[\w-]{20,}
    | \b(?:AKIA|ASIA)[A-Z0-9]{12,}
    | \beyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]+                         # a JSON web token
    | (?<=bearer\ )\S+ | (?<=basic\ )[\w+/]{16,}=*
    | (?<=://)[^/\s@]+(?=@)                                       # a user and a password in a URL
    | (?<=[?&;]key=)[^&\s"']+ | (?<=api_key=)[^&\s"']+ | (?<=access_token=)[^&\s"']+
    | (?<=[?&;]ticket=)[^&\s"']+
    | (?<=api-key:\ )\S+ | (?<=apikey:\ )\S+
    """,
    re.VERBOSE | re.IGNORECASE,
)


def redacted(text: str, environment: Mapping[str, str] = os.environ) -> str:
    """The text without the values of the environment's keys, and what looks like a key."""
    values = {
        value
        for name, value in environment.items()
        if len(value) >= _SHORTEST and _NAMES.search(name)
    }
    for value in sorted(values, key=len, reverse=True):
        text = text.replace(value, _HIDDEN)
    return _LOOK_ALIKE.sub(_HIDDEN, text)


def without_password(url: str) -> str:
    """The URL without the user and the password that may stand in it; another text as it is."""
    return re.sub(r"(?<=://)[^/?#\s]*(?=@)", _HIDDEN, url)


class Redaction(logging.Formatter):
    """Formats as another formatter does, and keeps keys out of what it says.

    Whole records: the message, its arguments and the traceback.
    """

    def __init__(self, formatter: logging.Formatter) -> None:
        super().__init__()
        self._formatter = formatter

    def format(self, record: logging.LogRecord) -> str:
        return redacted(self._formatter.format(record))
