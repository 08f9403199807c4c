/** What plays a session's video, and why it does not. */

import { mediaUrl, sessionVideo } from "../api.js";
import { el } from "../dom.js";
import { FilePlayer } from "../players/file.js";
import { youtubeId, youtubePlayer } from "../players/youtube.js";
import { say, sayError } from "../words.js";

/** YouTube's own player for its links, the browser's for everything else. */
export function screenOf(id, video, start) {
  const youtube = youtubeId(video.video_url);
  if (youtube) {
    const place = el("div");
    const player = youtubePlayer(place, youtube, { start });
    return { screen: el("div", { class: "foreign" }, place), player };
  }
  const screen = el("video", { preload: "auto", playsInline: true });
  return { screen, player: new FilePlayer(screen, () => mediaUrl(id)) };
}

/**
 * Why it cannot be played, in words, and in the server's own: it knows better than the browser.
 *
 * @param {"network" | "format"} reason by the player
 */
export async function whyNot(id, video, reason) {
  const isNetwork = reason === "network";
  if (youtubeId(video.video_url)) return [say(isNetwork ? "youtubeBlocked" : "youtubeRefused")];
  const { error = null } = (await sessionVideo(id).catch(() => null)) ?? {};
  if (!error) return [say(isNetwork ? "mediaLost" : "cannotPlay")];
  return [error.code === "VIDEO_UNAVAILABLE" ? say("noPicture") : sayError(error), error.message];
}
