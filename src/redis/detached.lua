-- detached: a lock that outlives its guard. Its record names no client: so it is known, also to
-- whoever was not there.
--
-- ARGV: claim, token, path, detach (1: from now on it is one; 0: only if it is), length (the time
-- left from now on; 0: as it is) Returns { 1, kind, fencing token, lease, time left }, or { 0 } if
-- there is none. Sent again it does the same.
local _, token, path, detach, length = unpack(ARGV)
length = tonumber(length)

read_clock()
local text = call('HGET', NODES, token)
local it = text and parse(text)
if not it or it.kind == 0 or it.path ~= path or (it.client ~= '' and detach ~= '1') then
  return { 0 }
end
local left = tonumber(call('ZSCORE', DEADLINES, token)) - now
if left <= 0 then
  return { 0 }
end
if detach == '1' then
  local about = digits('%.0f,%.0f,,%d,', it.lease, it.claim, #it.owner) .. it.owner .. it.path
  call('HSET', NODES, token, record(it.kind, it.number, about))
  if length > 0 then
    left = length
    call('ZADD', DEADLINES, now + length, token)
  end
end
return { 1, it.kind, it.number, it.lease, left }
