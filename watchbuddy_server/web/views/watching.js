/** Watching: the video, the companion at it, the strip, and the talk beside. */

import { mediaUrl, sessionVideo } from "../api.js";
import { Companion } from "../companion/companion.js";
import { Voice } from "../companion/voice.js";
import { clock, el, icon } from "../dom.js";
import { kept } from "../keeping.js";
import { FilePlayer } from "../players/file.js";
import { youtubeId, youtubePlayer } from "../players/youtube.js";
import { Buddy } from "../watching/buddy.js";
import { controls } from "../watching/controls.js";
import { Strip } from "../watching/strip.js";
import { Talk } from "../watching/talk.js";
import { inLanguage, say, sayError } from "../words.js";

const STRIP_MS = 200;
const NOTICE_MS = 9000;
const BUFFERING_MS = 600;

/** @param {{id, video, character, connection, leave, density, early}} facts */
export function watching({ id, video, character, connection, leave, density, early }) {
  const name = inLanguage(character.name);
  const voice = new Voice();
  voice.isOn = kept("voice.on", true);
  voice.volume = kept("voice.volume", 1);
  voice.name = kept("voice.name", "");

  const start = video.start_time ?? 0;
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
    again: () => lastLine && !voice.isBusy && voice.speak(lastLine, onlyAloud(lastLine)),
  });
  const bar = controls({ player, companion, voice, strip, stage, talk });
  const held = el("div", { class: "held", hidden: true }, icon("play"), say("paused", { name }));
  const waiting = el("div", { class: "waiting", hidden: true, role: "status" }, say("buffering"));
  const invitation = el(
    "div",
    { class: "invitation", hidden: true },
    el(
      "button",
      {
        type: "button",
        class: "go",
        on: {
          click: () => {
            invitation.hidden = true;
            companion.play();
          },
        },
      },
      icon("play"),
      say("pressPlay"),
    ),
    el("p", {}, say("pressPlayHint")),
  );
  const ending = el(
    "div",
    { class: "ending", hidden: true },
    el("p", {}, say("ended", { name })),
    el(
      "div",
      { class: "actions" },
      el(
        "button",
        {
          type: "button",
          on: {
            click: () => {
              companion.seek(start);
              companion.play();
            },
          },
        },
        say("watchAgain"),
      ),
      el("button", { type: "button", class: "quiet", on: { click: leave } }, say("other")),
    ),
  );
  const notes = el("div", { class: "notes", role: "status" });
  let lastLine = "";
  let hasBegun = false;

  stage.append(
    el(
      "div",
      {
        class: "screen",
        on: { click: () => (player.paused ? companion.play() : companion.pause()) },
      },
      screen,
    ),
    waiting,
    held,
    invitation,
    ending,
    notes,
    buddy.element,
    el("div", { class: "bar" }, strip.element, bar.element),
  );
  const element = el(
    "main",
    { class: "watching" },
    el(
      "header",
      {},
      el(
        "button",
        {
          type: "button",
          class: "quiet",
          title: say("home"),
          aria: { label: say("home") },
          on: { click: leave },
        },
        icon("back"),
      ),
      el("h1", { dir: "auto", tabIndex: -1 }, video.title ?? video.video_url),
    ),
    el("div", { class: "room" }, stage, talk.element),
  );

  // --- what the companion does ------------------------------------------------------------

  companion.addEventListener("begin", ({ detail: { action } }) => begin(action));
  companion.addEventListener("end", ({ detail: { action } }) => {
    if (action.action_type === "SPEAK") buddy.fallSilent();
  });
  companion.addEventListener("speaking", ({ detail: { is } }) => {
    buddy.speaking = is;
    stage.classList.toggle("spoken", is);
  });
  companion.addEventListener("message", ({ detail }) => hear(detail));
  companion.addEventListener("blocked", () => (invitation.hidden = false));
  companion.addEventListener("lost", () => note(say("lost"), "lost"));
  companion.addEventListener("back", () => {
    const lost = notes.querySelector(".lost");
    if (!lost) return;
    lost.remove();
    note(say("backAgain"));
  });

  function begin(action) {
    const { action_type: kind, trigger_timestamp: at } = action;
    const time = clock(action.target_timestamp ?? action.start_timestamp ?? at);
    const emotion = say(`emotions.${action.emotion}`);
    if (kind === "SPEAK") {
      lastLine = action.text;
      buddy.say(action.text);
      talk.add(player.position, action.text);
      strip.mark(action, action.text);
    } else if (kind === "EXPRESSION") {
      buddy.show(action.emotion);
      strip.mark(action, say(kind, { emotion }));
    } else if (kind === "END_REACTION") {
      talk.add(at, say("goodbye", { name }), "act");
    } else {
      strip.mark(action, say(kind, { time }));
      talk.add(player.position, say(kind, { time }), "act");
    }
  }

  function hear(message) {
    switch (message.type) {
      case "coverage":
        strip.cover(message.ranges);
        knowMore();
        break;
      case "notice":
        note(message.message, "told");
        break;
      case "density":
        talk.density = message.value;
        note(say("densityNow", { name, density: say(message.value) }));
        break;
      case "reply_started":
        talk.thinking = true;
        break;
      case "reply_finished":
        talk.thinking = false;
        break;
      case "processing_error":
        note(message.message, "told");
        break;
    }
  }

  /** The line once more, beside whatever is going on. */
  function onlyAloud(line) {
    buddy.say(line);
    return { heard: () => {}, said: () => buddy.fallSilent() };
  }

  let asking = null;
  function knowMore() {
    clearTimeout(asking);
    asking = setTimeout(
      () =>
        sessionVideo(id).then(
          (more) => strip.know(more),
          () => {},
        ),
      1000,
    );
  }

  // --- what is told beside ----------------------------------------------------------------

  function note(words, kind = "") {
    const shown = el(
      "div",
      { class: `note ${kind}` },
      el("span", { dir: "auto" }, words),
      el(
        "button",
        {
          type: "button",
          class: "quiet",
          aria: { label: say("dismiss") },
          on: { click: () => shown.remove() },
        },
        icon("close"),
      ),
    );
    if (kind === "lost") notes.querySelector(".lost")?.remove();
    notes.append(shown);
    if (kind !== "lost") setTimeout(() => shown.remove(), NOTICE_MS);
  }

  function over(words, actions) {
    companion.close();
    player.pause();
    stage.append(
      el(
        "div",
        { class: "over", role: "alert" },
        el("p", {}, words),
        el("div", { class: "actions" }, actions),
      ),
    );
  }

  function closed(why) {
    const other = el(
      "button",
      { type: "button", class: "quiet", on: { click: leave } },
      say("other"),
    );
    const here = el(
      "button",
      { type: "button", on: { click: () => location.reload() } },
      say("useHere"),
    );
    over(say(why === "failed" ? "refused" : why), why === "replaced" ? [here, other] : [other]);
  }

  // --- the player -------------------------------------------------------------------------

  player.addEventListener("change", () => {
    bar.changed();
    if (!player.paused) {
      hasBegun = true;
      invitation.hidden = true;
    }
    ending.hidden = !player.ended;
  });
  player.addEventListener("volume", bar.louder);
  player.addEventListener("failed", ({ detail: { reason } }) => cannotPlay(reason));

  /** The server knows better than the browser why there is nothing to be seen. */
  async function cannotPlay(reason) {
    const { error = null } = (await sessionVideo(id).catch(() => null)) ?? {};
    const isYoutube = youtubeId(video.video_url) !== null;
    let words = say(reason === "network" ? "mediaLost" : "cannotPlay");
    if (isYoutube) words = say(reason === "network" ? "youtubeBlocked" : "youtubeRefused");
    else if (error?.code === "VIDEO_UNAVAILABLE") words = say("noPicture");
    else if (error) words = sayError(error);
    over(words, [el("button", { type: "button", on: { click: leave } }, say("other"))]);
    if (error && !isYoutube)
      stage
        .querySelector(".over p")
        .after(el("p", { class: "details", dir: "auto" }, error.message));
  }

  let stalledSince = null;
  const showing = setInterval(() => {
    strip.move(player.position);
    stalledSince = player.stalled ? (stalledSince ?? performance.now()) : null;
    held.hidden = !companion.holdsVideo || stage.classList.contains("spoken");
    waiting.hidden = !(stalledSince && performance.now() - stalledSince > BUFFERING_MS);
  }, STRIP_MS);
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
    element.querySelector("h1").focus();
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

/** What plays it: YouTube's own player for its links, the browser's for everything else. */
function screenOf(id, video, start) {
  const youtube = youtubeId(video.video_url);
  if (youtube) {
    const place = el("div", {});
    const player = youtubePlayer(place, youtube, { start });
    return { screen: el("div", { class: "foreign" }, place), player };
  }
  const screen = el("video", { src: mediaUrl(id), preload: "auto", playsInline: true });
  return { screen, player: new FilePlayer(screen) };
}
