/**
 * The package: what it holds, that a bundler and Node take it, and that its examples fit its types.
 */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";

import { build } from "esbuild";

const ROOT = join(import.meta.dirname, "..");
const PACKAGE = join(ROOT, "client");
const README = readFileSync(join(PACKAGE, "README.md"), "utf8");
const EXAMPLES = ["room.js", "stranger.js"];

test("the package is whole, small, and works with a bundler and without", async () => {
  execFileSync(process.execPath, [join(PACKAGE, "build.js")]);
  const { dependencies, exports } = JSON.parse(readFileSync(join(PACKAGE, "package.json"), "utf8"));
  assert.equal(dependencies, undefined);

  const module = await import(pathToFileURL(join(PACKAGE, exports["."].default)));
  const types = readFileSync(join(PACKAGE, exports["."].types), "utf8");
  const names = Object.getOwnPropertyNames(module.Ginnel.prototype);
  const methods = names.filter((name) => name !== "constructor");
  const described = rows("Methods").map((cell) => /^(?:new )?(\w+)/.exec(cell)[1]);
  assert.deepEqual(described.sort(), ["Ginnel", "on", ...methods].sort(), "the README has each of them");
  for (const name of methods) assert.match(types, new RegExp(`^ {4}(get )?${name}\\(`, "m"));
  const events = [...types.matchAll(/^ \* \| `(\w+)` \|/gm)].map(([, name]) => name);
  assert.deepEqual(rows("Events"), [...new Set(events)]);

  // The examples stand in the package and import it by its name, as its users do.
  const examples = EXAMPLES.map((example) => join(PACKAGE, "examples", example));
  for (const example of examples) {
    const { errors, warnings, outputFiles } = await build({
      entryPoints: [example],
      bundle: true,
      format: "esm",
      minify: true,
      write: false,
    });
    assert.deepEqual([errors, warnings], [[], []]);
    assert.ok(outputFiles[0].contents.length < 60_000, `${outputFiles[0].contents.length} bytes`);
    assert.doesNotMatch(outputFiles[0].text, /^import /m);
  }
  execFileSync(process.execPath, [
    join(ROOT, "node_modules/typescript/bin/tsc"),
    ...["--noEmit", "--allowJs", "--checkJs", "--strict", "--target", "ES2022", "--module", "preserve"],
    ...["--lib", "ES2022,DOM,DOM.Iterable"],
    ...examples,
  ]);
});

/** What stands in the first column of a section's table. */
function rows(title) {
  const section = README.split(`\n## ${title}\n`)[1].split("\n## ")[0];
  return [...section.matchAll(/^\| `([^`]+)`/gm)].map(([, cell]) => cell);
}
