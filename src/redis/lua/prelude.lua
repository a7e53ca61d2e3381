-- The first lines of every script: names, and what the fast paths need. docs/redis.md has the keys,
-- the record, the states, and the invariants that the scripts cite by number (I1 to I11).
--
-- Kinds of a lock: 1 exclusive subtree, 2 exclusive node only, 3 shared subtree, 4 shared node
-- only. Kind 0 is a tombstone. Classes of a count or a queue at a node: 1 to 4 are the locks on the
-- node itself, by kind; 5 and 6 are the exclusive and the shared ones strictly below it. So a node
-- has six counts, here called xs, xn, ss, sn, x_below and s_below, packed into 24 bytes.
--
-- Lua's `..` prints a number with 14 digits. A time in microseconds has more. So such numbers go
-- straight into redis.call, or through `digits`.
local NODES, DEADLINES, HOLDERS, WAITERS, QUEUES, WAITING, MAILBOX = unpack(KEYS)
local call, find, match, sub, digits = redis.call, string.find, string.match, string.sub, string.format
local pack, unpack_counts, layout = struct.pack, struct.unpack, '<I4I4I4I4I4I4'

-- ARGV[1] is the claim window. A client with a grace period puts 40 characters in front of it: the
-- server that it believes to talk to (docs/redis.md, "Another server").
local server = #ARGV[1] > 40 and sub(ARGV[1], 1, 40)

-- How what a client writes of a lock begins if it may keep the lock unused (docs/redis.md, "Kept
-- locks"): lease, claim, and a name that begins with `k`. So its tokens do, too. The claim of such
-- a holder is 0 once its client has said that the lock is in use.
local KEEPER = '^%d+,%d+,k'

-- A mailbox that nobody empties goes away after this time.
local MAILBOX_MS = 60000

-- Tells a client. One whose name ends with `s` has no mailbox, and hears the channel of that name.
-- A user who may not publish leaves it to find out by its heartbeats.
local function post(client, text)
  local mailbox = MAILBOX .. client
  if sub(client, -1) == 's' then
    redis.pcall('SPUBLISH', mailbox, text)
  else
    call('RPUSH', mailbox, text)
    call('PEXPIRE', mailbox, MAILBOX_MS)
  end
end

-- The counts of a node that has a single lock: on itself, by the lock's kind; and below it, for an
-- exclusive or a shared lock. Most nodes have just that, so the fast paths compare instead of
-- unpacking.
local OWN, ABOVE = {
  '\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0', '\0\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0',
  '\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0', '\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0',
}, {
  '\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0', '\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0',
}
