// node operators.mjs: an operator's tool: approves the next ticket and sees it run.
import { operators, Problem } from "backstop-sdk/operators";
import { say } from "./drivers.mjs";

const api = operators({ url: process.env["OPERATORS_URL"] ?? "", token: process.env["OPERATORS_TOKEN"] ?? "" });
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
