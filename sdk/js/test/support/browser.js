// browser.js - a page in a headless Chromium: a small server for the package, vectors and, as an
// untrusted gateway, everything of a core; and the browser's process.

import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, request as httpRequest } from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

const sdk = fileURLToPath(new URL("../../", import.meta.url));
const TYPES = { ".js": "text/javascript", ".json": "application/json", ".html": "text/html" };
const NAMES = ["chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"];
const TIMEOUT_MS = 60000;

/** The browser's name, or null. TFAAS_CHROMIUM names another. */
export function findBrowser() {
    const names = process.env.TFAAS_CHROMIUM ? [process.env.TFAAS_CHROMIUM] : NAMES;
    return names.find((name) => spawnSync(name, ["--version"], { stdio: "ignore", timeout: 20000 }).status === 0) ?? null;
}

const page = `<!doctype html><meta charset="utf-8"><title>tfaas</title>
<script type="importmap">{"imports": {"@noble/ciphers/": "/sdk/node_modules/@noble/ciphers/",
"@noble/curves/": "/sdk/node_modules/@noble/curves/", "@noble/hashes/": "/sdk/node_modules/@noble/hashes/"}}</script>
<script type="module" src="/sdk/test/support/page.js"></script>`;

/** Runs page.js with `input`; what it reported. `origin`: of a core, whose paths are passed on. */
export async function runPage(browser, origin, input) {
    const result = {};
    const done = new Promise((resolve, reject) => Object.assign(result, { resolve, reject }));
    const server = createServer((request, response) => serve(request, response, origin, input, result));
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    const profile = mkdtempSync(path.join(tmpdir(), "tfaas-browser-"));
    const child = spawn(browser, [
        "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
        "--disable-background-networking", `--user-data-dir=${profile}`, "--remote-debugging-port=0",
        `http://127.0.0.1:${server.address().port}/page`,
    ], { stdio: ["ignore", "ignore", "pipe"], detached: true });
    let said = "";
    child.stderr.on("data", (text) => (said = (said + text).slice(-4000)));
    child.on("exit", (code) => result.reject(new Error(`the browser ended with ${code}: ${said}`)));
    const timer = setTimeout(() => result.reject(new Error(`no report in time: ${said}`)), TIMEOUT_MS);
    try {
        return await done;
    } finally {
        clearTimeout(timer);
        child.removeAllListeners("exit");
        const ended = new Promise((resolve) => child.on("exit", resolve));
        try {
            process.kill(-child.pid, "SIGKILL"); // its own session: only what was started here
            await ended;
        } catch {
            // it is gone
        }
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
        rmSync(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
    }
}

function serve(request, response, origin, input, result) {
    const { pathname } = new URL(request.url, "http://x");
    const send = (type, body) => response.writeHead(200, { "content-type": type }).end(body);
    if (pathname === "/page") return send("text/html", page);
    if (pathname === "/input") return send("application/json", JSON.stringify(input));
    if (pathname === "/done") {
        let text = "";
        request.on("data", (part) => (text += part));
        return request.on("end", () => {
            response.writeHead(204).end();
            result.resolve(JSON.parse(text));
        });
    }
    if (pathname.startsWith("/sdk/")) return sendFile(pathname.slice(5), response, send);
    return passOn(request, response, origin);
}

function sendFile(name, response, send) {
    const full = path.join(sdk, path.normalize(name));
    try {
        if (!full.startsWith(sdk)) throw new Error("outside");
        send(TYPES[path.extname(full)] ?? "application/octet-stream", readFileSync(full));
    } catch {
        response.writeHead(404).end();
    }
}

/** As any gateway between. */
function passOn(request, response, origin) {
    const out = httpRequest(origin + request.url, { method: request.method, headers: { ...request.headers, host: new URL(origin).host } },
                            (answer) => {
                                response.writeHead(answer.statusCode, answer.headers);
                                answer.pipe(response);
                            });
    out.on("error", () => response.destroy());
    request.pipe(out);
}
