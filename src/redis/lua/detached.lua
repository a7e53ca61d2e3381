-- detached: a lock that outlives its guard. Its record names no client: so any client that has path
-- and token can take it up.
--
-- ARGV: claim, token, path, detach (1: from now on it is one; 0: only if it is), length (the time
-- left from now on; 0: as it is), version (as for refresh). Length and version are for the call
-- that detaches, and nothing to one that finds it done.
--
-- Returns { 1, kind, fencing token, lease, time left }, or { 0 } if there is none. Sent again it
-- returns the same.
local _, token, path, detach, length, version = unpack(ARGV)
length, version = tonumber(length), tonumber(version)

read_clock()
local text = call('HGET', NODES, token)
local it = text and parse(text)
if not it or it.kind == 0 or it.path ~= path or (it.client ~= '' and detach ~= '1') then
  return { 0 }
end
if time_left(token) <= 0 then
  return { 0 }
end
if it.client ~= '' then
  local about = digits('%.0f,%.0f,,%d,', it.lease, it.claim, #it.owner) .. it.owner .. it.path
  call('HSET', NODES, token, record(it.kind, it.number, math.max(version, it.version), about))
  if length > 0 and (version <= 0 or version >= it.version) then
    set_end(token, now + length, version == 0)
  end
end
return { 1, it.kind, it.number, it.lease, time_left(token) }
