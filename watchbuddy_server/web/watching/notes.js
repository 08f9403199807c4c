/** Small notices over the video, which go by themselves; but not while what they tell lasts. */

import { button, el, icon } from "../dom.js";
import { say } from "../words.js";

const STAY_MS = 9000;

export class Notes {
  element = el("div", { class: "notes", role: "status" });
  #lost = null;

  tell(words) {
    const note = this.#show(words);
    setTimeout(() => note.remove(), STAY_MS);
  }

  /** The connection is lost, until it is `back`. */
  lost() {
    this.#lost ??= this.#show(say("lost"), "lost");
  }

  back() {
    if (!this.#lost) return;
    this.#lost.remove();
    this.#lost = null;
    this.tell(say("backAgain"));
  }

  #show(words, kind = "") {
    const close = button(icon("close"), () => note.remove(), {
      label: say("dismiss"),
      class: "quiet",
    });
    const note = el("div", { class: `note ${kind}` }, el("span", { dir: "auto" }, words), close);
    this.element.append(note);
    return note;
  }
}
