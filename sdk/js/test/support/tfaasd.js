// tfaasd.js - a real tfaasd on a free loopback port with its own state folder, ended with the tests.
// TFAASD names the program; else it is build/tfaasd. TENDER=kvm: its cores are virtual machines.

import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

const repository = fileURLToPath(new URL("../../../..", import.meta.url));
export const program = process.env.TFAASD ?? path.join(repository, "build", "tfaasd");
const tender = process.env.TENDER || "process";
const tfaas = path.join(repository, "build", "tfaas");
const beside = (name) => path.join(path.dirname(program), name);

/** Why no tfaasd can be had here; false: it can. */
export function missing() {
    if (![program, beside("tfaas-core"), tfaas].every(existsSync)) return `${program} is not built`;
    return tender === "kvm" && !existsSync("/dev/kvm") ? "no /dev/kvm" : false;
}

function freePort() {
    return new Promise((resolve, reject) => {
        const probe = createServer().on("error", reject).listen(0, "127.0.0.1", () => {
            const { port } = probe.address();
            probe.close(() => resolve(port));
        });
    });
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** A plain tar (ustar) of { name: text }. */
function tar(files) {
    const blocks = [];
    for (const [name, content] of Object.entries(files)) {
        const data = Buffer.from(content), head = Buffer.alloc(512);
        head.write(name, 0);
        head.write("0000644\0" + "0000000\0".repeat(2) + data.length.toString(8).padStart(11, "0") + "\0" +
                   "00000000000\0" + "        0", 100);
        head.write("ustar\0" + "00", 257);
        const sum = head.reduce((total, byte) => total + byte, 0);
        head.write(sum.toString(8).padStart(6, "0") + "\0 ", 148);
        blocks.push(head, data, Buffer.alloc((512 - (data.length % 512)) % 512));
    }
    return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

export class Tfaasd {
    static async start(...more) {
        const self = new Tfaasd();
        self.folder = mkdtempSync(path.join(tmpdir(), "tfaas-sdk-"));
        const port = await freePort();
        self.url = `http://127.0.0.1:${port}`;
        const log = openSync(path.join(self.folder, "log"), "a");
        self.child = spawn(program, ["--listen", `127.0.0.1:${port}`, "--state", path.join(self.folder, "state"),
                                     "--tender", tender, ...more], { stdio: ["ignore", log, log] });
        self.ended = new Promise((resolve) => self.child.on("exit", resolve));
        for (let i = 0; i < 600; i++) {
            if (self.child.exitCode !== null) break;
            const ready = await fetch(`${self.url}/healthz`).then(({ status }) => status === 200, () => false);
            if (ready) return self;
            await pause(50);
        }
        const said = self.log();
        await self.stop();
        throw new Error(`tfaasd did not start: ${said}`);
    }

    log() {
        return readFileSync(path.join(this.folder, "log"), "utf8").slice(-4000);
    }

    async stop() {
        this.child.kill("SIGTERM");
        const timer = setTimeout(() => this.child.kill("SIGKILL"), 15000);
        await this.ended;
        clearTimeout(timer);
        rmSync(this.folder, { recursive: true, force: true });
    }

    /** Of the core's file: what evidence of the software root measures. */
    get policy() {
        const said = execFileSync(tfaas, ["core", "measure", beside("tfaas-core"), "--tender", tender], { encoding: "utf8" });
        return { version: 1, cores: [said.slice(0, 96)], allow_simulated: true };
    }

    async #admin(method, where, body, type) {
        const response = await fetch(this.url + where, { method, body, headers: { "content-type": type } });
        const text = await response.text();
        if (!response.ok) throw new Error(`${method} ${where}: ${response.status} ${text}`);
        return text;
    }

    /** Returns the package's digest. */
    async deploy(name, source, namespace) {
        const said = await this.#admin("PUT", `/packages/${name}:latest`, tar({ "handler.js": source }), "application/x-tar");
        await this.#admin("POST", "/system/functions",
                          JSON.stringify({ service: name, image: `${name}:latest`, namespace }), "application/json");
        return /[0-9a-f]{64}/.exec(said)?.[0];
    }

    /** Deploys a package that is there already, or puts it in place of the function there. */
    deployImage(name, image, more = {}) {
        return this.#admin("POST", "/system/functions", JSON.stringify({ service: name, image, ...more }), "application/json");
    }

    putSecret(name, bytes) {
        return this.#admin("POST", "/system/secrets",
                           JSON.stringify({ name, rawValue: Buffer.from(bytes).toString("base64") }), "application/json");
    }

    /** The bytes of a package, out of the state folder. */
    readPackage(digest) {
        return new Uint8Array(readFileSync(path.join(this.folder, "state", "packages", digest)));
    }

    putSealedPackage(image, object) {
        return this.#admin("PUT", `/packages/${image}`, object, "application/octet-stream");
    }

    /** [{ name, text, ... }], after a moment in which the last line may still come. */
    async logs(name) {
        await pause(300);
        const text = await (await fetch(`${this.url}/system/logs?name=${name}`)).text();
        return text.trim().split("\n").filter(Boolean).map((line) => JSON.parse(line));
    }

    addNamespace(name) {
        return this.#admin("POST", `/system/namespace/${name}`, JSON.stringify({ name, annotations: { openfaas: "1" } }),
                           "application/json");
    }
}
