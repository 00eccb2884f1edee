import assert from "node:assert/strict";
import { test } from "node:test";

import { clock, share, size, span } from "../src/format";
import { buckets, byLabel, quantile, readMetrics } from "../src/metrics";
import { effectsOf } from "../src/shapes";
import { cut, oddities, pieces, plain } from "../src/text";

test("what cannot be seen is named", () => {
  const hidden = ["\u202e", "\u2066", "\u200b", "\u200f", "\ufeff", "\u00ad", "\u0000", "\u001b", "\u007f", "\u0085", "\u2028", "\u3164", "\ufe0f", "\u00a0", "\u2003", "\ud800", "\ue000", "\u{e0041}", "\u061c", "\u180e", "\u115f"];
  for (const character of hidden) {
    const found = pieces(`a${character}b`);
    assert.equal(found.length, 3, character.codePointAt(0)?.toString(16));
    assert.ok(found[1]?.hidden?.startsWith("U+"));
    assert.ok(!plain(`a${character}b`).includes(character));
    assert.equal(oddities(character).length, 1);
  }
});

test("what can be seen stays as it is", () => {
  for (const text of ["plain", "größe", "имя", "名前", "two\nlines\tand a tab", "emoji 💥", "naïve café", "x² + y²"]) {
    assert.deepEqual(pieces(text), [{ text }]);
    assert.deepEqual(oddities(text), []);
  }
});

test("words of several alphabets are marked", () => {
  assert.deepEqual(pieces("DROP TABLE \u0441ustomers now"), [
    { text: "DROP TABLE " },
    { text: "\u0441ustomers", spoof: true },
    { text: " now" },
  ]);
  assert.equal(oddities("p\u0430y").length, 1);
});

test("nothing is lost in pieces", () => {
  const text = "a\u202eb p\u0430y \u{e0041}c";
  assert.equal(pieces(text).map((piece) => piece.text).join(""), text);
});

test("numbers", () => {
  assert.equal(share(0.0004), "< 0.1 %");
  assert.equal(share(0.9999), "> 99.9 %");
  assert.equal(share(0), "0 %");
  assert.equal(share(1), "100 %");
  assert.equal(share(0.019), "1.9 %");
  assert.equal(size(0), "0 B");
  assert.equal(size(1536), "1.5 KB");
  assert.equal(size(10 * 1024 ** 4), "10 TB");
  assert.equal(clock(61_000), "01:01");
  assert.equal(clock(-5), "00:00");
  assert.equal(clock(3_600_000), "1:00:00");
  assert.equal(span(90_061_000), "1 d 1 h");
  assert.equal(cut("abcdef", 4), "abc…");
  assert.equal(cut("💥💥💥", 2), "💥…");
});

test("metrics", () => {
  const all = readMetrics('# HELP x y\nx_total{d="a"} 3\nx_total{d="b"} 0\nh_bucket{le="1"} 1\nh_bucket{le="4"} 4\nh_bucket{le="+Inf"} 4\n');
  assert.deepEqual(byLabel(all, "x_total"), [{ label: "a", n: 3 }, { label: "b", n: 0 }]);
  assert.deepEqual(buckets(all, "h").map((b) => b.n), [1, 3, 0]);
  assert.equal(quantile(buckets(all, "h"), 0.5), 4);
  assert.equal(quantile([], 0.5), undefined);
});

test("an estimate below zero is none", () => {
  const of = (rows: number): unknown => effectsOf({ effects: [{ kind: "DROP VIEW", estimated_rows: rows }] } as never)[0]?.of;
  assert.equal(of(-1), undefined);
  assert.equal(of(0), 0);
});
