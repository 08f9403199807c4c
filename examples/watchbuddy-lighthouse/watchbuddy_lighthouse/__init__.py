"""Two characters for AI Watch Buddy."""

from pathlib import Path

PEOPLE = Path(__file__).parent / "people"
"""The folder with the character files."""
