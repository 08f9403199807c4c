"""`watchbuddy sessions`, with the real command, beside a real server."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner
from patience import PATIENCE
from redis_server import redis_server
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from watchbuddy_core.accounts import of_day, of_session
from watchbuddy_core.entries import Ready
from watchbuddy_core.errors import ConnectionLost, InvalidSettings, StoreInUse
from watchbuddy_core.storage import SessionRecord
from watchbuddy_core.stores.redis import RedisStore
from watchbuddy_core.stores.sqlite_file import locked
from watchbuddy_server.cli import sessions as command
from watchbuddy_server.cli.sessions import sessions
from watchbuddy_server.reaching import Removal, Removed

SUBTITLES = b"1\n00:00:01,000 --> 00:00:02,000\nHello.\n\n2\n00:00:21,000 --> 00:00:25,000\nBye.\n"
RUN = (sys.executable, "-m", "watchbuddy_server.cli", "sessions")


def run(data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*RUN, *arguments, "--data-dir", str(data)], capture_output=True, text=True, check=False
    )


def said(data: Path, *arguments: str) -> str:
    ran = run(data, *arguments)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def upload_of(host: Any, user: str) -> None:
    """A session of theirs on a file of theirs."""
    place = f"{host.url}/api/v1/uploads?name=a.srt"
    upload = httpx.post(place, content=SUBTITLES, timeout=PATIENCE).json()
    host.wait(host.create(user_id=user, video_url=upload["video_url"]), "ready")


def viewer_of(host: Any, session_id: str) -> ClientConnection:
    address = f"{host.url.replace('http', 'ws', 1)}/ws/{session_id}"
    return connect(address, proxy=None, open_timeout=PATIENCE)


def end_of(viewer: ClientConnection) -> tuple[int | None, str | None]:
    """How the server closes, whatever it says before."""
    with suppress(ConnectionClosed):
        while True:
            viewer.recv(PATIENCE)
    return viewer.close_code, viewer.close_reason


@pytest.fixture
def two(host: Any) -> tuple[str, str]:
    """Two sessions of two users, ready."""
    first = host.create(user_id="ann", end_time=30)
    second = host.create(user_id="bob", end_time=30)
    for session_id in (first, second):
        host.wait(session_id, "ready")
    return first, second


def test_sessions_are_listed_and_shown_while_the_server_runs(
    host: Any, two: tuple[str, str]
) -> None:
    lines = said(host.data, "list").splitlines()
    assert [line.split() for line in lines] == [[one, "ready", "film"] for one in two]
    rows = json.loads(said(host.data, "list", "--json"))
    assert {row["session_id"]: row["user_id"] for row in rows} == {two[0]: "ann", two[1]: "bob"}
    assert json.loads(said(host.data, "show", two[0])) == host.status(two[0])


@pytest.mark.parametrize("arguments", [("rm", "ses_1"), ("rm", "--user", "ann"), ("list",)])
def test_where_nothing_is_kept_that_is_told_and_nothing_is_made(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    ran = run(tmp_path / "nowhere", *arguments)
    told = f"watchbuddy: No sessions are kept in {tmp_path / 'nowhere'}.\n"
    assert (ran.returncode, ran.stderr) == (1, told)
    assert not list(tmp_path.iterdir())


def test_all_data_of_a_user_is_exported_and_deleted(host: Any, two: tuple[str, str]) -> None:
    ann, bob = two
    exported = [
        json.loads(line) for line in said(host.data, "export", "--user", "ann").splitlines()
    ]
    assert exported[0] == {"user_id": "ann", "preferences": {}, "spent": {}}
    assert [one["record"]["session_id"] for one in exported[1:]] == [ann]
    assert [entry["kind"] for entry in exported[1]["log"]][-1] == "ready"

    upload_of(host, "ann")
    host.end()
    assert len(list(host.data.glob("uploads/kept/*"))) == 2, "a file, and what is known of it"
    assert said(host.data, "rm", "--user", "ann") == "Deleted 2 sessions.\n"
    assert not list(host.data.glob("uploads/kept/*"))
    host.start()
    gone = httpx.get(f"{host.url}/api/v1/sessions/{ann}", timeout=PATIENCE)
    assert gone.status_code == 404
    assert host.status(bob)["status"] == "ready"


def test_a_user_is_deleted_while_the_server_runs(host: Any, two: tuple[str, str]) -> None:
    ann, bob = two
    upload_of(host, "ann")
    with viewer_of(host, ann) as ann_watches, viewer_of(host, bob) as bob_watches:
        assert said(host.data, "rm", "--user", "ann") == "Deleted 2 sessions.\n"
        assert end_of(ann_watches) == (4410, "SESSION_CANCELLED")
        bob_watches.ping().wait(PATIENCE)
        assert bob_watches.close_code is None
    with viewer_of(host, ann) as again:
        assert end_of(again) == (4404, "SESSION_NOT_FOUND")
    assert said(host.data, "export", "--user", "ann").splitlines() == [
        json.dumps({"user_id": "ann", "preferences": {}, "spent": {}})
    ]
    assert host.kinds(ann) == []
    assert not list(host.data.glob("uploads/kept/*"))

    later = host.create(user_id="bob", end_time=30)
    host.wait(later, "ready")
    assert said(host.data, "rm", bob) == "Deleted 1 session.\n"
    host.kill()
    host.start()
    assert [line.split()[:2] for line in said(host.data, "list").splitlines()] == [[later, "ready"]]


def test_nobody_has_a_server_delete_what_is_not_theirs(host: Any, two: tuple[str, str]) -> None:
    note = host.data / "sessions.server"
    assert note.stat().st_mode & 0o777 == 0o600
    reach = json.loads(note.read_text())
    assert reach["url"] == host.url
    place, ann = f"{host.url}/internal/sessions/removal", {"user_id": "ann"}
    for key in (None, "x", reach["key"][:-1]):
        shown = {} if key is None else {"Authorization": f"Bearer {key}"}
        answer = httpx.post(place, json=ann, headers=shown, timeout=PATIENCE)
        assert (answer.status_code, answer.json()["detail"]["error"]) == (401, "UNAUTHORIZED")
    assert len(said(host.data, "list").splitlines()) == 2
    shown = {"Authorization": f"Bearer {reach['key']}"}
    answer = httpx.post(place, json=ann, headers=shown, timeout=PATIENCE)
    assert (answer.status_code, answer.json()) == (200, {"sessions": 1})
    host.end()
    assert not note.exists()


def test_a_server_that_has_just_gone_is_asked_for_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = locked(tmp_path / "sessions.sqlite")
    asked = []

    def ask(file: Path, wanted: Removal) -> Removed:
        asked.append(wanted)
        lock.close()
        raise ConnectionLost("It has gone.")

    monkeypatch.setattr(command, "ask_to_remove", ask)
    place = ("--data-dir", str(tmp_path))
    ran = CliRunner().invoke(sessions, ["rm", "--user", "ann", *place])
    assert (ran.exit_code, ran.stdout) == (0, "Deleted 0 sessions.\n")
    assert asked == [Removal(user_id="ann")]


def test_a_program_that_has_the_sessions_and_is_no_server_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "_PATIENCE", 0.0)
    with locked(tmp_path / "sessions.sqlite"):
        ran = CliRunner().invoke(sessions, ["rm", "--user", "ann", "--data-dir", str(tmp_path)])
    assert isinstance(ran.exception, StoreInUse)
    assert "Another watchbuddy uses this data folder" in ran.exception.message


def test_a_backup_is_whole_and_can_be_gone_back_to(
    host: Any, two: tuple[str, str], tmp_path: Path
) -> None:
    copy = tmp_path / "copy.sqlite"
    assert "copy.sqlite" in said(host.data, "backup", str(copy))
    again = run(host.data, "backup", str(copy))
    assert (again.returncode, "exists already" in again.stderr) == (1, True)
    host.end()
    for session_id in two:
        said(host.data, "rm", session_id)
    assert said(host.data, "list") == ""
    for path in host.data.glob("sessions.sqlite*"):
        path.unlink()
    copy.rename(host.data / "sessions.sqlite")
    host.start()
    assert [host.status(one)["status"] for one in two] == ["ready", "ready"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["show", "ses_0000000000000000"], 1, "no such session"),
        (["export", "ses_0000000000000000"], 1, "no such session"),
        (["export"], 2, "Name sessions, or a user"),
        (["rm", "ses_0000000000000000"], 1, "no such session"),
        (["rm", "ses_0000000000000000", "--user", "ann"], 2, "Name sessions, or a user"),
    ],
)
def test_what_cannot_be_done_is_told(
    host: Any, arguments: list[str], code: int, words: str
) -> None:
    ran = run(host.data, *arguments)
    assert (ran.returncode, words in ran.stderr) == (code, True), ran.stderr


def test_a_folder_without_sessions_is_told(tmp_path: Path) -> None:
    ran = run(tmp_path, "list")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "No sessions are kept" in ran.stderr


def test_sessions_in_a_redis_are_seen_and_deleted_while_somebody_follows_them(
    tmp_path: Path,
) -> None:
    ann, bob = (
        SessionRecord(
            session_id=f"ses_{number:016x}",
            video_url=f"library:{user}.mp4",
            character_id="miao",
            user_id=user,
            caller="here",
            created_at=float(number),
        )
        for number, user in enumerate(("ann", "bob"))
    )
    day = of_day("2026-01-31", "here", "ann")

    async def prepare(url: str) -> None:
        async with RedisStore(url) as store:
            for one in (ann, bob):
                await store.put(one)
                await store.append(one.session_id, [Ready()], None)
                await store.prefer("here", str(one.user_id), "quiet")
            await store.reserve({of_session(ann.session_id): 1.0, day: 1.0}, 0.25)

    async def followed(url: str, work: Callable[[], str]) -> tuple[list[str], str]:
        async with RedisStore(url) as store:
            log = store.follow(ann.session_id)
            seen = [(await anext(log)).entry.kind]
            told = await asyncio.to_thread(work)
            seen.append((await anext(log)).entry.kind)
            await log.aclose()
        return seen, told

    with redis_server() as server:
        asyncio.run(prepare(server.url))
        place = ("--store", server.url)
        lines = said(tmp_path, "export", "--user", "ann", *place).splitlines()
        about, session = map(json.loads, lines)
        assert about == {"user_id": "ann", "preferences": {"here": "quiet"}, "spent": {day: 0.25}}
        assert session["record"] == ann.model_dump(mode="json")
        assert session["spent"] == {of_session(ann.session_id): 0.25}
        refused = CliRunner().invoke(sessions, ["backup", str(tmp_path / "copy"), *place])
        assert isinstance(refused.exception, InvalidSettings)
        assert "are backed up with it" in refused.exception.message

        remove = partial(said, tmp_path, "rm", "--user", "ann", *place)
        seen, told = asyncio.run(followed(server.url, remove))
        assert (seen, told) == (["ready", "cancelled"], "Deleted 1 session.\n")
        left = {key.decode() for key in server.tell("KEYS", "*")}
        assert not {key for key in left if ann.session_id in key}
        assert server.tell("HGETALL", "watchbuddy:preferences") == {b'["here", "bob"]': b"quiet"}
        assert "watchbuddy:spent:2026-01-31" not in left
