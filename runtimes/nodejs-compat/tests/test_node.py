"""Node's modules and globals."""

import json

import pytest

CHECKS = {
    "timers_in_order": """const order = []; setTimeout(() => order.push('timeout 0'), 0); setImmediate(() => order.push('immediate'));
        process.nextTick(() => order.push('tick')); queueMicrotask(() => order.push('microtask')); Promise.resolve().then(() => order.push('promise'));
        await new Promise((r) => setTimeout(r, 15)); assert.deepEqual(order.slice(0, 3).sort(), ['microtask', 'promise', 'tick']);
        assert.equal(order.length, 5);""",
    "intervals": """let n = 0; await new Promise((r) => { const t = setInterval(() => { if (++n === 3) { clearInterval(t); r(); } }, 2); }); assert.equal(n, 3);
        const { setTimeout: sleep, setInterval: every } = await import('timers/promises'); assert.equal(await sleep(1, 'v'), 'v');
        let m = 0; for await (const x of every(1, 'y')) { assert.equal(x, 'y'); if (++m === 3) break; }
        await assert.rejects(sleep(1000, null, { signal: AbortSignal.timeout(5) }), { name: 'AbortError' });""",
    "buffer": """assert.equal(Buffer.from('héllo€😀').toString('base64'), 'aMOpbGxv4oKs8J+YgA=='); assert.equal(Buffer.from('zz', 'hex').length, 0);
        assert.equal(Buffer.from('aGk', 'base64url').toString(), 'hi'); assert.equal(Buffer.from('ÿ', 'latin1')[0], 255);
        assert.equal(Buffer.from('ab', 'utf16le').toString('hex'), '61006200'); assert.equal(Buffer.from('ab', 'utf16le').toString('utf16le'), 'ab');
        assert.equal(Buffer.concat([Buffer.from('a'), new Uint8Array([98])]).toString(), 'ab'); assert.equal(Buffer.alloc(3, 'x').toString(), 'xxx');
        const b = Buffer.alloc(8); b.writeUInt32BE(0xdeadbeef, 0); b.writeInt16LE(-2, 4); assert.equal(b.readUInt32BE(0), 0xdeadbeef);
        assert.equal(b.readInt16LE(4), -2); assert.equal(b.slice(0, 2).toString('hex'), 'dead'); assert.ok(b.subarray(0, 2) instanceof Buffer);
        assert.equal(Buffer.byteLength('€'), 3); assert.equal(Buffer.from('abcabc').indexOf('ca'), 2); assert.ok(Buffer.from('abc').includes('bc'));
        assert.deepEqual(JSON.parse(JSON.stringify(Buffer.from('a'))), { type: 'Buffer', data: [97] });
        assert.equal(Buffer.from('\\ud800').toString(), '\\ufffd'); assert.equal(util.inspect(Buffer.from('ab')), '<Buffer 61 62>');
        assert.ok(Buffer.from('a').equals(Buffer.from('a'))); assert.equal(Buffer.compare(Buffer.from('a'), Buffer.from('b')), -1);
        const w = Buffer.alloc(4); assert.equal(w.write('€€'), 3); assert.equal(Buffer.from([1, 2, 3]).toString('hex'), '010203');
        assert.equal(Buffer.from('test').readBigUInt64LE === undefined, false); assert.equal(Buffer.from(new Uint16Array([258]).buffer).toString('hex'), '0201');""",
    "text": """assert.equal(new TextDecoder().decode(new TextEncoder().encode('é😀')), 'é😀'); assert.equal(new TextDecoder().decode(new Uint8Array([0xef, 0xbb, 0xbf, 65])), 'A');
        assert.equal(new TextDecoder('utf-8', { ignoreBOM: true }).decode(new Uint8Array([0xef, 0xbb, 0xbf, 65])).length, 2);
        assert.throws(() => new TextDecoder('utf-8', { fatal: true }).decode(new Uint8Array([255])), TypeError);
        assert.equal(new TextDecoder('utf-16le').decode(new Uint8Array([65, 0])), 'A'); assert.equal(new TextDecoder('latin1').decode(new Uint8Array([0xe9, 0x80])), 'é€');
        const d = new TextDecoder(); assert.equal(d.decode(new Uint8Array([0xe2, 0x82]), { stream: true }) + d.decode(new Uint8Array([0xac])), '€');
        assert.equal(btoa('hi'), 'aGk='); assert.equal(atob('aGk='), 'hi'); assert.throws(() => atob('a'), { name: 'InvalidCharacterError' });
        assert.deepEqual(new TextEncoder().encodeInto('a€', new Uint8Array(3)), { read: 1, written: 1 });""",
    "url": """const u = new URL('../b?x=1&y=a b#h', 'https://us%20er:p@exa mple.com:8080/a/c'.replace(' ', '-')); assert.equal(u.host, 'exa-mple.com:8080');
        assert.equal(u.pathname, '/b'); u.searchParams.append('z', 'ä&'); assert.equal(u.search, '?x=1&y=a+b&z=%C3%A4%26'); u.port = ''; u.hash = '';
        assert.equal(u.href, 'https://us%20er:p@exa-mple.com/b?x=1&y=a+b&z=%C3%A4%26'); assert.throws(() => new URL('nope'), { code: 'ERR_INVALID_URL' });
        assert.equal(new URL('http://bücher.de').hostname, 'xn--bcher-kva.de'); assert.deepEqual([...new URLSearchParams({ a: '1', b: '2' })], [['a', '1'], ['b', '2']]);
        const { parse, format, resolve, fileURLToPath, pathToFileURL } = await import('url'); assert.equal(parse('http://a:b@c:1/d?e=f#g').host, 'c:1');
        assert.equal(parse('http://c/d?e=f', true).query.e, 'f'); assert.equal(resolve('http://a/b/c', '../d'), 'http://a/d'); assert.equal(format({ protocol: 'http', host: 'a', pathname: 'b', query: { c: 1 } }), 'http://a/b?c=1');
        assert.equal(fileURLToPath('file:///a%20b'), '/a b'); assert.equal(pathToFileURL('/a b#').href, 'file:///a%20b%23');
        assert.equal(URL.canParse('x:'), true); const s = new URLSearchParams('a=1&a=2&b=3'); s.delete('a', '1'); assert.equal(`${s}`, 'a=2&b=3'); assert.equal(s.size, 2);""",
    "path": """const path = (await import('path')).default; assert.equal(path.join('/a', '..', 'b', './c'), '/b/c'); assert.equal(path.resolve('x'), '/var/task/x');
        assert.equal(path.relative('/a/b/c', '/a/d'), '../../d'); assert.deepEqual(path.parse('/a/b.c.d'), { root: '/', dir: '/a', base: 'b.c.d', ext: '.d', name: 'b.c' });
        assert.equal(path.normalize('/a//b/../c/'), '/a/c/'); assert.equal(path.extname('.x'), ''); assert.equal(path.basename('/a/b.js', '.js'), 'b'); assert.equal(path.dirname('/a'), '/');
        assert.equal(path.win32.join('C:\\\\a', '..', 'b'), 'C:\\\\b'); assert.equal(path.win32.basename('C:\\\\x\\\\y.z'), 'y.z'); assert.equal(path.normalize(''), '.'); assert.equal(path.dirname('a'), '.');
        assert.equal(path.format({ dir: '/a', name: 'b', ext: '.c' }), '/a/b.c'); assert.equal(path.join(''), '.'); assert.equal(path.normalize('../a/..'), '..');""",
    "events": """const { EventEmitter, once, on } = await import('events'); const e = new EventEmitter(); setImmediate(() => e.emit('x', 1, 2)); assert.deepEqual(await once(e, 'x'), [1, 2]);
        setImmediate(() => { e.emit('y', 1); e.emit('y', 2); }); let seen = []; for await (const [v] of on(e, 'y')) { seen.push(v); if (v === 2) break; } assert.deepEqual(seen, [1, 2]);
        assert.throws(() => e.emit('error', new RangeError('r')), RangeError); e.prependListener('z', () => {}); assert.equal(e.listenerCount('z'), 1);
        const t = new EventTarget(); let n = 0; t.addEventListener('a', () => n++, { once: true }); t.dispatchEvent(new Event('a')); t.dispatchEvent(new Event('a')); assert.equal(n, 1);
        const c = new AbortController(); const any = AbortSignal.any([c.signal]); c.abort(); assert.ok(any.aborted); assert.equal(any.reason.name, 'AbortError');""",
    "streams": """const { Readable, Transform, Writable, PassThrough } = await import('stream'); const { pipeline } = await import('stream/promises');
        let out = ''; await pipeline(Readable.from(['a', 'b']), new Transform({ transform(c, e, cb) { cb(null, `${c}`.toUpperCase()); } }),
          new Writable({ write(c, e, cb) { out += c; cb(); } })); assert.equal(out, 'AB');
        const p = new PassThrough(); p.end('xyz'); let got = ''; for await (const c of p) got += c; assert.equal(got, 'xyz');
        const ws = new ReadableStream({ start(c) { c.enqueue('q'); c.close(); } }); let w = ''; for await (const c of ws) w += c; assert.equal(w, 'q');
        const web = Readable.toWeb(Readable.from([Buffer.from('m')])); assert.equal(await new Response(web).text(), 'm');
        const back = Readable.fromWeb(new Response('n').body); let s = ''; for await (const c of back) s += Buffer.from(c); assert.equal(s, 'n');
        const { text, json } = await import('stream/consumers'); assert.equal(await text(Readable.from(['1', '2'])), '12'); assert.deepEqual(await json(Readable.from(['{}'])), {});
        const ts = new TransformStream({ transform(x, c) { c.enqueue(x + 1); } }); const wr = ts.writable.getWriter(); wr.write(1); assert.equal((await ts.readable.getReader().read()).value, 2);
        const dec = new Response('é').body.pipeThrough(new TextDecoderStream()); let q = ''; for await (const c of dec) q += c; assert.equal(q, 'é');""",
    "crypto": """const c = (await import('crypto')).default; assert.equal(c.createHash('md5').update('a').digest('hex'), '0cc175b9c0f1b6a831c399e269772661');
        assert.equal(c.createHash('sha1').update('abc').digest('hex'), 'a9993e364706816aba3e25717850c26c9cd0d89d'); assert.equal(c.createHash('SHA256').update('a').update('bc').digest('base64'), 'ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=');
        for (const [a, n] of [['sha224', 28], ['sha384', 48], ['sha512', 64]]) assert.equal(c.createHash(a).update('').digest().length, n);
        assert.equal(c.createHmac('sha256', 'key').update('data').digest('hex'), '5031fe3d989c6d1537a013fa6e739da23463fdaec3b70137d828e36ace221bd0');
        assert.match(c.randomUUID(), /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/); assert.equal(c.randomBytes(8).length, 8); const i = c.randomInt(5, 8); assert.ok(i >= 5 && i < 8);
        assert.equal(c.pbkdf2Sync('p', 's', 1, 20, 'sha1').toString('hex').length, 40); assert.equal(c.scryptSync('password', 'NaCl', 8, { N: 16, r: 8, p: 1 }).length, 8); assert.ok(c.timingSafeEqual(Buffer.from('a'), Buffer.from('a')));
        assert.equal(Buffer.from(await crypto.subtle.digest('SHA-256', new TextEncoder().encode('abc'))).toString('hex').slice(0, 8), 'ba7816bf');
        const k = await crypto.subtle.importKey('raw', Buffer.from('key'), { name: 'HMAC', hash: 'SHA-256' }, false, ['sign', 'verify']); const sig = await crypto.subtle.sign('HMAC', k, Buffer.from('data'));
        assert.equal(Buffer.from(sig).toString('hex').slice(0, 8), '5031fe3d'); assert.ok(await crypto.subtle.verify('HMAC', k, sig, Buffer.from('data')));
        assert.equal(Buffer.from(c.hkdfSync('sha256', 'k', 's', 'i', 16)).length, 16); assert.throws(() => c.createHash('x'), Error); assert.throws(() => c.createCipheriv('aes-256-gcm'), { code: 'ERR_FEATURE_UNAVAILABLE_ON_PLATFORM' });
        const h = c.createHash('sha256'); h.update('a'); const h2 = h.copy(); assert.equal(h.digest('hex'), h2.digest('hex')); assert.notEqual(c.getRandomValues(new Uint32Array(4)).join(), '0,0,0,0');""",
    "zlib": """const z = await import('zlib'); const data = Buffer.from('squeeze '.repeat(1000)); for (const [a, b] of [['gzipSync', 'gunzipSync'], ['deflateSync', 'inflateSync'], ['deflateRawSync', 'inflateRawSync'], ['gzipSync', 'unzipSync']]) {
        const packed = z[a](data); assert.ok(packed.length < 200, a); assert.ok(z[b](packed).equals(data), b); }
        assert.throws(() => z.gunzipSync(Buffer.from('nope')), { code: 'Z_DATA_ERROR' }); assert.throws(() => z.inflateSync(z.deflateSync(data).subarray(0, 20)), { code: 'Z_BUF_ERROR' });
        const { promisify } = await import('util'); assert.ok((await promisify(z.gunzip)(await promisify(z.gzip)(data))).equals(data));
        const { Readable } = await import('stream'); const { buffer } = await import('stream/consumers'); assert.ok((await buffer(Readable.from([data]).pipe(z.createGzip()).pipe(z.createGunzip()))).equals(data));
        assert.equal(z.brotliDecompressSync(Buffer.from('CwKAaGVsbG8D', 'base64')).toString(), 'hello'); assert.equal(z.crc32('hello'), 907060870);
        const big = Buffer.alloc(300000); for (let i = 0; i < big.length; i++) big[i] = (i * 7919) >> 3; assert.ok(z.gunzipSync(z.gzipSync(big)).equals(big)); assert.ok(z.inflateSync(z.deflateSync(big)).equals(big));
        const c = new Blob([data]).stream().pipeThrough(new CompressionStream('gzip')).pipeThrough(new DecompressionStream('gzip')); assert.equal(await new Response(c).text(), data.toString());""",
    "fs": """const fs = (await import('fs')).default; const p = (await import('fs/promises')).default; fs.mkdirSync('/tmp/a/b', { recursive: true }); fs.writeFileSync('/tmp/a/b/f', 'one'); fs.appendFileSync('/tmp/a/b/f', ' two');
        assert.equal(fs.readFileSync('/tmp/a/b/f', 'utf8'), 'one two'); assert.equal(fs.statSync('/tmp/a/b/f').size, 7); assert.ok(fs.statSync('/tmp/a').isDirectory()); assert.deepEqual(fs.readdirSync('/tmp/a'), ['b']);
        assert.deepEqual((await p.readdir('/tmp/a', { withFileTypes: true })).map((d) => [d.name, d.isDirectory()]), [['b', true]]); fs.renameSync('/tmp/a/b/f', '/tmp/a/g'); assert.ok(!fs.existsSync('/tmp/a/b/f')); assert.ok(fs.existsSync('/tmp/a/g'));
        assert.throws(() => fs.readFileSync('/tmp/none'), { code: 'ENOENT', syscall: 'open', errno: -2, message: "ENOENT: no such file or directory, open '/tmp/none'" });
        await assert.rejects(p.readFile('/var/task/none'), { code: 'ENOENT' }); assert.throws(() => fs.writeFileSync('/var/task/x', 'x'), (e) => ['EROFS', 'EPERM', 'EACCES'].includes(e.code), 'ro');
        const fd = fs.openSync('/tmp/h', 'w+'); fs.writeSync(fd, 'abcdef'); const b = Buffer.alloc(3); assert.equal(fs.readSync(fd, b, 0, 3, 2), 3); assert.equal(`${b}`, 'cde'); fs.closeSync(fd);
        await new Promise((r, j) => fs.readFile('/tmp/h', 'utf8', (e, t) => e ? j(e) : r(assert.equal(t, 'abcdef')))); const s = fs.createWriteStream('/tmp/s'); s.write('x'); s.end('y'); await new Promise((r) => s.on('finish', r));
        let t = ''; for await (const c of fs.createReadStream('/tmp/s', 'utf8')) t += c; assert.equal(t, 'xy'); const fh = await p.open('/tmp/s'); assert.equal(await fh.readFile('utf8'), 'xy'); await fh.close();
        fs.rmSync('/tmp/a', { recursive: true }); assert.ok(!fs.existsSync('/tmp/a')); assert.ok(fs.mkdtempSync('/tmp/t-').length === 13); await p.copyFile('/tmp/s', '/tmp/c'); await p.unlink('/tmp/c'); await p.access('/tmp/s');
        assert.throws(() => fs.rmdirSync('/tmp/none'), { code: 'ENOENT' }); fs.truncateSync('/tmp/s', 1); assert.equal(fs.readFileSync('/tmp/s').length, 1); fs.cpSync('/tmp/s', '/tmp/s2'); assert.equal(fs.realpathSync('/tmp/../tmp/s2'), '/tmp/s2');
        fs.rmSync('/tmp/nothing', { force: true }); assert.ok(fs.statSync('/').isDirectory()); assert.ok(fs.statSync('/tmp/s').mtime instanceof Date);""",
    "util": """assert.equal(util.format('%s %d %j %o %%', 'a', 1.5, { b: 1 }, [1]), 'a 1.5 {"b":1} [ 1, [length]: 1 ] %'); assert.equal(util.inspect(new Map([['a', { b: new Set([1]) }]])), "Map(1) { 'a' => { b: Set(1) { 1 } } }");
        class Foo { x = 1; #y = 2; } assert.equal(util.inspect(new Foo()), 'Foo { x: 1 }'); assert.equal(util.inspect({ f() {}, g: class A {}, s: Symbol('q'), d: new Date(0), r: /x/g, n: null, u: undefined, b: 1n }, { breakLength: 999 }),
          "{ f: [Function: f], g: [class A], s: Symbol(q), d: 1970-01-01T00:00:00.000Z, r: /x/g, n: null, u: undefined, b: 1n }"); const o = {}; o.self = o; assert.equal(util.inspect(o), '<ref *1> { self: [Circular *1] }');
        assert.ok(util.isDeepStrictEqual({ a: [1, new Map([[1, 2]])] }, { a: [1, new Map([[1, 2]])] })); assert.ok(!util.isDeepStrictEqual([1], ['1'])); assert.equal(await util.promisify((a, cb) => cb(null, a + 1))(1), 2);
        assert.deepEqual(util.parseArgs({ args: ['-f', '--bar', 'b'], options: { foo: { type: 'boolean', short: 'f' }, bar: { type: 'string' } } }).values, Object.assign(Object.create(null), { foo: true, bar: 'b' }));
        assert.ok(util.types.isPromise(Promise.resolve())); assert.ok(util.types.isProxy !== undefined); assert.equal(util.inspect(new Proxy({ a: 1 }, {})), '{ a: 1 }'); assert.equal(util.styleText('red', 'x'), '\\u001b[31mx\\u001b[39m');
        assert.match(util.inspect(new Error('boom')), /^Error: boom\\n    at /); assert.equal(util.inspect([1, , 3]), '[ 1, <1 empty item>, 3 ]'); assert.equal(util.inspect('a\\'b'), '"a\\'b"'); assert.match(util.inspect(Promise.resolve(1)), /^Promise/);""",
    "structured_clone": """const a = { d: new Date(5), m: new Map([[1, { x: new Set([2]) }]]), b: new Uint8Array([1, 2]), e: new RangeError('q'), n: [1, , 3] }; a.self = a; const c = structuredClone(a);
        assert.notEqual(c, a); assert.equal(c.self, c); assert.equal(c.d.getTime(), 5); assert.ok(c.m.get(1).x.has(2)); assert.equal(c.b[1], 2); assert.ok(c.e instanceof RangeError); assert.throws(() => structuredClone(() => {}), { name: 'DataCloneError' });
        const buf = new ArrayBuffer(4); const moved = structuredClone(buf, { transfer: [buf] }); assert.equal(moved.byteLength, 4); assert.equal(buf.byteLength, 0);""",
    "async_local_storage": """const { AsyncLocalStorage, AsyncResource } = await import('async_hooks'); const als = new AsyncLocalStorage(); const sleep = (n) => new Promise((r) => setTimeout(r, n));
        const one = async (id) => als.run({ id }, async () => { await null; assert.equal(als.getStore().id, id); await sleep(5 - id); assert.equal(als.getStore().id, id); await Promise.all([sleep(1), (async () => { await sleep(1); assert.equal(als.getStore().id, id); })()]);
          await new Promise((r) => process.nextTick(r)); await new Promise((r) => setImmediate(r)); await { then(r) { setTimeout(r, 1); } }; for await (const x of (async function* () { yield 1; await sleep(1); yield als.getStore().id; })()) if (x !== 1) assert.equal(x, id); return als.getStore().id; });
        assert.deepEqual(await Promise.all([one(1), one(2), one(3)]), [1, 2, 3]); assert.equal(als.getStore(), undefined); als.run(7, () => queueMicrotask(() => assert.equal(als.getStore(), 7))); await null;
        let res; als.run('r', () => { res = new AsyncResource('x'); }); assert.equal(res.runInAsyncScope(() => als.getStore()), 'r'); const snap = als.run('s', () => AsyncLocalStorage.snapshot()); assert.equal(snap(() => als.getStore()), 's');
        const two = new AsyncLocalStorage(); await als.run(1, () => two.run(2, async () => { await sleep(1); assert.equal(als.getStore() + two.getStore(), 3); als.exit(() => assert.equal(als.getStore(), undefined)); })); als.enterWith(9); await sleep(1); assert.equal(als.getStore(), 9);
        const p = als.run('inner', () => Promise.resolve()); als.run('outer', () => p.then(() => assert.equal(als.getStore(), 'outer'))); await p;""",
    "process": """assert.equal(process.cwd(), '/var/task'); assert.equal(process.env.AWS_REGION, 'eu-north-1'); process.env.NUM = 5; assert.equal(process.env.NUM, '5'); assert.ok(process.hrtime.bigint() > 0n); const t = process.hrtime(); assert.equal(process.hrtime(t).length, 2);
        assert.ok(process.memoryUsage().rss > 0); assert.ok(process.uptime() >= 0); assert.equal(process.platform, 'linux'); assert.match(process.version, /^v20\\./); assert.ok(process.versions.quickjs); assert.equal(typeof navigator, 'undefined');
        assert.ok(performance.now() <= performance.now()); performance.mark('a'); assert.ok(performance.measure('m', 'a').duration >= 0);""",
    "absent_modules": """for (const m of ['worker_threads', 'child_process', 'net', 'tls', 'dgram', 'cluster', 'vm', 'http2', 'dns', 'readline', 'repl', 'v8', 'tty', 'inspector', 'diagnostics_channel', 'punycode']) await import(`node:${m}`);
        assert.throws(() => require('child_process').execSync('ls'), /child_process.execSync is not available/); const vm = require('vm'); assert.equal(vm.runInThisContext('1 + 1'), 2); assert.equal(vm.runInNewContext('a + b', { a: 1, b: 2 }), 3);
        assert.equal(new vm.Script('x = 5').runInNewContext({ x: 0 }), 5); assert.equal(require('net').isIP('::1'), 6);""",
    "intl": """assert.equal((1234567.891).toLocaleString(), '1,234,567.891'); assert.equal(new Intl.NumberFormat('en-US', { style: 'currency', currency: 'USD' }).format(-1234.5), '-$1,234.50'); assert.equal(new Intl.NumberFormat('en-US', { style: 'percent' }).format(0.256), '26%');
        assert.equal(new Date(0).toLocaleString('en-US', { timeZone: 'UTC' }), '1/1/1970, 12:00:00\\u202fAM'); assert.equal(new Date(0).toLocaleDateString(), '1/1/1970'); assert.equal(new Date(0).toLocaleDateString('en-US', { weekday: 'long', year: 'numeric', month: 'long', day: 'numeric' }), 'Thursday, January 1, 1970');
        assert.equal(new Intl.DateTimeFormat('en-US', { dateStyle: 'medium', timeStyle: 'short', timeZone: '+02:00' }).format(0), 'Jan 1, 1970, 2:00\\u202fAM'); assert.throws(() => new Intl.DateTimeFormat('en', { timeZone: 'Europe/Oslo' }), RangeError);
        assert.deepEqual(['b', 'a', 'C', 'A'].sort((x, y) => x.localeCompare(y)), ['a', 'A', 'b', 'C']); assert.equal(new Intl.PluralRules('en', { type: 'ordinal' }).select(22), 'two'); assert.equal(new Intl.RelativeTimeFormat('en', { numeric: 'auto' }).format(-1, 'day'), 'yesterday');
        assert.deepEqual(['a10', 'a2'].sort(new Intl.Collator(undefined, { numeric: true }).compare), ['a2', 'a10']); assert.equal(Intl.DateTimeFormat().resolvedOptions().timeZone, 'UTC'); assert.equal(new Intl.NumberFormat('en', { notation: 'compact' }).format(12345), '12K');""",
    "web_bodies": """const f = new FormData(); f.append('a', '1'); f.append('file', new File(['x'], 'n.txt', { type: 'text/plain' })); const r = new Response(f); const back = await r.formData(); assert.equal(back.get('a'), '1'); assert.equal(await back.get('file').text(), 'x');
        assert.equal(await new Blob(['a', new Uint8Array([98])]).slice(1).text(), 'b'); const h = new Headers({ A: '1' }); h.append('a', '2'); assert.equal(h.get('A'), '1, 2'); assert.deepEqual(await Response.json({ q: 1 }).json(), { q: 1 });
        const q = new Request('http://a/b', { method: 'post', body: 'x' }); assert.equal(q.method, 'POST'); assert.equal(await q.clone().text(), 'x'); assert.equal(await q.text(), 'x'); await assert.rejects(q.text(), TypeError);
        const c = new Response('abc'); assert.equal(await c.clone().text() + await c.text(), 'abcabc'); assert.ok(c.bodyUsed);""",
    "message_channel": """const { port1, port2 } = new MessageChannel(); const got = new Promise((r) => { port2.onmessage = (e) => r(e.data); }); port1.postMessage({ a: 1 }); assert.deepEqual(await got, { a: 1 });""",
    "string_decoder_and_querystring": """const { StringDecoder } = await import('string_decoder'); const d = new StringDecoder('utf8'); assert.equal(d.write(Buffer.from([0xe2, 0x82])) + d.write(Buffer.from([0xac])), '€');
        const q = (await import('querystring')).default; assert.equal(q.stringify({ a: [1, 2], b: 'x y' }), 'a=1&a=2&b=x%20y'); assert.deepEqual({ ...q.parse('a=1&a=2&b=x+y') }, { a: ['1', '2'], b: 'x y' });""",
    "global_eval_and_function": """assert.equal(new Function('a', 'return a + 1')(1), 2); assert.equal((0, eval)('typeof process'), 'object'); assert.equal(globalThis.global, globalThis); assert.deepEqual(Object.groupBy([1, 2, 3], (x) => x % 2 ? 'o' : 'e').o, [1, 3]);
        assert.equal(new Set([1, 2]).union(new Set([3])).size, 3); assert.equal([3, 1].toSorted()[0], 1); assert.ok(/(?<=a)b/.test('ab')); assert.equal('a-b'.replaceAll('-', '+'), 'a+b'); assert.equal(Array.fromAsync !== undefined, true);""",
}

