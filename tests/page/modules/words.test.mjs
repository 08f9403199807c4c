/** What the page says, and how long it takes to say something. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { languageOf } from "../../../watchbuddy_server/web/companion/spoken.js";
import { between, feature, NAMES } from "../../../watchbuddy_server/web/companion/emotions.js";
import { clock, secondsOf } from "../../../watchbuddy_server/web/dom.js";
import { ALL, say, sayError } from "../../../watchbuddy_server/web/words.js";

const leaves = (words, below = "") =>
  Object.entries(words).flatMap(([name, value]) =>
    typeof value === "string" ? [[`${below}${name}`, value]] : leaves(value, `${below}${name}.`),
  );

test("both languages say the same things, with the same slots", () => {
  const [en, zh] = [leaves(ALL.en), leaves(ALL.zh)];
  assert.deepEqual(en.map(([name]) => name).sort(), zh.map(([name]) => name).sort());
  const slots = (text) => (text.match(/\{\w+\}/g) ?? []).sort();
  const chinese = new Map(zh);
  for (const [name, text] of en) assert.deepEqual(slots(text), slots(chinese.get(name)), name);
});

test("slots are filled in, and a code that is not known is told as the server tells it", () => {
  assert.equal(say("densityNow", { name: "Miao", density: "Some" }), "Miao talks: Some");
  assert.equal(sayError({ code: "BRAND_NEW", message: "Something new." }), "Something new.");
  assert.match(sayError({ code: "VIDEO_TOO_LONG", message: "It is too long." }), /part/);
});

test("each emotion has a face of its own", () => {
  const faces = new Set(NAMES.map((name) => JSON.stringify(feature(name))));
  assert.equal(faces.size, 17);
  assert.deepEqual(feature("unheard of"), feature("neutral"));
});

test("between two faces there are others", () => {
  const [from, to] = [feature("sad"), feature("joy")];
  assert.deepEqual(between(from, to, 1), to);
  assert.equal(between(from, to, 0.5).blush, (from.blush + to.blush) / 2);
});

test("times are read and told as players do", () => {
  assert.deepEqual([0, 5.9, 65, 3723].map(clock), ["0:00", "0:05", "1:05", "1:02:03"]);
  assert.deepEqual(["1:05", "65", "1:02:03", "7.5", ""].map(secondsOf), [
    65,
    65,
    3723,
    7.5,
    undefined,
  ]);
  assert.deepEqual(["x", "1:", "-3", "1:2:3:4"].map(secondsOf), [null, null, null, null]);
});

test("a line is read in the language of its letters", () => {
  assert.equal(languageOf("你好"), "zh");
  assert.equal(languageOf("これは猫"), "ja");
  assert.equal(languageOf("안녕"), "ko");
  assert.equal(languageOf("Hello", "fr"), "fr");
});
