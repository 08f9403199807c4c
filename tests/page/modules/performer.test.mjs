/** The performer: what is carried out when, and that the viewer overrules it. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { Cinema, expression, goodbye, pauseVideo, replay, seek, speak } from "./cinema.mjs";

const completed = ({ sent }) => sent.filter(({ type }) => type === "action_completed");
const near = (actual, expected, within = 0.01) =>
  assert.ok(Math.abs(actual - expected) <= within, `${actual} is not about ${expected}`);

describe("an action that comes ahead", () => {
  test("is begun when the player gets there, and not before", () => {
    const cinema = new Cinema();
    cinema.arrive(speak(1.5, { id: "a" }));
    cinema.pass(1.4);
    assert.equal(cinema.begun.length, 0);
    cinema.pass(0.2);
    near(cinema.beginOf("a").position, 1.5);
  });

  test("waits as long as the player stands still, and follows its speed", () => {
    const cinema = new Cinema();
    cinema.rate = 2;
    cinema.arrive(speak(1.5, { id: "a" }));
    cinema.press("pause");
    cinema.pass(30);
    assert.equal(cinema.begun.length, 0);
    cinema.press("play");
    const { now } = cinema;
    cinema.pass(2);
    near(cinema.beginOf("a").now - now, 0.75);
  });

  test("is dropped when the viewer goes elsewhere, and not completed", () => {
    const cinema = new Cinema();
    cinema.arrive(speak(1.5, { id: "a" }));
    cinema.go(100);
    cinema.pass(5);
    assert.deepEqual(cinema.outcomes, []);
    assert.deepEqual(completed(cinema), []);
    assert.deepEqual(cinema.sent[0], { type: "seek_update", timestamp: 100, cause: "user" });
  });

  test("that was on its way when the viewer sought is not carried out at the new place", () => {
    const cinema = new Cinema();
    cinema.go(100);
    cinema.arrive(speak(1.5));
    cinema.pass(10);
    assert.deepEqual(cinema.begun, []);
  });
});

describe("what belongs to one organ", () => {
  test("is done one after another, in order", () => {
    const cinema = new Cinema();
    cinema.arrive(speak(0.5, { id: "a" }), speak(0.6, { id: "b" }), speak(0.7, { id: "c" }));
    cinema.pass(10);
    assert.deepEqual(
      cinema.outcomes.map(([id]) => id),
      ["a", "b", "c"],
    );
    near(cinema.beginOf("c").now - cinema.beginOf("a").now, 4);
  });

  test("does not keep others waiting: a face is made while a line is said", () => {
    const cinema = new Cinema();
    cinema.arrive(speak(0.5, { id: "a" }), expression(0.6, "joy", { id: "b" }));
    cinema.pass(1);
    near(cinema.beginOf("b").position, 0.6);
  });

  test("is not overtaken: a line that pauses waits for voice and hand, and a later one for it", () => {
    const cinema = new Cinema();
    cinema.arrive(
      pauseVideo(0.5, 3, { id: "pause" }),
      speak(0.5, { id: "with pause", pause_video: true }),
      speak(0.5, { id: "after" }),
    );
    cinema.pass(12);
    assert.deepEqual(
      cinema.begun.map(({ action }) => action.id),
      ["pause", "with pause", "after"],
    );
  });
});

describe("a pause", () => {
  test("of the companion ends when its time is over, and the video goes on", () => {
    const cinema = new Cinema();
    cinema.arrive(pauseVideo(1, 2, { id: "a" }));
    cinema.pass(2);
    assert.equal(cinema.paused, true);
    assert.equal(cinema.performer.grips, true);
    cinema.pass(1.1);
    assert.equal(cinema.paused, false);
    assert.deepEqual(cinema.outcomes, [["a", "done"]]);
    near(cinema.position, 1.1);
  });

  test("that the viewer ends is over", () => {
    const cinema = new Cinema();
    cinema.arrive(pauseVideo(1, 60, { id: "a" }));
    cinema.pass(2);
    cinema.press("play");
    assert.deepEqual(cinema.outcomes, [["a", "interrupted"]]);
    cinema.pass(100);
    assert.equal(cinema.paused, false);
  });

  test("for a line that the viewer ends lets the line be said to its end", () => {
    const cinema = new Cinema();
    cinema.arrive(speak(1, { id: "a", pause_video: true }));
    cinema.pass(1.5);
    assert.equal(cinema.paused, true);
    cinema.press("play");
    cinema.pass(0.5);
    assert.equal(cinema.speaking.id, "a");
    cinema.press("pause");
    cinema.pass(5);
    assert.deepEqual(cinema.outcomes, [["a", "done"]]);
    assert.equal(cinema.paused, true, "the viewer's own pause is not ended by the line");
  });

  test("of the viewer stays the viewer's: a line in it does not end it", () => {
    const cinema = new Cinema({ position: 10 });
    cinema.press("pause");
    cinema.arrive(speak(9.9, { id: "a", pause_video: true }), pauseVideo(9.9, 1, { id: "b" }));
    cinema.pass(10);
    assert.deepEqual(cinema.outcomes, [
      ["a", "done"],
      ["b", "skipped"],
    ]);
    assert.equal(cinema.paused, true);
  });

  test("of the companion ends when the viewer goes elsewhere", () => {
    const cinema = new Cinema();
    cinema.arrive(pauseVideo(1, 60, { id: "a" }));
    cinema.pass(2);
    cinema.go(50);
    cinema.pass(1);
    assert.equal(cinema.paused, false);
    assert.deepEqual(cinema.outcomes, [["a", "interrupted"]]);
  });
});

describe("a jump", () => {
  test("lands, says so, and leaves out what lies before", () => {
    const cinema = new Cinema();
    cinema.arrive(speak(3, { id: "left out" }), seek(1, 50, { id: "jump" }));
    cinema.pass(2);
    near(cinema.position, 50.9, 0.02);
    const [landing] = cinema.sent.filter(({ type }) => type === "seek_update");
    assert.deepEqual(landing, {
      type: "seek_update",
      timestamp: 50,
      cause: "action",
      action_id: "jump",
    });
    assert.deepEqual(cinema.outcomes, [
      ["jump", "done"],
      ["left out", "skipped"],
    ]);
  });

  test("can leave the video paused, for the viewer to go on", () => {
    const cinema = new Cinema();
    cinema.arrive(seek(1, 50, { post_seek_behavior: "STAY_PAUSED" }));
    cinema.pass(20);
    assert.deepEqual([cinema.paused, cinema.performer.grips], [true, false]);
    assert.equal(cinema.position, 50, "not a frame further");
  });

  test("that would have stayed paused leaves nothing paused when it is overruled", () => {
    const cinema = new Cinema();
    cinema.seekSeconds = 2;
    cinema.arrive(seek(1, 50, { post_seek_behavior: "STAY_PAUSED" }));
    cinema.pass(1.5);
    cinema.go(200);
    cinema.pass(4);
    assert.equal(cinema.paused, false);
    near(cinema.position, 202, 0.5);
  });

  test("is not made while the viewer looks at something", () => {
    const cinema = new Cinema({ position: 10 });
    cinema.press("pause");
    cinema.arrive(seek(10, 5, { id: "a" }));
    cinema.pass(1);
    assert.deepEqual(cinema.outcomes, [["a", "skipped"]]);
    assert.equal(cinema.position, 10);
  });

  test("is overruled by a viewer who goes elsewhere while it is on its way", () => {
    const cinema = new Cinema();
    cinema.seekSeconds = 2;
    cinema.arrive(seek(1, 50, { id: "a" }));
    cinema.pass(1.5);
    cinema.go(200);
    cinema.pass(4);
    near(cinema.position, 202, 0.1);
    assert.deepEqual(cinema.outcomes, [["a", "interrupted"]]);
    assert.equal(cinema.sent.filter(({ cause }) => cause === "action").length, 0);
  });

  test("announced by a line that pauses waits for the line", () => {
    const cinema = new Cinema({ position: 20 });
    cinema.arrive(
      speak(20, { id: "line", pause_video: true }),
      replay(20, 12, 14, { id: "again" }),
    );
    cinema.pass(1.9);
    assert.equal(cinema.position, 20);
    cinema.pass(0.5);
    assert.ok(cinema.position < 13);
  });
});

describe("a replay", () => {
  test("plays the passage and comes back", () => {
    const cinema = new Cinema({ position: 60 });
    cinema.arrive(replay(60, 50, 53, { id: "a" }));
    cinema.pass(2);
    near(cinema.position, 51.9, 0.02);
    cinema.pass(1.4);
    near(cinema.position, 60.1, 0.1);
    assert.deepEqual(cinema.outcomes, [["a", "done"]]);
    const landings = cinema.sent.filter(({ type }) => type === "seek_update");
    assert.deepEqual(
      landings.map(({ timestamp }) => timestamp),
      [50, 60],
    );
  });

  test("keeps what lies behind it for when the player comes there", () => {
    const cinema = new Cinema({ position: 60 });
    cinema.arrive(speak(61, { id: "later" }), replay(60, 50, 52));
    cinema.pass(2.1);
    assert.equal(cinema.beginOf("later"), undefined);
    cinema.pass(2);
    near(cinema.beginOf("later").position, 61);
  });

  test("can stop at its end", () => {
    const cinema = new Cinema({ position: 60 });
    cinema.arrive(replay(60, 50, 52, { post_replay_behavior: "STAY_PAUSED_AT_END" }));
    cinema.pass(9);
    near(cinema.position, 52);
    assert.equal(cinema.paused, true);
  });

  test("is ended by a viewer who goes elsewhere", () => {
    const cinema = new Cinema({ position: 60 });
    cinema.arrive(replay(60, 50, 55, { id: "a" }));
    cinema.pass(2);
    cinema.go(300);
    cinema.pass(10);
    near(cinema.position, 309.9, 0.01);
    assert.deepEqual(cinema.outcomes, [["a", "interrupted"]]);
  });

  test("stands still while the viewer pauses, and goes on with them", () => {
    const cinema = new Cinema({ position: 60 });
    cinema.arrive(replay(60, 50, 53, { id: "a" }));
    cinema.pass(1);
    cinema.press("pause");
    cinema.pass(30);
    assert.deepEqual(cinema.outcomes, []);
    cinema.press("play");
    cinema.pass(2.3);
    assert.deepEqual(cinema.outcomes, [["a", "done"]]);
    assert.ok(cinema.position >= 60);
  });
});

describe("what the server is told", () => {
  test("names each action once; one that is sent again is confirmed again, and not done again", () => {
    const cinema = new Cinema();
    const line = speak(0.5, { id: "a" });
    cinema.arrive(line);
    cinema.arrive(line);
    cinema.pass(5);
    cinema.arrive(line);
    cinema.pass(5);
    assert.equal(cinema.begun.length, 1);
    assert.deepEqual(
      completed(cinema).map(({ action_id, outcome }) => [action_id, outcome]),
      [
        ["a", "done"],
        ["a", "done"],
      ],
    );
  });

  test("says how far a line was heard that was interrupted", () => {
    const cinema = new Cinema();
    cinema.arrive(speak(0.5, { id: "a", text: "Hey, what is that?" }), speak(0.6, { id: "b" }));
    cinema.pass(1);
    cinema.tell({ type: "heard", id: "a", text: "Hey, what" });
    cinema.tell({ type: "silenced" });
    assert.deepEqual(completed(cinema), [
      { type: "action_completed", action_id: "a", outcome: "interrupted", heard_text: "Hey, what" },
      { type: "action_completed", action_id: "b", outcome: "skipped" },
    ]);
    assert.equal(cinema.speaking, null);
  });

  test("comes again after a seek back: the pass is a new one", () => {
    const cinema = new Cinema();
    const line = speak(0.5, { id: "a" });
    cinema.arrive(line);
    cinema.pass(5);
    cinema.go(0);
    cinema.arrive(line);
    cinema.pass(5);
    assert.equal(cinema.begun.length, 2);
  });

  test("includes the goodbye, wherever the player is", () => {
    const cinema = new Cinema();
    cinema.go(100);
    cinema.arrive(goodbye(20, { id: "bye" }));
    assert.deepEqual(cinema.outcomes, [["bye", "done"]]);
  });
});

test("an event that is none is an error", () => {
  assert.throws(() => new Cinema().tell({ type: "sneezed" }), TypeError);
});

describe("whatever happens", () => {
  /** Mulberry32: small, seeded, the same everywhere. */
  const chance = (seed) => () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };

  function evening(seed) {
    const random = chance(seed);
    const pick = (...choices) => choices[Math.floor(random() * choices.length)];
    const cinema = new Cinema({ position: 30 });
    cinema.lineSeconds = 0.2 + 3 * random();
    cinema.seekSeconds = random();
    const arrived = new Map();
    let viewerPaused = false;
    for (let step = 0; step < 60; step++) {
      const at = cinema.position + 2 * random();
      const back = Math.max(cinema.position - 10 * random(), 0);
      const one = pick(
        () => speak(at, { pause_video: random() < 0.5 }),
        () => pauseVideo(at, 3 * random()),
        () => expression(at, "joy"),
        () =>
          seek(cinema.position, back + pick(0, 30), {
            post_seek_behavior: pick("RESUME_PLAYBACK", "STAY_PAUSED"),
          }),
        () =>
          replay(cinema.position, back, back + 2, {
            post_replay_behavior: pick("RESUME_FROM_ORIGINAL", "STAY_PAUSED_AT_END"),
          }),
      );
      const roll = random();
      if (roll < 0.5) {
        const action = one();
        arrived.set(action.id, action);
        cinema.arrive(action);
        if (random() < 0.1) cinema.arrive(action);
      } else if (roll < 0.6) {
        viewerPaused = !cinema.paused;
        cinema.press(cinema.paused ? "play" : "pause");
      } else if (roll < 0.67) {
        cinema.go(500 * random());
      } else if (roll < 0.7) {
        cinema.tell({ type: "silenced" });
      } else {
        const before = { paused: cinema.paused, grips: cinema.performer.grips };
        cinema.pass(2 * random());
        if (before.paused && !before.grips) {
          assert.ok(
            cinema.paused || cinema.ended,
            "only the viewer ends a pause that is the viewer's",
          );
        }
      }
    }
    if (cinema.paused) cinema.press("play");
    cinema.pass(120);
    if (cinema.paused) cinema.press("play");
    cinema.pass(300);
    return { cinema, arrived };
  }

  test("no two lines overlap, nothing is begun early or twice in a pass, and all comes to an end", () => {
    for (let seed = 1; seed <= 1500; seed++) {
      const { cinema, arrived } = evening(seed);
      assert.equal(cinema.performer.busy, false, `seed ${seed}: something hangs`);
      assert.equal(cinema.performer.grips, false, `seed ${seed}: it holds the video for ever`);
      for (const { action, furthest } of cinema.begun) {
        assert.ok(furthest >= action.trigger_timestamp - 1e-6, `seed ${seed}: early`);
      }
      const ends = cinema.outcomes.map(([id]) => id);
      assert.equal(new Set(ends).size, ends.length, `seed ${seed}: something ended twice`);
      for (const id of ends) assert.ok(arrived.has(id));
    }
  });
});
