// A statement laid out to be read. Only white space between tokens is ever changed; what is not
// understood stays as it was sent.

export type Kind = "word" | "key" | "name" | "text" | "number" | "param" | "comment" | "other" | "space";
export type Token = { kind: Kind; text: string };

const KEYS = new Set(
  `ADD ALL ALTER ANALYZE AND ANY AS ASC BEGIN BETWEEN BY CALL CASCADE CASE CHECK COLUMN COMMENT COMMIT CONCURRENTLY
  CONFLICT CONSTRAINT COPY CREATE CROSS CURRENT DATABASE DEFAULT DELETE DESC DISABLE DISTINCT DO DROP ELSE ENABLE END
  EXCEPT EXECUTE EXISTS EXPLAIN EXTENSION FALSE FOR FOREIGN FROM FULL FUNCTION GRANT GROUP HAVING IF ILIKE IN INDEX
  INNER INSERT INTERSECT INTO IS JOIN KEY LATERAL LEFT LIKE LIMIT LOCK MATCHED MATERIALIZED MERGE NATURAL NOT NOTHING
  NULL OFFSET ON ONLY OR ORDER OUTER OVER OWNER PARTITION POLICY PRIMARY PROCEDURE REFERENCES RENAME RESTRICT RETURNING
  REVOKE RIGHT ROLE ROLLBACK ROW ROWS SCHEMA SELECT SEQUENCE SET SHARE SOME TABLE TEMPORARY THEN TO TRIGGER TRUE
  TRUNCATE TYPE UNION UNIQUE UPDATE USER USING VACUUM VALUES VIEW WHEN WHERE WITH`.split(/\s+/),
);

const SPACE = /[ \t\n\r\f\v]+/y;
const WORD = /[\p{L}_\u0080-\uffff][\p{L}\p{N}_$\u0080-\uffff]*/uy;
const NUMBER = /\d[\d_]*(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?/y;
const PARAM = /\$\d+/y;
const LINE_COMMENT = /--[^\n\r]*/y;
const TEXT = /(?:[bBnNxX]|[uU]&)?'(?:[^']|'')*'/y;
const ESCAPED = /[eE]'(?:[^'\\]|''|\\[\s\S])*'/y;
const NAME = /(?:[uU]&)?"(?:[^"]|"")*"/y;
const DOLLAR = /\$(?:[\p{L}_\u0080-\uffff][\p{L}\p{N}_\u0080-\uffff]*)?\$/uy;

function match(pattern: RegExp, sql: string, at: number): string | undefined {
  pattern.lastIndex = at;
  return pattern.exec(sql)?.[0];
}

/** Block comments nest. */
function blockComment(sql: string, at: number): string | undefined {
  if (!sql.startsWith("/*", at)) return undefined;
  let depth = 0;
  for (let i = at; i < sql.length - 1; i++) {
    const two = sql.slice(i, i + 2);
    if (two === "/*") depth++;
    else if (two === "*/") depth--;
    else continue;
    i++;
    if (depth === 0) return sql.slice(at, i + 1);
  }
  return undefined;
}

function dollarQuoted(sql: string, at: number): string | undefined {
  const tag = match(DOLLAR, sql, at);
  const end = tag === undefined ? -1 : sql.indexOf(tag, at + tag.length);
  return tag === undefined || end < 0 ? undefined : sql.slice(at, end + tag.length);
}

function next(sql: string, at: number): Token {
  const rows: Array<[Kind, string | undefined]> = [
    ["space", match(SPACE, sql, at)],
    ["comment", match(LINE_COMMENT, sql, at) ?? blockComment(sql, at)],
    ["text", match(ESCAPED, sql, at) ?? match(TEXT, sql, at) ?? dollarQuoted(sql, at)],
    ["name", match(NAME, sql, at)],
    ["param", match(PARAM, sql, at)],
    ["number", match(NUMBER, sql, at)],
    ["word", match(WORD, sql, at)],
  ];
  for (const [kind, text] of rows) {
    if (text !== undefined) return { kind: kind === "word" && KEYS.has(text.toUpperCase()) ? "key" : kind, text };
  }
  const unclosed = sql[at] === "'" || sql[at] === '"' || sql.startsWith("/*", at);
  return { kind: "other", text: unclosed ? sql.slice(at) : String.fromCodePoint(sql.codePointAt(at) ?? 0) };
}

/** All of the text, in order: joined again, the tokens are the text. */
export function tokens(sql: string): Token[] {
  const out: Token[] = [];
  for (let at = 0; at < sql.length; ) {
    const token = next(sql, at);
    out.push(token);
    at += token.text.length;
  }
  return out;
}

