/** Building what is shown. Whatever was written by somebody else is text, and never markup. */

const SVG = "http://www.w3.org/2000/svg";

/**
 * An element. `properties` are DOM properties, but for `class`, `dataset`, `aria` and `on`
 * (listeners by event) and what has a dash in its name (attributes).
 */
export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  assign(element, properties);
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** A button that does `act`. Where its content is a drawing alone, `label` says what it is. */
export function button(content, act, { label, ...properties } = {}) {
  const named = label ? { title: label, aria: { label } } : {};
  return el("button", { type: "button", on: { click: act }, ...named, ...properties }, content);
}

/** An element of a drawing; `attributes` are its attributes. */
export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function assign(element, properties) {
  for (const [name, value] of Object.entries(properties)) {
    if (name === "class") element.className = value;
    else if (name === "dataset") Object.assign(element.dataset, value);
    else if (name === "on") {
      for (const [type, act] of Object.entries(value)) element.addEventListener(type, act);
    } else if (name === "aria") {
      for (const [key, said] of Object.entries(value)) element.setAttribute(`aria-${key}`, said);
    } else if (name.includes("-") || name === "role" || name === "for") {
      element.setAttribute(name, value);
    } else element[name] = value;
  }
}

/** A small drawing, as a part of a button. */
export function icon(name) {
  const drawing = svg("svg", { viewBox: "0 0 24 24", "aria-hidden": "true", class: "icon" });
  drawing.append(svg("path", { d: ICONS[name] }));
  return drawing;
}

const ICONS = {
  play: "M8 5v14l11-7z",
  pause: "M6 5h4v14H6zM14 5h4v14h-4z",
  sound: "M4 9v6h4l5 4V5L8 9zM16 8.5a5 5 0 0 1 0 7M18.5 6a8.5 8.5 0 0 1 0 12",
  silent: "M4 9v6h4l5 4V5L8 9zM16.5 9.5l5 5M21.5 9.5l-5 5",
  whole: "M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5",
  voice: "M12 3a3 3 0 0 0-3 3v5a3 3 0 0 0 6 0V6a3 3 0 0 0-3-3zM6 11a6 6 0 0 0 12 0M12 17v4",
  back: "M15 5l-7 7 7 7",
  close: "M6 6l12 12M18 6L6 18",
  send: "M4 12l16-8-6 16-3-7z",
  again: "M4 12a8 8 0 1 0 2.5-5.8M4 4v5h5",
  less: "M5 12h14",
  more: "M5 12h14M12 5v14",
  file: "M6 3h8l4 4v14H6zM14 3v4h4",
  talk: "M4 5h16v11H10l-5 4v-4H4z",
};

/** `1:05`, `1:02:03`: a position as players show it. */
export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (n) => String(n).padStart(2, "0");
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

/** Seconds from `1:05`, `65` or `1:02:03`; null: it says no time. Empty: undefined. */
export function secondsOf(text) {
  const said = text.trim();
  if (!said) return undefined;
  if (!/^(\d+:){0,2}\d+(\.\d+)?$/.test(said)) return null;
  return said.split(":").reduce((sum, part) => 60 * sum + Number(part), 0);
}
