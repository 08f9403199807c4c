"""Who can watch along: listed, brought along as a card, and what their cards show of them.

A card comes from a stranger, and its pictures are given to browsers. They are given as what
their bytes are, and nothing is given that a browser would run.
"""

from __future__ import annotations

import asyncio
import hashlib
from typing import Annotated, Any

from litestar import HttpMethod, Request, Response, get, post, route
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, QueryParameter
from litestar.status_codes import (
    HTTP_200_OK,
    HTTP_201_CREATED,
    HTTP_204_NO_CONTENT,
    HTTP_304_NOT_MODIFIED,
)
from pydantic import BaseModel, ConfigDict

from watchbuddy_core.actions import Emotion
from watchbuddy_core.character import Character
from watchbuddy_core.characters.cards import MOST_BYTES
from watchbuddy_core.characters.cast import Cast, Faces
from watchbuddy_core.characters.folder import Clash
from watchbuddy_core.errors import RateLimited, RequestRefused, UploadStalled, UploadTooLarge
from watchbuddy_server.access import Caller
from watchbuddy_server.errors import Forbidden, error_responses
from watchbuddy_server.traffic import Traffic, address_of
from watchbuddy_server.uploads import Body, TakesFile, receive

_AT_A_TIME = 2
"""Cards that are taken in. Each may be in memory more than once, unpacked."""
_MOST_WAITING = 8
_SOMEBODY = "somebody"
"""Who brings a card where nothing tells callers apart, as over a local socket."""
_MOST_SECONDS = 60.0
"""For a card to arrive."""


class CharacterPictures(BaseModel):
    """What there is to see of somebody; `…/picture` is always there."""

    model_config = ConfigDict(frozen=True)

    version: str
    """Changes whenever a picture does."""
    emotions: tuple[Emotion, ...]
    """Those with a picture at `…/emotions/{emotion}`."""


class CharacterSummary(BaseModel):
    """Somebody who can watch along."""

    model_config = ConfigDict(frozen=True)

    id: str
    name: dict[str, str]
    """By language."""
    description: dict[str, str]
    """By language: who it is, in one line."""
    languages: tuple[str, ...]
    """Those it speaks, its own first."""
    examples: tuple[str, ...]
    """Lines in its voice."""
    look: dict[str, str | bool] | None
    """Of a drawn face. None: the drawer chooses, by the id."""
    pictures: CharacterPictures | None = None
    """None: there are none, and the face is drawn."""


class CharacterList(BaseModel):
    """Everybody who can watch along, by id."""

    model_config = ConfigDict(frozen=True)

    characters: tuple[CharacterSummary, ...]


class Arrivals:
    """Takes cards in, a few at a time."""

    def __init__(self, cast: Cast, *, are_welcome: bool) -> None:
        """
        Args:
            are_welcome: whether viewers may bring characters along.
        """
        self.cast = cast
        self.are_welcome = are_welcome and cast.folder is not None
        self._turns = asyncio.Semaphore(_AT_A_TIME)
        self._waiting = 0

    async def take(self, body: Body, id: str | None, clash: Clash, by: str) -> CharacterSummary:
        """Raises: RateLimited, UploadStalled, UploadTooLarge, MalformedRequest, and what
        Cast.add does."""
        if self._waiting >= _MOST_WAITING:
            raise RateLimited("Too many characters are arriving. Try again later.")
        self._waiting += 1
        try:
            async with self._turns:
                content = await _received(body)
                return await asyncio.to_thread(self._add, content, id, clash, by)
        finally:
            self._waiting -= 1

    def _add(self, content: bytes, id: str | None, clash: Clash, by: str) -> CharacterSummary:
        character = self.cast.add(content, id=id, clash=clash, by=by)
        return _summary(character, self.cast.faces(character.id))


