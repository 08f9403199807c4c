/**
 * A face, drawn: it shows an emotion, blinks, breathes, looks about, and moves its mouth while
 * it speaks. Who it is, is a look: colours, hair, ears and what is worn; or pictures, where the
 * character has some.
 */

import { svg } from "../dom.js";
import { between, feature } from "./emotions.js";
import { Pictures } from "./pictures.js";
import { portrait } from "./portrait.js";

const CHANGE_MS = 260;
const BLINK_MS = 140;
/** Between two blinks, and between two glances. */
const REST_MS = [2200, 6000];
/** How long an emotion stays before the face is calm again. */
export const EMOTION_MS = 7000;
/** Syllables a second, more or less. */
const MOUTH_HZ = 4.6;

const LOOKS = [
  { hair: "#3a2f4d", eyes: "#4f7d5c", clothes: "#c8553d", style: "bob" },
  { hair: "#6b3e26", eyes: "#3d6a9e", clothes: "#3f7f86", style: "short" },
  { hair: "#20242e", eyes: "#7a4a2b", clothes: "#8a5a9c", style: "long" },
  { hair: "#a8752f", eyes: "#2f6f5e", clothes: "#4a6fa5", style: "curly" },
];
const USUAL = {
  skin: "#f3d2bd",
  hair: "#3a2f4d",
  eyes: "#4f7d5c",
  clothes: "#c8553d",
  style: "bob",
  ears: "human",
  glasses: false,
  beard: false,
};

/** A look for somebody who has none of their own: always the same for the same id. */
export function lookOf({ id, look }) {
  const sum = [...id].reduce((all, letter) => (31 * all + letter.codePointAt(0)) >>> 0, 7);
  return { ...USUAL, ...(look ? {} : LOOKS[sum % LOOKS.length]), ...(look ?? {}) };
}

const between01 = (value) => Math.min(Math.max(value, 0), 1);
const randomRest = () => REST_MS[0] + Math.random() * (REST_MS[1] - REST_MS[0]);

export class Face {
  /** The drawing. Its name for screen readers is its owner's business. */
  element;
  #render;
  #pictures = null;
  #shown = feature("neutral");
  #from = feature("neutral");
  #to = feature("neutral");
  #changedAt = 0;
  #blinkAt = 0;
  #isSpeaking = false;
  #spokeAt = 0;
  #frame = null;
  #timers = {};
  #isStill = matchMedia("(prefers-reduced-motion: reduce)");

  /** @param {{id: string, look?: object, pictures?: object}} character */
  constructor(character) {
    this.element = svg("svg", { viewBox: "0 0 200 220", class: "face", focusable: "false" });
    this.#render = portrait(this.element, lookOf(character));
    this.#render(this.#shown);
    if (character.pictures) this.#pictures = new Pictures(character, this.element);
  }

  /** Begin to live: without it, the face is a picture. */
  wake() {
    this.element.classList.add("alive");
    this.#rest();
    return this;
  }

  /** Feel something, for a while. */
  show(emotion) {
    this.#turn(feature(emotion));
    this.#pictures?.show(emotion);
    this.element.dataset.emotion = emotion;
    clearTimeout(this.#timers.emotion);
    if (emotion !== "neutral") {
      this.#timers.emotion = setTimeout(() => this.show("neutral"), EMOTION_MS);
    }
  }

  set speaking(is) {
    this.#isSpeaking = is;
    this.#spokeAt = performance.now();
    this.element.classList.toggle("speaking", is);
    this.#animate();
  }

  close() {
    Object.values(this.#timers).forEach(clearTimeout);
    cancelAnimationFrame(this.#frame);
    this.#pictures?.close();
  }

  // --- movement ---------------------------------------------------------------------------

  #turn(to) {
    this.#from = this.#shown;
    this.#to = to;
    this.#changedAt = performance.now();
    this.#animate();
  }

  /** Blink and look about, now and then. */
  #rest() {
    this.#timers.rest = setTimeout(() => {
      this.#rest();
      if (document.hidden || this.#isStill.matches) return;
      this.#blinkAt = performance.now();
      if (Math.random() < 0.4 && this.element.dataset.emotion === "neutral") {
        this.#turn({
          ...feature("neutral"),
          lookX: Math.random() * 8 - 4,
          lookY: Math.random() * 4 - 2,
        });
      }
      this.#animate();
    }, randomRest());
  }

  #animate() {
    cancelAnimationFrame(this.#frame);
    this.#frame = requestAnimationFrame((now) => {
      const share = this.#isStill.matches ? 1 : between01((now - this.#changedAt) / CHANGE_MS);
      const eased = share * share * (3 - 2 * share);
      this.#shown = between(this.#from, this.#to, eased);
      const blinked = between01((now - this.#blinkAt) / BLINK_MS);
      const blink = blinked < 1 ? Math.abs(2 * blinked - 1) : 1;
      this.#render({ ...this.#shown, open: this.#shown.open * blink, gape: this.#gape(now) });
      if (share < 1 || blinked < 1 || this.#isSpeaking) this.#animate();
    });
  }

  #gape(now) {
    if (!this.#isSpeaking) return this.#shown.gape;
    if (this.#isStill.matches) return Math.max(this.#shown.gape, 0.3);
    const t = ((now - this.#spokeAt) / 1000) * MOUTH_HZ * Math.PI;
    const syllables = Math.abs(Math.sin(t)) * (0.65 + 0.35 * Math.sin(t * 0.37 + 1));
    return 0.08 + 0.55 * syllables;
  }
}
