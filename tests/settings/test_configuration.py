"""Settings from a file, the environment and arguments."""

from __future__ import annotations

import logging
import os
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from watchbuddy_core.assembly import build_parts
from watchbuddy_core.configuration import as_toml, configure, settings_in, variable_of
from watchbuddy_core.errors import InvalidCharacterFile, InvalidSettings, PluginProblem
from watchbuddy_core.redaction import redacted
from watchbuddy_core.settings import Settings

DOCUMENT = (Path(__file__).parents[2] / "docs" / "settings.md").read_text(encoding="utf-8")

OTHER: dict[str, tuple[str, str, Any]] = {
    "libraries": ('["/a", "/b"]', os.pathsep.join(["/c", "/d"]), (Path("/e"),)),
    "host": ('"::1"', "0.0.0.0", "localhost"),
    "port": ("1", "2", 3),
    "data_dir": ('"/a"', "/b", Path("/c")),
    "store": ('"memory"', "redis://127.0.0.1:6379/1", "unix:///run/redis.sock?db=2"),
    "jobs": ('"saq"', "local", "saq"),
    "metrics_port": ("9101", "9102", 9103),
    "metrics_host": ('"10.0.0.21"', "10.0.0.22", "::1"),
    "log_format": ('"json"', "text", "json"),
    "log_level": ('"info"', "debug", "error"),
    "allow_origins": ('["https://a.example"]', "https://b.example,null", ("*",)),
    "server_names": ('["a.example"]', "b.example", ("c.example",)),
    "trusted_proxies": ('["10.0.0.1"]', "10.0.0.0/8,fd00::/8", ("127.0.0.1/32",)),
    "peer_url": ('"http://a:1"', "http://10.0.0.5:8000", "https://[::1]:8/b"),
    "path_prefix": ('"/a"', "/b/c", "/d"),
    "access": ('"open"', "token", "open"),
    "token_hashes": (f'["{"a" * 64}"]', ",".join(("b" * 64, "c" * 64)), ("d" * 64,)),
    "allow_hosts": ('["a.example:80"]', "b.example,c.example", ("d.example",)),
    "ytdlp_hosts": ('["a.example"]', "b.example,c.example", ("*",)),
    "usual_sites": ("false", "yes", False),
    "picture_lines": ("480", "720", None),
    "uploads": ('"on"', "off", None),
    "character": ('"shen"', "quinn", "other"),
    "characters": ('["/a"]', "/b", (Path("/c"),)),
    "generator": ('"a"', "b", "c"),
    "model": ('"a/b"', "a/c", "a/d"),
    "api_base": ('"http://127.0.0.1:1"', "http://127.0.0.1:2", "http://127.0.0.1:3"),
    "stand_in": ('"a"', "b", "c"),
    "transcriber": ('"a"', "b", "c"),
    "density": ('"quiet"', "chatty", "muted"),
    "limits.preparing": ("1", "2", None),
    "limits.waiting": ("1", "2", None),
    "limits.waiting_per_user": ("1", "2", None),
    "limits.waiting_per_caller": ("1", "2", None),
    "limits.waiting_per_address": ("1", "2", None),
    "limits.sessions": ("1", "2", None),
    "limits.sessions_per_caller": ("1", "2", None),
    "limits.sessions_per_address": ("1", "2", None),
    "limits.creations_per_minute": ("1.5", "2.5", None),
    "limits.creations_per_minute_per_address": ("1.5", "2.5", None),
    "limits.uploads_per_minute": ("1.5", "2.5", None),
    "limits.requests_per_minute": ("1.5", "2.5", None),
    "limits.connects_per_minute": ("1.5", "2.5", None),
    "limits.connections": ("1", "2", None),
    "limits.connections_per_address": ("1", "2", None),
    "limits.connections_per_session": ("1", "2", None),
    "limits.messages_per_second": ("1.5", "2.5", None),
    "limits.silent_seconds": ("1.5", "2.5", None),
    "limits.stalled_seconds": ("1.5", "2.5", None),
    "limits.body_bytes": ("1", "2", None),
    "limits.frame_bytes": ("1", "2", None),
    "limits.idle_seconds": ("1.5", "2.5", None),
    "limits.store_bytes": ("1", "2", None),
    "limits.session_seconds": ("1.5", "2.5", None),
    "limits.preparing_seconds": ("1.5", "2.5", None),
    "limits.generating_idle_seconds": ("1.5", "2.5", None),
    "limits.generating_seconds": ("1.5", "2.5", None),
    "limits.fetching_seconds": ("1.5", "2.5", None),
    "limits.fetching": ("1", "2", None),
    "limits.video_seconds": ("1.5", "2.5", None),
    "limits.script_actions": ("1", "2", None),
    "limits.characters": ("1", "2", None),
    "limits.upload_bytes": ("1", "2", None),
    "limits.uploads_waiting": ("1", "2", None),
    "limits.uploads_waiting_per_caller": ("1", "2", None),
    "limits.upload_waiting_seconds": ("1.5", "2.5", None),
    "limits.shutdown_seconds": ("1.5", "2.5", None),
    "limits.upload_stall_seconds": ("1.5", "2.5", None),
    "budget.session": ("1.0", "2.0", None),
    "budget.day": ("1.0", "2.0", None),
    "budget.user_day": ("1.0", "2.0", None),
    "cache.total_bytes": ("1", "2", None),
    "cache.video_bytes": ("1", "2", None),
    "cache.understanding_bytes": ("1", "2", None),
    "cache.draft_bytes": ("1", "2", None),
    "cache.free_bytes": ("1", "2", None),
    "plugins": ("{a = {x = 1}}", '{"b": {"y": 2}}', {"c": {}}),
}
"""By setting: a value for the file, one for the variable, one for the argument."""


