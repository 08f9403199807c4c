/** The viewer is asked for a token, over whatever is shown; and can have it forgotten. */

import { button, el } from "../dom.js";
import { changes, forgetToken, token } from "../token.js";
import { say } from "../words.js";

/**
 * Ask for a token.
 *
 * @param {boolean} isRefused whether there was one, and the server does not take it
 * @returns {Promise<string | null>} null: the viewer wants to go on without the one they had.
 *     Rejected where they close the question
 */
export function askForToken(isRefused) {
  const box = el("input", {
    id: "token",
    type: "password",
    autocomplete: "current-password",
    spellcheck: false,
    required: true,
    placeholder: "wb_…",
    aria: { describedby: "token-problem" },
  });
  const problem = el("p", { id: "token-problem", class: "problem", role: "alert" });
  if (isRefused) {
    problem.textContent = say("tokenRefused");
    box.setAttribute("aria-invalid", "true");
  }
  const form = el(
    "form",
    { method: "dialog" },
    el("h2", { id: "door" }, say("tokenTitle")),
    el("p", {}, say("tokenHint")),
    el("label", { for: "token" }, say("token")),
    box,
    problem,
    el(
      "div",
      { class: "actions" },
      el("button", { type: "submit" }, say("tokenGo")),
      isRefused ? button(say("tokenForget"), () => answer(null), { class: "quiet" }) : null,
      button(say("cancel"), () => door.close(), { class: "quiet" }),
    ),
  );
  const door = el("dialog", { class: "door", aria: { labelledby: "door" } }, form);

  let given;
  function answer(token) {
    given = token;
    door.close();
  }

  return new Promise((resolve, reject) => {
    form.addEventListener("submit", () => (given = box.value.trim() || undefined));
    door.addEventListener("close", () => {
      door.remove();
      if (given !== undefined) resolve(given);
      else reject(new Error("the viewer does not want to"));
    });
    document.body.append(door);
    door.showModal();
    box.focus();
  });
}

/**
 * A button to have the token forgotten; hidden, where there is none.
 *
 * @param {AbortSignal} signal ends it
 */
export function forgetting(signal) {
  const forget = () => {
    forgetToken();
    location.reload();
  };
  const element = button(say("tokenForget"), forget, { class: "quiet leave" });
  const show = () => (element.hidden = !token());
  changes.addEventListener("change", show, { signal });
  show();
  return element;
}
