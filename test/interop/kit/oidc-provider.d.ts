/** As far as it is used here: the package brings no types. */
declare module 'oidc-provider' {
  import type { IncomingMessage, ServerResponse } from 'node:http'

  export default class Provider {
    constructor(issuer: string, configuration: object)
    readonly Grant: new (of: { readonly accountId: string; readonly clientId: string }) => { addOIDCScope(scope: string): void; save(): Promise<string> }
    callback(): (request: IncomingMessage, response: ServerResponse) => Promise<void>
    interactionDetails(request: IncomingMessage, response: ServerResponse): Promise<{ readonly uid: string; readonly params: Readonly<Record<string, unknown>> }>
    interactionFinished(request: IncomingMessage, response: ServerResponse, result: object): Promise<void>
  }

  interface Asking {
    readonly oidc: { readonly result?: { readonly login?: object } }
  }

  class Check {
    /** @param isNeeded - Whether people must be asked. */
    constructor(reason: string, description: string, isNeeded: (context: Asking) => boolean)
  }

  export const interactionPolicy: { readonly Check: typeof Check; base(): { get(name: string): { readonly checks: { add(check: Check): void } } | undefined } }
}
