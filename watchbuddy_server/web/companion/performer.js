/**
 * What is carried out when: a state machine without a clock, a player or a page.
 *
 *     const { effects } = performer.receive(event, player)
 *
 * It is told what happens, together with what the player looks like at that moment, and says
 * what is to be done, in order. All times are seconds: positions are media seconds, `now` is
 * the time of any steady clock.
 *
 * Events (`type`):
 *     look                          time has passed, or the player was started or stopped
 *     arrived {action}              the server has sent an action
 *     sought {position}             the viewer has gone somewhere else
 *     landed                        a seek that was asked for here is over
 *     said {id}                     a line has been said to its end, or cannot be said
 *     heard {id, text}              so much of a line was heard by now
 *     silenced                      the companion is to stop what it does
 *
 * Player: {position, paused, rate, ended, seeking, now}; while it is `seeking`, its position
 * means nothing.
 *
 * Effects (`type`):
 *     pause, play, seek {position}  of the player
 *     speak {action}, hush          of the voice; `said` is expected after `speak`
 *     begin {action}, end {action, outcome}    for whoever shows it
 *     send {message}                to the server
 *
 * An action needs organs: the voice, the hand on the player, both, or none. It begins when they
 * are free and no earlier one waits for them, so that lines are spoken one after another.
 *
 * The viewer overrules the companion, always. A pause belongs to who caused it: only the one
 * that the companion has made is ended by it, and one that the viewer has ended is over.
 */

/** What belongs here lies less far ahead: two seconds that it is sent ahead by, and one more. */
const AHEAD = 3.0;
/** A server sends what lies so far before the target of a seek. */
const LOOKBACK = 0.25;
/** How long after a seek something that was sent before it may still arrive. */
const CROSSING = 2.0;

const ORGANS = {
  SPEAK: (action) => (action.pause_video ? ["voice", "hand"] : ["voice"]),
  PAUSE_VIDEO: () => ["hand"],
  SEEK: () => ["hand"],
  REPLAY_SEGMENT: () => ["hand"],
};

const isJump = (action) => action.action_type === "SEEK" || action.action_type === "REPLAY_SEGMENT";
const staysPaused = (action) => action.post_seek_behavior === "STAY_PAUSED";
const organsOf = (action) => ORGANS[action.action_type]?.(action) ?? [];

export class Performer {
  #player = { position: 0, paused: true, rate: 1, ended: false, now: 0 };
  /** Actions that have come ahead of the playhead, by time. */
  #held = [];
  /** Actions that were reached and wait for an organ, in order. */
  #waiting = [];
  /** What is being carried out, by organ. */
  #busy = { voice: null, hand: null };
  /** The companion keeps the video paused. */
  #grips = false;
  /** Where the present stretch of playing began: what lies before it was left out by a jump. */
  #since;
  /** What was carried out in this pass: it is not done again. By id, what the server was told. */
  #completed = new Map();
  #soughtAt = -Infinity;
  #soughtTo = 0;
  #effects = [];

  /** @param {number} position where watching begins, in media seconds */
  constructor(position = 0) {
    this.#since = position;
  }

  /** Whether anything is being carried out, or waits for its organ. */
  get busy() {
    return this.#waiting.length > 0 || this.#busy.voice !== null || this.#busy.hand !== null;
  }

  /** Whether the video stands still because the companion wants it to. */
  get grips() {
    return this.#grips;
  }