def value_of(settings: Settings, name: str) -> Any:
    value: Any = settings
    for part in name.split("."):
        value = getattr(value, part)
    return value


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with no settings in it."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def nowhere(folder: Path, **variables: str) -> dict[str, str]:
    """An environment without settings but these."""
    return {"XDG_CONFIG_HOME": str(folder / "none"), "HOME": str(folder / "none"), **variables}


def test_there_is_another_value_for_every_setting() -> None:
    assert list(OTHER) == [".".join(name) for name, _ in settings_in()]


@pytest.mark.parametrize("name", OTHER)
def test_arguments_win_over_variables_and_those_over_the_file(folder: Path, name: str) -> None:
    in_file, in_variable, argument = OTHER[name]
    (folder / "watchbuddy.toml").write_text(f"{name} = {in_file}")
    parts = tuple(name.split("."))
    environment = nowhere(folder, **{variable_of(parts): in_variable})

    of_file = configure(environment=nowhere(folder))
    assert of_file.origins[parts] == str(folder / "watchbuddy.toml")
    of_variable = configure(environment=environment)
    assert of_variable.origins[parts] == variable_of(parts)
    seen = [
        value_of(Settings(), name),
        *(value_of(c.settings, name) for c in (of_file, of_variable)),
    ]
    if argument is not None:
        of_argument = configure({name: argument}, spelled={name: "--it"}, environment=environment)
        assert of_argument.origins[parts] == "--it"
        seen.append(value_of(of_argument.settings, name))
        assert seen[-1] == argument
    assert all(one != next_one for one, next_one in pairwise(seen))


@pytest.mark.parametrize("name", OTHER)
def test_the_settings_in_force_can_be_saved_and_give_the_same(folder: Path, name: str) -> None:
    parts = tuple(name.split("."))
    before = configure(environment=nowhere(folder, **{variable_of(parts): OTHER[name][1]}))
    (folder / "watchbuddy.toml").write_text(as_toml(before), encoding="utf-8")
    assert configure(environment=nowhere(folder)).settings == before.settings


def test_each_setting_is_printed_with_its_meaning_and_where_it_comes_from(folder: Path) -> None:
    printed = as_toml(
        configure({"port": 1}, spelled={"port": "--port"}, environment=nowhere(folder))
    )
    for name, field in settings_in():
        assert re.search(rf"^(# )?{name[-1]}\b.*(# |: )(default|--port)$", printed, re.MULTILINE)
        assert field.description
        assert " ".join(field.description.split()) in printed
    assert "port = 1  # --port" in printed


def test_each_setting_is_documented() -> None:
    for name, field in settings_in():
        (row,) = re.findall(rf"^\| `{re.escape('.'.join(name))}` \|.*$", DOCUMENT, re.MULTILINE)
        assert " ".join((field.description or "").split()) in row


@pytest.mark.parametrize("where", ["argument", "variable", "current", "user"])
def test_the_file_is_found(folder: Path, where: str) -> None:
    path = folder / "elsewhere" / "watchbuddy.toml"
    path.parent.mkdir()
    path.write_text("port = 1")
    environment = nowhere(folder)
    if where == "user":
        home = folder / "home" / "watchbuddy"
        home.mkdir(parents=True)
        path.rename(home / "watchbuddy.toml")
        environment["XDG_CONFIG_HOME"] = str(folder / "home")
    else:
        (folder / "watchbuddy.toml").write_text("port = 2" if where != "current" else "port = 1")
    if where == "variable":
        environment["WATCHBUDDY_CONFIG"] = str(path)
    found = configure(file=path if where == "argument" else None, environment=environment)
    assert found.settings.port == 1


