/** The value a JSON pointer (RFC 6901) leads to; `undefined` where there is none, or null. */
export function claimAt(claims: unknown, pointer: string): unknown {
  let value = claims
  for (const token of pointer.split('/').slice(1)) {
    const name = token.replaceAll('~1', '/').replaceAll('~0', '~')
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined
    value = (value as Record<string, unknown>)[name]
  }
  return value ?? undefined
}
