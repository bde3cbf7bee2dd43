import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'

/** A self-signed certificate, as PEM and as files that are gone when the tests of the file are over. */
export interface TestCertificate {
  readonly cert: string
  readonly key: string
  readonly certFile: string
}

/** @param days - How long it is valid. */
export function certificateFor(names: readonly string[], days = 2): TestCertificate {
  const folder = mkdtempSync(join(tmpdir(), 'certificate-'))
  after(() => rmSync(folder, { recursive: true }))
  const [certFile, keyFile] = [join(folder, 'cert.pem'), join(folder, 'key.pem')]
  execFileSync('openssl', [
    'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', String(days), '-subj', `/CN=${names[0]}`,
    '-addext', `subjectAltName=${names.map((name) => `DNS:${name}`).join(',')}`, '-keyout', keyFile, '-out', certFile,
  ], { stdio: 'ignore' })
  return { cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8'), certFile }
}
