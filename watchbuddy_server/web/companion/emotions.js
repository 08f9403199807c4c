/**
 * The seventeen emotions as numbers, so that a face can pass from one to the next.
 *
 *     brow     height of the brows (up is positive), and the tilt of each: positive raises its
 *              inner end
 *     open     of the eyes: 0 shut, 1 as usual; `smile` shuts them upwards, as laughing does
 *     look     where the pupils are, and how large
 *     mouth    its width, its curve (1 smiles, -1 is sad), how far open, and its slant
 *     blush    of the cheeks, 0 to 1; `pale`: of the forehead
 *     tilt     of the head, in degrees
 *     extra    what is drawn beside: see `extras` in face.js
 */

const CALM = {
  brow: 0,
  left: 0,
  right: 0,
  open: 1,
  smile: 0,
  lookX: 0,
  lookY: 0,
  pupil: 1,
  width: 0.9,
  curve: 0.45,
  gape: 0,
  slant: 0,
  blush: 0,
  pale: 0,
  tilt: 0,
  extra: "",
};

const EMOTIONS = {
  neutral: {},
  coldness: { brow: -3, left: -6, right: -6, open: 0.5, lookX: 5, width: 0.7, curve: -0.1 },
  disgust: {
    brow: -2,
    left: -12,
    right: 8,
    open: 0.6,
    lookX: -4,
    width: 0.8,
    curve: -0.7,
    slant: 6,
    pale: 0.7,
    tilt: 3,
    extra: "wave",
  },
  sad: {
    brow: 2,
    left: 16,
    right: 16,
    open: 0.75,
    lookY: 4,
    width: 0.75,
    curve: -0.8,
    tilt: -3,
    extra: "tear",
  },
  worry: {
    brow: 4,
    left: 13,
    right: 13,
    lookY: 1,
    pupil: 0.85,
    width: 0.65,
    curve: -0.45,
    slant: -2,
    extra: "sweat",
  },
  confusion: {
    brow: 4,
    left: -8,
    right: 14,
    open: 0.95,
    lookX: -4,
    lookY: -3,
    width: 0.55,
    curve: -0.2,
    slant: 5,
    tilt: 8,
    extra: "question",
  },
  anger: {
    brow: -5,
    left: -19,
    right: -19,
    open: 0.8,
    pupil: 0.85,
    width: 0.85,
    curve: -0.75,
    gape: 0.15,
    blush: 0.35,
    extra: "vein",
  },
  surprise: {
    brow: 10,
    left: 3,
    right: 3,
    open: 1.3,
    pupil: 0.8,
    width: 0.5,
    curve: 0,
    gape: 0.75,
    extra: "exclamation",
  },
  expectation: {
    brow: 5,
    left: 5,
    right: 5,
    open: 1.18,
    lookY: -3,
    pupil: 1.25,
    width: 0.95,
    curve: 0.75,
    gape: 0.12,
    blush: 0.3,
    extra: "glitter",
  },
  joy: { brow: 4, open: 0, smile: 1, width: 1.15, curve: 1, gape: 0.4, blush: 0.55 },
  excitement: {
    brow: 8,
    left: 4,
    right: 4,
    open: 1.25,
    pupil: 1.35,
    width: 1.25,
    curve: 1,
    gape: 0.85,
    blush: 0.55,
    extra: "stars",
  },
  pride: {
    brow: 4,
    left: -5,
    right: -5,
    open: 0.06,
    width: 0.95,
    curve: 0.75,
    slant: -3,
    blush: 0.15,
    tilt: -6,
    extra: "glitter",
  },
  shy: {
    brow: 2,
    left: 10,
    right: 10,
    open: 0.7,
    lookX: 7,
    lookY: 4,
    width: 0.5,
    curve: 0.45,
    blush: 1,
    tilt: 5,
  },
  stunned: {
    brow: 8,
    left: 4,
    right: 4,
    open: 1.35,
    pupil: 0.35,
    width: 0.45,
    curve: -0.1,
    gape: 0.4,
    pale: 1,
    extra: "lines",
  },
  embarrassed: {
    brow: 1,
    left: 14,
    right: 14,
    open: 0,
    smile: -1,
    width: 0.8,
    curve: -0.3,
    slant: 3,
    blush: 1,
    tilt: -4,
    extra: "sweat",
  },
  play_cool: {
    brow: 3,
    left: -4,
    right: 6,
    open: 0.8,
    width: 0.85,
    curve: 0.5,
    slant: -7,
    tilt: -4,
    extra: "shades",
  },
  drink_tea: {
    brow: 2,
    left: 2,
    right: 2,
    open: 0,
    smile: 0.5,
    width: 0.4,
    curve: 0.4,
    blush: 0.25,
    extra: "tea",
  },
};

export const NAMES = Object.keys(EMOTIONS);

/** The numbers of an emotion; of one that is not known, those of a calm face. */
export const feature = (name) => ({ ...CALM, ...EMOTIONS[name] });

/** Between two sets of numbers; what is no number is the second's. */
export function between(from, to, share) {
  const mixed = { ...to };
  for (const [name, value] of Object.entries(to)) {
    if (typeof value === "number") mixed[name] = from[name] + (value - from[name]) * share;
  }
  return mixed;
}
