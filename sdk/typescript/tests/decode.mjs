// node decode.mjs: what is taken for the gateway's answer, and what is not.
import { decode } from "backstop-sdk";
import { describe, say } from "./drivers.mjs";

/** As a driver throws it. @param {object} fields */
const thrown = (fields) => Object.assign(new Error("x"), fields);
const detail = (/** @type {object} */ more) => JSON.stringify({ v: 1, ticket: "T-1", ...more });
/** @type {any} */
const loop = new Error("loop");
loop.cause = loop;

const rows = {
  ZB001: thrown({ code: "ZB001", detail: detail({ state: "pending", retry: "same-transaction", expires: "2026-01-01T00:15:00Z" }) }),
  ZB002: thrown({ code: "ZB002", detail: detail({ state: "denied" }) }),
  ZB003: thrown({ code: "ZB003", detail: detail({ state: "expired", retry: "same-statement" }) }),
  ZB004: thrown({ code: "ZB004", detail: detail({ state: "failed" }) }),
  ZB005: thrown({ code: "ZB005" }),
  ZB006: thrown({ code: "ZB006", detail: '{"v":1,"state":"quarantined"}' }),
  42501: thrown({ code: "42501", detail: '{"v":1,"state":"blocked","retry":"never"}' }),
  wrapped: new Error("orm", { cause: new Error("pool", { cause: thrown({ code: "ZB001" }) }) }),
  "no JSON": thrown({ code: "ZB001", detail: "{nonsense" }),
  "another version": thrown({ code: "ZB001", detail: '{"v":2,"ticket":"T-1"}' }),
  "wrong types": thrown({ code: "ZB001", detail: '{"v":1,"ticket":7,"state":null,"expires":"soon","retry":[]}' }),
  "own 42501": thrown({ code: "42501", detail: "permission denied" }),
  "own 42501, JSON": thrown({ code: "42501", detail: '{"state":"blocked"}' }),
  "57014": thrown({ code: "57014" }),
  loop,
  text: "ZB001",
  nothing: null,
};
for (const [name, error] of Object.entries(rows)) {
  const found = decode(error);
  say("row", { row: name, ...(found === undefined ? {} : describe(found)), again: decode(found) === found });
}
