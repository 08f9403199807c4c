/** Bringing a character along: a card of SillyTavern and its relatives. */

import { ApiError, bringCharacter } from "../api.js";
import { button, el, icon } from "../dom.js";
import { say, sayError } from "../words.js";

const CARDS = ".png,.apng,.json,.charx";

/** Whether a file is to be taken for a card rather than for a video. */
export const isCard = ({ name }) => CARDS.split(",").some((end) => name.toLowerCase().endsWith(end));

/** @param {(id: string) => void} welcome is told who has come */
export function bringing(welcome) {
  const file = el("input", { type: "file", accept: CARDS, hidden: true, class: "bring-card" });
  const pick = button([icon("file"), say("bring")], () => file.click(), { class: "quiet" });
  const problem = el("p", { class: "refusal", role: "alert" });
  const choice = el("div", { class: "actions", hidden: true });
  const element = el("div", { class: "bring" }, pick, file, problem, choice);

  file.addEventListener("change", () => {
    const [card] = file.files;
    file.value = ""; // the same one may be picked again, when it has been mended
    if (card) take(card);
  });

  /** Take a card in; where there is somebody of its name, the viewer says what to do. */
  async function take(card, clash = "refuse") {
    problem.textContent = "";
    choice.hidden = true;
    pick.disabled = true;
    try {
      welcome((await bringCharacter(card, clash)).id);
    } catch (error) {
      problem.textContent = sayError(
        error instanceof ApiError ? error : { code: "INTERNAL_ERROR" },
      );
      if (error.code === "CHARACTER_EXISTS") ask(card, clash);
    } finally {
      pick.disabled = false;
    }
  }

  function ask(card, clash) {
    const replace = button(say("bringReplace"), () => take(card, "replace"), { class: "quiet" });
    const both = button(say("bringBoth"), () => take(card, "both"), { class: "quiet" });
    choice.replaceChildren(...(clash === "replace" ? [both] : [replace, both]));
    choice.hidden = false;
    choice.firstElementChild.focus();
  }

  return { element, take };
}
