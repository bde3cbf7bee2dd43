import { type Alphabet, type Askers, type Described, fill, type Template } from '../asker/index.ts'
import { RefreshingCredentials, type RefreshOptions } from './refresh.ts'
import { type Credentials, CredentialsError, type CredentialSource } from './source.ts'
import { assumeRole, type RoleSession } from './sts.ts'
import { unrefSleep, type World } from './world.ts'

/** A role, whom it is for, and what its sessions are called. */
export interface RoleRule {
  readonly askers: Askers
  readonly roleArn: string
  readonly sessionName: Template
  readonly sourceIdentity?: Template | undefined
  readonly tags: ReadonlyMap<string, Template>
  readonly durationS: number
  readonly externalId?: string | undefined
}

// AWS STS API reference, AssumeRole.
const SESSION_NAME: Alphabet = { foreign: /[^\w+=,.@-]/gu, min: 2, max: 64 }
const TAG_VALUE: Alphabet = { foreign: /[^\p{L}\p{Z}\p{N}_.:/=+\-@]/gu, min: 0, max: 256 }
/** "Role chaining limits your session to a maximum of one hour": so it is with credentials that are temporary themselves. */
const MAX_CHAINED_S = 3600

const MAX_SESSIONS = 10_000
/** How many STS is asked for at once; a thousand people come back at nine. */
const MAX_AT_ONCE = 32

/** What a first rule that fits makes of who asks; `undefined` where none does. */
export function roleSessionOf(rules: readonly RoleRule[], asker: Described): RoleSession | undefined {
  const rule = rules.find(({ askers }) => askers.has(asker))
  return rule && {
    roleArn: rule.roleArn,
    sessionName: fill(rule.sessionName, asker, SESSION_NAME),
    durationS: rule.durationS,
    externalId: rule.externalId,
    sourceIdentity: rule.sourceIdentity && fill(rule.sourceIdentity, asker, SESSION_NAME),
    tags: [...rule.tags].map(([key, template]) => [key, fill(template, asker, TAG_VALUE)] as const),
  }
}

/** The credentials that roles are assumed with, and what it takes to do so. */
export interface RolesWorld extends Omit<World, 'closing' | 'sleep'>, Pick<RefreshOptions, 'nowMs' | 'log'> {
  readonly host: CredentialSource
  /** In place of a timer that does not keep the process alive. */
  readonly sleep?: World['sleep']
}

interface Session extends RoleSession {
  readonly key: string
  readonly source: RefreshingCredentials
  /** Since there were new credentials. */
  used: boolean
}

/** Sessions of roles, one for all who come to the same; kept fresh while they are used, forgotten when they are not. */
export class RoleSessions {
  readonly #world: Required<Pick<RolesWorld, 'sleep'>> & RolesWorld
  #rules: readonly RoleRule[] = []
  /** The least recently used one first. */
  readonly #sessions = new Map<string, Session>()
  /** So that a caller who is known costs no templates. */
  #known = new WeakMap<Described, Session | 'none'>()
  readonly #turnstile = new Turnstile(MAX_AT_ONCE)

  constructor(rules: readonly RoleRule[], world: RolesWorld) {
    this.#world = { sleep: unrefSleep, ...world }
    this.reload(rules)
  }

  /** Takes other rules; sessions that come out of both go on. */
  reload(rules: readonly RoleRule[]): void {
    this.#rules = rules
    this.#known = new WeakMap()
  }

  get size(): number {
    return this.#sessions.size
  }

  /** Credentials of the role for a caller; those of this host where no rule fits. A failure is `CREDENTIALS_ROLE_REFUSED`. */
  credentialsFor(asker: Described): CredentialSource {
    let session = this.#known.get(asker)
    if (session === undefined || (session !== 'none' && this.#sessions.get(session.key) !== session)) {
      const wanted = roleSessionOf(this.#rules, asker)
      session = wanted === undefined ? 'none' : this.#session(wanted)
      this.#known.set(asker, session)
    }
    if (session === 'none') return this.#world.host
    session.used = true
    this.#sessions.delete(session.key)
    this.#sessions.set(session.key, session)
    return session.source
  }

  close(): void {
    for (const session of this.#sessions.values()) this.#forget(session)
  }

  #session(wanted: RoleSession): Session {
    const key = JSON.stringify(wanted)
    const known = this.#sessions.get(key)
    if (known !== undefined) return known
    const { nowMs, sleep, random, log } = this.#world
    const session: Session = {
      ...wanted, key, used: true,
      source: new RefreshingCredentials({
        nowMs, sleep, random, isFresh: true,
        // A thousand of them, four times an hour.
        log: { ...log, info: (...line) => log.debug(...line) },
        find: async (closing) => {
          const given = await this.#assume(wanted, closing).catch((error: unknown) => {
            // Who has nothing comes and asks; for who has something it goes on until that ends.
            if (!(session.source.expiresMs! > nowMs())) session.used = false
            throw error
          })
          session.used = false
          return given
        },
        isWanted: () => session.used || this.#forget(session),
      }),
    }
    this.#sessions.set(key, session)
    const [oldest] = this.#sessions.values()
    if (this.#sessions.size > MAX_SESSIONS) this.#forget(oldest!)
    return session
  }

  #forget(session: Session): false {
    this.#sessions.delete(session.key)
    session.source.close()
    return false
  }

  async #assume(session: RoleSession, closing: AbortSignal) {
    const { host } = this.#world
    const base = await host.get()
    const given = await this.#turnstile.pass(() => this.#ask(session, base, closing)).catch(async (error: unknown) => {
      const renewed = error instanceof CredentialsError && error.code === 'CREDENTIALS_EXPIRED' ? await host.renew(base) : undefined
      if (renewed === undefined) throw error
      return this.#ask(session, renewed, closing)
    }).catch((error: unknown) => {
      throw error instanceof CredentialsError ? new CredentialsError('CREDENTIALS_ROLE_REFUSED', `role ${session.roleArn} as ${session.sessionName}: ${error.message}`) : error
    })
    return { ...given, provider: `role ${session.roleArn} as ${session.sessionName}`, stable: false }
  }

  #ask(session: RoleSession, base: Credentials, closing: AbortSignal): Promise<Credentials> {
    const durationS = base.sessionToken === undefined ? session.durationS : Math.min(session.durationS, MAX_CHAINED_S)
    return assumeRole({ ...this.#world, closing }, { ...session, durationS }, base)
  }
}

/** Lets so many work at once; the others wait their turn. */
class Turnstile {
  #free: number
  readonly #waiting: (() => void)[] = []

  constructor(free: number) {
    this.#free = free
  }

  async pass<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--
    else await new Promise<void>((resolve) => this.#waiting.push(resolve))
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#free++
      else next()
    }
  }
}
