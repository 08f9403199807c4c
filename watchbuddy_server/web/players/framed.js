/**
 * The player of the page that this one is framed in, through messages. Only pages that the
 * server's operator has allowed are listened to, and only one of them: the one that frames us.
 *
 *     there → here   {watchbuddy: "player", position, paused, rate, ended, buffering, duration,
 *                     volume, muted}, some ten times a second, and at once on every change;
 *                    {watchbuddy: "page", link, title}, when it shows another video
 *     here → there   {watchbuddy: "hello"}, {watchbuddy: "command", name, value},
 *                    {watchbuddy: "size", width, height}
 */

import { DistantPlayer } from "./distant.js";

const isTime = (value) => typeof value === "number" && Number.isFinite(value) && value >= 0;
const isText = (value) => typeof value === "string" && value.length <= 4096;
const otherwise = (value, isGood, fallback) => (isGood(value) ? value : fallback);

export class FramedPlayer extends DistantPlayer {
  #origin = null;
  #origins;
  #isOver = new AbortController();

  /**
   * Events beside a player's: `page` with `detail`, {link, title}.
   *
   * @param {string[]} origins that may frame us; `*` for any
   */
  constructor(origins) {
    super();
    this.#origins = new Set(origins);
    this.command = (name, value) => this.#post({ watchbuddy: "command", name, value });
    addEventListener("message", (event) => this.#hear(event), { signal: this.#isOver.signal });
    // Nobody is told anything but that we are here, before they have said who they are.
    parent.postMessage({ watchbuddy: "hello" }, "*");
  }

  /** Ask for so much room, in CSS pixels. */
  askForRoom(width, height) {
    this.#post({ watchbuddy: "size", width, height });
  }

  close() {
    super.close();
    this.#isOver.abort();
  }

  #post(message) {
    if (this.#origin) parent.postMessage(message, this.#origin);
  }

  #hear({ source, origin, data }) {
    if (source !== parent || data === null || typeof data !== "object") return;
    if (!this.#origins.has(origin) && !this.#origins.has("*")) return;
    this.#origin = origin;
    if (data.watchbuddy === "player" && isTime(data.position)) {
      this.isThere = true;
      this.report({
        position: data.position,
        paused: data.paused === true,
        ended: data.ended === true,
        buffering: data.buffering === true,
        rate: otherwise(data.rate, (rate) => isTime(rate) && rate > 0, 1),
        duration: otherwise(data.duration, isTime, null),
        volume: otherwise(data.volume, (volume) => isTime(volume) && volume <= 1, undefined),
        muted: data.muted === true,
      });
    } else if (data.watchbuddy === "page" && isText(data.link) && isText(data.title)) {
      this.dispatchEvent(
        new CustomEvent("page", { detail: { link: data.link, title: data.title } }),
      );
    }
  }
}
