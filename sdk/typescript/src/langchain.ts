// LangChain and LangGraph: tools, and holds as interrupts of a graph.
//
//   import { interrupt } from "@langchain/langgraph";
//   const tools = backstopTools(pool, { interrupt });
//
// Without `interrupt` the model gets pending_approval and goes on. With it the graph stops; resumed with
// `new Command({ resume: true })` it sends the statement again if an operator has approved it, tells the model
// if it was denied, and stops again if nobody has decided. What the graph is resumed with decides nothing.
import { tool, type StructuredToolInterface } from "@langchain/core/tools";

import type { AnyClient } from "./clients.js";
import { DEFINITIONS, Recent, Tools, type Outcome, type QueryInput, type RunInput, type TicketInput, type ToolName, type ToolOptions } from "./tools.js";

/** What a graph is interrupted with. */
export interface HeldInterrupt {
  type: "backstop_held";
  ticket: string;
  expires: string | null;
}

export interface Options extends ToolOptions {
  /** `interrupt` of @langchain/langgraph. */
  interrupt?: (value: HeldInterrupt) => unknown;
}

interface Config {
  signal?: AbortSignal;
  configurable?: Record<string, unknown>;
  toolCall?: { id?: string };
}

export function backstopTools(client: AnyClient, { interrupt, ...options }: Options = {}): StructuredToolInterface[] {
  const tools = new Tools(client, options);
  const finished = new Recent<Outcome>(); // by task
  const waiting = new Recent<string>(); // tickets, by task
  async function query(input: QueryInput, config: Config): Promise<Outcome> {
    const task = interrupt === undefined ? undefined : taskOf(config);
    const before = task === undefined ? undefined : finished.get(task);
    if (before !== undefined) return before;
    for (let ticket = task === undefined ? undefined : waiting.get(task); ; ) {
      // Sent again only once it is approved: what was denied would be asked for anew.
      const outcome = await (ticket === undefined ? tools.query(input, undefined, config.signal) : tools.runApproved({ ...input, ticket }, config.signal));
      if (outcome.status !== "pending_approval" || interrupt === undefined) {
        if (task !== undefined) finished.set(task, outcome);
        return outcome;
      }
      ticket = outcome.ticket;
      if (task !== undefined) waiting.set(task, ticket);
      // Leaves by an exception; it comes back where it was resumed before an operator has decided.
      interrupt({ type: "backstop_held", ticket, expires: outcome.expires });
    }
  }
  return [
    define("backstop_query", query),
    define("backstop_ticket", (input: TicketInput, config) => tools.ticket(input, config.signal)),
    define("backstop_run_approved", (input: RunInput, config) => tools.runApproved(input, config.signal)),
  ];
}

/**
 * A call of the model in one task of a graph. An interrupted task runs anew, with those of its calls that
 * have ended already: they get their result again, and nothing is sent.
 */
function taskOf({ configurable, toolCall }: Config): string | undefined {
  const { thread_id: thread, checkpoint_ns: task } = configurable ?? {};
  if (typeof task !== "string" || task === "" || toolCall?.id === undefined) return undefined;
  return JSON.stringify([thread, task, toolCall.id]);
}

function define<I>(name: ToolName, run: (input: I, config: Config) => Promise<object>): StructuredToolInterface {
  const { description, schema } = DEFINITIONS[name];
  const call = async (input: unknown, config: unknown): Promise<string> => JSON.stringify(await run(input as I, (config ?? {}) as Config));
  return tool(call, { name, description, schema: schema as never }) as unknown as StructuredToolInterface;
}
