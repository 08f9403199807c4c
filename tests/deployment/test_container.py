"""The server runs as the container file runs it: not root, with nothing writable but its data.

There is no engine for containers here. What one would do is done by hand: the same user, the
same environment, no capabilities, and every file system read-only but for two folders.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from patience import PATIENCE

from watchbuddy_core.clips import Picture, Shot, Tone, make_clip
from watchbuddy_core.configuration import settings_in, variable_of

ROOT = Path(__file__).parents[2]
CONTAINERFILE = (ROOT / "examples" / "deployment" / "Containerfile").read_text(encoding="utf-8")
UNSHARE = ["unshare", "--mount", "--propagation", "private"]
PLACE = Path("/mnt")
"""Stands for the container's root, where its writable folders are."""


def variables() -> dict[str, str]:
    """What the last ENV of the container file says."""
    lines = CONTAINERFILE.replace("\\\n", " ").splitlines()
    (said,) = (line.removeprefix("ENV ") for line in lines if line.startswith("ENV "))
    return dict(word.split("=", 1) for word in shlex.split(said))


def opened(path: Path) -> list[str]:
    """Shell commands that let another user reach a path, whatever lies above it."""
    closed = [one for one in reversed(path.parents) if not one.stat().st_mode & 0o001]
    if not closed:
        return []
    keep = PLACE / "keep"
    return [
        f"mkdir {keep} && mount --bind {path} {keep}",
        f"mount -t tmpfs -o mode=755 tmpfs {closed[0]}",
        f"mkdir -p {path} && mount --bind {keep} {path}",
    ]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The address of a server in such a world, and its process."""
    (uid,) = re.findall(r"^USER (\d+):\d+$", CONTAINERFILE, flags=re.MULTILINE)
    library = tmp_path / "library"
    library.mkdir()
    shots = [Shot(2.0, picture, Tone.CALM) for picture in list(Picture)[:3]]
    make_clip(library / "clip.mp4", shots, size=(64, 36), frame_rate=5)
    inside = {
        name: re.sub(r"^/(data|tmp|library)$", rf"{PLACE}/\1", value)
        for name, value in variables().items()
    }
    inside |= {"WATCHBUDDY_HOST": "127.0.0.1", "TMPDIR": f"{PLACE}/tmp"}
    world = [
        f"mount -t tmpfs -o mode=755 tmpfs {PLACE}",
        f"mkdir {PLACE}/library && mount --bind {library} {PLACE}/library",
        *opened(Path(sys.base_prefix).resolve()),
        f"install -d -m 700 -o {uid} -g {uid} {PLACE}/data {PLACE}/tmp",
        f"mount --bind {PLACE}/data {PLACE}/data && mount --bind {PLACE}/tmp {PLACE}/tmp",
        f"mount -o remount,bind,ro {PLACE} && mount -o remount,bind,ro /",
        f"exec setpriv --reuid={uid} --regid={uid} --clear-groups --no-new-privs"
        " --inh-caps=-all --bounding-set=-all"
        f" env --ignore-environment {shlex.join(f'{k}={v}' for k, v in inside.items())}"
        f" {sys.executable} -m watchbuddy_server.cli serve --port 0",
    ]
    process = subprocess.Popen(
        [*UNSHARE, "bash", "-euc", "\n".join(world)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd="/",
    )
    assert process.stdout is not None
    found = re.search(r"Watching at (\S+)", process.stdout.readline())
    if found is None:
        process.kill()
        pytest.fail(process.communicate()[1])
    yield found[1], process
    if process.poll() is None:
        process.kill()
    process.communicate()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make such a world")
def test_it_serves_a_session_without_rights(server: tuple[str, subprocess.Popen[str]]) -> None:
    url, process = server
    status = Path(f"/proc/{process.pid}/status").read_text()
    assert re.search(r"^Uid:\s+10001\s+10001\s", status, flags=re.MULTILINE)
    assert re.search(r"^CapEff:\s+0+$", status, flags=re.MULTILINE)
    mounts = Path(f"/proc/{process.pid}/mountinfo").read_text()
    assert re.search(r"^\S+ \S+ \S+ \S+ / ro,", mounts, flags=re.MULTILINE)
    session = httpx.post(
        f"{url}/api/v1/sessions",
        json={"video_url": "library:clip.mp4", "character_id": "miao"},
        timeout=PATIENCE,
    )
    assert session.status_code == 202, session.text
    address = f"{url}/api/v1/sessions/{session.json()['session_id']}"
    shown: dict[str, Any] = {"status": "preparing"}
    while shown["status"] == "preparing":
        time.sleep(0.05)
        shown = httpx.get(address, timeout=PATIENCE).json()
    assert shown["status"] == "ready"
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == 0


def test_every_variable_of_the_container_file_is_a_setting() -> None:
    known = {variable_of(name) for name, _ in settings_in()}
    said = {name for name in variables() if name.startswith("WATCHBUDDY_")}
    assert said <= known
    assert len(said) == 3
