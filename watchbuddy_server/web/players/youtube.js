/**
 * YouTube's own player, through its IFrame API. Its script is loaded when the first YouTube
 * video is watched, and not before.
 *
 * The API tells the position only when asked, and in steps of up to a quarter of a second.
 */

import { DistantPlayer } from "./distant.js";

const API = "https://www.youtube.com/iframe_api";
const HOST = "https://www.youtube-nocookie.com";
const POLL_MS = 100;
/** A player that has said nothing for so long is not let in, by a blocker or the network. */
const LOADING_MS = 15_000;
const ID = /^[\w-]{11}$/;
const HOSTS = new Set([
  "youtube.com",
  "m.youtube.com",
  "music.youtube.com",
  "youtube-nocookie.com",
]);
const PLAYING = 1;
const PAUSED = 2;
const BUFFERING = 3;
const ENDED = 0;

/** The id of a YouTube video, from whatever form of link; null: it is none. */
export function youtubeId(link) {
  let url;
  try {
    url = new URL(link);
  } catch {
    return null;
  }
  if (url.protocol !== "https:" && url.protocol !== "http:") return null;
  const host = url.hostname.replace(/^www\./, "");
  const [first, second] = url.pathname.split("/").filter(Boolean);
  let id = null;
  if (host === "youtu.be") id = first;
  else if (HOSTS.has(host)) {
    const isPath = ["shorts", "embed", "live", "v"].includes(first);
    id = isPath ? second : url.searchParams.get("v");
  }
  return id && ID.test(id) ? id : null;
}

let loading = null;

function api() {
  loading ??= new Promise((resolve, reject) => {
    if (globalThis.YT?.Player) return resolve(globalThis.YT);
    const script = document.createElement("script");
    script.src = API;
    script.onerror = () => {
      loading = null;
      script.remove();
      reject(new Error("YouTube's player cannot be loaded"));
    };
    globalThis.onYouTubeIframeAPIReady = () => resolve(globalThis.YT);
    document.head.append(script);
  });
  return loading;
}

/**
 * @param {HTMLElement} place is replaced by the player
 * @returns {DistantPlayer} at once; it says `change` when it is there, and `failed` if it never is
 */
export function youtubePlayer(place, id, { start = 0 } = {}) {
  const distant = new DistantPlayer();
  let player = null;
  let polling = null;
  const deadline = setTimeout(() => distant.fail("network"), LOADING_MS);

  const look = () => {
    const state = player.getPlayerState();
    distant.report({
      position: player.getCurrentTime() ?? 0,
      paused: state !== PLAYING && state !== BUFFERING,
      buffering: state === BUFFERING,
      ended: state === ENDED,
      rate: player.getPlaybackRate() || 1,
      duration: player.getDuration() || null,
      volume: player.getVolume() / 100,
      muted: player.isMuted(),
    });
  };

  const commands = {
    play: () => player.playVideo(),
    pause: () => player.pauseVideo(),
    seek: (position) => player.seekTo(position, true),
    rate: (rate) => player.setPlaybackRate(rate),
    volume: (volume) => player.setVolume(Math.round(100 * volume)),
    mute: (isMuted) => (isMuted ? player.mute() : player.unMute()),
  };

  api().then(
    ({ Player }) => {
      player = new Player(place, {
        host: HOST,
        videoId: id,
        playerVars: { start: Math.floor(start), rel: 0, playsinline: 1, origin: location.origin },
        events: {
          onReady: () => {
            clearTimeout(deadline);
            distant.command = (name, value) => commands[name](value);
            polling = setInterval(look, POLL_MS);
            distant.isThere = true;
            look();
            distant.dispatchEvent(new Event("ready"));
          },
          onStateChange: look,
          onPlaybackRateChange: look,
          onError: () => distant.fail("format"),
          onAutoplayBlocked: () => distant.refuse(),
        },
      });
    },
    () => distant.fail("network"),
  );

  distant.close = () => {
    clearTimeout(deadline);
    clearInterval(polling);
    player?.destroy?.();
  };
  return distant;
}

export const STATES = { PLAYING, PAUSED, BUFFERING, ENDED };
