/**
 * The drawing of a face: what it is made of, and how each part follows the numbers of an emotion
 * (emotions.js). It is 200 wide and 220 high.
 */

import { svg } from "../dom.js";

const EYES = [68, 132];
const EYE_Y = 112;
const MOUTH_Y = 154;
const DARK = "#2b2230";

/**
 * Draw somebody.
 *
 * @param {SVGElement} element in which
 * @param {object} look colours, hair, ears, and what is worn
 * @returns {(features: object) => void} shows an emotion's numbers from then on
 */
export function portrait(element, look) {
  const line = {
    stroke: DARK,
    "stroke-width": 4,
    "stroke-linecap": "round",
    "stroke-linejoin": "round",
  };
  const path = (d, attributes) => svg("path", { d, fill: "none", ...attributes });

  const brows = EYES.map(() =>
    path("M-13 2 Q0 -6 13 2", {
      stroke: look.hair === look.skin ? DARK : shade(look.hair, -0.2),
      "stroke-width": 5,
      "stroke-linecap": "round",
    }),
  );
  const eyes = EYES.map((x) => drawEye(x, look.eyes));
  const mouth = path("", { ...line, class: "mouth" });
  const tongue = path("", { fill: "#e3767f", stroke: "none" });
  const blush = (x) => svg("ellipse", { cx: x, cy: 137, rx: 15, ry: 8, fill: "#f0788c" });
  const cheeks = svg("g", { class: "blush" }, blush(52), blush(148));
  const pale = svg("path", { d: "M47 95 Q100 40 153 95 Q100 80 47 95z", fill: "#8fb0d6" });
  const extra = svg("g", { class: "extra" });

  const skull = svg("path", {
    d: "M42 108 C42 62 68 44 100 44 C132 44 158 62 158 108 C158 150 132 182 100 182 C68 182 42 150 42 108z",
    fill: look.skin,
    stroke: shade(look.skin, -0.25),
    "stroke-width": 2.5,
  });
  const head = svg(
    "g",
    { class: "head" },
    ...(HAIR[look.style]?.back?.(look.hair) ?? []),
    ...(EARS[look.ears]?.behind?.(look) ?? []),
    skull,
    pale,
    cheeks,
    path("M97 131 Q101 136 105 132", {
      stroke: shade(look.skin, -0.35),
      "stroke-width": 3,
      "stroke-linecap": "round",
    }),
    ...(look.beard ? beard(look) : []),
    mouth,
    tongue,
    ...eyes.map(({ group }) => group),
    ...(HAIR[look.style]?.front?.(look.hair) ?? []),
    ...brows,
    ...(EARS[look.ears]?.before?.(look) ?? []),
    ...(look.glasses ? glasses() : []),
    extra,
  );
  const body = path("M28 220 C30 190 62 178 100 178 C138 178 170 190 172 220z", {
    fill: look.clothes,
    stroke: shade(look.clothes, -0.25),
    "stroke-width": 2.5,
  });
  const neck = path("M84 170 h32 v16 q-16 12 -32 0z", { fill: shade(look.skin, -0.08) });
  element.append(svg("g", { class: "breath" }, body, neck, head));

  return (f) => {
    head.setAttribute("transform", `rotate(${f.tilt} 100 190)`);
    [f.left, f.right].forEach((tilt, side) => {
      const turn = side === 0 ? -tilt : tilt;
      brows[side].setAttribute(
        "transform",
        `translate(${EYES[side]} ${EYE_Y - 25 - f.brow}) rotate(${turn})`,
      );
    });
    eyes.forEach((eye, side) => renderEye(eye, f, side));
    const shape = mouthShape(f);
    mouth.setAttribute("d", shape.lips);
    mouth.classList.toggle("open", f.gape > 0.06);
    tongue.setAttribute("d", shape.tongue);
    tongue.setAttribute("opacity", f.gape > 0.3 ? 1 : 0);
    cheeks.setAttribute("opacity", f.blush);
    pale.setAttribute("opacity", f.pale * 0.5);
    if (extra.dataset.shown !== f.extra) {
      extra.dataset.shown = f.extra;
      extra.replaceChildren(...(EXTRAS[f.extra]?.() ?? []));
    }
  };
}

