// Modules: node's resolution over the package's read-only files, CommonJS, JSON and ECMAScript
// modules, and the search for the handler. Paths are absolute.
((native, internals) => {
    const { path, builtins } = internals;
    const FILE = 1, DIRECTORY = 2;
    const isFile = (file) => native.fileKind(file) === FILE;
    const isDirectory = (file) => native.fileKind(file) === DIRECTORY;
    const readText = (file) => {
        const text = native.readText(file);
        if (typeof text === 'number') throw new Error(`cannot read ${file} (WASI errno ${text})`);
        return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
    };
    const parseJson = (file) => {
        try { return JSON.parse(readText(file)); } catch (error) {
            throw new SyntaxError(`${file}: ${error.message}`);
        }
    };

    const manifests = new Map();
    const manifestOf = (folder) => {
        if (!manifests.has(folder)) {
            const file = `${folder === '/' ? '' : folder}/package.json`;
            manifests.set(folder, isFile(file) ? parseJson(file) : null);
        }
        return manifests.get(folder);
    };
    // The nearest package.json at or above a folder: [folder, manifest]
    const packageScope = (folder) => {
        for (;;) {
            const manifest = manifestOf(folder);
            if (manifest) return [folder, manifest];
            if (folder === '/' || folder.endsWith('/node_modules')) return [folder, null];
            folder = path.dirname(folder);
        }
    };

    const notFound = (specifier, from, why = '') => Object.assign(
        new Error(`Cannot find module '${specifier}' from ${from}${why}`), { code: 'MODULE_NOT_FOUND' });
    const EXTENSIONS = ['.js', '.json', '.mjs', '.cjs'];
    const asFile = (base) => {
        if (isFile(base)) return base;
        for (const extension of EXTENSIONS) if (isFile(base + extension)) return base + extension;
        return null;
    };
    const asFolder = (folder, esm) => {
        if (!isDirectory(folder)) return null;
        const manifest = manifestOf(folder);
        const main = (esm && manifest?.module) || manifest?.main;
        if (typeof main === 'string') {
            const target = path.join(folder, main);
            const found = asFile(target) ?? asFile(path.join(target, 'index'));
            if (found) return found;
        }
        return asFile(`${folder}/index`);
    };

    // package.json "exports" and "imports": conditions, subpaths, one "*".
    const pickTarget = (target, conditions, star) => {
        if (typeof target === 'string') return target.replaceAll('*', () => star);
        if (Array.isArray(target)) {
            for (const each of target) { const found = pickTarget(each, conditions, star); if (found) return found; }
            return null;
        }
        if (target === null || typeof target !== 'object') return null;
        for (const [condition, value] of Object.entries(target))
            if (conditions.includes(condition)) { const found = pickTarget(value, conditions, star); if (found) return found; }
        return null;
    };
    const pickSubpath = (table, key, conditions) => {
        if (Object.hasOwn(table, key) && !key.includes('*')) return pickTarget(table[key], conditions, '');
        let best = null;
        for (const pattern of Object.keys(table)) {
            const [head, tail] = pattern.split('*');
            if (tail === undefined || !key.startsWith(head) || !key.endsWith(tail) || key.length < pattern.length) continue;
            if (!best || head.length > best.head.length) best = { head, tail, pattern };
        }
        return best && pickTarget(table[best.pattern], conditions,
            key.slice(best.head.length, key.length - best.tail.length));
    };
    const conditionsFor = (esm) => [esm ? 'import' : 'require', 'workerd', 'worker', 'node', 'default'];
    const fromExports = (folder, manifest, subpath, esm, shown, from) => {
        const table = typeof manifest.exports === 'string' || Array.isArray(manifest.exports) ||
            !Object.keys(manifest.exports).some((key) => key.startsWith('.')) ? { '.': manifest.exports } : manifest.exports;
        const target = pickSubpath(table, subpath, conditionsFor(esm));
        if (!target?.startsWith('./') || target.split('/').includes('..'))
            throw notFound(shown, from, `: the package does not export "${subpath}"`);
        return path.join(folder, target);
    };
    const fromPackage = (specifier, from, esm) => {
        const parts = specifier.split('/');
        const name = specifier.startsWith('@') ? parts.slice(0, 2).join('/') : parts[0];
        const rest = specifier.slice(name.length);
        const [scope, own] = packageScope(path.dirname(from));
        if (own?.name === name && own.exports != null) return fromExports(scope, own, '.' + rest, esm, specifier, from);
        for (let folder = path.dirname(from); ; folder = path.dirname(folder)) {
            const home = `${folder === '/' ? '' : folder}/node_modules/${name}`;
            if (!folder.endsWith('/node_modules') && isDirectory(home)) {
                const manifest = manifestOf(home);
                if (manifest?.exports != null) return fromExports(home, manifest, '.' + rest, esm, specifier, from);
                const found = rest ? asFile(home + rest) ?? asFolder(home + rest, esm) : asFolder(home, esm);
                if (found) return found;
                throw notFound(specifier, from);
            }
            if (folder === '/') return null;
        }
    };
    const resolve = (specifier, from, esm) => {
        if (specifier.startsWith('node:') || Object.hasOwn(builtins, specifier)) {
            const name = specifier.replace(/^node:/, '');
            if (!Object.hasOwn(builtins, name)) throw notFound(specifier, from, ': this built-in module of node is not available');
            return `node:${name}`;
        }
        let found = null;
        if (specifier.startsWith('file:')) specifier = decodeURIComponent(new URL(specifier).pathname);
        if (/^(\/|\.\.?(\/|$))/.test(specifier)) {
            const target = path.resolve(path.dirname(from), specifier);
            found = (specifier.endsWith('/') ? null : asFile(target)) ?? asFolder(target, esm);
        } else if (specifier.startsWith('#')) {
            const [folder, manifest] = packageScope(path.dirname(from));
            const target = manifest?.imports && pickSubpath(manifest.imports, specifier, conditionsFor(esm));
            found = target?.startsWith('./') ? path.join(folder, target) : target ? resolve(target, `${folder}/package.json`, esm) : null;
        } else {
            found = fromPackage(specifier, from, esm);
        }
        if (!found) throw notFound(specifier, from);
        return found;
    };

    // --- kinds of file ---
    const LOOKS_ESM = /^\s*(import|export)\b/m;
    const wrap = (source) => `(function (exports, require, module, __filename, __dirname) {\n${source.replace(/^#!.*/, '')}\n})`;
    const isEsm = (file, source) => {
        if (file.endsWith('.mjs')) return true;
        if (file.endsWith('.cjs')) return false;
        const type = packageScope(path.dirname(file))[1]?.type;
        if (type === 'module') return true;
        if (type === 'commonjs') return false;
        return /\b(await|import|export)\b/.test(source) && !compiles(source) &&
            (native.isModuleSource(source) || LOOKS_ESM.test(source));
    };
    const compiles = (source) => { try { native.compile(wrap(source), 'tfaas:probe'); return true; } catch { return false; } };

    // --- CommonJS ---
    const cache = Object.create(null);
    class Module {
        constructor(id, parent) {
            Object.assign(this, { id, filename: id, loaded: false, exports: {}, children: [], paths: [] });
            Object.defineProperty(this, 'parent', { value: parent, enumerable: false });
        }
    }
    let main;
    const makeRequire = (module) => Object.assign((specifier) => {
        if (typeof specifier !== 'string') throw new TypeError('require takes a string');
        return requireFile(resolve(specifier, module.filename, false), module);
    }, { resolve: (specifier) => resolve(specifier, module.filename, false), cache, main, extensions: {} });
    const requireFile = (file, parent) => {
        if (file.startsWith('node:')) return builtins[file.slice(5)];
        const cage = internals.caged(file);
        if (cage) return cage.module;
        if (cache[file]) return cache[file].exports;
        const module = new Module(file, parent);
        cache[file] = module;
        main ??= module;
        try {
            if (file.endsWith('.json')) module.exports = parseJson(file);
            else runCommonJs(module, file);
        } catch (error) {
            delete cache[file];
            throw error;
        }
        module.loaded = true;
        return module.exports;
    };
    const runCommonJs = (module, file) => {
        const source = readText(file);
        if (isEsm(file, source)) {
            module.exports = requireEsm(file);
            return;
        }
        const run = native.compile(wrap(source), file);
        run.call(module.exports, module.exports, makeRequire(module), module, file, path.dirname(file));
    };
    // require() of an ECMAScript module works when it has no top-level await that waits.
    const requireEsm = (file) => {
        const promise = native.importModule('/', file);
        native.runJobs();
        return native.settled(promise, `require() of the ECMAScript module ${file}, which awaits, is not possible: import it`);
    };
    builtins.module = { createRequire: (from) => makeRequire(new Module(from instanceof URL || String(from).startsWith('file:')
        ? decodeURIComponent(new URL(from).pathname) : String(from))), builtinModules: Object.keys(builtins),
        isBuiltin: (name) => Object.hasOwn(builtins, name.replace(/^node:/, '')) };

    // --- hooks of the ECMAScript module loader (module.c) ---
    const names = (value) => {
        if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return [];
        return Object.keys(value).filter((name) => name !== 'default');
    };
    const exportsOf = (value) => {
        const exports = { default: value };
        for (const name of names(value))
            Object.defineProperty(exports, name, { value: value[name], enumerable: true });
        return exports;
    };
    internals.isEsmFile = (file) => !file.endsWith('.json') && isEsm(file, readText(file));
    internals.requireFile = (file) => requireFile(file, null);
    Object.assign(internals, { resolve, manifestOf, packageScope });
    // code of eval() and Function() has no file: it imports as if it stood beside the entry
    internals.resolveImport = (base, specifier) => resolve(specifier, base.startsWith('/') ? base : path.join(path.dirname(process.argv[1] ?? '/function/'), 'eval'), true);
    internals.loadImport = (file) => {
        if (file.startsWith('node:')) return exportsOf(builtins[file.slice(5)]);
        const cage = internals.caged(file);
        if (cage) return cage.esm ? cage.module : exportsOf(cage.module);
        if (file.endsWith('.json')) return { default: parseJson(file) };
        const source = readText(file);
        return isEsm(file, source) ? source : exportsOf(requireFile(file, main));
    };
    internals.setImportMeta = (meta, file) => {
        Object.assign(meta, { url: 'file://' + file, filename: file, dirname: path.dirname(file),
            resolve: (specifier) => { const found = resolve(specifier, file, true); return found.startsWith('node:') ? found : 'file://' + found; } });
    };

    // --- the handler ---
    const OPENFAAS = 1, FETCH = 2;
    const fetchForm = (handler, owner) => ({ form: FETCH, ...internals.fetchForm(handler, owner) });
    const openfaasForm = (handler, owner) => ({ form: OPENFAAS, handler, owner });
    const findHandler = (exported, esm) => {
        if (!esm && typeof exported === 'function') return openfaasForm(exported, undefined);
        if ((typeof exported !== 'object' && typeof exported !== 'function') || exported === null) return null;
        const byDefault = exported.default;
        for (const owner of [byDefault, exported])
            if (owner != null && typeof owner.fetch === 'function') return fetchForm(owner.fetch, owner);
        if (typeof byDefault === 'function')
            return esm ? fetchForm(byDefault, undefined) : openfaasForm(byDefault, undefined);
        for (const name of ['handler', 'handle'])
            for (const owner of [exported, byDefault])
                if (typeof owner?.[name] === 'function') return openfaasForm(owner[name], owner);
        return null;
    };
    internals.start = async (entry) => {
        Object.assign(process.env, native.environment());
        internals.rawBody = process.env.RAW_BODY === 'true';
        process.argv.push(entry);
        const file = asFile(entry) ?? asFolder(entry, false);
        if (!file) throw new Error(`the entry file ${entry} does not exist in the package`);
        const esm = internals.isEsmFile(file);
        internals.declareCompartments(file);
        const exported = esm ? await native.importModule('/', file) : requireFile(file, null);
        const found = findHandler(exported, esm);
        if (!found)
            throw new TypeError(`${file} has no handler: write module.exports = async (event, context) => ..., ` +
                'or export default { async fetch(request, env, ctx) { ... } }');
        return found;
    };
})
