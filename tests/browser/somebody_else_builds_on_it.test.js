/**
 * The package as somebody else meets it: packed, installed into an empty folder, and there the smallest chat
 * of its README, checked as TypeScript, run with bundlers and without. The server asks everybody for work.
 */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { after, before, test } from "node:test";

import { build } from "esbuild";
import { build as buildByVite, createServer as serveByVite } from "vite";

import { scene } from "./lib/scene.js";

const CLIENT = join(import.meta.dirname, "../../crates/web-client/client");
const TSC = join(CLIENT, "../node_modules/typescript/bin/tsc");
const TYPES = { ".js": "text/javascript", ".html": "text/html" };
/** What a browser says of a worker's file that a bundler left behind, or a policy that allows none. */
const NO_WORKER = /proof-worker\.js|worker-src|Content Security Policy/;

const folder = mkdtempSync(join(tmpdir(), "ginnel-somebody-else-"));
const { page, program, second_entry } = readme();
let pages, origin, vite;

before(async () => {
  const [{ filename }] = JSON.parse(npm(CLIENT, "pack", "--json", "--pack-destination", folder));
  writeFileSync(join(folder, "package.json"), '{"private": true, "type": "module"}');
  npm(folder, "install", "--offline", "--no-audit", "--no-fund", `./${filename}`);
  pages = createServer(serve).listen(0, "127.0.0.1");
  await once(pages, "listening");
  origin = `http://localhost:${pages.address().port}`;
  const root = join(folder, "development");
  prepare(root);
  cpSync(join(folder, "node_modules"), join(root, "node_modules"), { recursive: true });
  const server = { host: "localhost", port: 0 };
  vite = await serveByVite({ root, configFile: false, logLevel: "error", server });
  await vite.listen();
});

after(async () => {
  await vite.close();
  pages.close();
  pages.closeAllConnections();
  rmSync(folder, { recursive: true, force: true });
});

test("it is strict TypeScript, as bundlers and as Node resolve it", () => {
  writeFileSync(join(folder, "chat.ts"), program);
  const options = ["--noEmit", "--strict", "--exactOptionalPropertyTypes", "--target", "ES2022"];
  const library = ["--lib", "ES2022,DOM,DOM.Iterable"];
  for (const how of [
    ["--module", "esnext", "--moduleResolution", "bundler"],
    ["--module", "nodenext"],
  ]) {
    execFileSync(process.execPath, [TSC, ...options, ...library, ...how, "chat.ts"], { cwd: folder });
  }
});

test("it works without a bundler", () => talks("plain", /\/dist\/proof-worker\.js$/));

test("it works with esbuild, which leaves the worker's file behind", () =>
  talks("esbuild", /^blob:/, { expected: NO_WORKER }));

test("it works with esbuild and the worker as a second entry point", () =>
  talks("second", /\/second\/proof-worker\.js$/));

test("it works in Vite's development server", () =>
  talks("development", /\/dist\/proof-worker\.js/, { at: vite.resolvedUrls.local[0], expected: /favicon/ }));

test("it works with Vite, which takes the worker along", () =>
  talks("vite", /\/vite\/assets\/proof-worker-[\w-]+\.js$/));

test("it works where the page's policy allows no worker at all", () =>
  talks("esbuild", null, { expected: NO_WORKER, policy: "worker-src 'none'" }));

/** How each is made out of the README's two files, in a folder of its own. */
const BUILDS = {
  plain: (from, to) => {
    cpSync(from, to, { recursive: true });
    cpSync(join(folder, "node_modules"), join(to, "node_modules"), { recursive: true });
  },
  esbuild: async (from, to) => {
    const outfile = join(to, "chat.js");
    await build({ entryPoints: [join(from, "chat.js")], bundle: true, format: "esm", minify: true, outfile });
    cpSync(join(from, "index.html"), join(to, "index.html"));
  },
  // As the README says it, by the command.
  second: (from, to) => {
    const [command, ...args] = second_entry.split(" ");
    symlinkSync(join(folder, "node_modules"), join(from, "node_modules"));
    execFileSync(join(import.meta.dirname, "node_modules/.bin", command), [...args, "--log-level=error"], {
      cwd: from,
    });
    cpSync(join(from, "out"), to, { recursive: true });
    cpSync(join(from, "index.html"), join(to, "index.html"));
  },
  // The server has been there from the beginning, and finds another file.
  development: (from, to) => cpSync(from, to, { recursive: true }),
  vite: async (from, to) => {
    await buildByVite({ root: from, base: "./", logLevel: "error", build: { outDir: to } });
  },
};

/** Two people open what was built and write to each other; the work was done by `worker`. */
async function talks(how, worker, { expected, policy, at = `${origin}/${how}/` } = {}) {
  const configuration = `[server]\norigins = ["${new URL(at).origin}"]\n[match]\nwork_bits = 14\n`;
  await scene(
    async ({ server, browser }) => {
      const from = join(folder, `${how}-source`);
      prepare(from, server.url);
      await BUILDS[how](from, join(folder, how));
      const url = `${at}index.html${policy ? `?policy=${encodeURIComponent(policy)}` : ""}`;
      const people = [await browser.visit(url), await browser.visit(url)];
      for (const person of people) await person.sees("connected");
      for (const { workers } of people) {
        if (worker) assert.match(workers.at(-1), worker);
        else assert.deepEqual(workers, []);
      }
      // A development server may load a page a second time.
      assert.ok((await server.metric("ginnel_signal_challenges_total")) >= 2);
      await people[0].write("good evening");
      await people[1].sees("Partner: good evening");
    },
    { configuration, expected },
  );
}

/** The README's two files, for this server. */
function prepare(from, url = "https://chat.example.org/") {
  mkdirSync(from, { recursive: true });
  writeFileSync(join(from, "index.html"), page);
  writeFileSync(join(from, "chat.js"), program.replace("https://chat.example.org/", url));
}

/** What the README shows: two files and a command. */
function readme() {
  const text = readFileSync(join(CLIENT, "README.md"), "utf8");
  const block = (language) => new RegExp(`\`\`\`${language}\n([^]*?)\`\`\``).exec(text)[1];
  const [, second_entry] = /^ {4}(esbuild .*)$/m.exec(text);
  return { page: block("html"), program: block("js"), second_entry };
}

function npm(cwd, ...args) {
  return execFileSync("npm", args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

/** The folder's files, with the policy that the URL asks for. */
function serve({ url }, answer) {
  const { pathname, searchParams } = new URL(url, origin);
  const file = join(folder, pathname);
  // A browser asks for an icon by itself.
  if (!existsSync(file)) return answer.writeHead(extname(file) === ".ico" ? 204 : 404).end();
  const policy = searchParams.get("policy");
  if (policy) answer.setHeader("content-security-policy", policy);
  answer.setHeader("content-type", TYPES[extname(file)]);
  answer.end(readFileSync(file));
}
