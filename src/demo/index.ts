export { startStandIn, type StandIn, type StandInOptions } from './standin.ts'
