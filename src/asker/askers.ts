/** Who asks, as far as rules look at it. */
export interface Asker {
  readonly issuer: string
  readonly user: string
  readonly groups: readonly string[]
}

/** Who asks, with the claims that templates name: by pointer, those that the token has. */
export interface Described extends Asker {
  readonly claims: ReadonlyMap<string, string>
}

/** Users and groups that a rule is for: everybody where it names none, and both where it names both. */
export class Askers {
  readonly #users: Names | undefined
  readonly #groups: Names | undefined

  /**
   * @param users - `user`, or `issuer|user`.
   * @param groups - `group`, or `issuer|group` for that of one issuer.
   * @param issuers - All that are trusted; `undefined` is one whose name is not checked.
   */
  constructor({ users, groups }: { readonly users?: readonly string[] | undefined; readonly groups?: readonly string[] | undefined }, issuers: readonly (string | undefined)[]) {
    this.#users = users && new Names(users, issuers)
    this.#groups = groups && new Names(groups, issuers)
  }

  /** Whether a user is named without an issuer: with several it would be somebody else with each. */
  get hasBareUsers(): boolean {
    return this.#users?.bare === true
  }

  has({ issuer, user, groups }: Asker): boolean {
    return (this.#users === undefined || this.#users.has(issuer, user)) && (this.#groups === undefined || groups.some((group) => this.#groups!.has(issuer, group)))
  }
}

/** Names of users or groups: of one issuer, or of whichever. */
class Names {
  readonly #bare = new Set<string>()
  readonly #byIssuer = new Map<string, Set<string>>()

  constructor(names: readonly string[], issuers: readonly (string | undefined)[]) {
    for (const name of names) {
      const issuer = issuers.find((known) => known !== undefined && name.startsWith(`${known}|`))
      if (issuer === undefined) this.#bare.add(name)
      else this.#byIssuer.set(issuer, (this.#byIssuer.get(issuer) ?? new Set()).add(name.slice(issuer.length + 1)))
    }
  }

  get bare(): boolean {
    return this.#bare.size > 0
  }

  has(issuer: string, name: string): boolean {
    return this.#bare.has(name) || this.#byIssuer.get(issuer)?.has(name) === true
  }
}