def test_relative_paths_are_relative_to_the_file(folder: Path) -> None:
    (folder / "deep").mkdir()
    path = folder / "deep" / "watchbuddy.toml"
    path.write_text('libraries = ["films", "/srv"]\ndata_dir = "data"\nhost = "films"')
    settings = configure(file=Path("deep/watchbuddy.toml"), environment=nowhere(folder)).settings
    assert settings.libraries == (folder / "deep" / "films", Path("/srv"))
    assert settings.data_dir == folder / "deep" / "data"
    assert settings.host == "films"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("prot = 1", "prot in {file} is no setting. Is it port that you mean?"),
        (
            "[limits]\npreparng = 1",
            "limits.preparng in {file} is no setting. Is it limits.preparing",
        ),
        ("[limit]\npreparing = 1", "limit in {file} is no setting. Is it limits that you mean?"),
        ("port = 70000", "port in {file}: Input should be less than or equal to 65535."),
        ('port = "a"', "port in {file}: Input should be a valid integer"),
        ('density = "loud"', "density in {file}: Input should be 'muted', 'quiet'"),
        ("limits = 1", "limits in {file}"),
        ("[limits]\nidle_seconds = nan", "limits.idle_seconds in {file}: "),
        ("port = ", "{file} is not TOML"),
    ],
)
def test_what_is_wrong_in_a_file_is_told_by_its_place(
    folder: Path, content: str, said: str
) -> None:
    path = folder / "watchbuddy.toml"
    path.write_text(content)
    with pytest.raises(InvalidSettings) as caught:
        configure(environment=nowhere(folder))
    assert said.format(file=path) in caught.value.message
    assert "\n" not in caught.value.message


def test_a_switch_may_be_said_in_words_or_as_a_truth_value(folder: Path) -> None:
    (folder / "watchbuddy.toml").write_text("uploads = true")
    assert configure(environment=nowhere(folder)).settings.uploads == "on"
    assert configure({"uploads": False}, environment=nowhere(folder)).settings.uploads == "off"
    with pytest.raises(InvalidSettings, match="WATCHBUDDY_UPLOADS: Input should be 'auto'"):
        configure(environment=nowhere(folder, WATCHBUDDY_UPLOADS="perhaps"))


def test_a_file_that_cannot_be_read_is_told(folder: Path) -> None:
    with pytest.raises(InvalidSettings, match="cannot be read: No such file"):
        configure(file=folder / "none.toml", environment=nowhere(folder))
    (folder / "bytes.toml").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(InvalidSettings, match="it is no text"):
        configure(file=folder / "bytes.toml", environment=nowhere(folder))


def test_a_wrong_variable_is_told_by_its_name_and_an_unknown_one_passed_over(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(InvalidSettings, match=r"^WATCHBUDDY_PORT: Input should be a valid integer"):
        configure(environment=nowhere(folder, WATCHBUDDY_PORT="a"))
    with pytest.raises(InvalidSettings, match=r"^WATCHBUDDY_PLUGINS is not JSON"):
        configure(environment=nowhere(folder, WATCHBUDDY_PLUGINS="{"))
    with caplog.at_level(logging.WARNING):
        configure(environment=nowhere(folder, WATCHBUDDY_PROT="1", WATCHBUDDY_CONFIG=""))
    assert "WATCHBUDDY_PROT is no setting. Is it WATCHBUDDY_PORT that you mean?" in caplog.text


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        (
            "allow_origins",
            ["https://a.example", "http://[::1]:80/", "moz-extension://4f-2", "null", "*"],
            ["a.example", "https://a.example/b", "https://*.example", "https://a; script-src *"],
        ),
        (
            "server_names",
            ["buddy.example.com", "nas", "::1", "10.0.0.5", "*"],
            ["https://a.example", "a.example:8000", "a.example/b", ""],
        ),
        ("trusted_proxies", ["10.0.0.0/8", "fd00::1"], ["nginx", "*", "10.0.0.1/8"]),
        (
            "token_hashes",
            ["ab" * 32],
            ["wb_kq3T0n2hV5mJY8r1ZxU7cQeA4sLwDf6gBpNiOt9Kv_E", "AB" * 32],
        ),
    ],
)
def test_what_would_never_come_true_is_refused_with_what_it_should_be(
    folder: Path, name: str, good: list[str], bad: list[str]
) -> None:
    for one in good:
        assert configure({name: (one,)}, environment=nowhere(folder)).settings
    for one in bad:
        with pytest.raises(InvalidSettings, match=r" is no .*(such as|prints)") as refused:
            configure({name: (one,)}, environment=nowhere(folder))
        assert "wb_" not in refused.value.message


