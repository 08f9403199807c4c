/** A player and a voice in virtual time, around a Performer. */

import { Performer } from "../../../watchbuddy_server/web/companion/performer.js";

const SHORTEST = 0.001;

export class Cinema {
  now = 1000;
  position;
  paused = false;
  rate = 1;
  ended = false;
  seeking = false;
  duration = 600;
  /** How long a line takes, and a seek. */
  lineSeconds = 2;
  seekSeconds = 0.1;
  /** How far it has come since the viewer last went elsewhere. */
  furthest;
  sent = [];
  begun = [];
  ended_ = [];
  speaking = null;
  #timers = [];

  constructor({ position = 0 } = {}) {
    this.position = position;
    this.furthest = position;
    this.performer = new Performer(position);
  }

  get player() {
    const { position, paused, rate, ended, seeking, now } = this;
    return { position, paused, rate, ended, seeking, now };
  }

  tell(event) {
    for (const effect of this.performer.receive(event, this.player)) this.#carryOut(effect);
  }

  arrive(...actions) {
    for (const action of actions) this.tell({ type: "arrived", action });
  }

  // --- the viewer -------------------------------------------------------------------------

  press(button) {
    this.paused = button === "pause";
    this.tell({ type: "look" });
  }

  go(position) {
    this.furthest = position;
    this.tell({ type: "sought", position });
    this.#seek(position);
  }

  // --- time -------------------------------------------------------------------------------

  /** Let so many seconds pass. */
  pass(seconds) {
    const until = this.now + seconds;
    while (this.now < until - 1e-9) {
      const wait = Math.max(this.performer.secondsToLook(), SHORTEST);
      const timer = Math.min(...this.#timers.map(({ at }) => at), Infinity);
      const next = Math.min(this.now + wait, timer, until);
      this.#advance(next - this.now);
      const due = this.#timers.filter(({ at }) => at <= this.now + 1e-9);
      this.#timers = this.#timers.filter((one) => !due.includes(one));
      due.forEach(({ act }) => act());
      this.tell({ type: "look" });
    }
  }

  #advance(seconds) {
    this.now += seconds;
    if (this.paused || this.seeking || this.ended) return;
    this.position = Math.min(this.position + seconds * this.rate, this.duration);
    this.furthest = Math.max(this.furthest, this.position);
    this.ended = this.position >= this.duration;
  }

  #seek(position) {
    this.#timers = this.#timers.filter(({ what }) => what !== "seek");
    this.seeking = true;
    this.position = position;
    this.ended = false;
    this.#timers.push({
      what: "seek",
      at: this.now + this.seekSeconds,
      act: () => {
        this.seeking = false;
        this.tell({ type: "landed" });
      },
    });
  }

  #carryOut({ type, action, outcome, position, message }) {
    this.furthest = Math.max(this.furthest, this.position);
    const at = { position: this.position, furthest: this.furthest, now: this.now };
    if (type === "begin") this.begun.push({ ...at, action });
    if (type === "end") this.ended_.push({ ...at, action, outcome });
    if (type === "send") this.sent.push(message);
    if (type === "pause") this.paused = true;
    if (type === "play") this.paused = false;
    if (type === "seek") this.#seek(position);
    if (type === "hush") this.#hush();
    if (type === "speak") {
      if (this.speaking) throw new Error("two lines at a time");
      this.speaking = action;
      const act = () => {
        this.speaking = null;
        this.tell({ type: "said", id: action.id });
      };
      this.#timers.push({ what: "voice", at: this.now + this.lineSeconds, act });
    }
  }

  #hush() {
    this.speaking = null;
    this.#timers = this.#timers.filter(({ what }) => what !== "voice");
  }

  // --- what happened ----------------------------------------------------------------------

  /** `[id, outcome]` of everything that is over, in order. */
  get outcomes() {
    return this.ended_.map(({ action, outcome }) => [action.id, outcome]);
  }

  beginOf(id) {
    return this.begun.find(({ action }) => action.id === id);
  }
}

let made = 0;
const action = (action_type, at, rest) => ({
  id: rest.id ?? `${action_type.toLowerCase()}-${++made}`,
  trigger_timestamp: at,
  comment: "",
  action_type,
  ...rest,
});

export const speak = (at, rest = {}) =>
  action("SPEAK", at, { text: "Hm?", pause_video: false, ...rest });
export const pauseVideo = (at, seconds, rest = {}) =>
  action("PAUSE_VIDEO", at, { duration_seconds: seconds, ...rest });
export const seek = (at, target, rest = {}) =>
  action("SEEK", at, { target_timestamp: target, post_seek_behavior: "RESUME_PLAYBACK", ...rest });
export const replay = (at, start, end, rest = {}) =>
  action("REPLAY_SEGMENT", at, {
    start_timestamp: start,
    end_timestamp: end,
    post_replay_behavior: "RESUME_FROM_ORIGINAL",
    ...rest,
  });
export const expression = (at, emotion, rest = {}) =>
  action("EXPRESSION", at, { emotion, ...rest });
export const goodbye = (at, rest = {}) => action("END_REACTION", at, rest);
