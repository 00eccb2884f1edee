// Clients that ask one query after the other for some seconds; prints how many were answered, and how fast.
//
//     load.mjs KIND URL TOOL CLIENTS SECONDS ROWS     KIND: official, session (the same, revision 2025-11-25), bare
import http from 'node:http';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';

const [kind, where, tool, clients, seconds, rows] = process.argv.slice(2);
const url = new URL(where);
const MODERN = '2026-07-28';
const authorization = process.env.BEARER ? { Authorization: `Bearer ${process.env.BEARER}` } : {};
const took = [];

function question() {
    const from = 1 + Math.floor(Math.random() * 99000);
    return {
        name: tool,
        arguments: {
            sql: 'SELECT aid, bid, abalance FROM pgbench_accounts WHERE aid BETWEEN $1 AND $2',
            params: [from, from + Number(rows) - 1],
        },
    };
}

function check(result) {
    if (result?.structuredContent?.rows?.length !== Number(rows)) throw new Error(JSON.stringify(result));
}

// The package's own client, which checks what it gets against the tool's schema.
async function official() {
    const mode = kind === 'session' ? 'legacy' : { pin: MODERN };
    const client = new Client({ name: 'load', version: '1' }, { versionNegotiation: { mode } });
    await client.connect(new StreamableHTTPClientTransport(url, { requestInit: { headers: authorization } }));
    await client.listTools();
    return { ask: async () => check(await client.callTool(question())), end: () => client.close() };
}

// A connection that is kept, and the least that a request needs: what is measured is the server.
async function bare() {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    const headers = {
        ...authorization,
        'Content-Type': 'application/json',
        Accept: 'application/json, text/event-stream',
        'MCP-Protocol-Version': MODERN,
        'Mcp-Method': 'tools/call',
        'Mcp-Name': tool,
    };
    const _meta = {
        'io.modelcontextprotocol/protocolVersion': MODERN,
        'io.modelcontextprotocol/clientCapabilities': {},
        'io.modelcontextprotocol/clientInfo': { name: 'load', version: '1' },
    };
    const ask = () =>
        new Promise((done, failed) => {
            const params = { ...question(), _meta };
            const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params });
            const request = http.request(url, { method: 'POST', agent, headers }, (answer) => {
                let text = '';
                answer.setEncoding('utf8');
                answer.on('data', (part) => (text += part));
                answer.on('end', () => {
                    try {
                        const start = text.indexOf('{');
                        check(JSON.parse(text.slice(start)).result);
                        done();
                    } catch (error) {
                        failed(new Error(`${answer.statusCode} ${text.slice(0, 200)}`));
                    }
                });
            });
            request.on('error', failed);
            request.end(body);
        });
    return { ask, end: () => agent.destroy() };
}

async function run(until) {
    const one = await (kind === 'bare' ? bare() : official());
    await one.ask();
    await ready();
    while (performance.now() < until()) {
        const begun = performance.now();
        await one.ask();
        took.push(performance.now() - begun);
    }
    await one.end();
}

let waiting = Number(clients);
let end;
let go;
const started = new Promise((resolve) => (go = resolve));
function ready() {
    if (--waiting === 0) {
        end = performance.now() + Number(seconds) * 1000;
        go();
    }
    return started;
}

await Promise.all(Array.from({ length: Number(clients) }, () => run(() => end)));
took.sort((a, b) => a - b);
const at = (share) => took[Math.floor(took.length * share)];
console.log(JSON.stringify({ per_second: took.length / Number(seconds), p50: at(0.5), p99: at(0.99) }));
process.exit(0);
