export { type Call, type ClientOptions, UpstreamClient, type WireRequest } from './client.ts'
export { type Endpoint, type EndpointOptions, endpointOf, type Service } from './endpoint.ts'
export { UpstreamError, type UpstreamErrorCode } from './errors.ts'
export { Session, type SessionListener, type SessionRefusal, type SessionRequest } from './session.ts'
