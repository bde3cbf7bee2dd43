import type { Dial } from './dials.ts'

/** In front of a program that runs no code but its own: strace, as a grandchild, so that the process that is started is the program. */
export const tracer = (file: string): readonly string[] => ['strace', '-D', '-f', '--seccomp-bpf', '-qqq', '-e', 'trace=connect', '-e', 'signal=none', '-o', file]

const ADDRESS = /connect\(\d+, \{sa_family=AF_(?:INET, sin_port=htons\((\d+)\), sin_addr=inet_addr\("([^"]+)"\)|INET6, sin6_port=htons\((\d+)\),.* inet_pton\(AF_INET6, "([^"]+)"|UNIX, sun_path="([^"]+)")/

/** What is connected to, by the kernel's word: addresses, where names were looked up. */
export function dialsIn(trace: string): readonly Dial[] {
  return trace.split('\n').flatMap((line): Dial[] => {
    const [, port, address, port6, address6, path] = ADDRESS.exec(line) ?? []
    if (path !== undefined) return OF_LIBC.test(path) ? [] : [`unix:${path}`]
    const place = address !== undefined ? ([address, port] as const) : address6 !== undefined ? ([`[${address6}]`, port6] as const) : undefined
    // The C library asks name servers, and has the kernel choose among addresses by connecting to no port at all.
    return place === undefined || place[1] === '53' || place[1] === '0' ? [] : [place.join(':')]
  })
}

const OF_LIBC = /\/nscd\/socket$/
