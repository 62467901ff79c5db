/**
 * No request leaves for another host, and nothing is kept.
 */

import assert from "node:assert/strict";
import { test } from "node:test";

import { pair, scene } from "./lib/scene.js";

test("the page asks no other host for anything, keeps nothing, and keeps its policy", () =>
  scene(
    async ({ server, browser }) => {
      const own = new URL(server.url).host;
      const pages = await pair(browser, server.url);
      for (const page of pages) {
        assert.ok(page.requests.length > 5);
        for (const request of page.requests) assert.equal(new URL(request).host, own, request);
        const kept = await page.ask(() => [localStorage.length, sessionStorage.length, document.cookie]);
        assert.deepEqual(kept, [0, 0, ""]);
      }

      const { headers } = await fetch(server.url);
      const policy = headers.get("content-security-policy") ?? "";
      for (const part of [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "frame-ancestors 'none'",
      ]) {
        assert.ok(policy.includes(part), part);
      }
      assert.doesNotMatch(policy, /unsafe|\*|data:/);

      const refused = await pages[0].ask(() => {
        try {
          document.createElement("div").innerHTML = "<b>markup</b>";
          return "";
        } catch (error) {
          return error.name;
        }
      });
      assert.equal(refused, "TypeError", "trusted types keep text from becoming markup");
    },
    { expected: /TrustedHTML|require-trusted-types-for/ },
  ));