HEAD = "import assert from 'node:assert/strict'; import util from 'node:util'; import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);"


@pytest.mark.parametrize("name", CHECKS)
def test_builtin(evaluate, name):
    assert evaluate(CHECKS[name] + " return 'done';", head=HEAD) == "done"


def test_module_systems(function):
    function.file("index.mjs", """import assert from 'assert/strict'; import def, { named, other } from './common.cjs'; import * as ns from './common.cjs'; import data from './data.json' with { type: 'json' };
      import pkg, { sub } from 'dual'; import deep from 'dual/feature/x'; import inner from '#inner'; import { readFileSync } from 'fs'; import legacy from 'legacy'; import { starred } from './star.cjs';
      export const handler = async () => { assert.equal(def.named, 1); assert.equal(named + other, 3); assert.equal(ns.default, def); assert.deepEqual(data, { a: 1 }); assert.equal(pkg, 'esm'); assert.equal(sub, 'sub');
        assert.equal(deep, 'feature x'); assert.equal(inner, 'inner'); assert.equal(legacy, 'legacy main'); assert.equal(starred, 1); assert.equal(typeof readFileSync, 'function');
        assert.equal(import.meta.filename, '/var/task/index.mjs'); assert.equal(import.meta.dirname, '/var/task'); assert.equal(import.meta.url, 'file:///var/task/index.mjs'); assert.equal(import.meta.resolve('./x.js'.replace('x.js', 'common.cjs')), 'file:///var/task/common.cjs');
        await assert.rejects(import('./gone.mjs'), { code: 'ERR_MODULE_NOT_FOUND' }); await assert.rejects(import('dual/hidden'), { code: 'ERR_PACKAGE_PATH_NOT_EXPORTED' }); const { required } = await import('./common.cjs'); return required; };""")
    function.file("common.cjs", """const path = require('node:path'); exports.named = 1; module.exports.other = 2; exports.required = [require('dual'), require('./data'), require('./sub'), require('./esm.mjs').value, require.resolve('dual'), path.sep, __filename,
      require('./cycle-a.js').done, module.id, typeof require.cache[__filename], this === module.exports];""")
    function.file("star.cjs", "var __exportStar = (m, e) => Object.assign(e, m); __exportStar(require('./starred.cjs'), exports);")
    function.file("starred.cjs", "Object.defineProperty(exports, 'starred', { enumerable: true, get: () => 1 });")
    function.file("cycle-a.js", "exports.started = true; exports.b = require('./cycle-b.js'); exports.done = exports.b.sawA;")
    function.file("cycle-b.js", "exports.sawA = require('./cycle-a.js').started;")
    function.file("data.json", {"a": 1})
    function.file("sub/index.js", "module.exports = 'index'")
    function.file("esm.mjs", "export const value = 'from esm';")
    function.file("package.json", {"imports": {"#inner": "./inner.mjs"}})
    function.file("inner.mjs", "export default 'inner'")
    exports = {".": {"import": "./esm.mjs", "require": "./main.cjs"}, "./feature/*": "./features/*.mjs"}
    function.file("node_modules/dual/package.json", {"name": "dual", "exports": exports})
    function.file("node_modules/dual/esm.mjs", "export default 'esm'; export const sub = 'sub';")
    function.file("node_modules/dual/main.cjs", "module.exports = 'cjs'")
    function.file("node_modules/dual/features/x.mjs", "export default 'feature x'")
    function.file("node_modules/legacy/package.json", {"main": "lib/main"})
    function.file("node_modules/legacy/lib/main.js", "module.exports = 'legacy main'")
    expected = ["cjs", {"a": 1}, "index", "from esm", "/var/task/node_modules/dual/main.cjs", "/", "/var/task/common.cjs", True, "/var/task/common.cjs", "object", True]
    assert function() == (0, expected)


