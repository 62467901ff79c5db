/**
 * A network of its own with a firewall that lets out one thing, as some offices, hotels and trains have it: a
 * network namespace, a pair of virtual interfaces, nftables. It needs root, and the addresses are those of
 * documentation (RFC 5737, RFC 3849).
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { CHROMIUM } from "./browser.js";

/** Where the server is, seen from every office. */
export const OUTSIDE = "192.0.2.1";

export class Office {
  /** Where whoever works there is. */
  addresses;
  #name;
  #link;
  #linked = false;
  #folder = mkdtempSync(join(tmpdir(), "ginnel-office-"));

  /**
   * @param {number} place of all offices that there are at a time, from 0
   * @param {"tcp" | "udp"} transport what may leave for port 443; nothing else may at all
   */
  constructor(place, transport) {
    if (process.getuid() !== 0) {
      throw new Error("this test makes network namespaces and firewalls: run it as root");
    }
    this.#name = `ginnel-${process.pid}-${place}`;
    this.#link = `gnl${place}-${process.pid % 1e6}`;
    const [near, far] = [1, 2].map((host) => `198.51.100.${4 * place + host}`);
    const [near_6, far_6] = [1, 2].map((host) => `2001:db8:0:${place + 1}::${host}`);
    this.addresses = [far, far_6];
    ip("netns", "add", this.#name);
    try {
      ip("link", "add", this.#link, "type", "veth", "peer", "name", "out", "netns", this.#name);
      this.#linked = true;
      // One that the system makes up would come a second or two later, and a browser breaks off what it
      // loads then.
      ip("link", "set", this.#link, "addrgenmode", "none");
      ip("-n", this.#name, "link", "set", "out", "addrgenmode", "none");
      ip("address", "add", `${near}/30`, "dev", this.#link);
      ip("address", "add", `${OUTSIDE}/32`, "dev", this.#link);
      ip("address", "add", `${near_6}/64`, "dev", this.#link, "nodad");
      ip("link", "set", this.#link, "up");
      const inside = ["-n", this.#name];
      ip(...inside, "link", "set", "lo", "up");
      ip(...inside, "address", "add", `${far}/30`, "dev", "out");
      ip(...inside, "address", "add", `${far_6}/64`, "dev", "out", "nodad");
      ip(...inside, "link", "set", "out", "up");
      ip(...inside, "route", "add", "default", "via", near);
      ip(...inside, "-6", "route", "add", "default", "via", near_6);
      this.#inside("nft", ["-f", "-"], firewall(transport));
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** What starts a browser inside. */
  get browser() {
    const program = join(this.#folder, "chromium");
    const script = `#!/bin/sh\nexec ip netns exec ${this.#name} ${CHROMIUM} "$@"\n`;
    writeFileSync(program, script, { mode: 0o755 });
    return program;
  }

  /** The command that runs another one inside. */
  command(...args) {
    return ["ip", ["netns", "exec", this.#name, ...args]];
  }

  /** Packets that the firewall has kept inside. */
  kept() {
    const listing = JSON.parse(this.#inside("nft", ["-j", "list", "counter", "inet", "office", "kept"]));
    return listing.nftables.find((entry) => entry.counter).counter.packets;
  }

  close() {
    // The kernel takes the other end along at once; with the namespace it would do so some time later.
    if (this.#linked) ip("link", "delete", this.#link);
    ip("netns", "delete", this.#name);
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #inside(program, args, input = "") {
    const [ip, inside] = this.command(program, ...args);
    return run(ip, inside, input, program === "nft" ? "nftables" : program);
  }
}

function firewall(transport) {
  return `
    table inet office {
      counter kept {}
      chain out {
        type filter hook output priority 0; policy drop;
        oif lo accept
        ${transport} dport 443 accept
        counter name kept
      }
      chain in {
        type filter hook input priority 0; policy drop;
        iif lo accept
        ${transport} sport 443 accept
      }
    }`;
}

function ip(...args) {
  return run("ip", args, "", "iproute2");
}

function run(program, args, input, debian) {
  try {
    return execFileSync(program, args, { input, encoding: "utf8", stdio: "pipe" });
  } catch (error) {
    const remedy = error.code === "ENOENT" ? `; install it: apt-get install ${debian}` : "";
    const said = `${error.stderr ?? error.message}${remedy}`;
    throw new Error(`${program} ${args.join(" ")}: ${said}`, { cause: error });
  }
}