  /** @returns {object[]} what is to be done, in order */
  receive(event, player) {
    this.#player = player;
    this.#effects = [];
    if (event.type !== "sought") this.#look();
    switch (event.type) {
      case "look":
        break;
      case "arrived":
        this.#arrived(event.action);
        break;
      case "sought":
        this.#sought(event.position);
        break;
      case "landed":
        this.#landed();
        break;
      case "said":
        if (this.#busy.voice?.action.id === event.id) this.#finish(this.#busy.voice, "done");
        break;
      case "heard":
        if (this.#busy.voice?.action.id === event.id) this.#busy.voice.heard = event.text;
        break;
      case "silenced":
        this.#interrupt();
        break;
      default:
        throw new TypeError(`no such event: ${event.type}`);
    }
    this.#advance();
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  /**
   * In how many seconds it has to look at the player again, if nothing happens before.
   * Infinity: not at all.
   */
  secondsToLook() {
    const { position, paused, rate, now } = this.#player;
    const waits = [];
    const hand = this.#busy.hand;
    if (hand?.until !== undefined) waits.push(hand.until - now);
    if (!paused && !this.#isMoving()) {
      const next = this.#held.find((action) => action.trigger_timestamp >= this.#since);
      if (next) waits.push((next.trigger_timestamp - position) / rate);
      if (hand?.replay) waits.push((hand.action.end_timestamp - position) / rate);
    }
    return Math.max(Math.min(...waits, Infinity), 0);
  }

  // --- what the player does ---------------------------------------------------------------

  #look() {
    const { position, paused, ended, seeking, now } = this.#player;
    if (seeking || this.#isMoving()) return;
    this.#since = Math.min(this.#since, position);
    if (this.#grips && !paused) this.#lostGrip();
    this.#release();
    const hand = this.#busy.hand;
    if (hand?.until !== undefined && now >= hand.until) {
      this.#finish(hand, "done");
    } else if (hand?.replay && (ended || position >= hand.action.end_timestamp)) {
      this.#replayed(hand);
    }
  }

  /** The viewer has pressed play while the companion kept the video paused. */
  #lostGrip() {
    this.#grips = false;
    const hand = this.#busy.hand;
    if (hand?.action.action_type === "PAUSE_VIDEO") this.#finish(hand, "interrupted");
  }

  /** A new pass begins: nothing of the old one goes on, and all may come again. */
  #sought(position) {
    this.#send({ type: "seek_update", timestamp: position, cause: "user" });
    this.#held = [];
    this.#interrupt();
    this.#completed.clear();
    this.#since = position;
    this.#soughtAt = this.#player.now;
    this.#soughtTo = position;
  }

  #landed() {
    const hand = this.#busy.hand;
    if (!hand?.moving) return;
    const { action } = hand;
    const { position } = this.#player;
    hand.moving = false;
    this.#since = hand.back ? Math.min(hand.since, position) : position;
    this.#send({ type: "seek_update", timestamp: position, cause: "action", action_id: action.id });
    if (action.action_type === "REPLAY_SEGMENT" && !hand.back) {
      hand.replay = true;
      return;
    }
    if (staysPaused(action)) this.#grips = false; // from here on it is the viewer's
    this.#finish(hand, "done");
    this.#release();
  }

  #replayed(hand) {
    hand.replay = false;
    if (hand.action.post_replay_behavior === "RESUME_FROM_ORIGINAL") {
      hand.back = true;
      hand.moving = true;
      this.#effects.push({ type: "seek", position: hand.origin });
    } else {
      this.#pause();
      this.#finish(hand, "done");
    }
  }

