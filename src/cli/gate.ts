/** Variables by which Node prints tokens, trusts more, runs other code or writes files; what each would do, for the message. */
export const FORBIDDEN: readonly (readonly [name: string, effect: string])[] = [
  ['NODE_DEBUG', 'prints tokens and signatures'],
  ['NODE_DEBUG_NATIVE', 'prints what is sent and received'],
  ['NODE_OPTIONS', 'loads code and changes what is checked'],
  ['NODE_PATH', 'loads code from other folders'],
  ['NODE_TLS_REJECT_UNAUTHORIZED', 'turns off the check of certificates'],
  ['NODE_USE_SYSTEM_CA', 'adds authorities that are trusted'],
  ['NODE_USE_ENV_PROXY', 'sends requests to a proxy of the environment'],
  ['OPENSSL_CONF', 'changes what OpenSSL allows'],
  ['NODE_V8_COVERAGE', 'writes files'],
  ['NODE_COMPILE_CACHE', 'writes files'],
  ['NODE_REDIRECT_WARNINGS', 'writes files'],
]

// NODE_EXTRA_CA_CERTS and SSL_CERT_FILE are not among them: every connection names its authorities itself, so they have no
// effect here, and images and companies set them for everybody.

/** Refusals, as lines for people, for variables that could undo what the proxy promises. An auditor's unit sets none of them. */
export function environmentProblems(env: Readonly<Record<string, string | undefined>>): string[] {
  return FORBIDDEN.filter(([name]) => env[name]).map(([name, effect]) => `${name} is set: it ${effect}; unset it`)
}

/** End of life since April 2026: its parser drops header lines without a word, and nobody mends it any more. */
export const isEndOfLife = (node: string): boolean => Number(node.split('.')[0]) < 22
