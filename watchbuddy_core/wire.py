"""The messages of the WebSocket protocol, both ways, and the request that starts a session.

Words only: `decode_client_message` and `decode_server_message` turn a frame into a
typed value, `encode` turns one into a frame. Actions are sent bare, without a
`type`: that is how a receiver tells them from the rest.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
)

from watchbuddy_core.actions import ACTION, MAX_SECONDS, Action, Density
from watchbuddy_core.entries import FeedbackWish, StageName
from watchbuddy_core.errors import InvalidMessage, InvalidTimeRange
from watchbuddy_core.events import (
    ActionCompleted,
    Outcome,
    SeekCause,
    SeekUpdate,
    TimestampUpdate,
)

PROTOCOL_VERSION = "1.1"

Feature = Literal["early_ready", "progress", "hold", "chat", "feedback"]
"""What a client can ask for in the address of its connection; see the protocol's page."""
FEATURES: tuple[Feature, ...] = get_args(Feature)
HOLD_SECONDS = 2.0
"""How far ahead, in media seconds, a client with `hold` is sent its actions."""


def read_features(asked: str) -> tuple[Feature, ...]:
    """The features in a list separated by commas. Unknown ones are ignored."""
    names = {name.strip() for name in asked.split(",")}
    return tuple(feature for feature in FEATURES if feature in names)


def _absent(value: object) -> object:
    """`null` and `""` mean that an optional field was not given."""
    return None if value == "" else value


_Time = Annotated[float, Field(ge=0, le=MAX_SECONDS, allow_inf_nan=False)]
_OptionalTime = Annotated[_Time | None, BeforeValidator(_absent)]

Position = Annotated[float, Field(strict=True, allow_inf_nan=False)]
"""Where a player says it is, in media seconds. Any finite number: the Timeline clamps it."""


def _primary(value: object) -> object:
    """Of a tag such as `zh-CN`, what stands first."""
    return value.partition("-")[0].lower() if isinstance(value, str) else value


_Language = Annotated[str, Field(pattern=r"^[a-z]{2,3}$"), BeforeValidator(_primary)]


class CreateSession(BaseModel):
    """The body of `POST /api/v1/sessions`. Unknown keys are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    video_url: str = Field(min_length=1, max_length=4096)
    start_time: _OptionalTime = None
    end_time: _OptionalTime = None
    text: Annotated[Annotated[str, Field(max_length=4000)] | None, BeforeValidator(_absent)] = None
    character_id: str = Field(min_length=1, max_length=64)
    user_id: Annotated[Annotated[str, Field(max_length=256)] | None, BeforeValidator(_absent)] = (
        None
    )
    density: Annotated[Density | None, BeforeValidator(_absent)] = None
    language: Annotated[_Language | None, BeforeValidator(_absent)] = None
    """Of the viewer: what stands first in a language tag (BCP 47)."""

    def check_range(self) -> None:
        """Raises: InvalidTimeRange, where the end does not lie after the start."""
        if self.end_time is not None and self.end_time <= (self.start_time or 0.0):
            raise InvalidTimeRange("end_time must lie after start_time.")


class SessionCreated(BaseModel):
    """The answer to it."""

    session_id: str


FileKind = Literal["media", "subtitles"]
"""What a file is by its content: a video or a recording, or subtitles alone."""


TicketPurpose = Literal["connect", "media"]
"""`connect`: one WebSocket. `media`: the session's video, as often as a player asks."""


class TicketWish(BaseModel):
    """What a ticket is to be good for: POST /api/v1/sessions/{session_id}/tickets."""

    model_config = ConfigDict(frozen=True)

    purpose: TicketPurpose


class Ticket(BaseModel):
    """What stands for a token in an address: `?ticket=…`."""

    model_config = ConfigDict(frozen=True)

    ticket: str
    expires_in: float
    """Seconds for which it is good."""


class Upload(BaseModel):
    """The answer to `POST /api/v1/uploads`: a file that was taken in whole."""

    model_config = ConfigDict(frozen=True)

    video_url: str
    """What to ask for it by. Whoever knows it may: keep it to yourself."""
    title: str
    """From the name of the file."""
    kind: FileKind
    size_bytes: int


# --- from the client -------------------------------------------------------------------


