// A plain MCP server of PostgreSQL, as the documentation of its packages has one: a tool, a pool, no gateway.
import { createServer } from 'node:http';
import { toNodeHandler } from '@modelcontextprotocol/node';
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server';
import pg from 'pg';
import * as z from 'zod';

const [port, conninfo] = process.argv.slice(2);
const pool = new pg.Pool({ connectionString: conninfo, max: 16 });
const inputSchema = z.object({ sql: z.string(), params: z.array(z.any()).optional() });
const outputSchema = z.object({ rows: z.array(z.array(z.any())), row_count: z.number() });

const handler = createMcpHandler(() => {
    const server = new McpServer({ name: 'plain', version: '1.0.0' });
    server.registerTool(
        'query',
        { description: 'Run a query', inputSchema, outputSchema },
        async ({ sql, params }) => {
            const result = await pool.query({ text: sql, values: params, rowMode: 'array' });
            const out = { rows: result.rows, row_count: result.rowCount };
            return { content: [{ type: 'text', text: JSON.stringify(out) }], structuredContent: out };
        },
    );
    return server;
});
createServer(toNodeHandler(handler)).listen(Number(port), '127.0.0.1');
