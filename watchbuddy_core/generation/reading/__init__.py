"""Reading drafts from what a model writes, while it writes.

    chunks ──► scanner ──► lenient ──► drafts
               where an     its keys    an action, or
               object is    and values  why it is none

Models are asked for JSON and write what resembles it: fences and chatter around it, quotes
that are not escaped, commas that are missing or too many, Python instead of JSON, an end in
the middle of a word. What is whole is taken; what is broken costs itself; nothing is half
said. How the text is cut into chunks changes nothing.
"""

from watchbuddy_core.generation.reading.reader import DraftReader, Rejection

__all__ = ["DraftReader", "Rejection"]
