"""The tracks that a command is given as files."""

from __future__ import annotations

from pathlib import Path

import click

from watchbuddy_core.errors import InvalidTrack
from watchbuddy_core.tracks import Track, TrackFormat, format_of, read_track


def track_in(path: Path, *, named: str) -> Track:
    """What a file holds.

    Args:
        named: how it was asked for, such as `--track`.
    """
    format = format_named(path, named=named)
    try:
        return read_track(path.read_bytes(), format)
    except OSError as exc:
        raise click.FileError(str(path), exc.strerror) from exc
    except InvalidTrack as exc:
        raise InvalidTrack(f"{path}: {exc}") from exc


def format_named(path: Path, *, named: str) -> TrackFormat:
    """The format that goes by the ending of a file."""
    try:
        return format_of(path.name)
    except InvalidTrack as exc:
        raise click.BadParameter(str(exc), param_hint=named) from exc