def test_fetch(evaluate, server):
    body = """const base = event; const r = await fetch(`${base}/echo?x=1`, { method: 'POST', body: JSON.stringify({ a: 1 }), headers: { 'content-type': 'application/json' } }); assert.equal(r.status, 200); assert.ok(r.ok); const j = await r.json();
      assert.equal(j.method, 'POST'); assert.equal(j.body, '{"a":1}'); assert.equal(j.headers['content-type'], 'application/json'); assert.equal((await (await fetch(`${base}/gzip`)).text()).length, 900);
      const red = await fetch(`${base}/redirect`); assert.equal(red.redirected, true); assert.ok(red.url.endsWith('/echo?redirected')); assert.equal((await fetch(`${base}/redirect`, { redirect: 'manual' })).status, 302);
      let pieces = 0; let text = ''; for await (const c of (await fetch(`${base}/chunks`)).body) { pieces++; text += Buffer.from(c); } assert.equal(text, 'one two three'); assert.ok(pieces >= 2);
      await assert.rejects(fetch(`${base}/slow`, { signal: AbortSignal.timeout(50) }), { name: 'TimeoutError' }); await assert.rejects(fetch('http://127.0.0.1:1/'), (e) => e instanceof TypeError && e.message === 'fetch failed' && e.cause.code === 'ECONNREFUSED');
      const start = Date.now(); await Promise.all([fetch(`${base}/slow`), fetch(`${base}/slow`), fetch(`${base}/slow`)].map(async (p) => (await p).text())); assert.ok(Date.now() - start < 2500); assert.equal((await fetch(`${base}/echo`, { method: 'HEAD' })).status, 200); return 'done';"""
    assert evaluate(body, server.url, HEAD) == "done"


