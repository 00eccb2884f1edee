// What an agent does, with one of the protocol's own clients: reads, is held, waits for a person elsewhere, and
// runs once. Prints what it saw as JSON.
//
//     story.mjs PACKAGE MODE NUMBER URL            over HTTP, the credential in BEARER
//     story.mjs PACKAGE MODE NUMBER PROGRAM ARG..  over stdio
const [packageName, mode, number, where, ...rest] = process.argv.slice(2);
const modern = packageName === 'client';
const from = modern
    ? { ...(await import('@modelcontextprotocol/client')), ...(await import('@modelcontextprotocol/client/stdio')) }
    : {
          ...(await import('@modelcontextprotocol/sdk/client/index.js')),
          ...(await import('@modelcontextprotocol/sdk/client/streamableHttp.js')),
          ...(await import('@modelcontextprotocol/sdk/client/stdio.js')),
      };

const transport = where.startsWith('http')
    ? new from.StreamableHTTPClientTransport(new URL(where), {
          requestInit: { headers: { Authorization: `Bearer ${process.env.BEARER}` } },
      })
    : new from.StdioClientTransport({ command: where, args: rest, env: { ...process.env } });
const negotiation = modern ? { versionNegotiation: { mode: mode === 'legacy' ? 'legacy' : { pin: mode } } } : {};
const client = new from.Client({ name: 'story', version: '1' }, { capabilities: {}, ...negotiation });
await client.connect(transport);

async function call(name, args, more) {
    const params = { name, arguments: args };
    const result = modern ? await client.callTool(params, more) : await client.callTool(params, undefined, more);
    return result.structuredContent;
}

const seen = { tools: (await client.listTools()).tools.map((tool) => tool.name) };
seen.resources = (await client.listResources()).resources.length;
seen.prompts = (await client.listPrompts()).prompts.length;
seen.read = (await call('backstop_query', { sql: 'SELECT $1::int AS n', params: [7] })).rows;
seen.held = await call('backstop_query', { sql: 'DELETE FROM told.things WHERE id = $1', params: [Number(number)] });
const ticket = seen.held.ticket;
seen.heard = 0;
seen.waited = await call('backstop_ticket', { ticket, wait: 60 }, { onprogress: () => seen.heard++, timeout: 90000 });
seen.ran = await call('backstop_run_approved', { ticket });
seen.again = await call('backstop_run_approved', { ticket });
await client.close();
console.log(JSON.stringify(seen));
