"""`watchbuddy generate VIDEO -o FILE`: a script as a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import click

from watchbuddy_core.settings import Settings
from watchbuddy_core.tracks import Track, TrackFormat, write_track
from watchbuddy_core.wire import CreateSession
from watchbuddy_server.cli import options, running
from watchbuddy_server.cli.console import make_console
from watchbuddy_server.cli.outcome import complain, say
from watchbuddy_server.cli.track_files import format_named
from watchbuddy_server.cli.videos import addressed, opened
from watchbuddy_server.new_files import new_file, standard_output


@click.command("generate")
@options.video
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to write it; - for standard output.",
)
@click.option(
    "--format",
    "format",
    type=click.Choice(get_args(TrackFormat)),
    help="What to write.  [default: by the ending of the file; json to standard output]",
)
@click.option("-f", "--force", is_flag=True, help="Replace a file that exists; else it is kept.")
@options.library
@options.links
@options.companion
@options.transcriber
@options.wish
@options.part
@options.config
def generate(
    video: str,
    output: Path,
    format: TrackFormat | None,
    force: bool,
    text: str,
    start: float | None,
    end: float | None,
    config: Path | None,
    **settings: Any,
) -> None:
    """Write what the companion does in VIDEO to a file, without playing it.

    JSON holds everything; WebVTT, SubRip and ASS show the spoken lines in any player. The
    file appears when all of it is there. `watch VIDEO --track FILE` plays it again.
    """
    from watchbuddy_server.generating import summary

    running.log_to_stderr(running.OneLine)
    configured = options.configured(config, settings).settings
    url, libraries = addressed(video, configured.libraries)
    to_stdout = str(output) == "-"
    if format is None:
        format = "json" if to_stdout else format_named(output, named="--output")
    if not to_stdout and output.is_file() and not force:
        raise click.BadParameter(f"{output} exists; --force replaces it.", param_hint="--output")
    request = CreateSession(
        video_url=url,
        start_time=start,
        end_time=end,
        text=text,
        character_id=configured.character,
        density=settings["density"],
    )
    with standard_output() if to_stdout else new_file(output) as file:
        track = running.run(
            _generate(
                request,
                settings=configured.model_copy(update={"libraries": libraries}),
                output=None if to_stdout else output,
            )
        )
        file.write(write_track(track, format).encode())
    say(f"{'Standard output' if to_stdout else output}: {summary(track)}")


async def _generate(request: CreateSession, *, settings: Settings, output: Path | None) -> Track:
    """What is to be written to `output`; None: that is no file."""
    from watchbuddy_core.assembly import build_parts
    from watchbuddy_core.sources.local import is_sidecar
    from watchbuddy_server.generating import generate_track

    video = await opened(request.video_url, settings.libraries)
    if output is not None and video is not None and video.path and is_sidecar(output, video.path):
        better = f"{video.path.stem}.watchbuddy{output.suffix}"
        raise click.BadParameter(
            f"{output.name} would be read as subtitles of the video. Call it {better}.",
            param_hint="--output",
        )
    parts = build_parts(settings)
    with make_console(stderr=True).status("Fetching the video") as status:
        return await generate_track(
            request, parts=parts, tell_progress=status.update, tell_notice=complain
        )
