"""What happens in the Redis all at once: keys, and Lua.

watchbuddy:{ses_…}:record   hash   what a session was created with, and by whom
watchbuddy:{ses_…}:head     hash   the end of its log, its newest fences, who appended last
watchbuddy:{ses_…}:log      stream the entries; the ids are their positions, as `17-0`
watchbuddy:{ses_…}:spent    hash   billionths of a US dollar
watchbuddy:{ses_…}:progress string the latest report
watchbuddy:{ses_…}:news            channel: what is appended and reported, as it happens
watchbuddy:sessions         sorted set   sessions, by when they expire (milliseconds since 1970)
watchbuddy:needs            sorted set   sessions, by when they were needed last
watchbuddy:caller:…         sorted set   of the sessions, those of one caller
watchbuddy:address:…        sorted set   those from one address
watchbuddy:spent:…          hash   of a day: billionths of a US dollar, by account
watchbuddy:days             set    the days of which there is such a hash
watchbuddy:preferences      hash   how much users want to hear; beside it, when they said so
watchbuddy:cache:…          what may be forgotten
watchbuddy:done:…           string a payment that was made; for as long as it may be tried again
watchbuddy:check            string written to see whether that works
watchbuddy:origin           string made once, so that it shows where all the rest was lost

Everything but the last one expires some time after it was needed last, so that nothing stays
behind for ever. What limits and files take beside that, `redis_commons` and `redis_whereabouts`
say. Times are the Redis' own.
"""

from __future__ import annotations

from watchbuddy_core.stores.redis_line import Script

MOST_PREFERENCES = 100_000
"""So many are kept, the last ones."""


def key(session_id: str, part: str) -> str:
    """What is kept of a session, or the channel about it."""
    return f"watchbuddy:{{{session_id}}}:{part}"


_COMMON = """
local is_again = ARGV[1] == '1'
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local at = string.format('%d', time[1] * 1000000 + time[2])

local function forget(session, caller, address)
  redis.call('ZREM', 'watchbuddy:sessions', session)
  redis.call('ZREM', 'watchbuddy:needs', session)
  if caller then redis.call('ZREM', 'watchbuddy:caller:' .. caller, session) end
  if address then redis.call('ZREM', 'watchbuddy:address:' .. address, session) end
end

local function forget_expired()
  for _, session in ipairs(redis.call(
      'ZRANGEBYSCORE', 'watchbuddy:sessions', '-inf', now, 'LIMIT', 0, 500)) do
    forget(session)
  end
end

-- As long as the record, if there is one.
local function expire_with(record, key, keep)
  local left = redis.call('PTTL', record)
  if left < 0 then left = keep end
  redis.call('PEXPIRE', key, left)
end
"""


def _script(text: str) -> Script:
    return Script(_COMMON + text)


FENCE = _script("""
local head, record = KEYS[1], KEYS[2]
local role, keep = ARGV[2], ARGV[3]
local newest = tonumber(redis.call('HGET', head, role) or 0)
-- By the clock, so that it is a new one also where a Redis has lost the last ones.
local number = math.max(newest + 1, now)
redis.call('HSET', head, role, number)
if redis.call('PTTL', head) < 0 then expire_with(record, head, keep) end
return number
""")

APPEND = Script("""
local head, log, record, news = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local again, order, role, number = ARGV[1], ARGV[3], ARGV[4], ARGV[5]
local keep, most = ARGV[6], tonumber(ARGV[7])
local writer = 'by:' .. ARGV[2] .. ':' .. role

if again == '1' then
  local done, position = string.match(redis.call('HGET', head, writer) or '', '^(%d+) (%d+)$')
  if done == order then return {'kept', tonumber(position)} end
end
local known = redis.call('HMGET', head, 'end', 'bytes', role)
if role ~= '' then
  local newest = tonumber(known[3] or 0)
  if newest < tonumber(number) and redis.call('EXISTS', record) == 1 then
    newest = tonumber(number)  -- the Redis has lost that it was taken; nobody has taken it since
    redis.call('HSET', head, role, number)
  end
  if newest ~= tonumber(number) then return {'stale', newest} end
end

local first = tonumber(known[1] or 0) + 1
local bytes = tonumber(known[2] or 0)
local length = redis.call('XLEN', log)
local is_tight = length * 2 >= most
for i = 8, #ARGV, 2 do
  if length >= most and ARGV[i] ~= 'dispensable' then return {'full', 0} end
end
local told = {}
local position = first - 1
for i = 8, #ARGV, 2 do
  local entry = ARGV[i + 1]
  position = position + 1
  if not (is_tight and ARGV[i] == 'dispensable') then
    redis.call('XADD', log, string.format('%d-0', position), 'e', entry)
    bytes = bytes + #entry
  end
  told[#told + 1] = #entry .. ':' .. entry
end
redis.call('HSET', head, 'end', position, 'bytes', bytes, writer, order .. ' ' .. position)
if first == 1 then
  local left = redis.call('PTTL', record)
  if left < 0 then left = keep end
  redis.call('PEXPIRE', head, left)
  redis.call('PEXPIRE', log, left)
end
redis.call('PUBLISH', news, 'L' .. first .. ' ' .. table.concat(told))
return {'kept', position}
""")

