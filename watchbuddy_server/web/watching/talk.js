/** The transcript, and a box to write to the companion. */

import { button, clock, el, icon } from "../dom.js";
import { say } from "../words.js";

const MOST = 500;

export class Talk {
  element;
  #name;
  #list;
  #empty;
  #thinking;
  #box;
  #quick = {};
  #seek;
  #isMuted = false;

  /**
   * @param {object} facts
   * @param {string} facts.name of the companion
   * @param {(position: number) => void} facts.seek
   * @param {(text: string) => void} facts.send
   * @param {(kind: string) => void} facts.feedBack
   * @param {() => void} facts.again
   */
  constructor({ name, seek, send, feedBack, again }) {
    this.#name = name;
    this.#seek = seek;
    this.#empty = el("li", { class: "empty" }, say("transcriptEmpty", { name }));
    this.#list = el(
      "ol",
      { class: "lines", tabIndex: 0, aria: { label: say("transcript") } },
      this.#empty,
    );
    this.#thinking = el("p", { class: "thinking", role: "status" });
    this.#box = el("input", {
      type: "text",
      maxLength: 2000,
      autocomplete: "off",
      placeholder: say("talkHint"),
      aria: { label: say("talk", { name }) },
    });
    const quick = (kind, drawing, act) =>
      (this.#quick[kind] = button([icon(drawing), el("span", {}, say(kind))], act, {
        class: "quick",
      }));
    this.element = el(
      "aside",
      { class: "talk", aria: { label: say("talk", { name }) } },
      el(
        "div",
        { class: "quicks" },
        quick("less", "less", () => feedBack("less")),
        quick("more", "more", () => feedBack("more")),
        quick("quietPlease", "silent", () => feedBack(this.#isMuted ? "unmute" : "mute")),
        quick("again", "again", again),
      ),
      this.#list,
      this.#thinking,
      el(
        "form",
        {
          class: "say",
          on: {
            submit: (event) => {
              event.preventDefault();
              this.#submit(send);
            },
          },
        },
        this.#box,
        el(
          "button",
          { type: "submit", class: "quiet", aria: { label: say("send") } },
          icon("send"),
        ),
      ),
    );
  }

  focus() {
    this.#box.focus();
  }

  /** The companion has said or done this there. */
  add(position, text, kind = "speak") {
    this.#append(position, this.#name, text, kind);
    this.thinking = false;
  }

  set thinking(is) {
    this.#thinking.textContent = is ? say("thinking", { name: this.#name }) : "";
  }

  /** How much the companion says from here on. */
  set density(value) {
    this.#isMuted = value === "muted";
    this.#quick.quietPlease.lastChild.textContent = say(
      this.#isMuted ? "speakAgain" : "quietPlease",
    );
    this.#quick.quietPlease.setAttribute("aria-pressed", this.#isMuted);
    this.#quick.less.disabled = value === "quiet" || this.#isMuted;
    this.#quick.more.disabled = value === "chatty" || this.#isMuted;
  }

  #submit(send) {
    const text = this.#box.value.trim();
    if (!text) return;
    this.#append(null, say("you"), text, "viewer");
    this.#box.value = "";
    this.thinking = true;
    send(text);
  }

  #append(position, who, text, kind) {
    this.#empty.remove();
    const isAtEnd = this.#list.scrollTop + this.#list.clientHeight > this.#list.scrollHeight - 40;
    const when =
      position === null
        ? null
        : button(clock(position), () => this.#seek(position), { class: "when" });
    this.#list.append(
      el(
        "li",
        { class: kind },
        el("span", { class: "who" }, who, " ", when),
        el("span", { class: "text", dir: "auto" }, text),
      ),
    );
    while (this.#list.childElementCount > MOST) this.#list.firstChild.remove();
    if (isAtEnd) this.#list.scrollTop = this.#list.scrollHeight;
  }
}
