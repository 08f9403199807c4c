/**
 * How long a line takes to say, as the server estimates it too: an ordinary voice's rates,
 * counted in characters, syllables and words of whatever scripts, and pauses between clauses.
 */

const HAN = /[\u3005\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]|[\ud840-\ud88d][\udc00-\udfff]/g;
const KANA = /[\u3041-\u309f\u30a1-\u30fa\u30fc-\u30ff\uff66-\uff9d]/g;
const HANGUL = /[\uac00-\ud7af]/g;
const WORDS = /[\p{L}\p{N}]+(?:['’.,-][\p{L}\p{N}]+)*/gu;
const CLAUSES = /[,;:.!?…—]+(?![\p{L}\p{N}])|[、，；：。！？]+/gu;
const LONGEST = 60;

const count = (text, pattern) => text.match(pattern)?.length ?? 0;

/** @returns {number} seconds, at least the half one that any voice needs to begin */
export function spokenSeconds(text) {
  const plain = text.normalize("NFC");
  const words = plain.replace(HAN, " ").replace(KANA, " ").replace(HANGUL, " ");
  const seconds =
    0.5 +
    count(plain, HAN) / 4.3 +
    count(plain, KANA) / 6.5 +
    count(plain, HANGUL) / 5 +
    count(words, WORDS) / 3 +
    count(plain, CLAUSES) * 0.15;
  return Math.min(seconds, LONGEST);
}

/** Which language to read a line in, by its letters: Japanese, Korean, Chinese, else `fallback`. */
export function languageOf(text, fallback = "en") {
  if (count(text, KANA)) return "ja";
  if (count(text, HANGUL)) return "ko";
  return count(text, HAN) ? "zh" : fallback;
}
