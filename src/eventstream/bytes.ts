/** The same memory seen as a Buffer. A TypeError for anything that is not bytes: only our own code can be wrong here. */
export function asBuffer(bytes: Uint8Array): Buffer {
  if (Buffer.isBuffer(bytes)) return bytes
  if (!(bytes instanceof Uint8Array)) throw new TypeError('bytes must be a Uint8Array')
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** Text of UTF-8 bytes, or undefined where they are not UTF-8. */
export function decodeUtf8(bytes: Buffer): string | undefined {
  const text = bytes.toString('utf8')
  // U+FFFD stands for broken bytes and is a character of its own; only the way back tells which.
  return text.includes('\uFFFD') && !Buffer.from(text).equals(bytes) ? undefined : text
}

/** UTF-8 bytes of text, or undefined where half a surrogate pair has none. */
export function encodeUtf8(text: string): Buffer | undefined {
  if (typeof text !== 'string') throw new TypeError('text must be a string')
  const bytes = Buffer.from(text)
  return bytes.toString('utf8') === text ? bytes : undefined
}
