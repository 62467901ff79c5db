/**
 * An empty page with its own copy of the SDK, served on port 8000 of loopback until the process ends: for
 * networks from which no page can be fetched.
 */
import { createReadStream } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";

const SDK = join(import.meta.dirname, "../../../crates/web-client/www/sdk");

createServer((request, response) => {
  const name = /^\/sdk\/([a-z-]+\.js)$/.exec(request.url)?.[1];
  response.setHeader("content-type", name ? "text/javascript" : "text/html");
  if (name) createReadStream(join(SDK, name)).pipe(response);
  else response.end('<!doctype html><link rel="icon" href="data:," /><title>Own copy</title>');
}).listen(8_000, "127.0.0.1");
