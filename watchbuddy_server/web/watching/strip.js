/**
 * The strip under the video: the whole of it, the part that is watched, what is scripted, its
 * chapters, how loud it is, where the player is, and a mark for each thing the companion has
 * done. Of what is still to come it tells nothing: chapters ahead have no titles, and there are
 * no marks.
 */

import { clock, el } from "../dom.js";
import { say } from "../words.js";

const STEP = 5;
const LARGE_STEP = 30;
const QUIETEST = -50;

export class Strip {
  element;
  #duration;
  #seek;
  #range;
  /** Where the player is, in words, and in which chapter: to be put where it fits. */
  time = el("output", { class: "time" });
  chapter = el("span", { class: "chapter", dir: "auto" });
  #covered = el("div", { class: "covered" });
  #played = el("div", { class: "played" });
  #chapters = el("div", { class: "chapters" });
  #canvas = el("canvas", { class: "loudness" });
  #marks = el("div", { class: "marks", role: "toolbar", aria: { label: say("transcript") } });
  #marked = new Map();
  #titles = [];
  #loudness = [];
  /** How far the player has come: of what lies beyond, not even a title is told. */
  #reached = 0;
  #isDragging = false;

  /**
   * @param {object} video what the server knows of it
   * @param {(position: number) => void} seek
   */
  constructor(video, seek) {
    this.#duration = video.duration ?? video.end_time ?? 1;
    this.#seek = seek;
    this.#range = el("input", {
      type: "range",
      min: 0,
      max: this.#duration,
      step: 0.1,
      value: 0,
      class: "seek",
      aria: { label: say("seek") },
      on: {
        pointerdown: () => (this.#isDragging = true),
        input: () => this.#show(Number(this.#range.value)),
        change: () => {
          this.#isDragging = false;
          seek(Number(this.#range.value));
        },
        keydown: (event) => this.#key(event),
      },
    });
    this.#marks.addEventListener("keydown", (event) => this.#walk(event));
    this.element = el(
      "div",
      { class: "strip", role: "group", aria: { label: say("strip") } },
      el("div", { class: "track" }, this.#covered, this.#canvas, this.#chapters, this.#played),
      this.#range,
      this.#marks,
    );
    this.#clip(video.start_time ?? 0, video.end_time ?? this.#duration);
    this.know(video);
    this.move(video.start_time ?? 0);
    new ResizeObserver(() => this.#drawLoudness()).observe(this.#canvas);
  }

  /** More is known of the video. */
  know({ chapters, loudness }) {
    this.#titles = chapters;
    const borders = chapters.filter(({ start }) => start > 0.5);
    this.#chapters.replaceChildren(...borders.map(({ start }) => this.#at(el("i", {}), start)));
    this.#loudness = loudness;
    this.#drawLoudness();
  }
  /** What is scripted. */
  cover(ranges) {
    this.#covered.replaceChildren(
      ...ranges.map(([from, to]) => {
        const part = this.#at(el("i", {}), from);
        part.style.width = `${(100 * (to - from)) / this.#duration}%`;
        return part;
      }),
    );
  }

  /** The player is there. */
  move(position) {
    if (this.#isDragging) return;
    this.#reached = Math.max(this.#reached, position);
    this.#range.value = position;
    this.#show(position);
  }

  /** The companion has done something there. */
  mark(action, text) {
    if (this.#marked.has(action.id)) return;
    const at = action.trigger_timestamp;
    const label = say("action", { time: clock(at), text });
    const mark = el("button", {
      type: "button",
      class: `mark ${action.action_type.toLowerCase()}`,
      tabIndex: this.#marked.size ? -1 : 0,
      aria: { label },
      dataset: { tip: label.length > 120 ? `${label.slice(0, 119)}…` : label },
      on: { click: () => this.#seek(at) },
    });
    this.#at(mark, at);
    mark.classList.add(at > this.#duration / 2 ? "late" : "early");
    const next = [...this.#marked.values()].filter((one) => one.at > at)[0];
    this.#marked.set(action.id, { at, mark });
    if (next) next.mark.before(mark);
    else this.#marks.append(mark);
  }

  #at(element, position) {
    element.style.left = `${100 * Math.min(Math.max(position / this.#duration, 0), 1)}%`;
    return element;
  }

  #clip(start, end) {
    if (start <= 0.5 && end >= this.#duration - 0.5) return;
    for (const [from, to] of [
      [0, start],
      [end, this.#duration],
    ]) {
      const outside = this.#at(el("i", { class: "outside" }), from);
      outside.style.width = `${(100 * (to - from)) / this.#duration}%`;
      this.#covered.after(outside);
    }
  }

  #show(position) {
    this.#played.style.transform = `scaleX(${Math.min(position / this.#duration, 1)})`;
    const said = `${clock(position)} / ${clock(this.#duration)}`;
    const known = Math.min(position, this.#reached);
    const title = this.#titles.findLast(({ start }) => start <= known)?.title ?? "";
    if (this.time.textContent === said && this.chapter.textContent === title) return;
    this.time.textContent = said;
    this.chapter.textContent = title;
    this.#range.setAttribute("aria-valuetext", title ? `${said}, ${title}` : said);
  }

  #key(event) {
    const position = Number(this.#range.value);
    const by = {
      ArrowLeft: -STEP,
      ArrowDown: -STEP,
      ArrowRight: STEP,
      ArrowUp: STEP,
      PageDown: -LARGE_STEP,
      PageUp: LARGE_STEP,
    }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    this.#seek(Math.min(Math.max(position + by, 0), this.#duration));
  }

  /** From mark to mark, with the arrow keys. */
  #walk(event) {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by) return;
    event.preventDefault();
    event.stopPropagation();
    const marks = [...this.#marks.children];
    const to = marks[marks.indexOf(document.activeElement) + by];
    if (!to) return;
    marks.forEach((mark) => (mark.tabIndex = mark === to ? 0 : -1));
    to.focus();
  }

  #drawLoudness() {
    const { clientWidth: width, clientHeight: height } = this.#canvas;
    if (!width || !height) return;
    const scale = Math.min(devicePixelRatio || 1, 2);
    this.#canvas.width = width * scale;
    this.#canvas.height = height * scale;
    const drawing = this.#canvas.getContext("2d");
    drawing.fillStyle = getComputedStyle(this.#canvas).color;
    const perPixel = this.#duration / this.#canvas.width;
    const loudest = new Float32Array(this.#canvas.width);
    for (const { start, levels } of this.#loudness) {
      levels.forEach((level, i) => {
        const first = Math.floor((start + i) / perPixel);
        const last = Math.max(Math.ceil((start + i + 1) / perPixel), first + 1);
        const share = Math.max((level - QUIETEST) / -QUIETEST, 0);
        for (let x = first; x < last && x < loudest.length; x++)
          loudest[x] = Math.max(loudest[x], share);
      });
    }
    const most = loudest.reduce((one, other) => Math.max(one, other), 0.3);
    loudest.forEach((share, x) => {
      const tall = (share / most) ** 1.6 * 0.9 * this.#canvas.height;
      if (tall) drawing.fillRect(x, this.#canvas.height - tall, 1, tall);
    });
  }
}
