// The example of README.md runs as it stands there.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { utf8 } from "../src/bytes.js";
import { CODES } from "../src/index.js";
import { TestCore } from "./support/core.js";

const here = new URL("..", import.meta.url);
const read = (name) => readFileSync(new URL(name, here), "utf8");

test("the example of README.md", async () => {
    const core = await (await TestCore.make()).listen();
    core.handler = async ({ body }) => ({ status: 200, fields: [], body: utf8(`hello ${new TextDecoder().decode(body)}`) });
    const [, code] = /```js\n([^]*?)```/.exec(read("README.md"));
    const folder = mkdtempSync(path.join(tmpdir(), "tfaas-readme-"));
    try {
        const file = path.join(folder, "example.mjs");
        writeFileSync(file, code.replace('"@tfaas/client"', JSON.stringify(new URL("src/index.js", here).href))
            .replace(/^const client/m, "export const said = [];\nconst { url, policy } = globalThis.example;\nconst client")
            .replaceAll("console.log(", "said.push(").replaceAll("console.error(", "said.push("));
        globalThis.example = { url: core.url, policy: core.policy };
        const { said } = await import(pathToFileURL(file));
        assert.deepEqual(said.slice(0, 2), [200, "hello world"]);
        assert.equal(said[2], `package ${core.package} did 1 units of work`);
    } finally {
        rmSync(folder, { recursive: true });
        await core.close();
    }
});

test("codes: errors.js, the types and libtfaas have the same", () => {
    const ours = Object.keys(CODES);
    const types = /type ErrorCode =([^;]*);/.exec(read("src/index.d.ts"))[1].match(/[a-z_]+/g);
    assert.deepEqual(types, ours);
    const header = /#define TFAAS_CLIENT_ERROR_LIST\(X\)([^]*?)\n\n/.exec(read("../../include/tfaas/client.h"))[1];
    const theirs = [...header.matchAll(/X\((\w+), \d+,\s*"([^"]*)"\)/g)].map(([, name, sentence]) => [name.toLowerCase(), sentence]);
    assert.ok(theirs.length > 40);
    assert.deepEqual(Object.entries(CODES).filter(([code]) => code !== "engine_lacks"),
                     theirs.filter(([code]) => code !== "ok"));
});