function drawEye(x, colour) {
  const white = svg("ellipse", {
    cx: 0,
    cy: 0,
    rx: 15,
    ry: 17,
    fill: "#fff",
    stroke: "#2b223055",
    "stroke-width": 1.5,
  });
  const ball = svg(
    "g",
    {},
    svg("circle", { r: 11, fill: shade(colour, -0.35) }),
    svg("circle", { r: 9.4, fill: colour }),
    svg("circle", { r: 5.6, fill: DARK }),
    svg("circle", { cx: 4, cy: -4.6, r: 3.4, fill: "#fff" }),
    svg("circle", { cx: -3.6, cy: 4.4, r: 1.7, fill: "#ffffffcc" }),
  );
  const lid = svg("path", {
    fill: "none",
    stroke: DARK,
    "stroke-width": 4.5,
    "stroke-linecap": "round",
  });
  const group = svg("g", { transform: `translate(${x} ${EYE_Y})` }, white, ball, lid);
  return { group, white, ball, lid };
}

function renderEye({ white, ball, lid }, { open, smile, lookX, lookY, pupil }, side) {
  const isShut = open < 0.12;
  white.setAttribute("opacity", isShut ? 0 : 1);
  ball.setAttribute("opacity", isShut ? 0 : 1);
  white.setAttribute("ry", 17 * Math.min(open, 1.35));
  const size = Math.min(pupil, open * 1.45);
  ball.setAttribute("transform", `translate(${lookX} ${lookY * Math.min(open, 1)}) scale(${size})`);
  if (isShut && smile < -0.5) {
    const tip = side === 0 ? 1 : -1; // screwed up: > <
    lid.setAttribute("d", `M${-11 * tip} -8 L${9 * tip} 0 L${-11 * tip} 8`);
  } else if (isShut) {
    lid.setAttribute("d", `M-14 ${3 * smile} Q0 ${-16 * smile + 7 * (1 - smile)} 14 ${3 * smile}`);
  } else {
    const top = -17 * Math.min(open, 1.35);
    const out = side === 0 ? -1 : 1; // lashes, at the outer end
    lid.setAttribute(
      "d",
      `M${-15 * out} ${top * 0.3} C${-9 * out} ${top * 1.25} ${9 * out} ${top * 1.25} ${15 * out} ${top * 0.3} L${19 * out} ${top * 0.45}`,
    );
  }
}

function mouthShape({ width, curve, gape, slant }) {
  const half = 24 * width;
  const bend = 13 * curve;
  const drop = 30 * gape;
  const [left, right] = [MOUTH_Y - bend * 0.6 + slant / 2, MOUTH_Y - bend * 0.6 - slant / 2];
  const top = MOUTH_Y + bend * (gape > 0.06 ? 0.5 : 1.3) - drop * 0.25;
  const bottom = MOUTH_Y + bend * 1.3 + drop * 1.25;
  const lips = `M${100 - half} ${left} Q100 ${top} ${100 + half} ${right} Q100 ${bottom} ${100 - half} ${left}z`;
  const y = MOUTH_Y + bend * 0.35 + drop * 0.4;
  const tongue = `M${100 - half * 0.45} ${y} Q100 ${y - 5} ${100 + half * 0.45} ${y} Q100 ${y + drop * 0.24} ${100 - half * 0.45} ${y}z`;
  return { lips, tongue };
}

const fill = (d, colour, rest = {}) => svg("path", { d, fill: colour, ...rest });