class _FromClient(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class TimestampUpdateMessage(_FromClient):
    """Where the player is; several times a second while it plays."""

    type: Literal["timestamp_update"] = "timestamp_update"
    timestamp: Position
    paused: Annotated[bool | None, Field(strict=True)] = None
    playback_rate: Annotated[
        float | None, Field(strict=True, gt=0, le=100, allow_inf_nan=False)
    ] = None

    def event(self) -> TimestampUpdate:
        return TimestampUpdate(self.timestamp, self.paused, self.playback_rate)


class SeekUpdateMessage(_FromClient):
    """The player was moved."""

    type: Literal["seek_update"] = "seek_update"
    timestamp: Position
    cause: SeekCause | None = None
    action_id: Annotated[str | None, Field(max_length=64)] = None

    def event(self) -> SeekUpdate:
        return SeekUpdate(self.timestamp, self.cause, self.action_id)


class ActionCompletedMessage(_FromClient):
    """The client is through with an action."""

    type: Literal["action_completed"] = "action_completed"
    action_id: str = Field(max_length=64)
    outcome: Outcome | None = None
    heard_text: Annotated[str | None, Field(max_length=4000)] = None

    def event(self) -> ActionCompleted:
        return ActionCompleted(self.action_id, self.outcome, self.heard_text)


class FeedbackMessage(_FromClient):
    """The viewer wants more of the companion, or less. Needs the feature `feedback`."""

    type: Literal["feedback"] = "feedback"
    kind: FeedbackWish


class UserMessage(_FromClient):
    """The viewer says something to the companion. Needs the feature `chat`."""

    type: Literal["user_message"] = "user_message"
    text: Annotated[
        str, StringConstraints(strict=True, strip_whitespace=True, min_length=1, max_length=2000)
    ]


class InterruptMessage(_FromClient):
    """The viewer wants to hear no more of what is being said. Needs the feature `chat`."""

    type: Literal["interrupt"] = "interrupt"


PlayerMessage = TimestampUpdateMessage | SeekUpdateMessage | ActionCompletedMessage
"""What the player says, rather than the viewer."""
ClientMessage = Annotated[
    PlayerMessage | FeedbackMessage | UserMessage | InterruptMessage, Field(discriminator="type")
]
_CLIENT: TypeAdapter[ClientMessage] = TypeAdapter(ClientMessage)


def decode_client_message(frame: str | bytes) -> ClientMessage:
    """Read a frame from a client.

    Raises:
        InvalidMessage: it is no message; the text says why and does not echo it.
    """
    try:
        return _CLIENT.validate_json(frame)
    except ValidationError as exc:
        raise _complaint(exc) from None


def _complaint(exc: ValidationError) -> InvalidMessage:
    error = exc.errors(include_url=False, include_context=False, include_input=False)[0]
    if error["type"] == "json_invalid":
        return InvalidMessage("The message is not valid JSON.")
    if error["type"] == "union_tag_not_found":
        return InvalidMessage("The message has no type.")
    if error["type"] == "union_tag_invalid":
        return InvalidMessage("The message has an unknown type.", counts=False)
    field = ".".join(str(part) for part in error["loc"][1:])
    return InvalidMessage(f"{field}: {error['msg']}" if field else error["msg"])


# --- from the server -------------------------------------------------------------------


class _FromServer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class SessionReadyMessage(_FromServer):
    """The script is there."""

    type: Literal["session_ready"] = "session_ready"


class ProcessingErrorMessage(_FromServer):
    """There will be no script. The server closes the connection after it."""

    type: Literal["processing_error"] = "processing_error"
    error_code: str
    message: str


class ErrorMessage(_FromServer):
    """A frame from the client was no message; nothing has changed."""

    type: Literal["error"] = "error"
    error_code: str
    message: str


class WelcomeMessage(_FromServer):
    """The first message of a connection that asked for features, even for none."""

    type: Literal["welcome"] = "welcome"
    protocol: str = PROTOCOL_VERSION
    session_id: str
    features: tuple[str, ...]
    """Those of the ones asked for that the server grants; a newer one knows more names."""
    character_id: str
    start_time: float
    end_time: float | None
    """None: to the end of the video, which is not known yet."""
    duration: float | None
    """Of the whole video, in seconds. None: not known yet."""


class ProgressMessage(_FromServer):
    """How far the preparation is. Feature `progress`; at most four a second, until ready."""

    type: Literal["progress"] = "progress"
    stage: StageName
    fraction: Annotated[float | None, Field(ge=0, le=1)]
    """Of this stage. None: it cannot be told."""
    message: str


class CoverageMessage(_FromServer):
    """Which parts of the video are scripted, in media seconds. Feature `progress`."""

    type: Literal["coverage"] = "coverage"
    ranges: tuple[tuple[float, float], ...]


class NoticeMessage(_FromServer):
    """Something is not as it could be, and the session goes on. Feature `progress`."""

    type: Literal["notice"] = "notice"
    code: str
    message: str


class DensityMessage(_FromServer):
    """How much the companion says from here on. Feature `feedback`."""

    type: Literal["density"] = "density"
    value: Density


class ReplyStartedMessage(_FromServer):
    """What follows answers what the viewer said. Feature `chat`."""

    type: Literal["reply_started"] = "reply_started"
    message_id: str


class ReplyFinishedMessage(_FromServer):
    """The answer is over. Feature `chat`."""

    type: Literal["reply_finished"] = "reply_finished"
    message_id: str


class StopSpeakingMessage(_FromServer):
    """What is being said ends now: the viewer has interrupted. Feature `chat`."""

    type: Literal["stop_speaking"] = "stop_speaking"


ControlMessage = (
    SessionReadyMessage
    | ProcessingErrorMessage
    | ErrorMessage
    | WelcomeMessage
    | ProgressMessage
    | CoverageMessage
    | NoticeMessage
    | DensityMessage
    | ReplyStartedMessage
    | ReplyFinishedMessage
    | StopSpeakingMessage
)


class UnknownMessage(_FromServer):
    """A message of a newer server; ignored."""

    type: str


_SERVER: TypeAdapter[ControlMessage] = TypeAdapter(
    Annotated[ControlMessage, Field(discriminator="type")]
)
ServerMessage = ControlMessage | UnknownMessage | Action


def encode(message: Action | ControlMessage | ClientMessage) -> str:
    """One text frame: compact JSON, text beyond ASCII as it is.

    What a client does not say is left out; what a server does not know is `null`.
    """
    return message.model_dump_json(exclude_none=isinstance(message, _FromClient))


def decode_server_message(frame: str | bytes) -> ServerMessage:
    """Read a frame from a server. What a newer server adds comes back as UnknownMessage.

    Raises:
        InvalidMessage: it is no message.
    """
    try:
        value: Any = json.loads(frame)
    except ValueError:
        raise InvalidMessage("The message is not valid JSON.") from None
    if not isinstance(value, dict):
        raise InvalidMessage("The message is not a JSON object.")
    try:
        if "type" not in value:
            return ACTION.validate_python(value)
        return _SERVER.validate_python(value)
    except ValidationError as exc:
        complaint = _complaint(exc)
        if not complaint.counts and isinstance(value.get("type"), str):
            return UnknownMessage(type=value["type"])
        raise complaint from None
