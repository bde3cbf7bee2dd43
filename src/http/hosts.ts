/**
 * Whether a URL leads to its owner's own host, or to one of those that are named: a host, and its port where that is not 443.
 *
 *     isAtHostOf('https://keys.example/jwks', 'https://login.example', ['keys.example'])  // true
 */
export function isAtHostOf(url: string, owner: string, named: readonly string[]): boolean {
  const { host } = new URL(url)
  return host === new URL(owner).host || named.some((one) => new URL(`https://${one}`).host === host)
}