const HAIR = {
  bob: {
    back: (c) => [
      fill(
        "M34 118 C28 60 60 28 100 28 C140 28 172 60 166 118 C168 140 162 156 152 162 L48 162 C38 156 32 140 34 118z",
        c,
      ),
    ],
    front: (c) => [
      fill(
        "M38 108 C38 62 62 38 100 38 C138 38 162 62 162 108 C154 88 140 76 120 70 C112 80 96 86 78 84 C62 84 48 92 38 108z",
        c,
      ),
    ],
  },
  long: {
    back: (c) => [
      fill(
        "M32 120 C26 58 58 26 100 26 C142 26 174 58 168 120 C172 160 176 190 168 204 L132 196 L68 196 L32 204 C24 190 28 160 32 120z",
        c,
      ),
    ],
    front: (c) => [
      fill(
        "M38 112 C38 62 62 38 100 38 C138 38 162 62 162 112 C156 88 140 74 104 60 C90 78 58 82 38 112z",
        c,
      ),
    ],
  },
  short: {
    back: (c) => [fill("M40 104 C36 58 62 30 100 30 C138 30 164 58 160 104 L152 112 L48 112z", c)],
    front: (c) => [
      fill(
        "M38 100 C40 58 66 36 100 36 C134 36 160 58 162 100 C150 78 132 68 112 68 C88 68 58 72 38 100z",
        c,
      ),
    ],
  },
  curly: {
    back: (c) =>
      [
        [52, 78, 30],
        [48, 112, 22],
        [74, 48, 30],
        [112, 42, 32],
        [146, 70, 30],
        [153, 110, 22],
      ].map(([cx, cy, r]) => svg("circle", { cx, cy, r, fill: c })),
    front: (c) =>
      [
        [62, 66, 17],
        [84, 56, 18],
        [108, 55, 18],
        [132, 64, 17],
      ].map(([cx, cy, r]) => svg("circle", { cx, cy, r, fill: c })),
  },
  bun: {
    back: (c) => [
      svg("circle", { cx: 100, cy: 26, r: 20, fill: c }),
      fill("M40 104 C36 58 62 34 100 34 C138 34 164 58 160 104 L152 116 L48 116z", c),
    ],
    front: (c) => [
      fill(
        "M38 104 C38 60 64 38 100 38 C136 38 162 60 162 104 C152 80 134 64 100 62 C66 64 48 80 38 104z",
        c,
      ),
    ],
  },
  bald: {
    back: () => [],
    front: (c) => [
      fill("M42 104 C40 92 43 84 47 78 C50 88 50 96 48 108z", c),
      fill("M158 104 C160 92 157 84 153 78 C150 88 150 96 152 108z", c),
    ],
  },
};

const EARS = {
  human: {
    behind: ({ skin }) =>
      [40, 160].map((cx) =>
        svg("ellipse", {
          cx,
          cy: 118,
          rx: 9,
          ry: 14,
          fill: skin,
          stroke: shade(skin, -0.25),
          "stroke-width": 2.5,
        }),
      ),
  },
  cat: {
    before: ({ hair, skin }) => [
      svg(
        "g",
        { class: "ear left" },
        fill("M46 72 L38 18 L88 44z", hair),
        fill("M52 62 L47 33 L74 46z", shade(skin, -0.06)),
      ),
      svg(
        "g",
        { class: "ear right" },
        fill("M154 72 L162 18 L112 44z", hair),
        fill("M148 62 L153 33 L126 46z", shade(skin, -0.06)),
      ),
    ],
  },
  none: {},
};

const beard = ({ hair }) => [
  fill(
    "M46 126 C48 172 74 194 100 194 C126 194 152 172 154 126 C146 142 128 144 116 142 C108 138 92 138 84 142 C72 144 54 142 46 126z",
    hair,
  ),
];

const glasses = () => [
  svg(
    "g",
    { fill: "#ffffff22", stroke: DARK, "stroke-width": 3.5 },
    svg("circle", { cx: EYES[0], cy: EYE_Y, r: 23 }),
    svg("circle", { cx: EYES[1], cy: EYE_Y, r: 23 }),
    fill("M91 109 Q100 104 109 109", "none"),
  ),
];

