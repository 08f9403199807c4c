/**
 * A player that is told what to do and says where it is only now and then: YouTube's, or one in
 * another page. What it says is late and comes in steps; in between its clock is read on.
 *
 * What was asked for counts as done until the player has had the time to do it, so that nobody
 * mistakes its old state for the viewer's wish.
 */

/** What was asked for has happened by then, or never will. */
const PATIENCE = 1.5;
/** A seek may have to load something. */
const SEEK_PATIENCE = 8;
/** A leap of more than this is a seek and no jitter. */
const LEAP = 1.0;
/** A player that says its position in steps may repeat one for so long. */
const COARSEST = 0.6;
/** A clock that has not moved for so long, though it should, stands still. */
const STALLED = 1.0;

export class DistantPlayer extends EventTarget {
  /** Whether it takes commands yet; `ready` tells when it does. */
  isThere = false;
  #now;
  #said = { position: 0, paused: true, rate: 1, ended: false, buffering: false };
  /** Where its clock was when it last moved, and when that was. */
  #moved = { position: 0, at: 0 };
  #latest = 0;
  #asked = { paused: null, position: null, volume: null };
  #volume = 1;
  #muted = false;
  #duration = null;

  /** @param {() => number} now in seconds */
  constructor(now = () => performance.now() / 1000) {
    super();
    this.#now = now;
    this.#moved.at = now();
  }

  // --- what it is told, by whoever made it --------------------------------------------------

  /** Carry these out: `play`, `pause`, `seek(position)`, `rate(rate)`, `volume(0..1)`, `mute(is)`. */
  command = () => {};

  /** The real player has said what it does. */
  report({
    position,
    paused,
    rate = 1,
    ended = false,
    buffering = false,
    duration,
    volume,
    muted,
  }) {
    const now = this.#now();
    const before = {
      paused: this.paused,
      rate: this.rate,
      ended: this.ended,
      stalled: this.stalled,
    };
    const stands = this.#said.paused || this.#said.buffering;
    this.#settle({ position, paused, now });
    const isSeeking = this.#asked.position !== null;
    const hasLeapt = this.#hasLeapt(position, now, stands);
    if (position !== this.#said.position || paused || buffering || stands || hasLeapt) {
      this.#moved = { position, at: now };
      if (hasLeapt || isSeeking || paused) this.#latest = position;
    }
    this.#said = { position, paused, rate, ended, buffering };
    this.#duration = duration ?? this.#duration;
    this.#settleVolume({ volume, muted, now });
    if (hasLeapt && !isSeeking) this.#tell("sought", { position });
    const after = {
      paused: this.paused,
      rate: this.rate,
      ended: this.ended,
      stalled: this.stalled,
    };
    if (Object.keys(after).some((key) => after[key] !== before[key])) this.#tell("change");
  }

  /** It cannot play this. */
  fail(reason) {
    this.#tell("failed", { reason });
  }

  /** It was not allowed to begin by itself. */
  refuse() {
    this.#asked.paused = null;
    this.#tell("refused");
  }

  /** Whether it is where playing on could not have brought it. */
  #hasLeapt(position, now, stands) {
    const { position: from, at } = this.#moved;
    const played = stands ? 0 : (now - at) * this.#said.rate;
    return position < from - LEAP || position > from + played + LEAP;
  }

  #settle({ position, paused, now }) {
    const { paused: wanted, position: target } = this.#asked;
    if (wanted && (wanted.is === paused || now > wanted.until)) this.#asked.paused = null;
    if (target && (Math.abs(position - target.is) < LEAP || now > target.until)) {
      this.#asked.position = null;
      this.#moved = { position, at: now };
      this.#latest = position;
      this.#said.position = position;
      queueMicrotask(() => this.#tell("landed"));
    }
  }

  #settleVolume({ volume = this.#volume, muted = this.#muted, now }) {
    const wanted = this.#asked.volume;
    if (wanted && now < wanted.until) return;
    this.#asked.volume = null;
    if (Math.abs(volume - this.#volume) < 0.011 && muted === this.#muted) return;
    this.#volume = volume;
    this.#muted = muted;
    this.#tell("volume");
  }

  // --- what a player is ---------------------------------------------------------------------

  /** Never ahead of a clock that stands still for longer than its steps are, and never back. */
  get position() {
    if (this.#asked.position) return this.#asked.position.is;
    const { position, at } = this.#moved;
    if (this.#said.paused || this.#said.buffering || this.#said.ended) return position;
    const elapsed = Math.min(this.#now() - at, COARSEST) * this.#said.rate;
    this.#latest = Math.max(this.#latest, position + elapsed);
    return this.#latest;
  }
  get paused() {
    return this.#asked.paused?.is ?? this.#said.paused;
  }
  get rate() {
    return this.#said.rate;
  }
  set rate(rate) {
    this.command("rate", rate);
  }
  get ended() {
    return this.#said.ended;
  }
  get seeking() {
    return this.#asked.position !== null;
  }
  get stalled() {
    if (this.paused || this.ended) return false;
    return this.#said.buffering || this.#now() - this.#moved.at > STALLED;
  }
  get duration() {
    return this.#duration;
  }
  get volume() {
    return this.#volume;
  }
  set volume(volume) {
    this.#volume = volume;
    this.#asked.volume = { until: this.#now() + PATIENCE };
    this.command("volume", volume);
  }
  get muted() {
    return this.#muted;
  }
  set muted(muted) {
    this.#muted = muted;
    this.#asked.volume = { until: this.#now() + PATIENCE };
    this.command("mute", muted);
  }

  async play() {
    this.#ask(false);
    this.command("play");
  }

  pause() {
    this.#ask(true);
    this.command("pause");
  }

  seek(position) {
    this.#asked.position = { is: Math.max(position, 0), until: this.#now() + SEEK_PATIENCE };
    this.#latest = 0;
    this.command("seek", Math.max(position, 0));
  }

  close() {
    this.command = () => {};
  }

  #ask(paused) {
    this.#asked.paused = { is: paused, until: this.#now() + PATIENCE };
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
