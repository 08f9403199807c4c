"""From settings to the parts that sessions are made of."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager

from watchbuddy_core import plugins
from watchbuddy_core.commons import Shared
from watchbuddy_core.errors import InvalidSettings, PluginProblem
from watchbuddy_core.folders import card_folder, sessions_file, uploads_folder
from watchbuddy_core.protocols import ActionGenerator, Transcriber, VideoSource
from watchbuddy_core.session.budget import Budget
from watchbuddy_core.session.parts import Parts
from watchbuddy_core.settings import Settings
from watchbuddy_core.sources.cache import VideoCache
from watchbuddy_core.sources.guard import AddressGuard
from watchbuddy_core.sources.hosts import USUAL_SITES, HostRule
from watchbuddy_core.sources.peers import Peers
from watchbuddy_core.storage import Cache, Caches, Store
from watchbuddy_core.stores.files import FileCache
from watchbuddy_core.stores.memory import MemoryStore
from watchbuddy_core.stores.sqlite import SQLiteStore
from watchbuddy_core.tickets import Tickets

_log = logging.getLogger("watchbuddy.plugins")


def build_parts(settings: Settings, *, store: Store | None = None) -> Parts:
    """Put together what is installed, as the settings ask for it.

    Sources and characters that are broken are passed over with a warning; the one
    generator, and the one transcriber, that were asked for have to work.

    Args:
        store: keeps sessions that outlive the program. Then uploads do as well, and what is
            known of videos and what models wrote is kept in it. Where several programs share
            it, they may share the data folder as well. None: uploads go with the program, and
            the rest is in folders in the data folder.

    Raises:
        PluginProblem: the generator or the transcriber cannot be had, two packages offer one
            name, or there is no plugin to which options are given.
        InvalidSettings: what should name a host does not.
        InvalidCharacterFile: two files in the settings' folders hold one character.
    """
    _check_options(settings)
    generator = settings.generator or ("litellm" if settings.model else "offline")
    _warn_of_what_does_nothing(settings, generator)
    allowed = _rules("allow_hosts", settings.allow_hosts)
    sites = _rules("ytdlp_hosts", settings.ytdlp_hosts)
    videos = _videos(settings, shared=isinstance(store, Shared))
    return Parts(
        sources=_sources(
            settings,
            videos,
            AddressGuard(allowed),
            lasting=store is not None,
            peers=_peers(store),
        ),
        videos=videos,
        generator=_generator(settings, generator),
        generator_name=generator,
        stand_in=_generator(settings, settings.stand_in) if settings.stand_in else None,
        stand_in_name=settings.stand_in or "offline",
        budget=Budget(
            session=settings.budget.session,
            day=settings.budget.day,
            user_day=settings.budget.user_day,
        ),
        transcriber=_transcriber(settings),
        characters=plugins.cast(settings.characters, brought=card_folder(settings)),
        allowed_hosts=(*allowed, *sites, *(USUAL_SITES if settings.usual_sites else ())),
        density=settings.density,
        cache=_cache(settings, store, "understanding", settings.cache.understanding_bytes),
        drafts=_cache(settings, store, "drafts", settings.cache.draft_bytes),
        video_seconds=settings.limits.video_seconds,
        script_actions=settings.limits.script_actions,
        generating_idle_seconds=settings.limits.generating_idle_seconds,
        generating_seconds=settings.limits.generating_seconds,
        fetching_seconds=settings.limits.fetching_seconds,
        preparing_seconds=settings.limits.preparing_seconds,
    )


def _warn_of_what_does_nothing(settings: Settings, generator: str) -> None:
    for folder in settings.libraries:
        if not folder.expanduser().is_dir():  # it may come later, as a disk does
            _log.warning("The library %s is no folder: nothing in it can be watched.", folder)
    if "litellm" not in (generator, settings.stand_in):
        for name, value in (("model", settings.model), ("api_base", settings.api_base)):
            if value is not None:
                _log.warning(
                    "%s does nothing: it is the generator %s that thinks of what to say.%s",
                    name,
                    generator,
                    "" if settings.model else " Name a model as well.",
                )


def _cache(settings: Settings, caches: Caches | None, name: str, most_bytes: int) -> Cache | None:
    if not most_bytes:
        return None
    if caches is not None:
        return caches.cache(name, most_bytes=most_bytes)
    return FileCache(settings.data_dir / name, most_bytes=most_bytes)


@asynccontextmanager
async def open_store(settings: Settings) -> AsyncIterator[Store]:
    """Where a server keeps its sessions, as the settings ask for it.

    Raises:
        StoreFailed: the file cannot be used, or another program uses it; the Redis cannot be
            reached, or is none that will do.
        MissingExtra: what it takes is not installed.
    """
    if settings.store == "memory":
        yield MemoryStore()
    elif settings.store == "sqlite":
        async with SQLiteStore(sessions_file(settings)) as store:
            yield store
    else:
        from watchbuddy_core.stores.redis import RedisStore

        keep_seconds = settings.limits.session_seconds
        async with RedisStore(settings.store, keep_seconds=keep_seconds) as shared:
            yield shared


def _check_options(settings: Settings) -> None:
    known = {plugin.name for group in plugins.GROUPS for plugin in plugins.listing(group)}
    for name in settings.plugins:
        if name not in known:
            raise PluginProblem(f"There are options for a plugin {name!r}, and no such plugin.")


def _videos(settings: Settings, *, shared: bool) -> VideoCache:
    return VideoCache(
        settings.data_dir / "videos",
        total_bytes=settings.cache.total_bytes,
        video_bytes=settings.cache.video_bytes,
        free_bytes=settings.cache.free_bytes,
        at_a_time=settings.limits.fetching,
        shared=shared,
    )


def _sources(
    settings: Settings,
    cache: VideoCache,
    guard: AddressGuard,
    *,
    lasting: bool,
    peers: Peers | None,
) -> tuple[VideoSource, ...]:
    web = {
        "cache": cache,
        "guard": guard,
        "most_seconds": settings.limits.video_seconds,
        "lines": settings.picture_lines,
    }
    limits = settings.limits
    given: dict[str, dict[str, object]] = {
        "library": {"libraries": settings.libraries, "shared": peers is not None},
        "links": {**web},
        "yt-dlp": {**web},
        "uploads": {
            "folder": uploads_folder(settings),
            "lasting": lasting,
            "shared": peers is not None,
            "most_bytes": limits.upload_bytes,
            "free_bytes": settings.cache.free_bytes,
            "most_waiting": limits.uploads_waiting,
            "waiting_per_sender": limits.uploads_waiting_per_caller,
            "waiting_seconds": limits.upload_waiting_seconds,
            "stall_seconds": limits.upload_stall_seconds,
            "peers": peers,
        },
    }
    options = {**given, **settings.plugins}
    for name in given:
        options[name] = {**given[name], **settings.plugins.get(name, {})}
    made = plugins.make_all(plugins.SOURCES, options=options)
    for name, source in made.items():
        if not isinstance(source, VideoSource):
            _log.warning("The plugin %r makes no VideoSource. It is passed over.", name)
    return tuple(source for source in made.values() if isinstance(source, VideoSource))


def _peers(store: Store | None) -> Peers | None:
    """Other programs, where they share the store."""
    if not isinstance(store, Shared):
        return None
    return Peers(store.whereabouts, Tickets(store.commons))


def _rules(setting: str, texts: Iterable[str]) -> tuple[HostRule, ...]:
    try:
        return tuple(map(HostRule.parse, texts))
    except ValueError as exc:
        raise InvalidSettings(f"{setting}: {exc}.") from exc


def _generator(settings: Settings, name: str) -> ActionGenerator:
    given: dict[str, object] = {}
    if name == "litellm":
        given = {"model": settings.model, "api_base": settings.api_base}
    made = _made(settings, plugins.GENERATORS, name, given)
    if not isinstance(made, ActionGenerator):
        raise PluginProblem(f"The plugin {name!r} makes no ActionGenerator.")
    return made


def _transcriber(settings: Settings) -> Transcriber | None:
    if settings.transcriber is None:
        return None
    made = _made(settings, plugins.TRANSCRIBERS, settings.transcriber)
    if not isinstance(made, Transcriber):
        raise PluginProblem(f"The plugin {settings.transcriber!r} makes no Transcriber.")
    return made


def _made(
    settings: Settings, group: str, name: str, given: Mapping[str, object] | None = None
) -> object:
    return plugins.find(group, name).make(**{**(given or {}), **settings.plugins.get(name, {})})
