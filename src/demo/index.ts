export { freePort } from './port.ts'
export { startStandIn, type StandIn, type StandInOptions } from './standin.ts'
