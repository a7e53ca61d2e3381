-- hello: a client has found another server than the one that was greeted last. Was anything that it
-- may have granted lost on the way? If that is not certain a grace period opens, for all clients.
--
-- ARGV: claim, the server's history (its replication id, and the one that it had as a replica; each
-- 40 characters), its node in a cluster (40 characters, or empty), for how long it has been up, the
-- length of a grace period, and 1 if this client had a lock in the tree before, else 0.
-- Returns { how long the grace period lasts from now on; 0 if none is open }.
--
-- The tree remembers who was greeted and with which history: `server` and `history`.
--
-- | the tree                          | the server                            | grace |
-- |-----------------------------------|---------------------------------------|-------|
-- | knows this server                 |                                       | as it is |
-- | knows another one                 | is another node, whose history is not that of the other: the slot has moved, with its data | as it is |
-- | knows another one                 | anything else: a restart, a failover  | from now on |
-- | knows none, and this client knew it | has lost its data                   | from now on |
-- | knows none                        | was a replica once                    | from now on |
-- | knows none                        | was started a while ago               | what is left since then: what was granted before has ended by then |
local _, replication, before, node, up, length, knew = unpack(ARGV)
length = tonumber(length)
read_clock()
local function greet(till)
  grace = math.max(grace, till)
  if grace > now and tick < now then
    raise_tick(now) -- as in `set_end`
  end
  call('HSET', NODES, 'server', mine .. (grace > now and digits(',%.0f', grace) or ''), 'history', replication .. node)
end

local history = call('HGET', NODES, 'history')
if not known then
  local was_replica = find(before, '[^0]')
  greet(now + ((knew == '1' or was_replica) and length or length - tonumber(up)))
elseif sub(known, 1, 40) == mine then
  if history ~= replication .. node then
    greet(0)
  end
else
  local its, its_node = sub(history, 1, 40), sub(history, 41)
  local moved = node ~= '' and its_node ~= '' and its_node ~= node and its ~= replication and its ~= before
  greet(moved and 0 or now + length)
end
return { math.max(grace - now, 0) }
