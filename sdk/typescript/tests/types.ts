// Compiled, never run: what the types let through, and what they do not.
import { Blocked, decode, Held, Paused, retryOnApproval, run, wait, type BackstopError, type Ticket } from "backstop-sdk";
import * as ai from "backstop-sdk/ai";
import * as drizzle from "backstop-sdk/drizzle";
import { backstopTools } from "backstop-sdk/langchain";
import * as agents from "backstop-sdk/openai-agents";
import { operators, type Schemas } from "backstop-sdk/operators";
import * as pg from "backstop-sdk/pg";
import * as postgres from "backstop-sdk/postgres";
import { Agent } from "@openai/agents";
import { generateText, type LanguageModel } from "ai";
import { interrupt } from "@langchain/langgraph";
import { drizzle as drizzlePg } from "drizzle-orm/node-postgres";

export async function clients(): Promise<void> {
  const pool = pg.pool("postgres://localhost/app", { wait: 0 });
  const rows = await run({ purpose: "test" }, () => retryOnApproval(() => pool.query<{ id: number }>("SELECT 1 AS id"), { timeout: 1000 }));
  rows.rows[0]?.id satisfies number | undefined;
  const sql = postgres.connect("postgres://localhost/app");
  const [first] = await sql<{ id: number }[]>`SELECT 1 AS id`;
  first?.id satisfies number | undefined;
  const db = drizzle.guard(drizzlePg(pool));
  await wait(db, "T-1", { signal: AbortSignal.timeout(10) }) satisfies Ticket;
  await wait(pool, "T-1");
  await wait(sql, "T-1");
  // @ts-expect-error - no client of ours
  await wait({ send() {} }, "T-1");
  const error: BackstopError | undefined = decode(new Error("x"));
  if (error instanceof Held) error.expires satisfies Date | null;
  new Paused({ sqlstate: "ZB006", message: "" }) satisfies Blocked;
}

export async function adapters(model: LanguageModel): Promise<void> {
  const pool = pg.pool("postgres://localhost/app");
  const { tools, toolApproval, decisions } = ai.backstop(pool);
  const result = await generateText({ model, prompt: "", tools, toolApproval });
  await decisions(result);
  new Agent({ name: "a", tools: agents.backstop(pool).tools });
  backstopTools(pool, { interrupt })[0]!.name satisfies string;
}

export async function operatorsApi(): Promise<void> {
  const api = operators({ url: "http://127.0.0.1:6580", token: "t" });
  const { tickets } = await api.listTickets({ query: { state: "pending" } });
  await api.listTickets();
  const ticket: Schemas["Ticket"] | undefined = tickets[0];
  await api.approveTicket({ path: { id: ticket!.id }, body: { reason: "x" }, headers: { "Idempotency-Key": "1" } });
  (await api.metrics()) satisfies string;
  for await (const event of api.events()) if (event.type === "ticket") event.state satisfies string;
  // @ts-expect-error - which ticket?
  await api.approveTicket({});
  // @ts-expect-error - no such state
  await api.listTickets({ query: { state: "bogus" } });
  // @ts-expect-error - what is to be resumed?
  await api.resume();
  // @ts-expect-error - Slack's, not an operator's
  api.slack;
}