class _Received:
    """A body, as long as it is no larger than a card."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self.size_bytes = 0

    async def write(self, piece: bytes) -> None:
        self.size_bytes += len(piece)
        if self.size_bytes > MOST_BYTES:
            raise UploadTooLarge(f"The card is larger than {MOST_BYTES // 1024**2} MB.")
        self._pieces.append(bytes(piece))

    def content(self) -> bytes:
        return b"".join(self._pieces)


async def _received(body: Body) -> bytes:
    card = _Received()
    try:
        async with asyncio.timeout(_MOST_SECONDS):
            await receive(body, card)
    except TimeoutError:
        raise UploadStalled("The card did not arrive in time.") from None
    return card.content()


@get(
    "/characters",
    response_description="By id.",
    responses=error_responses("FORBIDDEN", "RATE_LIMITED"),
)
async def list_characters(arrivals: NamedDependency[Arrivals]) -> CharacterList:
    """Who can watch along."""
    return await asyncio.to_thread(_list, arrivals.cast)


def _list(cast: Cast) -> CharacterList:
    return CharacterList(
        characters=tuple(
            _summary(character, cast.faces(id)) for id, character in sorted(cast.items())
        )
    )


def _summary(character: Character, faces: Faces | None) -> CharacterSummary:
    return CharacterSummary(
        id=character.id,
        name=character.name,
        description=character.description,
        languages=character.languages,
        examples=character.examples,
        look=character.look.model_dump(exclude_none=True) if character.look else None,
        pictures=faces and CharacterPictures(version=faces.version, emotions=faces.emotions),
    )


@route(
    "/characters",
    http_method=HttpMethod.OPTIONS,
    status_code=HTTP_204_NO_CONTENT,
    include_in_schema=False,
)
async def show_character_methods() -> Response[None]:
    """What can be done with them. The framework's own answer leaves POST out; see
    `rest.show_methods`."""
    return Response(None, headers={"Allow": "GET, OPTIONS, POST"})


@post(
    "/characters",
    status_code=HTTP_201_CREATED,
    request_max_body_size=None,  # a card has a limit of its own
    operation_class=TakesFile,
    response_description="It can watch along.",
    responses=error_responses(
        "MALFORMED_REQUEST",
        "FORBIDDEN",
        "UPLOAD_STALLED",
        "CHARACTER_EXISTS",
        "REQUEST_TOO_LARGE",
        "VALIDATION_ERROR",
        "INVALID_CHARACTER",
        "RATE_LIMITED",
        "STORAGE_FULL",
    ),
)
async def bring_character(
    request: Request[Any, Any, Any],
    arrivals: NamedDependency[Arrivals],
    traffic: NamedDependency[Traffic],
    caller: NamedDependency[Caller],
    id: Annotated[str | None, QueryParameter(description="Its id. Else made of its name.")] = None,
    clash: Annotated[
        Clash, QueryParameter(description="What to do where somebody has the id already.")
    ] = "refuse",
) -> CharacterSummary:
    """Take a character card in (PNG, JSON or CHARX), as the body or as the file of a form."""
    body = Body(request)
    try:
        if not arrivals.are_welcome:
            raise Forbidden(
                "This server takes no characters from viewers. Its operator can import them: "
                "watchbuddy characters import FILE."
            )
        await traffic.upload(address_of(request))
        return await arrivals.take(body, id, clash, caller.name or _SOMEBODY)
    except RequestRefused:
        await body.hear_out()
        raise


_PICTURE = {
    HTTP_200_OK: ResponseSpec(
        bytes,
        generate_examples=False,
        media_type="image/*",
        description="A PNG, JPEG, GIF, WebP or AVIF.",
    ),
    HTTP_304_NOT_MODIFIED: ResponseSpec(
        None, generate_examples=False, description="It is the one that is known."
    ),
}


@get(
    "/characters/{character_id:str}/picture",
    responses={
        **_PICTURE,
        **error_responses("MALFORMED_REQUEST", "FORBIDDEN", "NOT_FOUND", "RATE_LIMITED"),
    },
)
async def show_picture(
    character_id: FromPath[str],
    request: Request[Any, Any, Any],
    arrivals: NamedDependency[Arrivals],
) -> Response[bytes]:
    """What a character's card shows of it."""
    return await _shown(arrivals.cast, character_id, None, request)


@get(
    "/characters/{character_id:str}/emotions/{emotion:str}",
    responses={
        **_PICTURE,
        **error_responses("MALFORMED_REQUEST", "FORBIDDEN", "NOT_FOUND", "RATE_LIMITED"),
    },
)
async def show_emotion(
    character_id: FromPath[str],
    emotion: FromPath[str],
    request: Request[Any, Any, Any],
    arrivals: NamedDependency[Arrivals],
) -> Response[bytes]:
    """How a character's card shows it with a feeling."""
    if emotion not in set(Emotion):
        raise NotFoundException
    return await _shown(arrivals.cast, character_id, Emotion(emotion), request)


async def _shown(
    cast: Cast, id: str, emotion: Emotion | None, request: Request[Any, Any, Any]
) -> Response[bytes]:
    picture = await asyncio.to_thread(cast.picture, id, emotion)
    if picture is None:
        raise NotFoundException
    tag = f'"{hashlib.sha256(picture.content).hexdigest()[:20]}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    if request.headers.get("if-none-match") == tag:
        return Response(b"", status_code=HTTP_304_NOT_MODIFIED, headers=headers)
    return Response(picture.content, media_type=picture.media_type, headers=headers)
