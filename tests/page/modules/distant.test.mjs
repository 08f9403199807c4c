/** A player that says where it is only now and then, and late. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { DistantPlayer } from "../../../watchbuddy_server/web/players/distant.js";
import { youtubeId } from "../../../watchbuddy_server/web/players/youtube.js";

/** A player whose clock shows steps of so many seconds, and that obeys after a delay. */
function theatre({ step = 0.25, delay = 0.3 } = {}) {
  const real = { now: 50, position: 0, paused: true, rate: 1, events: [] };
  const distant = new DistantPlayer(() => real.now);
  const asked = [];
  const obey = {
    play: () => (real.paused = false),
    pause: () => (real.paused = true),
    seek: (position) => (real.position = position),
    rate: (rate) => (real.rate = rate),
    volume: () => {},
    mute: () => {},
  };
  distant.command = (name, value) => asked.push({ at: real.now + delay, name, value });
  for (const type of ["change", "sought", "landed"]) {
    distant.addEventListener(type, ({ detail }) => real.events.push([type, detail?.position]));
  }
  const report = () =>
    distant.report({
      position: Math.floor(real.position / step) * step,
      paused: real.paused,
      rate: real.rate,
    });
  const pass = (seconds, { every = 0.1, each = () => {} } = {}) => {
    const until = real.now + seconds;
    let reportAt = real.now;
    while (real.now < until - 1e-9) {
      for (const one of asked.filter(({ at }) => at <= real.now)) {
        asked.splice(asked.indexOf(one), 1);
        obey[one.name](one.value);
      }
      if (real.now >= reportAt) {
        report();
        reportAt += every;
      }
      each();
      real.now += 0.01;
      if (!real.paused) real.position += 0.01 * real.rate;
    }
  };
  report();
  real.events.length = 0;
  return {
    real,
    distant,
    pass,
    obey,
    seeks: () => real.events.filter(([type]) => type === "sought"),
  };
}

test("its clock is read on between two steps: never back, never ahead by more than one", () => {
  const { real, distant, pass, obey } = theatre();
  obey.play();
  let last = 0;
  pass(20, {
    each: () => {
      assert.ok(distant.position >= last, "back");
      assert.ok(
        Math.abs(distant.position - real.position) < 0.27,
        `${distant.position} for ${real.position}`,
      );
      last = distant.position;
    },
  });
});

test("a clock that stands still is not read on for ever", () => {
  const { real, distant, pass, obey } = theatre();
  obey.play();
  pass(2);
  real.rate = 0.000001;
  pass(3);
  assert.ok(distant.position - real.position < 0.7);
  assert.equal(distant.stalled, true);
});

test("what was asked for counts as done until the player has had its time", () => {
  const { distant, pass, obey } = theatre({ delay: 0.8 });
  obey.play();
  pass(2);
  distant.pause();
  assert.equal(distant.paused, true);
  pass(0.5);
  assert.equal(distant.paused, true, "its old state is not the viewer's wish");
  pass(1);
  obey.play();
  pass(0.3);
  assert.equal(distant.paused, false, "the viewer has resumed");
});

test("a command that is never obeyed is given up", () => {
  const { distant, pass, obey } = theatre({ delay: 1e9 });
  obey.play();
  pass(2);
  distant.pause();
  pass(3);
  assert.equal(distant.paused, false);
});

test("a leap is the viewer's; playing, stalling and changing speed are none", () => {
  const { real, pass, obey, seeks } = theatre();
  obey.play();
  pass(5);
  real.rate = 2;
  pass(5);
  real.rate = 0.5;
  pass(5);
  assert.deepEqual(seeks(), []);
  real.position = 100;
  pass(0.3);
  assert.equal(seeks().length, 1);
  real.position = 10;
  pass(0.3);
  assert.equal(seeks().length, 2);
  obey.pause();
  pass(1);
  real.position = 40;
  pass(0.5);
  assert.deepEqual(
    seeks().map(([, position]) => Math.round(position)),
    [100, 10, 40],
  );
});

test("a seek that was asked for is none of the viewer's, and lands", async () => {
  const { real, distant, pass, obey, seeks } = theatre({ delay: 0.5 });
  obey.play();
  pass(3);
  distant.seek(80);
  assert.equal(distant.position, 80);
  assert.equal(distant.seeking, true);
  pass(2);
  await Promise.resolve();
  assert.equal(distant.seeking, false);
  assert.deepEqual(seeks(), []);
  assert.equal(real.events.filter(([type]) => type === "landed").length, 1);
  assert.ok(Math.abs(distant.position - real.position) < 0.3);
});

test("a timer that sleeps for long does not make a leap of it", () => {
  const { pass, obey, seeks } = theatre();
  obey.play();
  pass(2);
  pass(30, { every: 5 });
  assert.deepEqual(seeks(), []);
});

test("the volume is what was asked for, until somebody else turns it", () => {
  const { real, distant } = theatre();
  const say = (volume) => distant.report({ position: 0, paused: true, volume, muted: false });
  distant.volume = 0.3;
  say(1);
  assert.equal(distant.volume, 0.3);
  real.now += 2;
  say(0.3);
  assert.equal(distant.volume, 0.3);
  say(0.8);
  assert.equal(distant.volume, 0.8);
});

test("YouTube's links are known in all their forms, and nothing else is", () => {
  const id = "dQw4w9WgXcQ";
  for (const link of [
    `https://www.youtube.com/watch?v=${id}`,
    `https://youtube.com/watch?list=PL1&v=${id}&t=3s`,
    `https://m.youtube.com/watch?v=${id}`,
    `https://music.youtube.com/watch?v=${id}`,
    `http://youtu.be/${id}?si=x`,
    `https://www.youtube.com/shorts/${id}`,
    `https://www.youtube.com/embed/${id}`,
    `https://www.youtube.com/live/${id}?feature=share`,
  ]) {
    assert.equal(youtubeId(link), id, link);
  }
  for (const link of [
    "library:talk.mp4",
    "https://evil.example/watch?v=dQw4w9WgXcQ",
    "https://youtube.com.evil.example/watch?v=dQw4w9WgXcQ",
    "https://www.youtube.com/watch?v=<script>",
    "https://www.youtube.com/playlist?list=PL1",
    "javascript:alert(1)//youtu.be/dQw4w9WgXcQ",
    "",
  ]) {
    assert.equal(youtubeId(link), null, link);
  }
});
