/** The buttons under the video, and the keys that do the same. */

import { button, el, icon } from "../dom.js";
import { keep } from "../keeping.js";
import { say } from "../words.js";

const RATES = [0.5, 0.75, 1, 1.25, 1.5, 2];
const SKIP = 5;
const LONG_SKIP = 10;

/** @param {{player, companion, voice, strip, stage, talk}} facts */
export function controls({ player, companion, voice, strip, stage, talk }) {
  const control = (name, label, act) => button(icon(name), act, { label, class: "quiet" });
  const named = (element, name, label) => {
    element.replaceChildren(icon(name));
    element.title = label;
    element.setAttribute("aria-label", label);
  };

  const toggle = () => (player.paused ? companion.play() : companion.pause());
  const play = control("play", say("play"), toggle);
  const sound = control("sound", say("mute"), () => (player.muted = !player.muted));
  const volume = el("input", {
    type: "range",
    min: 0,
    max: 1,
    step: 0.05,
    value: player.volume,
    class: "volume",
    aria: { label: say("volume") },
    on: {
      input: () => {
        player.volume = Number(volume.value);
        player.muted = false;
        keep("volume", player.volume);
      },
    },
  });
  const rate = el(
    "select",
    {
      class: "rate",
      aria: { label: say("rate") },
      on: { change: () => (player.rate = Number(rate.value)) },
    },
    RATES.map((value) => el("option", { value, selected: value === 1 }, `${value}×`)),
  );
  const whole = control("whole", say("fullscreen"), () =>
    document.fullscreenElement
      ? document.exitFullscreen()
      : stage.requestFullscreen?.().catch(() => {}),
  );

  const element = el(
    "div",
    { class: "controls" },
    play,
    sound,
    volume,
    strip.time,
    strip.chapter,
    el("span", { class: "space" }),
    rate,
    voiceMenu(voice),
    whole,
  );

  function changed() {
    named(play, player.paused ? "play" : "pause", say(player.paused ? "play" : "pause"));
    rate.value = RATES.includes(player.rate) ? player.rate : "";
  }

  function louder() {
    const isSilent = player.muted || player.volume === 0;
    named(sound, isSilent ? "silent" : "sound", say(isSilent ? "unmute" : "mute"));
    if (!voice.isBusy) volume.value = player.volume;
  }

  function key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { target } = event;
    if (target.closest?.("input:not([type=range]), textarea, select, [role=menu]")) return;
    const isButton = target.closest?.("button, summary, a, label");
    if (event.key === " " && isButton) return;
    const act = {
      " ": toggle,
      k: toggle,
      ArrowLeft: () => skip(event, -SKIP),
      ArrowRight: () => skip(event, SKIP),
      j: () => skip(event, -LONG_SKIP),
      l: () => skip(event, LONG_SKIP),
      m: () => (player.muted = !player.muted),
      f: () => whole.click(),
      c: () => talk.focus(),
      Escape: () => companion.interrupt(),
    }[event.key];
    if (!act || event.defaultPrevented) return;
    event.preventDefault();
    act();
  }

  let skippedAt = 0;
  function skip({ repeat, timeStamp }, by) {
    if (repeat && timeStamp - skippedAt < 150) return;
    skippedAt = timeStamp;
    companion.seek(player.position + by);
  }

  changed();
  louder();
  return { element, changed, louder, key };
}

function voiceMenu(voice) {
  const isOn = el("input", {
    type: "checkbox",
    checked: voice.isOn,
    on: {
      change: () => {
        voice.isOn = isOn.checked;
        keep("voice.on", voice.isOn);
      },
    },
  });
  const volume = el("input", {
    type: "range",
    min: 0,
    max: 1,
    step: 0.05,
    value: voice.volume,
    on: {
      input: () => {
        voice.volume = Number(volume.value);
        keep("voice.volume", voice.volume);
      },
    },
  });
  const names = el("select", {
    on: {
      change: () => {
        voice.name = names.value;
        keep("voice.name", voice.name);
      },
    },
  });
  const none = el("p", { class: "none" }, say("voiceNone"));

  function list() {
    none.hidden = voice.voices.length > 0;
    names.replaceChildren(
      el("option", { value: "" }, say("voiceAny")),
      ...voice.voices.map(({ name, lang }) =>
        el("option", { value: name, selected: name === voice.name }, `${name} (${lang})`),
      ),
    );
  }
  list();
  voice.addEventListener("voices", list);

  return el(
    "details",
    { class: "voice" },
    el("summary", { title: say("voice"), aria: { label: say("voice") } }, icon("voice")),
    el(
      "div",
      { class: "menu" },
      el("label", { class: "check" }, isOn, say("voiceOn")),
      el("label", {}, say("voiceVolume"), volume),
      el("label", {}, say("voiceName"), names),
      none,
    ),
  );
}
