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
 *             ready   it can be told to play; there is none where it is there from the beginning
 *             failed  it cannot be played; detail.reason: network, format
 */

const ENOUGH = 0.05;
const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 8000;
/** An HTTP status: VIDEO_NOT_READY. */
const NOT_READY = 409;

export class FilePlayer extends EventTarget {
  #video;
  #source;
  #target = null;
  /** Whether it could be played: what fails then is the way to it, and that may mend. */
  #isPlayable = false;
  #isClosed = false;
  /** Whether the server was still fetching it when it was asked last. */
  #isFetched = false;
  /** While the way to it is broken: where it was. */
  #broken = null;
  #retryMs = FIRST_RETRY_MS;
  #retrying = null;

  /**
   * @param {HTMLVideoElement} video
   * @param {() => Promise<string>} source where the file is: asked anew when the way to it broke
   */
  constructor(video, source) {
    super();
    this.#video = video;
    this.#source = source;
    const changed = () => this.#broken || this.#tell("change");
    for (const type of [
      "play",
      "pause",
      "playing",
      "waiting",
      "ratechange",
      "ended",
      "durationchange",
    ]) {
      video.addEventListener(type, changed);
    }
    video.addEventListener("loadedmetadata", () => this.#loaded());
    video.addEventListener("volumechange", () => this.#tell("volume"));
    video.addEventListener("seeking", () => this.#seeking());
    video.addEventListener("seeked", () => this.#seeked());
    video.addEventListener("error", () => this.#failed());
    this.#load();
  }

  /** Whether it is known where the file is; `ready` tells when it is. */
  get isThere() {
    return this.#video.hasAttribute("src");
  }
  get position() {
    return this.#broken?.position ?? this.#video.currentTime;
  }
  get paused() {
    return this.#broken?.paused ?? this.#video.paused;
  }
  get rate() {
    return this.#broken?.rate ?? this.#video.playbackRate;
  }
  set rate(rate) {
    if (this.#broken) this.#broken.rate = rate;
    this.#video.playbackRate = rate;
  }
  get ended() {
    return this.#video.ended;
  }
  get seeking() {
    return this.#broken !== null || this.#video.seeking;
  }
  get stalled() {
    if (this.#broken) return true;
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

  async play() {
    if (this.#broken) this.#broken.paused = false;
    else await this.#video.play();
  }

  pause() {
    if (this.#broken) this.#broken.paused = true;
    else this.#video.pause();
  }

  seek(position) {
    this.#target = Math.min(Math.max(position, 0), this.duration ?? Infinity);
    if (this.#broken) this.#broken.position = this.#target;
    else this.#video.currentTime = this.#target;
  }

  close() {
    clearTimeout(this.#retrying);
    this.#isPlayable = false;
    this.#isClosed = true;
    this.#broken = null;
    this.#video.pause();
    this.#video.removeAttribute("src");
    this.#video.load();
  }

  #seeking() {
    if (this.#broken) return;
    if (this.#target !== null && Math.abs(this.#video.currentTime - this.#target) <= ENOUGH) return;
    this.#target = null;
    this.#tell("sought", { position: this.#video.currentTime });
  }

  #seeked() {
    if (this.#target === null || this.#broken) return;
    this.#target = null;
    this.#tell("landed");
  }

  // --- where it comes from ------------------------------------------------------------------

  async #load() {
    try {
      const url = await this.#source();
      if (this.#isClosed) return;
      const isFirst = !this.isThere;
      this.#video.src = url; // which loads it, also where it is the same
      if (isFirst) this.#tell("ready");
    } catch {
      if (!this.#isClosed) this.#lost("network");
    }
  }

  async #failed() {
    const { error } = this.#video;
    if (!error || !this.#video.hasAttribute("src")) return;
    const reason = error.code === MediaError.MEDIA_ERR_NETWORK ? "network" : "format";
    if (!this.#isPlayable && !(await this.#isComing())) {
      if (!this.#isClosed) this.#tell("failed", { reason });
    } else if (!this.#isClosed) {
      this.#loadLater();
    }
  }

  /** Whether the server fetches the file still, or has by now what it was fetching before. */
  async #isComing() {
    const answer = await fetch(this.#video.src, { method: "HEAD" }).catch(() => null);
    const wasComing = this.#isFetched;
    this.#isFetched = answer?.status === NOT_READY;
    return this.#isFetched || (wasComing && answer?.ok);
  }

  #lost(reason) {
    if (this.#isPlayable) this.#loadLater();
    else this.#tell("failed", { reason });
  }

  #loadLater() {
    const { currentTime, paused, playbackRate } = this.#video;
    this.#broken ??= { position: currentTime, paused, rate: playbackRate };
    this.#retrying = setTimeout(() => this.#load(), this.#retryMs);
    this.#retryMs = Math.min(2 * this.#retryMs, LAST_RETRY_MS);
    this.#tell("change");
  }

  #loaded() {
    this.#isPlayable = true;
    this.#retryMs = FIRST_RETRY_MS;
    if (this.#broken) {
      const { position, paused, rate } = this.#broken;
      this.#broken = null;
      this.seek(position);
      this.#video.playbackRate = rate;
      if (!paused) this.#video.play().catch(() => {}); // it played before: it may
    }
    this.#tell("change");
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
