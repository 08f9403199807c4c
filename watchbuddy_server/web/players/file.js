/**
 * A player for a file: the browser's own <video>.
 *
 * Every player has this form. Positions are media seconds.
 *
 *     position, paused, rate, ended, seeking, volume, muted, duration
 *     play()          → promise; rejected where the browser does not let it begin
 *     pause(), seek(position)
 *     events: change  it was started, stopped, sped up, has stalled or gone on
 *             sought  somebody else than `seek` has moved it; detail.position
 *             landed  a `seek` is over
 *             volume  it is louder or quieter
 *             failed  it cannot be played; detail.reason: network, format
 */

const ENOUGH = 0.05;

export class FilePlayer extends EventTarget {
  #video;
  #target = null;

  /** @param {HTMLVideoElement} video with its source */
  constructor(video) {
    super();
    this.#video = video;
    const changed = () => this.#tell("change");
    for (const type of ["play", "pause", "playing", "waiting", "ratechange", "ended"]) {
      video.addEventListener(type, changed);
    }
    for (const type of ["loadedmetadata", "durationchange"]) video.addEventListener(type, changed);
    video.addEventListener("volumechange", () => this.#tell("volume"));
    video.addEventListener("seeking", () => this.#seeking());
    video.addEventListener("seeked", () => this.#seeked());
    video.addEventListener("error", () => this.#failed());
  }

  get position() {
    return this.#video.currentTime;
  }
  get paused() {
    return this.#video.paused;
  }
  get rate() {
    return this.#video.playbackRate;
  }
  set rate(rate) {
    this.#video.playbackRate = rate;
  }
  get ended() {
    return this.#video.ended;
  }
  get seeking() {
    return this.#video.seeking;
  }
  get stalled() {
    return !this.#video.paused && this.#video.readyState < HTMLMediaElement.HAVE_FUTURE_DATA;
  }
  get duration() {
    return Number.isFinite(this.#video.duration) ? this.#video.duration : null;
  }
  get volume() {
    return this.#video.volume;
  }
  set volume(volume) {
    this.#video.volume = volume;
  }
  get muted() {
    return this.#video.muted;
  }
  set muted(muted) {
    this.#video.muted = muted;
  }

  play() {
    return this.#video.play();
  }

  pause() {
    this.#video.pause();
  }

  seek(position) {
    const last = this.duration ?? Infinity;
    this.#target = Math.min(Math.max(position, 0), last);
    this.#video.currentTime = this.#target;
  }

  close() {
    this.#video.pause();
    this.#video.removeAttribute("src");
    this.#video.load();
  }

  #seeking() {
    if (this.#target !== null && Math.abs(this.#video.currentTime - this.#target) <= ENOUGH) return;
    this.#target = null;
    this.#tell("sought", { position: this.#video.currentTime });
  }

  #seeked() {
    if (this.#target === null) return;
    this.#target = null;
    this.#tell("landed");
  }

  #failed() {
    const isNetwork = this.#video.error?.code === MediaError.MEDIA_ERR_NETWORK;
    this.#tell("failed", { reason: isNetwork ? "network" : "format" });
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
