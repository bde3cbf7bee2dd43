import { createHash } from 'node:crypto'

/** A script of Redis: it runs alone, whole, and by the clock of the server. */
export interface Script {
  readonly text: string
  /** By which EVALSHA knows it. */
  readonly sha: string
}

/**
 * What every script begins with. The arithmetic is that of `Account`, `Bucket` and `Period`, in the same doubles.
 *
 *     KEYS[1]  hash of the caller: `requests.` and `tokens.` (`debt`, `at`), `day.` and `month.` (`start`, `end`, counts), `held.` (what calls in flight may use)
 *     KEYS[2]  sorted set of the leases of calls in flight, by their ends; a lease is <process>.<number>:<tokens>:<micro-dollars>
 *     KEYS[3]  the last number that the process has ended something with
 *     ARGV[1]  the time in milliseconds, or nothing: then it is the server's
 *     ARGV[2]  the number of this command; those of a process grow
 */
const COMMON = `
local DAY, PUT_BACK, KEPT = 86400000, 3600000, 33 * 86400000
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local number = tonumber(ARGV[2])
-- Of a connection that was given up, a command can still arrive; by then another one has taken its place.
if number <= (tonumber(redis.call('GET', KEYS[3])) or 0) then return 'late' end

local fields, changed, back = {}, {}, false
local raw = redis.call('HGETALL', KEYS[1])
for i = 1, #raw, 2 do fields[raw[i]] = tonumber(raw[i + 1]) end
local function get(name) return fields[name] or 0 end
local function set(name, value)
  fields[name] = value
  changed[name] = true
end
local function whole(value) return string.format('%.0f', value) end
local function save()
  local args = {}
  for name in pairs(changed) do
    args[#args + 1] = name
    args[#args + 1] = whole(get(name))
  end
  if #args > 0 then redis.call('HSET', KEYS[1], unpack(args)) end
  redis.call('PEXPIRE', KEYS[1], KEPT)
end

local function hold(lease, sign)
  local tokens, money = string.match(lease, ':(%d+):(%d+)$')
  set('held.tokens', math.max(0, get('held.tokens') + sign * tokens))
  set('held.money', math.max(0, get('held.money') + sign * money))
end
local function payBack(bucket, perMinute)
  local debt, at = bucket .. '.debt', bucket .. '.at'
  if now > get(at) then set(debt, math.max(0, get(debt) - (now - get(at)) * perMinute)) end
  back = back or now < get(at)
  set(at, now)
end
local function covers(period) return now < get(period .. '.end') and now >= get(period .. '.start') - PUT_BACK end
local function used(period, kind) return covers(period) and get(period .. '.' .. kind) or 0 end

local SHOWN = { 'requests.debt', 'requests.at', 'tokens.debt', 'tokens.at', 'held.tokens', 'held.money' }
local KINDS = { 'input', 'output', 'read', 'write', 'money' }
local PERIODS = { 'day', 'month' }
local function shown(verdict)
  local values = { verdict, whole(now), redis.call('ZCARD', KEYS[2]) }
  for _, name in ipairs(SHOWN) do values[#values + 1] = whole(get(name)) end
  for _, period in ipairs(PERIODS) do
    values[#values + 1] = whole(get(period .. '.start'))
    for _, kind in ipairs(KINDS) do values[#values + 1] = whole(get(period .. '.' .. kind)) end
  end
  return table.concat(values, ' ')
end
`

/**
 * Takes what a call needs from every limit, or from none. What was held by leases that have ended is given back first.
 *
 *     ARGV     … life of a lease, the lease, then name, value and burst of each limit
 *     returns  the place of the limit that refuses, or 0, and the caller's state behind it
 */
