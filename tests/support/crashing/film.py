"""What is watched, and where."""

from __future__ import annotations

from pathlib import Path

from watchbuddy_core.clips import Picture, Shot, make_clip

FILM_SECONDS = 180
"""Three windows."""
START, END = 38.0, 54.0
"""What viewers watch of it, in media seconds."""


def make_film(folder: Path) -> None:
    """With subtitles: then nobody has to listen for who speaks."""
    folder.mkdir()
    pictures = list(Picture)
    shots = [Shot(10.0, pictures[i % len(pictures)]) for i in range(FILM_SECONDS // 10)]
    make_clip(folder / "film.mp4", shots, size=(64, 36), frame_rate=5)
    cues = [
        f"{i}\n{_srt_time(at)},000 --> {_srt_time(at + 1)},000\nWell.\n"
        for i, at in enumerate(range(5, FILM_SECONDS, 20), 1)
    ]
    (folder / "film.en.srt").write_text("\n".join(cues), encoding="utf-8")


def _srt_time(seconds: int) -> str:
    return f"00:{seconds // 60:02}:{seconds % 60:02}"
