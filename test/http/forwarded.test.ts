import assert from 'node:assert/strict'
import { isIP } from 'node:net'
import { describe, test } from 'node:test'
import { parseNetwork, sourceOf } from '../../src/http/index.ts'

const networks = (...texts: string[]) => texts.map((text) => parseNetwork(text)!)

/** Two proxies of ours, one block of them, and one with an address of IPv6. */
const TRUSTED = networks('10.0.0.1', '10.1.0.0/16', 'fd00::/8')
const XFF = 'X-Forwarded-For'

/** Peer, header lines, and who it is taken to be. */
const SOURCES: Readonly<Record<string, readonly [peer: string, fields: readonly string[], source: string]>> = {
  'nobody says anything': ['10.0.0.1', ['Host', 'a'], '10.0.0.1'],
  'a stranger says who he is': ['203.0.113.7', [XFF, '198.51.100.1'], '203.0.113.7'],
  'a stranger says it in the other way': ['203.0.113.7', ['Forwarded', 'for=198.51.100.1'], '203.0.113.7'],
  'a neighbour of the trusted': ['10.0.0.2', [XFF, '198.51.100.1'], '10.0.0.2'],
  'a trusted proxy': ['10.0.0.1', [XFF, '198.51.100.1'], '198.51.100.1'],
  'a trusted block': ['10.1.255.255', [XFF, '198.51.100.1'], '198.51.100.1'],
  'beside the block': ['10.2.0.0', [XFF, '198.51.100.1'], '10.2.0.0'],
  'a trusted proxy of IPv6': ['fd12::1', [XFF, '2001:DB8:0:0::0001'], '2001:db8::1'],
  'IPv6 that is mapped IPv4': ['::ffff:10.0.0.1', [XFF, '::FFFF:198.51.100.1'], '198.51.100.1'],
  'mapped IPv4 in hexadecimal': ['10.0.0.1', [XFF, '::ffff:c633:6401'], '198.51.100.1'],
  'mapped IPv4 from nobody in particular': ['::ffff:203.0.113.7', [], '203.0.113.7'],
  'what the client wrote stands to the left': ['10.0.0.1', [XFF, '127.0.0.1, 10.0.0.1, 198.51.100.1'], '198.51.100.1'],
  'the client wrote a line of its own': ['10.0.0.1', [XFF, '127.0.0.1', 'x-forwarded-for', '198.51.100.1'], '198.51.100.1'],
  'two proxies': ['10.0.0.1', [XFF, '1.2.3.4, 198.51.100.1, 10.1.0.9'], '198.51.100.1'],
  'only proxies': ['10.0.0.1', [XFF, '10.1.0.8, 10.1.0.9'], '10.1.0.8'],
  'a port': ['10.0.0.1', [XFF, '198.51.100.1:4711'], '198.51.100.1'],
  'brackets and a port': ['10.0.0.1', [XFF, '[2001:db8::1]:4711'], '2001:db8::1'],
  'white space': ['10.0.0.1', [XFF, '\t198.51.100.1 '], '198.51.100.1'],
  'a hop that is garbage stops the walk at who wrote it': ['10.0.0.1', [XFF, '198.51.100.1, evil, 10.1.0.9'], '10.1.0.9'],
  'forwarded': ['10.0.0.1', ['Forwarded', 'for=198.51.100.1;proto=https;by=10.0.0.1'], '198.51.100.1'],
  'forwarded, quoted': ['10.0.0.1', ['forwarded', 'Proto=https; FOR="[2001:db8::1]:4711"'], '2001:db8::1'],
  'forwarded through two': ['10.0.0.1', ['Forwarded', 'for=1.2.3.4, for=198.51.100.1', 'Forwarded', 'for=10.1.0.9'], '198.51.100.1'],
  'forwarded, a quote left open by the client': ['10.0.0.1', ['Forwarded', 'for="1.2.3.4, for=198.51.100.1'], '198.51.100.1'],
  'forwarded, a list hidden in a value': ['10.0.0.1', ['Forwarded', 'for=198.51.100.1;host="a, for=1.2.3.4, b"'], '10.0.0.1'],
  'forwarded, an element hidden in a value': ['10.0.0.1', ['Forwarded', 'for=198.51.100.1;host="a;for=1.2.3.4"'], '10.0.0.1'],
  'forwarded, for twice': ['10.0.0.1', ['Forwarded', 'for=1.2.3.4;for=198.51.100.1'], '10.0.0.1'],
  'forwarded, for whom nobody says': ['10.0.0.1', ['Forwarded', 'for=198.51.100.1, proto=https'], '10.0.0.1'],
  'both ways, and they agree': ['10.0.0.1', ['Forwarded', 'for=198.51.100.1', XFF, '1.1.1.1, 198.51.100.1'], '198.51.100.1'],
  'both ways, and they differ': ['10.0.0.1', ['Forwarded', 'for=198.51.100.1', XFF, '1.1.1.1'], '10.0.0.1'],
  'both ways, one of them garbage': ['10.0.0.1', ['Forwarded', 'for=198.51.100.1', XFF, 'evil'], '198.51.100.1'],
  'a list that never ends': ['10.0.0.1', [XFF, `1.2.3.4${', 10.1.0.9'.repeat(5000)}`], '10.1.0.9'],
  'no address at all': ['', [XFF, '1.2.3.4'], ''],
  'a peer with a zone': ['fe80::1%eth0', [XFF, '1.2.3.4'], 'fe80::1%eth0'],
}

