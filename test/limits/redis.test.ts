import { withRedis } from '../kit/redis.ts'
import { contract } from './contract.ts'
import { emptied, Share } from './redis-kit.ts'

await withRedis((server) => {
  contract(server.program, async (row) => new Share((await emptied(server)).url, row).limits)
})
