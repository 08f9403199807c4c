"""`watchbuddy bench`: how good tracks are, as far as that can be measured."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import inf
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from watchbuddy_core.actions import Density
from watchbuddy_core.errors import InvalidReference
from watchbuddy_core.scoring import (
    OFFLINE,
    Reference,
    Score,
    crossed,
    fixtures,
    mean_figures,
    read_reference,
    score,
)
from watchbuddy_core.settings import Settings
from watchbuddy_server.cli import options, running
from watchbuddy_server.cli.console import make_console
from watchbuddy_server.cli.outcome import complain
from watchbuddy_server.cli.track_files import track_in
from watchbuddy_server.new_files import FileNotWritten

_FAILED = 1
_NAME = 16
_COLUMN = 14


@click.command("bench")
@click.argument("tracks", nargs=-1, type=options.FILE, metavar="[TRACK]...")
@click.option(
    "--reference",
    "reference_file",
    type=options.FILE,
    help="What is said and what happens in the video of the tracks: a JSON file (docs/bench.md).",
)
@click.option(
    "--seed",
    type=int,
    default=1,
    show_default=True,
    help="Of the clips. The same seed gives the same clips.",
)
@click.option(
    "--keep",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep the clips and their references in this folder, for other programs to watch.",
)
@click.option(
    "--check", is_flag=True, help="Exit with 1 where the offline companion's bounds are crossed."
)
@click.option("--json", "wants_json", is_flag=True, help="For programs.")
@options.companion
@options.wish
@options.config
def bench(
    tracks: tuple[Path, ...],
    reference_file: Path | None,
    seed: int,
    keep: Path | None,
    check: bool,
    wants_json: bool,
    config: Path | None,
    text: str,
    density: Density | None,
    **settings: Any,
) -> None:
    """Measure how well TRACKs fit their video, or how well the companion does.

    Without a TRACK, the companion watches three clips that are made for it, with things in
    them of which it is known when they happen. What the figures mean stands in docs/bench.md.
    """
    running.log_to_stderr(running.OneLine)
    configured = options.configured(config, {**settings, "density": density}).settings
    if reference_file is not None and not tracks:
        raise click.BadParameter("It needs a TRACK to be held against.", param_hint="--reference")
    if tracks:
        _refuse_beside_tracks(keep)
        reference = _reference(reference_file) if reference_file is not None else None
        scores = {str(path): score(track_in(path, named="TRACK"), reference) for path in tracks}
    else:
        scores = _of_clips(configured, seed=seed, keep=keep, density=density, text=text)
    mean = mean_figures(list(scores.values()))
    failures = list(crossed(mean, OFFLINE)) if check else []
    if wants_json:
        click.echo(json.dumps(_document(scores, mean), indent=2, ensure_ascii=False))
    else:
        click.echo("\n".join(_table(scores, mean)))
    for failure in failures:
        complain(failure)
    if failures:
        raise SystemExit(_FAILED)


def _refuse_beside_tracks(keep: Path | None) -> None:
    if keep is not None:
        raise click.BadParameter("With a TRACK, no clips are made.", param_hint="--keep")


def _of_clips(
    settings: Settings, *, seed: int, keep: Path | None, density: Density | None, text: str
) -> dict[str, Score]:
    from watchbuddy_server.benching import bench as bench_clips

    with _folder(keep) as folder, make_console(stderr=True).status("") as status:
        try:
            done = running.run(
                bench_clips(
                    fixtures(seed),
                    folder=folder,
                    settings=settings,
                    density=density,
                    text=text,
                    tell_progress=status.update,
                    tell_notice=complain,
                )
            )
        except OSError as exc:
            raise FileNotWritten(f"The clips cannot be written: {exc.strerror or exc}.") from exc
    return {one.name: one.score for one in done}


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is None:
        with TemporaryDirectory(prefix="watchbuddy-") as folder:
            yield Path(folder)
    else:
        try:
            keep.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise FileNotWritten(f"{keep} cannot be written: {exc.strerror or exc}.") from exc
        yield keep


def _reference(path: Path) -> Reference:
    try:
        return read_reference(path.read_bytes())
    except OSError as exc:
        raise click.FileError(str(path), exc.strerror) from exc
    except InvalidReference as exc:
        raise InvalidReference(f"{path}: {exc}") from exc


# --- what is printed -------------------------------------------------------------------


def _document(scores: Mapping[str, Score], mean: Mapping[str, float]) -> dict[str, object]:
    return {
        "tracks": [
            {
                "name": name,
                "seconds": found.seconds,
                "lines": found.lines,
                "figures": found.figures(),
                "leaks": [
                    {"at": leak.at, "until": leak.until, "text": leak.text} for leak in found.leaks
                ],
            }
            for name, found in scores.items()
        ],
        "mean": mean,
    }


def _table(scores: Mapping[str, Score], mean: Mapping[str, float]) -> Iterator[str]:
    """A row for each figure, a column for each track, and one for the mean."""
    headings = _headings(list(scores))
    columns = [found.figures() for found in scores.values()]
    if len(scores) > 1:
        headings.append("mean")
        columns.append(mean)
    yield "".join([" " * _NAME, *(f"{heading:>{_COLUMN}}" for heading in headings)])
    for figure in dict.fromkeys(name for figures in columns for name in figures):
        values = (figures.get(figure, inf) for figures in columns)
        yield "".join([f"{figure:{_NAME}}", *(f"{_shown(value):>{_COLUMN}}" for value in values)])
    for name, found in scores.items():
        for leak in found.leaks:
            yield f"leak in {name} at {leak.at:g}, of {leak.until:g}: {leak.text}"


def _headings(names: Sequence[str]) -> list[str]:
    """What each file is called; where several are called so, how their paths end."""
    stems = [_short(Path(name).stem) for name in names]
    return [
        stem if stems.count(stem) == 1 else f"…{name[2 - _COLUMN :]}"
        for stem, name in zip(stems, names, strict=True)
    ]


def _short(name: str) -> str:
    return name if len(name) < _COLUMN else f"{name[: _COLUMN - 2]}…"


def _shown(value: float) -> str:
    return "–" if value == inf else f"{value:.3f}"
