/** Watching: the video, the companion at it, the strip, and the talk beside. */

import { sessionVideo } from "../api.js";
import { Companion } from "../companion/companion.js";
import { Voice } from "../companion/voice.js";
import { button, clock, el, icon } from "../dom.js";
import { keepPosition, kept, positionOf } from "../keeping.js";
import { Buddy } from "../watching/buddy.js";
import { controls } from "../watching/controls.js";
import { ending, invitation, over } from "../watching/curtains.js";
import { Notes } from "../watching/notes.js";
import { screenOf, whyNot } from "../watching/screen.js";
import { Strip } from "../watching/strip.js";
import { Talk } from "../watching/talk.js";
import { inLanguage, say } from "../words.js";

const SHOW_MS = 200;
const BUFFERING_MS = 600;
/** The server is asked for more of the strip when so much time has passed without news. */
const ASK_MS = 1000;
/** Nearer to the end than this, in seconds, watching begins at the beginning. */
const NEARLY_OVER = 5;

/** @param {{id, video, character, connection, leave, density, early}} facts */
export function watching({ id, video, character, connection, leave, density, early }) {
  const name = inLanguage(character.name);
  const voice = new Voice();
  voice.isOn = kept("voice.on", true);
  voice.volume = kept("voice.volume", 1);
  voice.name = kept("voice.name", "");

  const beginning = video.start_time ?? 0;
  const start = whereToBegin();
  const { screen, player } = screenOf(id, video, start);
  const companion = new Companion({ player, connection, voice, start });
  const stage = el("section", { class: "stage", aria: { label: video.title ?? "" } });
  const buddy = new Buddy(character, stage, () => companion.interrupt());
  const strip = new Strip(video, (position) => companion.seek(position));
  const talk = new Talk({
    name,
    seek: (position) => companion.seek(position),
    send: (text) => companion.say(text),
    feedBack: (kind) => companion.feedBack(kind),
    again: sayAgain,
  });
  const bar = controls({ player, companion, voice, strip, stage, talk });
  const notes = new Notes();
  const held = el("div", { class: "held", hidden: true }, icon("play"), say("paused", { name }));
  const waiting = el("div", { class: "waiting", hidden: true, role: "status" }, say("buffering"));
  const invited = invitation(() => companion.play());
  const ended = ending(name, fromTheBeginning, leave);
  let lastLine = "";

  stage.append(
    el("div", { class: "screen", on: { click: toggle } }, screen),
    ...[waiting, held, invited, ended, notes.element, buddy.element],
    el("div", { class: "bar" }, strip.element, bar.element),
  );
  const heading = el("h1", { dir: "auto", tabIndex: -1 }, video.title ?? video.video_url);
  const home = button(icon("back"), leave, { label: say("home"), class: "quiet" });
  const element = el(
    "main",
    { class: "watching" },
    el("header", {}, home, heading),
    el("div", { class: "room" }, stage, talk.element),
  );

  // --- what the companion does ------------------------------------------------------------

  const on = (type, act) => companion.addEventListener(type, ({ detail }) => act(detail));
  on("begin", ({ action }) => begin(action));
  on("end", ({ action }) => action.action_type === "SPEAK" && buddy.fallSilent());
  on("speaking", ({ is }) => {
    buddy.speaking = is;
    stage.classList.toggle("spoken", is);
  });
  on("message", hear);
  on("blocked", () => (invited.hidden = false));
  on("lost", () => notes.lost());
  on("back", () => notes.back());

  function begin(action) {
    const { action_type: kind, trigger_timestamp: at } = action;
    const time = clock(action.target_timestamp ?? action.start_timestamp ?? at);
    if (kind === "SPEAK") {
      lastLine = action.text;
      buddy.say(action.text);
      talk.add(player.position, action.text);
      strip.mark(action, action.text);
    } else if (kind === "EXPRESSION") {
      buddy.show(action.emotion);
      strip.mark(action, say(kind, { emotion: say(`emotions.${action.emotion}`) }));
    } else if (kind === "END_REACTION") {
      talk.add(at, say("goodbye", { name }), "act");
    } else {
      talk.add(player.position, say(kind, { time }), "act");
      strip.mark(action, say(kind, { time }));
    }
  }

  function hear(message) {
    switch (message.type) {
      case "coverage":
        strip.cover(message.ranges);
        knowMore();
        break;
      case "density":
        talk.density = message.value;
        notes.tell(say("densityNow", { name, density: say(message.value) }));
        break;
      case "reply_started":
        talk.thinking = true;
        break;
      case "reply_finished":
        talk.thinking = false;
        break;
      case "notice":
      case "processing_error":
        notes.tell(message.message);
        break;
    }
  }

  /** The last line once more, unless another is being said. */
  function sayAgain() {
    if (!lastLine || voice.isBusy) return;
    buddy.say(lastLine);
    voice.speak(lastLine, { heard: () => {}, said: () => buddy.fallSilent() });
  }

  let asking = null;
  function knowMore() {
    clearTimeout(asking);
    const know = (more) => strip.know(more);
    asking = setTimeout(() => sessionVideo(id).then(know, () => {}), ASK_MS);
  }

  // --- what the viewer does ---------------------------------------------------------------

  function whereToBegin() {
    const position = positionOf(id);
    const end = video.end_time ?? video.duration ?? Infinity;
    return position > beginning && position < end - NEARLY_OVER ? position : beginning;
  }

  function toggle() {
    if (player.paused) companion.play();
    else companion.pause();
  }

  function fromTheBeginning() {
    companion.seek(beginning);
    companion.play();
  }

  // --- the player -------------------------------------------------------------------------

  player.addEventListener("change", () => {
    bar.changed();
    if (!player.paused) invited.hidden = true;
    ended.hidden = !player.ended;
  });
  player.addEventListener("volume", bar.louder);
  player.addEventListener("failed", async ({ detail: { reason } }) => {
    const [words, details] = await whyNot(id, video, reason);
    end(words, details, button(say("other"), leave));
  });

  function end(...told) {
    companion.close();
    player.pause();
    stage.append(over(...told));
  }

  function closed(why) {
    const other = button(say("other"), leave, { class: "quiet" });
    const here = button(say("useHere"), () => location.reload());
    const actions = why === "replaced" ? [here, other] : [other];
    end(say(why === "failed" ? "refused" : why), null, ...actions);
  }

  let stalledSince = null;
  const showing = setInterval(() => {
    strip.move(player.position);
    stalledSince = player.stalled ? (stalledSince ?? performance.now()) : null;
    waiting.hidden = !(stalledSince && performance.now() - stalledSince > BUFFERING_MS);
    held.hidden = !companion.holdsVideo || stage.classList.contains("spoken");
    if (!player.paused && !player.seeking) keepPosition(id, player.position);
  }, SHOW_MS);
  document.addEventListener("keydown", bar.key);

  function ready() {
    talk.density = density;
    player.volume = kept("volume", 1);
    early.forEach(hear);
    const begins = () => {
      if (start > 0) player.seek(start);
      companion.play();
    };
    if (player.isThere ?? true) begins();
    else player.addEventListener("ready", begins, { once: true });
    companion.begin();
    heading.focus();
  }

  return {
    element,
    companion,
    ready,
    closed,
    close() {
      clearInterval(showing);
      clearTimeout(asking);
      document.removeEventListener("keydown", bar.key);
      companion.close();
      voice.close();
      player.close();
      buddy.close();
    },
  };
}
