export type Chunks = Iterable<Buffer>

/** A small seeded generator (mulberry32): the same cuts and messages in every run. */
export function seeded(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) % below
  }
}

export function* pieces(bytes: Buffer, size: number): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

/** The same bytes in many pieces: whole, in fixed sizes, cut at random, and, when they are few, cut in two at every byte. */
export function* cuttings(bytes: Buffer, seed = bytes.length): Generator<[name: string, chunks: Chunks]> {
  const random = seeded(seed)
  yield ['whole', [bytes]]
  for (const size of [1, 7, 16, 4096]) yield [`pieces of ${size}`, pieces(bytes, size)]
  for (let round = 0; round < 2; round++) {
    const [a = 0, b = 0] = [random(bytes.length + 1), random(bytes.length + 1)].sort((x, y) => x - y)
    yield [`cut at ${a} and ${b}`, [bytes.subarray(0, a), bytes.subarray(a, b), bytes.subarray(b)]]
  }
  const everyCut = bytes.length <= 1200 ? bytes.length : 0
  for (let at = 1; at < everyCut; at++) yield [`cut at ${at}`, [bytes.subarray(0, at), bytes.subarray(at)]]
}
