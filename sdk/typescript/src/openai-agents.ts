// OpenAI Agents: tools, and holds as that library's interruptions.
//
//   const db = backstop(pool);
//   const agent = new Agent({ name, model, tools: db.tools });
//   let result = await run(agent, "...");
//   while (result.interruptions.length > 0) result = await run(agent, await db.settle(result));
//
// Approving an interruption decides nothing here: the gateway runs what an operator has approved, and
// nothing else.
import { tool, type FunctionTool, type RunToolApprovalItem } from "@openai/agents";

import type { AnyClient } from "./clients.js";
import type { Waiting } from "./door.js";
import { DEFINITIONS, Recent, refusedTicket, Tools, type QueryInput, type RunInput, type TicketInput, type ToolName, type ToolOptions } from "./tools.js";

interface State {
  approve(item: RunToolApprovalItem): void;
  reject(item: RunToolApprovalItem, options?: { message?: string }): void;
}

export interface Backstop {
  tools: FunctionTool[];
  /** The ticket of an interruption, to be kept or shown; of one from another process it is not known. */
  ticketOf(item: RunToolApprovalItem): string | undefined;
  /**
   * Waits for the operators' decisions on all interruptions of ours, and gives the state to run again with.
   * After `timeout` what is still open is rejected.
   */
  settle<S extends State>(result: { state: S; interruptions: RunToolApprovalItem[] }, waiting?: Waiting): Promise<S>;
}

export function backstop(client: AnyClient, options: ToolOptions = {}): Backstop {
  const tools = new Tools(client, options);
  const held = new Recent<string>(); // tickets, by call
  const ticketOf = (item: RunToolApprovalItem): string | undefined => held.get(callOf(item.rawItem) ?? "");
  return {
    tools: [
      define("backstop_query", (input: QueryInput, call, signal) => tools.query(input, call, signal), async (call, input: QueryInput) => {
        const found = await tools.ask(call, input);
        if (found !== undefined) held.set(call, found.ticket!);
        return found !== undefined;
      }),
      define("backstop_ticket", (input: TicketInput, _call, signal) => tools.ticket(input, signal)),
      define("backstop_run_approved", (input: RunInput, _call, signal) => tools.runApproved(input, signal)),
    ],
    ticketOf,
    async settle({ state, interruptions }, waiting) {
      const ours = interruptions.filter((item) => item.name === "backstop_query");
      await Promise.all(
        ours.map(async (item) => {
          const ticket = ticketOf(item);
          // Of another process: run it, and it is held again unless it is approved.
          const now = ticket === undefined ? undefined : await tools.decision(ticket, waiting);
          if (now === undefined || now.state === "approved") state.approve(item);
          else state.reject(item, { message: JSON.stringify(refusedTicket(now)) });
        }),
      );
      return state;
    },
  };
}

function define<I>(
  name: ToolName,
  execute: (input: I, call: string | undefined, signal: AbortSignal | undefined) => Promise<object>,
  needsApproval?: (call: string, input: I) => Promise<boolean>,
): FunctionTool {
  const { description, schema } = DEFINITIONS[name];
  return tool({
    name,
    description,
    parameters: schema as never,
    strict: false,
    async execute(input: unknown, _context: unknown, details?: { toolCall?: unknown; signal?: AbortSignal }) {
      return JSON.stringify(await execute(input as I, callOf(details?.toolCall), details?.signal));
    },
    ...(needsApproval === undefined
      ? {}
      : { needsApproval: async (_context: unknown, input: unknown, call?: string) => call !== undefined && needsApproval(call, input as I) }),
  }) as unknown as FunctionTool;
}

function callOf(item: unknown): string | undefined {
  const { callId } = (item ?? {}) as { callId?: unknown };
  return typeof callId === "string" ? callId : undefined;
}
