import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { conformance, readJson } from '../kit/vectors.ts'
import { BEARER, inParallel, openHouse, statuses } from './kit.ts'

const house = await openHouse()

interface Gadget {
  readonly name: string
  /** What some server takes for `Transfer-Encoding: chunked`; the bytes of one or more header lines. */
  readonly header_lines_latin1_base64: string
}

/** A head that asks for `target`, with the gadget and a length that contradict each other. */
const head = (target: string, token: string, gadget: string, length: number, lengthFirst: boolean) => {
  const lines = lengthFirst ? `Content-Length: ${length}\r\n${gadget}` : `${gadget}\r\nContent-Length: ${length}`
  return `POST ${target} HTTP/1.1\r\nHost: x\r\n${token}${lines}\r\n\r\n`
}

/** By its length the body is these five bytes, as chunks it is empty. */
const CL_TE = '0\r\n\r\n'

/** The mirror: by its length the body is the size of a chunk, and a request follows that is this chunk for who reads chunks. */
const SECOND_BODY = 'x\r\n0\r\n\r\n'
const hidden = (target: string, token: string) => `POST ${target} HTTP/1.1\r\nHost: x\r\n${token}Content-Length: ${SECOND_BODY.length}\r\n\r\n${SECOND_BODY}`
const sizeOf = (request: string) => `${(request.length - '\r\n0\r\n\r\n'.length).toString(16)}\r\n`

/** What may have gone up of a request: its body by the length, and nothing in its head that speaks of another. */
function assertPlain(model: string, body: string, name: string): void {
  for (const seen of house.seenOf(model)) {
    assert.equal(seen.body.toString('latin1'), body, name)
    const odd = seen.rawHeaders.filter((text, i) => i % 2 === 0 && /trans|encod|chunk/i.test(text) && text !== 'accept-encoding')
    assert.deepEqual(odd, [], name)
  }
}

conformance('http1-smuggling-gadgets', (folder) => {
  const gadgets = readJson<Gadget[]>(folder, 'open', 'gadgets.json')
  const gadgetOf = (one: Gadget) => Buffer.from(one.header_lines_latin1_base64, 'base64').toString('latin1')

  // It frames nothing: what it stands in is refused for itself, and what follows is read as it would be without it.
  const isContentEncoding = (one: Gadget) => /^content-encoding:/im.test(gadgetOf(one))

  describe('what some server takes for chunked is refused, or is no header of ours', { concurrency: true }, () => {
    for (const lengthFirst of [false, true]) {
      const order = lengthFirst ? 'behind' : 'before'

      test(`CL.TE: the gadget ${order} the length`, async () => {
        await inParallel(gadgets, 40, async (one, i) => {
          const model = `clte-${order}-${i}`
          const answers = statuses(await house.send(head(`/model/${model}/invoke`, BEARER, gadgetOf(one), CL_TE.length, lengthFirst) + CL_TE))
          const seen = house.seenOf(model).length
          assert.deepEqual(answers, seen > 0 ? [200] : isContentEncoding(one) ? [415] : [400], one.name)
          assert.ok(seen <= 1, one.name)
          assertPlain(model, CL_TE, one.name)
        })
      })

      test(`TE.CL: the gadget ${order} the length`, async () => {
        await inParallel(gadgets, 40, async (one, i) => {
          const model = `tecl-${order}-${i}`
          const second = hidden(`/model/${model}-second/invoke`, BEARER)
          const first = head(`/model/${model}/invoke`, BEARER, gadgetOf(one), sizeOf(second).length, lengthFirst) + sizeOf(second)
          const answers = statuses(await house.send(`${first}${second}`))
          const seen = house.seenOf(model).length
          const isCut = seen === 0 && !isContentEncoding(one)
          assert.equal(house.seenOf(`${model}-second`).length, isCut ? 0 : 1, one.name)
          assert.deepEqual(answers, isCut ? [400] : [seen === 0 ? 415 : 200, 200], one.name)
          assertPlain(model, sizeOf(second), one.name)
          assertPlain(`${model}-second`, SECOND_BODY, one.name)
        })
      })
    }

    test('as they are, for a path that nobody knows', async () => {
      await inParallel(gadgets, 40, async (one) => {
        const clTe = statuses(await house.send(head('/a', '', gadgetOf(one), CL_TE.length, false) + CL_TE))
        assert.ok(clTe.length === 1 && clTe[0]! >= 400, `${one.name}: ${clTe.join()}`)
        const second = hidden('/b', '')
        const teCl = statuses(await house.send(head('/a', '', gadgetOf(one), sizeOf(second).length, false) + sizeOf(second) + second))
        assert.ok(teCl.every((status) => status >= 400), `${one.name}: ${teCl.join()}`)
      })
    })
  })

  test('a few of them are plain headers to us, and no more than a few', () => {
    const served = new Set(house.bedrock.seen.map(({ target }) => /-(\d+)/.exec(target)![1]))
    assert.ok(served.size > 0 && served.size <= 6, `${served.size} gadgets were served`)
  })
})
