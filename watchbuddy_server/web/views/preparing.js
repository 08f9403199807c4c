/** While a session is prepared: how far it is, and what is happening. */

import { Face } from "../companion/face.js";
import { button, el } from "../dom.js";
import { inLanguage, say } from "../words.js";

const STAGES = ["fetching", "understanding", "generating"];
/** A face for each of them. */
const FACES = { fetching: "expectation", understanding: "confusion", generating: "play_cool" };

/** @param {{character: object, cancel: () => void}} facts */
export function preparing({ character, cancel }) {
  const face = new Face(character).wake();
  face.element.setAttribute("aria-hidden", "true");
  const name = inLanguage(character.name);
  const steps = STAGES.map((stage) => el("li", { dataset: { stage } }, say(stage)));
  const bar = el("progress", { max: 1, aria: { label: say("progress") } });
  const doing = el("p", { class: "doing", role: "status" }, say("fetching"));
  const heading = el("h1", { tabIndex: -1 }, say("preparing", { name }));
  const element = el(
    "main",
    { class: "panel preparing" },
    el("div", { class: "portrait" }, face.element),
    heading,
    el("ol", { class: "steps" }, steps),
    bar,
    doing,
    el("div", { class: "actions" }, button(say("cancel"), cancel, { class: "quiet" })),
  );
  let at = null;

  function hear(message) {
    if (message.type === "lost") {
      at = null;
      doing.textContent = say("lost");
    }
    if (message.type !== "progress") return;
    const place = STAGES.indexOf(message.stage);
    if (message.stage !== at) {
      at = message.stage;
      doing.textContent = say(at);
      face.show(FACES[at] ?? "neutral");
      steps.forEach((step, i) => {
        step.classList.toggle("done", i < place);
        step.toggleAttribute("aria-current", i === place);
      });
    }
    if (message.fraction === null) bar.removeAttribute("value");
    else bar.value = (place + message.fraction) / STAGES.length;
  }

  return { element, hear, ready: () => heading.focus(), close: () => face.close() };
}
