export type AuditErrorCode =
  /** A symbolic link, no regular file, or one that others can write. */
  | 'AUDIT_FILE_UNSAFE'
  /** The system says no; its code is in the message. */
  | 'AUDIT_FILE_UNUSABLE'
  /** Another process writes it. */
  | 'AUDIT_FILE_LOCKED'
  /** The file does not end with a line that this key made. */
  | 'AUDIT_FILE_FOREIGN'
  /** No head, or one that this key did not seal. */
  | 'AUDIT_HEAD_INVALID'

/** Why an audit log cannot be opened or read. */
export class AuditError extends Error {
  override readonly name = 'AuditError'
  readonly code: AuditErrorCode

  constructor(code: AuditErrorCode, message: string) {
    super(message)
    this.code = code
  }
}