@pytest.mark.parametrize(
    "address",
    [
        "postgres://host/db",
        "redis://",
        "redis://:s3cret@/0",
        "redis://:s3cret@host/films",
        "redis://:s3/cret@host/0",
        "redis://:s3#cret@host/0",
        "redis://:s3@cret@host/0",
        "redis://host/0?password=s3cret",
        "redis://host:99999/0",
        "unix://run?password=s3cret",
        "redis",
    ],
)
def test_a_store_is_refused_without_being_repeated(folder: Path, address: str) -> None:
    with pytest.raises(InvalidSettings, match="this is no place for sessions: sqlite") as refused:
        configure({"store": address}, spelled={"store": "--store"}, environment=nowhere(folder))
    assert refused.value.message.startswith("--store: ")
    assert "s3" not in refused.value.message


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("redis://host", "redis://host"),
        ("redis://:s3%40cret@[::1]:6380/3", "redis://***@[::1]:6380/3"),
        ("rediss://ann:s3cret@host?ssl_ca_certs=/ca.pem", "rediss://***@host?ssl_ca_certs=/ca.pem"),
        ("unix://ann:s3cret@/run/redis.sock?db=1", "unix://***@/run/redis.sock?db=1"),
    ],
)
def test_the_password_of_a_store_is_never_shown(folder: Path, address: str, shown: str) -> None:
    found = configure({"store": address}, environment=nowhere(folder))
    assert found.settings.store == address
    assert f'store = "{shown}"' in as_toml(found)
    assert "s3" not in f"{as_toml(found)} {found} {found.settings!r} {redacted(address)}"


@pytest.mark.parametrize("prefix", ["buddy", "//evil", "/a b", "/..", "/a/../b", "/.", "/?"])
def test_a_prefix_is_a_plain_path(folder: Path, prefix: str) -> None:
    with pytest.raises(InvalidSettings, match="such as /buddy"):
        configure({"path_prefix": prefix}, environment=nowhere(folder))
    for plain in ("", "/", "/buddy", "/a.b/~c/", "/..a"):
        assert configure({"path_prefix": plain}, environment=nowhere(folder)).settings


# --- what they are for ---------------------------------------------------------------------


def test_options_reach_the_plugin_and_one_that_it_does_not_take_is_told() -> None:
    with pytest.raises(PluginProblem, match=r"'offline'.*takes no arguments"):
        build_parts(Settings(plugins={"offline": {"colour": "red"}}))
    with pytest.raises(PluginProblem, match="options for a plugin 'nobody'"):
        build_parts(Settings(plugins={"nobody": {}}))


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"libraries": ("no-such-folder",)}, ["The library no-such-folder is no folder"]),
        ({"api_base": "http://127.0.0.1:1"}, ["api_base does nothing", "Name a model as well."]),
        ({"model": "ollama/x", "generator": "offline"}, ["model does nothing", "offline that"]),
        ({"libraries": (".",)}, []),
        ({"model": "ollama/x", "api_base": "http://127.0.0.1:1"}, []),
        ({"model": "ollama/x", "generator": "offline", "stand_in": "litellm"}, []),
    ],
)
def test_a_setting_that_does_nothing_is_told(
    settings: dict[str, Any], told: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="watchbuddy"):
        build_parts(Settings(**settings))
    assert len(caplog.records) == bool(told)
    assert all(part in caplog.text for part in told)


CHARACTER = 'id = "{id}"\n[name]\nen = "{name}"\n'


def test_character_files_of_a_folder_are_there_and_replace_installed_ones(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "rosa.toml").write_text(CHARACTER.format(id="rosa", name="Rosa"))
    (tmp_path / "miao.toml").write_text(CHARACTER.format(id="miao", name="My own Miao"))
    (tmp_path / "broken.toml").write_text('id = "Not An Id"')
    with caplog.at_level(logging.WARNING):
        characters = build_parts(Settings(characters=(tmp_path,))).characters
    assert characters["rosa"].name == {"en": "Rosa"}
    assert characters["miao"].name == {"en": "My own Miao"}
    assert "shen" in characters
    assert "broken.toml: id:" in caplog.text
    before = characters["rosa"].revision
    (tmp_path / "rosa.toml").write_text(CHARACTER.format(id="rosa", name="Rosalind"))
    assert build_parts(Settings(characters=(tmp_path,))).characters["rosa"].revision != before


def test_two_files_with_one_id_are_an_error_that_names_both(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.toml").write_text(CHARACTER.format(id="rosa", name="Rosa"))
    with pytest.raises(InvalidCharacterFile, match=r"a\.toml and .*b\.toml hold the same id"):
        build_parts(Settings(characters=(tmp_path,)))
