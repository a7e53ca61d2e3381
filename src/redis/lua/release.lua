-- release: gives the lock back, or leaves the queue, whatever the token is, and hands over. Sent
-- again it does nothing.
--
-- ARGV: claim, token, tombstone (microseconds, 0 for none), kind, path, and the fields of the fast
-- paths, which alone look at kind and path. Returns { 1 if it was held or waited and its time was
-- not up, or may have been, else 0; more; the token since which the tree remembers, 0 if it
-- remembers nothing }.
local _, token, tombstone = unpack(ARGV, 1, 3)

read_clock()
return { give_up(token, tonumber(tombstone)), rest(), tonumber(call('HGET', NODES, 'born') or 0) }
