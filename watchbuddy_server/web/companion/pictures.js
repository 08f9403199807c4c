/**
 * A face of pictures: what a character's card shows of it, by emotion, in place of a drawing.
 *
 * The drawing stays until the first picture is there, and where none can be had.
 */

import { characterPicture } from "../api.js";
import { svg } from "../dom.js";

export class Pictures {
  #character;
  #element;
  #image = svg("image", {
    class: "picture",
    x: 24,
    width: 152, // two thirds of the height, as most cards are
    height: 220,
    preserveAspectRatio: "xMidYMin slice",
  });
  #addresses = new Map();
  #wanted = null;
  #isClosed = false;

  /**
   * @param {{id: string, pictures: {version: string, emotions: string[]}}} character
   * @param {SVGElement} element the face
   */
  constructor(character, element) {
    this.#character = character;
    this.#element = element;
    this.show("neutral");
  }

  /** Show an emotion, or what comes nearest to it. */
  async show(emotion) {
    const { emotions } = this.#character.pictures;
    const name = [emotion, "neutral"].find((one) => emotions.includes(one)) ?? "";
    this.#wanted = name;
    const address = await this.#address(name).catch(() => null);
    if (address === null || this.#isClosed || this.#wanted !== name) return;
    this.#image.setAttribute("href", address);
    this.#image.dataset.emotion = name;
    this.#element.append(this.#image);
    this.#element.classList.add("pictured");
  }

  close() {
    this.#isClosed = true;
    for (const address of this.#addresses.values()) {
      address.then(URL.revokeObjectURL, () => {}); // one that never came is no loss
    }
  }

  /** Where a picture is in this browser. It is fetched once, and again where that failed. */
  #address(name) {
    if (!this.#addresses.has(name)) {
      const { id, pictures } = this.#character;
      const address = characterPicture(id, name, pictures.version).then(URL.createObjectURL);
      this.#addresses.set(name, address);
      address.catch(() => this.#addresses.delete(name));
    }
    return this.#addresses.get(name);
  }
}
