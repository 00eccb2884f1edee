// The types of the API from its description: node schema.mjs OPENAPI.JSON OUT.ts
//
// Only what our description uses: objects, arrays, enums, references and lists of types. A schema
// without a type is `unknown`, so whoever uses it has to look first.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

const [from, to] = process.argv.slice(2);
const { schemas } = JSON.parse(readFileSync(from, "utf8")).components;
const plain = { string: "string", integer: "number", number: "number", boolean: "boolean", null: "null" };

function typeOf(schema, indent) {
  if (schema.$ref) return schema.$ref.split("/").pop();
  if ("const" in schema) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  for (const any of ["oneOf", "anyOf"]) {
    if (schema[any]) return schema[any].map((one) => typeOf(one, indent)).join(" | ");
  }
  if (schema.allOf) return schema.allOf.map((one) => typeOf(one, indent)).join(" & ");
  if (Array.isArray(schema.type)) {
    return schema.type.map((type) => typeOf({ ...schema, type }, indent)).join(" | ");
  }
  if (schema.type === "array") return `Array<${typeOf(schema.items ?? {}, indent)}>`;
  if (schema.type === "object") return schema.properties ? fields(schema, indent) : "Record<string, unknown>";
  return plain[schema.type] ?? "unknown";
}

function fields(schema, indent) {
  const required = new Set(schema.required ?? []);
  const inner = `${indent}  `;
  const lines = Object.entries(schema.properties).map(([name, of]) => {
    const says = of.description ? `${inner}/** ${of.description.replaceAll("*/", "")} */\n` : "";
    return `${says}${inner}${JSON.stringify(name)}${required.has(name) ? "" : "?"}: ${typeOf(of, inner)};`;
  });
  return `{\n${lines.join("\n")}\n${indent}}`;
}

const text = Object.entries(schemas).map(([name, schema]) => `export type ${name} = ${typeOf(schema, "")};\n`);
mkdirSync(dirname(to), { recursive: true });
writeFileSync(to, `// Made by schema.mjs from the description of the API.\n\n${text.join("\n")}`);