const CLAUSES = new Set(
  "FROM WHERE SET VALUES RETURNING USING GROUP ORDER HAVING LIMIT OFFSET UNION EXCEPT INTERSECT JOIN WHEN SELECT".split(" "),
);
const JOINS = new Set("LEFT RIGHT FULL INNER CROSS NATURAL".split(" "));
const ONE_LINE = 64;
const INDENT = "  ";

type Level = { broken: boolean; clauses: boolean; between: boolean };

/** Does what stands in these parentheses get lines of its own? */
function opens(all: Token[], at: number): Level {
  let depth = 0;
  let length = 0;
  let first = "";
  for (let i = at; i < all.length; i++) {
    const { kind, text } = all[i] as Token;
    if (text === "(") depth++;
    else if (text === ")" && --depth === 0) break;
    else if (kind !== "space" && kind !== "comment" && first === "") first = text.toUpperCase();
    length += kind === "space" ? 1 : text.length;
  }
  const query = first === "SELECT" || first === "WITH" || first === "DELETE" || first === "UPDATE" || first === "INSERT";
  return { broken: length > ONE_LINE, clauses: query, between: false };
}

function wordAfter(all: Token[], at: number): string {
  for (let i = at + 1; i < all.length; i++) {
    if ((all[i] as Token).kind !== "space") return (all[i] as Token).text.toUpperCase();
  }
  return "";
}

/** White space anew; every other token as it is. */
export function layOut(all: Token[]): Token[] {
  const out: Token[] = [];
  const levels: Level[] = [{ broken: true, clauses: true, between: false }];
  let space = false;
  let last = "";
  const line = (more = 0): void => {
    while (out[out.length - 1]?.kind === "space") out.pop();
    const deep = levels.filter((level) => level.broken).length - 1 + more;
    if (out.length > 0) out.push({ kind: "space", text: `\n${INDENT.repeat(Math.max(deep, 0))}` });
    space = false;
  };
  for (const [i, token] of all.entries()) {
    const level = levels[levels.length - 1] as Level;
    const word = token.kind === "key" ? token.text.toUpperCase() : "";
    const breaks = level.broken && level.clauses;
    if (token.kind === "space") {
      space = true;
      continue;
    }
    if (token.text === ")" && levels.length > 1) {
      levels.pop();
      if (level.broken) line();
      space = level.broken ? false : space;
    } else if (space && out.length > 0) {
      const join = JOINS.has(word) && /^(OUTER|JOIN)$/.test(wordAfter(all, i));
      const clause = CLAUSES.has(word) && !JOINS.has(last) && last !== "OUTER" && last !== "DELETE" && last !== "DISTINCT" && last !== "IS";
      const both = (word === "AND" || word === "OR") && !level.between;
      if (breaks && last !== "" && (join || (clause && !/^[(,]$/.test(last)) || (word === "ON" && wordAfter(all, i) === "CONFLICT"))) line();
      else if (breaks && both) line(1);
    }
    if (space && out.length > 0 && out[out.length - 1]?.kind !== "space") out.push({ kind: "space", text: " " });
    out.push(token);
    space = false;
    if (word === "BETWEEN") level.between = true;
    else if (word === "AND") level.between = false;
    if (token.text === "(") {
      levels.push(opens(all, i));
      if (levels[levels.length - 1]?.broken) line();
    } else if (token.text === ";" || (token.kind === "comment" && token.text.startsWith("--"))) {
      if (wordAfter(all, i) !== "") line();
    } else if (token.kind === "comment" && last === "" && wordAfter(all, i) !== "") line();
    else if (token.text === "," && level.broken && !level.clauses) line();
    if (token.kind !== "comment") last = word !== "" ? word : token.text;
  }
  return out;
}

/** Laid out, unless whoever wrote it has done so. */
export function readable(sql: string): Token[] {
  const all = tokens(sql);
  return /\n[^\n]*\S[^\n]*\n/.test(sql.trim()) ? all : layOut(all);
}

export type Param = { name: string; value: string };

/** "$1 = 'a', $2 = NULL" as rows; undefined where it does not read so from end to end. */
export function params(text: string): Param[] | undefined {
  const row = /(\$\d+) = ('(?:[^']|'')*'|NULL|-?\d+|<[^<>']*>)(?:, |$)/y;
  const out: Param[] = [];
  for (let at = 0; at < text.length; at = row.lastIndex) {
    row.lastIndex = at;
    const found = row.exec(text);
    if (found === null || found[1] !== `$${out.length + 1}`) return undefined;
    out.push({ name: found[1], value: found[2] as string });
  }
  return out;
}
