"""What was logged that somebody has to read."""

from __future__ import annotations

import logging

import pytest


def warnings_in(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """Warnings, and what is worse."""
    return [record for record in caplog.records if record.levelno >= logging.WARNING]
