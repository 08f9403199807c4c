"""`watchbuddy worker`: who prepares sessions for servers."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import click

from watchbuddy_core.settings import Settings
from watchbuddy_server.cli import options, programs

_ENDING = 0.3
"""Of the time that a worker may take to end, for what is in work."""


@click.command("worker")
@options.library
@options.links
@options.companion
@options.transcriber
@options.data_dir
@options.shared_store
@options.concurrency
@options.metrics
@options.config
@programs.print_settings
@options.log
def worker(config: Path | None, print_settings: bool, **settings: Any) -> None:
    """Prepare sessions for servers that have `--jobs saq`, until Ctrl-C.

    What it has not finished when it ends, another goes on with: of what is written nothing is
    made twice.
    """
    programs.run_until_told(_work, config, print_settings, settings)


async def _work(settings: Settings) -> None:
    from watchbuddy_core.assembly import build_parts, open_store
    from watchbuddy_core.session.job_queue import check_queue
    from watchbuddy_core.session.worker import Worker
    from watchbuddy_core.stores.redis import RedisStore
    from watchbuddy_server.serving import refuse_alone
    from watchbuddy_server.worker_numbers import WorkerNumbers, readable

    refuse_alone(settings, "A worker")
    async with open_store(settings) as store:
        assert isinstance(store, RedisStore)
        await check_queue(settings.store)
        numbers = WorkerNumbers()
        worker = Worker(
            store=store,
            parts=build_parts(settings, store=store),
            url=settings.store,
            concurrency=settings.limits.preparing,
            # What is left is for giving back what does not end, and for the store.
            stop_seconds=settings.limits.shutdown_seconds * _ENDING,
            observer=numbers.sessions,
        )
        async with AsyncExitStack() as held:
            if settings.metrics_port is not None:
                where = settings.metrics_host, settings.metrics_port
                url = held.enter_context(readable(numbers.registry, *where))
                click.echo(f"Numbers are at {url}")
            click.echo("Preparing sessions for the servers of this Redis, until Ctrl-C")
            tasks = await held.enter_async_context(asyncio.TaskGroup())
            numbers.look_at(worker)
            tasks.create_task(numbers.program.look())
            await worker.run()