describe('sourceOf()', () => {
  for (const [name, [peer, fields, source]] of Object.entries(SOURCES)) {
    test(`${name}: ${source}`, () => assert.equal(sourceOf(peer, fields, TRUSTED), source))
  }

  for (const garbage of [
    '', ' ', 'unknown', '_hidden', 'localhost', '198.51.100', '198.51.100.256', '198.51.100.01', '0x7f.0.0.1', '1', '198.51.100.1.', '198.51.100.1/32', '198.51.100.1:', '198.51.100.1:x',
    '198.51.100.1 evil', '198.51.100.1\n', ':', ':::', '1::2::3', '1:2:3:4:5:6:7', '1:2:3:4:5:6:7:8:9', '1:2:3:4:5:6:7:8::', '12345::', 'g::', '[::1', '::1]', '[]', '[::1]x', '::1%1', '1.2.3.4::',
    '::1.2.3', '１98.51.100.1', '"198.51.100.1', '<script>', '-1.2.3.4', '+1.2.3.4', '1.2.3.4;x', '__proto__', '198.51.100.1\0',
  ]) {
    test(`${JSON.stringify(garbage)} is no address: the walk stops`, () => {
      assert.equal(sourceOf('10.0.0.1', [XFF, `1.2.3.4, ${garbage}`], TRUSTED), '10.0.0.1')
      assert.equal(sourceOf('10.0.0.1', ['Forwarded', `for=1.2.3.4, for=${garbage}`], TRUSTED), '10.0.0.1')
    })
  }

  test('while nobody is trusted, nobody is believed', () => {
    assert.equal(sourceOf('127.0.0.1', [XFF, '1.2.3.4', 'Forwarded', 'for=1.2.3.4'], []), '127.0.0.1')
  })

  test('every spelling of an address ends in one', () => {
    for (const spelling of ['2001:db8::', '2001:0db8:0000::', '2001:db8:0:0:0:0:0:0', '2001:DB8::0.0.0.0', '[2001:db8::]', '[2001:db8:0::]:1']) {
      assert.equal(sourceOf('10.0.0.1', [XFF, spelling], TRUSTED), '2001:db8::')
    }
  })
})

describe('parseNetwork()', () => {
  const random = (below: number) => Math.floor(Math.random() * below)

  test('takes the addresses that Node takes, but for IPv6 zones', () => {
    const alphabet = ['0', '1', '255', '256', '01', 'ffff', '10000', 'g', ':', ':', '::', '.', '.', '1.2.3.4', '']
    for (let i = 0; i < 20_000; i++) {
      const text = Array.from({ length: random(12) }, () => alphabet[random(alphabet.length)]).join('')
      assert.equal(parseNetwork(text) !== undefined, isIP(text) !== 0, text)
    }
  })

  test('takes blocks with no bits behind their prefix, and nothing else', () => {
    for (const good of ['0.0.0.0/0', '::/0', '10.0.0.0/8', '10.0.0.1/32', '192.0.2.128/25', '2001:db8::/32', '::1/128', '::ffff:10.0.0.0/104']) assert.ok(parseNetwork(good), good)
    for (const bad of ['10.0.0.1/8', '192.0.2.128/24', '2001:db8::1/32', '10.0.0.0/33', '::/129', '10.0.0.0/', '10.0.0.0/08', '10.0.0.0/-1', '10.0.0.0/8/8', '/8', '10/8', '10.0.0.0/255.0.0.0', ' ::1', '']) {
      assert.equal(parseNetwork(bad), undefined, bad)
    }
    assert.deepEqual(parseNetwork('::ffff:10.0.0.0/104'), parseNetwork('10.0.0.0/8'))
  })
})
