import { contract } from './contract.ts'
import { freshFolder, journal, memory, TestWorld } from './kit.ts'

contract('memory', memory)
contract('a journal', (row) => journal(freshFolder(), new TestWorld(), row))
