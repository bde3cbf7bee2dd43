import { withRedis } from '../kit/redis.ts'
import { contract } from './contract.ts'
import { emptied, shared } from './redis-kit.ts'

await withRedis((server) => {
  contract(server.program, async (row) => shared((await emptied(server)).url, row).limits)
})
