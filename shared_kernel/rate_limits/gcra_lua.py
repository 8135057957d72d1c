"""The same arithmetic in Lua, to be embedded in a bigger script or run alone.

`gcra(key, now_us, interval_us, burst, cost)` returns allowed (0 or 1), remaining, retry_after_us, reset_us.
`gcra_all(limits, cost, now_us)` draws from every limit `{key, interval_us, burst}` or, if one refuses, from none. It
returns a flat table: allowed, then remaining, retry_after_us, reset_us of each limit in order. Without `now_us` it
takes Redis' own clock, the only one all processes share. A bucket's key expires when the bucket is full again.
"""

from typing import Final

# %.0f, for Lua's own conversion keeps 14 digits and microseconds since 1970 have 16 (a double holds them exactly).
GCRA_LUA_FUNCTION: Final = """
local function gcra_look(key, now_us, interval_us, burst, cost)
  local capacity_us = burst * interval_us
  local stored = redis.call('GET', key)
  local tat_us = now_us
  if stored then
    tat_us = math.min(math.max(tonumber(stored), now_us), now_us + capacity_us)
  end
  local drawn_tat_us = tat_us + math.min(cost, burst) * interval_us
  local retry_after_us = math.max(0, drawn_tat_us - capacity_us - now_us)
  return tat_us, drawn_tat_us, retry_after_us, now_us + capacity_us
end

local function gcra_store(key, now_us, tat_us)
  if tat_us > now_us then
    redis.call('SET', key, string.format('%.0f', tat_us), 'PX', math.ceil((tat_us - now_us) / 1000))
  end
end

local function gcra(key, now_us, interval_us, burst, cost)
  local tat_us, drawn_tat_us, retry_after_us, full_at_us = gcra_look(key, now_us, interval_us, burst, cost)
  if retry_after_us > 0 then
    return 0, math.floor((full_at_us - tat_us) / interval_us), retry_after_us, tat_us - now_us
  end
  gcra_store(key, now_us, drawn_tat_us)
  return 1, math.floor((full_at_us - drawn_tat_us) / interval_us), 0, drawn_tat_us - now_us
end

local function gcra_all(limits, cost, now_us)
  if not now_us then
    local time = redis.call('TIME')
    now_us = tonumber(time[1]) * 1000000 + tonumber(time[2])
  end
  local looked, allowed = {}, 1
  for index, limit in ipairs(limits) do
    local tat_us, drawn_tat_us, retry_after_us, full_at_us = gcra_look(limit[1], now_us, limit[2], limit[3], cost)
    looked[index] = {tat_us, drawn_tat_us, retry_after_us, full_at_us}
    if retry_after_us > 0 then
      allowed = 0
    end
  end
  local answer = {allowed}
  for index, limit in ipairs(limits) do
    local tat_us = looked[index][1 + allowed]
    if allowed == 1 then
      gcra_store(limit[1], now_us, tat_us)
    end
    answer[#answer + 1] = math.floor((looked[index][4] - tat_us) / limit[2])
    answer[#answer + 1] = looked[index][3]
    answer[#answer + 1] = tat_us - now_us
  end
  return answer
end
"""

# KEYS: one per limit. ARGV: the cost, then interval_us and burst of each limit.
ADMIT_LUA: Final = (
    GCRA_LUA_FUNCTION
    + """
local limits = {}
for index, key in ipairs(KEYS) do
  limits[index] = {key, tonumber(ARGV[2 * index]), tonumber(ARGV[2 * index + 1])}
end
return gcra_all(limits, tonumber(ARGV[1]))
"""
)
