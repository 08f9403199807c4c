"""`watchbuddy characters`: who can watch along, and character cards in and out."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import click

from watchbuddy_core.characters import CARD_FILES
from watchbuddy_core.characters.cards import (
    MOST_BYTES,
    Card,
    card_of,
    format_of,
    read_card,
    write_card,
)
from watchbuddy_core.configuration import configure
from watchbuddy_core.errors import InvalidCharacterFile, UnknownCharacter
from watchbuddy_core.folders import card_folder
from watchbuddy_core.plugins import Offered, offered_characters
from watchbuddy_core.settings import Settings
from watchbuddy_server.cli import options, running
from watchbuddy_server.listings import as_json, character_lines, character_rows
from watchbuddy_server.new_files import FileNotWritten, new_file
from watchbuddy_server.printable import printable


@click.group("characters", invoke_without_command=True)
@options.characters
@options.data_dir
@options.config
@click.option("--json", "wants_json", is_flag=True, help="For programs.")
def characters(config: Path | None, wants_json: bool, **given: Any) -> None:
    """List who can watch along; take character cards in, and write them."""
    running.log_to_stderr(running.OneLine, level=logging.ERROR)
    if click.get_current_context().invoked_subcommand is None:
        rows = character_rows(_offered(_settings(config, given)))
        click.echo(as_json(rows) if wants_json else "\n".join(character_lines(rows)))


@characters.command("import")
@click.argument("file", type=options.FILE)
@click.option("--id", "id", metavar="ID", help="Its id.  [default: made of the card's name]")
@click.option("--replace", is_flag=True, help="Take the place of who has the id already.")
@click.option(
    "--system-prompt",
    "with_instructions",
    is_flag=True,
    help="Use what the card tells a model to do. Else that is left out: it is meant for chats.",
)
@options.characters
@options.data_dir
@options.config
def import_card(
    file: Path,
    id: str | None,
    replace: bool,
    with_instructions: bool,
    config: Path | None,
    **given: Any,
) -> None:
    """Take in a character card, a .png, .json or .charx: it is kept as it is."""
    settings = _settings(config, given)
    # An operator's own file goes before a card, so a card with its id would never be seen.
    others = {
        one.character.id
        for one in _offered(settings)
        if one.character and not one.is_brought and (one.is_own or not replace)
    }
    with file.open("rb") as opened:
        content = opened.read(MOST_BYTES + 1)  # what is larger is refused, however large it is
    try:
        character = card_folder(settings).add(
            content,
            id=id,
            clash="replace" if replace else "refuse",
            others=others,
            with_instructions=with_instructions,
        )
    except InvalidCharacterFile as exc:
        raise InvalidCharacterFile(f"{file.name}: {exc}") from exc
    click.echo(printable(f"{character.id}: {next(iter(character.name.values()))}"))


@characters.command("export")
@click.argument("id")
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file: its ending, .json, .png or .charx, says what it becomes.",
)
@click.option("--original", is_flag=True, help="The file as it was imported, whatever its version.")
@click.option("-f", "--force", is_flag=True, help="Replace a file that exists; else it is kept.")
@options.characters
@options.data_dir
@options.config
def export_card(
    id: str, output: Path, original: bool, force: bool, config: Path | None, **given: Any
) -> None:
    """Write a character, also one that is no card, as a character card of version 3."""
    if output.exists() and not force:
        raise click.BadParameter(f"{output} exists; --force replaces it.", param_hint="--output")
    format = format_of(output.name)
    card = _card(id, _offered(_settings(config, given)))
    if original and card.format != format:
        raise click.BadParameter(f"{id} was imported as .{card.format}.", param_hint="--original")
    content = card.original if original else write_card(card, format)
    with new_file(output) as file:
        file.write(content)
    click.echo(f"{output}: {len(content):,} bytes")


@characters.command("rm")
@click.argument("ids", nargs=-1, required=True, metavar="ID…")
@options.data_dir
@options.config
def remove_cards(ids: tuple[str, ...], config: Path | None, **given: Any) -> None:
    """Delete characters that were imported."""
    folder = card_folder(_settings(config, given))
    for id in ids:
        folder.file_of(id)  # all of them are there, or nothing is deleted
    for id in dict.fromkeys(ids):
        try:
            folder.remove(id)
        except OSError as exc:
            raise FileNotWritten(f"{id} cannot be deleted: {exc.strerror or exc}.") from exc
    click.echo(f"Deleted {len(set(ids))} character{'' if len(set(ids)) == 1 else 's'}.")


def _settings(config: Path | None, given: dict[str, Any]) -> Settings:
    """What is given to `characters` itself holds for its commands as well."""
    above = click.get_current_context().parent
    before = above.params if above is not None else {}
    arguments = {name: value or before.get(name) or None for name, value in given.items()}
    spelled = {"data_dir": "--data-dir", "characters": "--characters"}
    return configure(arguments, spelled=spelled, file=config or before.get("config")).settings


def _offered(settings: Settings) -> list[Offered]:
    return offered_characters(settings.characters, brought=card_folder(settings))


def _card(id: str, offered: list[Offered]) -> Card:
    """The card of a character: its own, or one that says all that is known of it.

    Raises:
        UnknownCharacter: nobody has the id.
    """
    named = [one for one in offered if one.character is not None and one.character.id == id]
    for one in reversed(named):  # the last one is the one that counts
        if one.file is not None and one.file.suffix.lower() in CARD_FILES:
            return read_card(one.file.read_bytes())
        assert one.character is not None
        return card_of(one.character)
    ids = {one.character.id for one in offered if one.character is not None}
    raise UnknownCharacter(tuple(sorted(ids)))