PUT = _script("""
local record, head, log, spent = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local session, json, caller, address = ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local created_at, keep = ARGV[6], tonumber(ARGV[7])
local old = redis.call('HMGET', record, 'caller', 'address')
-- First what takes room: a Redis that has none refuses a script before it has changed anything.
redis.call('HSET', record, 'json', json, 'caller', caller, 'address', address)
forget_expired()
forget(session, old[1], old[2])
local indexes = {'watchbuddy:sessions', 'watchbuddy:caller:' .. caller}
if address ~= '' then indexes[3] = 'watchbuddy:address:' .. address end
for _, index in ipairs(indexes) do
  redis.call('ZADD', index, now + keep, session)
  redis.call('PEXPIRE', index, keep)
end
redis.call('ZADD', 'watchbuddy:needs', created_at, session)
redis.call('PEXPIRE', 'watchbuddy:needs', keep)
for _, key in ipairs({record, head, log, spent}) do redis.call('PEXPIRE', key, keep) end
""")

DELETE = _script("""
local session, record = ARGV[2], KEYS[1]
local old = redis.call('HMGET', record, 'caller', 'address')
forget(session, old[1], old[2])
redis.call('UNLINK', unpack(KEYS))
""")

SESSIONS = _script("""
forget_expired()
return redis.call('ZRANGEBYSCORE', 'watchbuddy:sessions', now, '+inf')
""")

RECORDS = Script("""
local found = {}
for i, key in ipairs(KEYS) do found[i] = redis.call('HGET', key, 'json') end
return found
""")

COUNT = _script("""
for _, index in ipairs(KEYS) do redis.call('ZREMRANGEBYSCORE', index, '-inf', now) end
if #KEYS == 1 then return redis.call('ZCARD', KEYS[1]) end
return #redis.call('ZINTER', #KEYS, unpack(KEYS))
""")

NEEDS = _script("""
forget_expired()
return redis.call('ZRANGE', 'watchbuddy:needs', 0, -1, 'WITHSCORES')
""")

SIZE = Script("""
local bytes = 0
for _, head in ipairs(KEYS) do
  bytes = bytes + (redis.call('HGET', head, 'bytes') or 0) + ARGV[2]
end
return bytes
""")

PAY = _script("""
local done, amount, keep = KEYS[1], tonumber(ARGV[2]), ARGV[3]
if is_again and redis.call('EXISTS', done) == 1 then return 0 end
for i = 2, #KEYS do
  local account, limit = ARGV[2 * i], tonumber(ARGV[2 * i + 1])
  local spent = tonumber(redis.call('HGET', KEYS[i], account) or 0)
  if spent + amount > limit then return i - 1 end
end
for i = 2, #KEYS do
  redis.call('HINCRBY', KEYS[i], ARGV[2 * i], ARGV[2])
  local day = string.match(KEYS[i], '^watchbuddy:spent:(.*)$')
  if day then
    redis.call('SADD', 'watchbuddy:days', day)
    redis.call('EXPIRE', 'watchbuddy:days', 40 * 86400)
    redis.call('EXPIRE', KEYS[i], 40 * 86400)
  else
    redis.call('PEXPIRE', KEYS[i], keep)
  end
end
redis.call('SET', done, '', 'PX', 600000)
return 0
""")

REPORT = Script("""
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
redis.call('PUBLISH', KEYS[2], ARGV[2])
""")

FORGET_DAYS = _script("""
for _, day in ipairs(redis.call('SMEMBERS', 'watchbuddy:days')) do
  if day < ARGV[2] then
    redis.call('UNLINK', 'watchbuddy:spent:' .. day)
    redis.call('SREM', 'watchbuddy:days', day)
  end
end
""")

PREFER = _script(f"""
local who, density, keep = ARGV[2], ARGV[3], ARGV[4]
redis.call('HSET', KEYS[1], who, density)
redis.call('ZADD', KEYS[2], at, who)
local excess = redis.call('ZCARD', KEYS[2]) - {MOST_PREFERENCES}
if excess > 0 then
  local gone = redis.call('ZPOPMIN', KEYS[2], excess)
  for i = 1, #gone, 2 do redis.call('HDEL', KEYS[1], gone[i]) end
end
redis.call('PEXPIRE', KEYS[1], keep)
redis.call('PEXPIRE', KEYS[2], keep)
""")

CACHED = _script("""
local value = redis.call('GET', KEYS[1])
if value then redis.call('ZADD', KEYS[2], 'XX', at, KEYS[1]) end
return value
""")

CACHE = _script("""
local value, uses, sizes = KEYS[1], KEYS[2], KEYS[3]
local content, most, keep = ARGV[2], tonumber(ARGV[3]), ARGV[4]
local function grow(bytes) return tonumber(redis.call('HINCRBY', sizes, 'total', bytes)) end
local function size(key) return tonumber(redis.call('HGET', sizes, key) or 0) end
local total = grow(#content - size(value))
redis.call('HSET', sizes, value, #content)
redis.call('SET', value, content, 'PX', keep)
redis.call('ZADD', uses, at, value)
while total > most do
  local gone = redis.call('ZPOPMIN', uses)[1]
  if not gone then break end
  total = grow(-size(gone))
  redis.call('HDEL', sizes, gone)
  redis.call('UNLINK', gone)
end
redis.call('PEXPIRE', uses, keep)
redis.call('PEXPIRE', sizes, keep)
""")
