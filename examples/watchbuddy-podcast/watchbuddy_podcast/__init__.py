"""A source for AI Watch Buddy: the episodes of podcasts, with their transcripts.

feed     reads a feed: what episodes there are
source   PodcastSource: fetches one of them
"""

from watchbuddy_podcast.source import PodcastSource

__all__ = ["PodcastSource"]
