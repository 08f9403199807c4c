"""`media`: makes a film where it is told to, and looks into it."""

import asyncio
import sys
from pathlib import Path

from watchbuddy_core.clips import Picture, Shot, Tone, make_clip
from watchbuddy_core.understanding import survey
from watchbuddy_core.video import Cue, Video

path = Path(sys.argv[1])
shots = [Shot(6.0, Picture.DAWN), Shot(6.0, Picture.NIGHT, Tone.BANG)]
make_clip(path, shots, size=(96, 54), frame_rate=4, subtitles=[Cue(start=1, end=2, text="Look!")])
video = Video(content_id="1", title="clip", path=path)
overview = asyncio.run(survey(video, lambda fraction, message: None))
assert [cue.text for cue in overview.cues] == ["Look!"]
print(overview.duration)
