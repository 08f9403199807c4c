"""What lies where in the data folder."""

from __future__ import annotations

from pathlib import Path

from watchbuddy_core.characters.folder import CardFolder
from watchbuddy_core.settings import Settings


def card_folder(settings: Settings) -> CardFolder:
    """Where characters are kept that were brought along."""
    return CardFolder(settings.data_dir / "characters", most=settings.limits.characters)


def sessions_file(settings: Settings) -> Path:
    """Where sessions are kept that outlive the program."""
    return settings.data_dir / "sessions.sqlite"


def uploads_folder(settings: Settings) -> Path:
    """Where uploads are kept."""
    return settings.data_dir / "uploads"
