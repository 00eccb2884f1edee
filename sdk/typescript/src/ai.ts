// The Vercel AI SDK: tools, and holds as the approvals of that library.
//
//   const db = backstop(pool);
//   const result = await generateText({ model, messages, tools: db.tools, toolApproval: db.toolApproval, stopWhen });
//   messages.push(...result.responseMessages, ...(await db.decisions(result)));   // then once more
//
// The approval of that library decides nothing here: whatever it is given, the gateway runs what an operator
// has approved, and nothing else.
import { jsonSchema, type ModelMessage, type Tool, type ToolApprovalResponse, type ToolApprovalStatus } from "ai";

import type { AnyClient } from "./clients.js";
import type { Waiting } from "./door.js";
import { DEFINITIONS, Tools, type Outcome, type QueryInput, type RunInput, type TicketAnswer, type TicketInput, type ToolName, type ToolOptions } from "./tools.js";

export interface Backstop {
  tools: {
    backstop_query: Tool<QueryInput, Outcome>;
    backstop_ticket: Tool<TicketInput, TicketAnswer>;
    backstop_run_approved: Tool<RunInput, Outcome>;
  };
  /** Statements that have to be approved become approval requests; `reason` is the ticket. Without it the model gets pending_approval. */
  toolApproval: { backstop_query: (input: QueryInput, options: { toolCallId: string }) => Promise<ToolApprovalStatus> };
  /**
   * Waits for the operators' decisions on what the result asks for, and gives the message that answers it;
   * none where nothing was asked for. After `timeout` what is still open is answered as not approved.
   */
  decisions(result: { content: readonly unknown[] }, waiting?: Waiting): Promise<ModelMessage[]>;
}

interface Requested {
  type: "tool-approval-request";
  approvalId: string;
  isAutomatic?: boolean;
  reason?: string;
  toolCall: { toolName: string };
}

export function backstop(client: AnyClient, options: ToolOptions = {}): Backstop {
  const tools = new Tools(client, options);
  return {
    tools: {
      backstop_query: define("backstop_query", (input: QueryInput, { toolCallId, abortSignal }) => tools.query(input, toolCallId, abortSignal)),
      backstop_ticket: define("backstop_ticket", (input: TicketInput, { abortSignal }) => tools.ticket(input, abortSignal)),
      backstop_run_approved: define("backstop_run_approved", (input: RunInput, { abortSignal }) => tools.runApproved(input, abortSignal)),
    },
    toolApproval: {
      async backstop_query(input, { toolCallId }) {
        const held = await tools.ask(toolCallId, input);
        return held === undefined ? "not-applicable" : { type: "user-approval", reason: held.ticket! };
      },
    },
    async decisions({ content }, waiting) {
      const answers = await Promise.all(content.filter(isOurs).map((request) => decide(tools, request, waiting)));
      return answers.length === 0 ? [] : [{ role: "tool", content: answers }];
    },
  };
}

interface Call {
  toolCallId: string;
  abortSignal?: AbortSignal | undefined;
}

function define<I, O>(name: ToolName, execute: (input: I, call: Call) => Promise<O>): Tool<I, O> {
  const { description, schema } = DEFINITIONS[name];
  return { description, inputSchema: jsonSchema<I>(schema as never), execute } as unknown as Tool<I, O>;
}

function isOurs(part: unknown): part is Requested {
  const { type, isAutomatic, toolCall } = part as Partial<Requested>;
  return type === "tool-approval-request" && isAutomatic !== true && toolCall?.toolName === "backstop_query";
}

async function decide(tools: Tools, request: Requested, waiting: Waiting | undefined): Promise<ToolApprovalResponse> {
  const { state } = await tools.decision(request.reason ?? "", waiting);
  const answer = { type: "tool-approval-response", approvalId: request.approvalId } as const;
  if (state === "approved") return { ...answer, approved: true };
  return { ...answer, approved: false, reason: state === "denied" ? "Denied by an operator. Stop, and tell the user." : `The ticket ${request.reason} is ${state}. Stop, and tell the user.` };
}
