/**
 * The companion at a player: what the server sends goes in, what the player does goes out, and
 * in between the performer decides. Needs no page: whoever shows it listens.
 *
 * Events:
 *     begin {action}, end {action, outcome}    an action is carried out, and is over
 *     speaking {is}                            the voice begins and ends
 *     message (what the server says beside actions), lost, back, closed {why}
 *     blocked                                  the browser wants the viewer to press play
 *
 * Each action that is begun leaves a mark on the page's timeline (`watchbuddy:action`), with the
 * position at which it was, so that lateness can be measured where it is felt.
 */

import { Performer } from "./performer.js";
import { Ducking } from "./voice.js";

export const FEATURES = ["early_ready", "progress", "hold", "chat", "feedback"];
const REPORT_MS = 250;
/** A paused viewer is still there. */
const PAUSED_REPORT_MS = 5000;
const TICK_MS = 100;
/**
 * When a timer comes so late the machine has slept, and its connections are dead; or the page was
 * hidden, whose timers come late anyway, and it is looked after when it is seen again.
 */
const SLEPT_MS = 20_000;
const LONGEST_WAIT = 3600;

const seconds = () => performance.now() / 1000;

export class Companion extends EventTarget {
  #player;
  #connection;
  #voice;
  #performer;
  #ducking;
  #looking = null;
  #reporting = null;
  #tickedAt = performance.now();
  #reportedAt = -Infinity;
  #isReady = false;
  #isOver = new AbortController();

  /**
   * @param {object} player see `players/file.js`
   * @param {import("./connection.js").Connection} connection not yet open
   * @param {import("./voice.js").Voice} voice
   * @param {number} start where watching begins, in media seconds
   */
  constructor({ player, connection, voice, start = 0 }) {
    super();
    this.#player = player;
    this.#connection = connection;
    this.#voice = voice;
    this.#performer = new Performer(start);
    this.#ducking = new Ducking(player);
    const { signal } = this.#isOver;
    const on = (target, type, act) => target.addEventListener(type, act, { signal });
    on(player, "change", () => this.#changed());
    on(player, "sought", ({ detail }) => this.#receive({ type: "sought", ...detail }));
    on(player, "landed", () => {
      this.#receive({ type: "landed" });
      this.#report();
    });
    on(player, "refused", () => this.#blocked());
    on(connection, "open", () => this.#opened());
    on(connection, "message", ({ detail }) => this.#hear(detail));
    on(connection, "lost", ({ detail }) => this.#tell("lost", detail));
    on(connection, "closed", ({ detail }) => this.#tell("closed", detail));
    on(voice, "begin", () => this.#speaking(true));
    on(voice, "end", () => this.#speaking(false));
    on(globalThis, "online", () => connection.renew());
    on(globalThis, "pageshow", ({ persisted }) => persisted && connection.renew());
    this.#reporting = setInterval(() => this.#tick(), TICK_MS);
  }

  /** Whether the video stands still because the companion wants it to. */
  get holdsVideo() {
    return this.#performer.grips;
  }

  /** Whether the script is there, as far as it has to be to begin. */
  get isReady() {
    return this.#isReady;
  }

  /** Begin: the connection may be open by now. */
  begin() {
    if (this.#connection.isOpen) this.#report();
  }

  /** The viewer wants it to play. */
  async play() {
    try {
      await this.#player.play();
    } catch (error) {
      if (error.name === "NotAllowedError") this.#blocked();
    }
    this.#changed();
  }

  /** The viewer wants it to stand still. */
  pause() {
    this.#player.pause();
    this.#changed();
  }

  /** The viewer goes somewhere else. */
  seek(position) {
    const target = Math.min(Math.max(position, 0), this.#player.duration ?? Infinity);
    this.#receive({ type: "sought", position: target });
    this.#player.seek(target);
  }

  /** The viewer says something. */
  say(text) {
    this.#connection.send({ type: "user_message", text });
  }

  /** The viewer has heard enough. */
  interrupt() {
    this.#receive({ type: "silenced" });
    this.#connection.send({ type: "interrupt" });
  }

  /** @param {"less" | "more" | "mute" | "unmute"} kind */
  feedBack(kind) {
    this.#connection.send({ type: "feedback", kind });
  }

  close() {
    this.#isOver.abort();
    clearInterval(this.#reporting);
    clearTimeout(this.#looking);
    this.#connection.close();
    this.#voice.hush();
    this.#ducking.restore();
  }

  // --- the server -------------------------------------------------------------------------

  #opened() {
    this.#tell("back");
    this.#report();
  }

  #hear(message) {
    if (!("type" in message)) {
      this.#receive({ type: "arrived", action: message });
      return;
    }
    if (message.type === "session_ready") this.#isReady = true;
    if (message.type === "stop_speaking") this.#receive({ type: "silenced" });
    this.#tell("message", message);
  }

  #tick() {
    const now = performance.now();
    if (!document.hidden) {
      if (now - this.#tickedAt > SLEPT_MS) this.#connection.renew();
      this.#tickedAt = now;
    }
    const every = this.#player.paused ? PAUSED_REPORT_MS : REPORT_MS;
    if (now - this.#reportedAt >= every - TICK_MS / 2) this.#report();
  }

  #report() {
    this.#reportedAt = performance.now();
    const { position, paused, rate } = this.#player;
    this.#connection.send({
      type: "timestamp_update",
      timestamp: position,
      paused,
      playback_rate: rate,
    });
  }

  // --- the player and the performer -------------------------------------------------------

  #changed() {
    this.#receive({ type: "look" });
    this.#report();
  }

  #receive(event) {
    const { position, paused, rate, ended, seeking } = this.#player;
    const effects = this.#performer.receive(event, {
      position,
      paused,
      rate,
      ended,
      seeking,
      now: seconds(),
    });
    effects.forEach((effect) => this.#carryOut(effect));
    clearTimeout(this.#looking);
    const wait = this.#performer.secondsToLook();
    if (wait < LONGEST_WAIT) {
      this.#looking = setTimeout(() => this.#receive({ type: "look" }), Math.max(1000 * wait, 1));
    }
  }

  #carryOut({ type, action, position, message, outcome }) {
    switch (type) {
      case "begin":
        this.#mark(action);
        this.#tell("begin", { action });
        break;
      case "end":
        this.#tell("end", { action, outcome });
        break;
      case "speak":
        this.#speak(action);
        break;
      case "hush":
        this.#voice.hush();
        break;
      case "play":
        this.play();
        break;
      case "pause":
        this.#player.pause();
        break;
      case "seek":
        this.#player.seek(position);
        break;
      case "send":
        this.#connection.send(message);
        break;
    }
  }

  #speak({ id, text }) {
    this.#voice.speak(text, {
      heard: (part) => this.#receive({ type: "heard", id, text: part }),
      said: () => this.#receive({ type: "said", id }),
    });
  }

  #speaking(is) {
    if (is && this.#voice.isAudible) this.#ducking.lower();
    if (!is) this.#ducking.restore();
    this.#tell("speaking", { is });
  }

  #mark({ id, action_type, trigger_timestamp }) {
    const { position, rate } = this.#player;
    performance.mark("watchbuddy:action", {
      detail: { id, action_type, trigger_timestamp, position, rate },
    });
  }

  #blocked() {
    this.#tell("blocked");
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
