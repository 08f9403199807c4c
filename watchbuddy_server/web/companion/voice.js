/**
 * The companion's voice: the browser's speech synthesis, or, where it has none or is switched
 * off, the time that the line would take. One line at a time.
 *
 * Meanwhile the video is lowered, and what it had is given back exactly; where the viewer turns
 * the volume in between, that is what they get.
 */

import { languageOf, spokenSeconds } from "./spoken.js";

/** Of its own volume, so much is left of the video while the companion speaks. */
const LOWERED = 0.3;
/** A synthesis that has not begun by then will not. */
const BEGIN_MS = 2500;
/** One that takes so many times what was expected hangs. */
const PATIENCE = 3;
/** How long one may look at a line that nobody reads out: as long as it would take, and more. */
const READING = 1.15;

export class Voice extends EventTarget {
  /** Whether lines are read out. */
  isOn = true;
  volume = 1;
  /** The name of the voice that was chosen; empty: whichever fits the language. */
  name = "";
  #synthesis;
  #speaking = null;
  #isOver = new AbortController();

  /** @param {SpeechSynthesis | undefined} synthesis */
  constructor(synthesis = globalThis.speechSynthesis) {
    super();
    this.#synthesis = synthesis;
    const { signal } = this.#isOver;
    const changed = () => this.dispatchEvent(new Event("voices"));
    synthesis?.addEventListener?.("voiceschanged", changed, { signal });
  }

  /** What there is to choose from. */
  get voices() {
    return this.#synthesis?.getVoices() ?? [];
  }

  /** Whether a line is being said. */
  get isBusy() {
    return this.#speaking !== null;
  }

  /** Whether a line would be read out loud now. */
  get isAudible() {
    return this.isOn && this.volume > 0 && this.voices.length > 0;
  }

  /**
   * Say a line. A line that is being said ends.
   *
   * @param {{heard: (text: string) => void, said: () => void}} listener `said` is called once,
   *     unless it was hushed before
   */
  speak(text, { heard, said }) {
    this.hush();
    const speaking = { timers: [], utterance: null };
    this.#speaking = speaking;
    const done = () => {
      if (this.#speaking !== speaking) return;
      this.#end();
      said();
    };
    const after = (ms, act) => speaking.timers.push(setTimeout(act, ms));
    const seconds = spokenSeconds(text);
    this.dispatchEvent(new Event("begin"));
    if (this.isAudible) {
      this.#utter(text, speaking, { heard, done, after, seconds });
    } else {
      this.#read(text, { heard, done, after, seconds });
    }
  }

  /** Stop in the middle. */
  hush() {
    if (this.#speaking) this.#end();
  }

  close() {
    this.hush();
    this.#isOver.abort();
  }

  #utter(text, speaking, { heard, done, after, seconds }) {
    const utterance = new SpeechSynthesisUtterance(text);
    const voice = this.#voiceFor(text);
    if (voice) utterance.voice = voice;
    utterance.lang = voice?.lang ?? languageOf(text, navigator.language);
    utterance.volume = this.volume;
    utterance.onstart = () => (speaking.begun = true);
    utterance.onboundary = ({ charIndex, charLength }) =>
      heard(text.slice(0, charIndex + (charLength ?? 0)));
    utterance.onend = done;
    utterance.onerror = ({ error }) => {
      // Until the viewer has touched the page, a browser may not let it speak.
      if (error === "not-allowed" || error === "synthesis-failed" || !speaking.begun) {
        this.#read(text, { heard, done, after, seconds });
      } else {
        done();
      }
    };
    speaking.utterance = utterance;
    after(BEGIN_MS, () => {
      if (!speaking.begun) done();
    });
    after(1000 * PATIENCE * seconds + BEGIN_MS, done);
    this.#synthesis.speak(utterance);
  }

  #read(text, { heard, done, after, seconds }) {
    for (const share of [0.25, 0.5, 0.75]) {
      after(1000 * seconds * share, () => heard(text.slice(0, Math.floor(text.length * share))));
    }
    after(1000 * seconds * READING, done);
  }

  #voiceFor(text) {
    const language = languageOf(text, navigator.language.slice(0, 2));
    const speaks = ({ lang }) => lang.toLowerCase().startsWith(language);
    const chosen = this.voices.find(({ name }) => name === this.name);
    if (chosen && speaks(chosen)) return chosen;
    const fitting = this.voices.filter(speaks);
    return fitting.find(({ localService }) => localService) ?? fitting[0] ?? chosen;
  }

  #end() {
    const { timers, utterance } = this.#speaking;
    this.#speaking = null;
    timers.forEach(clearTimeout);
    if (utterance) {
      utterance.onend = utterance.onerror = utterance.onboundary = null;
      this.#synthesis.cancel();
    }
    this.dispatchEvent(new Event("end"));
  }
}

/** Lowers a player's volume for a while, and gives it back. */
export class Ducking {
  #player;
  #lowered = null;

  /** @param {{volume: number}} player from 0 to 1 */
  constructor(player) {
    this.#player = player;
  }

  lower() {
    if (this.#lowered) return;
    const own = this.#player.volume;
    this.#player.volume = own * LOWERED;
    this.#lowered = { own, to: this.#player.volume };
  }

  restore() {
    if (!this.#lowered) return;
    const { own, to } = this.#lowered;
    this.#lowered = null;
    if (this.#player.volume === to) this.#player.volume = own;
  }
}
