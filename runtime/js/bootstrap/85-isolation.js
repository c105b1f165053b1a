// Compartments: module "tfaas:isolation", the declarative form in package.json, and what the runtime
// does when it runs inside one. Values cross as data (clone.c); what a compartment answers is never
// called, and none of its objects is seen here.
((native, internals) => {
    const { path, builtins } = internals;
    const { apply, ownKeys, getPrototypeOf } = Reflect;
    const { hasOwn } = Object;
    const isArray = Array.isArray;

    // --- what clone.c asks for, taken before user code can change it ---
    const getTime = Date.prototype.getTime, toString = BigInt.prototype.toString, toBigInt = BigInt;
    const MapOf = Map, mapSet = Map.prototype.set, mapEach = Map.prototype.forEach;
    const SetOf = Set, setAdd = Set.prototype.add, setEach = Set.prototype.forEach;
    internals.clone = {
        time: (date) => apply(getTime, date, []),
        digits: (value) => {
            const negative = value < 0n, text = apply(toString, negative ? -1n - value : value, [16]);
            return (negative ? '-' : '') + (text.length % 2 ? '0' : '') + text;
        },
        number: (hex, negative) => {
            const value = hex ? toBigInt('0x' + hex) : 0n;
            return negative ? -1n - value : value;
        },
        pairs: (map) => {
            const list = [];
            apply(mapEach, map, [(value, key) => { list[list.length] = key; list[list.length] = value; }]);
            return list;
        },
        members: (set) => {
            const list = [];
            apply(setEach, set, [(value) => { list[list.length] = value; }]);
            return list;
        },
        map: () => new MapOf(),
        set: () => new SetOf(),
        put: (map, key, value) => { apply(mapSet, map, [key, value]); },
        add: (set, value) => { apply(setAdd, set, [value]); },
    };

    // --- errors ---
    const CODES = ['', 'TRAPPED', 'MEMORY', 'WORK', 'DEADLINE', 'TOO_LARGE', 'HOSTCALLS', 'BUSY', 'CLOSED', 'LATE',
        'TOO_MANY', 'REFUSED', 'UNAVAILABLE'];
    const failure = (code, message) => Object.assign(new Error(message), { code: `TFAAS_COMPARTMENT_${code}` });
    internals.compartmentError = (number, text) => failure(CODES[number] ?? 'TRAPPED', text || 'the compartment failed');
    const CALL = 0, DESCRIBE = 1, READ = 2; // requests: [what, file or null, path, arguments]
    const VALUE = 0, THROWN = 1, REFUSED = 2, LATER = 3, REJECTED = 4; // answers: [what, value]
    const textOf = (value, size = 4096) => (typeof value === 'string' ? value.slice(0, size) : '');
    // What was thrown inside: an Error of our own that says what the other said.
    const thrown = (data) => {
        const said = typeof data === 'object' && data !== null ? data : {};
        const error = failure('EXCEPTION', textOf(said.message) || 'the compartment threw');
        const name = textOf(said.name, 100);
        if (/^(Type|Range|Syntax|Reference|URI|Eval)Error$/.test(name)) error.name = name;
        error.cause = { name, message: textOf(said.message), code: textOf(said.code, 100), stack: textOf(said.stack) };
        return error;
    };
    const take = (answer, what) => {
        const kind = isArray(answer) && answer.length === 2 ? answer[0] : -1;
        if (kind === VALUE) return answer[1];
        if (kind === THROWN) throw thrown(answer[1]);
        if (kind === REFUSED) throw failure('BAD_VALUE', textOf(answer[1]) || 'the result cannot cross');
        if (kind === LATER && what === CALL) return Promise.resolve(answer[1]);
        if (kind === REJECTED && what === CALL) return Promise.reject(thrown(answer[1]));
        throw failure('TRAPPED', 'the compartment answered with what is no answer');
    };
    const ask = (handle, request) => {
        let answer;
        try { answer = native.compartmentCall(handle, request); } catch (error) {
            if (error instanceof TypeError && error.code === undefined && /^cannot cross/.test(error.message))
                throw failure('BAD_VALUE', error.message);
            throw error;
        }
        return take(answer, request[0]);
    };

    // --- opening ---
    const ROOT = '/function';
    let home = ROOT; // the entry file's folder
    const UNITS = { '': 1, B: 1, KB: 1e3, KIB: 1024, MB: 1 << 20, MIB: 1 << 20, GB: 1 << 30, GIB: 1 << 30 };
    const bytesOf = (value) => {
        const [, digits, unit] = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(String(value)) ?? [];
        const bytes = Math.floor(Number(digits) * UNITS[unit?.toUpperCase()]);
        if (!(bytes > 0)) throw new TypeError(`memory: "${value}" is no size such as "16MB"`);
        return bytes;
    };
    const positive = (value, what) => {
        if (typeof value !== 'number' || !(value >= 1) || value > 1e15) throw new TypeError(`${what}: ${value} is no number from 1 on`);
        return Math.floor(value);
    };
    const grantLines = (grant) => Object.entries(grant).flatMap(([name, value]) => {
        const list = (word) => {
            if (!isArray(value) || !value.every((item) => typeof item === 'string' && !/[\n\0]/.test(item)))
                throw new TypeError(`grant.${name} is a list of names`);
            return value.map((item) => `grant ${word} ${item}`);
        };
        if (name === 'log') return value ? ['grant log'] : [];
        if (name === 'env') return list('env');
        if (name === 'secrets') return list('secret');
        throw failure('REFUSED', `grant: no capability is named "${name}" (there are log, env, secrets)`);
    });
    const packageFolder = (file) => {
        const at = file.lastIndexOf('/node_modules/');
        if (at < 0) return null;
        const parts = file.slice(at + 14).split('/');
        return file.slice(0, at + 14) + (parts[0].startsWith('@') ? parts.slice(0, 2) : parts.slice(0, 1)).join('/');
    };
    // A package and, as its own import would find them, the packages it names as its dependencies.
    const foldersOf = (folder) => {
        const found = [folder];
        for (const each of found) {
            const manifest = internals.manifestOf(each);
            for (const name of Object.keys({ ...manifest?.dependencies, ...manifest?.peerDependencies })) {
                if (!/^(@[a-z0-9~-][a-z0-9._~-]*\/)?[a-z0-9~-][a-z0-9._~-]*$/i.test(name)) continue;
                for (let at = each; at.startsWith(ROOT); at = path.dirname(at)) {
                    const target = `${at}/node_modules/${name}`;
                    if (at.endsWith('/node_modules') || native.fileKind(target) !== 2) continue;
                    if (!found.some((seen) => target === seen || target.startsWith(seen + '/'))) found.push(target);
                    break;
                }
            }
        }
        return found;
    };
    const inPackage = (file) => {
        if (!file.startsWith(ROOT + '/')) throw failure('REFUSED', `${file} is no file of the package`);
        return file.slice(ROOT.length + 1);
    };
    const resolveFile = (specifier) => specifier.endsWith('.wasm') ? path.resolve(home, specifier)
        : internals.resolve(specifier, `${home}/.`, false);
    const describeTo = (file, options) => {
        const folder = packageFolder(file) ?? path.dirname(file);
        const folders = packageFolder(file) ? foldersOf(folder) : `${home}/`.startsWith(`${folder}/`) ? [] : [folder];
        for (const each of options.folders ?? []) folders.push(path.resolve(home, String(each)));
        return ['module ' + inPackage(file), ...folders.map((each) => 'folder ' + inPackage(each)),
            ...(options.name === undefined ? [] : [`name ${String(options.name).replace(/\n/g, ' ')}`]),
            ...(options.memory === undefined ? [] : [`memory ${bytesOf(options.memory)}`]),
            ...(options.work === undefined ? [] : [`work ${positive(options.work, 'work')}`]),
            ...(options.timeout === undefined ? [] : [`timeout ${positive(options.timeout, 'timeout') * 1e6}`]),
            ...grantLines(options.grant ?? {})].join('\n');
    };
    const KNOWN = ['module', 'name', 'memory', 'work', 'timeout', 'grant', 'folders'];
    const checkOptions = (options) => {
        for (const key of Object.keys(options))
            if (!KNOWN.includes(key)) throw new TypeError(`compartment: there is no option "${key}" (${KNOWN.join(', ')})`);
    };
    const open = (file, options) => {
        checkOptions(options);
        return native.compartmentOpen(describeTo(file, options));
    };

    class Compartment {
        #handle; #closed = false;
        constructor(handle) { this.#handle = handle; }
        #use() {
            if (this.#closed) throw failure('CLOSED', 'the compartment is closed');
            return this.#handle;
        }
        call(name, ...values) {
            return ask(this.#use(), [CALL, null, String(name) === '' ? [] : String(name).split('.'), values]);
        }
        get(name) { return ask(this.#use(), [READ, null, String(name).split('.'), null]); }
        callBytes(bytes) { return native.compartmentBytes(this.#use(), bytes); }
        get exports() { return wrappers(this.#use(), null).module; }
        close() { const handle = this.#use(); this.#closed = true; native.compartmentClose(handle); }
    }
    if (Symbol.dispose) Compartment.prototype[Symbol.dispose] = Compartment.prototype.close;
    const compartment = (options) => {
        if (typeof options === 'string') options = { module: options };
        if (typeof options?.module !== 'string') throw new TypeError('compartment({ module, memory, work, timeout, grant, ... })');
        return new Compartment(open(resolveFile(options.module), options));
    };
    builtins['tfaas:isolation'] = { compartment };

    // --- wrappers: a module whose functions call into a compartment ---
    const wrappers = (handle, file) => {
        const described = ask(handle, [DESCRIBE, file, [], null]);
        const { esm, tree } = typeof described === 'object' && described !== null ? described : {};
        const made = new Map();
        const build = (node) => {
            if (typeof node !== 'object' || node === null || !isArray(node.path))
                throw failure('TRAPPED', 'the compartment described its exports wrongly');
            if (made.has(node)) return made.get(node);
            if (hasOwn(node, 'value')) return node.value;
            const names = node.path.slice(0, 16).map((name) => textOf(name));
            const shell = node.callable === true ? (...values) => ask(handle, [CALL, file, names, values]) : {};
            made.set(node, shell);
            if (node.callable === true)
                Object.defineProperty(shell, 'name', { value: names.at(-1) ?? '', configurable: true });
            const members = typeof node.members === 'object' && node.members !== null ? node.members : {};
            for (const name of ownKeys(members))
                Object.defineProperty(shell, name, { value: build(members[name]), enumerable: true, writable: true, configurable: true });
            return shell;
        };
        return { esm: esm === true, module: build(tree) };
    };

    // --- package.json: { "tfaas": { "compartments": { "left-pad": { "memory": "16MB", ... } } } } ---
    let declared = null;
    const cages = new Map(); // package folder -> handle
    const caged = new Map(); // file -> its wrappers
    internals.caged = (file) => {
        if (!declared) return null;
        const folder = packageFolder(file), name = folder?.slice(folder.lastIndexOf('/node_modules/') + 14);
        if (!folder || !hasOwn(declared, name)) return null;
        if (!caged.has(file)) {
            if (!cages.has(folder)) cages.set(folder, { handle: open(file, { name, ...declared[name] }), file });
            const { handle, file: main } = cages.get(folder);
            caged.set(file, wrappers(handle, file === main ? null : file));
        }
        return caged.get(file);
    };
    internals.declareCompartments = (file) => {
        home = path.dirname(file);
        const list = internals.packageScope(home)[1]?.tfaas?.compartments;
        if (list === undefined) return;
        if (typeof list !== 'object' || list === null || isArray(list))
            throw new TypeError('package.json: tfaas.compartments is an object: a dependency and its limits');
        for (const [name, options] of Object.entries(list)) {
            if (typeof options !== 'object' || options === null || isArray(options) || hasOwn(options, 'module'))
                throw new TypeError(`package.json: tfaas.compartments["${name}"] is an object without "module"`);
            checkOptions(options);
        }
        declared = list;
    };

    // --- inside a compartment ---
    const NAMES_MAX = 5000, DEPTH_MAX = 4;
    let main;
    const exportsOf = (file) => (file === null ? main : { module: internals.requireFile(file), esm: false });
    const namesOf = (value) => {
        const names = new Set(ownKeys(value).filter((key) => typeof key === 'string' &&
            (Object.getOwnPropertyDescriptor(value, key)?.enumerable ?? false)));
        // methods of the class that an exported object is of
        for (let at = getPrototypeOf(value), i = 0; at && i < 4 && at !== Object.prototype && at !== Function.prototype &&
            at !== Array.prototype; at = getPrototypeOf(at), i++)
            for (const key of ownKeys(at))
                if (typeof key === 'string' && key !== 'constructor' &&
                    typeof Object.getOwnPropertyDescriptor(at, key)?.value === 'function') names.add(key);
        return names;
    };
    const describe = (file) => {
        const { module, esm } = exportsOf(file), nodes = new Map();
        let count = 0;
        const visit = (value, names) => {
            const callable = typeof value === 'function';
            if (!callable && (typeof value !== 'object' || value === null)) return { path: names, value };
            if (nodes.has(value)) return nodes.get(value);
            const node = { path: names, callable };
            nodes.set(value, node);
            const plain = callable || !isArray(value);
            if (!plain) return Object.assign(node, { value: null, callable: false }, crosses(value) ? { value } : {});
            const members = {};
            if (names.length < DEPTH_MAX)
                for (const name of namesOf(value)) {
                    if (++count > NAMES_MAX) break;
                    let each;
                    try { each = value[name]; } catch { continue; }
                    if (typeof each === 'symbol') continue;
                    Object.defineProperty(members, name, { value: visit(each, [...names, name]), enumerable: true });
                }
            node.members = members;
            return node;
        };
        return [VALUE, { esm, tree: visit(module, []) }];
    };
    const crosses = (list) => list.every((item) => typeof item !== 'function' && typeof item !== 'symbol' && typeof item !== 'object');
    const said = (error) => {
        const read = (name) => { try { return String(error[name] ?? ''); } catch { return ''; } };
        if ((typeof error === 'object' && error !== null) || typeof error === 'function')
            return { name: read('name'), message: read('message'), code: read('code'), stack: read('stack') };
        let message;
        try { message = String(error); } catch { message = ''; }
        return { name: '', message, code: '', stack: '' };
    };
    internals.refusal = (error) => [REFUSED, said(error).message];
    internals.serve = (request) => {
        const [what, file, names, values] = request;
        try {
            if (what === DESCRIBE) return describe(file);
            let owner, value = exportsOf(file).module;
            for (const name of names) {
                owner = value;
                value = value?.[name];
            }
            if (what === READ) return [VALUE, value];
            if (typeof value !== 'function') throw new TypeError(`the module exports no function "${names.join('.')}"`);
            const result = apply(value, owner, values);
            if (!(result instanceof Promise)) return [VALUE, result];
            return result.then((later) => [LATER, later], (error) => [REJECTED, said(error)]);
        } catch (error) {
            if (internals.isOutOfMemory(error)) throw error;
            return [THROWN, said(error)];
        }
    };
    internals.isOutOfMemory = (error) => error === null || (error instanceof Error && error.message === 'out of memory');
    internals.startCompartment = async (entry) => {
        Object.assign(process.env, native.environment());
        home = path.dirname(entry);
        const file = internals.resolve(entry, `${home}/.`, false), esm = internals.isEsmFile(file);
        main = { module: esm ? await native.importModule('/', file) : internals.requireFile(file), esm };
        return undefined;
    };
})
