"""`watchbuddy new`: a package of one's own, with tests that pass, to begin from.

What is written stands in `templates`: for each kind its module and its test, and for every kind
the package around them. `$name` and the like are filled in; nothing else happens to it.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from importlib.resources import files
from pathlib import Path
from shlex import quote
from string import Template

import click

from watchbuddy_core import plugins
from watchbuddy_server.new_files import FileNotWritten

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_LONGEST_NAME = 24
"""Longer ones would not fit into the lines of the templates."""
_TAKEN = ("core", "server")
"""`watchbuddy_core` and `watchbuddy_server` are this project."""


_LINKS = ("http", "https")
"""A source's name is its scheme, and every link begins with one of these."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """What is different about the packages of a kind."""

    group: str
    description: str
    target: str
    """What the entry point names in the module."""
    try_it: str
    begin_here: str
    extra: str = ""
    """Of watchbuddy, that it needs."""
    test_extra: str = ""
    files: tuple[tuple[str, str], ...] = ()
    """Beside module and test: which template becomes which file of the module."""


_KINDS = {
    "character": _Kind(
        group=plugins.CHARACTERS,
        description="A character for AI Watch Buddy.",
        target="PEOPLE",
        try_it="watchbuddy watch holiday.mp4 --character $name",
        begin_here="Who they are stands in `$module/people/$name.toml`.",
        files=(("person.toml", "people/$name.toml"),),
    ),
    "source": _Kind(
        group=plugins.SOURCES,
        description="A source of videos for AI Watch Buddy.",
        target="${stem}Source",
        try_it="watchbuddy watch $name:holiday",
        begin_here="Which addresses it opens, and what is behind one, stands in"
        " `$module/__init__.py`.",
        extra="media",
        test_extra="media",
    ),
    "generator": _Kind(
        group=plugins.GENERATORS,
        description="A generator for AI Watch Buddy: it thinks of what to say.",
        target="${stem}Generator",
        try_it="watchbuddy watch holiday.mp4 --generator $name",
        begin_here="What it says, and when, stands in `$module/__init__.py`.",
    ),
    "scheduler": _Kind(
        group=plugins.SCHEDULERS,
        description="A scheduler for AI Watch Buddy: it decides what is due.",
        target="${stem}Scheduler",
        try_it="watchbuddy plugins",
        begin_here="Its rule stands in `$module/__init__.py`. A program of yours uses it where it"
        " would use a `Timeline`.",
    ),
}


@click.command("new")
@click.argument("kind", type=click.Choice(list(_KINDS)))
@click.argument("name")
@click.option(
    "--into",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path(),
    help="The folder that it is written into.  [default: here]",
)
def new(kind: str, name: str, into: Path) -> None:
    """Write a package with a plugin of your own, tests included.

    It is found as soon as it is installed; its tests pass from the beginning.
    """
    folder = write_package(kind, name, into)
    click.echo(f"{folder} is there. Next:\n")
    for command in (
        f"pip install -e {quote(f'{folder}[test]')}",
        f"pytest {quote(str(folder))}",
        Template(_KINDS[kind].try_it).substitute(name=name),
    ):
        click.echo(f"    {command}")


def write_package(kind: str, name: str, into: Path) -> Path:
    """Write the package `watchbuddy-NAME`; answers with its folder.

    Raises:
        click.BadParameter: there is such a folder already, or the name cannot be had.
        FileNotWritten: there is no room for it, or no right to write it; nothing is left of it.
    """
    _refuse_name(kind, name)
    package = f"watchbuddy-{name}"
    module = package.replace("-", "_")
    chosen = _KINDS[kind]
    words = {
        "name": name,
        "package": package,
        "module": module,
        "stem": "".join(word.capitalize() for word in name.split("-")),
        "title": name.replace("-", " ").capitalize(),
    }
    for word in ("description", "group", "target", "try_it", "begin_here"):
        words[word] = Template(getattr(chosen, word)).substitute(words)
    words["requirement"] = _requirement(chosen.extra)
    words["test_requirement"] = _requirement(chosen.test_extra)

    contents = {
        "pyproject.toml": _filled("every", "pyproject.toml", words),
        "README.md": _filled("every", "README.md", words),
        f"{module}/__init__.py": _filled(kind, "module.py", words),
        f"{module}/py.typed": "",
        f"tests/test_{name.replace('-', '_')}.py": _filled(kind, "test.py", words),
    }
    for template, path in chosen.files:
        place = f"{module}/{Template(path).substitute(words)}"
        contents[place] = _filled(kind, template, words)

    folder = into / package
    try:
        folder.mkdir()  # of two that write at once, one has made it
    except FileExistsError:
        raise click.BadParameter(f"{folder} exists; nothing was changed.") from None
    except OSError as exc:
        raise _not_written(folder, exc) from exc
    try:
        for path, text in contents.items():
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8", newline="\n")
    except OSError as exc:  # half a package would be in the way of a whole one
        shutil.rmtree(folder, ignore_errors=True)
        raise _not_written(folder, exc) from exc
    return folder


def _not_written(folder: Path, exc: OSError) -> FileNotWritten:
    return FileNotWritten(f"{folder} cannot be written: {exc.strerror or exc}.")


def _refuse_name(kind: str, name: str) -> None:
    """A name is part of a package's, a module's and a plugin's, and offered by one alone."""
    if not _NAME.fullmatch(name):
        raise click.BadParameter(f"{name!r} is no name such as moon or half-moon.")
    if len(name) > _LONGEST_NAME:
        raise click.BadParameter(f"{name} is longer than {_LONGEST_NAME} letters.")
    if name in _TAKEN:
        raise click.BadParameter(f"watchbuddy-{name} is a part of AI Watch Buddy itself.")
    if kind == "source" and name in _LINKS:
        raise click.BadParameter(f"{name}: is what links begin with. Name the site: moon.")
    taken = {plugin.name: plugin.owner for plugin in plugins.listing(_KINDS[kind].group)}
    if kind == "character":
        installed = plugins.offered_characters()
        taken |= {one.character.id: one.owner for one in installed if one.character}
    if name in taken:
        raise click.BadParameter(f"There is a {kind} {name} already, from {taken[name]}.")
    package = f"watchbuddy-{name}"
    if _is_installed(package):  # with a plugin of another kind: pip would put it out
        raise click.BadParameter(f"A package {package} is installed already. Name it otherwise.")


def _is_installed(package: str) -> bool:
    try:
        distribution(package)
    except PackageNotFoundError:
        return False
    return True


def _requirement(extra: str) -> str:
    return f"watchbuddy[{extra}]" if extra else "watchbuddy"


def _filled(kind: str, file: str, words: dict[str, str]) -> str:
    template = files("watchbuddy_server.cli") / "templates" / kind / f"{file}.template"
    return Template(template.read_text(encoding="utf-8")).substitute(words)
