"""The routes of AI Watch Buddy, for any Litestar application."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

from litestar import Litestar, Router
from litestar.config.app import AppConfig
from litestar.di import Provide
from litestar.plugins import InitPlugin
from litestar.utils.path import join_paths

from watchbuddy_core.characters.cast import Cast
from watchbuddy_core.commons import Shared
from watchbuddy_core.session import LocalJobs, Parts, Sessions
from watchbuddy_core.session.saq_jobs import SaqJobs
from watchbuddy_core.settings import Limits
from watchbuddy_core.sources.uploads import UploadSource
from watchbuddy_core.storage import Store
from watchbuddy_core.stores.alone import Alone
from watchbuddy_core.stores.observed import observed
from watchbuddy_server.access import Access, Need, caller_in, guard_of
from watchbuddy_server.characters import (
    Arrivals,
    bring_character,
    list_characters,
    show_character_methods,
    show_emotion,
    show_picture,
)
from watchbuddy_server.errors import EXCEPTION_HANDLERS
from watchbuddy_server.health import Readiness, live, ready
from watchbuddy_server.lending import lend_upload
from watchbuddy_server.log import naming_session
from watchbuddy_server.media import show_media
from watchbuddy_server.metrics import Metrics, counting, show_metrics
from watchbuddy_server.page import show_overlay, show_page, show_page_file
from watchbuddy_server.removing import Operator, remove_sessions
from watchbuddy_server.rest import (
    create_session,
    delete_session,
    list_library,
    show_methods,
    show_script,
    show_session,
    show_video,
)
from watchbuddy_server.schema import show_asyncapi
from watchbuddy_server.security import Admission, security_headers
from watchbuddy_server.ticketing import give_ticket
from watchbuddy_server.tokens import Tokens
from watchbuddy_server.traffic import Traffic
from watchbuddy_server.uploads import upload_file
from watchbuddy_server.websocket import watch


class WatchBuddyPlugin(InitPlugin):
    """Adds the REST routes, the WebSocket and the work behind them to an application.

    One plugin belongs to one application; an application may have several, each under a
    path of its own. What the routes refuse has the API's error body; addresses that the
    application does not know, and methods that an address does not take, keep the
    application's own. Nothing is added outside the path: no exception handler, no guard,
    no dependency, no state, and no CORS header.
    """

    def __init__(
        self,
        *,
        parts: Parts,
        store: Store,
        path: str = "/",
        allow_origins: Collection[str] = (),
        server_names: Collection[str] = (),
        tokens: Tokens | None = None,
        need_token: Need = "never",
        uploads: bool = False,
        page: bool = False,
        limits: Limits = Limits(),  # noqa: B008 - frozen
        jobs: SaqJobs | None = None,
        operator: Operator | None = None,
    ) -> None:
        """
        Args:
            parts: what sessions are made of.
            store: where they are kept.
            path: what the routes' paths begin with: under `/buddy` they are
                `/buddy/api/v1/…` and `/buddy/ws/…`.
            allow_origins: origins whose pages may use the server, beside those on this
                machine; `*` for all.
            server_names: names under which a server that listens on a loopback address may
                be called, beside `localhost` and the like; `*` for all. A reverse proxy on
                the same machine needs its public name here. So does any server that knows
                tokens and needs none, beside addresses and names of a network at home.
            tokens: those that callers may show, to have sessions that are theirs alone. None: the
                application lets in whom it likes, and what a request shows is for it.
            need_token: when one has to be shown.
            uploads: whether an UploadSource among the sources may be given files over HTTP,
                by whoever reaches the server; and a Cast with a folder character cards.
            page: whether the page is served as well, at the path itself.
            limits: how much the server takes on.
            jobs: those who prepare sessions, where this process does not.
            operator: who may have any session deleted. None: nobody.
        """
        self.admission = Admission.of(
            origins=allow_origins,
            hosts=server_names,
            is_open=tokens is not None and need_token == "never",
        )
        commons = store.commons if isinstance(store, Shared) else Alone()
        self.traffic = Traffic(limits, commons)
        self.metrics = Metrics(shared=isinstance(store, Shared))
        store = observed(store, self.metrics.sessions)
        self.access = Access(
            admission=self.admission,
            tokens=tokens,
            need=need_token,
            store=store,
            commons=commons,
        )
        self._jobs: LocalJobs | SaqJobs = jobs or LocalJobs(
            store=store,
            parts=parts,
            preparing=limits.preparing,
            waiting=limits.waiting,
            per_user=limits.waiting_per_user,
            per_caller=limits.waiting_per_caller,
            per_address=limits.waiting_per_address,
        )
        self.metrics.server.look_at(self._jobs)
        self.sessions = Sessions(
            store=store,
            parts=parts,
            jobs=self._jobs,
            most=limits.sessions,
            per_caller=limits.sessions_per_caller,
            per_address=limits.sessions_per_address,
            idle_seconds=limits.idle_seconds,
            session_seconds=limits.session_seconds,
            store_bytes=limits.store_bytes,
        )
        self._operator = operator
        self._readiness = self._new_readiness()
        taking = (one for one in parts.sources if isinstance(one, UploadSource) and uploads)
        self._inbox = next(taking, None)
        cast = parts.characters
        self._arrivals = Arrivals(
            cast if isinstance(cast, Cast) else Cast(cast), are_welcome=uploads
        )
        self._path = path
        self._page = page
        self._body_bytes = limits.body_bytes

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        app_config.lifespan.append(self._lifespan)
        app_config.route_handlers += [
            self._router(
                "/api/v1",
                create_session,
                show_methods,  # before the methods that it tells
                show_session,
                delete_session,
                show_script,
                show_video,
                give_ticket,
                show_character_methods,  # likewise
                list_characters,
                bring_character,
                show_picture,
                show_emotion,
                list_library,
                upload_file,
            ),
            self._router(
                "/",
                *(live, ready, show_metrics, show_asyncapi, watch, show_media),
                *(lend_upload, remove_sessions),
            ),
        ]
        if self._page:
            app_config.route_handlers.append(
                self._router("/", show_page, show_overlay, show_page_file)
            )
        return app_config

    def _router(self, path: str, *routes: object) -> Router:
        return Router(
            join_paths([self._path, path]),
            route_handlers=routes,  # type: ignore[arg-type]
            dependencies={
                "sessions": Provide(lambda: self.sessions, sync_to_thread=False),
                "arrivals": Provide(lambda: self._arrivals, sync_to_thread=False),
                "inbox": Provide(lambda: self._inbox, sync_to_thread=False),
                "admission": Provide(lambda: self.admission, sync_to_thread=False),
                "traffic": Provide(lambda: self.traffic, sync_to_thread=False),
                "metrics": Provide(lambda: self.metrics, sync_to_thread=False),
                "access": Provide(lambda: self.access, sync_to_thread=False),
                "readiness": Provide(lambda: self._readiness, sync_to_thread=False),
                "operator": Provide(lambda: self._operator, sync_to_thread=False),
                "caller": Provide(caller_in, sync_to_thread=False),
            },
            guards=[guard_of(self.access, self.traffic)],
            middleware=[naming_session, counting(self.metrics), security_headers],
            exception_handlers=EXCEPTION_HANDLERS,
            request_max_body_size=self._body_bytes,
        )

    @asynccontextmanager
    async def _lifespan(self, _: Litestar) -> AsyncIterator[None]:
        self._readiness = self._new_readiness()
        async with self._jobs, asyncio.TaskGroup() as tasks:
            beside = [
                tasks.create_task(self._resume()),
                tasks.create_task(self._readiness.look()),
                tasks.create_task(self.sessions.sweep()),
                tasks.create_task(self.metrics.program.look()),
            ]
            yield
            self._readiness.is_stopping = True
            for task in beside:
                task.cancel()
            await self.sessions.screening.stop()

    async def _resume(self) -> None:
        if not isinstance(self._jobs, SaqJobs):  # workers go on by themselves with what is left
            await self.sessions.resume(self.metrics.sessions.found)
        self._readiness.is_started = True

    def _new_readiness(self) -> Readiness:
        return Readiness(
            store=self.sessions.store,
            generator_works=lambda: self._jobs.generator_works,
            is_full=lambda: self.sessions.is_full,
            workers=lambda: self._jobs.workers,
        )
