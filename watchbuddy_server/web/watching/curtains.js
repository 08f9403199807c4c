/** What covers the video while there is something else to be seen to. */

import { button, el, icon } from "../dom.js";
import { say } from "../words.js";

/** The browser wants the viewer to begin. */
export const invitation = (play) =>
  el(
    "div",
    { class: "invitation", hidden: true },
    button([icon("play"), say("pressPlay")], play, { class: "go" }),
    el("p", {}, say("pressPlayHint")),
  );

/** The video is at its end. */
export const ending = (name, again, leave) =>
  el(
    "div",
    { class: "ending", hidden: true },
    el("p", {}, say("ended", { name })),
    el(
      "div",
      { class: "actions" },
      button(say("watchAgain"), again),
      button(say("other"), leave, { class: "quiet" }),
    ),
  );

/** There is no going on. */
export const over = (words, details, ...actions) =>
  el(
    "div",
    { class: "over", role: "alert" },
    el("p", {}, words),
    details ? el("p", { class: "details", dir: "auto" }, details) : null,
    el("div", { class: "actions" }, actions),
  );
