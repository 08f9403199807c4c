"""What a program can be told: one frozen tree, made from arguments."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from watchbuddy_core.actions import Density


def user_data_dir(environment: Mapping[str, str] = os.environ) -> Path:
    """Where programs of this user keep their data on this system. Creates nothing."""
    if sys.platform == "win32":
        base = Path(environment.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(environment.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return base / "watchbuddy"


class Limits(BaseModel):
    """How much a program takes on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    preparing: int = Field(default=4, gt=0)
    """Pieces of preparation (a video looked through, a window scripted) done at a time."""
    waiting: int = Field(default=64, gt=0)
    """Sessions that may wait for that. More are refused."""
    waiting_per_user: int = Field(default=8, gt=0)
    """Sessions of one user that may be in preparation. More are refused."""
    sessions: int = Field(default=10_000, gt=0)
    """Sessions kept in all. More are refused."""
    idle_seconds: float = Field(default=3600.0, gt=0, allow_inf_nan=False)
    """A session to which nobody was connected for so long is forgotten."""
    script_actions: int = Field(default=10_000, gt=0)
    """The most actions that the script of one session may have."""


class Settings(BaseModel):
    """Everything that a server, or a program like it, is started with."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    libraries: tuple[Path, ...] = ()
    """Folders whose files are `library:relative/path`. Nothing outside them is reachable."""
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    """0: any free one."""
    data_dir: Path = Field(default_factory=user_data_dir)
    """Where files are kept between runs. Created when the first one is written."""
    allow_origins: tuple[str, ...] = ()
    """Origins of web pages that may connect, beside those on loopback."""
    allow_hosts: tuple[str, ...] = ()
    """Names under which the server may be called, beside those of loopback."""
    allowed_hosts: frozenset[str] | None = None
    """Hosts whose links may be asked for, with their subdomains; lower-case.

    None: those that sources are commonly made for."""
    character: str = "miao"
    """Who watches along where nobody is named."""
    generator: str = "offline"
    """The name of the plugin that thinks of what to say."""
    density: Density = "normal"
    """How much is said, where neither the request nor the character says otherwise."""
    limits: Limits = Limits()
