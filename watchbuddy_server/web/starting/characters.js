/** Who can watch along, as cards of which one is chosen. */

import { Face, lookOf } from "../companion/face.js";
import { el } from "../dom.js";
import { kept } from "../keeping.js";
import { inLanguage, language, say } from "../words.js";

export class Characters {
  element = el("div", { class: "cards", role: "radiogroup", aria: { label: say("who") } });
  #faces = [];

  /** The id of the chosen one; null, as long as there is none to choose. */
  get chosen() {
    return this.element.querySelector("input:checked")?.value ?? null;
  }

  /** @param {string | null} wanted who is chosen; else the one of the last time */
  show(characters, wanted = kept("character", null)) {
    this.close();
    const first = characters.find(({ id }) => id === wanted) ?? characters[0];
    this.element.replaceChildren(...characters.map((one) => this.#card(one, one === first)));
  }

  focus() {
    this.element.querySelector("input:checked")?.focus();
  }

  close() {
    this.#faces.splice(0).forEach((face) => face.close());
  }

  #card(character, isChosen) {
    const face = new Face(character).wake();
    this.#faces.push(face);
    face.element.setAttribute("aria-hidden", "true");
    const choice = el("input", {
      type: "radio",
      name: "character",
      value: character.id,
      checked: isChosen,
      class: "sr",
      on: { change: () => face.show("joy") },
    });
    const looks = {
      pointerenter: () => face.show("expectation"),
      pointerleave: () => face.show("neutral"),
    };
    const card = el(
      "label",
      { class: "card", on: looks },
      choice,
      face.element,
      el("span", { class: "name" }, inLanguage(character.name)),
      el("span", { class: "about" }, inLanguage(character.description)),
      el("span", { class: "sample" }, sample(character.examples)),
    );
    card.style.setProperty("--own", lookOf(character).clothes);
    return card;
  }
}

/** A line in the page's language, where the character has one. */
function sample(examples) {
  const isHan = (line) => /\p{Script=Han}/u.test(line);
  return examples.find((line) => isHan(line) === (language === "zh")) ?? examples[0] ?? "…";
}
