/**
 * The bytes that a base64url text (RFC 4648 section 5, no padding) stands for; undefined for any other spelling of them.
 *
 * Node's decoder skips what it does not know, takes "+", "/" and "=", and drops unused bits: one token would have
 * many spellings. So the bytes are encoded again, and must give the same text.
 */
export function decodeBase64url(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64url')
  return bytes.toString('base64url') === text ? bytes : undefined
}
