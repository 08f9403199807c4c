"""Picture and sound that came as two files, as one."""

from __future__ import annotations

from functools import partial
from heapq import merge
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from watchbuddy_core.errors import VideoUnreadable
from watchbuddy_core.understanding.container import (
    opened,
    packets,
    picture_of,
    sound_of,
    start_of,
)
from watchbuddy_core.understanding.work import Stop, in_thread

if TYPE_CHECKING:
    from collections.abc import Iterator

    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream


async def joined(picture: Path, sound: Path, into: Path) -> Path:
    """Put the picture of one file and the sound of another into a third, and remove the two.

    Nothing is decoded, and the times stay what they are.

    Raises:
        VideoUnreadable: one of them holds no such thing.
        OSError: the third cannot be written.
    """
    await in_thread(partial(_join, picture, sound, into))
    return into


async def beginning_of(path: Path) -> float:
    """The time at which a file begins by its own clock, in seconds.

    Raises:
        VideoUnreadable: it is no video that can be read.
    """
    return await in_thread(partial(_beginning, path))


def _beginning(path: Path, stop: Stop) -> float:
    with opened(path) as container:
        return start_of(container)


def _join(picture: Path, sound: Path, into: Path, stop: Stop) -> None:
    import av

    with opened(picture) as seen, opened(sound) as heard:
        image, voice = picture_of(seen), sound_of(heard)
        if image is None or voice is None:
            raise VideoUnreadable("The video's picture and sound do not belong together.")
        with av.open(str(into), "w", format="matroska") as whole:

            def timed(
                container: InputContainer, stream: VideoStream | AudioStream
            ) -> Iterator[tuple[float, Packet[Any]]]:
                target = whole.add_stream_from_template(stream)
                for at, packet in packets(container, [stream], stop):
                    packet.stream = target
                    yield at + start_of(container), packet

            # Both streams have to be there before the first packet.
            parts = [timed(seen, image), timed(heard, voice)]
            for _, packet in merge(*parts, key=itemgetter(0)):
                whole.mux(packet)
    picture.unlink()
    sound.unlink()
