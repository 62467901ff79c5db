/**
 * The published schema of the messages, for all that pages and the server say to each other.
 */

import { readFileSync } from "node:fs";
import { join } from "node:path";

import { Ajv2020 } from "ajv/dist/2020.js";

const path = join(import.meta.dirname, "../../../docs/protocol.schema.json");
const schema = JSON.parse(readFileSync(path, "utf8"));
// The sizes of Rust's integers are formats that the library does not know; their bounds are in the schema.
const ajv = new Ajv2020({ validateFormats: false, allowUnionTypes: true }).addSchema(schema, "messages");

/**
 * What is wrong with a frame, if anything.
 * @param {string} side `ClientMessage` or `ServerMessage`
 * @param {string} text
 */
export function misfit(side, text) {
  const check = ajv.getSchema(`messages#/$defs/${side}`);
  return check(JSON.parse(text)) ? null : `${JSON.parse(text).t}: ${ajv.errorsText(check.errors)}`;
}
