/**
 * A certificate for localhost that one browser profile trusts: with TURN over TLS nobody can click a warning
 * away.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export class Authority {
  #folder = mkdtempSync(join(tmpdir(), "ginnel-authority-"));

  /** @param {string[]} addresses for which the certificate stands besides this machine */
  constructor(addresses = []) {
    const at = (name) => join(this.#folder, name);
    const names = at("names");
    const stands = ["DNS:localhost", "IP:127.0.0.1", ...addresses.map((address) => `IP:${address}`)];
    writeFileSync(names, `subjectAltName=${stands.join(",")}\n`);
    const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    const openssl = (...args) => run("openssl", args, "openssl");
    const root = ["-x509", "-days", "2", "-subj", "/CN=ginnel test"];
    openssl("req", ...root, ...key, "-keyout", at("ca.key"), "-out", at("ca.pem"));
    openssl("req", ...key, "-subj", "/CN=localhost", "-keyout", at("key.pem"), "-out", at("request.pem"));
    const signer = ["-CA", at("ca.pem"), "-CAkey", at("ca.key"), "-CAcreateserial"];
    const leaf = ["-in", at("request.pem"), "-days", "2", "-extfile", names];
    openssl("x509", "-req", ...leaf, ...signer, "-out", at("cert.pem"));
    const store = join(this.home, ".pki/nssdb");
    mkdirSync(store, { recursive: true });
    const certutil = (...args) => run("certutil", ["-d", `sql:${store}`, ...args], "libnss3-tools");
    certutil("-N", "--empty-password");
    certutil("-A", "-t", "C,,", "-n", "ginnel test", "-i", at("ca.pem"));
  }

  /** The HOME of a browser that trusts it. */
  get home() {
    return join(this.#folder, "home");
  }

  /** Lines of the server's configuration. */
  get configuration() {
    const file = (name) => JSON.stringify(join(this.#folder, name));
    return `[tls]\nmode = "files"\ncertificate = ${file("cert.pem")}\nkey = ${file("key.pem")}\n`;
  }

  close() {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function run(program, args, debian) {
  try {
    execFileSync(program, args, { stdio: "pipe" });
  } catch (error) {
    const remedy = error.code === "ENOENT" ? `; install it: apt-get install ${debian}` : "";
    throw new Error(`${program}: ${error.stderr ?? error.message}${remedy}`, { cause: error });
  }
}
