// The protocol's own TypeScript client with `backstop mcp`: PROGRAM REVISION ID.
// Says what it has found, a line of JSON each; a ticket as soon as there is one, for an operator elsewhere.
import assert from 'node:assert/strict';
import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';

const [program, revision, id] = process.argv.slice(2);
const mode = revision === 'legacy' ? 'legacy' : { pin: revision };
const say = (what) => console.log(JSON.stringify(what));

const client = new Client({ name: 'backstop-tests', version: '1' }, { versionNegotiation: { mode } });
await client.connect(new StdioClientTransport({ command: program, args: ['mcp'], env: process.env }));
const call = async (name, args) => (await client.callTool({ name, arguments: args })).structuredContent;

const { tools } = await client.listTools();
assert.equal(tools.length, 7);
assert.equal(tools.find((tool) => tool.name === 'backstop_query').annotations.destructiveHint, true);
assert.deepEqual((await call('backstop_query', { sql: 'SELECT $1::int + 1 AS n', params: [41] })).rows, [[42]]);
assert.equal((await call('backstop_status', {})).agent, 'robot');
assert.ok((await client.listResources()).resources.length > 2);
assert.equal((await client.listPrompts()).prompts.length, 3);

const held = await call('backstop_query', { sql: 'DELETE FROM shop.things WHERE id = $1', params: [Number(id)] });
assert.equal(held.status, 'pending_approval');
say({ ticket: held.ticket });
const decided = await call('backstop_ticket', { ticket: held.ticket, wait: 50 });
if (decided.state === 'approved') {
  const ran = await call('backstop_run_approved', { ticket: held.ticket });
  assert.equal(ran.command, 'DELETE 1');
} else {
  assert.deepEqual([decided.status, decided.state], ['refused', 'denied']);
  assert.equal((await call('backstop_run_approved', { ticket: held.ticket })).status, 'refused');
}
await client.close();
say({ done: decided.state });
