"""`watchbuddy sessions`: what servers keep, for the one who runs them."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import click

from watchbuddy_core import plugins
from watchbuddy_core.configuration import configure
from watchbuddy_core.errors import ConnectionLost, InvalidSettings, SessionNotFound, StoreInUse
from watchbuddy_core.folders import card_folder, sessions_file, uploads_folder
from watchbuddy_core.generation.offline import OfflineGenerator
from watchbuddy_core.session import Parts, SessionStatus
from watchbuddy_core.session.history import History
from watchbuddy_core.session.status import status_of
from watchbuddy_core.settings import Settings, is_redis
from watchbuddy_core.sources.uploads import UploadSource
from watchbuddy_core.storage import SessionRecord
from watchbuddy_core.stores.redis import RedisStore
from watchbuddy_core.stores.sqlite import SQLiteStore
from watchbuddy_core.stores.sqlite_archive import SQLiteArchive
from watchbuddy_server.cli import options, running
from watchbuddy_server.cli.commands import CommandGroup
from watchbuddy_server.printable import printable
from watchbuddy_server.reaching import Removal, ask_to_remove

Archive = SQLiteArchive | RedisStore
_ID_WIDTH = 20
_PATIENCE = 15.0
"""Seconds in which a server that has just been started says where it is, or one that ends is
gone."""
_PAUSE = 0.2
_json = click.option("--json", "wants_json", is_flag=True, help="For programs.")
_user = click.option("--user", metavar="ID", help="All that is kept of this user.")
_ids = click.argument("session_ids", nargs=-1, metavar="[SESSION_ID]…")


@click.group("sessions", cls=CommandGroup)
def sessions() -> None:
    """See, export, back up and delete what `serve` keeps in its data folder, or in a Redis."""
    running.log_to_stderr(running.OneLine, level=logging.ERROR)


@sessions.command("list")
@options.data_dir
@options.store
@options.config
@_json
def list_sessions(config: Path | None, wants_json: bool, **given: Any) -> None:
    """List the sessions, the oldest first."""
    settings = _settings(config, given)

    async def work() -> None:
        async with _opened(settings) as archive:
            shown = [
                (record, await _status(archive, record, settings))
                for record in await archive.list()
            ]
        if wants_json:
            rows = [_row(record, status) for record, status in shown]
            click.echo(json.dumps(rows, ensure_ascii=False, indent=2))
        for record, status in () if wants_json else shown:
            title = printable(status.title or record.video_url)
            click.echo(f"{record.session_id:<{_ID_WIDTH}}  {status.status:<9}  {title}")

    running.run(work())


@sessions.command("show")
@click.argument("session_id")
@options.data_dir
@options.store
@options.config
def show_session(session_id: str, config: Path | None, **given: Any) -> None:
    """Print the state of one session, as `GET /api/v1/sessions/…` does."""
    settings = _settings(config, given)

    async def work() -> None:
        async with _opened(settings) as archive:
            status = await _status(archive, await archive.get(session_id), settings)
        click.echo(status.model_dump_json(indent=2))

    running.run(work())


@sessions.command("export")
@_ids
@_user
@options.data_dir
@options.store
@options.config
def export_sessions(
    session_ids: tuple[str, ...], user: str | None, config: Path | None, **given: Any
) -> None:
    """Print all that is kept of sessions, or of a user: JSON, a line for each."""
    _refuse_both_or_none(session_ids, user)
    settings = _settings(config, given)

    async def work() -> None:
        async with _opened(settings) as archive:
            async for line in _exported(archive, session_ids, user):
                click.echo(json.dumps(line, ensure_ascii=False))

    running.run(work())


@sessions.command("rm")
@_ids
@_user
@options.data_dir
@options.store
@options.config
def remove_sessions(
    session_ids: tuple[str, ...], user: str | None, config: Path | None, **given: Any
) -> None:
    """Delete sessions, or all that is kept of a user, and the uploads that only they used.

    A server that has them does it itself. Who watches one of them is told that it is over.
    """
    _refuse_both_or_none(session_ids, user)
    settings = _settings(config, given)
    wanted = Removal(session_ids=tuple(dict.fromkeys(session_ids)), user_id=user)
    gone = running.run(_remove_or_ask(settings, wanted))
    click.echo(f"Deleted {gone} session{'' if gone == 1 else 's'}.")


@sessions.command("backup")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@options.data_dir
@options.store
@options.config
def back_up_sessions(file: Path, config: Path | None, **given: Any) -> None:
    """Write a copy of everything into FILE, also while a server runs.

    Put it in the place of `sessions.sqlite` to go back to it.
    """
    settings = _settings(config, given)
    if is_redis(settings.store):
        raise InvalidSettings(
            "Sessions that are kept in a Redis are backed up with it: a copy of the folder of its"
            " append-only file, while it does not rewrite that."
        )

    async def work() -> None:
        async with SQLiteArchive(sessions_file(settings)) as archive:
            await archive.back_up(file)

    running.run(work())
    click.echo(f"{file}: {file.stat().st_size:,} bytes")


def _settings(config: Path | None, given: dict[str, Any]) -> Settings:
    spelled = {"data_dir": "--data-dir", "store": "--store"}
    return configure(given, spelled=spelled, file=config).settings


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[Archive]:
    """What is kept, to be read. What is kept nowhere is looked for in the data folder."""
    if is_redis(settings.store):
        async with RedisStore(settings.store) as store:
            yield store
    else:
        async with SQLiteArchive(sessions_file(settings)) as archive:
            yield archive


@asynccontextmanager
async def _owned(settings: Settings) -> AsyncIterator[SQLiteStore | RedisStore]:
    """What is kept, to be changed."""
    if is_redis(settings.store):
        async with RedisStore(settings.store) as shared:
            yield shared
    else:
        file = sessions_file(settings)
        async with SQLiteArchive(file):  # to delete is not to make one
            pass
        async with SQLiteStore(file) as store:
            yield store


async def _remove_or_ask(settings: Settings, wanted: Removal) -> int:
    """How many sessions were deleted, here or by the server that has them.

    Raises:
        StoreInUse: another program has them, which does not answer.
    """
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            return await _remove(settings, wanted)
        except StoreInUse:
            with suppress(ConnectionLost):  # it begins, or ends, or is no server
                file = sessions_file(settings)
                return (await asyncio.to_thread(ask_to_remove, file, wanted)).sessions
            if time.monotonic() > until:
                raise
        await asyncio.sleep(_PAUSE)


async def _remove(settings: Settings, wanted: Removal) -> int:
    """Raises: StoreInUse."""
    async with _owned(settings) as store:
        for session_id in wanted.session_ids:
            await store.get(session_id)  # all of them are there, or nothing is deleted
        for session_id in wanted.session_ids:
            await (store.end if isinstance(store, RedisStore) else store.delete)(session_id)
        count = len(wanted.session_ids)
        if wanted.user_id is not None:
            count += await store.forget_user(wanted.user_id)
        if isinstance(store, SQLiteStore):  # else servers do, of which each has its own
            in_use = [record.video_url for record in await store.list()]
            await UploadSource(uploads_folder(settings), lasting=True).tidy(in_use)
    return count


def _refuse_both_or_none(session_ids: Sequence[str], user: str | None) -> None:
    if bool(session_ids) == (user is not None):
        raise click.UsageError("Name sessions, or a user with --user.")


async def _status(archive: Archive, record: SessionRecord, settings: Settings) -> SessionStatus:
    parts = Parts(
        sources=(),
        generator=OfflineGenerator(),
        characters=plugins.cast(settings.characters, brought=card_folder(settings)),
        density=settings.density,
    )
    return status_of(record, History(await archive.read(record.session_id)), parts)


def _row(record: SessionRecord, status: SessionStatus) -> dict[str, object]:
    return {**record.model_dump(mode="json"), "status": status.status, "title": status.title}


async def _exported(
    archive: Archive, session_ids: Sequence[str], user: str | None
) -> AsyncIterator[dict[str, object]]:
    """Each session with its log; of a user, what they prefer and what was spent on them as well.

    Raises:
        SessionNotFound: one of them is not there.
    """
    records = {record.session_id: record for record in await archive.list()}
    if user is not None:
        session_ids = [one for one, record in records.items() if record.user_id == user]
        preferences, spent = await archive.preferences(user), await archive.spent(user_id=user)
        yield {"user_id": user, "preferences": dict(preferences), "spent": dict(spent)}
    for session_id in session_ids:
        if session_id not in records:
            raise SessionNotFound
        log = [one.entry.model_dump(mode="json") for one in await archive.read(session_id)]
        spent = await archive.spent(session_id=session_id)
        record = records[session_id].model_dump(mode="json")
        yield {"record": record, "log": log, "spent": dict(spent)}
