import assert from 'node:assert/strict'
import { test } from 'node:test'
import { amzDate, canonicalHeaders, canonicalPath, canonicalQuery, encodeUri, normalizePath } from '../../src/sigv4/index.ts'

test('encodeUri() keeps the unreserved characters of RFC 3986 and encodes every other byte in upper-case hex', () => {
  for (let byte = 0; byte < 128; byte++) {
    const char = String.fromCharCode(byte)
    const expected = /[A-Za-z0-9\-._~]/.test(char) ? char : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
    assert.equal(encodeUri(char), expected)
    assert.equal(encodeUri(`a${char}z`), `a${expected}z`)
  }
  assert.equal(encodeUri('é€😀\u0000'), '%C3%A9%E2%82%AC%F0%9F%98%80%00')
  assert.equal(encodeUri("!'()*"), '%21%27%28%29%2A')
})

test('encodeUri() refuses half a surrogate pair', () => {
  for (const text of ['\ud800', 'a\udc00b', '\udc00\ud800']) assert.throws(() => encodeUri(text), { name: 'SigV4Error', code: 'SIGV4_TEXT' })
})

test('canonicalQuery() sorts by encoded name, then by encoded value', () => {
  assert.equal(canonicalQuery([]), '')
  assert.equal(canonicalQuery([['', '']]), '=')
  assert.equal(canonicalQuery([['b', '1'], ['a', '2'], ['a', '10'], ['A', '']]), 'A=&a=10&a=2&b=1')
  // As one text `a-b=` would sort before `a=`.
  assert.equal(canonicalQuery([['a-b', '1'], ['a', '1']]), 'a=1&a-b=1')
  // Decoded, `~` sorts before `é`; encoded, after.
  assert.equal(canonicalQuery([['~', ''], ['é', '']]), '%C3%A9=&~=')
  assert.equal(canonicalQuery([['a', '1'], ['a', '1']]), 'a=1&a=1')
  assert.throws(() => canonicalQuery([['a', '\ud800']]), { code: 'SIGV4_TEXT' })
})

test('canonicalPath() encodes once more what is on the wire, and keeps slashes', () => {
  assert.equal(canonicalPath('/'), '/')
  assert.equal(canonicalPath('/model/a%2Fb%3A0/invoke'), '/model/a%252Fb%253A0/invoke')
  assert.equal(canonicalPath('//a:b/$x!/..'), '//a%3Ab/%24x%21/..')
})

test('canonicalPath() refuses what cannot stand on a request line as a path', () => {
  for (const path of ['', 'a', '*', '/a?b', '/a#b', '/é', '/a\n', '/\0', '/\x7f', 'http://host/']) {
    assert.throws(() => canonicalPath(path), { name: 'SigV4Error', code: 'SIGV4_PATH' }, path)
  }
})

test('normalizePath() takes out empty, "." and ".." segments', () => {
  const table = { '': '/', '/': '/', '//': '/', '/.': '/', '/..': '/', '/../..': '/', '/a/..': '/', '/a/../': '/', '/a/./b': '/a/b', '//a//': '/a/', '/../a/b/../c/': '/a/c/', '/a/%2E': '/a/%2E', '/...': '/...' }
  for (const [path, expected] of Object.entries(table)) assert.equal(normalizePath(path), expected, path)
})

test('canonicalHeaders() lowers and sorts names, and joins the values of one name', () => {
  const { block, signedHeaders } = canonicalHeaders([['X-B', '2'], ['Host', 'h'], ['x-b', ' 1 '], ['X-A', ''], [':authority', 'h']])
  assert.equal(block, ':authority:h\nhost:h\nx-a:\nx-b:2,1\n')
  assert.equal(signedHeaders, ':authority;host;x-a;x-b')
})

test('canonicalHeaders() folds spaces and tabs, and no other blank', () => {
  assert.equal(canonicalHeaders([['a', '\t a \t\t b\t']]).block, 'a:a b\n')
  assert.equal(canonicalHeaders([['a', '\xa0a\xa0']]).block, 'a:\xa0a\xa0\n')
})

test('canonicalHeaders() never signs what changes between hops', () => {
  const never = ['Authorization', 'cache-control', 'connection', 'expect', 'from', 'keep-alive', 'max-forwards', 'pragma', 'referer', 'te', 'trailer',
    'transfer-encoding', 'upgrade', 'User-Agent', 'X-Amzn-Trace-Id', 'Proxy-Authorization', 'proxy-connection', 'Sec-Fetch-Mode', 'sec-websocket-key']
  assert.deepEqual(canonicalHeaders(never.map((name) => [name, 'x'])), { block: '', signedHeaders: '' })
  assert.equal(canonicalHeaders([['proxyx', ''], ['section', ''], ['ten', '']]).signedHeaders, 'proxyx;section;ten')
})

test('canonicalHeaders() refuses names and values HTTP cannot carry', () => {
  for (const name of ['', ':', 'a b', 'a:b', 'a\n', 'a\nb', 'é', '::a', 'a;b', 'a,b']) assert.throws(() => canonicalHeaders([[name, '']]), { code: 'SIGV4_HEADER' }, name)
  for (const value of ['\n', 'a\r\nb:c', '\0', '\x7f', '\x1f', '\u0100', '😀']) assert.throws(() => canonicalHeaders([['a', value]]), { code: 'SIGV4_HEADER' })
})

test('amzDate() writes a moment to the second, in the years 1970 to 9999', () => {
  assert.equal(amzDate(0), '19700101T000000Z')
  assert.equal(amzDate(1_773_500_966_999), '20260314T150926Z')
  assert.equal(amzDate(253_402_300_799_999), '99991231T235959Z')
  for (const dateMs of [-1, NaN, Infinity, 253_402_300_800_000]) assert.throws(() => amzDate(dateMs), { code: 'SIGV4_DATE' })
})
