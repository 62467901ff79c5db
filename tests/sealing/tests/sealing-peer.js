/**
 * One side of a sealing, for a test in another language: a message a line on standard input, as in `seal`
 * frames, and the answers on standard output. Arguments: the role, the session, the link's secret or nothing.
 * What is opened is sealed again and sent back; in the end it says the string.
 */

import { createInterface } from "node:readline";

import { fromBase64url, toBase64url } from "../../../crates/web-client/www/sdk/bytes.js";
import { Sealing } from "../../../crates/web-client/www/sdk/sealing.js";
import { signs } from "../../../crates/web-client/www/sdk/string.js";

const [role, session, secret = ""] = process.argv.slice(2);
const sealing = new Sealing(role, fromBase64url(session), fromBase64url(secret));

if (role === "caller") console.log(toBase64url(await sealing.begin()));
for await (const line of createInterface({ input: process.stdin })) {
  const { send, body } = await sealing.receive(fromBase64url(line));
  if (send) console.log(toBase64url(send));
  if (body) console.log(toBase64url(await sealing.seal({ echo: body })));
}
console.log(
  signs(sealing.sas)
    .map(({ name }) => name)
    .join(" "),
);
