// The operators' API for TypeScript, from its description: node generate.mjs OPENAPI.JSON FOLDER
//
// Types by openapi-typescript, and a table that says where each operation is.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import openapiTS, { astToString } from "openapi-typescript";

const [from, folder] = process.argv.slice(2);
const { paths } = JSON.parse(readFileSync(from, "utf8"));
const methods = ["get", "post", "patch", "put", "delete"];

const rows = Object.entries(paths).flatMap(([path, of]) =>
  methods.filter((method) => method in of).map((method) => `  ${of[method].operationId}: [${JSON.stringify(method.toUpperCase())}, ${JSON.stringify(path)}],`));

mkdirSync(folder, { recursive: true });
writeFileSync(`${folder}/api.ts`, `// Made by generate.mjs.\n\n${astToString(await openapiTS(pathToFileURL(from)))}`);
writeFileSync(`${folder}/routes.ts`, `// Made by generate.mjs.\n\nexport const routes = {\n${rows.join("\n")}\n} as const;\n`);