export const RESERVE = script(`
local life, lease = tonumber(ARGV[3]), ARGV[4]
local tokens, money = string.match(lease, ':(%d+):(%d+)$')
tokens, money = tonumber(tokens), tonumber(money)
local ended = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', whole(now))
for _, one in ipairs(ended) do hold(one, -1) end
if #ended > 0 then redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', whole(now)) end
local live = redis.call('ZCARD', KEYS[2])
if live == 0 then
  set('held.tokens', 0)
  set('held.money', 0)
end

local function rate(bucket, needs)
  return { needs, function(value, burst)
    payBack(bucket, value)
    return math.floor((burst * 60000 - get(bucket .. '.debt')) / 60000)
  end }
end
local function tokensOf(period) return { tokens, function(value) return value - get('held.tokens') - used(period, 'input') - used(period, 'output') end } end
local function moneyOf(period) return { money, function(value) return value - get('held.money') - used(period, 'money') end } end
local meters = {
  requests_per_minute = rate('requests', 1), tokens_per_minute = rate('tokens', tokens), concurrent = { 1, function(value) return value - live end },
  tokens_per_day = tokensOf('day'), tokens_per_month = tokensOf('month'), usd_per_day = moneyOf('day'), usd_per_month = moneyOf('month'),
}
for i = 5, #ARGV, 3 do
  local value, burst = tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2])
  local needs, left = unpack(meters[ARGV[i]])
  if left(value, burst) < math.max(1, math.min(needs, burst)) then
    if back or #ended > 0 then save() end
    return shown((i - 2) / 3)
  end
end

hold(lease, 1)
for i = 5, #ARGV, 3 do
  if ARGV[i] == 'requests_per_minute' then set('requests.debt', get('requests.debt') + 60000) end
  if ARGV[i] == 'tokens_per_minute' then set('tokens.debt', get('tokens.debt') + tokens * 60000) end
end
redis.call('ZADD', KEYS[2], whole(now + life), lease)
redis.call('PEXPIRE', KEYS[2], 2 * life)
save()
return shown(0)
`)

/**
 * Gives back what leases held, and counts what was used. The second time, by the same number, it does nothing.
 *
 *     ARGV     … the rate of tokens per minute that the call came under, or nothing, the tokens guessed, when they were taken,
 *              what was used (five numbers), then the leases
 */
export const SETTLE = script(`
local perMinute, guessed, since = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
for i = 11, #ARGV do if redis.call('ZREM', KEYS[2], ARGV[i]) == 1 then hold(ARGV[i], -1) end end
if perMinute then
  payBack('tokens', perMinute)
  local difference, paid = (ARGV[6] + ARGV[7] - guessed) * 60000, math.max(0, now - since) * perMinute
  if difference < 0 then difference = math.min(0, difference + paid) end
  set('tokens.debt', math.max(0, get('tokens.debt') + difference))
end

-- Days from 1970 to the first of a month, counted from January of the year 0. Its years begin in March, so that the odd day comes last.
local function first(month)
  local year = math.floor((month - 2) / 12)
  local days = math.floor((153 * (month - 2 - 12 * year) + 2) / 5)
  return 365 * year + math.floor(year / 4) - math.floor(year / 100) + math.floor(year / 400) + days - 719468
end
local function begin(period, from, till)
  set(period .. '.start', from * DAY)
  set(period .. '.end', till * DAY)
  for _, kind in ipairs(KINDS) do set(period .. '.' .. kind, 0) end
end
local something = false
for i = 1, #KINDS do something = something or tonumber(ARGV[5 + i]) > 0 end
if something then
  local today = math.floor(now / DAY)
  if not covers('day') then begin('day', today, today + 1) end
  if not covers('month') then
    local month = 23640 + math.floor(today / 30.436875)
    while first(month) > today do month = month - 1 end
    while first(month + 1) <= today do month = month + 1 end
    begin('month', first(month), first(month + 1))
  end
  for _, period in ipairs(PERIODS) do
    for i, kind in ipairs(KINDS) do set(period .. '.' .. kind, get(period .. '.' .. kind) + ARGV[5 + i]) end
  end
end
save()
redis.call('SET', KEYS[3], ARGV[2], 'PX', 3600000)
return 'settled'
`)

/**
 * Calls that still run keep their leases; one that the server has lost is taken anew.
 *
 *     ARGV  … life of a lease, then the leases
 */
export const RENEW = script(`
local life = tonumber(ARGV[3])
for i = 4, #ARGV do if redis.call('ZADD', KEYS[2], whole(now + life), ARGV[i]) == 1 then hold(ARGV[i], 1) end end
redis.call('PEXPIRE', KEYS[2], 2 * life)
save()
return 'renewed'
`)

/** The caller's state, as RESERVE tells it. */
export const LOOK = script(`
return shown(0)
`)

export const SCRIPTS: readonly Script[] = [RESERVE, SETTLE, RENEW, LOOK]

function script(body: string): Script {
  const text = COMMON + body
  return { text, sha: createHash('sha1').update(text).digest('hex') }
}
