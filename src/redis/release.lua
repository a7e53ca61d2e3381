-- release: gives the lock back, or leaves the queue, whatever the token is, and hands over. Sent again it does nothing.
--
-- ARGV: claim, token, tombstone (microseconds, 0 for none), kind, path (both are looked at on the fast path alone)
-- Returns { 1 if it was held or waited, else 0; more; the token since which the tree remembers, 0 if it remembers nothing }.
--
-- A tombstone is left where a request for the lock may still be under way: when that arrives it must not be granted to nobody (I6).
local _, token, tombstone = unpack(ARGV)
tombstone = tonumber(tombstone)

local it, more = remove(token)
if tombstone > 0 then
  if not now then
    read_clock()
  end
  call('HSET', GRANTS, token, '0,0,0,0,,0,')
  call('ZADD', DEADLINES, now + tombstone, token)
end
return { it and 1 or 0, more, tonumber(call('HGET', NODES, 'born') or 0) }
