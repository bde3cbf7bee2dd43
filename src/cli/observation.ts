import { createSecretKey } from 'node:crypto'
import { AuditLog } from '../audit/index.ts'
import type { Config } from '../config/index.ts'
import type { Log } from '../log/index.ts'
import { CONTENT_TYPE } from '../prometheus/index.ts'
import type { ProxyDependencies, Witnesses } from '../proxy/index.ts'
import { Admin, Metrics, type ReadinessChecks } from '../server/index.ts'
import { VERSION } from './version.ts'

/**
 * Opens the audit log, where the configuration has one.
 *
 * @throws AuditError - where it cannot be opened.
 */
export function openAudit({ audit: { file, key, fsync, fail, intent } }: Config, log: Log): AuditLog | undefined {
  if (file === undefined) return undefined
  return new AuditLog({ path: file, fsync, fail, intent, key: key && createSecretKey(key.reveal(), 'utf8') }, { log, each, after: (delayMs, run) => setTimeout(run, delayMs) })
}

type Observed = Pick<ProxyDependencies, 'audit' | 'limits' | 'live' | 'credentials' | 'authenticator'>

/** What those who run the proxy look at. */
export interface Observation {
  readonly observe: Witnesses['observe']
  close(): Promise<void>
}

/** Opens the admin listener, where the configuration has one: metrics cost nothing where nobody can read them. */
export async function openAdmin({ admin: { host, port, user_metrics: byUser } }: Config, house: Observed, checks: ReadinessChecks, log: Log, fd?: number): Promise<Observation> {
  if (port === 0 && fd === undefined) return { observe: () => undefined, close: () => Promise.resolve() }
  const metrics = new Metrics({
    version: VERSION, byUser, checks,
    audit: house.audit,
    limitsAvailable: () => house.limits.available,
    live: () => house.live.count,
    credentialsEndMs: () => credentialsEndMs(house),
    issuers: () => house.authenticator.status(),
  })
  const admin = new Admin({ host, port, fd, checks, metrics: () => metrics.text(), metricsType: CONTENT_TYPE })
  await admin.listen()
  log.info('admin listening', { host, port })
  return {
    observe: (call) => metrics.observe(call),
    async close() {
      metrics.close()
      await admin.close()
    },
  }
}

function credentialsEndMs({ credentials }: Observed): number | undefined {
  return credentials.expiresMs
}

function each(intervalMs: number, run: () => unknown): () => void {
  const timer = setInterval(run, intervalMs).unref()
  return () => clearInterval(timer)
}
