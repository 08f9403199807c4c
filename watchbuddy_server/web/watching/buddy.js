/** The companion on the screen: its face, what it says, and where it sits. */

import { Face, lookOf } from "../companion/face.js";
import { spokenSeconds } from "../companion/spoken.js";
import { button, el, icon } from "../dom.js";
import { keep, kept } from "../keeping.js";
import { inLanguage, say } from "../words.js";

const STEP = 0.04;
const HOME = { x: 0.97, y: 0.9 };
/** A line stays after it was said for so many seconds, and so much of the time that it took. */
const LINGER = [1.2, 0.35];

export class Buddy {
  element;
  #stage;
  #face;
  #line = el("p", { dir: "auto" });
  #bubble;
  #captions = el("div", { class: "sr", aria: { live: "polite" } });
  #place;
  #leaving = null;
  #name;

  /**
   * @param {HTMLElement} stage in which it moves
   * @param {() => void} stop ends what it says
   * @param {{x: number, y: number} | null} place where it stays; null: where the viewer puts it
   */
  constructor(character, stage, stop, place = null) {
    this.#stage = stage;
    this.#place = place ?? kept("place", HOME);
    this.#name = inLanguage(character.name);
    this.#face = new Face(character).wake();
    this.#face.show("neutral");
    this.#face.element.setAttribute("aria-hidden", "true");
    const enough = button(icon("close"), stop, { label: say("stop"), class: "enough" });
    this.#bubble = el("div", { class: "bubble", hidden: true }, this.#line, enough);
    const portrait = el(
      "div",
      {
        class: "portrait",
        tabIndex: 0,
        role: "group",
        aria: { label: say("companion", { name: this.#name }) },
        on: place
          ? {}
          : { keydown: (event) => this.#key(event), pointerdown: (event) => this.#grab(event) },
      },
      this.#face.element,
    );
    this.element = el("div", { class: "buddy" }, this.#bubble, portrait, this.#captions);
    this.element.style.setProperty("--own", lookOf(character).clothes);
    this.#settle();
  }

  /** Say a line: it is shown until `fallSilent`, and for a while after. */
  say(text) {
    clearTimeout(this.#leaving);
    this.#line.textContent = text;
    this.#bubble.hidden = false;
    this.#line.scrollTop = 0;
    this.#captions.textContent = `${this.#name}: ${text}`;
    this.element.classList.add("talks");
  }

  /** The line is over. */
  fallSilent() {
    clearTimeout(this.#leaving);
    const lingers = LINGER[0] + LINGER[1] * spokenSeconds(this.#line.textContent);
    this.#leaving = setTimeout(() => this.#clear(), 1000 * lingers);
  }

  show(emotion) {
    this.#face.show(emotion);
  }

  /** Whether the mouth moves. */
  set speaking(is) {
    this.#face.speaking = is;
  }

  close() {
    clearTimeout(this.#leaving);
    this.#face.close();
  }

  #clear() {
    this.#bubble.hidden = true;
    this.element.classList.remove("talks");
  }

  // --- where it sits ----------------------------------------------------------------------

  #settle() {
    const { x, y } = this.#place;
    this.element.style.setProperty("--x", x);
    this.element.style.setProperty("--y", y);
    this.element.classList.toggle("left", x < 0.5);
    this.element.classList.toggle("high", y < 0.45);
  }

  #move(x, y) {
    const within = (value) => Math.min(Math.max(value, 0), 1);
    this.#place = { x: within(x), y: within(y) };
    this.#settle();
  }

  #key(event) {
    const by = {
      ArrowLeft: [-STEP, 0],
      ArrowRight: [STEP, 0],
      ArrowUp: [0, -STEP],
      ArrowDown: [0, STEP],
    }[event.key];
    if (!by) return;
    event.preventDefault();
    event.stopPropagation();
    this.#move(this.#place.x + by[0], this.#place.y + by[1]);
    keep("place", this.#place);
  }

  #grab(event) {
    if (event.button !== 0) return;
    const portrait = event.currentTarget;
    const [startX, startY] = [event.clientX, event.clientY];
    const from = { ...this.#place };
    const room = this.#room(portrait);
    const drag = ({ clientX, clientY }) =>
      this.#move(
        from.x + (clientX - startX) / room.width,
        from.y + (clientY - startY) / room.height,
      );
    const drop = () => {
      portrait.removeEventListener("pointermove", drag);
      this.element.classList.remove("dragged");
      keep("place", this.#place);
    };
    portrait.setPointerCapture(event.pointerId);
    this.element.classList.add("dragged");
    portrait.addEventListener("pointermove", drag);
    portrait.addEventListener("lostpointercapture", drop, { once: true });
  }

  #room(portrait) {
    return {
      width: Math.max(this.#stage.clientWidth - portrait.offsetWidth, 1),
      height: Math.max(this.#stage.clientHeight - portrait.offsetHeight, 1),
    };
  }
}
