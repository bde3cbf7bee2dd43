import { type Reply, type ReplyLimits, ReplyParser } from '../../src/resp/index.ts'
import type { Chunks } from '../kit/pieces.ts'

export const LIMITS: ReplyLimits = { lineBytes: 1000, bulkBytes: 100_000, items: 1000, depth: 7 }

/** All replies in the bytes. */
export function read(chunks: Chunks, limits: Partial<ReplyLimits> = {}): Reply[] {
  const parser = new ReplyParser({ ...LIMITS, ...limits })
  return [...chunks].flatMap((chunk) => [...parser.push(chunk)])
}
