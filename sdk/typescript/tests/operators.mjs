// node operators.mjs: an operator's tool: approves the next ticket and sees it run.
import { operators, Problem } from "backstop-sdk/operators";
import { say } from "./drivers.mjs";

// The first stream breaks after its first event: the client comes back and says what it has seen.
let streams = 0;
/** @type {typeof fetch} */
const breaking = async (url, init) => {
  const answer = await fetch(url, init);
  if (!String(url).endsWith("/v1/events")) return answer;
  say("stream", { last: new Headers(init?.headers).get("Last-Event-ID") });
  if (streams++ > 0) return answer;
  const cut = new TransformStream({
    transform(bytes, controller) {
      controller.enqueue(bytes);
      if (new TextDecoder().decode(bytes).includes("event:")) setTimeout(() => controller.error(new Error("cut")), 100);
    },
  });
  return new Response(/** @type {any} */ (answer.body).pipeThrough(cut), answer);
};
const api = operators({ url: process.env["OPERATORS_URL"] ?? "", token: process.env["OPERATORS_TOKEN"] ?? "", fetch: breaking });
const { ok } = /** @type {any} */ (await api.ready());
say("ready", { ok, text: typeof (await api.metrics()) });

const stop = new AbortController();
const events = api.events({ signal: stop.signal });
say("watching");
for await (const event of events) {
  say("event", { of: event });
  if (event.type !== "ticket" || event.state !== "pending") {
    if (event.type === "ticket" && event.state === "done") break;
    continue;
  }
  const path = { id: event.id };
  const ticket = await api.showTicket({ path });
  await api.commentTicket({ path, body: { text: "seen" } });
  await api.approveTicket({ path, body: { reason: "agreed" } });
  say("approved", { id: ticket.id, actor: ticket.actor });
}
stop.abort();

await api.showTicket({ path: { id: "T-00000000000000000000000000" } }).catch((error) => {
  say("problem", { is: error instanceof Problem, status: error.status, code: error.code, message: error.message });
});
const wrong = operators({ url: process.env["OPERATORS_URL"] ?? "", token: "wrong" });
await wrong.listTickets().catch((error) => say("problem", { status: error.status }));
await wrong.events().next().catch((error) => say("problem", { status: error.status }));

// None of these may be sent: fetch says where it was asked to go.
/** @type {typeof fetch} */
const sent = async (url) => (say("sent", { url: String(url) }), new Response("{}"));
for (const url of ["http://gateway:6580", "http://127.0.0.1.example.com", "http://127.0.0.1@gateway", "https://o:hush@gateway", "ftp://127.0.0.1", ""]) {
  try {
    await operators({ url, token: "t", fetch: sent }).ready();
  } catch (error) {
    say("no address", { message: String(error) });
  }
}
const near = operators({ url: "http://127.0.0.1:1", token: "t", fetch: sent });
for (const id of ["", ".", ".."]) await near.approveTicket({ path: { id }, body: {} }).catch(() => say("no name"));