def test_http_client(evaluate, server):
    body = """const http = require('http'); const { once } = require('events'); const call = (options, data) => new Promise((resolve, reject) => { const q = http.request(options, (r) => { let t = ''; r.setEncoding('utf8'); r.on('data', (c) => t += c); r.on('end', () => resolve([r.statusCode, t, r.headers])); });
      q.on('error', reject); if (data) q.write(data); q.end(); }); const u = new URL(event); const [s, t, h] = await call({ hostname: u.hostname, port: u.port, path: '/p?q=1', method: 'PUT', headers: { 'X-A': 'b' } }, 'body');
      assert.equal(s, 200); assert.equal(h['content-type'], 'application/json'); const j = JSON.parse(t); assert.equal(j.body, 'body'); assert.equal(j.headers['x-a'], 'b'); assert.equal(j.path, '/p?q=1');
      assert.equal((await call(`${event}/echo`))[0], 200); const g = http.get(`${event}/echo`); const [res] = await once(g, 'response'); let n = 0; for await (const c of res) n += c.length; assert.ok(n > 10);
      await assert.rejects(call('http://127.0.0.1:1/'), { code: 'ECONNREFUSED' }); const slow = http.get(`${event}/slow`, { timeout: 30 }); slow.on('timeout', () => slow.destroy(new Error('too slow'))); await assert.rejects(once(slow, 'response'), /too slow/); return 'done';"""
    assert evaluate(body, server.url, HEAD) == "done"


def test_logs_of_console_methods(function):
    function.file("index.mjs", "export const handler = async () => { console.table([{ a: 1, b: 'x' }]); console.count(); console.count(); console.group('g'); console.log('in'); console.groupEnd(); console.assert(false, 'no'); console.time('t'); console.timeEnd('t'); console.dir({ a: 1 }); };")
    assert function()[0] == 0
    messages = [line.split("\t", 3)[3] for line in function.logs]
    assert messages[0].startswith("┌─")
    assert messages[1:6] == ["default: 1", "default: 2", "g", "  in", "Assertion failed: no"]


def test_stdout_goes_to_the_descriptor(function):
    function.file("index.mjs", "export const handler = async () => { process.stdout.write('raw\\n'); process.stderr.write('err\\n'); };")
    function()
    assert function.environment.stdout.read_text() == "raw\n"
    assert function.environment.stderr.read_text() == "err\n"
    assert json.dumps(function.logs) == "[]"
