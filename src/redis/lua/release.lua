-- release: gives the lock back, or leaves the queue, whatever the token is, and hands over. Sent
-- again it does nothing.
--
-- ARGV: claim, token, tombstone (microseconds, 0 for none), kind, path, and the fields of the fast
-- paths, which alone look at kind and path. Returns { 1 if it was held or waited and its time was
-- not up, or may have been, else 0; more; the token since which the tree remembers, 0 if it
-- remembers nothing }.
--
-- A tombstone is left where a request for the lock may still be under way: when that arrives it
-- must not be granted to nobody (I6). While a grace period is open a renewal may be under way,
-- which would put back what has been given back (I10).
local _, token, tombstone = unpack(ARGV, 1, 3)
tombstone = tonumber(tombstone)

read_clock()
local ends = call('ZSCORE', DEADLINES, token)
local it = remove(token)
if tombstone > 0 or grace > 0 then
  call('HSET', NODES, token, '0,0,0,0,0,,0,')
  set_end(token, math.max(now + tombstone, grace))
end
-- What is not known while a grace period is open was forgotten, and kept from all others.
return { (it and tonumber(ends) > now or not it and grace > 0) and 1 or 0, rest(), tonumber(call('HGET', NODES, 'born') or 0) }