  #isMoving() {
    return this.#busy.hand?.moving === true;
  }

  // --- from an action's arrival to its end ------------------------------------------------

  #arrived(action) {
    const completed = this.#completed.get(action.id);
    if (completed) {
      this.#send(completed); // it was sent again, since this got lost
    } else if (!this.#has(action.id) && !this.#isOfAnOlderPass(action)) {
      if (action.trigger_timestamp > this.#player.position) {
        const later = this.#held.findIndex(
          (one) => one.trigger_timestamp > action.trigger_timestamp,
        );
        this.#held.splice(later < 0 ? this.#held.length : later, 0, action);
      } else {
        this.#waiting.push(action);
      }
    }
  }

  #has(id) {
    return (
      [...this.#held, ...this.#waiting].some((action) => action.id === id) ||
      Object.values(this.#busy).some((one) => one?.action.id === id)
    );
  }

  /** Whether it was on its way already when the viewer sought, and is out of place now. */
  #isOfAnOlderPass({ action_type, trigger_timestamp }) {
    if (this.#player.now - this.#soughtAt > CROSSING || action_type === "END_REACTION")
      return false;
    const first = this.#soughtTo - LOOKBACK;
    return trigger_timestamp < first || trigger_timestamp > this.#player.position + AHEAD;
  }

  /** Let go of what has been played up to. */
  #release() {
    const isReached = ({ trigger_timestamp }) =>
      trigger_timestamp >= this.#since && trigger_timestamp <= this.#player.position;
    this.#waiting.push(...this.#held.filter(isReached));
    this.#held = this.#held.filter((action) => !isReached(action));
  }

  /** Begin with whatever has its organs free. */
  #advance() {
    const claimed = new Set(Object.keys(this.#busy).filter((organ) => this.#busy[organ] !== null));
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const [i, action] of waiting.entries()) {
      const organs = organsOf(action);
      if (organs.some((organ) => claimed.has(organ))) {
        organs.forEach((organ) => claimed.add(organ));
        this.#waiting.push(action);
        continue;
      }
      this.#begin(action, organs);
      if (organs.some((organ) => this.#busy[organ] !== null)) {
        organs.forEach((organ) => claimed.add(organ));
      }
      if (this.#isMoving()) {
        this.#waiting.push(...waiting.slice(i + 1)); // the playhead is about to leave
        return;
      }
    }
  }

  #begin(action, organs) {
    const { position, paused, now } = this.#player;
    const performance = { action, organs };
    if (paused && !this.#grips && (isJump(action) || action.action_type === "PAUSE_VIDEO")) {
      this.#end(performance, "skipped"); // the viewer is looking at something
      return;
    }
    organs.forEach((organ) => (this.#busy[organ] = performance));
    this.#effects.push({ type: "begin", action });
    switch (action.action_type) {
      case "SPEAK":
        if (action.pause_video) this.#grip();
        this.#effects.push({ type: "speak", action });
        break;
      case "PAUSE_VIDEO":
        this.#grip();
        performance.until = now + action.duration_seconds;
        break;
      case "SEEK":
        performance.moving = true;
        if (staysPaused(action)) this.#grip(); // before it goes: it would play on where it lands
        this.#effects.push({ type: "seek", position: action.target_timestamp });
        break;
      case "REPLAY_SEGMENT":
        performance.moving = true;
        performance.origin = position;
        performance.since = this.#since;
        this.#effects.push({ type: "seek", position: action.start_timestamp });
        break;
      default:
        this.#end(performance, "done");
    }
  }

  #grip() {
    if (this.#player.paused) return; // whoever has paused it will resume it
    this.#grips = true;
    this.#pause();
  }

  #pause() {
    this.#player = { ...this.#player, paused: true };
    this.#effects.push({ type: "pause" });
  }

  #letGo() {
    if (!this.#grips) return;
    this.#grips = false;
    this.#player = { ...this.#player, paused: false };
    this.#effects.push({ type: "play" });
  }

  /** End everything here and now. */
  #interrupt() {
    const performing = new Set(Object.values(this.#busy).filter((one) => one !== null));
    const waiting = this.#waiting;
    this.#waiting = [];
    if (this.#busy.voice) this.#effects.push({ type: "hush" });
    for (const performance of performing) this.#finish(performance, "interrupted");
    for (const action of waiting) this.#end({ action, organs: [] }, "skipped");
  }

  #finish(performance, outcome) {
    performance.organs.forEach((organ) => (this.#busy[organ] = null));
    if (performance.organs.includes("hand")) this.#letGo();
    this.#end(performance, outcome);
    if (isJump(performance.action) && outcome === "done") this.#leaveOut();
  }

  /** What a jump has left behind can no longer be played up to. */
  #leaveOut() {
    const isLeft = (action) => action.trigger_timestamp < this.#since;
    for (const action of this.#held.filter(isLeft)) this.#end({ action, organs: [] }, "skipped");
    this.#held = this.#held.filter((action) => !isLeft(action));
  }

  #end({ action, heard }, outcome) {
    const completed = { type: "action_completed", action_id: action.id, outcome };
    if (outcome === "interrupted" && heard) completed.heard_text = heard.slice(0, 4000);
    this.#completed.set(action.id, completed);
    this.#send(completed);
    this.#effects.push({ type: "end", action, outcome });
  }

  #send(message) {
    this.#effects.push({ type: "send", message });
  }
}
