/**
 * UTF-8 that comes in pieces, judged byte by byte (RFC 3629 §4): a bad byte is found when it arrives, not at the end of
 * the message.
 */
export class Utf8Check {
  /** Continuation bytes still to come of the character at hand. */
  #missing = 0
  /** What the next of them may be: after some leading bytes less than 80..BF, or there were two spellings, or surrogates. */
  #low = 0x80
  #high = 0xbf

  /** Whether these bytes continue the text. After `false` there is no way back. */
  push(bytes: Uint8Array): boolean {
    for (let i = 0; i < bytes.length; i++) {
      const byte = bytes[i]!
      if (this.#missing === 0 ? byte >= 0x80 && !this.#begin(byte) : !this.#continue(byte)) return false
    }
    return true
  }

  /** Whether the text may end here. */
  get complete(): boolean {
    return this.#missing === 0
  }

  #begin(byte: number): boolean {
    if (byte < 0xc2 || byte > 0xf4) return false
    this.#missing = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3
    this.#low = byte === 0xe0 ? 0xa0 : byte === 0xf0 ? 0x90 : 0x80
    this.#high = byte === 0xed ? 0x9f : byte === 0xf4 ? 0x8f : 0xbf
    return true
  }

  #continue(byte: number): boolean {
    if (byte < this.#low || byte > this.#high) return false
    this.#missing--
    this.#low = 0x80
    this.#high = 0xbf
    return true
  }
}