const text = (words, x, y, size, colour) => {
  const written = svg("text", {
    x,
    y,
    "font-size": size,
    fill: colour,
    "font-weight": 800,
    "text-anchor": "middle",
    class: "pop",
  });
  written.textContent = words;
  return written;
};
const star = (x, y, r, colour = "#ffd76a") =>
  fill(
    `M${x} ${y - r} L${x + r * 0.28} ${y - r * 0.28} L${x + r} ${y} L${x + r * 0.28} ${y + r * 0.28} L${x} ${y + r} L${x - r * 0.28} ${y + r * 0.28} L${x - r} ${y} L${x - r * 0.28} ${y - r * 0.28}z`,
    colour,
    { class: "pop" },
  );
const drop = (x, y) =>
  fill(
    `M${x} ${y} C${x + 9} ${y + 13} ${x + 6} ${y + 22} ${x} ${y + 22} C${x - 6} ${y + 22} ${x - 9} ${y + 13} ${x} ${y}z`,
    "#7cc4ee",
    { class: "fall", stroke: "#3f8fc4", "stroke-width": 1.5 },
  );
const stroke = (d, colour, width = 4) =>
  fill(d, "none", {
    stroke: colour,
    "stroke-width": width,
    "stroke-linecap": "round",
    "stroke-linejoin": "round",
  });

const EXTRAS = {
  tear: () => [drop(58, 128)],
  sweat: () => [drop(156, 62)],
  question: () => [text("?", 174, 58, 54, "#e39b2f")],
  exclamation: () => [text("!", 174, 58, 56, "#e0533f")],
  vein: () => [
    stroke(
      "M140 56 q7 5 5 13 M162 56 q-7 5 -5 13 M140 82 q7 -5 5 -11 M162 82 q-7 -5 -5 -11",
      "#d5333b",
      5,
    ),
  ],
  glitter: () => [star(170, 58, 13), star(28, 76, 9)],
  stars: () => [star(172, 52, 17), star(26, 62, 14), star(182, 92, 9)],
  wave: () => [stroke("M160 60 q6 -7 12 0 t12 0 M164 74 q6 -7 12 0 t12 0", "#7d9b5a")],
  lines: () => [stroke("M64 58 v18 M76 53 v20 M124 53 v20 M136 58 v18", "#6d87b5", 3.5)],
  shades: () => [
    fill(
      "M40 100 h54 q0 30 -25 30 q-27 0 -29 -30z M106 100 h54 q-2 30 -29 30 q-25 0 -25 -30z",
      "#1d1b26",
    ),
    stroke("M38 101 H162", "#1d1b26", 6),
    stroke("M52 106 l-6 12 M120 106 l-6 12", "#ffffff66", 3.5),
  ],
  tea: () => [
    svg(
      "g",
      { class: "cup" },
      stroke("M88 140 q-6 -8 0 -14 t0 -14 M112 140 q-6 -8 0 -14 t0 -14", "#ffffffaa", 3),
      fill("M72 150 h56 q0 34 -28 34 q-28 0 -28 -34z", "#f7f3ea", {
        stroke: DARK,
        "stroke-width": 3,
      }),
      fill("M74 152 h52 q0 6 -26 6 q-26 0 -26 -6z", "#9c6a3c"),
      stroke("M128 156 q16 2 12 14 q-3 8 -17 6", DARK, 3.5),
    ),
  ],
};

/** A colour, lighter (above 0) or darker (below). Anything but `#rrggbb` stays what it is. */
function shade(colour, by) {
  if (!/^#[0-9a-f]{6}$/i.test(colour)) return colour;
  const parts = [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16));
  const mixed = parts.map((part) =>
    Math.round(by > 0 ? part + (255 - part) * by : part * (1 + by)),
  );
  return `#${mixed.map((part) => part.toString(16).padStart(2, "0")).join("")}`;
}
