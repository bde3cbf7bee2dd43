export { presentedToken } from './bearer.ts'
export { HttpError, type HttpErrorCode } from './errors.ts'
export { isSigned, MAX_HEADER_LINES, type RequestFields, requestFields, responseFields } from './headers.ts'
export { decodeLabel, parseQuery, parseTarget, type Target } from './target.ts'
