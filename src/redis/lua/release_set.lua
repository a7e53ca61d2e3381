-- release_set: release, for many tokens in one call: the members of a set, or a set that waits,
-- which leaves the queue. Sent again it does nothing.
--
-- ARGV: claim, tombstone (microseconds, 0 for none), tokens: each with a comma and the fencing
-- token that it was raised to, if it was (I11). Returns { 1 if all of them were held and their time
-- was not up, else 0; more; the token since which the tree remembers, 0 if it remembers nothing;
-- then for each token 1 or 0, as for all }.
local tombstone = tonumber(ARGV[2])

read_clock()
local reply = { 1, false, 0 }
for i = 3, #ARGV do
  local token, raised = match(ARGV[i], '^([^,]+),?(%d*)$')
  local found = give_up(token, tombstone, tonumber(raised))
  reply[1] = math.min(reply[1], found)
  reply[i + 1] = found
end
reply[2], reply[3] = rest(), tonumber(call('HGET', NODES, 'born') or 0)
return reply
