import assert from "node:assert/strict";
import { test } from "node:test";

import { layOut, params, readable, tokens } from "../src/sql";

const text = (sql: string): string => layOut(tokens(sql)).map((t) => t.text).join("");
const meaning = (sql: string): string[] => tokens(sql).filter((t) => t.kind !== "space").map((t) => t.text);

// What layout must never touch: literals, names, comments, nesting, and text that does not end.
const STATEMENTS = [
  "SELECT 1",
  "DELETE FROM t WHERE a = 'x  AND  y' AND b = \"odd  FROM name\"",
  "SELECT $$ two  spaces; $$, $tag$ $$ FROM $tag$ FROM t",
  "SELECT E'it\\'s FROM here' FROM t",
  "SELECT 'it''s' -- a comment  FROM\nFROM t",
  "/* a /* nested */ FROM */ SELECT 1",
  "SELECT 'unclosed FROM t WHERE",
  "SELECT /* unclosed FROM t",
  "SELECT \"unclosed FROM t",
  "SELECT $unclosed$ FROM t",
  "SELECT * FROM a LEFT JOIN b ON a.id = b.id WHERE a.x BETWEEN 1 AND 2 AND b.y IS DISTINCT FROM a.y OR c",
  "WITH gone AS (DELETE FROM orders WHERE placed < now() - interval '1 year' RETURNING *) INSERT INTO archive SELECT * FROM gone",
  "CREATE TABLE t (id bigint PRIMARY KEY, name text NOT NULL, other text DEFAULT 'a, b', CHECK (id > 0), x int)",
  "BEGIN; DELETE FROM t; COMMIT;",
  "INSERT INTO t VALUES (1, 'a'), (2, 'b') ON CONFLICT (id) DO UPDATE SET v = excluded.v WHERE t.v IS NULL",
  "SELECT a::text, b->>'c', d @> '[1]', -1e-5, .5, U&'d\\0061t', B'01', x'1F'",
  "UPDATE таблица SET имя = 'ж' WHERE \u202eid = $1",
  ")))(((",
  "",
  "   \n ",
];

test("tokens are the text", () => {
  for (const sql of STATEMENTS) assert.equal(tokens(sql).map((t) => t.text).join(""), sql);
});

test("laid out, a statement has the same tokens in the same order", () => {
  for (const sql of STATEMENTS) assert.deepEqual(meaning(text(sql)), meaning(sql), sql);
});

test("so has any text", () => {
  const parts = ["'", '"', "$$", "$1", "/*", "*/", "--", "\n", " ", "(", ")", ",", ";", "FROM", "AND", "x", "\\", "E'", "\u202e", "💥", "SELECT", "BETWEEN"];
  let seed = 7;
  const random = (below: number): number => {
    seed = (seed * 1103515245 + 12345) % 2147483648;
    return seed % below;
  };
  for (let round = 0; round < 4000; round++) {
    const sql = Array.from({ length: random(24) }, () => parts[random(parts.length)]).join("");
    assert.equal(tokens(sql).map((t) => t.text).join(""), sql);
    assert.deepEqual(meaning(text(sql)), meaning(sql), JSON.stringify(sql));
  }
});

test("clauses have lines of their own", () => {
  assert.equal(
    text("DELETE FROM orders USING gone WHERE a = 1 AND b BETWEEN 2 AND 3 AND c RETURNING id"),
    "DELETE FROM orders\nUSING gone\nWHERE a = 1\n  AND b BETWEEN 2 AND 3\n  AND c\nRETURNING id",
  );
  assert.equal(text("SELECT a FROM t WHERE x IN (SELECT id FROM u)"), "SELECT a\nFROM t\nWHERE x IN (SELECT id FROM u)");
});

test("what was laid out by hand stays so", () => {
  const sql = "DELETE\n   FROM t\n  WHERE id = 1";
  assert.equal(readable(sql).map((t) => t.text).join(""), sql);
});

test("parameters are read only where there is one way to read them", () => {
  assert.deepEqual(params("$1 = 'a', $2 = NULL, $3 = -7"), [
    { name: "$1", value: "'a'" },
    { name: "$2", value: "NULL" },
    { name: "$3", value: "-7" },
  ]);
  assert.deepEqual(params("$1 = 'it''s, $2 = 5'"), [{ name: "$1", value: "'it''s, $2 = 5'" }]);
  for (const odd of ["$2 = 1", "$1 = 'a' $2 = 1", "$1 = 'a', $2 = 'b', $2 = 'c'", "$1 = 'a", "$1 = "]) {
    assert.equal(params(odd), undefined, odd);
  }
});
