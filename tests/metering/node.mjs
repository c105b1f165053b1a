// node.mjs - runs modules and their metered forms, each in fresh instances; prints a JSON list.
// Argument: a JSON file, a list of {plain, metered, initial, offset, size, argument}. It judges
// nothing.
import { readFileSync } from "node:fs";

class Exit extends Error {}

function outcome(error) {
  if (error instanceof Exit) return "exit";
  if (error instanceof RangeError) return "stack overflow";
  if (error instanceof WebAssembly.RuntimeError) return "trap";
  throw error;
}

function execute(task, metered) {
  const seen = [];
  let instance;
  const work = () => instance.exports["tfaas:work"].value;
  const env = {
    host(x) {
      if (metered) seen.push(String(work()));
      return (x * 5 + 1) | 0;
    },
    exit() {
      throw new Exit("exit");
    },
  };
  instance = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(metered ? task.metered : task.plain)), { env });
  const exports = instance.exports;
  if (metered && task.size > 0)
    new Uint8Array(exports.memory.buffer).set(readFileSync(task.initial), task.offset);
  if (metered && exports["tfaas:start"]) exports["tfaas:start"]();
  const answer = { outcome: "returned", result: 0 };
  try {
    answer.result = exports.run(task.argument);
  } catch (error) {
    answer.outcome = outcome(error);
  }
  if (metered) {
    answer.work = String(work());
    answer.seen = seen;
  }
  if (exports.memory) {
    let hash = 0;
    for (const byte of new Uint8Array(exports.memory.buffer)) hash = (hash * 31 + byte) | 0;
    answer.memory = [exports.memory.buffer.byteLength, hash];
  }
  return answer;
}

function compare(task) {
  try {
    return {
      plain: execute(task, false),
      first: execute(task, true),
      second: execute(task, true),
    };
  } catch (error) {
    return { error: String(error) };
  }
}

const tasks = JSON.parse(readFileSync(process.argv[2]));
process.stdout.write(JSON.stringify(tasks.map(compare)));
