#!/usr/bin/env node
import { main } from '../src/cli/main.ts'

// Not awaited here: the single binary is built from CommonJS, which cannot.
void main(process.argv.slice(2), process).then((code) => { process.exitCode = code })
