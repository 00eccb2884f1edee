// What agents send is shown as text, and all of it: characters that hide, reorder or pretend are named.

export type Piece = { text: string; hidden?: string; spoof?: true };

// Controls but for newline and tab; formats (bidi, zero width, tags); separators of lines; fillers and
// selectors that show as nothing; spaces that are no space; halves of a pair.
const HIDDEN =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]|\p{Cf}|[\u2028\u2029\u115f\u1160\u17b4\u17b5\u3164\uffa0\ufe00-\ufe0f]|[\u{e0100}-\u{e01ef}]|[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]|\p{Cs}|\p{Co}|\p{Cn}/gu;

// A word of letters from Latin and from an alphabet that looks like it.
const WORD = /[\p{L}\p{M}]+/gu;
const LATIN = /\p{Script=Latin}/u;
const ALIKE = /[\p{Script=Cyrillic}\p{Script=Greek}\p{Script=Armenian}\p{Script=Cherokee}]|[\uff21-\uff5a]/u;

export function codeOf(character: string): string {
  return `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}`;
}

function spoofs(text: string, out: Piece[]): void {
  let at = 0;
  for (const word of text.matchAll(WORD)) {
    if (!LATIN.test(word[0]) || !ALIKE.test(word[0])) continue;
    if (word.index > at) out.push({ text: text.slice(at, word.index) });
    out.push({ text: word[0], spoof: true });
    at = word.index + word[0].length;
  }
  if (at < text.length) out.push({ text: text.slice(at) });
}

/** A text in pieces; what could not be seen has its code point. */
export function pieces(text: string): Piece[] {
  const out: Piece[] = [];
  let at = 0;
  for (const found of text.matchAll(HIDDEN)) {
    if (found.index > at) spoofs(text.slice(at, found.index), out);
    out.push({ text: found[0], hidden: codeOf(found[0]) });
    at = found.index + found[0].length;
  }
  if (at < text.length) spoofs(text.slice(at), out);
  return out;
}

/** The same in one string, for titles, graphs and what a screen reader says. */
export function plain(text: string): string {
  return text.replace(HIDDEN, (character) => `<${codeOf(character)}>`);
}

export function cut(text: string, most: number): string {
  const characters = Array.from(text);
  return characters.length <= most ? text : `${characters.slice(0, most - 1).join("")}…`;
}

/** What an operator should know before reading the text; empty where there is nothing odd. */
export function oddities(text: string): string[] {
  const all = pieces(text);
  const hidden = [...new Set(all.flatMap((piece) => (piece.hidden ? [piece.hidden] : [])))];
  const mixed = [...new Set(all.flatMap((piece) => (piece.spoof ? [piece.text] : [])))];
  const out: string[] = [];
  if (hidden.length > 0) {
    out.push(`Holds characters that cannot be seen or that reorder what is: ${hidden.slice(0, 6).join(", ")}`);
  }
  if (mixed.length > 0) out.push(`Mixes alphabets that look alike in: ${mixed.slice(0, 6).join(", ")}`);
  return out;
}
