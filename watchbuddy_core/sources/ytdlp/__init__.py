"""Videos of any site that yt-dlp knows.

source    in our process: starts a worker, judges what it finds, keeps what it fetches
messages  what the two say to each other: JSON, line by line
worker    in a process of its own, which can be killed: yt-dlp, and the guard around it
choosing  which of a site's formats and subtitles to take
troubles  what can go wrong, and what an operator can do
"""

from watchbuddy_core.sources.ytdlp.source import YtDlpSource

__all__ = ["YtDlpSource"]
