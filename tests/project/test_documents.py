"""The documents say what the code does."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from prometheus_client.metrics_core import Metric
from pydantic import BaseModel

from watchbuddy_core import errors, wire
from watchbuddy_core.actions import ACTION, Emotion
from watchbuddy_core.character import MomentKind
from watchbuddy_core.characters import SLOTS
from watchbuddy_core.errors import WatchBuddyError
from watchbuddy_core.session import LibraryPage, SessionStatus, SessionVideo
from watchbuddy_server.characters import CharacterList
from watchbuddy_server.health import Reason
from watchbuddy_server.metrics import Metrics
from watchbuddy_server.worker_numbers import WorkerNumbers

ROOT = Path(__file__).parents[2]
PROTOCOL = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
TRACKS = (ROOT / "docs" / "tracks.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")

RESOURCES = {
    "status": SessionStatus,
    "video": SessionVideo,
    "ticket": wire.Ticket,
    "characters": CharacterList,
    "library": LibraryPage,
}
EXAMPLES = re.findall(r"```json ([a-z-]+)\n(.*?)```", PROTOCOL, flags=re.DOTALL)


@pytest.mark.parametrize(("kind", "text"), EXAMPLES)
def test_each_example_of_the_protocol_page_decodes(kind: str, text: str) -> None:
    match kind:
        case "request":
            wire.CreateSession.model_validate_json(text).check_range()
        case "session":
            wire.SessionCreated.model_validate_json(text)
        case "error-body":
            assert set(json.loads(text)["detail"]) == {"error", "message"}
        case "upload":
            assert json.loads(wire.Upload.model_validate_json(text).model_dump_json()) == (
                json.loads(text)
            )
        case "ticket-request":
            wire.TicketWish.model_validate_json(text)
        case "server":
            assert not isinstance(wire.decode_server_message(text), wire.UnknownMessage)
        case "client":
            wire.decode_client_message(text)
        case "status" | "video" | "ticket" | "characters" | "library":
            model: type[BaseModel] = RESOURCES[kind]
            told = model.model_validate_json(text)
            assert json.loads(told.model_dump_json()) == json.loads(text)
        case "action":
            assert list(ACTION.validate_json(text).model_dump()) == list(json.loads(text))
        case _:
            pytest.fail(f"an example of no known kind: {kind}")


def test_each_json_example_says_what_it_is() -> None:
    assert "```json\n" not in PROTOCOL


def subclasses(cls: type) -> list[type]:
    return [cls, *(below for child in cls.__subclasses__() for below in subclasses(child))]


def test_each_wire_code_is_documented() -> None:
    missing = {
        cls.code
        for cls in subclasses(WatchBuddyError)
        if cls.__module__ == errors.__name__ and f"`{cls.code}`" not in PROTOCOL + TRACKS
    }
    assert not missing - {"INVALID_MESSAGE"}
    assert '"INVALID_MESSAGE"' in PROTOCOL


def test_each_message_action_and_emotion_is_documented() -> None:
    messages = [
        value
        for value in vars(wire).values()
        if isinstance(value, type) and issubclass(value, BaseModel) and "type" in value.model_fields
    ]
    types = {str(message.model_fields["type"].default) for message in messages}
    types.discard("PydanticUndefined")
    assert {"session_ready", "timestamp_update"} <= types
    for name in types:
        assert f'"type": "{name}"' in PROTOCOL
    for emotion in Emotion:
        assert f"`{emotion}`" in PROTOCOL


def test_the_readme_names_both_commands_in_one_line_each() -> None:
    lines = [line for line in README.splitlines() if line.startswith("python3.11 -m venv")]
    assert len(lines) == 2
    assert lines[0].endswith("watchbuddy demo")
    assert lines[1].endswith("pytest -n auto")


def test_the_python_of_the_readme_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    exec(compile(program, "README.md", "exec"), {})
    assert capsys.readouterr().out.split() == ["2.0", "EXPRESSION", "3.0", "SPEAK"]


def test_the_python_of_the_page_on_the_bench_runs() -> None:
    page = (ROOT / "docs" / "bench.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    exec(compile(program, "bench.md", "exec"), {})


def test_the_python_of_the_page_on_cards_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (ROOT / "docs" / "characters.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(compile(program, "characters.md", "exec"), {})
    assert (tmp_path / "shen.charx").is_file()


PLUGINS = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("path", "text"), re.findall(r"```(?:python|toml) (\S+)\n(.*?)```", PLUGINS, flags=re.DOTALL)
)
def test_each_piece_of_the_plugins_page_stands_in_the_examples(path: str, text: str) -> None:
    assert text.strip("\n") in (ROOT / "examples" / path).read_text(encoding="utf-8")


def test_the_plugins_page_names_every_moment_slot_and_group() -> None:
    for name in (*MomentKind, *SLOTS):
        assert f"`{name}`" in PLUGINS or f"`{{{name}}}`" in PLUGINS
    for kind in ("sources", "generators", "schedulers", "characters"):
        assert f'"watchbuddy.{kind}"' in PLUGINS


OPERATING = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")


def counted() -> Iterator[Metric]:
    """By servers and workers."""
    for program in (Metrics(), WorkerNumbers()):
        yield from program.registry.collect()


def test_the_metrics_that_are_documented_are_those_that_there_are() -> None:
    rows = [line.split(" | ")[0] for line in OPERATING.splitlines() if line.startswith("| `")]
    documented = [
        name for row in rows for name in re.findall(r"`((?:watchbuddy|process)_\w+)`", row)
    ]
    assert sorted(documented) == sorted({metric.name for metric in counted()})


def test_the_labels_of_a_metric_are_documented_with_it() -> None:
    rows = [line.split(" | ") for line in OPERATING.splitlines() if line.startswith("| `watch")]
    documented = {row[0].strip("| `"): set(re.findall(r"`(\w+)`", row[2])) for row in rows}
    for metric in counted():
        labels = {name for sample in metric.samples for name in sample.labels} - {"le"}
        assert labels <= documented.get(metric.name, set())


def test_each_reason_not_to_be_ready_is_documented() -> None:
    for reason in get_args(Reason):
        assert f"| `{reason}` |" in OPERATING
        assert f"`{reason}`" in PROTOCOL
