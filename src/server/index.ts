export { type Certificate, isUsable } from './certificate.ts'
export { Door, type DoorOptions, type Handler } from './door.ts'
export { type ReadinessChecks, servePage } from './pages.ts'
export { sniff } from './sniff.ts'
